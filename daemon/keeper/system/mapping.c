// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mapping.c - see mapping.h.
 *
 * A file is mapped at an address that is congruent to its offset modulo 2 MiB, or to the file's own
 * page size where that is larger, so that huge pages are possible.
 *
 * What always holds:
 *   - Nothing is mapped over what is there already. mmap(2) with MAP_FIXED over a range that was kept
 *     free for it does that all the same: where it fails it has unmapped the range, and what is
 *     there when it is tried otherwise may be another thread's.
 *   - Between two mappings that got the place they were to have, at least a page is left free. The
 *     kernel would make one mapping of two neighbours that continue each other in one open file, and
 *     then to fence one of them takes another mapping, which there may not be (vm.max_map_count).
 */
#include "keeper/system/mapping.h"
#include "util/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HUGE_PAGE (UINT64_C(2) << 20)
#define WISHES_MAX 8
#define LENGTH_MAX (UINT64_C(1) << 46)
#define HUGETLBFS_MAGIC_NUMBER 0x958458f6

#ifndef MADV_POPULATE_READ /* of Linux 5.14; older headers have no name for it */
#define MADV_POPULATE_READ 22
#endif
#ifndef SYS_cachestat /* of Linux 6.5, likewise */
#define SYS_cachestat 451
#endif

static const struct {
	uint32_t magic;
	const char *name;
	bool memory; /* its files are memory and nothing else: fsync(2) keeps nothing */
	bool foreign;
	bool extents;
} filesystems[] = {
	{ XFS_SUPER_MAGIC, "xfs", false, false, true },
	{ 0xef53, "ext4", false, false, true },
	{ 0x9123683e, "btrfs", false, false, true },
	{ 0x01021994, "tmpfs", true, false, false },
	{ 0x858458f6, "ramfs", true, false, false },
	{ HUGETLBFS_MAGIC_NUMBER, "hugetlbfs", true, false, false },
	{ 0xf2f52010, "f2fs", false, false, true },
	{ 0x6969, "nfs", false, true, false },
	{ 0x65735546, "fuse", false, true, false },
	{ 0x794c7630, "overlay", false, true, false },
	{ 0x0bd00bd0, "lustre", false, true, false },
};

/* A number in a sysfs file of a character device. */
static int read_device_attribute(dev_t device, const char *name, uint64_t *ret)
{
	char path[64], text[32] = "";
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(device), minor(device), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	*ret = strtoull(text, NULL, 0);
	return 0;
}

static bool is_device_dax(dev_t device)
{
	char path[64], target[256] = "";
	const char *name;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(device), minor(device));
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return false;
	name = strrchr(target, '/');
	return name && strcmp(name, "/dax") == 0;
}

void mapping_note_filesystem(struct mapping *m, uint32_t magic)
{
	m->xfs = magic == XFS_SUPER_MAGIC;
	for (size_t i = 0; i < ARRAY_SIZE(filesystems); i++)
		if (magic == filesystems[i].magic) {
			snprintf(m->filesystem, sizeof(m->filesystem), "%s", filesystems[i].name);
			m->memory = filesystems[i].memory;
			m->foreign = filesystems[i].foreign;
			m->extents = filesystems[i].extents;
			return;
		}
	snprintf(m->filesystem, sizeof(m->filesystem), "fs %#x", (unsigned int)magic);
	m->memory = m->extents = false;
	m->foreign = true;
}

