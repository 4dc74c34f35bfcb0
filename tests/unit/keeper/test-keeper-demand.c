// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-demand.c - a whole keeper with fake adapters: ranges that are wanted through the
 * daemon, many at once, and writing back.
 *
 *   test-keeper-demand KEEPER-FAKE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "keeper-rig.h"

static uint64_t next_demand;

/* Its operation number; the demand's is next_demand. */
static uint64_t demand(uint64_t region, uint64_t start, uint64_t end, uint64_t grace_usec,
		       uint64_t limit_usec)
{
	struct keeper_message m = { .type = KEEPER_DEMAND,
				    .region = region,
				    .demand = { .demand = ++next_demand,
						.offset = start,
						.length = end - start,
						.grace_usec = grace_usec,
						.limit_usec = limit_usec,
						.cause = CAUSE_ADMINISTRATOR } };

	return client_send(&k, &m, -1);
}

static int over(uint64_t region, uint64_t number)
{
	struct keeper_message m = { .type = KEEPER_OVER,
				    .region = region,
				    .demand.demand = number };

	return client_call(&k, &m, -1).done.error;
}

static int answer(uint64_t operation)
{
	return client_answer(&k, operation).done.error;
}

static struct keeper_revocation asked(uint64_t region)
{
	return client_event(&k, KEEPER_REVOCATION, region).revocation;
}

static struct keeper_revocation settled(uint64_t region)
{
	return client_event(&k, KEEPER_SETTLED, region).revocation;
}

static void test_refusals(void)
{
	struct keeper_message m = { .type = KEEPER_DEMAND,
				    .region = 4711,
				    .demand = { .demand = 1, .length = 1 } };
	uint64_t id, first;
	int fd;

	must(client_call(&k, &m, -1).done.error == -ENOENT);
	id = make_region(&fd, LONG, POLICY_YIELD);
	m.region = id;
	m.demand.offset = 4 * MIB;
	must(client_call(&k, &m, -1).done.error == -ERANGE);
	m.demand.offset = 0;
	m.demand.demand = UINT64_C(1) << 63; /* the keeper's own */
	must(client_call(&k, &m, -1).done.error == -EINVAL);
	m.demand.demand = next_demand + 1;
	first = demand(id, 0, 1, LONG, 0);
	must(client_call(&k, &m, -1).done.error == -EEXIST);
	must(over(id, 999999) == 0 && over(4711, 1) == 0); /* unknown ones are no error */
	must(client_release(&k, id) == 0);
	must(answer(first) == 0); /* nothing is left: as good as a grant */
	close(fd);
	must(client_file(&k, 4711) == -ENOENT);
}

/*
 * A part is asked for, acknowledged, closed, and opened again; who acknowledged keeps his
 * connection.
 */
