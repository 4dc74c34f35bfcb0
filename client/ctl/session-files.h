/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session-files.h - what `session run --file` says: PATH[:ACCESS][,OPTION...]. What always holds:
 * the names of all are different, and can be file names.
 */
#ifndef RDMAREGCTL_SESSION_FILES_H
#define RDMAREGCTL_SESSION_FILES_H

#include <limits.h>

#include "ctl.h"

#define SESSION_FILE_NAME_BYTES 65

struct session_file {
	char path[PATH_MAX];
	char name[SESSION_FILE_NAME_BYTES]; /* of its ticket's file */
	enum rdmareg_access access;
	enum rdmareg_policy policy; /* 0: the daemon's default, as all that follow */
	enum rdmareg_warm_mode warm_mode;
	uint64_t grace_usec;
	bool warm;
	bool named; /* by name= */
};

/*
 * session_files_read - @texts, as they were given
 * @ret: to be freed with free(3). 0, or EXIT_USAGE with the message printed.
 *
 * The options begin after the first comma, the access after the last colon before it; without one
 * it is reading. A path with a comma cannot be given. One that has no name= has its place as name:
 * "0", "1".
 */
int session_files_read(const struct texts *texts, struct session_file **ret);

#endif
