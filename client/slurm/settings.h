/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - what the administrator says in plugstack.conf, behind the plugin's name: arguments
 * like wait=30s. An argument that is not understood changes nothing.
 */
#ifndef RDMAREG_SLURM_SETTINGS_H
#define RDMAREG_SLURM_SETTINGS_H

#include <rdmareg.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_DEVICE_BYTES 64

#define SETTINGS_VALID                                                                                 \
	"directory=DIRECTORY, wait=TIME, grace=TIME, memory=SIZE or memory=1% to 1000% of the job's, " \
	"device=DEVICE[,DEVICE...]"

struct settings {
	const char *directory; /* absolute, or "~/" and a path; points into an argument */
	uint64_t wait_usec;
	uint64_t release_grace_usec;
	/* of a job's keepers on a node; both 0: rdmaregd's own limit */
	uint64_t memory_bytes;
	uint64_t memory_percent; /* of the job's memory there */
	/* RDMA devices of a job's keepers: the first, and the others for regions with rails */
	size_t n_devices;
	char device[RDMAREG_RAILS_MAX][SETTINGS_DEVICE_BYTES];
};

/* settings_init: the defaults. */
void settings_init(struct settings *ret);

/* settings_device: that of a rail, from 0 on; NULL: any. */
const char *settings_device(const struct settings *s, size_t rail);

/* settings_take: one argument. Negative, and nothing is changed, if it is none or its value is. */
int settings_take(struct settings *s, const char *argument);

#endif
