// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-drive.c - a keeper on real adapters, file systems and peers, without a daemon: this
 * program is the daemon.
 *
 *   keeper-drive KEEPER NODE [TEST...]
 *
 * KEEPER is the program, NODE the network name space the peers live in. Prints one "ok", "not ok"
 * or "skip" line per check. What needs the kernel module is skipped where there is none.
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

#include "keeper-drive.h"
#include "rdmareg-uapi.h"

#define NOBODY 65534

const char *drive_node;
struct client k;
struct keeper_welcome welcome;

static const char *program;
static uint64_t last_region;
static int failed;

void check(bool good, const char *format, ...)
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

uint64_t msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void start(void)
{
	static const char *const arguments[] = { "--session",
						 "drive",
						 "--alignment",
						 "4096",
						 "--minimum-mtu",
						 "4096",
						 "--deadline-margin-msec",
						 "200",
						 "--idle-exit-sec",
						 "1",
						 NULL };

	client_start(&k, program, arguments, NOBODY);
	must(client_connect(&k));
	must(client_hello(&k, &welcome) == 0);
}

int make_file(const char *dir, char path[64])
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

uint64_t make_region(int fd, uint32_t rights, uint32_t uses, struct keeper_region *info,
		     struct keeper_ticket *ticket)
{
	struct keeper_region what = { .length = SIZE,
				      .grace_usec = GRACE_MSEC * 1000,
				      .access = ACCESS_READ_WRITE,
				      .policy = POLICY_YIELD,
				      .warm = 1,
				      .warm_mode = WARM_READ };
	uint64_t id = ++last_region;
	int r = client_register(&k, id, fd, &what, info);

	if (r) {
		check(false, "registering: %s", strerror(-r));
		return 0;
	}
	must(client_export(&k, id, rights, uses, ticket) == 0);
	return id;
}

uint8_t byte_at(int fd, off_t offset)
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
	printf("# %s: mode %u, %s; %" PRIu64 " bytes warmed\n", name, info.mode, info.mode_reason,
	       info.bytes_warmed);
	check(info.valid_length == SIZE && info.rkey && info.address % PAGE == 0 &&
		      info.bytes_warmed == SIZE,
	      "%s: registered and warm", name);
	puppet_start(&p, drive_node);
	check(puppet_connect(&p, ticket.text, RW), "%s: a peer connects", name);
	client_event(&k, KEEPER_PEER_JOINED, id);
	check(p.accept.valid_length == SIZE && p.accept.alignment == 4096 &&
		      p.accept.grace_msec == GRACE_MSEC,
	      "%s: the accept says what it must", name);
	check(puppet_read(&p, PAGE, &b) == 0 && b == 'i', "%s: reads", name);
	check(puppet_write(&p, 3 * PAGE, 'w') == 0, "%s: writes", name);
	must(fdatasync(fd) == 0);
	check(byte_at(fd, 3 * PAGE) == 'w' && byte_at(fd, 4 * PAGE) == 'i',
	      "%s: the file has the bytes", name);
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
	check(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1, "%s: its peer was cut off",
	      name);
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

/* Device memory, through a descriptor that the keeper could not open itself. */
static void test_device_dax(void)
{
	const char *path = getenv("LAB_DEVDAX");
	struct keeper_region what = { .length = SIZE, .access = ACCESS_READ_WRITE, .warm = 1 },
			     info = { 0 };
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1, r;
	struct keeper_ticket ticket;
	struct puppet p;
	uint64_t id = ++last_region;
	uint8_t *memory;

	if (fd < 0) {
		printf("skip device-dax: LAB_DEVDAX names none\n");
		return;
	}
	r = client_register(&k, id, fd, &what, &info);
	check(r == 0 && info.valid_length == SIZE && info.mode != ARBITRATION_LAYOUT_LEASE,
	      "device-dax: registered (%s)", r ? strerror(-r) : info.mode_reason);
	what.length = PAGE;
	check(client_register(&k, ++last_region, fd, &what, NULL) == -ERANGE,
	      "device-dax: not in smaller pages than it has");
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(memory != MAP_FAILED && client_export(&k, id, RW, 0, &ticket) == 0);
	memory[5 * PAGE] = 0;
	puppet_start(&p, drive_node);
	check(puppet_connect(&p, ticket.text, RW) && puppet_write(&p, 5 * PAGE, 'D') == 0 &&
		      memory[5 * PAGE] == 'D',
	      "device-dax: a peer writes, and it is there");
	check(client_release(&k, id) == 0 && puppet_write(&p, 0, 'x') != 0, "device-dax: released");
	puppet_end(&p);
	munmap(memory, SIZE);
	close(fd);
}

