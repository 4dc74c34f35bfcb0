// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive-gap.c - who is found to have the file open for writing since before it was marked; and
 * what the gate says to nonsense.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate-drive.h"

/* Opens the file, says so, and ends when told. */
static pid_t start_holder(int flags, int *ret_end)
{
	int ready[2], end[2];
	char c;
	pid_t pid;

	must(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(d.old_fd);
		close(end[1]);
		close(ready[0]);
		/*
		 * the lowest is read-only, so a search that stops at the first descriptor is
		 * noticed
		 */
		if (open(d.target, O_RDONLY) < 0 || open(d.target, flags) < 0)
			_exit(1);
		close(ready[1]);
		_exit(read(end[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(end[0]);
	must(read(ready[0], &c, 1) == 0, "a process that holds the file");
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

static void stop_holder(pid_t pid, int end)
{
	int result;

	close(end);
	must(waitpid(pid, &result, 0) == pid && result == 0, "a process that held the file");
}

#define HOARD 10000

static struct gate_gap last;
static bool is_found;

static void on_found(void *userdata, const struct gate_gap *gap)
{
	(void)userdata;
	last = *gap;
	is_found = true;
}

static bool is_ours(void *userdata, pid_t pid)
{
	(void)userdata;
	return pid == d.ours;
}

static bool has_found(void)
{
	return is_found;
}

/* Who is found to have the file behind @fd open. */
static pid_t find_gap(int fd, pid_t except)
{
	struct gate_gap gap = { .key = 1, .except = except };
	struct gate_gaps *s;
	struct stat st = { 0 };

	fstat(fd, &st);
	gap.device = st.st_dev;
	gap.inode = st.st_ino;
	is_found = false;
	must(gate_gaps_new(&s, d.base, is_ours, on_found, NULL) == 0 && gate_gaps_add(s, &gap) == 0,
	     "a search");
	must(drive_until(has_found), "a search that ends");
	gate_gaps_free(s);
	return last.found;
}

/* Opens as many descriptors for writing as it may, says so, and waits for the end. */
static pid_t start_hoarder(int *ret_end)
{
	struct rlimit l = { HOARD, HOARD };
	int ready[2], end[2];
	char c;
	pid_t pid;

	must(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0, "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		close(end[1]);
		close(ready[0]);
		setrlimit(RLIMIT_NOFILE, &l); /* what it may is less on some machines */
		while (open(d.source, O_WRONLY) >= 0)
			;
		close(ready[1]);
		_exit(read(end[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(end[0]);
	must(read(ready[0], &c, 1) == 0, "a process that has much open");
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

/* While it is looked through, others go on. */
static void test_long_search(void)
{
	struct gate_gap gap = { .key = 1, .inode = 1 };
	struct gate_gaps *s;
	int end, error;
	pid_t pid;

	drive_fresh();
	pid = start_hoarder(&end);
	is_found = false;
	must(gate_gaps_new(&s, d.base, is_ours, on_found, NULL) == 0 && gate_gaps_add(s, &gap) == 0,
	     "a search");
	error = drive_run(op_read);
	check(!error && !is_found, "a reader does not wait for the end of a search");
	check(drive_until(has_found) && !last.found, "which comes");
	gate_gaps_free(s);
	stop_holder(pid, end);
}

void test_gap(void)
{
	pid_t pid;
	int end;

	drive_fresh();
	gate_unmark(d.gate, d.key); /* opening must not wait for us */
	check(find_gap(d.old_fd, 0) == 0, "nobody else has it open: no gap");
	pid = start_holder(O_RDONLY, &end);
	check(find_gap(d.old_fd, 0) == 0, "somebody who reads is none");
	stop_holder(pid, end);
	pid = start_holder(O_WRONLY, &end);
	check(find_gap(d.old_fd, 0) == pid, "somebody who writes is one");
	check(find_gap(d.old_fd, pid) == 0, "the owner is none");
	d.ours = pid;
	check(find_gap(d.old_fd, 0) == 0, "one of ours is none");
	d.ours = 0;
	stop_holder(pid, end);
	pid = start_holder(O_RDWR, &end);
	check(find_gap(d.old_fd, 0) == pid, "somebody who reads and writes is one");
	stop_holder(pid, end);
	check(find_gap(d.old_fd, 0) == 0, "and is none any more when it has ended");
	test_long_search();
}

static void test_bad_descriptors(const char *tmpfs)
{
	char name[512];
	int p[2], dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), other;

	must(pipe2(p, O_CLOEXEC) == 0, "pipe");
	snprintf(name, sizeof(name), "%s/gate", tmpfs);
	other = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(other >= 0, name);

	const struct {
		const char *what;
		int fd, error;
	} rows[] = {
		{ "no descriptor", -1, -ENOENT }, { "a closed descriptor", 1 << 20, -ENOENT },
		{ "a folder", dir, -EOPNOTSUPP }, { "a pipe", p[0], -EOPNOTSUPP },
		{ "tmpfs", other, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct failure why = { 0 };
		int r = drive_mark(rows[i].fd, &why);

		check(r == rows[i].error && *why.text, "marking %s: \"%s\"", rows[i].what,
		      why.text);
	}
	close(p[0]), close(p[1]), close(dir), close(other);
	unlink(name);
}

static void test_limit(void)
{
	const struct gate_claim same = { .key = 1 };
	struct gate_claim at_once = { .length = UINT64_MAX };
	struct gate_limits none = d.limits;
	struct failure why = { 0 };
	uint64_t first;
	int fd = open(d.source, O_RDONLY | O_CLOEXEC);

	none.files = 1;
	drive_fresh();
	first = d.key;
	gate_set_limits(d.gate, &none);
	check(drive_mark(fd, &why) == -EMFILE, "one file too many: \"%s\"", why.text);
	check(drive_mark(d.old_fd, &why) == 0, "another claim of the same file is none too many");
	gate_unmark(d.gate, first);
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1,
	      "two claims, one is gone: still marked");
	gate_set_limits(d.gate, &d.limits);
	none = d.limits;
	none.passages = 0;
	gate_set_limits(d.gate, &none);
	drive_fresh();
	at_once.key = d.key;
	gate_change(d.gate, &at_once);
	check(drive_run(op_ftruncate) == EBUSY && !d.wanted && drive_size() == (off_t)SIZE,
	      "no passage allowed: who takes blocks is refused");
	gate_set_limits(d.gate, &d.limits);
	check(gate_mark(d.gate, "/proc/self/fd/0", 1, 1, &same, &why) == -ESTALE,
	      "another file than was named: \"%s\"", why.text);
	close(fd);
}

void test_bad_input(const char *tmpfs)
{
	test_bad_descriptors(tmpfs);
	test_limit();
	drive_fresh();
	gate_answer(d.gate, 0, 0);
	gate_answer(d.gate, UINT64_MAX, EPERM);
	gate_unmark(d.gate, 4711);
	gate_wait(d.gate, UINT64_MAX, 0);
	check(find_gap(-1, 0) == 0, "a gap of no file");
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1 && drive_until(drive_is_over),
	      "and it still works");
}
