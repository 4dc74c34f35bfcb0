// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-drive-gap.c - who is found to have the file open for writing since before it was marked; and what the gate says to nonsense. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
		/* the lowest is read-only, so a search that stops at the first descriptor is noticed */
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

void test_gap(void)
{
	pid_t pid;
	int end;

	drive_fresh();
	gate_unmark(d.gate, d.device, d.inode); /* opening must not wait for us */
	check(gate_find_gap(d.gate, d.old_fd, 0) == 0, "nobody else has it open: no gap");
	pid = start_holder(O_RDONLY, &end);
	check(gate_find_gap(d.gate, d.old_fd, 0) == 0, "somebody who reads is none");
	stop_holder(pid, end);
	pid = start_holder(O_WRONLY, &end);
	check(gate_find_gap(d.gate, d.old_fd, 0) == pid, "somebody who writes is one");
	check(gate_find_gap(d.gate, d.old_fd, pid) == 0, "the owner is none");
	d.ours = pid;
	check(gate_find_gap(d.gate, d.old_fd, 0) == 0, "one of ours is none");
	d.ours = 0;
	stop_holder(pid, end);
	pid = start_holder(O_RDWR, &end);
	check(gate_find_gap(d.gate, d.old_fd, 0) == pid, "somebody who reads and writes is one");
	stop_holder(pid, end);
	check(gate_find_gap(d.gate, d.old_fd, 0) == 0, "and is none any more when it has ended");
}

static void test_bad_descriptors(const char *tmpfs)
{
	char name[512];
	int p[2], dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		  path = open(d.source, O_PATH | O_CLOEXEC);
	int other;

	must(pipe2(p, O_CLOEXEC) == 0, "pipe");
	snprintf(name, sizeof(name), "%s/gate", tmpfs);
	other = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(other >= 0, name);

	const struct {
		const char *what;
		int fd, error;
	} rows[] = {
		{ "no descriptor", -1, -EBADF },  { "a closed descriptor", 1 << 20, -EBADF },
		{ "a folder", dir, -EOPNOTSUPP }, { "a pipe", p[0], -EOPNOTSUPP },
		{ "O_PATH", path, -EBADF },	  { "tmpfs", other, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[256] = "";
		int r = gate_mark(d.gate, rows[i].fd, why, sizeof(why));

		check(r == rows[i].error && why[0], "marking %s: \"%s\"", rows[i].what, why);
	}
	close(p[0]), close(p[1]), close(dir), close(path), close(other);
	unlink(name);
}

static void test_limit(void)
{
	struct gate_limits none = d.limits;
	char why[256] = "";
	int fd = open(d.source, O_RDONLY | O_CLOEXEC);

	none.files = 1;
	drive_fresh();
	gate_set_limits(d.gate, &none);
	check(gate_mark(d.gate, fd, why, sizeof(why)) == -EMFILE, "one file too many: \"%s\"", why);
	check(gate_mark(d.gate, d.old_fd, why, sizeof(why)) == 0, "the same file again is none too many");
	gate_unmark(d.gate, d.device, d.inode);
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1, "marked twice, unmarked once: still marked");
	gate_set_limits(d.gate, &d.limits);
	none = d.limits;
	none.passages = 0;
	gate_set_limits(d.gate, &none);
	drive_fresh();
	check(drive_run(op_ftruncate) == 0 && !d.wanted,
	      "no passage allowed: nobody is asked, nobody is held up");
	gate_set_limits(d.gate, &d.limits);
	close(fd);
}

void test_bad_input(const char *tmpfs)
{
	test_bad_descriptors(tmpfs);
	test_limit();
	drive_fresh();
	gate_answer(d.gate, 0, 0);
	gate_answer(d.gate, UINT64_MAX, EPERM);
	gate_unmark(d.gate, 4711, 4711);
	check(gate_find_gap(d.gate, -1, 0) == 0, "a gap of no file");
	check(drive_run(op_ftruncate) == 0 && d.wanted == 1 && drive_until(drive_is_over),
	      "and it still works");
}
