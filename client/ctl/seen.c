// SPDX-License-Identifier: GPL-2.0-or-later
/* seen.c - see seen.h. */
#include "seen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "proto/region-properties.h"

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_region(const void *id, const void *region)
{
	return compare(id, &((const struct rdmareg_region_info *)region)->id);
}

/* All members that are texts, of which each is the region's own, or none is. */
#define OWN_TRUTH(member)
#define OWN_NUMBER(member)
#define OWN_COUNT(member)
#define OWN_BYTES(member)
#define OWN_TIME(member)
#define OWN_ADDRESS(member)
#define OWN_SMALL(member)
#define OWN_KEY(member)
#define OWN_REVOCATION(member)
#define VALUE(member, on_bus, kind, told, where) OWN_##kind(member)
#define WORD(member, on_bus, vocabulary, told, where)

static void free_texts(struct rdmareg_region_info *i)
{
#define OWN_TEXT(member) free((void *)(uintptr_t)i->member);
	REGION_PROPERTIES(VALUE, WORD)
#undef OWN_TEXT
}

static bool copy_texts(struct rdmareg_region_info *to, const struct rdmareg_region_info *from)
{
	bool all = true;

#define OWN_TEXT(member)                   \
	to->member = strdup(from->member); \
	all = all && to->member;
	REGION_PROPERTIES(VALUE, WORD)
#undef OWN_TEXT
	return all;
}
#undef VALUE
#undef WORD

void seen_clear(struct seen *s)
{
	for (size_t i = 0; i < s->n; i++)
		free_texts(&s->regions[i]);
	free(s->regions);
	*s = (struct seen){ 0 };
}

const struct rdmareg_region_info *seen_find(const struct seen *s, uint64_t id)
{
	return s->n ? bsearch(&id, s->regions, s->n, sizeof(*s->regions), compare_region) : NULL;
}

static int keep(struct seen *s, const struct rdmareg_region_info *info)
{
	struct rdmareg_region_info *mine = &s->regions[s->n++];

	*mine = *info;
	return copy_texts(mine, info) ? 0 : -ENOMEM;
}

/* With one call: no more regions than numbers are between the first and the last. */
static int ask_page(struct seen *s, struct rdmareg *c, const uint64_t *ids, size_t n)
{
	const uint64_t last = ids[n - 1];
	const struct rdmareg_list_options o = { .size = sizeof(o),
						.after = ids[0] - 1,
						.page = (uint32_t)(last - ids[0] + 1) };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *walk = NULL;
	int r = rdmareg_list(c, &o, &walk);

	while (r >= 0 && (r = rdmareg_list_next(walk, &info)) > 0) {
		if (info.id <= last && bsearch(&info.id, ids, n, sizeof(*ids), compare))
			r = keep(s, &info);
		if (info.id >= last)
			break;
	}
	rdmareg_list_free(walk);
	return r < 0 ? r : 0;
}

static size_t sort_once(uint64_t *ids, size_t n)
{
	size_t kept = 0;

	qsort(ids, n, sizeof(*ids), compare);
	for (size_t i = 0; i < n; i++)
		if (ids[i] && (!kept || ids[kept - 1] != ids[i]))
			ids[kept++] = ids[i];
	return kept;
}

int seen_ask(struct seen *s, struct rdmareg *c, uint64_t *ids, size_t n)
{
	int r = 0;

	seen_clear(s);
	n = sort_once(ids, n);
	s->regions = calloc(n + 1, sizeof(*s->regions));
	if (!s->regions)
		return -ENOMEM;
	for (size_t first = 0, end; first < n && r == 0; first = end) {
		for (end = first + 1; end < n && ids[end] - ids[first] < CTL_PAGE; end++)
			;
		r = ask_page(s, c, ids + first, end - first);
	}
	if (r < 0)
		seen_clear(s);
	return r;
}
