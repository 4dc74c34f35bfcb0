// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - torture [OPTION...] FILESYSTEM FOLDER: tapes of operations on two files in FOLDER, and on a
 * region of the first, until so many operations were done or one of them did what it must not. Each
 * tape comes from a seed, and begins with new files. A device-dax is named in place of FOLDER; it is
 * the first file, and there is no second.
 *
 *   --operations N	at least so many (1000)
 *   --start SEED	of the first tape (1); the next has the next seed
 *   --each N		operations of a tape (250)
 *   --local		without a region
 *   --peers FILE	the network namespace of peers (/run/netns/b). "": this one, and caches of the whole machine stay as they are
 *   --tries N		how often a failing tape is played to shrink it (150)
 *   --tape FILE	where a failing tape is left; else it is printed
 *   --replay FILE	that tape and nothing else; if it fails it is shrunk, but with --tries 0
 *   --trace		each operation before it is done
 *   --actors COMMAND	also what happens to the product and below it (actors.h), which this program does
 *   --stamps SECONDS	no tapes, but peers and programs at the same time (stamps.h), with this seed
 *
 * Prints what was done, from which seed to which, and where the time went. Exits 1 if something was wrong, 2 if it could not
 * begin.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actors.h"
#include "play.h"
#include "remote.h"
#include "shrink.h"
#include "stamps.h"

static const struct {
	const char *name;
	unsigned int late_reads;
	struct abilities can;
} filesystems[] = {
#define PLAIN .zero = true, .direct = true, .unmount = true
	{ "xfs", 0, { PLAIN, .disk = true, .clone = true, .collapse = true, .unshare = true } },
	{ "xfs-dax", 0, { PLAIN, .clone = true, .collapse = true, .unshare = true } },
	{ "ext4", 0, { PLAIN, .disk = true, .collapse = true } },
	{ "ext4-dax", 200, { PLAIN, .collapse = true } },
	{ "btrfs", 0, { PLAIN, .disk = true, .clone = true } },
	{ "tmpfs", 0, { .clone = false } },
	{ "device-dax", 0, { .device = true } },
#undef PLAIN
};

/* Where the time goes. */
enum doer { PROGRAMS, PEER, USER, ACTORS, MAKING, N_DOERS };

struct torture {
	struct local local;
	struct remote *remote;
	struct actors actors;
	bool acting; /* the last operation was an actor's, and failed */
	struct remote_counts counts;
	uint64_t spent_usec[N_DOERS];
	char path[4096];
	const char *network;
	bool with_remote;
	bool trace;
};

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int begin(void *self)
{
	struct torture *t = self;
	uint64_t since = now_usec();
	int r;

	if (t->with_remote) {
		t->remote = remote_new(t->network);
		if (!t->remote)
			return -ENOMEM;
	}
	r = local_begin(&t->local);
	t->spent_usec[MAKING] += now_usec() - since;
	return r;
}

static enum doer doer_of(enum op_kind kind)
{
	if (op_is_of_peer(kind))
		return PEER;
	return op_is_remote(kind) ? USER : op_is_actor(kind) ? ACTORS : PROGRAMS;
}

static int64_t act(struct torture *t, const struct op *op, uint8_t *data)
{
	const struct op gone = { .kind = OP_GONE }, sync = { .kind = OP_SYNC };
	bool written_back = op->kind == OP_STORAGE_FAILS && op->value & 1 && t->remote &&
			    remote_perform(t->remote, t->path, &sync, NULL) == 0;
	int64_t n = actors_perform(&t->actors, &t->local, op, data, written_back), r = 0;

	t->acting = n < 0 && n != -EOPNOTSUPP;
	if (n >= 0 && t->remote && op_ends_region(op->kind))
		r = remote_perform(t->remote, t->path, &gone, NULL);
	return r < 0 ? r : n;
}

static int64_t carry_out(struct torture *t, const struct op *op, uint8_t *data)
{
	int64_t n;

	if (op_is_actor(op->kind))
		return act(t, op, data);
	if (!op_is_remote(op->kind))
		return local_perform(&t->local, op, data);
	n = remote_perform(t->remote, t->path, op, data);
	if (op->kind == OP_REGION && n == 0 && region_of(op->value).reopened)
		n = local_reopen(&t->local);
	return n;
}

static int64_t perform(void *self, const struct op *op, uint8_t *data)
{
	struct torture *t = self;
	uint64_t since = now_usec();
	int64_t n;

	if (t->trace) {
		op_print(stdout, op);
		fflush(stdout);
	}
	n = carry_out(t, op, data);
	t->spent_usec[doer_of(op->kind)] += now_usec() - since;
	return n;
}

