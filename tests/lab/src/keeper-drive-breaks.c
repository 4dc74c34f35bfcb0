// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-drive-breaks.c - files that become shorter under a region, on file systems that ask before
 * and on one that does not, with peers that answer, are silent, come in the middle, or are many.
 * See keeper-drive.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-drive.h"

#define CROWD 6

/*
 * Another process shortens the file; its time in milliseconds comes back as the exit status over
 * 10.
 */
static pid_t truncate_elsewhere(int fd, off_t size)
{
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t began = msec();

		if (ftruncate(fd, size))
			_exit(255);
		_exit((int)((msec() - began) / 10));
	}
	return pid;
}

static int took(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 255);
	return WEXITSTATUS(status) * 10;
}

static void test_truncate(const char *name, const char *dir)
{
	struct puppet good, silent;
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct keeper_message m;
	struct wire_message w = { 0 };
	char path[64];
	int fd = make_file(dir, path), t;
	uint64_t id = make_region(fd, RW, 0, &info, &ticket), revocation;
	pid_t breaker;

	check(info.mode == ARBITRATION_LAYOUT_LEASE, "%s: layout lease (%s)", name,
	      info.mode_reason);
	if (!id || info.mode != ARBITRATION_LAYOUT_LEASE)
		return;
	puppet_start(&good, drive_node);
	must(puppet_connect(&good, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);

	breaker = truncate_elsewhere(fd, MIB);
	m = client_event(&k, KEEPER_REVOCATION, id);
	revocation = m.revocation.revocation;
	check(m.revocation.cause == CAUSE_TRUNCATE && m.revocation.breaker_pid == (uint32_t)breaker,
	      "%s: the daemon hears who wants what", name);
	check(puppet_message(&good, &w, 5000) && w.type == WIRE_REVOCATION_ASKED &&
		      w.revocation == revocation,
	      "%s: the peer is asked", name);
	puppet_acknowledge(&good, revocation);
	check(client_event(&k, KEEPER_PEER_ACK, id).peer.revocation == revocation,
	      "%s: its acknowledgement arrives", name);
	check(client_consent(&k, id, revocation + 1) == -ESTALE,
	      "%s: consent to another revocation is refused", name);
	check(client_consent(&k, id, revocation) == 0, "%s: consent", name);
	check(client_event(&k, KEEPER_FENCED, id).revocation.late == 0, "%s: nobody was cut off",
	      name);
	check(client_event(&k, KEEPER_GIVEN_BACK, id).revocation.late == 0,
	      "%s: given back before the deadline", name);
	m = client_event(&k, KEEPER_SETTLED, id);
	check(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == MIB,
	      "%s: settled, shorter", name);
	t = took(breaker);
	check(t < GRACE_MSEC, "%s: the truncate did not wait for the grace (%d ms)", name, t);
	check(puppet_message(&good, &w, 5000) && w.type == WIRE_REVOCATION_SETTLED &&
		      w.valid_length == MIB,
	      "%s: the peer is told", name);
	check(puppet_write(&good, MIB - PAGE, 'g') == 0 && byte_at(fd, MIB - PAGE) == 'g',
	      "%s: its queue pair lives and writes", name);

	puppet_start(&silent, drive_node);
	must(puppet_connect(&silent, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	breaker = truncate_elsewhere(fd, MIB / 2);
	revocation = client_event(&k, KEEPER_REVOCATION, id).revocation.revocation;
	must(puppet_message(&good, &w, 5000));
	puppet_acknowledge(&good, revocation);
	check(client_event(&k, KEEPER_FENCED, id).revocation.late == 1,
	      "%s: who does not answer is cut off", name);
	check(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1,
	      "%s: and the daemon hears of it", name);
	check(puppet_is_disconnected(&silent, 5000), "%s: and so does he", name);
	check(client_event(&k, KEEPER_SETTLED, id).revocation.valid_length == MIB / 2,
	      "%s: settled", name);
	t = took(breaker);
	check(t >= GRACE_MSEC - 20 && t < 3 * GRACE_MSEC,
	      "%s: the truncate waited for the grace (%d ms)", name, t);
	must(puppet_message(&good, &w, 5000));
	check(puppet_write(&good, 0, 'h') == 0 && byte_at(fd, 0) == 'h',
	      "%s: who did answer goes on", name);
	check(puppet_write(&silent, 0, 's') != 0, "%s: who did not, does not", name);

	client_disconnect(&k);
	breaker = truncate_elsewhere(fd, MIB / 4);
	t = took(breaker);
	check(t >= GRACE_MSEC - 20 && t < 3 * GRACE_MSEC,
	      "%s: without a daemon it takes the grace (%d ms)", name, t);
	must(client_connect(&k) && client_hello(&k, &welcome) == 0);
	m = (struct keeper_message){ .type = KEEPER_LIST };
	m = client_call(&k, &m, -1);
	check(m.type == KEEPER_REGION && m.region == id && m.info.length == SIZE &&
		      m.info.grace_usec == GRACE_MSEC * 1000 &&
		      strcmp(m.info.ticket, ticket.text) == 0,
	      "%s: a new daemon finds the region", name);
	check(client_release(&k, id) == 0, "%s: released", name);
	puppet_end(&good);
	puppet_end(&silent);
	close(fd);
	unlink(path);
}

void test_truncates(void)
{
	if (!welcome.has_module) {
		printf("skip truncate: no kernel module\n");
		return;
	}
	test_truncate("xfs", "/mnt/xfs");
	test_truncate("xfsdax", "/mnt/xfsdax");
}

void test_notify(void)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct keeper_message m;
	struct wire_message w;
	struct puppet p;
	char path[64];
	int fd = make_file("/mnt/ext4", path);
	uint64_t id;

	if (!welcome.has_module) {
		printf("skip notify: no kernel module\n");
		return;
	}
	id = make_region(fd, RW, 0, &info, &ticket);
	check(info.mode == ARBITRATION_NOTIFY_ONLY, "ext4: notify only (%s)", info.mode_reason);
	puppet_start(&p, drive_node);
	must(puppet_connect(&p, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	took(truncate_elsewhere(fd, MIB));
	do
		m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.valid_length != MIB);
	check(true, "ext4: the new length is reported");
	check(puppet_message(&p, &w, 5000) && w.type == WIRE_LENGTH_CHANGED &&
		      w.valid_length == MIB,
	      "ext4: the peer is told");
	check(puppet_write(&p, MIB, 'w') != 0, "ext4: beyond it nothing can be written");
	check(client_release(&k, id) == 0, "ext4: released");
	puppet_end(&p);
	close(fd);
}

/*
 * Who connects in the middle of a revocation hears of it in the accept, is not waited for and not
 * cut off.
 */
void test_joining(void)
{
	struct puppet before, during;
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct wire_message w;
	char path[64];
	int fd = make_file("/mnt/xfs", path);
	uint64_t id, revocation;
	pid_t breaker;

	if (!welcome.has_module) {
		printf("skip joining: no kernel module\n");
		return;
	}
	id = make_region(fd, RW, 0, &info, &ticket);
	puppet_start(&before, drive_node);
	puppet_start(&during, drive_node);
	must(puppet_connect(&before, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	breaker = truncate_elsewhere(fd, MIB);
	revocation = client_event(&k, KEEPER_REVOCATION, id).revocation.revocation;
	must(puppet_message(&before, &w, 5000));
	check(puppet_connect(&during, ticket.text, RW),
	      "joining: a peer connects in the middle of a revocation");
	if (during.accept.revocation == revocation) {
		puppet_acknowledge(&before, revocation);
		client_event(&k, KEEPER_PEER_ACK, id);
		check(client_event(&k, KEEPER_FENCED, id).revocation.late == 0,
		      "joining: nobody is cut off");
		check(puppet_message(&during, &w, 5000) && w.type == WIRE_REVOCATION_SETTLED &&
			      w.revocation == revocation && w.valid_length == MIB,
		      "joining: it hears of the end");
	} else {
		/* a slow machine: it was all over by then, which is as good */
		check(during.accept.revocation == 0 && during.accept.valid_length == MIB,
		      "joining: after it");
	}
	must(took(breaker) >= 0);
	check(puppet_write(&during, 0, 'd') == 0 && byte_at(fd, 0) == 'd', "joining: and writes");
	check(client_release(&k, id) == 0, "joining: released");
	puppet_end(&before);
	puppet_end(&during);
	close(fd);
}

/* One file, two regions: the breaker waits for both, once, and both go on. */
void test_twice(void)
{
	struct keeper_region info;
	struct keeper_ticket ticket;
	char path[64];
	int fd = make_file("/mnt/xfs", path), t;
	uint64_t first, second;
	pid_t breaker;

	if (!welcome.has_module) {
		printf("skip twice: no kernel module\n");
		return;
	}
	first = make_region(fd, RW, 0, &info, &ticket);
	second = make_region(fd, RW, 0, &info, &ticket);
	must(first && second);
	for (int round = 1; round <= 2; round++) {
		breaker = truncate_elsewhere(fd, MIB / round);
		client_event(&k, KEEPER_REVOCATION, first);
		client_event(&k, KEEPER_REVOCATION, second);
		must(client_event(&k, KEEPER_SETTLED, first).revocation.valid_length ==
		     (uint64_t)(MIB / round));
		must(client_event(&k, KEEPER_SETTLED, second).revocation.valid_length ==
		     (uint64_t)(MIB / round));
		t = took(breaker);
		check(t >= GRACE_MSEC - 20 && t < 3 * GRACE_MSEC,
		      "twice: one grace for both (%d ms)", t);
	}
	check(client_release(&k, first) == 0 && client_release(&k, second) == 0, "twice: released");
	close(fd);
}

/*
 * Half of them answers, and goes on writing in every round; the other half is gone after the first.
 */
void test_crowd(void)
{
	struct puppet p[CROWD];
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct wire_message w;
	char path[64];
	int fd = make_file("/mnt/xfs", path), good = 0, lost = 0;
	uint64_t id, revocation;
	pid_t breaker;

	if (!welcome.has_module) {
		printf("skip crowd: no kernel module\n");
		return;
	}
	id = make_region(fd, RW, 0, &info, &ticket);
	for (int i = 0; i < CROWD; i++) {
		puppet_start(&p[i], drive_node);
		must(puppet_connect(&p[i], ticket.text, RW));
		client_event(&k, KEEPER_PEER_JOINED, id);
	}
	for (int round = 0; round < 4; round++) {
		breaker = truncate_elsewhere(fd, MIB - round * PAGE);
		revocation = client_event(&k, KEEPER_REVOCATION, id).revocation.revocation;
		for (int i = 0; i < CROWD; i += 2) {
			must(puppet_message(&p[i], &w, 5000) && w.type == WIRE_REVOCATION_ASKED &&
			     w.revocation == revocation);
			puppet_acknowledge(&p[i], revocation);
			client_event(&k, KEEPER_PEER_ACK, id);
		}
		must(client_consent(&k, id, revocation) == 0);
		lost += (int)client_event(&k, KEEPER_FENCED, id).revocation.late;
		client_event(&k, KEEPER_SETTLED, id);
		must(took(breaker) < GRACE_MSEC);
		for (int i = 0; i < CROWD; i += 2) {
			must(puppet_message(&p[i], &w, 5000) && w.type == WIRE_REVOCATION_SETTLED);
			good += puppet_write(&p[i], (uint64_t)i * PAGE, (uint8_t)round) == 0;
		}
	}
	check(good == 4 * CROWD / 2, "crowd: who answers never loses his queue pair (%d writes)",
	      good);
	check(lost == CROWD / 2, "crowd: who does not is cut off once (%d)", lost);
	check(client_release(&k, id) == 0, "crowd: released");
	for (int i = 0; i < CROWD; i++)
		puppet_end(&p[i]);
	close(fd);
}
