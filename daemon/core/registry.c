// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registry.c - see registry.h.
 *
 * All regions are in a tree by number (numbers.h), so that finding one takes a step for each six
 * bits of the highest number; so are the clients that own some. Those of each tenant are also in an
 * array sorted by number: a page of a list is a walk over what the list may show. Numbers are given
 * out rising, so adding is an append, and what goes first is mostly what came first, or last; only
 * adopting after a restart inserts in the middle. Holders are a pool with a free list.
 *
 * What always holds: what a step costs depends on how many tenants there are, never on how many
 * regions or clients.
 */
#include "core/registry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/numbers.h"

/* A client that owns regions. */
struct client_count {
	uint32_t regions;
};

/* Sorted by id: from @first on, @n. */
struct regions {
	struct region **item;
	size_t first;
	size_t n;
	size_t allocated;
};

struct registry {
	struct registry_limits limits;
	uint64_t next_id;
	struct tenant *tenants;
	struct regions *of_tenant; /* beside each */
	uint32_t n_tenants;	   /* allocated, not all used */
	struct numbers regions;
	struct numbers clients; /* struct client_count */
	struct holder *holders;
	uint32_t n_holders;
	uint32_t free_holder; /* index + 1 */
};

#define FOREACH_TENANT(t, r) \
	for (struct tenant *t = (r)->tenants; t < (r)->tenants + (r)->n_tenants; t++)

bool tenant_name_is_sound(const char *name, size_t size)
{
	size_t n = strlen(name);

	return n >= 1 && n < size && strspn(name, RDMAREG_NAME_CHARACTERS) == n;
}

int registry_new(struct registry **ret, const struct registry_limits *limits)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->limits = *limits;
	r->next_id = 1;
	*ret = r;
	return 0;
}

struct registry *registry_free(struct registry *r)
{
	if (!r)
		return NULL;
	for (struct region *region; (region = registry_after(r, 0));)
		registry_remove_region(r, region);
	free(r->of_tenant);
	free(r->tenants);
	free(r->holders);
	free(r);
	return NULL;
}

void registry_freep(struct registry **r)
{
	registry_free(*r);
}

void registry_set_limits(struct registry *r, const struct registry_limits *limits)
{
	r->limits = *limits;
}

const struct registry_limits *registry_limits(const struct registry *r)
{
	return &r->limits;
}

void registry_set_next_id(struct registry *r, uint64_t next)
{
	if (next > r->next_id)
		r->next_id = next;
}

uint64_t registry_next_id(const struct registry *r)
{
	return r->next_id;
}

bool registry_find_tenant(const struct registry *r, uint32_t uid, const char *session,
			  uint32_t *ret_index)
{
	FOREACH_TENANT(t, r) {
		if (!t->used || t->uid != uid || strcmp(t->session, session))
			continue;
		*ret_index = (uint32_t)(t - r->tenants);
		return true;
	}
	return false;
}

static uint32_t count_kind(const struct registry *r, enum tenant_kind kind, const uint32_t *uid)
{
	uint32_t n = 0;

	FOREACH_TENANT(t, r)
		n += t->used && t->kind == kind && (!uid || t->uid == *uid);
	return n;
}

/*
 * Are all ids those of sessions that were created, and of tenants that have regions? A session has
 * its id from the beginning, so that nobody else takes it before the session's first region. Where
 * there are no sessions, nothing is kept for anybody: who takes the last id is up to the keepers.
 */
static bool are_ids_kept(const struct registry *r)
{
	bool sessions = false;
	uint32_t n = 0;

	FOREACH_TENANT(t, r) { /* unused: no session, no regions */
		sessions = sessions || t->kind == TENANT_SESSION;
		n += t->kind == TENANT_SESSION || t->regions;
	}
	return sessions && n >= r->limits.ids;
}

/* May there be one more of those that are there because they have regions? */
static int check_plain(const struct registry *r, uint32_t uid)
{
	if (are_ids_kept(r))
		return REGISTRY_E_IDS;
	if (count_kind(r, TENANT_PLAIN, NULL) >= r->limits.tenants)
		return REGISTRY_E_TENANTS;
	if (count_kind(r, TENANT_PLAIN, &uid) >= r->limits.tenants_per_uid)
		return REGISTRY_E_TENANTS_PER_UID;
	return 0;
}

