/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * option.h - --rdmareg, where a job is submitted: srun, sbatch, salloc. What was typed goes into the
 * job's environment, from which all steps of the job have it.
 */
#ifndef RDMAREG_SLURM_OPTION_H
#define RDMAREG_SLURM_OPTION_H

#include <slurm/spank.h>

/*
 * In the job's control environment: that it was submitted with regions, and whether one of them has
 * rails. The prolog is not told which, and sees the variable with Slurm's prefix, SPANK_.
 */
#define OPTION_CONTROL_VARIABLE "RDMAREG"
#define OPTION_CONTROL_RAILS "rails"

/* option_register: 0, or -1. In slurmstepd too: Slurm looks for it there. */
int option_register(spank_t sp);

/* option_tell_job: all that was typed is known. 0, or -1. */
int option_tell_job(spank_t sp);

#endif
