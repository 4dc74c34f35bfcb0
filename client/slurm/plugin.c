// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plugin.c - the SPANK plugin: where Slurm calls it, and as whom.
 *
 *   srun, sbatch, salloc  the user  option.h
 *   prolog, epilog        root      root.h
 *   init of a step        root      root.h
 *   user_init, task_init  the user  task.h
 *
 * What always holds: nothing here makes a job or a node fail, unless the job asked for `required`,
 * and then only its tasks. slurmd and slurmstepd wait for no file, no prefetch and no other node:
 * that is done by processes that become tasks. No Slurm command is called.
 */
#include <slurm/slurm.h>
#include <slurm/spank.h>

#include "option.h"
#include "root.h"
#include "task.h"

#pragma GCC visibility push(default)
/* What a macro of Slurm makes, for tools that do not know it. No other release loads this. */
const char plugin_name[] = "rdmareg";
const char plugin_type[] = "spank";
const unsigned int plugin_version = SLURM_VERSION_NUMBER;
const unsigned int spank_plugin_version = 1;
spank_f slurm_spank_init, slurm_spank_init_post_opt, slurm_spank_job_prolog, slurm_spank_user_init,
	slurm_spank_task_init, slurm_spank_job_epilog;
#pragma GCC visibility pop

int slurm_spank_init(spank_t sp, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
	case S_CTX_REMOTE:
		return option_register(sp);
	default:
		return 0;
	}
}

int slurm_spank_init_post_opt(spank_t sp, int argc, char **argv)
{
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
		return option_tell_job(sp);
	case S_CTX_REMOTE:
		root_begin_step(sp, argc, argv);
		return 0;
	default:
		return 0;
	}
}

int slurm_spank_job_prolog(spank_t sp, int argc, char **argv)
{
	root_begin_job(sp, argc, argv);
	return 0;
}

int slurm_spank_user_init(spank_t sp, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	task_make_memory(sp);
	return 0;
}

int slurm_spank_task_init(spank_t sp, int argc, char **argv)
{
	task_begin(sp, argc, argv);
	return 0;
}

int slurm_spank_job_epilog(spank_t sp, int argc, char **argv)
{
	root_end_job(sp, argc, argv);
	return 0;
}
