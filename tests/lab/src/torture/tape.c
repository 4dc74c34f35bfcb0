// SPDX-License-Identifier: GPL-2.0-or-later
/* tape.c - see tape.h. */
#include "tape.h"

#include <string.h>

static const struct {
	const char *word;
	uint32_t weight;
} kinds[] = {
#define X(kind, word, weight) [OP_##kind] = { word, weight },
	OPERATIONS(X)
#undef X
};

const char *op_name(enum op_kind kind)
{
	return kinds[kind].word;
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((next(state) >> 32) * n >> 32);
}

uint8_t op_byte(const struct op *op, uint32_t i)
{
	uint64_t state = (uint64_t)op->value << 32 | i / 8;

	return (uint8_t)(1 + (next(&state) >> i % 8 * 8 & 0xff) % 255);
}

#define PART_OF_FILE (1u << 15) /* in the value of OP_REGION */

struct region_kind region_of(uint32_t value)
{
	struct region_kind k = { .policy = value % 3,
				 .pre_content = value >> 4 & 1,
				 .warm_mode = value >> 5 & 3,
				 .owner = (value >> 7 & 3) % 3,
				 .peer_silent = (value >> 9 & 3) == 1,
				 .read_only = (value >> 11 & 7) == 1,
				 .reopened = value >> 14 & 1,
				 .length = FILE_BYTES };

	if (value & PART_OF_FILE) {
		k.start = (value >> 16 & 15) * PAGE;
		k.length = (1 + (value >> 20 & 31)) * PAGE;
	}
	return k;
}

struct region_kind region_configured(struct region_kind k, uint32_t value)
{
	struct region_kind wanted = region_of(value);

	k.policy = wanted.policy;
	k.pre_content = wanted.pre_content;
	k.warm_mode = wanted.warm_mode;
	return k;
}

bool op_is_of_peer(enum op_kind kind)
{
	switch (kind) {
	case OP_REMOTE_WRITE:
	case OP_REMOTE_READ:
	case OP_REMOTE_PEEK:
	case OP_PERSIST:
	case OP_DISCONNECT:
		return true;
	default:
		return false;
	}
}

bool op_is_remote(enum op_kind kind)
{
	switch (kind) {
	case OP_PREFETCH:
	case OP_SYNC:
	case OP_REVOKE:
	case OP_CONFIGURE:
	case OP_REGION:
	case OP_RELEASE:
	case OP_GONE:
	case OP_REPLACE_KEEPER:
		return true;
	default:
		return op_is_of_peer(kind);
	}
}

bool op_is_actor(enum op_kind kind)
{
	return kind >= OP_KILL_DAEMON && kind <= OP_STORAGE_FAILS && kind != OP_REPLACE_KEEPER;
}

bool op_ends_region(enum op_kind kind)
{
	return kind == OP_KILL_KEEPER || kind == OP_REMOUNT || kind == OP_STORAGE_FAILS;
}

bool op_is_over(enum op_kind kind)
{
	return kind != OP_STOP_DAEMON && kind != OP_STOP_KEEPER && kind != OP_LINK_DOWN &&
	       kind != OP_STORAGE_HANGS;
}

/* Of those that are done by system calls. */
static bool can_device(enum op_kind kind)
{
	return kind == OP_MAP_WRITE || kind == OP_MAP_READ || kind == OP_CHECK;
}

static bool can_act(const struct abilities *a, enum op_kind kind)
{
	if (kind == OP_REMOUNT)
		return a->actors && a->unmount;
	if (kind == OP_STORAGE_HANGS || kind == OP_STORAGE_FAILS)
		return a->actors && a->disk;
	return a->actors && a->remote;
}

static bool can(const struct abilities *a, enum op_kind kind)
{
	if (op_is_actor(kind) || kind == OP_REPLACE_KEEPER)
		return can_act(a, kind);
	if (a->device && !op_is_remote(kind))
		return can_device(kind);
	switch (kind) {
	case OP_CLONE:
		return a->clone;
	case OP_COLLAPSE:
	case OP_INSERT:
		return a->collapse;
	case OP_ZERO:
	case OP_ZERO_KEEP:
		return a->zero;
	case OP_UNSHARE:
		return a->unshare;
	case OP_DIRECT_READ:
	case OP_DIRECT_WRITE:
		return a->direct;
	case OP_DROP_CACHES:
	case OP_COMPACT:
		return a->system;
	default:
		return a->remote || !op_is_remote(kind);
	}
}

