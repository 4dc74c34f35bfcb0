// SPDX-License-Identifier: GPL-2.0-or-later
/* region-table.c - see region-table.h. */
#include "arbiter/region-table.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/keepers.h"
#include "util/text.h"

struct region_table {
	void *root; /* tsearch(3) tree by id */
};

static int compare(const void *a, const void *b)
{
	const struct region_entry *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int region_table_new(struct region_table **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct region_table *region_table_free(struct region_table *t)
{
	if (!t)
		return NULL;
	while (t->root)
		region_table_remove(t, *(struct region_entry **)t->root);
	free(t);
	return NULL;
}

int region_table_add(struct region_table *t, uint64_t id, struct keeper *keeper, struct client *holder,
		     struct region_entry **ret)
{
	struct region_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->id = id;
	e->keeper = keeper;
	e->holder = holder;
	SLIST_INIT(&e->releasing);
	if (!tsearch(e, &t->root, compare)) {
		free(e);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&keeper_note(keeper)->list, e, of_keeper);
	if (holder)
		LIST_INSERT_HEAD(&holder->regions, e, of_holder);
	*ret = e;
	return 0;
}

struct region_entry *region_table_find(const struct region_table *t, uint64_t id)
{
	struct region_entry key = { .id = id }, **node = tfind(&key, &t->root, compare);

	return node ? *node : NULL;
}

void region_entry_forget_holder(struct region_entry *e)
{
	if (!e->holder)
		return;
	LIST_REMOVE(e, of_holder);
	e->holder = NULL;
}

void region_table_remove(struct region_table *t, struct region_entry *e)
{
	struct call *call;
	struct failure f;

	failure_set(&f, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
	if (e->registering)
		call_fail(e->registering, &f);
	while ((call = region_entry_next_release(e)))
		call_fail(call, &f);
	region_entry_forget_holder(e);
	LIST_REMOVE(e, of_keeper);
	tdelete(e, &t->root, compare);
	free(e->text.path);
	free(e->text.mode_reason);
	free(e->text.ticket);
	free(e);
}

int region_entry_await_release(struct region_entry *e, struct call *call)
{
	struct waiting_call *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->call = call;
	SLIST_INSERT_HEAD(&e->releasing, w, waiting);
	return 0;
}

struct call *region_entry_next_release(struct region_entry *e)
{
	struct waiting_call *w = SLIST_FIRST(&e->releasing);
	struct call *call;

	if (!w)
		return NULL;
	SLIST_REMOVE_HEAD(&e->releasing, waiting);
	call = w->call;
	free(w);
	return call;
}

void region_text_set(char **member, const char *text, size_t n)
{
	size_t size = strnlen(text, n) + 1;

	free(*member);
	*member = malloc(size);
	if (*member)
		text_clean(*member, size, text, n);
}
