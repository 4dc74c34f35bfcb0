// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fs.c - files, their blocks, and operations that take blocks away: through the gate, past the
 * layout leases, then at work for a while; in the end the blocks are free, and soon another file's.
 *
 * An operation notes which regions made way for it (by_gate, by_lease). From then until it is over
 * none of their peers may reach its range. Regions that did not, because nobody asks them or
 * because a deadline was faster, are kept away by the kernel, which takes the translations itself
 * just before blocks change hands: that is what on-demand paging gives without any arbitration.
 *
 * What always holds: a block belongs to one file at most, and a file knows its blocks.
 */
#include <string.h>

#include "sim.h"

static const char *const kinds[_OP_MAX] = { "truncate", "punch", "clone", "extend" };

static enum revocation_cause cause_of(enum op_kind kind)
{
	return kind == OP_TRUNCATE ? CAUSE_TRUNCATE
	       : kind == OP_PUNCH  ? CAUSE_FALLOCATE
				   : CAUSE_CLONE;
}

int8_t fs_block_for(struct sim *s, uint8_t file, uint8_t page)
{
	struct file *f = &s->file[file];

	if (page >= f->size)
		return -1;
	/* low numbers first: a freed block finds a new owner soon */
	for (int8_t b = 0; f->block[page] < 0 && b < BLOCKS; b++) {
		if (s->owner[b])
			continue;
		s->owner[b] = file + 1;
		f->block[page] = b;
	}
	return f->block[page];
}

static void free_block(struct sim *s, uint8_t file, uint8_t page)
{
	int8_t *b = &s->file[file].block[page];

	if (*b >= 0)
		s->owner[*b] = 0;
	*b = -1;
}

void fs_init(struct sim *s)
{
	for (uint8_t f = 0; f < FILES; f++) {
		s->file[f].size = FILE_PAGES;
		memset(s->file[f].block, -1, sizeof(s->file[f].block));
		for (uint8_t p = 0; p < FILE_PAGES; p++)
			fs_block_for(s, f, p);
	}
}

struct op *fs_op(struct sim *s, uint64_t id)
{
	for (int i = 0; id && i < OPS; i++)
		if (s->op[i].id == id)
			return &s->op[i];
	return NULL;
}

/* Does it take anything of that region? */
static bool touches(const struct op *o, const struct kregion *r)
{
	return r->id && o->kind != OP_EXTEND && r->spec.file == o->file &&
	       o->start < r->spec.first + r->spec.pages && o->end > r->spec.first;
}

/* Blocks of this range are about to go: who made way for it must be unable to notice. */
static void take_from(struct sim *s, const struct op *o, struct kregion *r, int slot)
{
	bool made_way = o->by_lease[slot] == r->id || o->by_gate[slot] == r->id;

	if (made_way)
		sim_require(s, !adapter_reaches(r, o->start, o->end),
			    "a region made way, and its peers can reach blocks that are taken");
	adapter_invalidate(s, r, o->start, o->end);
}

static void end_of_work(struct sim *s, const struct event *e)
{
	struct op *o = fs_op(s, e->a);
	struct file *f = &s->file[o->file];

	for (int i = 0; i < REGIONS; i++)
		if (touches(o, &s->region[i]))
			take_from(s, o, &s->region[i], i);
	for (uint8_t p = o->start; p < o->end && o->kind != OP_EXTEND; p++)
		free_block(s, o->file, p);
	if (o->kind == OP_TRUNCATE && o->start < f->size)
		f->size = o->start;
	if (o->kind == OP_EXTEND)
		f->size = o->end;
	if (o->kind == OP_CLONE) /* the copies that follow */
		for (uint8_t p = o->start; p < o->end; p++)
			fs_block_for(s, o->file, p);
	sim_note(s, "op %u (%s) is done: file %u has %u pages", (unsigned int)o->id, kinds[o->kind],
		 o->file, f->size);
	f->worker = 0;
	if (o->passage)
		sim_soon(s, &s->daemon.process, daemon_over, o->id, 0);
	s->counted[o->kind]++;
	memset(o, 0, sizeof(*o));
	for (uint8_t p = 0; p < FILES;
	     p++) /* somebody else's page, perhaps in a block that was just freed */
		if (sim_chance(s, 50) && s->file[p].size)
			fs_block_for(s, p, (uint8_t)sim_below(s, s->file[p].size));
	fs_kick(s, (uint8_t)(f - s->file));
}

/*
 * Fenced already, without a lease that could be broken, and not to be armed before the operation is
 * over.
 */
static bool is_away(const struct kregion *r, const struct op *o)
{
	return r->spec.watched && r->lease == LEASE_RELEASED &&
	       !adapter_reaches(r, o->start, o->end);
}

