// SPDX-License-Identifier: GPL-2.0-or-later
/* operations-unseen.c - see operations-unseen.h. */
#include "operations-unseen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* fs/xfs/libxfs/xfs_fs.h */
struct bulk_time {
	int64_t sec;
	int32_t nsec;
	int32_t pad;
};
struct bulk_stat {
	uint64_t inode;
	uint16_t mode, links;
	uint32_t uid, gid, rdev;
	int32_t block_size;
	int64_t size;
	struct bulk_time atime, mtime, ctime;
	int64_t blocks;
	uint32_t flags;
	int32_t extent_size, extents;
	uint32_t generation;
	uint16_t rest[5];
	unsigned char pad[2];
	uint32_t cow_size, mask;
	uint16_t state, attributes;
};
struct swap_extents {
	int64_t version, target, donor;
	int64_t offset, length;
	char pad[16];
	struct bulk_stat stat;
};
_Static_assert(sizeof(struct bulk_stat) == 136 && sizeof(struct swap_extents) == 192, "as XFS has them");
#define SWAP_EXTENTS _IOWR('X', 109, struct swap_extents)

int run_swapext(const struct scene *s, unsigned long unused)
{
	struct swap_extents x = { .target = s->fd, .donor = s->other_fd };
	struct stat st;

	(void)unused;
	if (fstat(s->fd, &st) < 0)
		return errno;
	x.length = st.st_size;
	x.stat.inode = st.st_ino;
	x.stat.size = st.st_size;
	x.stat.mtime = (struct bulk_time){ .sec = st.st_mtim.tv_sec, .nsec = (int32_t)st.st_mtim.tv_nsec };
	x.stat.ctime = (struct bulk_time){ .sec = st.st_ctim.tv_sec, .nsec = (int32_t)st.st_ctim.tv_nsec };
	return ioctl(s->fd, SWAP_EXTENTS, &x) < 0 ? errno : 0;
}

static int use_loop(int device, unsigned long discards)
{
	uint64_t range[2] = { MIB, MIB };
	int error = 0;
	void *buffer;

	if (discards)
		return ioctl(device, BLKDISCARD, range) < 0 ? errno : 0;
	if (posix_memalign(&buffer, 4096, 65536))
		return ENOMEM;
	memset(buffer, 0x77, 65536);
	if (pwrite(device, buffer, 65536, (off_t)MIB) < 0 || fsync(device) < 0)
		error = errno;
	free(buffer);
	return error;
}

int run_loop(const struct scene *s, unsigned long discards)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1, error = 0;
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	const struct loop_info64 own = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%d", number);
	if (number >= 0)
		device = open(path, O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, LOOP_SET_FD, s->fd) < 0 || ioctl(device, LOOP_SET_STATUS64, &own) < 0)
		error = errno;
	else
		error = use_loop(device, discards);
	close(control);
	return error; /* the device goes with the process, which is no part of the operation */
}

/* The folders of the overlay lie beside the file. */
static int truncate_above(const char *folder, const char *name, unsigned long size)
{
	char options[900], merged[256], path[300];
	int fd, error;

	snprintf(options, sizeof(options), "lowerdir=%s.lower,upperdir=%s,workdir=%s.work", folder, folder, folder);
	snprintf(merged, sizeof(merged), "%s.merged", folder);
	if (mount("overlay", merged, "overlay", 0, options) < 0)
		return errno;
	snprintf(path, sizeof(path), "%s/%s", merged, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	error = fd < 0 || ftruncate(fd, (off_t)size) < 0 ? errno : 0;
	close(fd);
	umount(merged);
	return error;
}

int run_overlay_truncate(const struct scene *s, unsigned long size)
{
	static const char *const parts[] = { "", ".lower", ".work", ".merged" };
	char folder[200], path[256];
	int error = 0;

	snprintf(folder, sizeof(folder), "%s.overlay", s->path);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !error; i++) {
		snprintf(path, sizeof(path), "%s%s", folder, parts[i]);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			error = errno;
	}
	snprintf(path, sizeof(path), "%s/file", folder);
	if (!error && link(s->path, path) < 0)
		error = errno;
	if (!error)
		error = truncate_above(folder, "file", size);
	unlink(path);
	snprintf(path, sizeof(path), "%s.work/work", folder);
	rmdir(path);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s%s", folder, parts[i]);
		rmdir(path);
	}
	return error;
}

int run_write_32(const struct scene *s, unsigned long unused)
{
#ifdef __x86_64__
	void *buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = open(s->path, O_RDWR);
	long r = 181; /* pwrite64: the offset is in two halves */

	(void)unused;
	if (buffer == MAP_FAILED || fd < 0)
		return errno;
	memset(buffer, 0x32, 4096);
	__asm__ volatile("int $0x80"
			 : "+a"(r)
			 : "b"((long)fd), "c"(buffer), "d"(4096L), "S"((long)MIB), "D"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	munmap(buffer, 4096);
	close(fd);
	return r < 0 ? (int)-r : 0;
#else
	(void)s, (void)unused;
	return ENOSYS;
#endif
}
