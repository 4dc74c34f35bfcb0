// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-gate.c - the daemon and the process that asks the kernel for pre-content events, which
 * fakes/gate.c plays: what a claim is told, operations of others brought to the keepers, many of
 * them at once, and a gate that says nothing or ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness.h"
#include "util/process.h"

#define MIB (UINT64_C(1) << 20)
#define SIZE (8 * MIB)
#define CROWD 32

static struct world world;
static sd_bus *owner;

/* A file that can be marked; no test without. */
static int marked_file(void)
{
	char path[256];
	struct statfs s;
	int fd;

	snprintf(path, sizeof(path), "%s/marked", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, SIZE) == 0 && fstatfs(fd, &s) == 0);
	if ((uint32_t)s.f_type == EXT4_SUPER_MAGIC || (uint32_t)s.f_type == XFS_SUPER_MAGIC ||
	    (uint32_t)s.f_type == BTRFS_SUPER_MAGIC)
		return fd;
	puts("no file here could be marked");
	exit(SKIP);
}

static void make_it(const char *what, bool yes)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/gate-%s", world.directory, what);
	if (yes)
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	else
		unlink(path);
}

static void tell_gate(const char *format, ...)
{
	char path[256];
	va_list args;
	int fd;

	snprintf(path, sizeof(path), "%s/gate-commands", world.directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd >= 0);
	va_start(args, format);
	check(vdprintf(fd, format, args) > 0);
	va_end(args);
	close(fd);
}

/* How often the gate was told this. */
static unsigned int count_events(const char *wanted)
{
	return count_equal_lines(&world, "gate-events", wanted);
}

/*
 * How many keepers the gate was told of, since line @from of what it was told; each is there, and
 * began when it was said to.
 */
