// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-torture.c - the file exerciser itself (tests/lab/src/torture/), on files in memory, without a
 * region: tapes can be repeated and read back, whatever is left of one is one, files of this machine
 * do what the model says, and a wrong byte is found and its tape shrunk to what it takes.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lab/src/torture/local.h"
#include "../../lab/src/torture/play.h"
#include "../../lab/src/torture/shrink.h"

#define N 300

static const struct abilities every = { .clone = true,
					.collapse = true,
					.zero = true,
					.unshare = true,
					.direct = true,
					.remote = true,
					.system = true };

/* Files in memory, which have a fault when they are told to. */
struct rig {
	struct local local;
	bool faulty;
	bool punched; /* a peer's write after a punch goes astray */
	unsigned int played;
};

static int rig_begin(void *self)
{
	struct rig *r = self;

	r->punched = false;
	r->played++;
	r->local.fd[0] = memfd_create("a", MFD_CLOEXEC);
	r->local.fd[1] = memfd_create("b", MFD_CLOEXEC);
	return r->local.fd[0] < 0 || r->local.fd[1] < 0 ? -errno : 0;
}

static int64_t rig_perform(void *self, const struct op *op, uint8_t *data)
{
	struct rig *r = self;

	if (op->kind == OP_TRUNCATE) /* by the descriptor: there is no name */
		return ftruncate(r->local.fd[op->file], op->length) < 0 ? -errno : 0;
	if (op->kind == OP_PUNCH && op->file == 0)
		r->punched = true;
	if (op->kind == OP_MAP_WRITE && op->file == 0 && r->faulty && r->punched)
		data[op->length - 1] ^= 1;
	return local_perform(&r->local, op, data);
}

static const char *rig_why(void *self)
{
	(void)self;
	return "";
}

static void rig_end(void *self)
{
	struct rig *r = self;

	local_close(&r->local);
}

static struct subject subject_of(struct rig *r)
{
	return (struct subject){ r, rig_begin, rig_perform, rig_why, rig_end, 0, 0 };
}

static void test_tape(void)
{
	struct op ops[N], again[N], other;
	char line[256];
	FILE *f = tmpfile();
	uint32_t seen[N_OP_KINDS] = { 0 };

	tape_generate(ops, N, 7, &every);
	tape_generate(again, N, 7, &every);
	assert(f && !memcmp(ops, again, sizeof(ops)));
	tape_generate(again, N, 8, &every);
	assert(memcmp(ops, again, sizeof(ops)) != 0);
	for (size_t i = 0; i < N; i++)
		op_print(f, &ops[i]);
	rewind(f);
	for (size_t i = 0; i < N; i++) {
		assert(fgets(line, sizeof(line), f) && op_parse(line, &other));
		assert(!memcmp(&ops[i], &other, sizeof(other)));
		seen[other.kind]++;
	}
	fclose(f);
	assert(!op_parse("write c 0 1 0 0x1\n", &other) && !op_parse("bite a 0 1 0 0x1\n", &other));
	assert(!op_parse("write a 0\n", &other) && !op_parse("", &other));
	assert(seen[OP_REMOTE_WRITE] && seen[OP_CLONE] && seen[OP_TRUNCATE] && seen[OP_PUNCH]);
}

/* A tape without what a filesystem does not have. */
static void test_abilities(void)
{
	struct op ops[N];

	tape_generate(ops, N, 1, &(struct abilities){ 0 });
	for (size_t i = 0; i < N; i++)
		assert(!op_is_remote(ops[i].kind) && ops[i].kind != OP_CLONE &&
		       ops[i].kind != OP_COLLAPSE && ops[i].kind != OP_DROP_CACHES);
}

/* Whatever the order, an operation that is fitted stays inside the files. */
static void test_fit(void)
{
	static struct model m;
	struct op ops[N];

	for (uint64_t seed = 1; seed <= 30; seed++) {
		memset(&m, 0, sizeof(m));
		tape_generate(ops, N, seed, &every);
		for (size_t i = seed % 5; i < N; i++) {
			struct op op = ops[i];

			if (!model_fit(&m, &op))
				continue;
			model_apply(&m, &op, op.length);
			for (uint32_t file = 0; file < 2; file++) {
				assert(m.size[file] <= FILE_BYTES);
				for (uint32_t b = m.size[file]; b < FILE_BYTES; b += 997)
					assert(m.bytes[file][b] == 0);
			}
		}
	}
}

static void test_model(void)
{
	static struct model m;
	struct op write = { OP_WRITE, 0, 0, 3 * PAGE, 0, 5 };
	struct op insert = { OP_INSERT, 0, PAGE, PAGE, 0, 0 };
	struct op clone = { OP_CLONE, 1, PAGE, PAGE, PAGE * 2, 0 };
	struct op collapse = { OP_COLLAPSE, 0, 0, PAGE, 0, 0 };
	struct op remote = { OP_REMOTE_READ, 0, 0, PAGE, 0, 0 };

	assert(!model_fit(&m, &remote) && !model_fit(&m, &collapse));
	assert(model_fit(&m, &write));
	model_apply(&m, &write, write.length);
	assert(model_fit(&m, &insert));
	model_apply(&m, &insert, 0);
	assert(m.size[0] == 4 * PAGE && m.bytes[0][PAGE] == 0);
	assert(m.bytes[0][2 * PAGE] == op_byte(&write, PAGE));
	assert(model_fit(&m, &clone));
	model_apply(&m, &clone, clone.length);
	assert(m.size[1] == 2 * PAGE && m.bytes[1][0] == 0);
	assert(m.bytes[1][PAGE + 7] == op_byte(&write, PAGE + 7));
	assert(model_fit(&m, &collapse));
	model_apply(&m, &collapse, 0);
	assert(m.size[0] == 3 * PAGE && m.bytes[0][0] == 0 &&
	       m.bytes[0][PAGE] == op_byte(&write, PAGE));
	assert(!model_fit(&m, &remote));
	m.region = true;
	m.kind = region_of(0);
	assert(model_fit(&m, &remote));
}

