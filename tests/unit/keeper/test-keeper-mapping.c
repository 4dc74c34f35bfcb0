// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-mapping.c - which descriptors and ranges can be mapped, and what fence and
 * reservation do to the memory, seen through the memory itself.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "keeper/system/mapping.h"
#include "small-file.h"
#include "util/cleanup.h"
#include "util/macros.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

/* Mappings of files fail, and another thread may have what room that leaves. */
static struct {
	int error; /* 0: they do not; EOPNOTSUPP: only synchronous ones do */
	char *at;  /* the other thread's */
	size_t length;
} other;

static unsigned int file_mappings;

/*
 * In the place of the C library's. One with MAP_FIXED that fails in the filesystem has unmapped
 * what was there (the kernel's mm/vma.c), and any other thread's mmap(2) may be given the room
 * before this one returns.
 */
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	file_mappings += fd >= 0;
	if (fd < 0 || !other.error || (other.error == EOPNOTSUPP && !(flags & MAP_SYNC)))
		return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
	if (flags & MAP_FIXED && !other.at) {
		assert(munmap(at, length) == 0);
		other.length = length;
		other.at =
			(char *)syscall(SYS_mmap, at, length, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		assert(other.at == at);
		memset(other.at, 'o', length);
	}
	errno = other.error;
	return MAP_FAILED;
}

static int make_memfd(uint64_t size, unsigned int flags)
{
	int fd = memfd_create("test", MFD_CLOEXEC | flags);

	assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}