/* What kind of thing the descriptor is, and how it may be used. */
static int judge_descriptor(struct mapping *m, int fd, uint64_t *ret_size, struct failure *why)
{
	int flags = fcntl(fd, F_GETFL);
	struct statfs fs;
	struct statx st;
	dev_t device;

	if (flags < 0)
		return fail(why, -EBADF, "The descriptor cannot be used: %m");
	if (flags & O_PATH)
		return fail(
			why, -EBADF,
			"The descriptor was opened with O_PATH; open it for reading or for both");
	/* a network filesystem asks its server now, and so does not in mmap(2) */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st) < 0)
		return fail(why, -errno, "The descriptor cannot be examined: %m");
	device = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	if (!S_ISREG(st.stx_mode) && !(S_ISCHR(st.stx_mode) && is_device_dax(device)))
		return fail(
			why, -EBADF,
			"The descriptor is neither a regular file nor a device-dax; only those can be a region");
	if ((flags & O_ACCMODE) == O_WRONLY)
		return fail(why, -EBADF,
			    "The descriptor is open for writing only; mapping needs reading too");
	if (m->write && (flags & O_ACCMODE) != O_RDWR)
		return fail(why, -EACCES,
			    "Access rw was asked, but the descriptor is open for reading only");

	m->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	m->inode = st.stx_ino;
	m->file_uid = st.stx_uid;
	m->named = st.stx_nlink > 0;
	m->direct = S_ISREG(st.stx_mode) && st.stx_attributes & STATX_ATTR_DAX;
	m->granule = (uint64_t)sysconf(_SC_PAGESIZE);
	*ret_size = st.stx_size;
	if (S_ISCHR(st.stx_mode)) {
		snprintf(m->filesystem, sizeof(m->filesystem), "device-dax");
		if (read_device_attribute(device, "size", &m->device_bytes) < 0 ||
		    read_device_attribute(device, "align", &m->granule) < 0 || !m->device_bytes ||
		    !m->granule)
			return fail(why, -EBADF,
				    "The size of the device-dax cannot be read from sysfs");
		*ret_size = m->device_bytes;
	} else {
		if (fstatfs(fd, &fs) < 0)
			return fail(why, -errno, "The filesystem cannot be examined: %m");
		mapping_note_filesystem(m, (uint32_t)fs.f_type);
		if ((uint32_t)fs.f_type == HUGETLBFS_MAGIC_NUMBER)
			m->granule = (uint64_t)fs.f_bsize;
	}
	return 0;
}

uint64_t mapping_translation_bytes(uint64_t offset, uint64_t length, uint64_t granule, bool fixed)
{
	uint64_t size = fixed || granule > HUGE_PAGE ? granule : HUGE_PAGE, start;

	for (; size > granule; size /= 2) {
		start = (offset + size - 1) / size * size;
		if (start - offset <= length && length - (start - offset) >= size)
			break;
	}
	return size;
}

/*
 * A file may have become shorter than where the range begins: a region that was registered before
 * lives on, and is made anew by another keeper as it is.
 */
static int judge_range(const struct mapping *m, uint64_t size, struct failure *why)
{
	if (m->length == 0 || m->length > LENGTH_MAX)
		return fail(why, -ERANGE, "The length %" PRIu64 " is not between 1 and %" PRIu64,
			    m->length, LENGTH_MAX);
	if (m->offset % m->granule || m->length % m->granule)
		return fail(why, -ERANGE,
			    "Offset %" PRIu64 " and length %" PRIu64
			    " must be multiples of %s, %" PRIu64,
			    m->offset, m->length,
			    m->device_bytes ? "the device's alignment" : "the file's page size",
			    m->granule);
	if (m->offset > (uint64_t)INT64_MAX - m->length)
		return fail(why, -ERANGE, "Offset %" PRIu64 " plus length %" PRIu64 " overflows",
			    m->offset, m->length);
	if (m->device_bytes && m->offset + m->length > size)
		return fail(why, -ERANGE, "The range ends after the device, %" PRIu64 " bytes",
			    size);
	return 0;
}

static int protection(const struct mapping *m)
{
	return m->write ? PROT_READ | PROT_WRITE : PROT_READ;
}

static uint64_t alignment(const struct mapping *m)
{
	return m->granule > HUGE_PAGE ? m->granule : HUGE_PAGE;
}

/*
 * Where it fits, with a page to spare on either side, and behind it what filesystems with huge
 * pages want of a place before they take it (the kernel's mm/huge_memory.c). Other threads take room
 * as well, so it is no more than a wish.
 */