static unsigned int count_ours(unsigned int from)
{
	char path[256], line[256];
	unsigned int n = 0, at = 0;
	uint64_t start;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/gate-events", world.directory);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (at++ < from || sscanf(line, "ours %d %" SCNu64, &pid, &start) != 2)
			continue;
		check(start && process_start(pid) == start);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

static unsigned int count_lines(void)
{
	char path[256], line[256];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/gate-events", world.directory);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		fclose(f);
	return n;
}

static bool is_answered_with(uint64_t number, int error)
{
	char line[64];

	snprintf(line, sizeof(line), "answer %" PRIu64 " %d", number, error);
	return count_events(line) == 1;
}

static bool has_property(uint64_t id, const char *name, const char *part)
{
	char text[2000];

	get_property(owner, id, name, text, sizeof(text));
	return *part ? strstr(text, part) != NULL : !*text;
}

/*
 * A keeper opens its file in the kernel module, which the gate asks about like any open: so it
 * knows each before that keeper is asked for anything, be it the first region of its tenant, or one
 * that marks nothing; and a gate that begins anew knows all that are there.
 */
static void test_ours(int fd)
{
	unsigned int marks = count_events("mark 0+4194304 refuses 1"), lines = count_lines();
	struct reply held, other, r;

	check(register_region(owner, fd, 0, 4 * MIB, "rw", &held, 2, "policy", "s", "hold",
			      "session", "s", "first"));
	check(count_ours(lines) == 1);
	check(register_region(owner, fd, 0, 4 * MIB, "rw", &other, 1, "session", "s", "second"));
	until(count_ours(lines) == 2); /* it was told before; nothing waits until it has heard */
	lines = count_lines();
	check(world_metric(&world, "rdmareg_gate_ends_total{by=\"watchdog\"}") == 0);
	tell_gate("kill\n");
	until(count_events("mark 0+4194304 refuses 1") == marks + 2);
	check(count_ours(lines) == 2);
	check(world_metric(&world, "rdmareg_gate_ends_total{by=\"watchdog\"}") == 1);
	until(has_property(held.id, "Refuses", "1"));
	lines = count_events("unmark");
	check(call_region(owner, held.id, "Release", &r));
	check(call_region(owner, other.id, "Release", &r));
	until(count_events("unmark") == lines + 1);
}

/*
 * Whoever asks for a region's end lets go of what it held, also while its keeper stands still: what
 * others do to the file waits for a deadline, and is refused no more.
 */
static void test_still(int fd)
{
	unsigned int changes, unmarks;
	struct later release;
	struct reply held;
	struct keeper k;

	check(register_region(owner, fd, 0, 4 * MIB, "rw", &held, 2, "policy", "s", "hold",
			      "session", "s", "still"));
	changes = count_events("change refuses 0"); /* whatever came before its mark is there */
	unmarks = count_events("unmark");
	check(has_property(held.id, "Refuses", "1"));
	check(find_keeper(owner, 0, &k, 1, "session", "s", "still"));
	check(kill((pid_t)k.pid, SIGSTOP) == 0);
	send_later(owner, new_region_call(owner, held.id, "Release"), &release);
	until(count_events("change refuses 0") == changes + 1);
	check(has_property(held.id, "Refuses", "0"));
	tell_gate("want 9000 0 4096\n");
	tell_gate("expire 9000\n");
	tell_gate("over 9000\n");
	check(kill((pid_t)k.pid, SIGCONT) == 0);
	await_answer(owner, &release);
	check_text(release.reply.error, "");
	check(!is_answered_with(9000, ETXTBSY));
	until(count_events("unmark") == unmarks + 1);
}

/* The same while it is made anew in a keeper that stands still. */
static void test_still_anew(int fd)
{
	sd_bus *holder = connect_client(&world), *admin = connect_client(&world);
	struct later replace, release;
	struct keeper former, other;
	struct reply held;
	sd_bus_message *m;

	check(register_region(holder, fd, 0, 4 * MIB, "rw", &held, 4, "policy", "s", "hold",
			      "session", "s", "anew", "detached", "b", 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	check(find_keeper(owner, 0, &former, 1, "session", "s", "anew"));
	m = new_manager_call(admin, "ReplaceKeeper");
	check(sd_bus_message_append(m, "s", former.keeper) >= 0);
	add_options(m, 1, "grace_usec", "t", UINT64_C(10000000));
	send_later(admin, m, &replace);
	until(has_property(held.id, "State", "draining"));
	check(find_keeper(owner, 0, &other, 1, "session", "s", "anew"));
	if (other.pid == former.pid)
		check(find_keeper(owner, 1, &other, 1, "session", "s", "anew"));
	check(kill((pid_t)other.pid, SIGSTOP) == 0);
	disconnect(holder);
	until(has_property(held.id, "State", "registering"));
	check(has_property(held.id, "Refuses", "1"));
	send_later(owner, new_region_call(owner, held.id, "Release"), &release);
	check(has_property(held.id, "Refuses", "0"));
	check(!is_answered(owner, &release));
	check(kill((pid_t)other.pid, SIGCONT) == 0);
	await_answer(owner, &release);
	check_text(release.reply.error, "");
	await_answer(admin, &replace);
	disconnect(admin);
}

static void test_claim(int fd, uint64_t *ret_id)
{
	struct reply region, r;

	check(register_region(owner, fd, MIB, 4 * MIB, "rw", &region, 1, "arbitration", "s",
			      "pre-content"));
	check(count_events("mark 1048576+4194304 refuses 0") == 1);
	check(has_property(region.id, "ArbitrationMode", "pre-content"));
	check(has_property(region.id, "Degraded", ""));
	check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "hold"));
	until(count_events("change refuses 1") > 0);
	check(has_property(region.id, "Refuses", "1"));
	check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "yield"));
	check(has_property(region.id, "Refuses", "0"));
	*ret_id = region.id;
}

/*
 * What was marked only because hold needs it is not when hold is over; what was asked for stays.
 */
static void test_unasked(int fd)
{
	unsigned int unmarks = count_events("unmark");
	struct reply region, r;

	check(register_region(owner, fd, 0, 4 * MIB, "rw", &region, 1, "policy", "s", "hold"));
	check(has_property(region.id, "ArbitrationMode", "pre-content"));
	for (unsigned int i = 1; i <= 2; i++) {
		check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s",
					  "yield"));
		until(count_events("unmark") == unmarks + i);
		check(!has_property(region.id, "ArbitrationMode", "pre-content"));
		check(has_property(region.id, "Degraded", ""));
		check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s",
					  "hold"));
		check(has_property(region.id, "ArbitrationMode", "pre-content"));
		check(has_property(region.id, "Refuses", "1"));
	}
	check(call_region_options(owner, region.id, "Configure", &r, 1, "arbitration", "s",
				  "pre-content"));
	check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "yield"));
	check(has_property(region.id, "ArbitrationMode", "pre-content"));
	check(count_events("unmark") == unmarks + 2);
	check(call_region(owner, region.id, "Release", &r));
	until(count_events("unmark") == unmarks + 3);
}

