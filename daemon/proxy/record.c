// SPDX-License-Identifier: GPL-2.0-or-later
/* record.c - see record.h: a head, then slots of one size. */
#include "proxy/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define MAGIC UINT64_C(0x3144524f43455272) /* stays, as long as members are only added */
#define HEAD_SIZE 4096u
#define SLOTS_MAX 65536u
#define PAGE 4096u
#define LENGTH_MAX ((uint64_t)INT64_MAX)

struct head {
	uint64_t magic;
	uint32_t slot_size;
	uint32_t reserved;
	struct record_keeper keeper;
};
_Static_assert(offsetof(struct record_region, born_nsec) == 512 &&
		       offsetof(struct record_region, name) == 520,
	       "what daemons before have lies before them");
_Static_assert(sizeof(struct head) <= HEAD_SIZE, "the slots begin after the head");

struct slot {
	uint64_t commit;  /* the region's number; 0: the slot is free */
	uint32_t current; /* index of the terms in force */
	uint32_t reserved;
	struct record_terms terms[2];
	struct record_region region; /* but for its terms */
};

#define SLOT_SIZE_MIN 560u /* as the first version had it */
#define SLOT_SIZE_MAX 4096u
_Static_assert(offsetof(struct slot, terms) == 16 && offsetof(struct slot, region) == 48 &&
		       sizeof(struct record_terms) == 16 && sizeof(struct slot) >= SLOT_SIZE_MIN &&
		       sizeof(struct slot) <= SLOT_SIZE_MAX && sizeof(struct slot) % 8 == 0,
	       "slots of older daemons are read, and they read ours");

struct record {
	int fd;
	struct head *head; /* the mapping; all slots of it, of which @n_backed may be touched */
	size_t size;
	size_t slot_size;
	uint32_t n_slots;
	uint32_t n_backed;
	uint32_t *free_slots; /* a stack */
	uint32_t n_free;
	uint32_t *claims; /* slots that nobody claimed yet, sorted by number; NULL: all is known */
	uint64_t *
		/* their numbers: a slot can be emptied, or used again, while others are claimed */
		claim_ids;
	uint32_t n_claims;
	bool *claimed;
};

static void record_freep(struct record **r)
{
	record_free(*r);
}

static struct record *allocate(void)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r)
		r->fd = -1;
	return r;
}

static struct slot *slot_at(const struct record *r, uint32_t i)
{
	return (struct slot *)(void *)((char *)r->head + HEAD_SIZE + i * r->slot_size);
}

static size_t size_of(const struct record *r, uint32_t n_slots)
{
	return HEAD_SIZE + n_slots * r->slot_size;
}

/* How much of a region both this daemon and the one that made the file know. */
static size_t known_size(const struct record *r)
{
	size_t room = r->slot_size - offsetof(struct slot, region);

	return room < sizeof(struct record_region) ? room : sizeof(struct record_region);
}

static struct record_region region_in(const struct record *r, const struct slot *s)
{
	struct record_region g = { 0 };

	memcpy(&g, &s->region, known_size(r));
	g.terms = s->terms[s->current];
	return g;
}

static void put_region(const struct record *r, struct slot *s, const struct record_region *g)
{
	memset(&s->region, 0, r->slot_size - offsetof(struct slot, region));
	memcpy(&s->region, g, known_size(r));
}

/*
 * A page that has no room on the filesystem must not be touched: that would be SIGBUS, not an
 * error.
 */
static int back(struct record *r, uint32_t n_slots)
{
	int error;

	if (n_slots > r->n_slots)
		n_slots = r->n_slots;
	do
		error = posix_fallocate(r->fd, 0, (off_t)size_of(r, n_slots));
	while (error == EINTR);
	if (error)
		return -error;
	r->n_backed = n_slots;
	return 0;
}

static int map(struct record *r, uint32_t n_slots, size_t slot_size)
{
	void *p;

	r->n_slots = n_slots;
	r->slot_size = slot_size;
	r->size = size_of(r, n_slots);
	r->free_slots = calloc(n_slots, sizeof(*r->free_slots));
	if (!r->free_slots)
		return -ENOMEM;
	p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->head = p;
	return 0;
}

/* Those that are not taken, the first on top. */
static void find_free_slots(struct record *r)
{
	r->n_free = 0;
	for (uint32_t i = r->n_backed; i-- > 0;)
		if (!slot_at(r, i)->commit)
			r->free_slots[r->n_free++] = i;
}