static int directory(void)
{
	return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int stream_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int pipe_end(void)
{
	int p[2];

	assert(pipe2(p, O_CLOEXEC) == 0);
	close(p[1]);
	return p[0];
}

static int character_device(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int path_only(void)
{
	return reopen(make_memfd(MIB, 0), O_PATH);
}

static int write_only(void)
{
	return reopen(make_memfd(MIB, 0), O_WRONLY);
}

static int read_only(void)
{
	return reopen(make_memfd(MIB, 0), O_RDONLY);
}

static int read_write(void)
{
	return make_memfd(MIB, 0);
}

static int sealed(void)
{
	int fd = make_memfd(MIB, MFD_ALLOW_SEALING);

	assert(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	return fd;
}

static int empty(void)
{
	return make_memfd(0, 0);
}

static int not_open(void)
{
	return 987;
}

static const struct {
	const char *name;
	int (*make)(void);
	uint64_t offset, length;
	bool write;
	int error;
} table[] = {
	{ "directory", directory, 0, PAGE, false, -EBADF },
	{ "socket", stream_socket, 0, PAGE, false, -EBADF },
	{ "pipe", pipe_end, 0, PAGE, false, -EBADF },
	{ "device", character_device, 0, PAGE, false, -EBADF },
	{ "O_PATH", path_only, 0, PAGE, false, -EBADF },
	{ "O_WRONLY", write_only, 0, PAGE, false, -EBADF },
	{ "O_WRONLY for rw", write_only, 0, PAGE, true, -EBADF },
	{ "not open", not_open, 0, PAGE, false, -EBADF },
	{ "rw of O_RDONLY", read_only, 0, PAGE, true, -EACCES },
	{ "rw of a sealed one", sealed, 0, PAGE, true, -EACCES },
	{ "r of O_RDONLY", read_only, 0, PAGE, false, 0 },
	{ "r of a sealed one", sealed, 0, PAGE, false, 0 },
	{ "r of O_RDWR", read_write, 0, PAGE, false, 0 },
	{ "rw of O_RDWR", read_write, 0, MIB, true, 0 },
	{ "unaligned offset", read_write, 1, PAGE, true, -ERANGE },
	{ "unaligned length", read_write, 0, PAGE + 1, true, -ERANGE },
	{ "nothing", read_write, 0, 0, true, -ERANGE },
	{ "offset at the end", read_write, MIB, PAGE, true, 0 },
	{ "offset after the end", read_write, 2 * MIB, PAGE, true, 0 },
	{ "of an empty file", empty, 0, PAGE, true, 0 },
	{ "beyond the end", read_write, MIB - PAGE, 4 * MIB, true, 0 },
	{ "huge length", read_write, 0, UINT64_C(1) << 47, true, -ERANGE },
	{ "longest length", read_write, 0, UINT64_MAX, true, -ERANGE },
	{ "longest aligned length", read_write, 0, -PAGE, true, -ERANGE },
	{ "overflow", read_write, (UINT64_C(1) << 63) - PAGE, 2 * PAGE, true, -ERANGE },
	{ "overflow of 64 bits", read_write, -PAGE, 2 * PAGE, true, -ERANGE },
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct failure why = { 0 };
		struct mapping *m = NULL;
		int fd = table[i].make(), before = fd, r;

		r = mapping_new(&m, &fd, table[i].offset, table[i].length, table[i].write, &why);
		if (r != table[i].error || (r < 0 && !why.text[0])) {
			fprintf(stderr, "%s: %d, not %d: %s\n", table[i].name, r, table[i].error,
				why.text);
			assert(!"as in the table");
		}
		if (r == 0)
			assert(fd == -1 && m->fd == before);
		else
			assert(fd == before && !m);
		m = mapping_free(m);
		if (fd >= 0)
			close(fd);
	}
}

static sigjmp_buf back;

static void on_fault(int signal)
{
	siglongjmp(back, signal);
}

/* 0, or the signal that a look at this address costs. */
static int fault_at(uint64_t address, bool write)
{
	volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)address;
	int signal = sigsetjmp(back, 1);

	if (signal)
		return signal;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

static int fence(struct mapping *m, uint64_t start, uint64_t end)
{
	return mapping_fence(m, &start, &end);
}

static void test_fence(void)
{
	struct mapping *m;
	int fd = make_memfd(4 * MIB, 0), twin = reopen(fd, O_RDWR);
	uint64_t length;

	assert(mapping_new(&m, &fd, MIB, 2 * MIB, true, NULL) == 0);
	assert((m->address - m->offset) % (2 * MIB) == 0);
	assert(pwrite(twin, "hello", 5, (off_t)MIB) == 5);
	assert(memcmp((void *)(uintptr_t)m->address, "hello", 5) == 0);

	assert(fence(m, 0, m->length) == 0);
	assert(fault_at(m->address, false) == SIGSEGV &&
	       fault_at(m->address + 2 * MIB - 1, true) == SIGSEGV);
	assert(fence(m, 0, m->length) == 0); /* twice is once */

	/* nobody else gets the range meanwhile */
	for (int i = 0; i < 64; i++) {
		uint64_t p = (uint64_t)(uintptr_t)mmap(NULL, 2 * MIB, PROT_READ,
						       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert(p + 2 * MIB <= m->address || p >= m->address + m->length);
	}
	assert(mapping_unfence(m) == 0);
	assert(memcmp((void *)(uintptr_t)m->address, "hello", 5) == 0 &&
	       fault_at(m->address, true) == 0);

	/* a part, widened to whole pages; the rest stays */
	assert(fence(m, MIB + 5, MIB + 6) == 0);
	assert(fault_at(m->address + MIB, false) == SIGSEGV &&
	       fault_at(m->address + MIB + PAGE - 1, true) == SIGSEGV);
	assert(fault_at(m->address + MIB - 1, true) == 0 &&
	       fault_at(m->address + MIB + PAGE, true) == 0);
	assert(fence(m, 7, 7) == 0 && fault_at(m->address, true) == 0); /* nothing */
	assert(fence(m, 2 * MIB - 1, UINT64_MAX) == 0);			/* not beyond its end */
	assert(fault_at(m->address + 2 * MIB - PAGE, false) == SIGSEGV);
	assert(mapping_unfence(m) == 0);
	assert(fault_at(m->address + MIB, true) == 0 &&
	       fault_at(m->address + 2 * MIB - 1, true) == 0);

	assert(mapping_valid_length(m, &length) == 0 && length == 2 * MIB);
	assert(ftruncate(twin, (off_t)(2 * MIB + 5)) == 0);
	assert(mapping_valid_length(m, &length) == 0 && length == MIB + 5);
	assert(fault_at(m->address + MIB + PAGE, false) == SIGBUS);
	assert(ftruncate(twin, (off_t)MIB) == 0);
	assert(mapping_valid_length(m, &length) == 0 && length == 0);
	assert(ftruncate(twin, 0) == 0);
	assert(mapping_valid_length(m, &length) == 0 && length == 0);
	assert(ftruncate(twin, (off_t)(9 * MIB)) == 0);
	assert(mapping_valid_length(m, &length) == 0 && length == 2 * MIB);
	mapping_free(m);
	close(twin);
}

/* A page table of this process has a page there. */
static bool is_mapped(uint64_t address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	assert(fd >= 0 &&
	       pread(fd, &entry, sizeof(entry), (off_t)(address / PAGE * 8)) == sizeof(entry));
	close(fd);
	return entry >> 63;
}

/* Pages of a part are forgotten and found again; fenced stays fenced. */
static void test_drop(void)
{
	struct mapping *m;
	int fd = make_memfd(MIB, 0);

	assert(mapping_new(&m, &fd, 0, MIB, true, NULL) == 0);
	for (uint64_t at = 0; at < MIB; at += PAGE)
		*(volatile char *)(uintptr_t)(m->address + at) = 'x';
	assert(mapping_drop(m, 2 * PAGE + 1, 3 * PAGE + 1) == 0);
	assert(is_mapped(m->address + PAGE) && !is_mapped(m->address + 2 * PAGE));
	assert(!is_mapped(m->address + 3 * PAGE) && is_mapped(m->address + 4 * PAGE));
	assert(*(volatile char *)(uintptr_t)(m->address + 2 * PAGE) == 'x' &&
	       is_mapped(m->address + 2 * PAGE));
	assert(mapping_drop(m, MIB, MIB + PAGE) == 0 &&
	       mapping_drop(m, PAGE, PAGE) == 0); /* nothing */
	assert(is_mapped(m->address + PAGE) && is_mapped(m->address + MIB - 1));
	assert(mapping_drop(m, MIB - 1, UINT64_MAX) == 0 && !is_mapped(m->address + MIB - 1));
	assert(fence(m, 0, MIB) == 0 && mapping_drop(m, 0, MIB) == 0 &&
	       fault_at(m->address, false) == SIGSEGV);
	mapping_free(m);
}

/* Dirty is what is told for certain, and all of what was asked for. */
static void test_dirty(void)
{
	char path[] = "test-keeper-mapping.XXXXXX", page[PAGE] = "";
	int fd = mkostemp(path, O_CLOEXEC), memory = make_memfd(MIB, 0);
	struct mapping *m;
	bool told;

	assert(fd >= 0 && unlink(path) == 0);
	for (uint64_t at = 0; at < MIB / 2 - 100; at += PAGE)
		assert(pwrite(fd, page, PAGE, (off_t)at) == (ssize_t)PAGE);
	assert(ftruncate(fd, MIB / 2 - 100) == 0);
	told = mapping_is_dirty(&(struct mapping){ .fd = fd, .length = MIB }, 0, PAGE);
	assert(mapping_new(&m, &fd, 0, MIB, true, NULL) == 0);
	if (told) { /* by this kernel, and filesystem */
		assert(mapping_is_dirty(m, 0, MIB) && mapping_is_dirty(m, 0, 5) &&
		       mapping_is_dirty(m, MIB / 2 - PAGE, 2 * PAGE));
		m->direct = true;
		assert(!mapping_is_dirty(m, 0, MIB));
		m->direct = false;
		assert(fdatasync(m->fd) == 0 && !mapping_is_dirty(m, 0, PAGE));
		assert(pwrite(m->fd, page, PAGE, PAGE) == (ssize_t)PAGE);
		assert(mapping_is_dirty(m, PAGE, PAGE) && !mapping_is_dirty(m, 0, MIB / 2));
	} else {
		printf("# not told here which pages are dirty\n");
	}
	assert(!mapping_is_dirty(m, MIB / 2, PAGE) && !mapping_is_dirty(m, MIB, PAGE) &&
	       !mapping_is_dirty(m, UINT64_MAX, 2));
	mapping_free(m);
	assert(mapping_new(&m, &memory, 0, MIB, true, NULL) == 0);
	assert(!mapping_is_dirty(m, 0, MIB)); /* memory is nowhere to be written to */
	mapping_free(m);
}

/* Bytes of the mapping are had without a touch of it, and what is not there is no signal. */
static void test_read(void)
{
	static const struct {
		uint64_t offset;
		size_t length;
		int error;
	} reads[] = {
		{ 0, PAGE, 0 },
		{ MIB / 2 - PAGE, PAGE, 0 },
		{ MIB / 2, PAGE, -EFAULT }, /* behind the end of the file */
		{ MIB / 2 - 1, 2, -EFAULT },
		{ MIB - PAGE, PAGE + 1, -EFAULT }, /* of the range */
		{ MIB, 1, -EFAULT },
		{ UINT64_MAX, 2, -EFAULT },
		{ MIB, 0, 0 },
	};
	char bytes[2 * PAGE];
	struct mapping *m;
	int fd = make_memfd(MIB / 2, 0), again = dup(fd);

	assert(mapping_new(&m, &fd, 0, MIB, true, NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		assert(mapping_read(m, reads[i].offset, bytes, reads[i].length) == reads[i].error);
	assert(pwrite(again, "new", 3, 5) == 3 && mapping_read(m, 5, bytes, 3) == 0 &&
	       !memcmp(bytes, "new", 3));
	assert(fence(m, 0, MIB) == 0 && mapping_read(m, 5, bytes, 3) == -EFAULT);
	assert(mapping_unfence(m) == 0 && mapping_read(m, 5, bytes, 3) == 0);
	m->direct = true;
	assert(mapping_read(m, 5, bytes, 3) == -EOPNOTSUPP);
	m->direct = false;
	mapping_free(m);
	close(again);
}

static void test_read_only(void)
{
	struct mapping *m;
	int fd = make_memfd(MIB, 0);

	assert(mapping_new(&m, &fd, 0, MIB, false, NULL) == 0);
	assert(fault_at(m->address, false) == 0 && fault_at(m->address, true) == SIGSEGV);
	assert(fence(m, 0, MIB) == 0 && mapping_unfence(m) == 0);
	assert(fault_at(m->address, false) == 0 && fault_at(m->address, true) == SIGSEGV);
	mapping_free(m);
}

static void test_translation(void)
{
	static const struct {
		uint64_t offset, length, granule;
		bool fixed;
		uint64_t size;
	} ranges[] = {
		{ 0, PAGE, PAGE, false, PAGE },
		{ 0, 2 * MIB, PAGE, false, 2 * MIB },
		{ 0, UINT64_C(1) << 40, PAGE, false, 2 * MIB },
		{ PAGE, 2 * MIB, PAGE, false, MIB }, /* a whole 1 MiB, and no whole 2 MiB */
		{ PAGE, 4 * MIB - PAGE, PAGE, false, 2 * MIB },
		{ PAGE, 4 * MIB - 2 * PAGE, PAGE, false, MIB },
		{ 3 * PAGE, 2 * PAGE, PAGE, false, PAGE },
		{ 3 * PAGE, 3 * PAGE, PAGE, false, 2 * PAGE },
		{ (UINT64_C(1) << 62) + PAGE, 4 * MIB, PAGE, false, 2 * MIB },
		{ 2 * MIB, 2 * MIB, 2 * MIB, true, 2 * MIB },
		{ 0, UINT64_C(4) << 30, 2 * MIB, true, 2 * MIB },
		{ 0, UINT64_C(1) << 40, PAGE, true, PAGE },
		{ UINT64_C(1) << 30, UINT64_C(1) << 30, UINT64_C(1) << 30, true,
		  UINT64_C(1) << 30 },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		assert(mapping_translation_bytes(ranges[i].offset, ranges[i].length,
						 ranges[i].granule,
						 ranges[i].fixed) == ranges[i].size);
}

/*
 * Wherever the range begins: a block of the size that was said is a block in the address space,
 * too.
 */
static void test_congruence(void)
{
	for (uint64_t offset = 0; offset < 8 * MIB; offset += MIB / 2 + PAGE) {
		struct mapping *m;
		int fd = make_memfd(16 * MIB, 0);

		assert(mapping_new(&m, &fd, offset, 8 * MIB, true, NULL) == 0);
		assert(m->translation_bytes == 2 * MIB);
		assert((m->address - offset) % m->translation_bytes == 0);
		mapping_free(m);
	}
}

/*
 * Use up what the kernel allows in mappings, so that none can be split any more. Gives back what
 * was made, to be unmapped.
 */
static uint64_t use_up_mappings(size_t *ret_bytes)
{
	size_t page = (size_t)PAGE, n = 0, most = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	char *p;

	assert(f && fscanf(f, "%zu", &most) == 1 && most);
	fclose(f);
	*ret_bytes = 2 * (most + 1) * page;
	p = mmap(NULL, *ret_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(p != MAP_FAILED);
	while (n <= most && mprotect(p + 2 * n * page, page, PROT_READ) == 0)
		n++;
	assert(n < most && errno == ENOMEM);
	/* one more place may be left: enough for one end of a range */
	while (n <= most && mprotect(p + *ret_bytes - page, page, PROT_READ) == 0)
		n = most + 1;
	return (uint64_t)(uintptr_t)p;
}

/* No mapping is left for a part: all of it is fenced, and that is said. */
static void test_fence_without_mappings(void)
{
	uint64_t start = MIB, end = MIB + PAGE, filler;
	int fd = make_memfd(4 * MIB, 0);
	struct mapping *m;
	size_t bytes;

	assert(mapping_new(&m, &fd, 0, 4 * MIB, true, NULL) == 0);
	filler = use_up_mappings(&bytes);
	assert(mapping_fence(m, &start, &end) == 0);
	assert(munmap((void *)(uintptr_t)filler, bytes) ==
	       0); /* first: what follows needs stacks and the like */
	assert(start == 0 && end == 4 * MIB);
	assert(fault_at(m->address, false) == SIGSEGV &&
	       fault_at(m->address + 4 * MIB - 1, false) == SIGSEGV);
	assert(mapping_unfence(m) == 0 && fault_at(m->address + MIB, true) == 0);
	mapping_free(m);
}

/* What a page takes to be mapped, so that it can be where it has to be: pages up to 2 MiB. */
#define ROOM (2 * MIB + PAGE)

static void *keep(uint64_t bytes)
{
	return mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* A multiple of 2 MiB with 2 MiB and ROOM behind it that are kept, as is all of that size above. */
static uint64_t keep_room(void)
{
	void *block = keep(8 * MIB), *plug;

	assert(block != MAP_FAILED);
	do
		plug = keep(ROOM);
	while (plug != MAP_FAILED && plug > block);
	assert(plug != MAP_FAILED);
	return ((uint64_t)(uintptr_t)block + 2 * MIB) / (2 * MIB) * (2 * MIB);
}

static bool are_neighbours(const struct mapping *a, const struct mapping *b)
{
	return a->address + a->length == b->address || b->address + b->length == a->address;
}

/*
 * Two ranges that continue each other in one open file are not put side by side, also where there
 * is no room but that: the kernel would make one mapping of them.
 */
static void test_neighbours(void)
{
	int fd = make_memfd(4 * MIB, 0), twin = dup(fd);
	uint64_t room = keep_room();
	struct mapping *low, *high;

	assert(twin >= 0);
	assert(mapping_new(&low, &fd, 0, 2 * MIB, true, NULL) == 0);
	/* as if that was where it found room */
	assert(mremap((void *)(uintptr_t)low->address, low->length, low->length,
		      MREMAP_MAYMOVE | MREMAP_FIXED, room) != MAP_FAILED);
	low->address = room;
	assert(munmap((void *)(uintptr_t)(room + 2 * MIB), ROOM) == 0);
	assert(mapping_new(&high, &twin, 2 * MIB, PAGE, true, NULL) == 0);
	assert(!are_neighbours(low, high));
	mapping_free(low);
	mapping_free(high);
}

/* Each is where it was to be at the first try, in memory and on a disk. */
static void test_wish(void)
{
	for (uint64_t offset = 0; offset < 4 * MIB; offset += MIB + PAGE) {
		int fds[] = { make_memfd(16 * MIB, 0),
			      open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) };

		assert(fds[1] >= 0 && ftruncate(fds[1], (off_t)(16 * MIB)) == 0);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			struct mapping *m;

			file_mappings = 0;
			assert(mapping_new(&m, &fds[i], offset, 8 * MIB, true, NULL) == 0);
			assert(file_mappings == 1);
			mapping_free(m);
		}
	}
}

#define NEIGHBOURS 16

static void *map_some(void *userdata)
{
	struct mapping **m = userdata;

	for (int i = 0; i < NEIGHBOURS; i++) {
		int fd = dup(m[i]->fd);

		assert(fd >= 0);
		assert(mapping_new(&m[i], &fd, m[i]->offset, PAGE, true, NULL) == 0);
	}
	return NULL;
}

/* Also when several threads do so at a time. */
static void test_neighbours_of_threads(void)
{
	enum { AT_ONCE = 4, ALL = AT_ONCE * NEIGHBOURS };
	struct mapping wanted[ALL], *m[ALL];
	int fd = make_memfd(ALL * PAGE, 0);
	pthread_t thread[AT_ONCE];

	for (int i = 0; i < ALL; i++) { /* one thread has every fourth */
		wanted[i] = (struct mapping){ .fd = fd };
		wanted[i].offset = (uint64_t)(i % NEIGHBOURS * AT_ONCE + i / NEIGHBOURS) * PAGE;
		m[i] = &wanted[i];
	}
	for (int i = 0; i < AT_ONCE; i++)
		assert(pthread_create(&thread[i], NULL, map_some, &m[i * NEIGHBOURS]) == 0);
	for (int i = 0; i < AT_ONCE; i++)
		assert(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < ALL; i++)
		for (int k = 0; k < i; k++)
			assert(!are_neighbours(m[i], m[k]));
	for (int i = 0; i < ALL; i++)
		mapping_free(m[i]);
	close(fd);
}

/* Why a page cannot be had. */
static void test_explain(void)
{
	int fd = make_memfd(MIB, 0), twin = reopen(fd, O_RDWR);
	struct mapping *m;
	uint64_t at = 77;

	assert(mapping_new(&m, &fd, 0, MIB, true, NULL) == 0);
	assert(mapping_explain(m, 0, MIB, true, &at) == 0);
	assert(ftruncate(twin, (off_t)(MIB / 2)) == 0); /* no failure: the file ends there */
	assert(mapping_explain(m, 0, MIB, true, &at) == 0 && at == MIB / 2);
	mapping_free(m);
	close(twin);

	if (!make_small_files(MIB, &fd, 1)) {
		printf("no small filesystem: %m\n"); /* the lab has one */
		return;
	}
	assert(mapping_new(&m, &fd, 0, MIB, true, NULL) == 0);
	assert(mapping_explain(m, 0, MIB, true, &at) == -ENOSPC && at <= 16 * PAGE &&
	       at >= 8 * PAGE);
	mapping_free(m);
}

/* What fsync(2) is worth is a matter of the filesystem's number, and unknown ones have storage. */
static int to_grow = -1; /* when it is read next */

/* As the program under test calls it, too. */
ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (to_grow >= 0)
		assert(ftruncate(to_grow, (off_t)MIB) == 0);
	to_grow = -1;
	return syscall(SYS_pread64, fd, buffer, size, offset);
}

/* A file that was shorter for a moment is not taken for storage that failed. */
static void test_explain_after_cut(void)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), twin;
	struct mapping *m = NULL;
	struct failure why = { 0 };
	uint64_t at;

	assert(fd >= 0 && ftruncate(fd, (off_t)MIB) == 0);
	twin = reopen(fd, O_RDWR);
	assert(mapping_new(&m, &fd, 0, MIB, true, &why) == 0);
	for (int i = 0; i < 2; i++) {
		assert(ftruncate(twin, 0) == 0);
		to_grow = twin;
		assert(mapping_explain(m, 0, 4 * PAGE, i == 1, &at) == 0 && at == 3 * PAGE);
		assert(to_grow < 0);
	}
	close(twin);
	mapping_free(m);
}

/* Where somebody may take blocks, and the filesystem can say so afterwards. */
static void test_filesystems_with_extents(void)
{
	static const uint32_t with[] = { 0x58465342, 0xef53, 0x9123683e, 0xf2f52010 },
			      without[] = { 0x01021994, 0x958458f6, 0x6969, 0x65735546, 0x12345 };
	struct mapping m = { 0 };

	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++) {
		mapping_note_filesystem(&m, with[i]);
		assert(m.extents);
	}
	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++) {
		mapping_note_filesystem(&m, without[i]);
		assert(!m.extents);
	}
}

static void test_memory_filesystems(void)
{
	static const struct {
		uint32_t magic;
		bool memory;
		const char *name;
	} cases[] = {
		{ 0x01021994, true, "tmpfs" },	   { 0x858458f6, true, "ramfs" },
		{ 0x958458f6, true, "hugetlbfs" }, { 0x58465342, false, "xfs" },
		{ 0xef53, false, "ext4" },	   { 0x65735546, false, "fuse" },
		{ 0x12345, false, "fs 0x12345" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mapping m = { .memory = !cases[i].memory };

		mapping_note_filesystem(&m, cases[i].magic);
		assert(m.memory == cases[i].memory && !strcmp(m.filesystem, cases[i].name));
		assert(mapping_is_durable(&m) == !cases[i].memory);
	}
}

/* Has the mapping at @address the flag, as the kernel names it in smaps? */
static bool has_flag(uint64_t address, const char *flag)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool here = false, found = false;
	char line[4096], word[8];
	unsigned long start;

	assert(smaps);
	snprintf(word, sizeof(word), " %s ", flag);
	while (!found && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-", &start) == 1 && strchr(line, '-'))
			here = start == address;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, word);
	}
	fclose(smaps);
	return found;
}