static const char *why(void *self)
{
	const struct torture *t = self;

	if (t->acting)
		return "the command that does it failed, and said why";
	return t->remote ? remote_why(t->remote) : "";
}

static void end(void *self)
{
	struct torture *t = self;
	uint64_t since = now_usec();

	t->remote = remote_free(t->remote, &t->counts);
	local_close(&t->local);
	t->spent_usec[MAKING] += now_usec() - since;
}

static bool fails(const struct op *ops, size_t n, void *userdata)
{
	struct verdict verdict;

	return !play(userdata, ops, n, NULL, &verdict);
}

static void leave_tape(const char *path, const struct op *ops, size_t n)
{
	FILE *f = path ? fopen(path, "we") : stdout;

	for (size_t i = 0; f && i < n; i++)
		op_print(f, &ops[i]);
	if (path && f && fclose(f) == 0)
		printf("tape: %s\n", path);
}

static void complain(const struct subject *s, struct op *ops, size_t n,
		     const struct verdict *verdict, unsigned int tries, const char *tape)
{
	printf("wrong: operation %zu, %s\n", verdict->at, verdict->what);
	fflush(stdout);
	if (verdict->at + 1 < n)
		n = verdict->at + 1;
	n = shrink(ops, n, tries, fails, (void *)s);
	printf("a tape that fails, of %zu operations:\n", n);
	leave_tape(tape, ops, n);
}

static void report(const char *name, const struct counts *c, const struct torture *t,
		   uint64_t start, uint64_t next)
{
	const struct remote_counts *r = &t->counts;
	uint64_t total = 0, spent = 1;

	for (size_t i = 0; i < N_OP_KINDS; i++)
		total += c->done[i];
	for (size_t i = 0; i < N_DOERS; i++)
		spent += t->spent_usec[i];
	printf("%s: %" PRIu64 " operations, seeds %" PRIu64 " to %" PRIu64 "; by peers %" PRIu64
	       " reads, %" PRIu64 " writes; refused %" PRIu64 ", not there %" PRIu64
	       ", late %" PRIu64 "; regions: none %" PRIu64 ", notify-only %" PRIu64
	       ", layout-lease %" PRIu64 ", pre-content %" PRIu64 "; connections %" PRIu64
	       ", revocations %" PRIu64 " of %" PRIu64 " pages, transfers tried again %" PRIu64
	       "\n",
	       name, total, start, next - 1, c->done[OP_REMOTE_READ] + c->done[OP_REMOTE_PEEK],
	       c->done[OP_REMOTE_WRITE], c->refused, c->missing, c->late, r->regions[1],
	       r->regions[2], r->regions[3], r->regions[4], r->connections, r->asked,
	       r->asked_pages, r->failed);
	printf("%s: %.1f operations a second; of the time programs took %" PRIu64
	       "%%, the peer %" PRIu64 "%%, the region's user %" PRIu64 "%%, actors %" PRIu64
	       "%%, beginning and ending tapes %" PRIu64 "%%\n",
	       name, (double)total * 1e6 / (double)spent, t->spent_usec[PROGRAMS] * 100 / spent,
	       t->spent_usec[PEER] * 100 / spent, t->spent_usec[USER] * 100 / spent,
	       t->spent_usec[ACTORS] * 100 / spent, t->spent_usec[MAKING] * 100 / spent);
	for (enum op_kind kind = 0; kind < N_OP_KINDS; kind++)
		if (c->done[kind] && (op_is_actor(kind) || kind == OP_REPLACE_KEEPER))
			printf("%s: %s %" PRIu64 "\n", name, op_name(kind), c->done[kind]);
}

static size_t read_tape(const char *path, struct op **ret)
{
	FILE *f = fopen(path, "re");
	struct op *ops = NULL, op;
	char line[256];
	size_t n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (!op_parse(line, &op))
			continue;
		ops = reallocarray(ops, n + 1, sizeof(*ops));
		if (!ops)
			abort();
		ops[n++] = op;
	}
	if (f)
		fclose(f);
	*ret = ops;
	return n;
}

struct request {
	uint64_t operations, start, each, tries, stamps;
	const char *tape, *replay;
	struct abilities can;
	const char *name;
};

static int replay(const struct subject *s, const struct request *q)
{
	struct verdict verdict;
	struct op *ops;
	size_t n = read_tape(q->replay, &ops);
	bool held;

	if (n == 0) {
		fprintf(stderr, "%s: no tape\n", q->replay);
		return 2;
	}
	for (size_t i = 0; !q->can.actors && i < n; i++) {
		if (!op_is_actor(ops[i].kind))
			continue;
		fprintf(stderr, "%s: %s is for actors: give --actors as well\n", q->replay,
			op_name(ops[i].kind));
		free(ops);
		return 2;
	}
	held = play(s, ops, n, NULL, &verdict);
	if (held)
		printf("%s: everything held\n", q->replay);
	else
		complain(s, ops, n, &verdict, (unsigned int)q->tries, q->tape);
	free(ops);
	return !held;
}

