// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-drive.c - a keeper on real adapters, file systems and peers, without a daemon: this program is the daemon.
 *
 *   keeper-drive KEEPER NODE [TEST...]
 *
 * KEEPER is the program, NODE the network name space the peers live in. Prints one "ok", "not ok" or "skip" line per check. What needs the
 * kernel module is skipped where there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper-client.h"
#include "keeper-drive-peer.h"
#include "rdmareg-uapi.h"

#define PAGE 4096
#define MIB (1 << 20)
#define SIZE (4 * MIB)
#define GRACE_MSEC 400
#define NOBODY 65534
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)

static const char *program, *node;
static struct client k;
static struct keeper_welcome welcome;
static uint64_t last_region;
static int failed;

static void check(bool good, const char *format, ...)
{
	va_list args;

	printf(good ? "ok " : "not ok ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	failed |= !good;
}

static uint64_t msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void start(void)
{
	static const char *const arguments[] = { "--session", "drive", "--alignment", "4096", "--minimum-mtu", "4096",
						 "--deadline-margin-msec", "200", "--idle-exit-sec", "1", NULL };

	client_start(&k, program, arguments, NOBODY);
	must(client_connect(&k));
	must(client_hello(&k, &welcome) == 0);
}

static int make_file(const char *dir, char path[64])
{
	static char block[MIB];
	int fd;

	snprintf(path, 64, "%s/keeper-drive", dir);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0);
	memset(block, 'i', sizeof(block));
	for (int i = 0; i < SIZE / MIB; i++)
		must(write(fd, block, sizeof(block)) == sizeof(block));
	must(fsync(fd) == 0);
	return fd;
}

/* A region of SIZE bytes with a ticket for rights; its number. */
static uint64_t make_region(int fd, uint32_t rights, uint32_t uses, struct keeper_region *info, struct keeper_ticket *ticket)
{
	struct keeper_region what = { .length = SIZE, .grace_usec = GRACE_MSEC * 1000, .access = ACCESS_READ_WRITE,
				      .policy = POLICY_YIELD, .warm = 1 };
	uint64_t id = ++last_region;
	int r = client_register(&k, id, fd, &what, info);

	if (r) {
		check(false, "registering: %s", strerror(-r));
		return 0;
	}
	must(client_export(&k, id, rights, uses, ticket) == 0);
	return id;
}

static uint8_t byte_at(int fd, off_t offset)
{
	uint8_t b = 0;

	must(pread(fd, &b, 1, offset) == 1);
	return b;
}

static void test_filesystem(const char *name, const char *dir, bool direct)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	char path[64];
	int fd = make_file(dir, path);
	uint64_t id = make_region(fd, RW, 0, &info, &ticket);
	struct puppet p;
	uint8_t b;

	if (!id)
		return;
	printf("# %s: mode %u, %s; %" PRIu64 " bytes warmed\n", name, info.mode, info.mode_reason, info.bytes_warmed);
	check(info.valid_length == SIZE && info.rkey && info.address % PAGE == 0 && info.bytes_warmed == SIZE,
	      "%s: registered and warm", name);
	puppet_start(&p, node);
	check(puppet_connect(&p, ticket.text, RW), "%s: a peer connects", name);
	client_event(&k, KEEPER_PEER_JOINED, id);
	check(p.accept.valid_length == SIZE && p.accept.alignment == 4096 && p.accept.grace_msec == GRACE_MSEC,
	      "%s: the accept says what it must", name);
	check(puppet_read(&p, PAGE, &b) == 0 && b == 'i', "%s: reads", name);
	check(puppet_write(&p, 3 * PAGE, 'w') == 0, "%s: writes", name);
	must(fdatasync(fd) == 0);
	check(byte_at(fd, 3 * PAGE) == 'w' && byte_at(fd, 4 * PAGE) == 'i', "%s: the file has the bytes", name);
	check(puppet_write(&p, 3 * PAGE, 'x') == 0, "%s: writes again after writeback", name);
	must(fdatasync(fd) == 0);
	check(byte_at(fd, 3 * PAGE) == 'x', "%s: and the file has those too", name);
	if (welcome.has_module && !direct && strcmp(name, "tmpfs") != 0) {
		struct keeper_message m = client_event(&k, KEEPER_INVALIDATED, id);

		while (!(m.invalidated.causes & RDMAREG_CAUSE_WRITEBACK))
			m = client_event(&k, KEEPER_INVALIDATED, id);
		check(true, "%s: writeback is reported", name);
	}
	check(client_release(&k, id) == 0, "%s: released", name);
	check(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1, "%s: its peer was cut off", name);
	check(puppet_is_disconnected(&p, 5000), "%s: and heard of it", name);
	check(puppet_write(&p, 0, 'z') != 0, "%s: nothing can be reached any more", name);
	puppet_end(&p);
	close(fd);
	unlink(path);
}

