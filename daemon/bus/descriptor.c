// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * descriptor.c - is this descriptor, and this range of it, something that a region can be made of?
 *
 * The keeper checks again: it is what maps the file. Here the caller gets an exact answer before a
 * keeper is started for it.
 *
 * What always holds: this runs where it can be given up (examine.c), since the caller may have
 * mounted the filesystem, and its server may never answer; unless the file is in memory. A network
 * filesystem is not asked for a size that the kernel has (AT_STATX_DONT_SYNC); some look at the file
 * all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/magic.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/file-id.h"
#include "util/text.h"

#define INVALID_FILE RDMAREG_ERROR_INVALID_FILE
#define INVALID_RANGE RDMAREG_ERROR_INVALID_RANGE

/* enum fid_type of the kernel: with and without a parent, and of another subvolume */
#define HANDLE_BTRFS_FIRST 0x4d
#define HANDLE_BTRFS_LAST 0x4f

/*
 * Only these have seals. The kernel looks at what functions the file has (mm/memfd.c) and calls none
 * of them, so no server of FUSE or NFS hears of it. Of these files neither statx(2) (mm/shmem.c;
 * hugetlbfs has nothing of its own for it) nor the path takes more than spin locks.
 */
bool descriptor_is_in_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static const char *kind_of(unsigned int mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFSOCK:
		return "a socket";
	case S_IFIFO:
		return "a pipe";
	case S_IFBLK:
		return "a block device";
	case S_IFCHR:
		return "a character device that is no device-dax";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "neither a regular file nor device-dax";
	}
}

/* A number that a device says of itself in sysfs. */
static int device_number(unsigned int major_number, unsigned int minor_number, const char *name,
			 uint64_t *ret)
{
	char path[64], text[32];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major_number, minor_number, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ENODEV;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ENODEV;
	text[n] = 0;
	*ret = strtoull(text, NULL, 10);
	return 0;
}

/* What a device-dax is made of. -ENODEV: the device is something else. */
static int examine_dax(unsigned int major_number, unsigned int minor_number, struct extent *ret)
{
	struct extent dax = { .is_device = true };
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major_number, minor_number);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -ENODEV;
	target[n] = 0;
	base = strrchr(target, '/');
	if (!base || strcmp(base, "/dax"))
		return -ENODEV;
	if (device_number(major_number, minor_number, "size", &dax.size) < 0 ||
	    device_number(major_number, minor_number, "align", &dax.alignment) < 0 ||
	    !dax.alignment)
		return -ENODEV;
	*ret = dax;
	return 0;
}

static int check_mode(struct register_request *q, int fd, struct failure *f)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return failure_set(f, INVALID_FILE, "the descriptor cannot be used: %s",
				   strerror(errno));
	if (flags & O_PATH)
		return failure_set(
			f, INVALID_FILE,
			"the descriptor was opened with O_PATH, which gives no right to the "
			"contents: open the file O_RDONLY or O_RDWR");
	if ((flags & O_ACCMODE) == O_WRONLY)
		return failure_set(
			f, INVALID_FILE,
			"the descriptor was opened O_WRONLY, which cannot be mapped: open the "
			"file O_RDONLY or O_RDWR");
	if (q->access == ACCESS_READ_WRITE && (flags & O_ACCMODE) != O_RDWR)
		return failure_set(
			f, RDMAREG_ERROR_ACCESS_DENIED,
			"access 'rw' needs a descriptor opened O_RDWR, this one was opened O_RDONLY: open the file "
			"for writing, or ask for access 'r'");
	return 0;
}

/*
 * A device has no bytes beyond its end, and none can be mapped that is not a whole unit of its
 * alignment.
 */
static int check_device_range(const struct register_request *q, const struct extent *device,
			      struct failure *f)
{
	if (q->length % device->alignment)
		return failure_set(f, INVALID_RANGE,
				   "length %" PRIu64
				   " is not a multiple of the device's alignment %" PRIu64,
				   q->length, device->alignment);
	if (q->length > device->size - q->offset)
		return failure_set(f, INVALID_RANGE,
				   "offset %" PRIu64 " and length %" PRIu64
				   " reach beyond the end of the device, which has %" PRIu64
				   " bytes",
				   q->offset, q->length, device->size);
	return 0;
}

