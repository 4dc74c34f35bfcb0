/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.h - what a file is known by after a reboot, when numbers of devices may be others: its
 * filesystem's UUID, its number there, when it was made, and its file handle, in which filesystems
 * have the generation of that number. What there is of these is compared; a file has at least a
 * number.
 *
 * What always holds: plain data, with nothing in it that was not set, so that two are the same if
 * their bytes are.
 */
#ifndef RDMAREG_BUS_IDENTITY_H
#define RDMAREG_BUS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_HANDLE_MAX 128 /* MAX_HANDLE_SZ */

struct file_identity {
	uint64_t uuid[2]; /* of its filesystem; 0: that has none, or does not say it */
	uint64_t inode;
	uint64_t born_nsec;   /* as in struct region_text */
	uint32_t handle_type; /* of name_to_handle_at(2) */
	uint32_t handle_size; /* 0: its filesystem has no handles */
	uint8_t handle[IDENTITY_HANDLE_MAX];
};

/* Asks the filesystem, so it may take for ever: for a thread. @born_nsec, @inode: known already. */
void identity_find(int fd, uint64_t inode, uint64_t born_nsec, struct file_identity *ret);

bool identity_is_same(const struct file_identity *a, const struct file_identity *b);
/* Which of it differs, in words; they are not the same. */
const char *identity_difference(const struct file_identity *a, const struct file_identity *b);

#endif