static void test_filesystems(void)
{
	test_filesystem("tmpfs", "/mnt/tmpfs", false);
	test_filesystem("ext4", "/mnt/ext4", false);
	test_filesystem("xfs", "/mnt/xfs", false);
	test_filesystem("ext4dax", "/mnt/ext4dax", true);
	test_filesystem("xfsdax", "/mnt/xfsdax", true);
}

static void test_rights(void)
{
	struct keeper_ticket reading, other, once;
	struct keeper_region info, other_info;
	char path[64], other_path[64];
	int fd = make_file("/mnt/xfs", path), other_fd = make_file("/mnt/tmpfs", other_path);
	uint64_t id = make_region(fd, WIRE_RIGHT_READ, 0, &info, &reading), id2;
	struct puppet p;
	uint8_t b;

	id2 = make_region(other_fd, RW, 0, &other_info, &other);
	puppet_start(&p, node);
	check(!puppet_connect(&p, reading.text, RW) && p.refused == WIRE_REFUSED_RIGHTS,
	      "more rights than the ticket has are refused");
	puppet_end(&p);

	puppet_start(&p, node);
	check(puppet_connect(&p, reading.text, WIRE_RIGHT_READ) && puppet_read(&p, 0, &b) == 0 && b == 'i',
	      "a ticket for reading reads");
	check(puppet_write(&p, 0, 'w') != 0 && byte_at(fd, 0) == 'i', "and does not write");
	puppet_end(&p);

	puppet_start(&p, node);
	check(puppet_connect(&p, other.text, RW) && puppet_write(&p, 0, 'o') == 0, "another region's peer writes there");
	check(puppet_write_raw(&p, info.address, info.rkey) != 0 && byte_at(fd, 0) == 'i',
	      "and cannot use the key of this one");
	puppet_end(&p);

	must(client_export(&k, id, WIRE_RIGHT_READ, 1, &once) == 0);
	puppet_start(&p, node);
	check(puppet_connect(&p, once.text, WIRE_RIGHT_READ), "a ticket for one use: once");
	puppet_end(&p);
	puppet_start(&p, node);
	check(!puppet_connect(&p, once.text, WIRE_RIGHT_READ) && p.refused == WIRE_REFUSED_TICKET, "and not twice");
	puppet_end(&p);
	once.text[strlen(once.text) - 1] ^= 1;
	puppet_start(&p, node);
	check(!puppet_connect(&p, once.text, WIRE_RIGHT_READ) && p.refused == WIRE_REFUSED_TICKET, "a wrong token");
	puppet_end(&p);
	check(client_export(&k, id, RW, 0, &once) == 0 && client_prefetch(&k, id, 0, 0, true) == 0 &&
		      client_prefetch(&k, id, SIZE, 1, false) == -ERANGE,
	      "prefetching for writing, and not outside");
	check(client_release(&k, id) == 0 && client_release(&k, id2) == 0, "released");
	close(fd);
	close(other_fd);
}

