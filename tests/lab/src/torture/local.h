/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.h - what programs of the storage node do to the two files, by system calls.
 *
 * What always holds: an operation is done whole or fails; a fault of a mapping is an error, not a
 * signal.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "tape.h"

#define DEVICE_BYTES (2u << 20) /* how much of a device is mapped and registered: a page of it */

struct local {
	const char *folder; /* or the device, which then is file a */
	bool device;
	int fd[2];
};

/* New files a and b in the folder, or a device with zeroes. 0, or a negative errno. */
int local_begin(struct local *l);

/* Other descriptors of the same files. */
int local_reopen(struct local *l);

/* Closes both, so that the filesystem can be unmounted: local_reopen(). */
void local_close(struct local *l);

/* As perform of struct subject. */
int64_t local_perform(struct local *l, const struct op *op, uint8_t *data);

#endif
