// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-process.c - a whole keeper, with adapter and kernel played by fakes, through its
 * socket: registrations good and bad, revocations of every course, peers and reports.
 *
 *   test-keeper-process KEEPER-FAKE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "keeper-rig.h"
#include "util/clock.h"
#include "rdmareg-uapi.h"

static void test_refusals(void)
{
	struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD), info;
	int fd = make_file(MIB), directory_fd = open("/tmp", O_RDONLY | O_CLOEXEC), read_only;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	must(client_register(&k, 1, directory_fd, &what, NULL) == -EBADF);
	must(client_register(&k, 1, read_only, &what, NULL) == -EACCES);
	what.offset = UINT64_MAX - PAGE + 1;
	must(client_register(&k, 1, fd, &what, NULL) == -ERANGE);
	what.offset = 0;
	what.length = 0;
	must(client_register(&k, 1, fd, &what, NULL) == -ERANGE);
	what.length = MIB;
	must(client_register(&k, 1, fd, &what, &info) == 0 && strstr(info.path, "memfd:test"));
	must(client_register(&k, 1, fd, &what, NULL) == -EEXIST);
	for (uint64_t id = 2; id <= 4; id++)
		must(client_register(&k, id, fd, &what, NULL) == 0);
	must(client_register(&k, 5, fd, &what, NULL) == -EDQUOT);
	must(client_release(&k, 3) == 0 && client_release(&k, 3) == -ENOENT);
	what.access = ACCESS_READ;
	must(client_register(&k, 5, read_only, &what, NULL) == 0);

	must(client_export(&k, 5, RW, 0, NULL) == -EACCES);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == 0);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == 0);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == -EDQUOT);
	must(client_export(&k, 77, WIRE_RIGHT_READ, 0, NULL) == -ENOENT);
	must(client_prefetch(&k, 5, 0, 0, true) == -EACCES);
	must(client_prefetch(&k, 5, 0, MIB, false) == 0);
	must(client_prefetch(&k, 5, MIB, 1, false) == -ERANGE);
	must(client_prefetch(&k, 5, PAGE, UINT64_MAX, false) == -ERANGE);
	must(client_consent(&k, 5, 0) == -ESTALE && client_consent(&k, 5, 1) == -ESTALE);
	must(!client_has_event(&k, KEEPER_GONE, 1));
	for (uint64_t id = 1; id <= 5; id++)
		must(client_release(&k, id) == (id == 3 ? -ENOENT : 0));
	must(!client_has_event(&k, KEEPER_GONE,
			       1)); /* what was asked for is answered, not announced */
	close(fd);
	close(read_only);
	close(directory_fd);
	rig_last = 100;
}

/*
 * How far it is is told, cancelling ends it and nothing else, and what a daemon wanted that is gone
 * is not carried on.
 */
static void test_prefetch_cancelled(void)
{
	struct keeper_message prefetch = { .type = KEEPER_PREFETCH },
			      cancel = { .type = KEEPER_CANCEL, .progress.operation = 12345 }, m;
	uint64_t id, operation;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	prefetch.region = cancel.region = id;
	m = client_call(&k, &cancel, -1);
	must(m.type == KEEPER_DONE && m.done.error == 0); /* unknown */
	tell("chunks", id, "1");
	join(id); /* the line before was obeyed */
	operation = client_send(&k, &prefetch, -1);
	do /* the registration told how far it was, too */
		m = client_event(&k, KEEPER_PROGRESS, id);
	while (m.progress.operation != operation);
	must(m.progress.done == 2 * MIB && m.progress.total == 4 * MIB);
	cancel.progress.operation = operation;
	m = client_call(&k, &cancel, -1);
	must(m.done.error == 0);
	tell("chunks", id, "all"); /* it ends with the chunk that is out */
	m = client_answer(&k, operation);
	must(m.type == KEEPER_DONE && m.done.error == -ECANCELED);
	must(client_prefetch(&k, id, 0, 0, false) == 0);
	tell("chunks", id, "0");
	tell("peer-leave", id, "");
	client_event(&k, KEEPER_PEER_LEFT, id);
	for (int i = 0; i < 3; i++)
		client_send(&k, &prefetch, -1);
	client_disconnect(&k);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	tell("chunks", id, "3"); /* the one that was out, and the two of this one */
	must(client_prefetch(&k, id, 0, 0, false) == 0);
	tell("chunks", id, "all");
	must(client_release(&k, id) == 0);
	cancel.region = 9999;
	m = client_call(&k, &cancel, -1);
	must(m.done.error == 0); /* it ended with its region */
	close(fd);
}

