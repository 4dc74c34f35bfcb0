/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - what the plugin's hooks have in common: how they read what the user and the administrator
 * said, how a job's session is called, and what is worth another try.
 */
#ifndef RDMAREG_SLURM_JOB_H
#define RDMAREG_SLURM_JOB_H

#include <slurm/spank.h>
#include <stdint.h>

#include "settings.h"
#include "spec.h"

/* In the job's environment: what the job has, as spec_list_parse() reads it. The user's word. */
#define JOB_LIST_VARIABLE "SLURM_RDMAREG"
#define JOB_SESSION_BYTES 48
#define USEC_PER_SEC 1000000ull

/* job_settings: of plugstack.conf; what is not understood there is logged and left out. */
void job_settings(struct settings *ret, int argc, char **argv);

/*
 * job_read_list: what the job has in its environment. Of a job that is given no list at all, or an
 * empty one, n is 0. -EINVAL, and it is logged, if it is none.
 */
int job_read_list(spank_t sp, struct spec_list *ret);

/* job_session: the name of a job's session on each of its nodes; each rail has one of its own. */
void job_session(char ret[JOB_SESSION_BYTES], uint32_t job, size_t rail);

/* job_is_extern: the step that holds the job's processes together has no tasks of the user. */
int job_is_extern(spank_t sp);

/*
 * job_retry: 1, after a pause, if a call that failed so is worth another one before @end: a session
 * of the job's earlier run is still being released, a keeper did not get ready in time, or something
 * else did not answer in time. @pause: as exchange_rest() has it.
 */
int job_retry(int r, uint64_t end, unsigned int *pause);

#endif
