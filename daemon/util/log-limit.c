// SPDX-License-Identifier: GPL-2.0-or-later
/* log-limit.c - see log-limit.h. */
#include "util/log-limit.h"

#include <inttypes.h>

#include "util/clock.h"

bool log_limit_pass(struct log_limit *l, int priority, const char *kind, const char *name)
{
	uint64_t now = now_monotonic_usec();

	if (priority > log_level())
		return false;
	if (l->full_usec < now)
		l->full_usec = now;
	if (l->full_usec - now > (LOG_LIMIT_SAVED - 1) * (uint64_t)LOG_LIMIT_USEC) {
		l->left_out++;
		return false;
	}
	l->full_usec += LOG_LIMIT_USEC;
	if (l->left_out)
		log_warning("%s %s: %" PRIu64 " lines about it were left out: there were too many",
			    kind, name, l->left_out);
	l->left_out = 0;
	return true;
}
