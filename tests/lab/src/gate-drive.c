// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive.c - the gate (daemon/gate/gate.h) on a real kernel, without the rest of the daemon.
 *
 *   gate-drive FILESYSTEM DIR [TMPFS-DIR]    FILESYSTEM: ext4, ext4dax, xfs, xfsdax, btrfs; without
 *   TMPFS-DIR only what can differ from one to the next: who is asked about, and what becomes of it
 *   gate-drive serve FILE                    lets everybody through and prints a line for each who
 *   wants blocks, until it is killed
 *
 * Prints one "ok" or "not ok" line for each check; exits 0 if all are ok, 1 if not.
 */
#include "gate-drive.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

#define PATIENCE_USEC (120 * USEC_PER_SEC) /* when nothing happens for so long nothing will */
#define FOREVER_USEC (3600 * USEC_PER_SEC)

struct drive d = { .limits = { .files = 8, .passages = 16, .watchdog_usec = 60 * USEC_PER_SEC },
		   .old_fd = -1 };
static int status;
static const char *const cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;

void check(bool good, const char *format, ...)
{
	va_list args;

	printf("%s%s: ", good ? "ok " : "not ok ", d.filesystem);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (!good)
		status = 1;
}

void must(bool good, const char *what)
{
	if (good)
		return;
	printf("not ok %s: %s: %s\n", d.filesystem, what, strerror(errno));
	exit(1);
}

static void on_wanted(void *userdata, const struct gate_passage *p)
{
	(void)userdata;
	d.wanted++;
	d.last = *p;
	gate_wait(d.gate, p->number, d.policy == HOLD ? d.wait_usec : FOREVER_USEC);
	if (d.policy == LET_THROUGH)
		gate_answer(d.gate, p->number, 0);
	else if (d.policy == REFUSE)
		gate_answer(d.gate, p->number, d.refuse_error);
	else if (d.policy == UNMARK)
		gate_unmark(d.gate, d.key);
}

static void on_expired(void *userdata, uint64_t number)
{
	(void)userdata;
	d.expired++;
	d.order_is_right = d.order_is_right && number == d.last.number && d.over < d.wanted;
}

static void on_over(void *userdata, uint64_t number)
{
	(void)userdata;
	d.over++;
	d.order_is_right = d.order_is_right && number <= d.last.number && d.over <= d.wanted;
}

static void on_refused(void *userdata, const struct gate_passage *p, uint64_t key)
{
	(void)userdata, (void)p;
	d.refused += key == d.key;
}

static bool passes(void *userdata, pid_t pid, enum revocation_cause cause)
{
	(void)userdata, (void)cause;
	return pid == d.ours;
}

static void catch_up(void *userdata)
{
	(void)userdata;
}

static const struct gate_ops ops = { on_wanted, on_expired, on_over, on_refused, passes, catch_up };

void drive_open(void)
{
	struct failure why = { 0 };

	must(gate_new(&d.gate, d.base, &d.limits, &ops, NULL, &why) == 0, why.text);
}

void drive_close(void)
{
	d.gate = gate_free(d.gate);
}

static void make_file(const char *path)
{
	char block[64 * KIB];
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	must(fd >= 0, path);
	memset(block, 'i', sizeof(block));
	for (uint64_t at = 0; at < SIZE; at += sizeof(block))
		must(write(fd, block, sizeof(block)) == (ssize_t)sizeof(block), path);
	must(fsync(fd) == 0, path);
	close(fd);
}

int drive_mark(int fd, struct failure *why)
{
	const struct gate_claim claim = { .key = ++d.key,
					  .length = UINT64_MAX,
					  .wait_usec = FOREVER_USEC };
	struct stat st = { 0 };
	char path[64];

	fstat(fd, &st);
	d.inode = st.st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return gate_mark(d.gate, path, st.st_dev, st.st_ino, &claim, why);
}

void drive_be_nobody(void)
{
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(errno);
}