/*
 * Pages of the page cache are not collapsed for us: docs/upstream/collapse-deadlock.md. Memory and
 * direct access keep theirs.
 */
static void test_no_collapse(void)
{
	struct mapping *m = NULL;
	struct failure why = { 0 };
	struct statfs fs;
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert(fd >= 0 && ftruncate(fd, (off_t)MIB) == 0 && fstatfs(fd, &fs) == 0);
	assert(mapping_new(&m, &fd, 0, MIB, true, &why) == 0);
	assert(has_flag(m->address, "nh") == (fs.f_type != TMPFS_MAGIC));
	m = mapping_free(m);
	fd = make_memfd(MIB, 0);
	assert(mapping_new(&m, &fd, 0, MIB, true, &why) == 0);
	assert(!has_flag(m->address, "nh"));
	mapping_free(m);
}

static void expect_others_untouched(void)
{
	if (!other.at)
		return;
	for (size_t i = 0; i < other.length; i++)
		assert(other.at[i] == 'o');
	assert(munmap(other.at, other.length) == 0);
	other.at = NULL;
}

/* What a mapping that failed leaves in the address space is not ours any more. */
static void test_room_of_others(void)
{
	static const int errors[] = { EOPNOTSUPP, ENOMEM, EIO };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		struct mapping *m = NULL;
		struct failure why = { 0 };

		assert(fd >= 0 && pwrite(fd, "f", 1, 0) == 1 && ftruncate(fd, (off_t)MIB) == 0);
		other.error = errors[i];
		assert((mapping_new(&m, &fd, 0, MIB, true, &why) == 0) ==
		       (errors[i] == EOPNOTSUPP));
		other.error = 0;
		assert(!m || *(char *)(uintptr_t)m->address == 'f');
		mapping_free(m);
		closep(&fd);
		expect_others_untouched();
	}
}