int descriptor_check_range(struct register_request *q, const struct extent *file, struct failure *f)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end;

	if (q->offset % file->alignment)
		return failure_set(f, INVALID_RANGE,
				   "offset %" PRIu64 " is not a multiple of the %s %" PRIu64,
				   q->offset, file->is_device ? "device's alignment" : "page size",
				   file->alignment);
	if (q->offset >= file->size)
		return failure_set(
			f, INVALID_RANGE,
			"offset %" PRIu64 " is not inside the %s, which has %" PRIu64 " bytes%s",
			q->offset, file->is_device ? "device" : "file", file->size,
			file->size || file->is_device ? ""
						      : ": give it a size with ftruncate(2) first");
	if (!q->length)
		q->length = file->size - q->offset;
	if (file->is_device)
		return check_device_range(q, file, f);
	if (__builtin_add_overflow(q->length, page - 1, &end))
		return failure_set(f, INVALID_RANGE, "length %" PRIu64 " is longer than any file",
				   q->length);
	q->length = end / page * page;
	if (__builtin_add_overflow(q->offset, q->length, &end) || end > INT64_MAX)
		return failure_set(f, INVALID_RANGE,
				   "offset %" PRIu64 " and length %" PRIu64
				   " together lie beyond the end of any file",
				   q->offset, q->length);
	return 0;
}

static int look_at(int fd, struct statx *ret, struct failure *f)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, FILE_ID_MASK | STATX_SIZE, ret) == 0)
		return 0;
	return failure_set(f, INVALID_FILE, "the descriptor cannot be examined: %s",
			   strerror(errno));
}

/* The same with a descriptor of something that regions are made of. */
static int look_at_file(int fd, struct statx *ret, struct extent *ret_extent, struct failure *f)
{
	int r = look_at(fd, ret, f);

	if (r)
		return r;
	*ret_extent = (struct extent){ .size = ret->stx_size,
				       .alignment = (uint64_t)sysconf(_SC_PAGESIZE) };
	if (S_ISREG(ret->stx_mode) ||
	    (S_ISCHR(ret->stx_mode) &&
	     examine_dax(ret->stx_rdev_major, ret->stx_rdev_minor, ret_extent) == 0))
		return 0;
	return failure_set(
		f, INVALID_FILE,
		"the descriptor is %s: a region is made of a regular file, a memfd, or device-dax",
		kind_of(ret->stx_mode));
}

int descriptor_find_file(int fd, uint64_t *ret_device, uint64_t *ret_inode,
			 struct failure *ret_failure)
{
	struct extent file;
	struct statx st;
	int r = look_at_file(fd, &st, &file, ret_failure);

	if (r)
		return r;
	*ret_device = file_device(&st);
	*ret_inode = st.stx_ino;
	return 0;
}

/*
 * Told by the kind of its file handle, for which no server is asked: statfs(2) asks the one of a
 * FUSE or network filesystem.
 */
static bool is_btrfs(int fd)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .handle.handle_bytes = MAX_HANDLE_SZ };
	struct statfs fs;
	int mount;

	return name_to_handle_at(fd, "", &u.handle, &mount, AT_EMPTY_PATH) == 0 &&
	       u.handle.handle_type >= HANDLE_BTRFS_FIRST &&
	       u.handle.handle_type <= HANDLE_BTRFS_LAST && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == BTRFS_SUPER_MAGIC;
}

/* f_fsid of statfs(2) is of no use: it has the subvolume's number mixed in. */
static int find_uuid(int fd, const struct statx *st, uint64_t ret[2])
{
	struct btrfs_ioctl_fs_info_args info = { 0 };
	_cleanup_(closep) int again = -1;
	char path[64];

	_Static_assert(sizeof(info.fsid) == 2 * sizeof(*ret), "a filesystem's uuid");
	if (st->stx_dev_major || !is_btrfs(fd)) /* a number of a block device is the filesystem's */
		return 0;
	if (!S_ISREG(st->stx_mode) && !S_ISDIR(st->stx_mode))
		return -EINVAL;
	if (fcntl(fd, F_GETFL) & O_PATH) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (again < 0)
			return -errno;
		fd = again;
	}
	if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
		return -errno;
	memcpy(ret, info.fsid, sizeof(info.fsid));
	return 0;
}