/* Another process shortens the file; its time in milliseconds comes back as the exit status over 10. */
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

	check(info.mode == ARBITRATION_LAYOUT_LEASE, "%s: layout lease (%s)", name, info.mode_reason);
	if (!id || info.mode != ARBITRATION_LAYOUT_LEASE)
		return;
	puppet_start(&good, node);
	must(puppet_connect(&good, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);

	breaker = truncate_elsewhere(fd, MIB);
	m = client_event(&k, KEEPER_REVOCATION, id);
	revocation = m.revocation.revocation;
	check(m.revocation.cause == CAUSE_TRUNCATE && m.revocation.breaker_pid == (uint32_t)breaker,
	      "%s: the daemon hears who wants what", name);
	check(puppet_message(&good, &w, 5000) && w.type == WIRE_REVOCATION_ASKED && w.revocation == revocation,
	      "%s: the peer is asked", name);
	puppet_acknowledge(&good, revocation);
	check(client_event(&k, KEEPER_PEER_ACK, id).peer.revocation == revocation, "%s: its acknowledgement arrives", name);
	check(client_consent(&k, id, revocation + 1) == -ESTALE, "%s: consent to another revocation is refused", name);
	check(client_consent(&k, id, revocation) == 0, "%s: consent", name);
	check(client_event(&k, KEEPER_FENCED, id).revocation.late == 0, "%s: nobody was cut off", name);
	check(client_event(&k, KEEPER_GIVEN_BACK, id).revocation.late == 0, "%s: given back before the deadline", name);
	m = client_event(&k, KEEPER_SETTLED, id);
	check(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == MIB, "%s: settled, shorter", name);
	t = took(breaker);
	check(t < GRACE_MSEC, "%s: the truncate did not wait for the grace (%d ms)", name, t);
	check(puppet_message(&good, &w, 5000) && w.type == WIRE_REVOCATION_SETTLED && w.valid_length == MIB,
	      "%s: the peer is told", name);
	check(puppet_write(&good, MIB - PAGE, 'g') == 0 && byte_at(fd, MIB - PAGE) == 'g',
	      "%s: its queue pair lives and writes", name);

	puppet_start(&silent, node);
	must(puppet_connect(&silent, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	breaker = truncate_elsewhere(fd, MIB / 2);
	revocation = client_event(&k, KEEPER_REVOCATION, id).revocation.revocation;
	must(puppet_message(&good, &w, 5000));
	puppet_acknowledge(&good, revocation);
	check(client_event(&k, KEEPER_FENCED, id).revocation.late == 1, "%s: who does not answer is cut off", name);
	check(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1, "%s: and the daemon hears of it", name);
	check(puppet_is_disconnected(&silent, 5000), "%s: and so does he", name);
	check(client_event(&k, KEEPER_SETTLED, id).revocation.valid_length == MIB / 2, "%s: settled", name);
	t = took(breaker);
	check(t >= GRACE_MSEC - 20 && t < 3 * GRACE_MSEC, "%s: the truncate waited for the grace (%d ms)", name, t);
	must(puppet_message(&good, &w, 5000));
	check(puppet_write(&good, 0, 'h') == 0 && byte_at(fd, 0) == 'h', "%s: who did answer goes on", name);
	check(puppet_write(&silent, 0, 's') != 0, "%s: who did not, does not", name);

	client_disconnect(&k);
	breaker = truncate_elsewhere(fd, MIB / 4);
	t = took(breaker);
	check(t >= GRACE_MSEC - 20 && t < 3 * GRACE_MSEC, "%s: without a daemon it takes the grace (%d ms)", name, t);
	must(client_connect(&k) && client_hello(&k, &welcome) == 0);
	m = (struct keeper_message){ .type = KEEPER_LIST };
	m = client_call(&k, &m, -1);
	check(m.type == KEEPER_REGION && m.region == id && m.info.length == SIZE && m.info.grace_usec == GRACE_MSEC * 1000 &&
		      strcmp(m.info.ticket, ticket.text) == 0,
	      "%s: a new daemon finds the region", name);
	check(client_release(&k, id) == 0, "%s: released", name);
	puppet_end(&good);
	puppet_end(&silent);
	close(fd);
	unlink(path);
}

static void test_truncates(void)
{
	if (!welcome.has_module) {
		printf("skip truncate: no kernel module\n");
		return;
	}
	test_truncate("xfs", "/mnt/xfs");
	test_truncate("xfsdax", "/mnt/xfsdax");
}

static void test_notify(void)
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
	puppet_start(&p, node);
	must(puppet_connect(&p, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	took(truncate_elsewhere(fd, MIB));
	do
		m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.valid_length != MIB);
	check(true, "ext4: the new length is reported");
	check(puppet_message(&p, &w, 5000) && w.type == WIRE_LENGTH_CHANGED && w.valid_length == MIB,
	      "ext4: the peer is told");
	check(puppet_write(&p, MIB, 'w') != 0, "ext4: beyond it nothing can be written");
	check(client_release(&k, id) == 0, "ext4: released");
	puppet_end(&p);
	close(fd);
}

static void test_killed(void)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct puppet p;
	char path[64];
	int fd = make_file("/mnt/xfs", path), status;
	uint64_t began;

	must(make_region(fd, RW, 0, &info, &ticket));
	puppet_start(&p, node);
	must(puppet_connect(&p, ticket.text, RW) && puppet_write(&p, 0, 'k') == 0);
	kill(k.pid, SIGKILL);
	began = msec();
	check(puppet_is_disconnected(&p, 5000), "keeper killed: its peer hears of it");
	printf("# after %d ms\n", (int)(msec() - began));
	waitpid(k.pid, &status, 0);
	puppet_end(&p);
	close(fd);
	start();
}

static void test_stopped(void)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	struct puppet p;
	char path[64];
	int fd = make_file("/mnt/xfs", path);

	must(make_region(fd, RW, 0, &info, &ticket));
	puppet_start(&p, node);
	must(puppet_connect(&p, ticket.text, RW));
	check(client_stop(&k) == 0, "keeper told to stop: it ends cleanly");
	check(puppet_is_disconnected(&p, 5000), "and its peer hears of it");
	puppet_end(&p);
	close(fd);
	start();
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "filesystems", test_filesystems }, { "rights", test_rights }, { "truncate", test_truncates },
	{ "notify", test_notify },	     { "killed", test_killed }, { "stopped", test_stopped },
};

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], PUPPET_ARGUMENT) == 0)
		return puppet_main();
	if (argc < 3) {
		fprintf(stderr, "usage: keeper-drive KEEPER NODE [TEST...]\n");
		return 2;
	}
	program = argv[1];
	node = argv[2];
	signal(SIGPIPE, SIG_IGN);
	start();
	printf("# %s port %u device %s%s, module %s\n", welcome.address, welcome.port, welcome.device, welcome.no_adapter,
	       welcome.has_module ? "yes" : "no");
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		bool wanted = argc == 3;

		for (int a = 3; a < argc; a++)
			wanted |= strcmp(argv[a], tests[i].name) == 0;
		if (wanted)
			tests[i].run();
	}
	check(client_stop(&k) == 0, "the keeper ends cleanly");
	return failed;
}
