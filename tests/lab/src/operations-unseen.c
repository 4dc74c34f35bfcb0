// SPDX-License-Identifier: GPL-2.0-or-later
/* operations-unseen.c - see operations-unseen.h. */
#include "operations-unseen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/f2fs.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
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
_Static_assert(sizeof(struct bulk_stat) == 136 && sizeof(struct swap_extents) == 192,
	       "as XFS has them");
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
	x.stat.mtime =
		(struct bulk_time){ .sec = st.st_mtim.tv_sec, .nsec = (int32_t)st.st_mtim.tv_nsec };
	x.stat.ctime =
		(struct bulk_time){ .sec = st.st_ctim.tv_sec, .nsec = (int32_t)st.st_ctim.tv_nsec };
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
	if (device < 0 || ioctl(device, LOOP_SET_FD, s->fd) < 0 ||
	    ioctl(device, LOOP_SET_STATUS64, &own) < 0)
		error = errno;
	else
		error = use_loop(device, discards);
	close(control);
	return error; /* the device goes with the process, which is no part of the operation */
}

/* The folders of the overlay lie beside the file. */
static const char *const overlay_parts[] = { "", ".lower", ".work", ".merged" };
#define OVERLAY_PARTS (sizeof(overlay_parts) / sizeof(*overlay_parts))

static void overlay_path(const struct scene *s, const char *part, char *out, size_t size)
{
	snprintf(out, size, "%s.overlay%s", s->path, part);
}

int prepare_overlay(const struct scene *s)
{
	char options[1200], path[300], folder[256];
	int error = 0;

	for (size_t i = 0; i < OVERLAY_PARTS && !error; i++) {
		overlay_path(s, overlay_parts[i], path, sizeof(path));
		if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0777) < 0)
			error = errno;
	}
	overlay_path(s, "/file", path, sizeof(path));
	if (!error && link(s->path, path) < 0)
		error = errno;
	overlay_path(s, "", folder, sizeof(folder));
	snprintf(options, sizeof(options), "lowerdir=%s.lower,upperdir=%s,workdir=%s.work", folder,
		 folder, folder);
	overlay_path(s, ".merged", path, sizeof(path));
	if (!error && mount("overlay", path, "overlay", 0, options) < 0)
		error = errno;
	return error;
}

void undo_overlay(const struct scene *s)
{
	char path[300];

	overlay_path(s, ".merged", path, sizeof(path));
	umount(path);
	overlay_path(s, "/file", path, sizeof(path));
	unlink(path);
	overlay_path(s, ".work/work", path, sizeof(path));
	rmdir(path);
	for (size_t i = 0; i < OVERLAY_PARTS; i++) {
		overlay_path(s, overlay_parts[i], path, sizeof(path));
		rmdir(path);
	}
}

int run_overlay_truncate(const struct scene *s, unsigned long size)
{
	char path[300];
	int fd, error;

	overlay_path(s, ".merged/file", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	error = fd < 0 || ftruncate(fd, (off_t)size) < 0 ? errno : 0;
	close(fd);
	return error;
}

/* mm/swapfile.c, union swap_header */
int prepare_swap(const struct scene *s)
{
	char page[4096] = { 0 };
	const uint32_t version = 1, last = OPERATION_SIZE / 4096 - 1;

	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last, sizeof(last));
	memcpy(page + 4086, "SWAPSPACE2", 10);
	return pwrite(s->fd, page, sizeof(page), 0) < 0 || fsync(s->fd) < 0 ? errno : 0;
}

int run_swapon(const struct scene *s, unsigned long unused)
{
	(void)unused;
	return swapon(s->path, 0) < 0 ? errno : 0;
}

void undo_swap(const struct scene *s)
{
	swapoff(s->path);
}

/*
 * fs/xfs/libxfs/xfs_fs.h: type 12 is the map of a file's data; the flag asks to repair what is
 * sound
 */
struct scrub_metadata {
	uint32_t type, flags;
	uint64_t inode;
	uint32_t generation, group;
	uint64_t reserved[5];
};
#define SCRUB_METADATA _IOWR('X', 60, struct scrub_metadata)

int run_rebuild(const struct scene *s, unsigned long unused)
{
	struct scrub_metadata m = { .type = 12, .flags = 1u << 0 | 1u << 8 };

	(void)unused;
	return ioctl(s->fd, SCRUB_METADATA, &m) < 0 ? errno : 0;
}

