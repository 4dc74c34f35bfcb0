/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * actors.h - what happens to the parts of the product and to what they stand on, beside a tape: daemon,
 * gate and keeper are killed or stopped, the daemon is upgraded, the filesystem is unmounted and
 * mounted, the peers' link goes down, the disk hangs or fails. A program does it, which knows this
 * machine: COMMAND WHAT MSEC FILESYSTEM.
 *
 * What always holds: when one returns, what it says has happened; what lasts some time ends by itself.
 */
#ifndef ACTORS_H
#define ACTORS_H

#include "local.h"

struct actors {
	const char *command;
	const char *filesystem;
};

/*
 * Lasts between 0.1 and 2.1 s, if it is one that lasts. 0, or a negative errno: EOPNOTSUPP if there was
 * nothing that it could happen to (the command's status is 77).
 */
int actors_run(const struct actors *a, const char *what, uint32_t value);

/*
 * As perform of struct subject. Files are closed where the filesystem is unmounted. Of
 * OP_STORAGE_FAILS @data is what is written meanwhile, and then what is in the file;
 * @written_back: file a was, so this does not.
 */
int64_t actors_perform(const struct actors *a, struct local *l, const struct op *op, uint8_t *data,
		       bool written_back);

#endif