/* Everybody answers: the fence goes up at once and costs nobody his connection. */
static void test_consent(void)
{
	struct keeper_message m;
	uint64_t id, peer;
	struct stat st;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	peer = join(id);
	tell("break", id, "truncate 1048576");
	m = client_event(&k, KEEPER_REVOCATION, id);
	must(m.revocation.revocation == 1 && m.revocation.cause == CAUSE_TRUNCATE &&
	     m.revocation.length == 4 * MIB);
	must(client_prefetch(&k, id, 0, 0, false) == -EBUSY);
	must(client_consent(&k, id, 2) == -ESTALE);
	tell("peer-ack", id, "");
	m = client_event(&k, KEEPER_PEER_ACK, id);
	must(m.peer.peer == peer && m.peer.revocation == 1);
	must(fstat(fd, &st) == 0 &&
	     st.st_size == 4 * (off_t)MIB); /* nothing is given back before */
	must(client_consent(&k, id, 1) == 0);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	must(client_event(&k, KEEPER_GIVEN_BACK, id).revocation.late == 0);
	m = client_event(&k, KEEPER_SETTLED, id);
	must(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == MIB &&
	     m.revocation.generation == 1);
	must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_consent(&k, id, 1) == -ESTALE);

	tell("break", id, "fallocate"); /* the next one, by somebody else */
	must(client_event(&k, KEEPER_REVOCATION, id).revocation.revocation == 2);
	must(client_consent(&k, id, 2) == 0);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late ==
	     1); /* consent, but this peer had not answered */
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1);
	must(client_event(&k, KEEPER_SETTLED, id).revocation.outcome == OUTCOME_RESTORED);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Nobody answers: the grace, then the fence. */
static void test_deadline(void)
{
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	join(id);
	join(id);
	tell("break", id, "truncate 0");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 2);
	m = client_event(&k, KEEPER_SETTLED, id);
	must(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == 0);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * Where the kernel waits for a part of the time only, holders and the margin after it have the same
 * part of theirs each, and not the margin all of it.
 */
static void test_crowd(void)
{
	uint64_t id, before, deadline;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("crowd", id, "4");
	before = now_monotonic_usec();
	tell("break", id, "truncate 8192");
	deadline = client_event(&k, KEEPER_REVOCATION, id).revocation.deadline_usec;
	must(deadline >= before + LONG / 4);
	/* before the kernel's, which had begun when we heard of it */
	must(deadline < now_monotonic_usec() + LONG / 4 + 5 * USEC_PER_SEC / 4);
	must(client_consent(&k, id, 1) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_follow(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_FOLLOW);
	join(id);
	tell("break", id, "clone");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Released in the middle of a revocation: fenced, given back, and gone. */
static void test_release_while_asked(void)
{
	struct stat st;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("break", id, "truncate 4096");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_release(&k, id) == 0);
	must(fstat(fd, &st) == 0 && st.st_size == 4096);
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1);
	must(client_release(&k, id) == -ENOENT);
	close(fd);
}

static void test_configure(void)
{
	struct keeper_message m = { .type = KEEPER_CONFIGURE };
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	m.region = id;
	m.info.policy = POLICY_HOLD;
	m.info.grace_usec = LONG; /* longer than the kernel would wait now: watched anew */
	must(client_call(&k, &m, -1).done.error == 0);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_REVOCATION, id);
	m = (struct keeper_message){ .type = KEEPER_CONFIGURE, .region = id };
	must(client_call(&k, &m, -1).done.error == -EBUSY);
	must(!client_has_event(&k, KEEPER_FENCED, id));
	must(client_consent(&k, id, 1) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	tell("break", id, "fallocate"); /* the new watch works a second time too */
	must(client_event(&k, KEEPER_REVOCATION, id).revocation.revocation == 2);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_reports(void)
{
	unsigned int others = k.n_events; /* that nobody asked for */
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	must(ftruncate(fd, (off_t)MIB) == 0);
	tell("clear", id, "1048576 4194304");
	m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.valid_length != MIB || !m.invalidated.causes)
		m = client_event(&k, KEEPER_INVALIDATED, id);
	must(m.invalidated.invalidations == 1 && (m.invalidated.causes & RDMAREG_CAUSE_CLEAR));
	for (int i = 0; i < 1000; i++)
		tell("writeback", id, "0 4096");
	do
		m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.writebacks != 1000);
	must(k.n_events - others < 20); /* folded */
	must(client_release(&k, id) == 0);
	close(fd);
}

