// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * option.c - Slurm calls for each argument that was typed, and for one that was not: inside a job, the
 * last one that the job was submitted with. Telling them apart is what most of this is about.
 */
#include <slurm/slurm.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "option.h"
#include "spec.h"

#define INHERITED_PREFIX "SLURM_SPANK__SLURM_SPANK_OPTION_"
#define INHERITED_SUFFIX "_rdmareg"

/* What was given so far. */
static struct spec_list asked;
static int was_asked;

/*
 * Inside a job Slurm gives srun the last one that the job was submitted with, from a variable of
 * its own and before those that were typed. All of them are in ours, which stays if none is typed.
 */
static int is_inherited(const char *argument)
{
	static int looked;
	size_t n = strlen(INHERITED_PREFIX), m = strlen(INHERITED_SUFFIX);
	char **variable;

	if (looked || !getenv(JOB_LIST_VARIABLE))
		return 0;
	looked = 1;
	for (variable = environ; *variable; variable++) {
		const char *value = strchr(*variable, '=');
		size_t length = value ? (size_t)(value - *variable) : 0;

		if (length > n + m && !strncmp(*variable, INHERITED_PREFIX, n) &&
		    !strncmp(value - m, INHERITED_SUFFIX, m) && !strcmp(value + 1, argument))
			return 1;
	}
	return 0;
}

static int take_option(int val, const char *argument, int remote)
{
	char error[SPEC_ERROR_BYTES];

	(void)val;
	/* Slurm passes only the last one on; all of them are in the environment */
	if (remote || is_inherited(argument))
		return 0;
	was_asked = 1;
	if (!strcmp(argument, "none")) {
		asked = (struct spec_list){ 0 };
		return 0;
	}
	if (spec_list_add(&asked, argument, error) < 0) {
		slurm_error("--rdmareg=%s: %s", argument, error);
		return -1;
	}
	return 0;
}

static struct spank_option option = {
	.name = "rdmareg",
	.arginfo = "FILE|dax:SIZE|memfd:SIZE[:r|rw][,OPTION...]",
	.usage =
		"make it reachable for RDMA from all nodes while the job lives; repeatable. Options: "
		"warm, required, rails, policy=follow|yield|hold, grace=TIME, name=NAME. none: nothing",
	.has_arg = 1,
	.cb = take_option,
};

int option_register(spank_t sp)
{
	return spank_option_register(sp, &option) == ESPANK_SUCCESS ? 0 : -1;
}

/* What the job has that is not its own choice is another job's, which it was submitted in. */
static int has_rails(void)
{
	static struct spec_list inherited;
	const char *text = getenv(JOB_LIST_VARIABLE);
	char error[SPEC_ERROR_BYTES];

	if (was_asked)
		return spec_list_rails(&asked);
	return text && spec_list_parse(&inherited, text, error) == 0 && spec_list_rails(&inherited);
}

int option_tell_job(spank_t sp)
{
	const char *what = has_rails() ? OPTION_CONTROL_RAILS : "1";

	if (was_asked && setenv(JOB_LIST_VARIABLE, asked.n ? asked.text : "none", 1) < 0)
		return -1;
	if (asked.n || (!was_asked && getenv(JOB_LIST_VARIABLE)))
		spank_job_control_setenv(sp, OPTION_CONTROL_VARIABLE, what, 1);
	return 0;
}
