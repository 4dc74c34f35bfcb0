// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-record.c - a region's place in its keeper's record: taken before the keeper is asked for the
 * region, given back when the region is gone. What is written there is what the daemon decided
 * itself.
 */
#include <stdio.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/text.h"

static struct record_terms terms_of(const struct region *r, const struct region_entry *e,
				    bool gated)
{
	return (struct record_terms){ .grace_usec = r->grace_usec,
				      .policy = r->policy,
				      .gated = gated,
				      .gate_asked = e->gate_asked,
				      .warm = (uint8_t)(1 + e->text.warm_mode) };
}

int app_record(struct app *a, const struct region *r, struct region_entry *e, bool gated)
{
	struct record_region region = {
		.id = r->id,
		.device = e->text.device,
		.inode = e->text.inode,
		.offset = r->offset,
		.length = r->length,
		.terms = terms_of(r, e, gated),
		.file_uid = e->text.file_uid,
		.access = r->access,
		.detached = e->text.detached,
		.born_nsec = e->text.born_nsec,
		.uuid = { e->text.uuid[0], e->text.uuid[1] },
	};
	const char *path = e->text.path ? e->text.path : "";

	_Static_assert(sizeof(region.name) >= REGION_NAME_MAX, "a name fits");
	snprintf(region.name, sizeof(region.name), "%s", e->text.name ? e->text.name : "");
	text_clean(region.path, sizeof(region.path), path, strlen(path));
	if (!e->owner || !bus_client_mark(a->bus, e->owner, region.owner, sizeof(region.owner)))
		*region.owner = 0;
	return record_add(proxy_record(e->keeper), &region, &e->slot);
}

void app_record_terms(const struct region *r, struct region_entry *e, bool gated)
{
	const struct record_terms terms = terms_of(r, e, gated);

	record_set_terms(proxy_record(e->keeper), e->slot, &terms);
}

void app_forget_record(struct region_entry *e)
{
	if (e->slot != REGION_NO_SLOT)
		record_remove(proxy_record(e->keeper), e->slot);
	e->slot = REGION_NO_SLOT;
}