/* A registration and its release at once. */
static void test_release_while_registering(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER },
			      released = { .type = KEEPER_RELEASE };
	int fd = make_file(4 * MIB);

	for (int i = 0; i < 50; i++) {
		uint64_t registering, releasing;

		m.type = KEEPER_REGISTER;
		m.region = released.region = ++rig_last;
		m.info = region_of(4 * MIB, LONG, POLICY_YIELD);
		registering = client_send(&k, &m, fd);
		releasing = client_send(&k, &released, -1);
		m = client_answer(&k, registering);
		must(m.type == KEEPER_REGION || m.done.error == -ECANCELED);
		m = client_answer(&k, releasing);
		must(m.type == KEEPER_DONE && m.done.error == 0);
	}
	must(list(&m) == 0 && !client_has_event(&k, KEEPER_GONE, rig_last));
	close(fd);
}

static void test_peers(void)
{
	struct keeper_ticket t;
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	for (int i = 0; i < 3; i++)
		join(id);
	tell("peer-join", id, "rw"); /* one too many: refused */
	must(list(&m) == 4);
	tell("peer-leave", id, "");
	for (int i = 0; i < 3; i++)
		must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 0);
	must(client_export(&k, id, WIRE_RIGHT_READ, 1, &t) == 0 && t.uses == 1 &&
	     strstr(t.text, "rdmareg://192.0.2.1:18515/"));
	tell("peer-join", id, "rw"); /* more than it allows */
	tell("peer-join", id, "r");
	client_event(&k, KEEPER_PEER_JOINED, id);
	tell("peer-join", id, "r"); /* used up */
	must(list(&m) == 2 && !client_has_event(&k, KEEPER_PEER_JOINED, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * One ticket does not take the places of all others: each of them has room for one, as long as
 * there is any.
 */
static void test_share(void)
{
	static const char *const sixteen[] = { "--session", "s.3", "--max-peers", "16", NULL };
	/*
	 * places 15 and 16 are kept: how many of so many joins with a ticket of their own succeed
	 */
	static const struct {
		unsigned int joins, joined;
	} tickets[] = { { 20, 14 }, { 3, 1 }, { 3, 1 }, { 1, 0 } };
	struct keeper_message m;
	unsigned int before;
	uint64_t id = 0;
	int fd;

	rig_start(sixteen, "s.3");
	for (size_t i = 0; i < sizeof(tickets) / sizeof(*tickets); i++) {
		if (i == 2) { /* the same region, another ticket */
			must(client_export(&k, id, RW, 0, NULL) == 0);
		} else {
			id = make_region(&fd, LONG, POLICY_YIELD);
			close(fd);
		}
		before = list(&m);
		for (unsigned int n = 0; n < tickets[i].joins; n++)
			tell("peer-join", id, "rw");
		for (unsigned int n = 0; n < tickets[i].joined; n++)
			client_event(&k, KEEPER_PEER_JOINED, id);
		explain(id, 0, 0); /* whatever is said: every line before was obeyed */
		must(list(&m) == before + tickets[i].joined);
	}
	rig_stop();
}

/*
 * Who waits for a page is told that storage hangs, long before the keeper would seem to; other
 * regions come and go meanwhile.
 */
static void test_storage_hangs(void)
{
	static const char *const impatient[] = { "--session", "s.2", "--storage-stall-msec", "500",
						 NULL };
	struct keeper_region what = region_of(4 * MIB, LONG, POLICY_YIELD), info;
	uint64_t id, other;
	int fd, other_fd, r;

	rig_start(impatient, "s.2");
	id = make_region(&fd, LONG, POLICY_YIELD);
	other_fd = make_file(4 * MIB);
	tell("chunks", id, "0");
	join(id); /* the line before was obeyed */
	must(client_prefetch(&k, id, 0, 0, false) == -ETIME);
	must(client_prefetch(&k, id, 0, 0, false) ==
	     -ETIME); /* the same page is still being waited for */
	other = ++rig_last;
	must(client_register(&k, other, other_fd, &what, &info) == 0 && info.bytes_warmed == 0);
	must(client_prefetch(&k, other, 0, 0, false) == -ETIME);
	must(client_release(&k, other) == 0);
	tell("chunks", id, "all");
	while (client_prefetch(&k, id, 0, 0, false) == -ETIME)
		;
	/* a machine with other work can take longer for all of them than storage may */
	do {
		r = client_register(&k, ++other, other_fd, &what, &info);
		must(r == 0 || r == -ETIME);
		must(r < 0 || client_release(&k, other) == 0);
	} while (r < 0 || info.bytes_warmed != 4 * MIB);
	must(client_release(&k, id) == 0);
	rig_last = other;
	close(fd);
	close(other_fd);
	rig_stop();
}

int main(int argc, char *argv[])
{
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_refusals, test_prefetch_cancelled, test_consent,
		test_deadline, test_crowd, test_follow, test_release_while_asked, test_configure,
		test_reports, test_release_while_registering, test_peers);
	test_share();
	test_storage_hangs();
	rig_end();
	return 0;
}