int record_new(struct record **ret, const char *path, const struct record_keeper *k)
{
	_cleanup_(record_freep) struct record *r = allocate();
	int error;

	if (!r)
		return -ENOMEM;
	r->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r->fd < 0)
		return -errno;
	error = map(r, k->regions < SLOTS_MAX ? k->regions : SLOTS_MAX, sizeof(struct slot));
	if (error == 0)
		error = back(r, 0);
	if (error < 0) {
		unlink(path);
		return error;
	}
	*r->head = (struct head){ .slot_size = sizeof(struct slot), .keeper = *k };
	r->head->keeper.regions = r->n_slots;
	r->head->keeper.pid = 0;
	__atomic_store_n(&r->head->magic, MAGIC, __ATOMIC_RELEASE);
	*ret = steal_pointer(r);
	return 0;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, 0, size);
}
#define IS_TEXT(a) is_text(a, sizeof(a))

static bool is_sound_head(const struct head *h)
{
	const struct record_keeper *k = &h->keeper;

	return h->magic == MAGIC && h->slot_size >= SLOT_SIZE_MIN &&
	       h->slot_size <= SLOT_SIZE_MAX && h->slot_size % 8 == 0 && k->regions &&
	       k->regions <= SLOTS_MAX && IS_TEXT(k->session) && *k->session && IS_TEXT(k->unit) &&
	       IS_TEXT(k->cgroup) && IS_TEXT(k->invocation);
}

static bool are_sound_terms(const struct record_terms *t)
{
	return t->policy < _REGION_POLICY_MAX && t->gated <= 1 && t->gate_asked <= 1;
}

static bool is_sound_slot(const struct record *r, const struct slot *s)
{
	struct record_region g;

	if (s->commit != s->region.id || s->current >= 2 || !are_sound_terms(&s->terms[0]) ||
	    !are_sound_terms(&s->terms[1]))
		return false;
	g = region_in(r, s);
	return g.access < _REGION_ACCESS_MAX && g.detached <= 1 && IS_TEXT(g.owner) &&
	       IS_TEXT(g.path) && IS_TEXT(g.name) && g.length && g.length % PAGE == 0 &&
	       g.offset % PAGE == 0 && g.offset <= LENGTH_MAX && g.length <= LENGTH_MAX - g.offset;
}

static int compare_claims(const void *a, const void *b, void *userdata)
{
	const struct record *r = userdata;
	uint64_t x = slot_at(r, *(const uint32_t *)a)->commit,
		 y = slot_at(r, *(const uint32_t *)b)->commit;

	return x < y ? -1 : x > y;
}

/* What can be claimed. A number that is there twice is nobody's. */
static int find_claims(struct record *r)
{
	uint32_t n = 0, kept = 0;

	r->claims = calloc(r->n_backed + 1, sizeof(*r->claims));
	r->claim_ids = calloc(r->n_backed + 1, sizeof(*r->claim_ids));
	r->claimed = calloc(r->n_backed + 1, sizeof(*r->claimed));
	if (!r->claims || !r->claim_ids || !r->claimed)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_backed; i++) {
		struct slot *s = slot_at(r, i);

		if (s->commit && is_sound_slot(r, s))
			r->claims[n++] = i;
		else
			s->commit = 0;
	}
	qsort_r(r->claims, n, sizeof(*r->claims), compare_claims, r);
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && !compare_claims(&r->claims[i], &r->claims[end], r);
		     end++)
			;
		if (end == i + 1)
			r->claims[kept++] = r->claims[i];
		else
			for (uint32_t k = i; k < end; k++)
				slot_at(r, r->claims[k])->region.id = 0;
	}
	for (uint32_t i = 0; i < r->n_backed; i++)
		if (!slot_at(r, i)->region.id)
			slot_at(r, i)->commit = 0;
	for (uint32_t i = 0; i < kept; i++)
		r->claim_ids[i] = slot_at(r, r->claims[i])->commit;
	r->n_claims = kept;
	return 0;
}

int record_open(struct record **ret, const char *path)
{
	_cleanup_(record_freep) struct record *r = allocate();
	struct head head;
	struct stat st;
	int error;

	if (!r)
		return -ENOMEM;
	r->fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	if (fstat(r->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)HEAD_SIZE ||
	    pread(r->fd, &head, sizeof(head), 0) != sizeof(head) || !is_sound_head(&head))
		return -EINVAL;
	error = map(r, head.keeper.regions, head.slot_size);
	if (error < 0)
		return error;
	r->n_backed = (uint32_t)(((size_t)st.st_size - HEAD_SIZE) / r->slot_size);
	/* all that is to be touched has its room, also if somebody punched a hole */
	error = back(r, r->n_backed);
	if (error == 0)
		error = find_claims(r);
	if (error < 0)
		return error;
	find_free_slots(r);
	*ret = steal_pointer(r);
	return 0;
}

