// SPDX-License-Identifier: GPL-2.0-or-later
/* region-table.c - see region-table.h. */
#include "arbiter/region-table.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/numbers.h"
#include "proxy/pool.h"
#include "util/cleanup.h"
#include "util/text.h"

struct region_table {
	struct numbers regions;
	void *files;   /* tsearch(3) tree by device and inode */
	void *mounted; /* the same by device and uuid */
	void *names;   /* the same by tenant and name: struct named */
};

/* A region's name, of which the text is the region's; keepers of its session come and go. */
struct named {
	uint32_t uid;
	char session[TENANT_SESSION_MAX];
	const char *name;
	struct region_entry *entry;
};

static int compare_files(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->device < y->device ? -1 : x->device > y->device;
}

static int compare_mounted(const void *a, const void *b)
{
	const struct filesystem *x = &((const struct mounted *)a)->is,
				*y = &((const struct mounted *)b)->is;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return memcmp(x->uuid, y->uuid, sizeof(x->uuid));
}

static int compare_names(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	r = strcmp(x->session, y->session);
	return r ? r : strcmp(x->name, y->name);
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
	for (struct region_entry *e; (e = numbers_after(&t->regions, 0));)
		region_table_remove(t, e);
	free(t);
	return NULL;
}

int region_table_add(struct region_table *t, uint64_t id, struct proxy *keeper,
		     struct client *owner, struct region_entry **ret)
{
	struct region_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->id = id;
	e->keeper = keeper;
	e->owner = owner;
	e->slot = REGION_NO_SLOT;
	SLIST_INIT(&e->releasing);
	LIST_INIT(&e->joins);
	LIST_INIT(&e->peers);
	TAILQ_INIT(&e->changes);
	if (numbers_add(&t->regions, id, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&proxy_note(keeper)->list, e, of_keeper);
	if (owner)
		LIST_INSERT_HEAD(&owner->regions, e, of_owner);
	*ret = e;
	return 0;
}

struct region_entry *region_table_find(const struct region_table *t, uint64_t id)
{
	return numbers_find(&t->regions, id);
}

void region_entry_forget_owner(struct region_entry *e)
{
	if (!e->owner)
		return;
	LIST_REMOVE(e, of_owner);
	e->owner = NULL;
}

struct file *region_table_find_file(const struct region_table *t, uint64_t device, uint64_t inode)
{
	struct file key = { .device = device, .inode = inode },
		    **node = tfind(&key, &t->files, compare_files);

	return node ? *node : NULL;
}

/* NULL: no memory. */
static struct file *get_file(struct region_table *t, uint64_t device, uint64_t inode)
{
	struct file *f = region_table_find_file(t, device, inode);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->device = device;
	f->inode = inode;
	TAILQ_INIT(&f->regions);
	if (tsearch(f, &t->files, compare_files))
		return f;
	free(f);
	return NULL;
}

static void drop_file(struct region_table *t, struct file *f)
{
	if (!TAILQ_EMPTY(&f->regions))
		return;
	tdelete(f, &t->files, compare_files);
	free(f);
}

/* NULL: no memory. */
static struct mounted *get_mounted(struct region_table *t, const struct filesystem *on)
{
	struct mounted *m = calloc(1, sizeof(*m)), **node;

	if (!m)
		return NULL;
	m->is = *on;
	TAILQ_INIT(&m->regions);
	node = tsearch(m, &t->mounted, compare_mounted);
	if (!node || *node != m)
		free(m);
	return node ? *node : NULL;
}

int region_table_set_file(struct region_table *t, struct region_entry *e,
			  const struct filesystem *on, uint64_t inode)
{
	struct file *f = get_file(t, on->device, inode);
	struct mounted *m = f ? get_mounted(t, on) : NULL;
	struct region_entry *after;

	if (!m) {
		if (f)
			drop_file(t, f);
		return -ENOMEM;
	}
	/* numbers rise, so this is the end but for those adopted after a restart */
	after = TAILQ_LAST(&f->regions, entries);
	while (after && after->id > e->id)
		after = TAILQ_PREV(after, entries, of_file);
	if (after)
		TAILQ_INSERT_AFTER(&f->regions, after, e, of_file);
	else
		TAILQ_INSERT_HEAD(&f->regions, e, of_file);
	TAILQ_INSERT_TAIL(&m->regions, e, of_mounted);
	e->file = f;
	e->on = m;
	e->text.device = on->device;
	memcpy(e->text.uuid, on->uuid, sizeof(on->uuid));
	e->text.inode = inode;
	return 0;
}

static void leave_file(struct region_table *t, struct region_entry *e)
{
	struct file *f = e->file;
	struct mounted *m = e->on;

	if (!f)
		return;
	TAILQ_REMOVE(&f->regions, e, of_file);
	e->file = NULL;
	drop_file(t, f);
	TAILQ_REMOVE(&m->regions, e, of_mounted);
	e->on = NULL;
	if (!TAILQ_EMPTY(&m->regions))
		return;
	tdelete(m, &t->mounted, compare_mounted);
	free(m);
}

struct list_on {
	const struct filesystem *on;
	uint64_t *ids; /* NULL: they are only counted */
	size_t n;
};

static void list_on(const void *node, VISIT visit, void *userdata)
{
	const struct mounted *m = *(struct mounted *const *)node;
	struct list_on *l = userdata;
	const struct region_entry *e;

	/* one filesystem has several devices where each of its subvolumes has one */
	if ((visit != postorder && visit != leaf) || !filesystem_is_same(&m->is, l->on))
		return;
	TAILQ_FOREACH(e, &m->regions, of_mounted) {
		if (l->ids)
			l->ids[l->n] = e->id;
		l->n++;
	}
}

int region_table_list_on(const struct region_table *t, const struct filesystem *on,
			 uint64_t **ret_ids, size_t *ret_n)
{
	struct list_on l = { .on = on };

	twalk_r(t->mounted, list_on, &l);
	l.ids = calloc(l.n + 1, sizeof(*l.ids));
	if (!l.ids)
		return -ENOMEM;
	l.n = 0;
	twalk_r(t->mounted, list_on, &l);
	*ret_ids = l.ids;
	*ret_n = l.n;
	return 0;
}

struct region_entry *region_table_find_name(const struct region_table *t, uint32_t uid,
					    const char *session, const char *name)
{
	struct named key = { .uid = uid, .name = name }, **node;

	if (strlen(session) >= sizeof(key.session))
		return NULL;
	strcpy(key.session, session);
	node = tfind(&key, &t->names, compare_names);
	return node ? (*node)->entry : NULL;
}

static void leave_name(struct region_table *t, struct region_entry *e)
{
	if (!e->named)
		return;
	tdelete(e->named, &t->names, compare_names);
	free(e->named);
	e->named = NULL;
}

int region_table_set_name(struct region_table *t, struct region_entry *e, const char *name)
{
	_cleanup_(freep) struct named *n = malloc(sizeof(*n));
	struct named **node = NULL;

	region_text_set(&e->text.name, name, strlen(name));
	if (n && e->text.name) {
		*n = (struct named){ .uid = proxy_uid(e->keeper),
				     .name = e->text.name,
				     .entry = e };
		snprintf(n->session, sizeof(n->session), "%s", proxy_session(e->keeper));
		node = tsearch(n, &t->names, compare_names);
	}
	if (node && *node == n) {
		e->named = steal_pointer(n);
		return 0;
	}
	free(e->text.name);
	e->text.name = NULL;
	return node ? -EEXIST : -ENOMEM;
}

struct join *region_entry_find_join(struct region_entry *e, const struct client *client)
{
	struct join *j;