static void work(struct sim *s, struct op *o)
{
	o->stage = OP_AT_WORK;
	s->file[o->file].worker = o->id;
	for (int i = 0; i < REGIONS; i++) {
		struct kregion *r = &s->region[i];

		if (!touches(o, r))
			continue;
		if (o->by_lease[i] == r->id && r->lease != LEASE_RELEASED)
			o->by_lease[i] = 0; /* the kernel's deadline was faster */
		if (is_away(r, o))
			o->by_lease[i] = r->id;
		if (o->by_lease[i] == r->id)
			sim_require(s, !adapter_reaches(r, o->start, o->end),
				    "a lease was given back while peers can reach the range");
	}
	sim_at(s, NULL, s->now + 1 + sim_below(s, sim_chance(s, 80) ? 5 * MSEC : 200 * MSEC),
	       end_of_work, o->id, 0);
}

/* As XFS does: again and again, until there is no lease. */
static void try_to_work(struct sim *s, struct op *o)
{
	bool wait = false;

	for (int i = 0; i < REGIONS && o->kind != OP_EXTEND; i++) {
		struct kregion *r = &s->region[i];

		if (!r->id || r->spec.file != o->file)
			continue;
		if (r->lease == LEASE_ARMED) {
			lease_break(s, r, o);
			o->by_lease[i] = r->id;
		}
		wait |= r->lease == LEASE_BREAKING;
	}
	if (!wait && !s->file[o->file].worker)
		work(s, o);
}

void fs_kick(struct sim *s, uint8_t file)
{
	for (int i = 0; i < OPS; i++)
		if (s->op[i].id && s->op[i].file == file && s->op[i].stage == OP_AT_LEASES)
			try_to_work(s, &s->op[i]);
}

static void enter(struct sim *s, struct op *o)
{
	o->stage = OP_AT_LEASES;
	fs_kick(s, o->file);
}

void fs_passed(struct sim *s, uint64_t op, const uint64_t *parts, uint32_t n)
{
	struct op *o = fs_op(s, op);

	if (!o || o->stage != OP_AT_GATE)
		return;
	for (int i = 0; i < REGIONS; i++)
		for (uint32_t j = 0; j < n; j++)
			if (touches(o, &s->region[i]) && s->region[i].id == parts[j]) {
				sim_require(
					s, !adapter_reaches(&s->region[i], o->start, o->end),
					"the gate lets somebody pass while peers can reach the range");
				o->by_gate[i] = parts[j];
			}
	enter(s, o);
}

void fs_refused(struct sim *s, uint64_t op)
{
	struct op *o = fs_op(s, op);

	if (!o || o->stage != OP_AT_GATE)
		return;
	sim_note(s, "op %u is refused", (unsigned int)op);
	sim_soon(s, &s->daemon.process, daemon_over, op, 0);
	memset(o, 0, sizeof(*o));
}

void fs_gate_gone(struct sim *s)
{
	for (int i = 0; i < OPS; i++) {
		struct op *o = &s->op[i];

		o->passage = false;
		memset(o->by_gate, 0, sizeof(o->by_gate));
		if (o->id && o->stage == OP_AT_GATE)
			enter(s, o);
	}
}

void fs_demand_ended(struct sim *s, uint64_t region, uint32_t pid)
{
	struct op *o = fs_op(s, pid);

	for (int i = 0; o && i < REGIONS; i++)
		if (o->by_gate[i] == region)
			o->by_gate[i] = 0;
}

void fs_promise_ended(struct sim *s, const struct kregion *r)
{
	for (int i = 0; i < OPS; i++)
		s->op[i].by_lease[r - s->region] = 0;
}

static bool choose(struct sim *s, struct op *o)
{
	uint8_t size;

	o->kind = (enum op_kind)sim_below(s, _OP_MAX);
	o->file = (uint8_t)sim_below(s, FILES);
	size = s->file[o->file].size;
	if (o->kind == OP_EXTEND || size < 2) {
		o->kind = OP_EXTEND;
		o->start = size;
		o->end = (uint8_t)(size + 1 + sim_below(s, FILE_PAGES));
		o->end = o->end > FILE_PAGES ? FILE_PAGES : o->end;
		return o->end > size;
	}
	o->start = (uint8_t)sim_below(s, size);
	o->end = o->kind == OP_TRUNCATE ? FILE_PAGES : (uint8_t)(o->start + 1 + sim_below(s, 4));
	o->end = o->end > FILE_PAGES ? FILE_PAGES : o->end;
	return true;
}

void fs_begin(struct sim *s)
{
	struct op *o = NULL;

	for (int i = 0; i < OPS && !o; i++)
		if (!s->op[i].id)
			o = &s->op[i];
	if (!o || !choose(s, o))
		return;
	/*
	 * an extension that meets another size would be a truncation: files are extended by who has
	 * them alone
	 */
	for (int i = 0; i < OPS; i++)
		if (s->op[i].id && s->op[i].file == o->file &&
		    (o->kind == OP_EXTEND || s->op[i].kind == OP_EXTEND))
			return;
	o->id = ++s->next;
	sim_note(s, "op %u: %s of file %u, pages [%u, %u)", (unsigned int)o->id, kinds[o->kind],
		 o->file, o->start, o->end);
	if (o->kind != OP_EXTEND && daemon_guards(s, o->file)) {
		o->stage = OP_AT_GATE;
		o->passage = true;
		sim_soon(s, &s->daemon.process, daemon_wanted, o->id, cause_of(o->kind));
		return;
	}
	enter(s, o);
}