struct record *record_free(struct record *r)
{
	if (!r)
		return NULL;
	if (r->head)
		munmap(r->head, r->size);
	closep(&r->fd);
	free(r->free_slots);
	free(r->claims);
	free(r->claim_ids);
	free(r->claimed);
	free(r);
	return NULL;
}

const struct record_keeper *record_keeper(const struct record *r)
{
	return &r->head->keeper;
}

void record_set_instance(struct record *r, uint32_t instance)
{
	r->head->keeper.instance = instance;
}

void record_identify(struct record *r, const struct record_keeper *k)
{
	struct record_keeper *to = &r->head->keeper;

	__atomic_store_n(&to->pid, 0, __ATOMIC_RELEASE);
	to->runs_as = k->runs_as;
	memcpy(to->unit, k->unit, sizeof(to->unit));
	memcpy(to->cgroup, k->cgroup, sizeof(to->cgroup));
	memcpy(to->invocation, k->invocation, sizeof(to->invocation));
	__atomic_store_n(&to->pid, k->pid, __ATOMIC_RELEASE);
}

bool record_has_slot(const struct record *r)
{
	return r->n_free || r->n_backed < r->n_slots;
}

int record_add(struct record *r, const struct record_region *region, uint32_t *ret_slot)
{
	uint32_t before = r->n_backed, i;
	struct slot *s;
	int error;

	if (!record_has_slot(r))
		return -ENOBUFS;
	/* the next daemon would not know it: what is called by a name must not lose it */
	if (*region->name &&
	    known_size(r) < offsetof(struct record_region, name) + sizeof(region->name))
		return -ENOSYS;
	if (!r->n_free) {
		error = back(r, before + RECORD_CHUNK);
		if (error < 0)
			return error;
		for (i = r->n_backed; i-- > before;)
			r->free_slots[r->n_free++] = i;
	}
	i = r->free_slots[--r->n_free];
	s = slot_at(r, i);
	s->current = 0;
	s->terms[0] = s->terms[1] = region->terms;
	put_region(r, s, region);
	__atomic_store_n(&s->commit, region->id, __ATOMIC_RELEASE);
	*ret_slot = i;
	return 0;
}

void record_remove(struct record *r, uint32_t slot)
{
	__atomic_store_n(&slot_at(r, slot)->commit, 0, __ATOMIC_RELEASE);
	r->free_slots[r->n_free++] = slot;
}

void record_set_terms(struct record *r, uint32_t slot, const struct record_terms *terms)
{
	struct slot *s = slot_at(r, slot);
	uint32_t other = !s->current;

	s->terms[other] = *terms;
	__atomic_store_n(&s->current, other, __ATOMIC_RELEASE);
}

void record_each_owner(const struct record *r, void (*call)(void *userdata, const char *mark),
		       void *userdata)
{
	char last[RECORD_MARK_MAX] = "";

	for (uint32_t i = 0; i < r->n_claims; i++) {
		const char *owner = slot_at(r, r->claims[i])->region.owner;

		if (!strncmp(owner, last, sizeof(last)))
			continue;
		snprintf(last, sizeof(last), "%s", owner);
		if (*last)
			call(userdata, last);
	}
}

static void take_claim(struct record *r, uint32_t i, struct record_region *ret, uint32_t *ret_slot)
{
	r->claimed[i] = true;
	*ret = region_in(r, slot_at(r, r->claims[i]));
	*ret_slot = r->claims[i];
}

bool record_claim(struct record *r, uint64_t id, struct record_region *ret, uint32_t *ret_slot)
{
	uint32_t low = 0, high = r->n_claims;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->claim_ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->n_claims || r->claim_ids[low] != id || r->claimed[low])
		return false;
	take_claim(r, low, ret, ret_slot);
	return true;
}

bool record_claim_next(struct record *r, uint32_t *at, struct record_region *ret,
		       uint32_t *ret_slot)
{
	while (*at < r->n_claims && r->claimed[*at])
		++*at;
	if (*at == r->n_claims)
		return false;
	take_claim(r, (*at)++, ret, ret_slot);
	return true;
}

void record_end_claims(struct record *r)
{
	for (uint32_t i = 0; i < r->n_claims; i++)
		if (!r->claimed[i])
			record_remove(r, r->claims[i]);
	r->n_claims = 0;
}