/* Only what is registered is reached, and what a device cannot do is not drawn. */
static void test_part(void)
{
	static struct model m;
	const struct region_kind k = region_of(1u << 15 | 3u << 16 | 1u << 20);
	struct op ops[N];

	assert(k.start == 3 * PAGE && k.length == 2 * PAGE && !region_of(0).start);
	assert(region_configured(k, 0).start == k.start);
	m.size[0] = 4 * PAGE + 100;
	m.region = true;
	m.kind = k;
	tape_generate(ops, N, 2, &(struct abilities){ .device = true, .remote = true });
	for (size_t i = 0; i < N; i++) {
		struct op op = ops[i];

		assert(op.file == 0 && op.kind != OP_WRITE && op.kind != OP_TRUNCATE);
		if (!op.length || op.kind == OP_REGION || !op_is_remote(op.kind) ||
		    !model_fit(&m, &op))
			continue;
		if (op.kind == OP_REMOTE_WRITE || op.kind == OP_REMOTE_READ)
			assert(op.offset >= k.start && op.offset + op.length <= m.size[0]);
		if (op.kind == OP_REMOTE_PEEK)
			assert(op.offset >= k.start && op.offset + op.length <= 5 * PAGE);
		assert(op.kind != OP_REMOTE_WRITE || op.offset % PAGE == 0);
	}
}

/* After an actor that ends the region comes another region; a write without an end has old or new bytes. */
static void test_actors(void)
{
	static struct model m;
	static uint8_t data[FILE_BYTES];
	struct abilities a = every;
	struct op fails = { OP_STORAGE_FAILS, 0, 3, 5, 0, 9 };
	uint32_t seen = 0;
	struct op ops[N];

	a.actors = a.unmount = true;
	tape_generate(ops, N, 4, &a);
	for (size_t i = 0; i < N; i++) {
		seen += op_is_actor(ops[i].kind);
		assert(ops[i].kind != OP_STORAGE_FAILS && ops[i].kind != OP_STORAGE_HANGS);
		if (i > 2 && op_ends_region(ops[i - 1].kind))
			assert(ops[i].kind == OP_REGION);
	}
	assert(seen > 5);
	m.size[0] = 6;
	m.region = true;
	assert(model_fit(&m, &fails) && fails.length == 3);
	model_apply(&m, &fails, 3);
	assert(!m.region && m.bytes[0][3] == 0);
	data[1] = op_byte(&fails, 1);
	assert(model_adopt(&m, &fails, data) == FILE_BYTES && m.bytes[0][4] == data[1]);
	data[2] = (uint8_t)(op_byte(&fails, 2) + 1);
	assert(model_adopt(&m, &fails, data) == 5 && m.bytes[0][5] == 0);
}

/* The files of this machine do what the model says. */
static void test_files(void)
{
	struct rig rig = { .faulty = false };
	struct subject s = subject_of(&rig);
	struct abilities memory = { false };
	struct counts counts = { 0 };
	struct verdict verdict;
	struct op ops[N];

	for (uint64_t seed = 1; seed <= 5; seed++) {
		tape_generate(ops, N, seed, &memory);
		if (!play(&s, ops, N, &counts, &verdict)) {
			fprintf(stderr, "seed %llu, operation %zu: %s\n", (unsigned long long)seed,
				verdict.at, verdict.what);
			abort();
		}
	}
	assert(counts.done[OP_MAP_WRITE] && counts.done[OP_PUNCH] && counts.done[OP_STATE]);
}

static bool fails(const struct op *ops, size_t n, void *userdata)
{
	struct verdict verdict;

	return !play(userdata, ops, n, NULL, &verdict);
}

/* Found, and what is left are the bytes, the punch and the store after it. */
static void test_planted(void)
{
	struct rig rig = { .faulty = true };
	struct subject s = subject_of(&rig);
	struct abilities memory = { false };
	struct verdict verdict;
	struct op ops[N];
	size_t n;

	tape_generate(ops, N / 3, 3, &memory);
	assert(!play(&s, ops, N / 3, NULL, &verdict));
	assert(strstr(verdict.what, "must be"));
	rig.played = 0;
	n = shrink(ops, verdict.at + 1, 500, fails, &s);
	assert(rig.played <= 500 && n == 3);
	assert(fails(ops, n, &s));
	assert(ops[1].kind == OP_PUNCH && ops[2].kind == OP_MAP_WRITE);
	/* no more attempts than it is given */
	tape_generate(ops, N / 3, 3, &memory);
	rig.played = 0;
	n = shrink(ops, N / 3, 4, fails, &s);
	assert(rig.played == 4 && fails(ops, n, &s));
}

int main(void)
{
	test_tape();
	test_abilities();
	test_fit();
	test_model();
	test_part();
	test_actors();
	test_files();
	test_planted();
	return 0;
}