void drive_fresh(void)
{
	struct failure why = { 0 };

	gate_unmark(d.gate, d.key);
	if (d.old_fd >= 0)
		close(d.old_fd);
	unlink(d.target);
	unlink(d.scratch);
	make_file(d.target);
	d.old_fd = open(d.target, O_RDWR | O_CLOEXEC);
	must(d.old_fd >= 0 && fchmod(d.old_fd, 0666) == 0, d.target);
	must(drive_mark(d.old_fd, &why) == 0, why.text);
	d.policy = LET_THROUGH;
	d.wait_usec = FOREVER_USEC;
	d.ours = 0;
	d.wanted = d.expired = d.over = d.refused = 0;
	d.order_is_right = true;
}

pid_t drive_start(operation op)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		dup2(d.old_fd, OLD_FD);
		close_range(OLD_FD + 1, ~0U, 0);
		_exit(op());
	}
	return pid;
}

int drive_child_result(int result)
{
	return WIFSIGNALED(result) ? -WTERMSIG(result) : WEXITSTATUS(result);
}

static void on_wake(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
}

bool drive_until(bool (*condition)(void))
{
	const struct timeval often = timeval_from_usec(10 * USEC_PER_MSEC);
	uint64_t end = now_monotonic_usec() + PATIENCE_USEC;
	struct event *wake = event_new(d.base, -1, EV_PERSIST, on_wake, NULL);

	event_add(wake, &often);
	while (!condition() && now_monotonic_usec() < end)
		event_base_loop(d.base, EVLOOP_ONCE);
	event_free(wake);
	return condition();
}

static pid_t awaited;
static int awaited_status;

static bool has_ended(void)
{
	if (awaited && waitpid(awaited, &awaited_status, WNOHANG) == awaited)
		awaited = 0;
	return !awaited;
}

int drive_finish(pid_t pid)
{
	awaited = pid;
	must(drive_until(has_ended), "a call that never returns");
	return drive_child_result(awaited_status);
}

int drive_run(operation op)
{
	return drive_finish(drive_start(op));
}

bool drive_is_over(void)
{
	return d.over == d.wanted;
}

bool drive_is_waited(void)
{
	return d.wanted > 0;
}

off_t drive_size(void)
{
	struct stat st;

	return stat(d.target, &st) == 0 ? st.st_size : -1;
}

static void serve_wanted(void *userdata, const struct gate_passage *p)
{
	(void)userdata;
	printf("wanted %s %" PRIu64 " pid %d\n", cause_names[p->cause], p->offset, p->pid);
	fflush(stdout);
	gate_answer(d.gate, p->number, 0);
}

static void serve_over(void *userdata, uint64_t number)
{
	(void)userdata;
	printf("over %" PRIu64 "\n", number);
	fflush(stdout);
}

static int serve(const char *path)
{
	static const struct gate_ops serving = { serve_wanted, on_expired, serve_over,
						 on_refused,   passes,	   catch_up };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct failure why = { 0 };

	d.filesystem = "serve";
	must(fd >= 0, path);
	must(gate_new(&d.gate, d.base, &d.limits, &serving, NULL, &why) == 0, why.text);
	must(drive_mark(fd, &why) == 0, why.text);
	puts("ready");
	fflush(stdout);
	return event_base_dispatch(d.base);
}

static enum family family_of(const char *name)
{
	return !strncmp(name, "ext4", 4) ? EXT4 : !strncmp(name, "xfs", 3) ? XFS : BTRFS;
}

int main(int argc, char **argv)
{
	d.base = event_base_new();
	must(d.base, "event_base_new");
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc != 3 && argc != 4) {
		fputs("usage: gate-drive FILESYSTEM DIR [TMPFS-DIR] | gate-drive serve FILE\n",
		      stderr);
		return 2;
	}
	d.filesystem = argv[1];
	d.family = family_of(argv[1]);
	snprintf(d.target, sizeof(d.target), "%s/target", argv[2]);
	snprintf(d.source, sizeof(d.source), "%s/source", argv[2]);
	snprintf(d.scratch, sizeof(d.scratch), "%s/scratch", argv[2]);
	drive_open();
	make_file(d.source);
	test_cells();
	test_waits(argc == 4);
	if (argc == 4) {
		test_gap();
		test_bad_input(argv[3]);
	}
	drive_close();
	event_base_free(d.base);
	close(d.old_fd);
	unlink(d.target);
	unlink(d.source);
	unlink(d.scratch);
	return status;
}
