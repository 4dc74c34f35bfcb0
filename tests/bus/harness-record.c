// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * harness-record.c - the daemon's record of a keeper, changed while no daemon runs; see
 * harness-record.h.
 */
#include "harness-record.h"

#include <stdio.h>

#include "proxy/record.h"

bool record_set_run(const char *path, const char *unit, const char *invocation)
{
	struct record_keeper about;
	struct record *record;

	if (record_open(&record, path) < 0)
		return false;
	about = *record_keeper(record);
	snprintf(about.unit, sizeof(about.unit), "%s", unit);
	snprintf(about.invocation, sizeof(about.invocation), "%s", invocation);
	record_identify(record, &about);
	record_free(record);
	return true;
}
