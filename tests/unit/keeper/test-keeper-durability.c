// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-durability.c - what a completed write is called on each kind of memory; which
 * device-dax is persistent, read from made-up trees of sysfs; and the messages of peers that want
 * durability, with every member spoiled in turn.
 */
#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "keeper/system/durability.h"
#include "keeper/endpoint/wire.h"
#include "rdmareg-wire.h"

static char sys[] = "/tmp/test-durability-XXXXXX";

static void test_judge(void)
{
	static const struct {
		struct durability_facts facts;
		enum region_durability expected;
	} cases[] = {
		{ { .memory_only = true }, DURABILITY_VOLATILE },
		{ { .memory_only = true, .flush = true },
		  DURABILITY_VOLATILE }, /* what rxe would grant */
		{ { 0 }, DURABILITY_PAGE_CACHE },
		{ { .flush = true }, DURABILITY_PAGE_CACHE },
		{ { .dax = true }, DURABILITY_SYNC },
		{ { .dax = true, .flush = true }, DURABILITY_SYNC }, /* metadata may be missing */
		{ { .dax = true, .synchronous = true }, DURABILITY_SYNC },
		{ { .dax = true, .synchronous = true, .flush = true }, DURABILITY_FLUSH },
		{ { .device_dax = true, .flush = true }, DURABILITY_VOLATILE }, /* hmem */
		{ { .device_dax = true, .persistent = true }, DURABILITY_VOLATILE },
		{ { .device_dax = true, .persistent = true, .flush = true }, DURABILITY_FLUSH },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert(durability_judge(&cases[i].facts) == cases[i].expected);
}

static void make_directory(const char *path)
{
	char full[200];

	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		snprintf(full, sizeof(full), "%s/%.*s", sys, (int)(slash - path), path);
		mkdir(full, 0700);
	}
	snprintf(full, sizeof(full), "%s/%s", sys, path);
	mkdir(full, 0700);
}

static void say_type(const char *path, const char *type)
{
	char full[200];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s/uevent", sys, path);
	f = fopen(full, "w");
	assert(f);
	fprintf(f, "DEVTYPE=%s\nMODALIAS=nd:t2\n", type);
	fclose(f);
}

/* dev/char/M:N is a link to the device, as in sysfs. */
static void link_device(unsigned int minor_number, const char *path)
{
	char full[200], target[200];

	snprintf(full, sizeof(full), "%s/dev/char/249:%u", sys, minor_number);
	snprintf(target, sizeof(target), "../../%s", path);
	assert(symlink(target, full) == 0);
}

static void test_sysfs(void)
{
	char command[64];

	assert(mkdtemp(sys));
	make_directory("dev/char");
	make_directory("devices/platform/e820_pmem/ndbus0/region2/dax2.0/dax2.0");
	say_type("devices/platform/e820_pmem/ndbus0/region2", "nd_pmem");
	link_device(1, "devices/platform/e820_pmem/ndbus0/region2/dax2.0/dax2.0");
	make_directory("devices/platform/ndbus1/region0/dax0.0/dax0.0");
	say_type("devices/platform/ndbus1/region0", "nd_volatile");
	link_device(2, "devices/platform/ndbus1/region0/dax0.0/dax0.0");
	make_directory("devices/platform/hmem.0/dax1.0");
	link_device(3, "devices/platform/hmem.0/dax1.0");
	make_directory("devices/platform/cxl/region0/dax_region0/dax3.0");
	say_type("devices/platform/cxl/region0", "nd_pmem_but_not_really");
	link_device(4, "devices/platform/cxl/region0/dax_region0/dax3.0");
	link_device(5, "devices/nowhere");
	link_device(6, "../../proc/self"); /* out of the tree */

	assert(durability_device_is_persistent(sys, makedev(249, 1)));
	for (unsigned int i = 2; i < 8; i++)
		assert(!durability_device_is_persistent(sys, makedev(249, i)));
	assert(!durability_device_is_persistent("/nonexistent", makedev(249, 1)));
	snprintf(command, sizeof(command), "rm -r %s", sys);
	assert(system(command) == 0);
}

static void test_descriptors(void)
{
	struct durability_facts f = { .flush = true };
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(durability_of(fd, &f) == DURABILITY_PAGE_CACHE); /* no DAX there */
	f.synchronous = true;
	assert(durability_of(fd, &f) == DURABILITY_FLUSH); /* what mmap(2) says is believed */
	f = (struct durability_facts){ .device_dax = true, .flush = true };
	assert(durability_of(fd, &f) == DURABILITY_VOLATILE); /* no device, no persistence */
	assert(durability_of(-1, &f) == DURABILITY_VOLATILE);
	close(fd);
}

static void test_messages(void)
{
	struct wire_message good = { .magic = htole32(WIRE_MAGIC),
				     .version = htole16(WIRE_VERSION),
				     .type = htole16(WIRE_SYNC),
				     .offset = htole64(UINT64_MAX),
				     .length = htole64(4096),
				     .request = htole64(7) },
			    m, got;

	assert(wire_read_message(&got, &good, sizeof(good)));
	/* a range is judged by the region, not here */
	assert(got.type == WIRE_SYNC && got.offset == UINT64_MAX && got.length == 4096 &&
	       got.request == 7);
	assert(!wire_read_message(&got, &good, sizeof(good) - 1));
#define BAD(change) (m = good, change, assert(!wire_read_message(&got, &m, sizeof(m))))
	BAD(m.magic = 0);
	BAD(m.version = htole16(WIRE_VERSION - 1));
	BAD(m.version = htole16(WIRE_VERSION + 1));
	BAD(m.type = htole16(WIRE_SYNCED)); /* the keeper's to say */
	BAD(m.type = htole16(WIRE_REVOCATION_ASKED));
	BAD(m.type = htole16(99));
#undef BAD
	m = wire_write_message(&(struct wire_message){
		.type = WIRE_SYNCED, .request = 7, .outcome = WIRE_SYNC_FAILED });
	assert(le16toh(m.type) == WIRE_SYNCED && le64toh(m.request) == 7 &&
	       le16toh(m.outcome) == WIRE_SYNC_FAILED);
}

/* The bytes as librpma 1.2 reads them: address, size, key in little endian, usage. */
static void test_rpma(void)
{
	static const uint8_t expected[24] = { 0x00, 0x10, 0x32, 0x54, 0x76, 0x7f, 0,
					      0,    0,	  0,	0x20, 0,    0,	  0,
					      0,    0,	  0x44, 0x33, 0x22, 0x11, 0x19 };
	struct wire_accept a = { .rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE,
				 .address = 0x7f7654321000,
				 .length = 0x200000,
				 .rkey = 0x11223344,
				 .durability = DURABILITY_PAGE_CACHE,
				 .flush = WIRE_FLUSH_GLOBAL };

	assert(!memcmp(wire_write_accept(&a).rpma, expected, sizeof(expected)));
	a.flush |= WIRE_FLUSH_PERSISTENT;
	assert(wire_write_accept(&a).rpma[20] == 0x39);
	a.rights = WIRE_RIGHT_READ;
	a.flush = 0;
	assert(wire_write_accept(&a).rpma[20] == 0x11);
}

int main(void)
{
	test_judge();
	test_sysfs();
	test_descriptors();
	test_messages();
	test_rpma();
	return 0;
}
