// SPDX-License-Identifier: GPL-2.0-or-later
/* job.c - what is read of a job's environment is the user's, and is logged so that it can be read. */
#include <errno.h>
#include <slurm/slurm.h>
#include <stdio.h>

#include "exchange.h"
#include "job.h"

void job_settings(struct settings *ret, int argc, char **argv)
{
	int i;

	settings_init(ret);
	for (i = 0; i < argc; i++)
		if (settings_take(ret, argv[i]) < 0)
			slurm_error(
				"rdmareg: '%s' in plugstack.conf is not understood, and left out; valid: %s",
				argv[i], SETTINGS_VALID);
}

/* Both are the user's: what the sentence cites, too. */
static void log_list(const char *text, const char *error)
{
	char list[SPEC_ERROR_BYTES], sentence[2 * SPEC_ERROR_BYTES];

	spec_printable(list, sizeof(list), text);
	spec_printable(sentence, sizeof(sentence), error);
	slurm_error("rdmareg: %s=%s: %s", JOB_LIST_VARIABLE, list, sentence);
}

int job_read_list(spank_t sp, struct spec_list *ret)
{
	char text[SPEC_BYTES], error[SPEC_ERROR_BYTES];
	spank_err_t r = spank_getenv(sp, JOB_LIST_VARIABLE, text, sizeof(text));

	*ret = (struct spec_list){ 0 };
	if (r == ESPANK_ENV_NOEXIST)
		return 0;
	if (r != ESPANK_SUCCESS) {
		slurm_error("rdmareg: %s cannot be read: %s", JOB_LIST_VARIABLE, spank_strerror(r));
		return -EINVAL;
	}
	if (spec_list_parse(ret, text, error) < 0) {
		log_list(text, error);
		return -EINVAL;
	}
	return 0;
}

void job_session(char ret[JOB_SESSION_BYTES], uint32_t job, size_t rail)
{
	if (rail)
		snprintf(ret, JOB_SESSION_BYTES, "slurm.%u.%zu", job, rail);
	else
		snprintf(ret, JOB_SESSION_BYTES, "slurm.%u", job);
}

int job_is_extern(spank_t sp)
{
	uint32_t step;

	return spank_get_item(sp, S_JOB_STEPID, &step) != ESPANK_SUCCESS ||
	       step == SLURM_EXTERN_CONT;
}

int job_retry(int r, uint64_t end, unsigned int *pause)
{
	if ((r != -EBUSY && r != -ETIME && r != -EOWNERDEAD) || exchange_clock() >= end)
		return 0;
	exchange_rest(pause);
	return 1;
}
