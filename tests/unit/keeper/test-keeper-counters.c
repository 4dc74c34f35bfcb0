// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-counters.c - netlink messages about memory regions, as the kernel's source has them
 * made, and as nobody should make them: cut off anywhere, with wrong types, and with every byte
 * wrong in turn. Run under the sanitizers it shows that nothing is read beyond them.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/hca/counters.h"

#define SPACE 4096

static const struct counters_region wanted = {
	.pid = 77, .domain = 5, .rkey = 0x22, .length = 8192
};

static struct nlmsghdr *begin(char *space)
{
	struct nlmsghdr *m;

	memset(space, 0, SPACE);
	m = mnl_nlmsg_put_header(space);
	m->nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_STAT_GET);
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_DEV_INDEX, 0);
	mnl_attr_put_strz(m, RDMA_NLDEV_ATTR_DEV_NAME, "mlx5_0");
	return m;
}

static void put_region_in(struct nlmsghdr *m, uint32_t domain, uint32_t number, uint32_t pid,
			  uint64_t length, const uint32_t *rkey)
{
	struct nlattr *entry = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_MR_ENTRY);

	if (rkey)
		mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_RKEY, *rkey);
	mnl_attr_put_u64(m, RDMA_NLDEV_ATTR_RES_MRLEN, length);
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_MRN, number);
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_PDN, domain);
	if (pid)
		mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_PID, pid);
	else
		mnl_attr_put_strz(m, RDMA_NLDEV_ATTR_RES_KERN_NAME, "ib_core");
	mnl_attr_nest_end(m, entry);
}

static void put_region(struct nlmsghdr *m, uint32_t number, uint32_t pid, uint64_t length,
		       const uint32_t *rkey)
{
	put_region_in(m, 5, number, pid, length, rkey);
}

static void put_counter(struct nlmsghdr *m, const char *name, uint64_t value)
{
	struct nlattr *entry = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY);

	mnl_attr_put_strz(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME, name);
	mnl_attr_put_u64(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE, value);
	mnl_attr_nest_end(m, entry);
}

/* As mlx5 answers for a region with on-demand paging. */
static struct nlmsghdr *statistics(char *space)
{
	struct nlmsghdr *m = begin(space);
	struct nlattr *table;

	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_MRN, 9);
	table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	put_counter(m, "page_faults", 1234567890123);
	put_counter(m, "page_faults_handled", 5);
	put_counter(m, "page_invalidations", 6);
	put_counter(m, "page_prefetch", 7);
	mnl_attr_nest_end(m, table);
	return m;
}

static struct nlmsghdr *regions(char *space)
{
	static const uint32_t other_key = 0x23, key = 0x22;
	struct nlmsghdr *m = begin(space);
	struct nlattr *table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_MR);

	put_region(m, 3, 77, 8192, NULL);
	put_region(m, 8, 77, 8192, &key);
	put_region(m, 4, 77, 8192, NULL);
	put_region(m, 9, 77, 8192, &other_key); /* with CAP_NET_ADMIN: somebody else's */
	put_region(m, 10, 77, 4096, NULL);
	put_region(m, 11, 78, 8192, NULL);
	put_region(m, 12, 0, 8192, NULL);	 /* the kernel's own */
	put_region_in(m, 6, 13, 77, 8192, NULL); /* registered at the same time */
	mnl_attr_nest_end(m, table);
	return m;
}

static void put_domain(struct nlmsghdr *m, uint32_t number, uint32_t pid)
{
	struct nlattr *entry = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_PD_ENTRY);

	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_PDN, number);
	mnl_attr_put_u64(m, RDMA_NLDEV_ATTR_RES_USECNT, 1);
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_CTXN, 1);
	if (pid)
		mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_PID, pid);
	else
		mnl_attr_put_strz(m, RDMA_NLDEV_ATTR_RES_KERN_NAME, "ib_core");
	mnl_attr_nest_end(m, entry);
}

static struct nlmsghdr *domains(char *space)
{
	struct nlmsghdr *m = begin(space);
	struct nlattr *table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_PD);

	put_domain(m, 4, 77);
	put_domain(m, 5, 77);
	put_domain(m, 3, 77);
	put_domain(m, 6, 78);
	put_domain(m, 7, 0);
	mnl_attr_nest_end(m, table);
	return m;
}

static void test_good(void)
{
	char space[SPACE] __attribute__((aligned(8)));
	uint32_t number = 0;
	uint64_t faults = 0;

	assert(counters_parse_regions(regions(space), &wanted, &number) == 0 && number == 8);
	number = 20; /* an earlier part of the list had a higher one */
	assert(counters_parse_regions(regions(space), &wanted, &number) == 0 && number == 20);
	assert(counters_parse_faults(statistics(space), &faults) == 0 && faults == 1234567890123);
	number = 0;
	assert(counters_parse_domains(domains(space), 77, &number) == 0 && number == 5);
	number = 20;
	assert(counters_parse_domains(domains(space), 77, &number) == 0 && number == 20);
	number = 0;
	assert(counters_parse_domains(regions(space), 77, &number) == 0 && number == 0);
}