static int find_room(const struct mapping *m, uint64_t *ret)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start;
	uint64_t total = m->length + 2 * alignment(m) + page;
	void *p = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, total);
	start = (uint64_t)(uintptr_t)p + page;
	/* a power of two, so the wrap does no harm */
	*ret = start + (m->offset - start) % alignment(m);
	return 0;
}

/* @wish: where the kernel puts it if that is free. */
static int map_near(struct mapping *m, int fd, uint64_t wish)
{
	void *p = MAP_FAILED, *at = (void *)(uintptr_t)wish;

	if (m->write && (m->direct || m->device_bytes))
		p = mmap(at, m->length, protection(m), MAP_SHARED_VALIDATE | MAP_SYNC, fd,
			 (off_t)m->offset);
	m->synchronous = p != MAP_FAILED;
	if (p == MAP_FAILED) /* the ordinary kind */
		p = mmap(at, m->length, protection(m), MAP_SHARED, fd, (off_t)m->offset);
	if (p == MAP_FAILED)
		return -errno;
	m->address = (uint64_t)(uintptr_t)p;
	return 0;
}

/*
 * One at a time, or another one's neighbour could be mapped between the two steps. Whoever waits for
 * this would wait for the address space as well.
 */
static int map_in_room(struct mapping *m, int fd, uint64_t *ret_wish)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int r;

	pthread_mutex_lock(&lock);
	r = find_room(m, ret_wish);
	if (r == 0)
		r = map_near(m, fd, *ret_wish);
	pthread_mutex_unlock(&lock);
	return r;
}

static int map_file(struct mapping *m, int fd)
{
	for (unsigned int i = 0;; i++) {
		bool last = i == WISHES_MAX; /* without one: wherever there is room */
		uint64_t wish = 0;
		int r = last ? map_near(m, fd, wish) : map_in_room(m, fd, &wish);

		/*
		 * a device-dax that cannot be where it was wished does not look for an address that
		 * suits it, and refuses what is found (drivers/dax/device.c)
		 */
		if (last || (r == 0 && m->address == wish) ||
		    (r < 0 && !(r == -EINVAL && m->device_bytes)))
			return r;
		if (r == 0)
			munmap((void *)(uintptr_t)m->address, m->length);
		m->address = 0;
	}
}

/* Not a matter of memory, and not of locked memory at all. */
static int no_mapping(int error, struct failure *why)
{
	return fail(
		why, error == -ENOMEM ? -EMFILE : error,
		"No room for it in the keeper's address space: %s; vm.max_map_count (sysctl) limits the "
		"number of mappings",
		strerror(-error));
}

int mapping_new(struct mapping **ret, int *fd, uint64_t offset, uint64_t length, bool write,
		struct failure *why)
{
	_cleanup_(mapping_freep) struct mapping *m = calloc(1, sizeof(*m));
	uint64_t size;
	int r;

	if (!m)
		return -ENOMEM;
	*m = (struct mapping){ .fd = -1, .offset = offset, .length = length, .write = write };
	r = judge_descriptor(m, *fd, &size, why);
	if (r < 0)
		return r;
	r = judge_range(m, size, why);
	if (r < 0)
		return r;
	r = map_file(m, *fd);
	if (r < 0)
		return r == -ENOMEM ? no_mapping(r, why)
				    : fail(why, r == -EPERM ? -EACCES : r,
					   "The file cannot be mapped: %s", strerror(-r));
	/*
	 * khugepaged, while it puts pages of a file together, waits for whoever truncates it, who
	 * waits for one of those pages: both for ever (docs/upstream/collapse-deadlock.md). It
	 * leaves our mappings of the page cache alone.
	 */
	if (!m->direct && !m->memory && !m->device_bytes)
		madvise((void *)(uintptr_t)m->address, m->length, MADV_NOHUGEPAGE);
	/* a core dump of the keeper is no place for a tenant's data */
	madvise((void *)(uintptr_t)m->address, m->length, MADV_DONTDUMP);
	m->translation_bytes = mapping_translation_bytes(
		offset, length, m->granule,
		m->device_bytes || m->granule > (uint64_t)sysconf(_SC_PAGESIZE));
	m->fd = steal_fd(fd);
	*ret = steal_pointer(m);
	return 0;
}

