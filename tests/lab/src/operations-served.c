// SPDX-License-Identifier: GPL-2.0-or-later
/* operations-served.c - see operations-served.h. */
#include "operations-served.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define NVMET_DISK "/dev/nvme0n1"
#define LIO_DISK "/dev/sda" /* no other disk of the guest is a SCSI one */

/*
 * The file of the same name below the folder that a variable of the environment names. Opened by
 * name, so that what a client remembers of an earlier file is asked again.
 */
static int open_below(const char *variable, const char *path)
{
	const char *folder = getenv(variable), *name = strrchr(path, '/');
	char there[512];

	if (!folder || !name) {
		errno = ENOENT;
		return -1;
	}
	snprintf(there, sizeof(there), "%s%s", folder, name);
	return open(there, O_RDWR | O_CLOEXEC);
}

static int end(int fd, long r)
{
	int error = fd < 0 || r < 0 ? errno : 0;

	/* a client may only now send what it has */
	if (fd >= 0 && close(fd) < 0 && !error)
		error = errno;
	return error;
}

static int truncate_below(const char *variable, const struct scene *s, unsigned long size)
{
	int fd = open_below(variable, s->path);

	return end(fd, fd < 0 ? -1 : ftruncate(fd, (off_t)size));
}

static int fallocate_below(const char *variable, const struct scene *s, unsigned long mode)
{
	int fd = open_below(variable, s->path);

	return end(fd, fd < 0 ? -1 : fallocate(fd, (int)mode, (off_t)MIB, (off_t)MIB));
}

int run_served_truncate(const struct scene *s, unsigned long size)
{
	return truncate_below("PROBE_SERVED", s, size);
}

int run_served_fallocate(const struct scene *s, unsigned long mode)
{
	return fallocate_below("PROBE_SERVED", s, mode);
}

int run_beneath_truncate(const struct scene *s, unsigned long size)
{
	return truncate_below("PROBE_BENEATH", s, size);
}

int run_beneath_fallocate(const struct scene *s, unsigned long mode)
{
	return fallocate_below("PROBE_BENEATH", s, mode);
}

static int held = -1;

int prepare_held(const struct scene *s)
{
	held = open_below("PROBE_SERVED", s->path);
	return held < 0 ? errno : 0;
}

int run_held_fallocate(const struct scene *s, unsigned long mode)
{
	(void)s;
	return fallocate(held, (int)mode, (off_t)MIB, (off_t)MIB) < 0 ? errno : 0;
}

void undo_held(const struct scene *s)
{
	(void)s;
	close(held);
	held = -1;
}

int run_served_clone(const struct scene *s, unsigned long unused)
{
	int from = open_below("PROBE_SERVED", s->other), to = open_below("PROBE_SERVED", s->path),
	    error;
	struct file_clone_range range = {
		.src_fd = from, .src_offset = MIB, .src_length = MIB, .dest_offset = MIB
	};

	(void)unused;
	error = end(to, from < 0 || to < 0 ? -1 : ioctl(to, FICLONERANGE, &range));
	close(from);
	return error;
}

static int write_block(int fd)
{
	void *buffer;
	int r;

	if (fd < 0 || posix_memalign(&buffer, 4096, 65536))
		return -1;
	memset(buffer, 0x66, 65536);
	r = pwrite(fd, buffer, 65536, (off_t)MIB) < 0 || fsync(fd) < 0 ? -1 : 0;
	free(buffer);
	return r;
}

int run_served_write(const struct scene *s, unsigned long unused)
{
	int fd = open_below("PROBE_SERVED", s->path);

	(void)unused;
	return end(fd, write_block(fd));
}

static int servers(const char *what, const char *path)
{
	char command[600];

	snprintf(command, sizeof(command), "bash -c '. /lab/guest/servers.sh && %s \"$0\"' %s >&2",
		 what, path);
	return system(command) ? EIO : 0;
}

int prepare_target(const struct scene *s)
{
	return servers("target_up", s->path);
}

void undo_target(const struct scene *s)
{
	servers("target_down", s->path);
}

static int use_disk(const char *disk, unsigned long discards)
{
	int fd = open(disk, O_RDWR | O_CLOEXEC | (discards ? 0 : O_DIRECT));
	uint64_t range[2] = { MIB, MIB };

	if (fd < 0)
		return errno;
	return end(fd, discards ? ioctl(fd, BLKDISCARD, range) : write_block(fd));
}

int run_target(const struct scene *s, unsigned long discards)
{
	(void)s;
	return use_disk(NVMET_DISK, discards);
}

int prepare_lio(const struct scene *s)
{
	return servers("lio_up", s->path);
}

void undo_lio(const struct scene *s)
{
	servers("lio_down", s->path);
}

int run_lio(const struct scene *s, unsigned long discards)
{
	(void)s;
	return use_disk(LIO_DISK, discards);
}