#define THREADS 4
#define ROUNDS 200

/* Maps files that begin with its own letter, and finds that letter. */
static void *map_own_files(void *letter)
{
	for (int i = 0; i < ROUNDS; i++) {
		int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		struct mapping *m = NULL;
		struct failure why = { 0 };

		assert(fd >= 0 && pwrite(fd, letter, 1, 0) == 1 && ftruncate(fd, (off_t)MIB) == 0);
		assert(mapping_new(&m, &fd, 0, MIB, true, &why) == 0);
		assert(*(char *)(uintptr_t)m->address == *(char *)letter);
		mapping_free(m);
	}
	return NULL;
}

static void test_at_once(void)
{
	char letters[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		letters[i] = (char)('a' + i);
		assert(pthread_create(&threads[i], NULL, map_own_files, &letters[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
	test_memory_filesystems();
	test_filesystems_with_extents();
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	test_table();
	test_fence();
	test_fence_without_mappings();
	test_explain();
	test_explain_after_cut();
	test_drop();
	test_dirty();
	test_read();
	test_read_only();
	test_translation();
	test_congruence();
	test_wish();
	test_neighbours();
	test_neighbours_of_threads();
	test_no_collapse();
	/* from here on no access may fail */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	test_at_once();
	test_room_of_others();
	return 0;
}
