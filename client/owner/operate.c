// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * operate.c - running the machine: drain and undrain. What always holds: polkit may ask somebody
 * first, so the context's work timeout bounds these calls.
 */
#include "bus.h"
#include "error.h"
#include "options.h"

_public_ int rdmareg_drain(struct rdmareg *c, const char *reason)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	NEED(c);
	r = context_new_call(c, 0, "Drain", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "s", reason ? reason : "");
	if (r < 0)
		return fail(EINVAL, "draining the machine: the reason is not UTF-8");
	return context_call(c, take_pointer(m), c->work_timeout_usec, NULL, "draining the machine");
}

_public_ int rdmareg_undrain(struct rdmareg *c)
{
	sd_bus_message *m;
	int r;

	NEED(c);
	r = context_new_call(c, 0, "Undrain", &m);
	if (r < 0)
		return r;
	return context_call(c, m, c->work_timeout_usec, NULL, "undraining the machine");
}