static void test_range(void)
{
	struct keeper_revocation v;
	struct keeper_message m;
	uint64_t id, operation;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	operation = demand(id, MIB + 5, MIB + 6, LONG, 0);
	v = asked(id);
	must(v.offset == MIB && v.length == PAGE && v.cause == CAUSE_ADMINISTRATOR &&
	     v.revocation == 1);
	tell("peer-ack", id, "");
	client_event(&k, KEEPER_PEER_ACK, id);
	must(list(&m) == 2 && m.info.state == REGION_DRAINING && m.info.revocation_offset == MIB &&
	     m.info.revocation_length == PAGE);
	must(client_consent(&k, id, 1) == 0);
	must(answer(operation) == 0);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	must(!client_has_event(&k, KEEPER_SETTLED, id)); /* not before it is over */
	must(over(id, next_demand) == 0);
	v = settled(id);
	must(v.outcome == OUTCOME_RESTORED && v.revocation == 1 &&
	     !client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(!client_has_event(&k, KEEPER_GIVEN_BACK, id)); /* nobody took blocks */
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * A crowd, larger than what the guard keeps: one question, one fence, and nobody is let go or let
 * in before his time.
 */
static void test_crowd(void)
{
	enum { CROWD = 100 };
	uint64_t id, first, operation[CROWD];
	struct keeper_revocation v;
	struct keeper_message m;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	first = next_demand + 1;
	for (uint64_t i = 0; i < CROWD; i++)
		operation[i] =
			demand(id, (20 + 2 * i) * PAGE, (21 + 2 * i) * PAGE, LONG, i ? LONG : 0);
	do
		v = asked(id);
	while (v.length != (2 * CROWD - 1) * PAGE);
	must(v.offset == 20 * PAGE && list(&m) == 1 && m.info.state == REGION_DRAINING);
	must(client_consent(&k, id, v.revocation) == 0);
	for (int i = 0; i < CROWD; i++)
		must(answer(operation[i]) == 0);
	/*
	 * somebody who comes late, outside of it: the others are not disturbed, and he waits for a
	 * fence of his own
	 */
	operation[0] = demand(id, 0, PAGE, LONG, 0);
	v = asked(id);
	must(v.offset == 0 && client_consent(&k, id, v.revocation) == 0 &&
	     answer(operation[0]) == 0);
	for (uint64_t i = first; i <= next_demand; i++) {
		must(!client_has_event(&k, KEEPER_SETTLED, id));
		must(over(id, i) == 0);
	}
	must(settled(id).outcome == OUTCOME_RESTORED);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* More is wanted while holders are asked, and while it is closed. */
static void test_many(void)
{
	struct keeper_revocation v, w;
	uint64_t id, a, b, c, first;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	a = demand(id, 0, PAGE, LONG, 0);
	first = next_demand;
	v = asked(id);
	b = demand(id, 2 * MIB, 3 * MIB, 2 * LONG,
		   0); /* more patient: that changes nothing for the first */
	w = asked(id);
	must(w.revocation == 2 && w.offset == 0 && w.length == 3 * MIB &&
	     w.deadline_usec == v.deadline_usec);
	c = demand(id, MIB, 2 * MIB, LONG, 0); /* part of what was asked already */
	must(client_consent(&k, id, 1) == -ESTALE);
	must(client_consent(&k, id, 2) == 0);
	must(answer(a) == 0 && answer(b) == 0 && answer(c) == 0);
	must(!client_has_event(&k, KEEPER_REVOCATION, id));
	a = demand(id, PAGE, 2 * PAGE, LONG, 0); /* closed already: granted at once */
	must(answer(a) == 0 && !client_has_event(&k, KEEPER_REVOCATION, id));
	b = demand(id, 3 * MIB, 4 * MIB, LONG,
		   0); /* not yet closed: asked for, and closed together with the rest */
	w = asked(id);
	must(w.revocation == 3 && w.offset == 0 && w.length == 4 * MIB);
	must(client_consent(&k, id, 3) == 0);
	must(answer(b) == 0);
	for (uint64_t i = first; i <= next_demand; i++) {
		must(!client_has_event(&k, KEEPER_SETTLED, id));
		must(over(id, i) == 0);
	}
	must(settled(id).revocation == 3);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * A filesystem wants its blocks while somebody keeps a part closed: the rest is asked for, the
 * breaker does not wait longer than its grace.
 */
static void test_break_meanwhile(void)
{
	struct keeper_revocation v;
	uint64_t id, operation;
	struct stat st;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	operation = demand(id, 0, MIB, 0, 0);
	must(answer(operation) == 0);
	must(asked(id).revocation == 1);
	tell("break", id, "truncate 8192");
	v = asked(id);
	must(v.revocation == 2 && v.offset == 0 && v.length == 4 * MIB &&
	     v.cause == CAUSE_TRUNCATE);
	client_event(&k, KEEPER_GIVEN_BACK, id);
	must(!client_has_event(&k, KEEPER_SETTLED, id));
	must(over(id, next_demand) == 0);
	v = settled(id);
	must(v.outcome == OUTCOME_TRUNCATED && v.valid_length == 8192);
	must(fstat(fd, &st) == 0 && st.st_size == 8192);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_ends(void)
{
	struct keeper_message m;
	uint64_t id, operation;
	int fd;

	/* by its deadline, and by its limit */
	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	operation = demand(id, 0, MIB, SHORT, SHORT);
	must(answer(operation) == 0 && client_event(&k, KEEPER_FENCED, id).revocation.late == 1);
	must(settled(id).outcome == OUTCOME_RESTORED);
	must(over(id, next_demand) == 0);

	/* withdrawn while holders are asked: nothing happens to them */
	join(id);
	operation = demand(id, 0, MIB, LONG, 0);
	asked(id);
	must(over(id, next_demand) == 0 && answer(operation) == -ECANCELED);
	settled(id);
	client_has_event(&k, KEEPER_FENCED, id);
	must(list(&m) == 2 && m.info.state == REGION_LIVE);

	/* with the daemon that made it */
	operation = demand(id, 0, MIB, 0, 0);
	must(answer(operation) == 0);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	do
		must(list(&m) >= 1);
	while (m.info.state != REGION_LIVE);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Holders of a region that is let go have a grace as well. */
static void test_release_with_grace(void)
{
	struct keeper_message m = { .type = KEEPER_RELEASE,
				    .demand = { .cause = CAUSE_UNMOUNT, .grace_usec = LONG } };
	uint64_t id, operation, release;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	m.region = id;
	release = client_send(&k, &m, -1);
	must(asked(id).cause == CAUSE_UNMOUNT);
	operation = demand(id, 0, MIB, LONG,
			   0); /* who wants a part of it waits for the end of all of it */
	tell("peer-ack", id, "");
	client_event(&k, KEEPER_PEER_ACK, id);
	must(client_consent(&k, id, 1) == 0);
	must(answer(operation) == 0 && answer(release) == 0);
	close(fd);

	/* nobody answers */
	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	m.region = id;
	m.demand.grace_usec = SHORT;
	must(answer(client_send(&k, &m, -1)) == 0);
	close(fd);
}

static void test_sync(void)
{
	struct keeper_message m = { .type = KEEPER_SYNC,
				    .demand = { .grace_usec = LONG, .limit_usec = LONG } };
	struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD);
	char path[] = "/var/tmp/test-keeper.XXXXXX";
	uint64_t id, operation, second;
	struct statfs fs;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	m.region = id;
	operation = client_send(&k, &m, -1);
	must(asked(id).cause == CAUSE_SYNC);
	second = client_send(&k, &m, -1);
	must(answer(second) == -EBUSY);
	must(client_consent(&k, id, 1) == 0);
	m = client_answer(&k, operation);
	must(m.done.error == 0 && m.done.value == KEEPER_DURABLE_NOTHING); /* a memfd */
	must(settled(id).outcome == OUTCOME_RESTORED);
	must(client_release(&k, id) == 0);
	close(fd);

	fd = mkstemp(path);
	must(fd >= 0 && ftruncate(fd, MIB) == 0 && unlink(path) == 0 && fstatfs(fd, &fs) == 0);
	id = ++rig_last;
	must(client_register(&k, id, fd, &what, NULL) == 0);
	m = (struct keeper_message){ .type = KEEPER_SYNC, .region = id, .demand.limit_usec = LONG };
	m = client_call(&k, &m, -1);
	must(m.done.error == 0);
	must(m.done.value ==
	     (fs.f_type == 0x01021994 ? KEEPER_DURABLE_NOTHING : KEEPER_DURABLE_STORAGE));
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_file(void)
{
	struct keeper_message m;
	struct stat a, b;
	uint64_t id;
	int fd, got;

	id = make_region(&fd, LONG, POLICY_YIELD);
	got = client_file(&k, id);
	must(got >= 0 && got != fd && fstat(fd, &a) == 0 && fstat(got, &b) == 0);
	must(a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
	     (fcntl(got, F_GETFL) & O_ACCMODE) == O_RDWR);
	must(list(&m) == 1 && m.info.device == a.st_dev && m.info.inode == a.st_ino &&
	     m.info.file_uid == a.st_uid);
	close(got);
	must(client_release(&k, id) == 0);
	close(fd);
}

int main(int argc, char *argv[])
{
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_refusals, test_range, test_many, test_crowd,
		test_break_meanwhile, test_ends, test_release_with_grace, test_sync, test_file);
	rig_end();
	return 0;
}