uint64_t mapping_storage(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return 1;
	return (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor | UINT64_C(1) << 63;
}

/*
 * munmap(2) of a FUSE file writes back what is dirty, and keeps the address space for as long as
 * the server takes.
 */
static void wait_for_storage(const struct mapping *m)
{
	struct statx st;

	(void)!fdatasync(m->fd);
	(void)!statx(m->fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &st);
}

struct mapping *mapping_free(struct mapping *m)
{
	if (!m)
		return NULL;
	if (m->foreign && m->fd >= 0)
		wait_for_storage(m);
	if (m->address)
		munmap((void *)(uintptr_t)m->address, m->length);
	closep(&m->fd);
	free(m);
	return NULL;
}

int mapping_fence(struct mapping *m, uint64_t *start, uint64_t *end)
{
	uint64_t first = *start, last = *end < m->length ? *end : m->length;

	if (first >= last)
		return 0;
	first = first / m->granule * m->granule;
	last = (last + m->granule - 1) / m->granule * m->granule;
	if (mprotect((void *)(uintptr_t)(m->address + first), last - first, PROT_NONE) < 0) {
		/* a part needs a mapping more, or two; all of it needs none */
		if (errno != ENOMEM ||
		    mprotect((void *)(uintptr_t)m->address, m->length, PROT_NONE) < 0)
			return -errno;
		first = 0;
		last = m->length;
	}
	*start = first < *start ? first : *start;
	*end = last > *end ? last : *end;
	return 0;
}

int mapping_unfence(struct mapping *m)
{
	if (mprotect((void *)(uintptr_t)m->address, m->length, protection(m)) < 0)
		return -errno;
	return 0;
}

int mapping_drop(struct mapping *m, uint64_t start, uint64_t end)
{
	start = start / m->granule * m->granule;
	end = end < m->length ? (end + m->granule - 1) / m->granule * m->granule : m->length;
	if (start >= end)
		return 0;
	return madvise((void *)(uintptr_t)(m->address + start), end - start, MADV_DONTNEED) < 0
		       ? -errno
		       : 0;
}

bool mapping_is_durable(const struct mapping *m)
{
	return !m->memory && !m->device_bytes;
}

void mapping_load(const struct mapping *m, uint64_t offset, uint64_t length)
{
	if (mapping_is_durable(m)) /* else there is nothing that it would be read from */
		madvise((void *)(uintptr_t)(m->address + offset), length, MADV_POPULATE_READ);
}

/*
 * The kernel waits for the freeze to end before it looks at the value, finds that it is no set of
 * capabilities, and refuses it, root's too. It does that before it takes the inode's lock, which
 * somebody in a long write(2) may have: so nothing but a freeze is waited for. A pwrite(2) of no
 * bytes would take that lock, and be an event of the gate's; fremovexattr(2) would take it as well.
 */
void mapping_await_writable(const struct mapping *m)
{
	if (mapping_is_durable(m)) /* memory is not frozen */
		(void)!fsetxattr(m->fd, "security.capability", "", 1, 0);
}

bool mapping_is_dirty(const struct mapping *m, uint64_t offset, uint64_t length)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), valid;
	/* as cachestat(2) has them; those found in pages */
	struct {
		uint64_t offset, length;
	} range = { m->offset + offset, length };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} found;

	if (m->direct || !mapping_is_durable(m) || mapping_valid_length(m, &valid) < 0 ||
	    valid <= offset)
		return false;
	if (range.length > valid - offset)
		range.length = valid - offset;
	if (syscall(SYS_cachestat, m->fd, &range, &found, 0) < 0)
		return false;
	return found.dirty == (range.length + page - 1) / page && !found.writeback;
}

int mapping_read(const struct mapping *m, uint64_t offset, void *buffer, size_t length)
{
	struct iovec here = { buffer, length };
	struct iovec there = { (void *)(uintptr_t)(m->address + offset), length };
	ssize_t n;

	if (m->direct || m->device_bytes)
		return -EOPNOTSUPP;
	if (offset > m->length || length > m->length - offset)
		return -EFAULT;
	n = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EFAULT;
}

