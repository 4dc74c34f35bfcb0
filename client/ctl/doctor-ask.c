// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor-ask.c - see doctor.h: what rdmaregd says of itself, of its keepers and of regions, as this
 * user may see it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "doctor.h"
#include "machine.h"
#include "program.h"

void *doctor_grow(void *array, size_t *n, size_t size)
{
	static _Alignas(8) char spare[1024];
	char *all, *more;

	memcpy(&all, array, sizeof(all)); /* it is a pointer of another type */
	more = realloc(all, (*n + 1) * size);
	if (!more)
		return memset(spare, 0, sizeof(spare));
	memcpy(array, &more, sizeof(more));
	return memset(more + size * (*n)++, 0, size);
}

void doctor_unseen(struct doctor_facts *t, const char *format, ...)
{
	struct doctor_text *line = doctor_grow(&t->unseen, &t->n_unseen, sizeof(*line));
	va_list args;

	va_start(args, format);
	vsnprintf(line->text, sizeof(line->text), format, args);
	va_end(args);
}

void doctor_free(struct doctor_facts *t)
{
	free(t->problems);
	free(t->adapters);
	free(t->keepers);
	free(t->tenants);
	free(t->strays);
	free(t->files);
	free(t->units);
	free(t->addresses);
	free(t->unseen);
}

static json_object *element(json_object *o, const char *list, size_t at)
{
	json_object *all = json_object_object_get(o, list);

	return all && at < json_object_array_length(all) ? json_object_array_get_idx(all, at)
							 : NULL;
}

static void take_keeper(struct doctor_facts *t, json_object *row)
{
	struct doctor_keeper *k = doctor_grow(&t->keepers, &t->n_keepers, sizeof(*k));

	k->name = text_of(row, "name");
	k->state = text_of(row, "state");
	k->unit = text_of(row, "unit");
	k->session = text_of(row, "session");
	k->driven = !strcmp(k->state, "driven");
	k->uid = (uint32_t)number_of(row, "uid");
	k->regions = number_of(row, "regions");
	k->bytes = number_of(row, "bytes");
	k->process.pid = (uint32_t)number_of(row, "pid");
}

static void take_lists(struct doctor_facts *t, json_object *o)
{
	json_object *row;

	for (size_t i = 0; (row = element(o, "problems", i)); i++) {
		struct doctor_problem *p = doctor_grow(&t->problems, &t->n_problems, sizeof(*p));

		p->what = text_of(row, "what");
		p->cause = text_of(row, "cause");
		p->command = text_of(row, "command");
	}
	for (size_t i = 0; (row = element(o, "adapters", i)); i++) {
		struct doctor_adapter *a = doctor_grow(&t->adapters, &t->n_adapters, sizeof(*a));

		a->name = text_of(row, "name");
		a->driver = text_of(row, "driver");
		a->abilities = text_of(row, "abilities");
		a->mtu = number_of(row, "mtu");
	}
	for (size_t i = 0; (row = element(o, "keeper_list", i)); i++)
		take_keeper(t, row);
}

static struct doctor_tenant *tenant_of(struct doctor_facts *t, uint32_t uid, const char *session)
{
	struct doctor_tenant *it;

	for (size_t i = 0; i < t->n_tenants; i++)
		if (t->tenants[i].uid == uid && !strcmp(t->tenants[i].session, session))
			return &t->tenants[i];
	it = doctor_grow(&t->tenants, &t->n_tenants, sizeof(*it));
	it->uid = uid;
	snprintf(it->session, sizeof(it->session), "%s", session);
	return it;
}

static int take_region(const struct rdmareg_region_info *i, void *userdata)
{
	struct doctor_facts *t = userdata;
	struct doctor_tenant *it = tenant_of(t, i->uid, i->session);

	if (program_now_usec() > t->until_usec) {
		t->silent = "its list of regions did not come to an end in time";
		return -ETIMEDOUT;
	}
	it->regions++;
	it->bytes += i->length;
	t->newest = i->id;
	it->leased += i->arbitration_mode == RDMAREG_ARBITRATION_LAYOUT_LEASE &&
		      (i->state == RDMAREG_STATE_LIVE || i->state == RDMAREG_STATE_WARMING);
	return 0;
}

static int64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void doctor_ask(struct doctor_facts *t, json_object **ret_o)
{
	const struct rdmareg_open_options options = { .size = sizeof(options),
						      .timeout_usec = t->part_usec };
	struct rdmareg *context = NULL;
	int r = rdmareg_open(&options, &context);

	if (r >= 0)
		r = machine_read(context, take_region, t, ret_o);
	t->root = !geteuid();
	t->own_version = PROJECT_VERSION;
	if (r >= 0) {
		t->version = text_of(*ret_o, "version");
		t->module_version = text_of(*ret_o, "module_version");
		t->regions = number_of(*ret_o, "regions");
		t->bytes = number_of(*ret_o, "bytes");
		t->clock_step_usec = now_usec() - (int64_t)number_of(*ret_o, "started_usec") -
				     (int64_t)number_of(*ret_o, "uptime_usec");
		take_lists(t, *ret_o);
	} else if (!t->silent) {
		snprintf(t->why_silent, sizeof(t->why_silent), "%s", rdmareg_last_error());
		t->silent = t->why_silent;
	}
	rdmareg_close(context);
}