/* Changes beside it that want no gate do not take it away. */
static void test_beside(int fd)
{
	struct later l[8];
	struct reply region, r;
	sd_bus_message *m;

	check(register_region(owner, fd, 0, 4 * MIB, "rw", &region, 0));
	for (size_t i = 0; i < 8; i++) {
		m = new_region_call(owner, region.id, "Configure");
		if (i == 4)
			add_options(m, 1, "policy", "s", "hold");
		else
			add_options(m, 1, "warm_mode", "s", "read");
		send_later(owner, m, &l[i]);
	}
	for (size_t i = 0; i < 8; i++) {
		await_answer(owner, &l[i]);
		check_text(l[i].reply.error, "");
	}
	check(has_property(region.id, "Policy", "hold"));
	check(has_property(region.id, "Refuses", "1"));
	check(call_region(owner, region.id, "Release", &r));
}

/* Who has the file open since before could not be found out: nobody is accused of it. */
static void test_untold(int fd)
{
	struct reply region, r;

	make_it("cannot-tell", true);
	check(fchmod(fd, S_ISVTX | 0600) ==
	      0); /* no layout lease, which sees what the gate does not */
	check(register_region(owner, fd, 0, 4 * MIB, "rw", &region, 1, "arbitration", "s",
			      "pre-content"));
	check(has_property(region.id, "Degraded", "more descriptors are open"));
	check(call_region(owner, region.id, "Release", &r));
	check(fchmod(fd, 0600) == 0);
	make_it("cannot-tell", false);
}

/* Nothing of the region is taken: nobody has to wait. */
static void test_outside(void)
{
	tell_gate("want 1 0 1048576\n");
	until(is_answered_with(1, 0));
	tell_gate("over 1\n");
}

/* The region stays closed until the last is done. */
static void test_crowd(uint64_t id)
{
	for (unsigned int i = 0; i < CROWD; i++)
		tell_gate("want %u %" PRIu64 " 65536\n", 100 + i, MIB + i * 2 * UINT64_C(65536));
	for (unsigned int i = 0; i < CROWD; i++)
		until(is_answered_with(100 + i, 0));
	for (unsigned int i = 1; i < CROWD; i++)
		tell_gate("over %u\n", 100 + i);
	check(has_property(id, "State", "fenced"));
	tell_gate("over 100\n");
	until(has_property(id, "State", "live"));
	check(world_metric(&world, "rdmareg_pre_content_operations_total{result=\"went-on\"}") ==
	      CROWD);
}

/* Who waits goes on without an answer; the region is marked again by the next gate. */
static void test_end(uint64_t id)
{
	uint64_t ends = world_metric(&world, "rdmareg_gate_ends_total{by=\"other\"}");

	tell_gate("want 200 1048576 65536\n");
	until(is_answered_with(200, 0));
	tell_gate("end\n");
	until(world_log_contains(&world, "rdmareg-gate"));
	until(count_events("mark 1048576+4194304 refuses 0") == 2);
	check(world_metric(&world, "rdmareg_gate_ends_total{by=\"other\"}") == ends + 1);
	until(has_property(id, "ArbitrationMode", "pre-content"));
	check(has_property(id, "Degraded", ""));
	until(has_property(id, "State", "live"));
}

#define OPERATIONS "rdmareg_pre_content_operations_total"

/* What an operator is told of those who wait: how many, and what became of them. */
static void test_counted(int fd)
{
	uint64_t went = world_metric(&world, OPERATIONS "{result=\"went-on\"}");
	struct reply region, r;

	check(register_region(owner, fd, 0, 4 * MIB, "rw", &region, 2, "arbitration", "s",
			      "pre-content", "grace_usec", "t", UINT64_C(10000000)));
	check(world_metric(&world, "rdmareg_pre_content_waiting") == 0);
	check(world_metric(&world, "rdmareg_deadlines_total{arbiter=\"pre-content\"}") == 0);
	tell_gate("want 300 0 65536\n");
	until(has_property(region.id, "State", "draining"));
	check(world_metric(&world, "rdmareg_pre_content_waiting") == 1);
	tell_gate("expire 300\n");
	until(world_metric(&world, "rdmareg_pre_content_waiting") == 0);
	check(world_metric(&world, OPERATIONS "{result=\"expired\"}") == 1);
	check(world_metric(&world, OPERATIONS "{result=\"went-on\"}") == went);
	check(world_metric(&world, "rdmareg_deadlines_total{arbiter=\"pre-content\"}") == 1);
	until(world_log_contains(&world, "went on at its deadline"));
	tell_gate("over 300\n");
	until(has_property(region.id, "State", "live"));
	check(call_region(owner, region.id, "Release", &r));
}

static void release(uint64_t id)
{
	unsigned int before = count_events("unmark");
	struct reply r;

	check(call_region(owner, id, "Release", &r));
	until(count_events("unmark") == before + 1);
}

