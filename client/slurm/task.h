/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.h - what the plugin does as the job's user: memory that has no name is made by the step, whose
 * tasks inherit it; regions and tickets are made by the process that becomes a task, in the job's own
 * mounts. The first task of a node registers and publishes; each waits for the other nodes'.
 *
 * What always holds: a task is started whatever is missing, unless the job asked for `required`; then
 * it ends here, with a sentence.
 */
#ifndef RDMAREG_SLURM_TASK_H
#define RDMAREG_SLURM_TASK_H

#include <slurm/spank.h>

/* task_make_memory: in slurmstepd, before it forks tasks: memfd and device-dax of the step. */
void task_make_memory(spank_t sp);

/* task_begin: in the process that becomes the task. Does not return where the task must not start. */
void task_begin(spank_t sp, int argc, char **argv);

#endif