/* Room for one more tenant and its regions. False: no memory. */
static bool add_row(struct registry *r)
{
	size_t want = (size_t)r->n_tenants + 1;
	struct regions *of_tenant = reallocarray(r->of_tenant, want, sizeof(*of_tenant));
	struct tenant *tenants;

	if (!of_tenant)
		return false;
	r->of_tenant = of_tenant;
	tenants = reallocarray(r->tenants, want, sizeof(*tenants));
	if (!tenants)
		return false;
	r->tenants = tenants;
	of_tenant[r->n_tenants++] = (struct regions){ 0 };
	return true;
}

static int add_tenant(struct registry *r, uint32_t uid, const char *session, uint32_t *ret_index)
{
	uint32_t at = 0;
	struct tenant *t;

	while (at < r->n_tenants && r->tenants[at].used)
		at++;
	if (at == r->n_tenants && !add_row(r))
		return -ENOMEM;
	t = &r->tenants[at];
	memset(t, 0, sizeof(*t));
	t->used = true;
	t->uid = uid;
	strncpy(t->session, session, sizeof(t->session) - 1);
	*ret_index = at;
	return 0;
}

int registry_get_tenant(struct registry *r, uint32_t uid, const char *session, uint32_t *ret_index)
{
	uint32_t at;
	bool found = registry_find_tenant(r, uid, session, &at);
	int e;

	if (found && r->tenants[at].kind != TENANT_OVER) {
		*ret_index = at;
		return 0;
	}
	e = check_plain(r, uid);
	if (e)
		return e;
	if (!found)
		return add_tenant(r, uid, session, ret_index);
	r->tenants[at].kind = TENANT_PLAIN;
	*ret_index = at;
	return 0;
}

uint32_t registry_count_tenants(const struct registry *r)
{
	uint32_t n = 0;

	FOREACH_TENANT(t, r)
		n += t->used;
	return n;
}

const struct tenant *registry_tenant(const struct registry *r, uint32_t index)
{
	return index < r->n_tenants && r->tenants[index].used ? &r->tenants[index] : NULL;
}

void registry_drop_tenant(struct registry *r, uint32_t index)
{
	const struct tenant *t = registry_tenant(r, index);

	if (t && !t->regions && t->kind != TENANT_SESSION)
		r->tenants[index].used = false;
}

int registry_create_session(struct registry *r, uint32_t uid, const char *session,
			    const struct session_limits *own, uint64_t created_usec,
			    uint32_t *ret_index)
{
	bool found = registry_find_tenant(r, uid, session, ret_index);
	uint32_t sessions = count_kind(r, TENANT_SESSION, NULL);
	struct tenant *t;
	int e;

	if (found && r->tenants[*ret_index].kind == TENANT_SESSION)
		return REGISTRY_E_EXISTS;
	if (sessions >= r->limits.sessions)
		return REGISTRY_E_SESSIONS;
	/* one that is there already has its id */
	if (!found && sessions + count_kind(r, TENANT_PLAIN, NULL) >= r->limits.ids)
		return REGISTRY_E_IDS;
	e = found ? 0 : add_tenant(r, uid, session, ret_index);
	if (e)
		return e;
	t = &r->tenants[*ret_index];
	t->kind = TENANT_SESSION;
	t->state = SESSION_ACTIVE;
	t->own = *own;
	t->created_usec = created_usec;
	return 0;
}

static void assert_session(const struct registry *r, uint32_t index)
{
	(void)r, (void)index;
	assert(registry_tenant(r, index) && r->tenants[index].kind == TENANT_SESSION);
}

void registry_set_session_limits(struct registry *r, uint32_t index,
				 const struct session_limits *own)
{
	assert_session(r, index);
	r->tenants[index].own = *own;
}

void registry_set_session_state(struct registry *r, uint32_t index, enum session_state state)
{
	assert_session(r, index);
	assert(state >= r->tenants[index].state);
	r->tenants[index].state = (uint8_t)state;
}

void registry_end_session(struct registry *r, uint32_t index)
{
	struct tenant *t = &r->tenants[index];

	assert_session(r, index);
	t->kind = t->regions ? TENANT_PLAIN : TENANT_OVER;
	t->own = (struct session_limits){ 0 };
}

static bool is_before(const struct tenant *a, const struct tenant *b)
{
	if (a->uid != b->uid)
		return a->uid < b->uid;
	return strcmp(a->session, b->session) < 0;
}

bool registry_next_session(const struct registry *r, const uint32_t *uid,
			   const struct tenant *after, uint32_t *ret_index)
{
	const struct tenant *next = NULL;

	FOREACH_TENANT(t, r) {
		if (!t->used || t->kind != TENANT_SESSION || (uid && t->uid != *uid) ||
		    (after && !is_before(after, t)) || (next && is_before(next, t)))
			continue;
		next = t;
		*ret_index = (uint32_t)(t - r->tenants);
	}
	return next;
}