static enum op_kind draw(uint64_t *state, const struct abilities *a)
{
	uint32_t total = 0, at;
	enum op_kind kind;

	for (kind = 0; kind < N_OP_KINDS; kind++)
		total += can(a, kind) ? kinds[kind].weight : 0;
	at = below(state, total);
	for (kind = 0; at >= (can(a, kind) ? kinds[kind].weight : 0); kind++)
		at -= can(a, kind) ? kinds[kind].weight : 0;
	return kind;
}

/* Often whole pages, often a few bytes, seldom much. */
static uint32_t draw_length(uint64_t *state)
{
	switch (below(state, 8)) {
	case 0:
		return 1 + below(state, 64);
	case 1:
	case 2:
		return 1 + below(state, 3 * PAGE);
	case 3:
		return PAGE * (1 + below(state, FILE_PAGES / 2));
	default:
		return PAGE * (1 + below(state, 4));
	}
}

static uint32_t draw_offset(uint64_t *state)
{
	uint32_t page = below(state, FILE_PAGES) * PAGE;

	return below(state, 3) ? page : page + below(state, PAGE);
}

/* It is one file, is mapped, and is registered as a whole. */
static void fit_device(struct op *op)
{
	op->file = 0;
	if (op->kind == OP_WRITE)
		op->kind = OP_MAP_WRITE;
	if (op->kind == OP_REGION)
		op->value &= ~PART_OF_FILE;
}

void tape_generate(struct op *ops, size_t n, uint64_t seed, const struct abilities *a)
{
	uint64_t state = seed;

	for (size_t i = 0; i < n; i++) {
		struct op op = { .kind = draw(&state, a),
				 .file = below(&state, 4) == 3,
				 .offset = draw_offset(&state),
				 .length = draw_length(&state),
				 .other = draw_offset(&state),
				 .value = (uint32_t)next(&state) };

		if (op.kind == OP_TRUNCATE)
			op.length = below(&state, 16) ? draw_offset(&state) + PAGE : 0;
		if (i < 2) {
			op.kind = OP_WRITE;
			op.file = i == 1;
			op.offset = 0;
			op.length = FILE_BYTES / 2;
		}
		if (a->remote && (i == 2 || (i > 2 && op_ends_region(ops[i - 1].kind))))
			op.kind = OP_REGION;
		if (a->device)
			fit_device(&op);
		ops[i] = op;
	}
}

void region_print(FILE *f, const struct region_kind *k)
{
	static const char *const policies[] = { "follow", "yield", "hold" };
	static const char *const owners[] = { "attends", "silent", "none" };

	fprintf(f, " # %s, arbitration %s, warm %u, owner %s, peer %s, access %s%s, [%u, %u)",
		policies[k->policy], k->pre_content ? "pre-content" : "auto", k->warm_mode,
		owners[k->owner], k->peer_silent ? "silent" : "attends", k->read_only ? "r" : "rw",
		k->reopened ? ", reopened" : "", k->start, k->start + k->length);
}

void op_print(FILE *f, const struct op *op)
{
	struct region_kind k = region_of(op->value);

	fprintf(f, "%s %c %u %u %u %#x", op_name(op->kind), op->file ? 'b' : 'a', op->offset,
		op->length, op->other, op->value);
	if (op->kind == OP_REGION)
		region_print(f, &k);
	fputc('\n', f);
}

bool op_parse(const char *line, struct op *ret)
{
	struct op op = { 0 };
	char word[32], file;
	enum op_kind kind;

	if (sscanf(line, "%31s %c %u %u %u %x", word, &file, &op.offset, &op.length, &op.other,
		   &op.value) != 6 ||
	    (file != 'a' && file != 'b'))
		return false;
	for (kind = 0; kind < N_OP_KINDS && strcmp(word, op_name(kind)) != 0;)
		kind++;
	if (kind == N_OP_KINDS)
		return false;
	op.kind = kind;
	op.file = file == 'b';
	*ret = op;
	return true;
}
