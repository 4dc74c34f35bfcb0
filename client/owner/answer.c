// SPDX-License-Identifier: LGPL-2.1-or-later
/* answer.c - see answer.h. */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "options.h"

int answer_take(sd_bus_message **reply, const char *entry, struct answer **ret, const char *asked)
{
	struct answer *a;

	if (sd_bus_message_enter_container(*reply, 'a', entry) <= 0)
		return fail(EBADMSG, "%s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    asked);
	a = calloc(1, sizeof(*a));
	if (!a)
		return fail(ENOMEM, "%s: out of memory", asked);
	a->message = take_pointer(*reply);
	*ret = a;
	return 0;
}

int answer_new(struct rdmareg *c, sd_bus_message *m, struct answer **ret, const char *format, ...)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	char asked[256];
	va_list arguments;
	int r;

	va_start(arguments, format);
	vsnprintf(asked, sizeof(asked), format, arguments);
	va_end(arguments);
	r = context_call(c, m, 0, &reply, "%s", asked);
	return r < 0 ? r : answer_take(&reply, "a{sv}", ret, asked);
}

void *answer_free(void *list)
{
	struct answer *a = list;

	if (a)
		sd_bus_message_unref(a->message);
	free(a);
	return NULL;
}

int answer_next(struct answer *a, int (*read)(sd_bus_message *m, void *into), void *into,
		size_t into_bytes, void *caller, const char *doing)
{
	int r = struct_out_check(caller);

	if (r < 0)
		return r;
	if (!a->broken) {
		if (sd_bus_message_at_end(a->message, 0) > 0)
			return 0;
		a->broken = read(a->message, into) < 0;
	}
	if (a->broken)
		return fail(EBADMSG, "%s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    doing);
	struct_out(caller, into, into_bytes);
	return 1;
}