uint32_t registry_max_regions(const struct registry *r, const struct tenant *t)
{
	return t->own.regions ? t->own.regions : r->limits.regions_per_tenant;
}

uint64_t registry_max_bytes(const struct registry *r, const struct tenant *t)
{
	return t->own.bytes ? t->own.bytes : r->limits.bytes_per_tenant;
}

uint32_t registry_client_regions(const struct registry *r, uint64_t client)
{
	const struct client_count *c = numbers_find(&r->clients, client);

	return c ? c->regions : 0;
}

/* -ENOMEM */
static int charge_client(struct registry *r, uint64_t client)
{
	struct client_count *c = numbers_find(&r->clients, client);

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c || numbers_add(&r->clients, client, c) < 0) {
			free(c);
			return -ENOMEM;
		}
	}
	c->regions++;
	return 0;
}

static void uncharge_client(struct registry *r, uint64_t client)
{
	struct client_count *c = numbers_find(&r->clients, client);

	assert(c && c->regions);
	if (--c->regions)
		return;
	numbers_remove(&r->clients, client);
	free(c);
}

/* Position of the first region with an id not below @id. */
static size_t lower_bound(const struct regions *regions, uint64_t id)
{
	size_t low = regions->first, high = regions->first + regions->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (regions->item[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* There is room for one more. */
static void insert(struct regions *regions, struct region *region)
{
	size_t at = lower_bound(regions, region->id), end = regions->first + regions->n;

	assert(end < regions->allocated);
	assert(at == end || regions->item[at]->id != region->id);
	memmove(&regions->item[at + 1], &regions->item[at], (end - at) * sizeof(struct region *));
	regions->item[at] = region;
	regions->n++;
}

/* What goes first is mostly the oldest, or the newest: then nothing is moved. */
static void take_out(struct regions *regions, const struct region *region)
{
	size_t at = lower_bound(regions, region->id);

	assert(at < regions->first + regions->n && regions->item[at] == region);
	regions->n--;
	if (at == regions->first)
		regions->first++;
	else
		memmove(&regions->item[at], &regions->item[at + 1],
			(regions->first + regions->n - at) * sizeof(struct region *));
}

struct region *registry_find(const struct registry *r, uint64_t id)
{
	return numbers_find(&r->regions, id);
}

struct region *registry_after(const struct registry *r, uint64_t id)
{
	return numbers_after(&r->regions, id);
}

/* The first of them with an id from @id on, or NULL. */
static struct region *at_or_after(const struct regions *regions, uint64_t id)
{
	size_t at = lower_bound(regions, id);

	return at < regions->first + regions->n ? regions->item[at] : NULL;
}

struct region *registry_after_of(const struct registry *r, const uint32_t *uid, const char *session,
				 uint64_t id)
{
	struct region *next = NULL;

	if (id == UINT64_MAX)
		return NULL;
	FOREACH_TENANT(t, r) {
		struct region *region;

		if (!t->regions || (uid && t->uid != *uid) ||
		    (session && strcmp(t->session, session)))
			continue;
		region = at_or_after(&r->of_tenant[t - r->tenants], id + 1);
		if (region && (!next || region->id < next->id))
			next = region;
	}
	return next;
}

void registry_mark_excess(struct registry *r)
{
	FOREACH_TENANT(t, r)
		t->kept_regions = t->kept_bytes = 0;
	for (struct region *region = registry_after(r, 0); region;
	     region = registry_after(r, region->id)) {
		struct tenant *t = &r->tenants[region->tenant];

		region->excess = false;
		if (region->close_wanted || region->state == REGION_CLOSING)
			continue;
		region->excess = t->kept_regions >= registry_max_regions(r, t) ||
				 region->length > registry_max_bytes(r, t) - t->kept_bytes;
		if (region->excess)
			continue;
		t->kept_regions++;
		t->kept_bytes += region->length;
	}
}

size_t registry_count(const struct registry *r)
{
	return r->regions.n;
}

static int check_limits(const struct registry *r, const struct tenant *t, uint64_t owner,
			uint64_t length)
{
	uint64_t bytes = registry_max_bytes(r, t);

	if (t->kind == TENANT_SESSION && t->state != SESSION_ACTIVE)
		return t->state == SESSION_DRAINING ? REGISTRY_E_SESSION_DRAINS
						    : REGISTRY_E_SESSION_ENDS;
	if (t->regions >= registry_max_regions(r, t))
		return t->own.regions ? REGISTRY_E_REGIONS_PER_SESSION
				      : REGISTRY_E_REGIONS_PER_TENANT;
	if (t->bytes > bytes || length > bytes - t->bytes)
		return t->own.bytes ? REGISTRY_E_BYTES_PER_SESSION : REGISTRY_E_BYTES_PER_TENANT;
	if (owner && registry_client_regions(r, owner) >= r->limits.regions_per_client)
		return REGISTRY_E_REGIONS_PER_CLIENT;
	return 0;
}

/*
 * Room for one more. What went first leaves room, which is used again as soon as it is a sixteenth
 * of what is left. False: no memory.
 */
static bool has_room(struct regions *regions)
{
	size_t want = regions->allocated ? regions->allocated * 2 : 16;
	struct region **item;

	if (regions->first + regions->n < regions->allocated)
		return true;
	if (regions->first && regions->first >= regions->n / 16) {
		memmove(regions->item, &regions->item[regions->first],
			regions->n * sizeof(struct region *));
		regions->first = 0;
		return true;
	}
	item = reallocarray(regions->item, want, sizeof(struct region *));
	if (!item)
		return false;
	regions->item = item;
	regions->allocated = want;
	return true;
}

/* A tenant without regions leaves no array. */
static void drop_empty(struct regions *regions)
{
	if (regions->n)
		return;
	free(regions->item);
	*regions = (struct regions){ 0 };
}

int registry_add_region(struct registry *r, uint32_t tenant, uint64_t owner, uint64_t length,
			uint64_t id, struct region **ret)
{
	struct tenant *t = &r->tenants[tenant];
	struct regions *regions = &r->of_tenant[tenant];
	struct region *region;
	int e;

	assert(registry_tenant(r, tenant));
	e = id ? (registry_find(r, id) ? REGISTRY_E_EXISTS : 0) : check_limits(r, t, owner, length);
	if (e)
		return e;
	if (owner && charge_client(r, owner) < 0)
		return -ENOMEM;
	_Static_assert(REGION_REGISTERING == 0, "the state of what calloc() gives");
	region = has_room(regions) ? calloc(1, sizeof(*region)) : NULL;
	if (!region || numbers_add(&r->regions, id ? id : r->next_id, region) < 0) {
		free(region);
		drop_empty(regions);
		if (owner)
			uncharge_client(r, owner);
		return -ENOMEM;
	}
	region->id = id ? id : r->next_id;
	region->tenant = tenant;
	region->owner = owner;
	region->length = length;
	registry_set_next_id(r, region->id + 1);
	insert(regions, region);
	t->regions++;
	t->bytes += length;
	*ret = region;
	return 0;
}

void registry_remove_region(struct registry *r, struct region *region)
{
	struct tenant *t = &r->tenants[region->tenant];
	struct regions *regions = &r->of_tenant[region->tenant];

	assert(t->used && t->regions && t->bytes >= region->length);
	while (region->holders) {
		uint32_t h = region->holders;

		region->holders = r->holders[h - 1].next;
		registry_give_holder(r, h);
	}
	if (region->owner)
		uncharge_client(r, region->owner);
	t->regions--;
	t->bytes -= region->length;
	numbers_remove(&r->regions, region->id);
	take_out(regions, region);
	drop_empty(regions);
	free(region);
}

int registry_reserve_holder(struct registry *r)
{
	uint32_t want = r->n_holders ? r->n_holders * 2 : 16;
	struct holder *p;

	if (r->free_holder)
		return 0;
	p = reallocarray(r->holders, want, sizeof(*p));
	if (!p)
		return -ENOMEM;
	r->holders = p;
	while (r->n_holders < want)
		registry_give_holder(r, ++r->n_holders);
	return 0;
}

struct holder *registry_holder(const struct registry *r, uint32_t index_plus_1)
{
	assert(index_plus_1 <= r->n_holders);
	return index_plus_1 ? &r->holders[index_plus_1 - 1] : NULL;
}

uint32_t registry_take_holder(struct registry *r)
{
	uint32_t h = r->free_holder;

	if (h)
		r->free_holder = r->holders[h - 1].next;
	return h;
}

void registry_give_holder(struct registry *r, uint32_t index_plus_1)
{
	assert(index_plus_1 && index_plus_1 <= r->n_holders);
	r->holders[index_plus_1 - 1].next = r->free_holder;
	r->free_holder = index_plus_1;
}