	LIST_FOREACH(j, &e->joins, of_region)
		if (j->client == client)
			return j;
	return NULL;
}

int region_entry_join(struct region_entry *e, struct client *client)
{
	struct join *j;

	if (region_entry_find_join(e, client))
		return 0;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->client = client;
	j->region = e->id;
	LIST_INSERT_HEAD(&e->joins, j, of_region);
	LIST_INSERT_HEAD(&client->joins, j, of_client);
	client_count_join(client, 1);
	return 0;
}

void join_free(struct join *j)
{
	LIST_REMOVE(j, of_region);
	LIST_REMOVE(j, of_client);
	client_count_join(j->client, -1);
	free(j);
}

void region_entry_forget_peers(struct region_entry *e)
{
	struct peer_note *peer;

	while ((peer = LIST_FIRST(&e->peers))) {
		LIST_REMOVE(peer, of_region);
		free(peer);
	}
}

static void say_stopped(struct failure *ret)
{
	failure_set(ret, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
}

void eviction_drop(struct eviction *v)
{
	struct failure f;

	if (--v->left)
		return;
	say_stopped(&f);
	call_fail(v->call, &f);
	LIST_REMOVE(v, evictions);
	free(v);
}

void region_table_remove(struct region_table *t, struct region_entry *e)
{
	struct waiting w;
	struct join *join;
	struct failure f;

	say_stopped(&f);
	if (e->registering)
		call_fail(e->registering, &f);
	while (region_entry_next_release(e, &w)) {
		if (w.call) {
			call_fail(w.call, &f);
		} else if (w.eviction) {
			eviction_drop(w.eviction);
		}
	}
	while ((join = LIST_FIRST(&e->joins)))
		join_free(join);
	region_entry_forget_peers(e);
	region_entry_forget_owner(e);
	leave_file(t, e);
	leave_name(t, e);
	LIST_REMOVE(e, of_keeper);
	numbers_remove(&t->regions, e->id);
	free(e->text.name);
	free(e->text.path);
	free(e->text.mode_reason);
	free(e->text.ticket);
	free(e->text.degraded);
	free(e->text.path_now);
	free(e->text.last_bypass);
	free(e->keeper_reason);
	free(e->no_gate);
	free(e->gap);
	free(e->damage);
	free(e->stuck);
	free(e->unreachable);
	free(e);
}

int waitings_add(struct waitings *to, const struct waiting *who)
{
	struct waiting *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = *who;
	SLIST_INSERT_HEAD(to, w, waiting);
	return 0;
}

int region_entry_await_release(struct region_entry *e, struct call *call, struct eviction *eviction)
{
	return waitings_add(&e->releasing,
			    &(const struct waiting){ .call = call, .eviction = eviction });
}

int region_entry_await_end(struct region_entry *e, struct ending *ending)
{
	return waitings_add(&e->releasing, &(const struct waiting){ .ending = ending });
}

static bool take(struct waitings *from, struct waiting *w, struct waiting *ret)
{
	if (!w)
		return false;
	SLIST_REMOVE(from, w, waiting, waiting);
	*ret = *w;
	free(w);
	return true;
}

bool waitings_take(struct waitings *from, struct waiting *ret)
{
	return take(from, SLIST_FIRST(from), ret);
}

bool region_entry_next_release(struct region_entry *e, struct waiting *ret)
{
	return waitings_take(&e->releasing, ret);
}

bool region_entry_next_impatient(struct region_entry *e, struct waiting *ret)
{
	struct waiting *w = SLIST_FIRST(&e->releasing);

	while (w && w->ending)
		w = SLIST_NEXT(w, waiting);
	return take(&e->releasing, w, ret);
}

void region_text_set(char **member, const char *text, size_t n)
{
	size_t size = strnlen(text, n) + 1;

	free(*member);
	*member = malloc(size);
	if (*member)
		text_clean(*member, size, text, n);
}
