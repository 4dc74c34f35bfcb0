/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * durability.h - what a completed remote write is worth after a power cut, decided by what the
 * memory is.
 *
 * What always holds: an adapter that grants a persistent FLUSH (soft-RoCE does, on any memory)
 * never makes memory better than it is; in doubt the answer is the weaker word.
 */
#ifndef RDMAREG_KEEPER_DURABILITY_H
#define RDMAREG_KEEPER_DURABILITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "names.h"

/* What is known of the memory. */
struct durability_facts {
	bool memory_only; /* tmpfs, memfd, hugetlbfs */
	bool device_dax;
	bool persistent;  /* device-dax: on persistent memory */
	bool dax;	  /* a file that is reached without the page cache */
	bool synchronous; /* MAP_SYNC: a store needs no metadata to be written after it */
	bool flush;	  /* the adapter carries out persistent FLUSHes */
};

/* Pure. */
enum region_durability durability_judge(const struct durability_facts *f);

/* @f: all but @persistent, which is found out here, of the device @fd. */
enum region_durability durability_of(int fd, const struct durability_facts *f);

/**
 * durability_device_is_persistent - is a device-dax persistent memory?
 * @sys: where sysfs is: "/sys"
 *
 * It is when the device stands below a region of the nvdimm subsystem of type nd_pmem; memory that
 * the firmware set aside (hmem) or a volatile CXL region does not.
 */
bool durability_device_is_persistent(const char *sys, dev_t device);

#endif
