// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-drain.c - Manager.Drain and Undrain. What always holds: root, who runs the daemon, and
 * those whom polkit knows may; a reason is short, and fit to be shown wherever it is.
 */
#include <string.h>
#include <unistd.h>

#include "bus/authorize.h"
#include "util/text.h"

static int drain_authorized(struct bus *b, struct client *c, int fd, const void *request,
			    struct call *call, struct failure *ret)
{
	(void)fd;
	return b->handlers->drain(b->userdata, c, request, call, ret);
}

static int order(struct bus *b, sd_bus_message *m, const struct drain_request *q)
{
	const struct authorization a = { .action = ACTION_DRAIN,
					 .then = drain_authorized,
					 .fd = -1,
					 .path = "",
					 .request = q,
					 .request_size = sizeof(*q) };
	struct client *c;
	struct failure f;
	struct call *call;
	int r = client_of_message(b, m, &c);

	if (r >= 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0 && c->uid != geteuid())
		return end_call(call, authorize(b, &a, call, &f), &f);
	return end_call(call, b->handlers->drain(b->userdata, c, q, call, &f), &f);
}

int method_drain_machine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct drain_request q = { .on = true };
	const char *reason;
	struct failure f;
	int r;

	(void)error;
	r = sd_bus_message_read(m, "s", &reason);
	if (r < 0)
		return r;
	if (strlen(reason) >= sizeof(q.reason))
		return refuse(m,
			      failure_set(&f, RDMAREG_ERROR_INVALID_OPTION,
					  "the reason has %zu bytes, and at most %zu are kept: "
					  "say it shorter",
					  strlen(reason), sizeof(q.reason) - 1),
			      &f);
	text_clean(q.reason, sizeof(q.reason), reason, sizeof(q.reason));
	return order(userdata, m, &q);
}

int method_undrain_machine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return order(userdata, m, &(struct drain_request){ .on = false });
}
