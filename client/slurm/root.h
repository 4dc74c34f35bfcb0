/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * root.h - what the plugin does as root: a job's session begins and ends, and its user has a directory
 * for tickets, where only root can make one.
 *
 * What always holds: what is done depends on the job's number and user alone, never on its
 * environment, which only says whether there is something to do. None of these fails; what does not
 * succeed is logged. None waits for a file or for another node: a filesystem that does not answer
 * keeps a child of theirs.
 */
#ifndef RDMAREG_SLURM_ROOT_H
#define RDMAREG_SLURM_ROOT_H

#include <slurm/spank.h>

/* root_begin_job: the prolog. The job's session is created, if it was submitted with regions. */
void root_begin_job(spank_t sp, int argc, char **argv);

/*
 * root_begin_step: in slurmstepd, before it is the user. The user's directory for tickets; and the
 * session's memory limit, where it follows from the job's memory, which the prolog is not told.
 */
void root_begin_step(spank_t sp, int argc, char **argv);

/*
 * root_end_job: the epilog. All regions of the job on this node end, and its ticket files are
 * removed. Nothing to do, if it was done before or if there never was a prolog.
 */
void root_end_job(spank_t sp, int argc, char **argv);

#endif