#ifdef __x86_64__
/* With a sixth argument of 0, which belongs into a register that compilers keep for themselves. */
static long call_32(long number, long one, long two, long three, long four, long five)
{
	long r = number;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "push %%rbp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "int $0x80\n\t"
			 "pop %%rbp\n\t"
			 "lea 128(%%rsp), %%rsp"
			 : "+a"(r)
			 : "b"(one), "c"(two), "d"(three), "S"(four), "D"(five)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* Lengths and offsets are in two halves. */
static long do_call_32(int fd, unsigned long call, void *buffer)
{
	switch (call) {
	case CALL_32_PUNCH: /* fallocate */
		return call_32(324, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (long)MIB, 0,
			       (long)MIB);
	case CALL_32_TRUNCATE: /* ftruncate64 */
		return call_32(194, fd, (long)MIB, 0, 0, 0);
	default: /* pwrite64 */
		return call_32(181, fd, (long)buffer, 4096, (long)MIB, 0);
	}
}
#endif

int run_32(const struct scene *s, unsigned long call)
{
#ifdef __x86_64__
	void *buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = open(s->path, O_RDWR | O_CLOEXEC);
	long r;

	if (buffer == MAP_FAILED || fd < 0)
		return errno;
	memset(buffer, 0x32, 4096);
	r = do_call_32(fd, call, buffer);
	munmap(buffer, 4096);
	close(fd);
	return r < 0 ? (int)-r : 0;
#else
	(void)s, (void)call;
	return ENOSYS;
#endif
}

int run_relocate(const struct scene *s, unsigned long unused)
{
	struct btrfs_ioctl_balance_args all = { .flags = BTRFS_BALANCE_DATA };

	(void)unused;
	return ioctl(s->fd, BTRFS_IOC_BALANCE_V2, &all) < 0 ? errno : 0;
}

/* The caller's cache, until it closes this. */
static int cache = -1;

static int tell_cache(const char *text)
{
	return write(cache, text, strlen(text)) < 0 ? errno : 0;
}

static void split(const struct scene *s, char *folder, size_t size, const char **ret_name)
{
	snprintf(folder, size, "%s", s->path);
	*strrchr(folder, '/') = 0;
	*ret_name = strrchr(s->path, '/') + 1;
}

int prepare_cull(const struct scene *s)
{
	char folder[256], command[300];
	const char *name;
	int error;

	if (system("bash -c '. /lab/guest/servers.sh && taker_modules cachefiles' >&2"))
		return ENOSYS;
	split(s, folder, sizeof(folder), &name);
	cache = open("/dev/cachefiles", O_RDWR | O_CLOEXEC);
	if (cache < 0)
		return errno;
	snprintf(command, sizeof(command), "dir %s", folder);
	error = tell_cache(command);
	return error ? error : tell_cache("bind");
}

/* It is looked up in the folder in which the daemon is. */
int run_cull(const struct scene *s, unsigned long unused)
{
	char folder[256], command[300];
	const char *name;

	(void)unused;
	split(s, folder, sizeof(folder), &name);
	if (chdir(folder) < 0)
		return errno;
	snprintf(command, sizeof(command), "cull %s", name);
	return tell_cache(command);
}

void undo_cull(const struct scene *s)
{
	(void)s;
	close(cache);
	cache = -1;
}

static int collect(int fd)
{
	static _Alignas(
		struct fiemap) char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	struct fiemap *map = (struct fiemap *)room;
	struct f2fs_gc_range range = { .sync = 1, .len = MIB / 4096 };

	*map = (struct fiemap){ .fm_length = MIB, .fm_extent_count = 1 };
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
		return errno;
	range.start = map->fm_extents[0].fe_physical / 4096;
	return ioctl(fd, F2FS_IOC_GARBAGE_COLLECT_RANGE, &range) < 0 ? errno : 0;
}

static int write_atomically(int fd)
{
	static const char page[4096] = { 9 };

	if (ioctl(fd, F2FS_IOC_START_ATOMIC_WRITE) < 0 ||
	    pwrite(fd, page, sizeof(page), (off_t)MIB) < 0 ||
	    ioctl(fd, F2FS_IOC_COMMIT_ATOMIC_WRITE) < 0)
		return errno;
	return 0;
}

static long call_f2fs(const struct scene *s, int fd, unsigned long call)
{
	struct f2fs_defragment all = { .len = OPERATION_SIZE };
	struct f2fs_move_range move = {
		.dst_fd = (uint32_t)s->other_fd, .pos_in = MIB, .pos_out = MIB, .len = MIB
	};
	struct f2fs_sectrim_range trim = {
		.start = MIB, .len = MIB, .flags = F2FS_TRIM_FILE_DISCARD | F2FS_TRIM_FILE_ZEROOUT
	};
	uint32_t pin = 1;

	switch (call) {
	case F2FS_DEFRAGMENT:
		return ioctl(fd, F2FS_IOC_DEFRAGMENT, &all);
	case F2FS_MOVE:
		return ioctl(fd, F2FS_IOC_MOVE_RANGE, &move);
	case F2FS_TRIM:
		return ioctl(fd, F2FS_IOC_SEC_TRIM_FILE, &trim);
	default:
		return ioctl(fd, F2FS_IOC_SET_PIN_FILE, &pin);
	}
}

int run_f2fs(const struct scene *s, unsigned long call)
{
	int fd = open(s->path, O_RDWR | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	if (call == F2FS_COLLECT)
		error = collect(fd);
	else if (call == F2FS_ATOMIC)
		error = write_atomically(fd);
	else
		error = call_f2fs(s, fd, call) < 0 ? errno : 0;
	close(fd);
	return error;
}
