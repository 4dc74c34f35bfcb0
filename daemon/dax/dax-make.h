/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dax-make.h - devices made of a dynamic region and given back to it. For a process of its own
 * (helper.c): every step may take long.
 *
 * What always holds: a device is handed out only after each of its bytes was set to zero, and one
 * that cannot be handed out is given back. Devices of regions that are not dynamic are never
 * touched.
 */
#ifndef RDMAREG_DAX_MAKE_H
#define RDMAREG_DAX_MAKE_H

#include <stdint.h>

#include "util/failure.h"

#define DAX_REGION_ANY UINT32_MAX
#define DAX_NAME_MAX 64
#define DAX_HELPER_SOCKET 3 /* a SOCK_SEQPACKET: the helper's one answer goes there */

/* What the helper answers, with the device's descriptor beside it if one was made. */
struct dax_answer {
	int32_t error; /* negative errno; 0: done */
	uint64_t size_bytes;
	char name[DAX_NAME_MAX]; /* "dax0.1" */
	char text[256];		 /* why not */
};

/**
 * dax_make - a new device of @size bytes or a little more, all zero
 * @region: its number, or DAX_REGION_ANY
 * @why: filled on failure
 * @a: its name and size
 * @ret_fd: opened O_RDWR
 *
 * -ENODEV: no such region is dynamic; -ENOSPC: too little is free.
 */
int dax_make(uint32_t region, uint64_t size, struct failure *why, struct dax_answer *a,
	     int *ret_fd);

/*
 * -EBUSY: a process has it open or mapped, which @why names. 0 also if there is none of this
 * name any more.
 */
int dax_destroy(const char *name, struct failure *why);

#endif
