// SPDX-License-Identifier: GPL-2.0-or-later
/* actors.c - see actors.h. */
#include "actors.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTHING_THERE 77

extern char **environ;

int actors_run(const struct actors *a, const char *what, uint32_t value)
{
	char msec[16];
	char *const words[] = { (char *)a->command, (char *)what, msec, (char *)a->filesystem,
				NULL };
	int status, r;
	pid_t pid;

	snprintf(msec, sizeof(msec), "%u", 100 + value % 2000);
	r = posix_spawnp(&pid, a->command, NULL, NULL, words, environ);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOTHING_THERE)
		return -EOPNOTSUPP;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

/*
 * What was written back before is there afterwards; of what is written meanwhile nobody knows. So that
 * is told from what was there, each byte. But if writing and fsync succeed all the same it is there.
 */
static int64_t storage_fails(const struct actors *a, struct local *l, const struct op *op,
			     uint8_t *data, bool written_back)
{
	int fd = l->fd[op->file];
	ssize_t n, told;
	int r;

	if ((!written_back && fsync(l->fd[0]) < 0) || fsync(l->fd[1]) < 0)
		return -errno;
	r = actors_run(a, "storage-fails", op->value);
	if (r < 0)
		return r;
	n = pwrite(fd, data, op->length, op->offset);
	told = n > 0 && fsync(fd) == 0 ? n : 0;
	local_close(l);
	r = actors_run(a, "storage-mends", op->value);
	if (r == 0)
		r = local_reopen(l);
	if (r < 0)
		return r;
	n = pread(l->fd[op->file], data, op->length, op->offset);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < told && i < n; i++) {
		if (data[i] == op_byte(op, (uint32_t)i))
			continue;
		printf("byte %zd of what was written and synced is lost\n", i);
		return -EIO;
	}
	return n;
}

int64_t actors_perform(const struct actors *a, struct local *l, const struct op *op, uint8_t *data,
		       bool written_back)
{
	int r;

	if (op->kind == OP_STORAGE_FAILS)
		return storage_fails(a, l, op, data, written_back);
	if (op->kind != OP_REMOUNT)
		return actors_run(a, op_name(op->kind), op->value);
	local_close(l);
	r = actors_run(a, op_name(op->kind), op->value);
	return r < 0 ? r : local_reopen(l);
}
