// SPDX-License-Identifier: LGPL-2.1-or-later
/* answer.c - see answer.h. */
#include "answer.h"

#include "error.h"

int answer_next(struct answer *a, int (*read)(sd_bus_message *m, void *into), void *into,
		const char *doing)
{
	if (!a->broken) {
		if (sd_bus_message_at_end(a->message, 0) > 0)
			return 0;
		a->broken = read(a->message, into) < 0;
	}
	if (a->broken)
		return fail(EBADMSG, "%s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    doing);
	return 1;
}