static struct keeper_region describe(uint64_t id)
{
	struct keeper_message m = { .type = KEEPER_LIST }, found = { 0 };
	uint64_t operation = client_send(&k, &m, -1);

	do {
		m = client_answer(&k, operation);
		if (m.type == KEEPER_REGION && m.region == id)
			found = m;
	} while (m.type != KEEPER_DONE);
	must(found.region);
	return found.info;
}

/* Warming again after writeback dirties nothing, so it does not lead to more writeback. */
static void test_warming(void)
{
	struct keeper_region info, before;
	struct keeper_ticket ticket;
	struct puppet p;
	char path[64];
	int fd = make_file("/mnt/ext4", path);
	uint64_t id;

	if (!welcome.has_module) {
		printf("skip warming: no kernel module\n");
		return;
	}
	id = make_region(fd, RW, 0, &before, &ticket);
	puppet_start(&p, drive_node);
	must(id && puppet_connect(&p, ticket.text, RW));
	for (uint64_t i = 0; i < 16; i++)
		must(puppet_write(&p, i * PAGE, 'w') == 0);
	must(fdatasync(fd) == 0);
	do
		info = describe(id);
	while (info.bytes_warmed == before.bytes_warmed || !info.writebacks);
	check(info.bytes_warmed <= 3 * before.bytes_warmed,
	      "what writeback took is warmed again (%d KiB)",
	      (int)((info.bytes_warmed - before.bytes_warmed) / 1024));
	before = describe(id);
	for (int i = 0; i < 10; i++)
		must(fdatasync(fd) == 0);
	info = describe(id);
	check(info.writebacks == before.writebacks, "and that leads to no writeback");
	check(client_release(&k, id) == 0, "released");
	puppet_end(&p);
	close(fd);
}

