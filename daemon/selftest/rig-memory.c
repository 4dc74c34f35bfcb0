// SPDX-License-Identifier: GPL-2.0-or-later
/* rig-memory.c - see rig.h: a file without a name, mapped and registered. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "selftest/rig.h"
#include "util/cleanup.h"

#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif
#define RAMFS 0x858458f6

static int open_file(const char *directory, bool *ret_on_storage)
{
	struct statfs fs;
	int fd;

	if (directory)
		fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	else
		fd = memfd_create("rdmareg-selftest", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_on_storage = directory && fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC &&
			  fs.f_type != RAMFS;
	return fd;
}

int rig_map(struct rig *r, struct rig_memory *ret, const char *directory, size_t pages,
	    unsigned int access)
{
	struct rig_memory m = { .fd = -1, .length = pages * r->page };
	_cleanup_(closep) int fd = open_file(directory, &m.on_storage);
	unsigned char *zeroes = r->local;

	if (fd < 0)
		return fd;
	/* written, not only made longer: blocks that are really there */
	memset(zeroes, 0, r->page);
	for (size_t i = 0; i < pages; i++)
		if (pwrite(fd, zeroes, r->page, (off_t)(i * r->page)) != (ssize_t)r->page)
			return errno ? -errno : -ENOSPC;
	m.at = mmap(NULL, m.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m.at == MAP_FAILED)
		return -errno;
	errno = 0;
	m.mr = ibv_reg_mr(r->pd, m.at, m.length,
			  IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | access);
	if (!m.mr) {
		int error = errno ? errno : ENOMEM;

		munmap(m.at, m.length);
		return -error;
	}
	m.fd = steal_fd(&fd);
	*ret = m;
	return 0;
}

void rig_unmap(struct rig *r, struct rig_memory *m)
{
	(void)r;
	if (!m->mr)
		return;
	ibv_dereg_mr(m->mr);
	munmap(m->at, m->length);
	close(m->fd);
	*m = (struct rig_memory){ .fd = -1 };
}
