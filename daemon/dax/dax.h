/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dax.h - device-dax instances of this machine and the regions that they are parts of, as libdaxctl
 * finds them in sysfs.
 *
 * What always holds: nothing is opened, changed or loaded, only sysfs is read, so it needs no
 * rights and cannot wait for a device. A list is a picture of one moment and bounded, whatever the
 * machine has.
 */
#ifndef RDMAREG_DAX_H
#define RDMAREG_DAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

#define DAX_LIST_MAX 1024 /* devices and regions together; what is beyond is not listed */

enum dax_kind {
	DAX_REGION, /* a range of memory that devices are made from */
	DAX_DEVICE,
};

enum dax_mode {
	DAX_MODE_NONE,	     /* no driver is bound; so are regions */
	DAX_MODE_DEVDAX,     /* a character device that can be mapped */
	DAX_MODE_SYSTEM_RAM, /* the kernel's own memory, as a node of its own */
	_DAX_MODE_MAX,
};

extern const char *const dax_mode_names[_DAX_MODE_MAX];

struct dax_entry {
	enum dax_kind kind;
	enum dax_mode mode;
	char name[64]; /* "dax0.0"; of a region "region0" */
	char path[80]; /* "/dev/dax0.0"; empty: none */
	int region;    /* id of the region, its own or the one it is part of */
	int node;      /* memory node it belongs to, -1: none */
	bool dynamic;  /* devices can be made of the region and resized while the system runs */
	uint64_t size_bytes;
	uint64_t available_bytes; /* of a dynamic region: what no device has */
	uint64_t
		/*
		 * of a device: in which units it is mapped; of a region: the least for its devices
		 */
		alignment;
};

/* Ascending: each region before its devices. */
struct dax_list {
	size_t n;
	struct dax_entry entries[];
};

/* -ENOMEM, or what libdaxctl says. No device at all is an empty list. */
int dax_list_new(struct dax_list **ret);
struct dax_list *dax_list_free(struct dax_list *l);
DEFINE_FREEP(struct dax_list, dax_list_free)

/* What libdaxctl says of one device. */
struct dax_facts {
	const char *name;
	int region;
	int node;
	bool dynamic;	 /* the region's */
	bool is_enabled; /* a driver is bound */
	bool is_memory;	 /* and it is kmem */
	uint64_t size_bytes;
	uint64_t alignment;
};
struct dax_entry dax_describe(const struct dax_facts *facts);

/*
 * Why no region can be registered on it, and what to do; NULL: one can. @page: the system's page
 * size.
 */
const char *dax_unusable(const struct dax_entry *e, uint64_t page);

#endif