int mapping_valid_length(const struct mapping *m, uint64_t *ret)
{
	uint64_t size = m->device_bytes;
	struct statx st;

	if (!size) {
		if (statx(m->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &st) < 0)
			return -errno;
		size = st.stx_size;
	}
	if (size <= m->offset)
		*ret = 0;
	else
		*ret = size - m->offset < m->length ? size - m->offset : m->length;
	return 0;
}

bool mapping_device_is_gone(const struct mapping *m)
{
	return m->device_bytes &&
	       madvise((void *)(uintptr_t)m->address, m->granule, MADV_POPULATE_READ) < 0 &&
	       errno == EFAULT;
}

#define TOUCHES 8 /* of a page that can be read and not be had */

/* A page that is in memory and not given for writing: what the filesystem says of itself. */
static int explain_write(const struct mapping *m, uint64_t offset)
{
	struct statfs fs;
	char byte;

	/*
	 * one that was shut down gives what is in memory, and refuses even to look at the rest;
	 * statfs(2) goes on as ever
	 */
	if (pread(m->fd, &byte, 1, (off_t)(m->offset + offset)) < 0)
		return -errno;
	if (fstatfs(m->fd, &fs) < 0)
		return -errno;
	if (fs.f_flags & ST_RDONLY)
		return -EROFS;
	/* what is left of blocks may be promised already; less than a MiB is none */
	if ((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < UINT64_C(1) << 20)
		return -ENOSPC;
	return -EDQUOT;
}

enum page_state {
	PAGE_HAD = 0,
	PAGE_BEHIND_THE_END,
};

/*
 * Touches a page. A file that was shorter for a moment, or a fence, looks like a failure that is
 * there to stay: so a page whose byte can be read is tried again. enum page_state or -errno:
 * -EFAULT: it cannot be had, -EIO: nor read.
 */
static int touch(const struct mapping *m, uint64_t at, int advice)
{
	void *page = (void *)(uintptr_t)(m->address + at);
	char byte;
	ssize_t n;

	for (unsigned int i = 0; i < TOUCHES; i++) {
		if (madvise(page, m->granule, advice) == 0)
			return PAGE_HAD;
		if (errno != EFAULT)
			return -errno;
		if (m->device_bytes)
			return -EIO;
		n = pread(m->fd, &byte, 1, (off_t)(m->offset + at));
		if (n <= 0)
			return n < 0 ? -EIO : PAGE_BEHIND_THE_END;
	}
	return -EFAULT;
}

int mapping_explain(const struct mapping *m, uint64_t offset, uint64_t length, bool write,
		    uint64_t *ret_offset)
{
	for (uint64_t at = offset; at < offset + length; at += m->granule) {
		int r = touch(m, at, MADV_POPULATE_READ);

		*ret_offset = at;
		/* a hole of a file in memory takes a page also when it is read */
		if (r == -EFAULT && m->memory)
			return explain_write(m, at);
		if (r == PAGE_HAD && write) {
			r = touch(m, at, MADV_POPULATE_WRITE);
			if (r == -EFAULT || r == -EIO)
				return explain_write(m, at);
		}
		if (r)
			return r == PAGE_BEHIND_THE_END ? 0 : r;
	}
	return 0;
}

const char *mapping_explanation(int error)
{
	switch (-error) {
	case ENOSPC:
		return "The filesystem has no space left, and to write there takes some";
	case EDQUOT:
		return "The filesystem gives no block although it has space: most likely a quota is used up";
	case EROFS:
		return "The filesystem is read-only now";
	case EIO:
		return "The storage failed, or the filesystem was shut down; see the kernel's log";
	case EHWPOISON:
		return "Memory failed there; see the kernel's log";
	case ENOMEM:
		return "No memory is left, or none that the keeper's control group allows";
	case EFAULT:
		return "A page cannot be had, and why is not known; see the kernel's log";
	default:
		return NULL;
	}
}