static int find_filesystem(int fd, const struct statx *st, struct filesystem *ret,
			   struct failure *f)
{
	int r;

	*ret = (struct filesystem){ .device = file_device(st) };
	r = find_uuid(fd, st, ret->uuid);
	if (r == 0)
		return 0;
	return failure_set(
		f, INVALID_FILE,
		"the btrfs that the descriptor is on cannot be learned: %s: name it by a folder or regular file of it",
		strerror(-r));
}

int descriptor_find_filesystem(int fd, struct filesystem *ret, struct failure *ret_failure)
{
	struct statx st;
	int r = look_at(fd, &st, ret_failure);

	return r ? r : find_filesystem(fd, &st, ret, ret_failure);
}

/*
 * As mountinfo has it, for which no server is asked. Each subvolume of a btrfs has a number that is
 * not there.
 */
void filesystem_type(const struct filesystem *on, char out[static FILESYSTEM_TYPE_MAX])
{
	_cleanup_(freep) char *line = NULL;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned int major_number, minor_number;
	const char *rest;
	size_t room = 0;

	strcpy(out, on->uuid[0] || on->uuid[1] ? "btrfs" : "");
	while (f && !*out && getline(&line, &room, f) > 0)
		if (sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) == 2 &&
		    makedev(major_number, minor_number) == on->device &&
		    (rest = strstr(line, " - ")))
			sscanf(rest, " - %31s", out);
	if (f)
		fclose(f);
	if (!*out)
		strcpy(out, "filesystem");
}

void descriptor_path(int fd, char out[static DESCRIPTOR_PATH_MAX])
{
	char link[64], target[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	text_clean(out, DESCRIPTOR_PATH_MAX, target, n > 0 ? (size_t)n : 0);
}

/*
 * A regular file to stat(2), from which the kernel gives pages to no adapter. Asked for its
 * filesystem only under the name that the kernel gives it: that asks a server, where there is one.
 */
static bool is_secret_memory(int fd, const char *path)
{
	struct statfs filesystem;

	return !strcmp(path, "/secretmem (deleted)") && fstatfs(fd, &filesystem) == 0 &&
	       filesystem.f_type == SECRETMEM_MAGIC;
}

int descriptor_check(struct register_request *q, int fd, uint64_t offset, uint64_t length,
		     uint32_t uid, char path[static DESCRIPTOR_PATH_MAX],
		     struct failure *ret_failure)
{
	struct extent file;
	struct statx st;
	int r;

	q->fd = fd;
	q->offset = offset;
	q->length = length;
	r = look_at_file(fd, &st, &file, ret_failure);
	if (r)
		return r;
	r = check_mode(q, fd, ret_failure);
	if (r)
		return r;
	r = descriptor_check_range(q, &file, ret_failure);
	if (r)
		return r;
	/* not asked without need: it is a server that answers, of a filesystem that has one */
	if (q->pre_content) {
		struct statfs filesystem;

		if (fstatfs(fd, &filesystem) < 0)
			return failure_set(ret_failure, INVALID_FILE,
					   "the filesystem of the descriptor cannot be learned: %s",
					   strerror(errno));
		q->filesystem = (uint32_t)filesystem.f_type;
	}
	if (file.is_device || q->in_memory)
		q->on = (struct filesystem){ .device = file_device(&st) };
	else if ((r = find_filesystem(fd, &st, &q->on, ret_failure)))
		return r;
	q->owns_file = uid == 0 || uid == st.stx_uid;
	q->file_uid = st.stx_uid;
	q->inode = st.stx_ino;
	q->born_nsec = file_born_nsec(&st);
	descriptor_path(fd, path);
	q->path = path;
	if (is_secret_memory(fd, path))
		return failure_set(
			ret_failure, INVALID_FILE,
			"the descriptor is secret memory (memfd_secret(2)), which the kernel lets no adapter "
			"read or write: use memfd_create(2)");
	return 0;
}