/* An interface whose MTU makes the adapter incorrect: nothing is exported, nobody admitted. */
static void test_mtu(void)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	char path[64], command[160], name[32] = "";
	int fd = make_file("/mnt/tmpfs", path), r;
	uint64_t id = make_region(fd, RW, 0, &info, &ticket);
	struct puppet p;
	FILE *f;

	snprintf(command, sizeof(command), "/sys/class/infiniband/%.40s/ports/1/gid_attrs/ndevs/0",
		 welcome.device);
	f = fopen(command, "re");
	must(id && f && fscanf(f, "%31s", name) == 1);
	fclose(f);
	snprintf(command, sizeof(command), "ip link set %s mtu 1500", name);
	must(system(command) == 0);
	r = client_export(&k, id, RW, 0, &ticket);
	check(r == -EMSGSIZE, "small MTU: no ticket (%s)", strerror(-r));
	puppet_start(&p, drive_node);
	check(!puppet_connect(&p, ticket.text, RW) && p.refused == WIRE_REFUSED_MTU,
	      "small MTU: nobody is admitted");
	puppet_end(&p);
	snprintf(command, sizeof(command), "ip link set %s mtu 4200", name);
	must(system(command) == 0);
	puppet_start(&p, drive_node);
	check(puppet_connect(&p, ticket.text, RW) && puppet_write(&p, 0, 'm') == 0,
	      "with the right one they are");
	puppet_end(&p);
	check(client_release(&k, id) == 0, "released");
	close(fd);
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
	puppet_start(&p, drive_node);
	check(!puppet_connect(&p, reading.text, RW) && p.refused == WIRE_REFUSED_RIGHTS,
	      "more rights than the ticket has are refused");
	puppet_end(&p);

	puppet_start(&p, drive_node);
	check(puppet_connect(&p, reading.text, WIRE_RIGHT_READ) && puppet_read(&p, 0, &b) == 0 &&
		      b == 'i',
	      "a ticket for reading reads");
	check(puppet_write(&p, 0, 'w') != 0 && byte_at(fd, 0) == 'i', "and does not write");
	puppet_end(&p);

	puppet_start(&p, drive_node);
	check(puppet_connect(&p, other.text, RW) && puppet_write(&p, 0, 'o') == 0,
	      "another region's peer writes there");
	check(puppet_write_raw(&p, info.address, info.rkey) != 0 && byte_at(fd, 0) == 'i',
	      "and cannot use the key of this one");
	puppet_end(&p);

	must(client_export(&k, id, WIRE_RIGHT_READ, 1, &once) == 0);
	puppet_start(&p, drive_node);
	check(puppet_connect(&p, once.text, WIRE_RIGHT_READ), "a ticket for one use: once");
	puppet_end(&p);
	puppet_start(&p, drive_node);
	check(!puppet_connect(&p, once.text, WIRE_RIGHT_READ) && p.refused == WIRE_REFUSED_TICKET,
	      "and not twice");
	puppet_end(&p);
	once.text[strlen(once.text) - 1] ^= 1;
	puppet_start(&p, drive_node);
	check(!puppet_connect(&p, once.text, WIRE_RIGHT_READ) && p.refused == WIRE_REFUSED_TICKET,
	      "a wrong token");
	puppet_end(&p);
	check(client_export(&k, id, RW, 0, &once) == 0 &&
		      client_prefetch(&k, id, 0, 0, true) == 0 &&
		      client_prefetch(&k, id, SIZE, 1, false) == -ERANGE,
	      "prefetching for writing, and not outside");
	check(client_release(&k, id) == 0 && client_release(&k, id2) == 0, "released");
	close(fd);
	close(other_fd);
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
	puppet_start(&p, drive_node);
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
	puppet_start(&p, drive_node);
	must(puppet_connect(&p, ticket.text, RW));
	check(client_stop(&k) == 0, "keeper told to stop: it ends cleanly");
	check(puppet_is_disconnected(&p, 5000), "and its peer hears of it");
	puppet_end(&p);
	close(fd);
	start();
}

/* Takes the adapter away, for good: only on request. */
static void test_removal(void)
{
	struct keeper_ticket ticket;
	struct keeper_region info;
	char path[64], command[128];
	int fd = make_file("/mnt/xfs", path), status;
	uint64_t id = make_region(fd, RW, 0, &info, &ticket);
	struct puppet p;

	puppet_start(&p, drive_node);
	must(id && puppet_connect(&p, ticket.text, RW));
	client_event(&k, KEEPER_PEER_JOINED, id);
	snprintf(command, sizeof(command), "timeout 20 rdma link delete %s", welcome.device);
	check(system(command) == 0, "adapter removed");
	client_event(&k, KEEPER_GONE, id);
	check(client_is_closed(&k) && waitpid(k.pid, &status, 0) == k.pid && status == 0,
	      "the keeper says so and ends");
	puppet_end(&p);
	close(fd);
	start();
	check(!welcome.port && welcome.no_adapter[0], "a new one has no adapter: %s",
	      welcome.no_adapter);
}

static const struct {
	const char *name;
	void (*run)(void);
	bool on_request;
} tests[] = {
	{ "filesystems", test_filesystems },
	{ "rights", test_rights },
	{ "truncate", test_truncates },
	{ "notify", test_notify },
	{ "joining", test_joining },
	{ "crowd", test_crowd },
	{ "twice", test_twice },
	{ "device-dax", test_device_dax },
	{ "warming", test_warming },
	{ "mtu", test_mtu },
	{ "killed", test_killed },
	{ "stopped", test_stopped },
	{ "removal", test_removal, true },
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
	drive_node = argv[2];
	signal(SIGPIPE, SIG_IGN);
	start();
	printf("# %s port %u device %s%s, module %s\n", welcome.address, welcome.port,
	       welcome.device, welcome.no_adapter, welcome.has_module ? "yes" : "no");
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		bool wanted = argc == 3 && !tests[i].on_request;

		for (int a = 3; a < argc; a++)
			wanted |= strcmp(argv[a], tests[i].name) == 0;
		if (wanted)
			tests[i].run();
	}
	check(client_stop(&k) == 0, "the keeper ends cleanly");
	return failed;
}
