// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-descriptor.c - which ranges of a file and of a device-dax can be a region, and that a
 * refusal says the alignment and the size; which files are in memory, and that secret memory is no
 * file.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus/bus-internal.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct extent file = { .size = 4 * MIB + 5, .alignment = PAGE };
static const struct extent nothing = { .size = 0, .alignment = PAGE };
static const struct extent device = { .size = 64 * MIB, .alignment = 2 * MIB, .is_device = true };
static const struct extent small = { .size = 64 * MIB, .alignment = PAGE, .is_device = true };
static const struct extent giant = { .size = 4 * GIB, .alignment = GIB, .is_device = true };
static const struct extent off = { .size = 0, .alignment = 2 * MIB, .is_device = true };

static const struct {
	const struct extent *of;
	uint64_t offset, length;
	uint64_t becomes;    /* length; 0: refused */
	const char *because; /* what the refusal says */
} table[] = {
	{ &file, 0, 0, 4 * MIB + PAGE, NULL },
	{ &file, PAGE, 1, PAGE, NULL },
	{ &file, 0, 8 * MIB, 8 * MIB, NULL }, /* files grow */
	{ &file, 1, PAGE, 0, "page size 4096" },
	{ &file, 8 * MIB, PAGE, 0, "4194309 bytes" },
	{ &file, 0, UINT64_MAX, 0, "longer than any file" },
	{ &file, PAGE, INT64_MAX, 0, "beyond the end of any file" },
	{ &nothing, 0, PAGE, 0, "ftruncate" },
	{ &device, 0, 0, 64 * MIB, NULL },
	{ &device, 62 * MIB, 0, 2 * MIB, NULL },
	{ &device, 2 * MIB, 4 * MIB, 4 * MIB, NULL },
	{ &device, PAGE, 2 * MIB, 0, "device's alignment 2097152" },
	{ &device, 0, PAGE, 0, "device's alignment 2097152" },
	{ &device, 0, 2 * MIB - 1, 0, "device's alignment 2097152" },
	{ &device, 62 * MIB, 4 * MIB, 0, "67108864 bytes" },
	{ &device, 64 * MIB, 2 * MIB, 0, "67108864 bytes" },
	{ &device, UINT64_MAX / MIB / 2 * MIB * 2, 2 * MIB, 0, "67108864 bytes" },
	{ &device, 0, UINT64_MAX / MIB / 2 * MIB * 2, 0, "67108864 bytes" },
	{ &small, PAGE, PAGE, PAGE, NULL },
	{ &small, 0, PAGE + 1, 0, "device's alignment 4096" },
	{ &giant, GIB, GIB, GIB, NULL },
	{ &giant, 2 * MIB, GIB, 0, "device's alignment 1073741824" },
	{ &off, 0, 0, 0, "device, which has 0 bytes" },
};

static bool is_in_memory(int fd)
{
	bool r;

	assert(fd >= 0);
	r = descriptor_is_in_memory(fd);
	close(fd);
	return r;
}

static void test_in_memory(void)
{
	int pipes[2];

	assert(pipe(pipes) == 0 && !is_in_memory(pipes[0]) && !is_in_memory(pipes[1]));
	assert(is_in_memory(memfd_create("test", MFD_CLOEXEC)));
	assert(is_in_memory(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
	assert(is_in_memory(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)));
	assert(!is_in_memory(open("/proc/self/maps", O_RDONLY | O_CLOEXEC)));
	assert(!is_in_memory(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
	assert(!is_in_memory(open("/dev/null", O_RDONLY | O_CLOEXEC)));
	/* one that gives no right to its contents is not asked */
	assert(!is_in_memory(open("/dev/shm", O_PATH | O_CLOEXEC)));
}

/* Nothing to see where the kernel has none (secretmem.enable=). */
static void test_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	char path[DESCRIPTOR_PATH_MAX];
	struct register_request q = { .access = ACCESS_READ };
	struct failure f = { 0 };

	assert(fd >= 0 || errno == ENOSYS);
	if (fd < 0)
		return;
	assert(!descriptor_is_in_memory(fd) && ftruncate(fd, MIB) == 0);
	assert(descriptor_check(&q, fd, 0, MIB, 0, path, &f) == BUS_E_REFUSED);
	assert(!strcmp(f.name, RDMAREG_ERROR_INVALID_FILE) && strstr(f.text, "memfd_secret"));
	close(fd);
}

int main(void)
{
	test_in_memory();
	test_secret();
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct register_request q = { .offset = table[i].offset,
					      .length = table[i].length };
		struct failure f = { 0 };
		int r = descriptor_check_range(&q, table[i].of, &f);

		if (table[i].becomes ? r != 0 || q.length != table[i].becomes
				     : r != BUS_E_REFUSED || !strstr(f.text, table[i].because)) {
			fprintf(stderr, "row %zu: %d, %llu, %s\n", i, r,
				(unsigned long long)q.length, f.text);
			assert(!"as in the table");
		}
	}
	return 0;
}
