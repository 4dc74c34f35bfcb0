/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * asker.h - the process that asked for something, as far as it can be seen: for people, nothing is
 * decided by it.
 *
 * What always holds: texts are clean (text.h); what is not known is 0 or empty.
 */
#ifndef RDMAREG_ASKER_H
#define RDMAREG_ASKER_H

#include <stdint.h>

#define ASKER_COMM_MAX 32 /* bytes, with the terminating zero; of a program the kernel has 16 */
#define ASKER_CGROUP_MAX 128

#define ASKER_NO_UID UINT32_MAX

struct asker {
	uint32_t pid; /* 0: nobody is known */
	uint32_t uid; /* ASKER_NO_UID: not known */
	char comm[ASKER_COMM_MAX];
	char cgroup[ASKER_CGROUP_MAX]; /* of a longer one the end, after "..." */
};

/*
 * What /proc says of process @pid now. @uid: of whom it is known to be, or ASKER_NO_UID to look.
 * @began: when it started (process.h), or 0 if nobody knows: of another process with that number
 * only the number and @uid are told.
 */
void asker_look(struct asker *ret, uint32_t pid, uint32_t uid, uint64_t began);

/* The last part of @cgroup that fits, behind "..." if it is not all. */
void asker_set_cgroup(struct asker *a, const char *cgroup);

#endif
