/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - what the administrator says in plugstack.conf, behind the plugin's name: arguments
 * like wait=30s. An argument that is not understood changes nothing.
 */
#ifndef RDMAREG_SLURM_SETTINGS_H
#define RDMAREG_SLURM_SETTINGS_H

#include <stdint.h>

#define SETTINGS_VALID                                                                                 \
	"directory=DIRECTORY, wait=TIME, grace=TIME, memory=SIZE or memory=1% to 1000% of the job's, " \
	"device=DEVICE"

struct settings {
	const char *directory; /* absolute, or "~/" and a path; points into an argument */
	uint64_t wait_usec;
	uint64_t release_grace_usec;
	/* of a job's keepers on a node; both 0: rdmaregd's own limit */
	uint64_t memory_bytes;
	uint64_t memory_percent; /* of the job's memory there */
	const char *device; /* RDMA device of a job's keepers; points into an argument; NULL: any */
};

/* settings_init: the defaults. */
void settings_init(struct settings *ret);

/* settings_take: one argument. Negative, and nothing is changed, if it is none or its value is. */
int settings_take(struct settings *s, const char *argument);

#endif