static sd_bus_message *registration(int fd)
{
	sd_bus_message *m = new_manager_call(owner, "RegisterRegion");

	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
	add_options(m, 1, "arbitration", "s", "pre-content");
	return m;
}

/* That what degrades a region ends with the region is nothing that happened to it. */
static void expect_last_is_removal(int fd)
{
	char command[64], out[8000], *end;
	struct reply region, r;

	check(register_region(owner, fd, 0, 0, "rw", &region, 0));
	call_region_options(owner, region.id, "Configure", &r, 1, "arbitration", "s",
			    "pre-content");
	until(has_property(region.id, "Degraded", "does not answer"));
	check(call_region(owner, region.id, "Release", &r));
	snprintf(command, sizeof(command), "history %" PRIu64 " --no-legend", region.id);
	check(world_ctl(&world, command, out, sizeof(out)) == 0 && strstr(out, " degraded: "));
	end = strstr(out, " removed: ");
	check(end && strchr(end, '\n') && !strchr(end, '\n')[1]);
}

/* A gate that says nothing holds up nothing but that registration, and not for ever. */
static void test_silent(int fd)
{
	sd_bus *other = connect_client(&world);
	unsigned int marks = count_events("mark 0+8388608 refuses 0"),
		     unmarks = count_events("unmark");
	struct later registering = { 0 };
	struct reply r;

	make_it("silent", true);
	send_later(owner, registration(fd), &registering);
	until(count_events("mark 0+8388608 refuses 0") == marks + 1);
	count_regions(other); /* is answered meanwhile */
	check(still_waits(owner, &registering));
	await_answer(owner, &registering);
	check_text(registering.reply.error, "");
	check(has_property(registering.reply.id, "Degraded", "does not answer"));
	/* that of an earlier region may come as late */
	until(count_events("unmark") > unmarks);
	check(call_region(owner, registering.reply.id, "Release", &r));
	/* one that ends meanwhile */
	registering = (struct later){ 0 };
	send_later(owner, registration(fd), &registering);
	until(count_events("mark 0+8388608 refuses 0") == marks + 2);
	tell_gate("end\n");
	await_answer(owner, &registering);
	check_text(registering.reply.error, "");
	check(call_region(owner, registering.reply.id, "Release", &r));
	expect_last_is_removal(fd);
	make_it("silent", false);
	disconnect(other);
}

/*
 * A keeper that cannot be asked for its file (keeper-form-5.c): the file is marked as before, as
 * strictly, if it is where it was; if not, that is told.
 */
static void test_foreign(int fd)
{
	char path[256], away[300];
	struct reply region, r;
	unsigned int marks;

	check(register_region(owner, fd, 0, 0, "rw", &region, 4, "session", "s", "form-later",
			      "detached", "b", 1, "policy", "s", "hold", "arbitration", "s",
			      "pre-content"));
	check(has_property(region.id, "Refuses", "1"));
	marks = count_events("mark 0+8388608 refuses 1");
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(count_events("mark 0+8388608 refuses 1") == marks + 1);
	until(has_property(region.id, "Refuses", "1"));
	check(has_property(region.id, "ArbitrationMode", "pre-content"));
	check(has_property(region.id, "Degraded", "versions 1000 to 1001"));
	snprintf(path, sizeof(path), "%s/marked", world.directory);
	snprintf(away, sizeof(away), "%s.away", path);
	check(rename(path, away) == 0);
	close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(has_property(region.id, "Degraded", "another one is where it was"));
	check(unlink(path) == 0);
	check(has_property(region.id, "Degraded", "policy hold has no effect"));
	check(call_region(owner, region.id, "Release", &r));
	check(rename(away, path) == 0);
	until(world_keepers(&world) == 0);
	/* what world_end() compares with is what the last daemon had when it began */
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
}

int main(void)
{
	uint64_t id;
	int fd;

	world_begin(&world, "");
	world_add_gate(&world);
	fd = marked_file();
	owner = connect_client(&world);
	check(count_events("mark 1048576+4194304 refuses 0") == 0);
	test_ours(fd);
	test_unasked(fd);
	test_claim(fd, &id);
	test_outside();
	test_crowd(id);
	test_end(id);
	release(id);
	test_counted(fd);
	test_silent(fd);
	test_untold(fd);
	test_beside(fd);
	test_still(fd);
	test_still_anew(fd);
	test_foreign(fd);
	close(fd);
	disconnect(owner);
	world_end(&world);
	return 0;
}
