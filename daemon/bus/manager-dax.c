// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-dax.c - Manager.CreateDaxDevice and DestroyDaxDevice. What always holds: who is not root
 * has more than dax_bytes_per_tenant only after polkit said yes.
 */
#include <inttypes.h>
#include <string.h>

#include "bus/authorize.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATH_LONGEST 80

static int create_authorized(struct bus *b, struct client *c, int fd, const void *request,
			     struct call *call, struct failure *ret)
{
	(void)fd;
	return b->handlers->create_dax(b->userdata, c, request, call, ret);
}

static int ask_to_create(struct bus *b, const struct dax_request *q, struct call *call,
			 struct failure *f)
{
	const struct authorization a = {
		.action = ACTION_DAX,
		.then = create_authorized,
		.fd = -1,
		.path = "",
		.request = q,
		.request_size = sizeof(*q),
	};

	return authorize(b, &a, call, f);
}

int method_create_dax(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct dax_request q = { 0 };
	const struct option known[] = { { "detached", 'b', &q.detached, NULL } };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "ut", &q.region, &q.size);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	if (r == 0 && (!q.size || q.size > INT64_MAX))
		r = failure_set(&f, RDMAREG_ERROR_INVALID_RANGE,
				"a device cannot have %" PRIu64
				" bytes: ask for at least 1, it is rounded up",
				q.size);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0 && !b->handlers->dax_is_within_limit(b->userdata, c, q.size))
		return end_call(call, ask_to_create(b, &q, call, &f), &f);
	return end_call(call, b->handlers->create_dax(b->userdata, c, &q, call, &f), &f);
}

int method_destroy_dax(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char clean[PATH_LONGEST];
	struct bus *b = userdata;
	const char *path;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &path);
	if (r < 0)
		return r;
	text_clean(clean, sizeof(clean), path, strlen(path));
	r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	return end_call(call, b->handlers->destroy_dax(b->userdata, c, clean, call, &f), &f);
}
