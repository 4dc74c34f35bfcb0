// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * rails.c - one list of tickets for regions of the same bytes on several devices. What always holds:
 * what is not of one file, offset and length is refused before a ticket is made; a list has one
 * ticket at least.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "rdmareg-wire.h"
#include "region.h"
#include "util.h"

#define LIST_BYTES ((size_t)RDMAREG_RAILS_MAX * (WIRE_TICKET_MAX + 1))

static bool is_same_range(const struct rdmareg_region_info *a, const struct rdmareg_region_info *b)
{
	return a->offset == b->offset && a->length == b->length && !strcmp(a->path, b->path);
}

static int check(struct rdmareg_region *const *regions, size_t n)
{
	if (!n || n > RDMAREG_RAILS_MAX)
		return fail(EINVAL, "exporting %zu regions as one list: it takes 1 to %d", n,
			    RDMAREG_RAILS_MAX);
	for (size_t i = 0; i < n; i++) {
		NEED(regions[i]);
		for (size_t j = 0; j < i; j++) {
			if (regions[i]->id == regions[j]->id)
				return fail(EINVAL,
					    "exporting regions as one list: region %" PRIu64
					    " is there twice",
					    regions[i]->id);
			if (!is_same_range(&regions[i]->properties.info,
					   &regions[j]->properties.info))
				return fail(EINVAL,
					    "exporting regions as one list: regions %" PRIu64
					    " and %" PRIu64
					    " are not of the same file, offset and length",
					    regions[j]->id, regions[i]->id);
		}
	}
	return 0;
}

/* Nobody could connect to it, so that a ticket would be of no use; the others go on. */
static bool is_unreachable(int error)
{
	return error == -ENODEV || error == -ENOENT || error == -EOWNERDEAD;
}

_public_ int rdmareg_export_rails(struct rdmareg_region *const *regions, size_t n,
				  const struct rdmareg_export_options *options, char **ret)
{
	_cleanup_(free_cleanup) char *list = NULL;
	struct failure missing = { 0 };
	size_t used = 0;
	char *ticket;
	int r, made = 0;

	NEED(regions);
	NEED(ret);
	r = check(regions, n);
	if (r < 0)
		return r;
	list = malloc(LIST_BYTES);
	if (!list)
		return fail(ENOMEM, "exporting %zu regions as one list: out of memory", n);
	for (size_t i = 0; i < n; i++) {
		r = rdmareg_export(regions[i], options, &ticket);
		if (is_unreachable(r)) {
			missing = failure_keep();
			continue;
		}
		if (r < 0)
			return r;
		used += (size_t)snprintf(list + used, LIST_BYTES - used, "%s%.160s",
					 made ? " " : "", ticket);
		free(ticket);
		made++;
	}
	if (missing.code)
		failure_put_back(&missing);
	if (!made)
		return missing.code;
	*ret = take_pointer(list);
	return made;
}