static int run(const struct subject *s, const struct request *q)
{
	struct op *ops = calloc(q->each, sizeof(*ops));
	const struct torture *t = s->self;
	struct counts counts = { 0 };
	struct verdict verdict;
	uint64_t seed = q->start, total = 0;
	bool held = true;

	if (!ops)
		abort();
	for (; held && total < q->operations; seed++, total += q->each) {
		tape_generate(ops, q->each, seed, &q->can);
		held = play(s, ops, q->each, &counts, &verdict);
		if (held)
			continue;
		printf("%s, seed %" PRIu64 ", ", q->name, seed);
		complain(s, ops, q->each, &verdict, (unsigned int)q->tries, q->tape);
	}
	report(q->name, &counts, t, q->start, seed);
	free(ops);
	return !held;
}

static bool number(const char *text, uint64_t *ret)
{
	char *rest;

	errno = 0;
	*ret = strtoull(text, &rest, 0);
	return !errno && rest != text && !*rest && *text != '-';
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "operations", required_argument, NULL, 'n' },
		{ "start", required_argument, NULL, 's' },
		{ "each", required_argument, NULL, 'e' },
		{ "tries", required_argument, NULL, 'x' },
		{ "local", no_argument, NULL, 'l' },
		{ "peers", required_argument, NULL, 'p' },
		{ "tape", required_argument, NULL, 't' },
		{ "replay", required_argument, NULL, 'r' },
		{ "stamps", required_argument, NULL, 'c' },
		{ "trace", no_argument, NULL, 'v' },
		{ "actors", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	struct request q = { .operations = 1000, .start = 1, .each = 250, .tries = 150 };
	static struct torture t = { .network = "/run/netns/b", .with_remote = true };
	struct subject s = { &t, begin, perform, why, end, 0, 0 };
	bool bad = false;
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			bad |= !number(optarg, &q.operations);
			break;
		case 's':
			bad |= !number(optarg, &q.start);
			break;
		case 'e':
			bad |= !number(optarg, &q.each) || q.each == 0;
			break;
		case 'x':
			bad |= !number(optarg, &q.tries);
			break;
		case 'l':
			t.with_remote = false;
			break;
		case 'p':
			t.network = optarg;
			break;
		case 't':
			q.tape = optarg;
			break;
		case 'r':
			q.replay = optarg;
			break;
		case 'c':
			bad |= !number(optarg, &q.stamps);
			break;
		case 'v':
			t.trace = true;
			break;
		case 'a':
			t.actors.command = optarg;
			break;
		default:
			bad = true;
		}
	}
	for (size_t i = 0;
	     !bad && argc - optind == 2 && i < sizeof(filesystems) / sizeof(*filesystems); i++) {
		if (strcmp(argv[optind], filesystems[i].name) != 0)
			continue;
		q.name = filesystems[i].name;
		q.can = filesystems[i].can;
		s.late_reads = filesystems[i].late_reads;
	}
	if (!q.name) {
		fprintf(stderr,
			"usage: torture [--operations N] [--start SEED] [--each N] [--tries N] "
			"[--local] [--peers FILE] [--tape FILE] [--replay FILE] [--stamps SECONDS] [--trace] "
			"[--actors COMMAND] "
			"xfs|xfs-dax|ext4|ext4-dax|btrfs|tmpfs FOLDER, or device-dax DEVICE\n");
		return 2;
	}
	t.actors.filesystem = q.name;
	q.can.actors = t.actors.command != NULL;
	q.can.remote = t.with_remote;
	q.can.system = t.with_remote && *t.network;
	t.local.folder = argv[optind + 1];
	t.local.device = q.can.device;
	s.device_bytes = q.can.device ? FILE_BYTES : 0;
	snprintf(t.path, sizeof(t.path), q.can.device ? "%s" : "%s/a", t.local.folder);
	if (q.stamps && q.can.device) {
		printf("%s: no stamps: nobody takes its blocks\n", q.name);
		return 0;
	}
	if (q.stamps)
		return stamps_run(&(struct stamps_request){ q.name, t.local.folder, t.network,
							    &q.can, q.start, (unsigned int)q.stamps,
							    3, t.actors });
	return q.replay ? replay(&s, &q) : run(&s, &q);
}