/* soft-RoCE, and pinned regions on mlx5: the number, and no counters. */
static void test_not_counted(void)
{
	char space[SPACE] __attribute__((aligned(8)));
	struct nlmsghdr *m = begin(space);
	struct nlattr *table;
	uint32_t number = 0;
	uint64_t faults = 1;

	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_MRN, 9);
	assert(counters_parse_faults(m, &faults) == -ENODATA && faults == 1);
	table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	mnl_attr_nest_end(m, table);
	assert(counters_parse_faults(m, &faults) == -ENODATA && faults == 1);
	table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	put_counter(m, "something_new", 3);
	mnl_attr_nest_end(m, table);
	assert(counters_parse_faults(m, &faults) == -ENODATA && faults == 1);
	assert(counters_parse_regions(begin(space), &wanted, &number) == 0 && number == 0);
}

static void test_wrong_types(void)
{
	static const uint16_t types[] = { RDMA_NLDEV_ATTR_RES_MRN, RDMA_NLDEV_ATTR_RES_PID,
					  RDMA_NLDEV_ATTR_RES_RKEY, RDMA_NLDEV_ATTR_RES_MRLEN,
					  RDMA_NLDEV_ATTR_RES_PDN };
	char space[SPACE] __attribute__((aligned(8)));
	struct nlattr *table, *entry;
	uint32_t number = 1;
	uint64_t faults = 1;
	struct nlmsghdr *m;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		m = begin(space);
		table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_MR);
		entry = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_RES_MR_ENTRY);
		mnl_attr_put_u16(m, types[i], 7);
		mnl_attr_nest_end(m, entry);
		mnl_attr_nest_end(m, table);
		assert(counters_parse_regions(m, &wanted, &number) == -EBADMSG && number == 1);
	}
	for (int which = 0; which < 4; which++) {
		m = begin(space);
		table = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
		entry = mnl_attr_nest_start(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY);
		if (which == 0) /* not ended by a zero */
			mnl_attr_put(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME, 11,
				     "page_faults");
		else if (which != 1)
			mnl_attr_put_strz(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME,
					  "page_faults");
		if (which == 2)
			mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE, 5);
		else if (which != 3)
			mnl_attr_put_u64(m, RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE, 5);
		mnl_attr_nest_end(m, entry);
		mnl_attr_nest_end(m, table);
		assert(counters_parse_faults(m, &faults) == -EBADMSG && faults == 1);
	}
}

/*
 * Whatever is in it: no crash, no reading beyond its end (it ends where its memory does), and no
 * number that is not there.
 */
static void try_bytes(const struct nlmsghdr *m, uint32_t length)
{
	struct nlmsghdr *copy = malloc(length);
	uint32_t number = 0;
	uint64_t faults;

	assert(copy);
	memcpy(copy, m, length);
	copy->nlmsg_len = length;
	counters_parse_regions(copy, &wanted, &number);
	counters_parse_domains(copy, wanted.pid, &number);
	counters_parse_faults(copy, &faults);
	free(copy);
}

static void test_mutilated(struct nlmsghdr *(*make)(char *space))
{
	char space[SPACE] __attribute__((aligned(8)));
	uint32_t length = make(space)->nlmsg_len;

	for (uint32_t n = sizeof(struct nlmsghdr); n <= length; n += 4)
		try_bytes(make(space), n);
	for (uint32_t at = sizeof(struct nlmsghdr); at < length; at++)
		for (int value = 0; value < 256; value += 5) {
			struct nlmsghdr *m = make(space);

			((unsigned char *)m)[at] = (unsigned char)value;
			try_bytes(m, length);
		}
}

int main(void)
{
	struct counters *c;

	test_good();
	test_not_counted();
	test_wrong_types();
	test_mutilated(regions);
	test_mutilated(statistics);
	test_mutilated(domains);
	/*
	 * a machine may have no RDMA netlink at all; if it has, there is no device of this number
	 */
	if (counters_new(&c, UINT32_MAX) == 0) {
		uint32_t number = 5;
		uint64_t faults = 6;

		assert(counters_find(c, &wanted, &number) < 0 && number == 5);
		assert(counters_find_domain(c, 77, &number) < 0 && number == 5);
		assert(counters_read(c, 1, &faults) < 0 && faults == 6);
		counters_free(c);
	}
	return 0;
}
