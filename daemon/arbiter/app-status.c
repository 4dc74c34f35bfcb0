// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-status.c - the machine as an operator asks for it: what there is, what the kernel offers,
 * limits and how much of them is used, and what needs somebody.
 *
 * What always holds: it costs the same whatever regions there are, and little for each tenant; an ordinary user is told of the
 * kernel, of the drain, and of what is his own; each problem says what it is, its cause, and one
 * command.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/text.h"

#define MODULE "/sys/module/rdmareg"
#define PRE_CONTENT_MAJOR 6 /* Linux 6.14 has the events */
#define PRE_CONTENT_MINOR 14

static void add_problem(struct status_view *v, const char *what, const char *command,
			const char *cause, ...) __attribute__((format(printf, 4, 5)));
static void add_problem(struct status_view *v, const char *what, const char *command,
			const char *cause, ...)
{
	struct status_problem *p = &v->problems[v->n_problems];
	va_list args;

	if (v->n_problems == STATUS_PROBLEMS_MAX)
		return;
	v->n_problems++;
	p->what = what;
	p->command = command;
	va_start(args, cause);
	vsnprintf(p->cause, sizeof(p->cause), cause, args);
	va_end(args);
}

static struct status_limit *new_limit(struct status_view *v, const char *setting, uint64_t limit,
				      uint64_t use)
{
	struct status_limit *l = &v->limits[v->n_limits++];

	assert(v->n_limits <= STATUS_LIMITS_MAX);
	*l = (struct status_limit){ .setting = setting, .limit = limit, .use = use };
	return l;
}

/* What one user may have. That somebody has all of it is nobody else's trouble. */
static void add_of_user(struct status_view *v, const char *setting, uint64_t limit, uint64_t use,
			uint32_t uid)
{
	struct status_limit *l = new_limit(v, setting, limit, use);

	if (use)
		snprintf(l->of, sizeof(l->of), "uid %" PRIu32, uid);
}

static void add_of_tenant(struct status_view *v, const char *setting, uint64_t limit, uint64_t use,
			  const struct tenant *t)
{
	struct status_limit *l = new_limit(v, setting, limit, use);

	if (t)
		snprintf(l->of, sizeof(l->of), "uid %" PRIu32 ", session %s", t->uid, t->session);
}

/* What all share, or what the caller has: what cannot be seen coming is met by somebody's job. */
static void add_limit(struct status_view *v, const char *setting, uint64_t limit, uint64_t use)
{
	new_limit(v, setting, limit, use);
	if (limit && use >= limit)
		add_problem(v, "a limit of rdmaregd.conf is reached", "rdmaregctl list",
			    "%s allows %" PRIu64
			    ", and so many there are: more is refused until some "
			    "are released or it is raised",
			    setting, limit);
}

static void look_at_module(struct status_view *v)
{
	FILE *f = fopen(MODULE "/version", "re");
	char line[32];

	v->module = access(MODULE, F_OK) == 0;
	if (f && fgets(line, sizeof(line), f))
		text_clean(v->module_version, sizeof(v->module_version), line, strcspn(line, "\n"));
	if (f)
		fclose(f);
	if (!v->module)
		add_problem(
			v, "regions cannot give way to a filesystem in time", "modprobe rdmareg",
			"the kernel module rdmareg is not loaded, so that there are no layout leases "
			"and no exact events");
}

static bool kernel_has_pre_content(const char *release)
{
	unsigned int major = 0, minor = 0;

	sscanf(release, "%u.%u", &major, &minor);
	return major > PRE_CONTENT_MAJOR ||
	       (major == PRE_CONTENT_MAJOR && minor >= PRE_CONTENT_MINOR);
}

static void look_at_kernel(const struct app *a, struct status_view *v)
{
	struct utsname u = { 0 };

	uname(&u);
	text_clean(v->kernel, sizeof(v->kernel), u.release, sizeof(u.release));
	look_at_module(v);
	if (!a->settings.pre_content) {
		v->pre_content = "off";
		snprintf(v->pre_content_reason, sizeof(v->pre_content_reason),
			 "pre_content is off in rdmaregd.conf");
	} else if (*a->gate_trouble) {
		v->pre_content = "failing";
		snprintf(v->pre_content_reason, sizeof(v->pre_content_reason), "%s",
			 a->gate_trouble);
	} else if (!kernel_has_pre_content(v->kernel)) {
		v->pre_content = "absent";
		snprintf(v->pre_content_reason, sizeof(v->pre_content_reason),
			 "Linux %d.%d or later has such events", PRE_CONTENT_MAJOR,
			 PRE_CONTENT_MINOR);
	} else {
		v->pre_content = a->gate_begun ? "active" : "idle";
	}
}

/* @uid: NULL: of all. */
static void count_tenants(const struct app *a, const uint32_t *uid, struct status_view *v)
{
	uint32_t left = registry_count_tenants(a->registry);

	for (uint32_t i = 0; left; i++) {
		const struct tenant *t = registry_tenant(a->registry, i);

		if (!t)
			continue;
		left--;
		if (uid && t->uid != *uid)
			continue;
		v->tenants++;
		v->sessions += t->kind == TENANT_SESSION;
		v->regions += t->regions;
		v->bytes += t->bytes;
	}
}

static void look_at_drain(const struct app *a, struct status_view *v)
{
	const struct drain *d = &a->drain;

	v->draining = d->on;
	v->drain_reason = d->reason;
	v->drain_uid = d->uid;
	v->drain_since_usec = d->since_usec;
	if (d->on)
		add_problem(v, "nothing new is registered: the machine is drained",
			    "rdmaregctl undrain", "uid %" PRIu32 " asked for it (%s)", d->uid,
			    *d->reason ? d->reason : "no reason was given");
}

static void look_at_standing(const struct app *a, const uint32_t *uid, struct status_view *v)
{
	uint32_t n = app_count_missing(a, uid);

	if (a->standing.silent)
		add_problem(v, "standing regions can be neither made nor released", "dmesg",
			    "the disk below %.200s does not answer", a->options->state_directory);
	if (a->standing.directory == -ETIMEDOUT)
		add_problem(v, "standing regions are not known", "systemctl restart rdmaregd",
			    "the disk below %.200s did not answer when rdmaregd started",
			    a->options->state_directory);
	if (n)
		add_problem(v, "standing regions are not there",
			    "rdmaregctl standing list --waiting",
			    "%" PRIu32
			    " regions are not there, and the list says why, and what is next: "
			    "their users make them again with rdmaregctl standing restore%s%s",
			    n, *a->standing.start_trouble ? "; " : "", a->standing.start_trouble);
}

/* What only an administrator is told. */
static void look_at_machine(const struct app *a, struct status_view *v)
{
	const struct settings *s = &a->settings;

	v->whole = true;
	v->keepers = pool_count(a->keepers);
	v->keepers_estranged = app_count_estranged(a);
	v->reload_failed_usec = a->reload_failed_usec;
	v->reload_failure = a->reload_failure;
	if (a->reload_failed_usec)
		add_problem(v, "the settings in force are older than rdmaregd.conf",
			    "rdmaregctl reload", "%s", a->reload_failure);
	add_limit(v, "keepers", s->keepers, v->tenants - v->sessions);
	add_limit(v, "sessions_max", s->sessions_max, v->sessions);
}

static int compare_uids(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

/* The user with most sessions that nobody created. */
static struct bus_use most_sessions(const struct app *a)
{
	uint32_t left = registry_count_tenants(a->registry), n = 0, same = 0;
	uint32_t *uids = calloc(left ? left : 1, sizeof(*uids));
	struct bus_use most = { 0 };

	for (uint32_t i = 0; uids && left; i++) {
		const struct tenant *t = registry_tenant(a->registry, i);

		left -= t != NULL;
		if (t && t->kind == TENANT_PLAIN)
			uids[n++] = t->uid;
	}
	if (n)
		qsort(uids, n, sizeof(*uids), compare_uids);
	for (uint32_t i = 0; i < n; i++) {
		same = i && uids[i] == uids[i - 1] ? same + 1 : 1;
		if (same > most.n)
			most = (struct bus_use){ same, uids[i] };
	}
	free(uids);
	return most;
}

/* Limits that each user or session has: how far who is the furthest has come. @uid: NULL: of all. */
static void look_at_limits(const struct app *a, const uint32_t *uid, struct status_view *v)
{
	const struct tenant *regions = NULL, *bytes = NULL;
	uint32_t left = registry_count_tenants(a->registry);
	const struct settings *s = &a->settings;
	struct bus_use sessions;
	struct bus_uses uses;

	for (uint32_t i = 0; left; i++) {
		const struct tenant *t = registry_tenant(a->registry, i);

		left -= t != NULL;
		if (!t || (uid && t->uid != *uid))
			continue;
		/* a session that was created can have limits of its own */
		if (t->kind != TENANT_PLAIN)
			continue;
		regions = regions && regions->regions >= t->regions ? regions : t;
		bytes = bytes && bytes->bytes >= t->bytes ? bytes : t;
	}
	if (uid) {
		add_limit(v, "tenants_per_uid", s->tenants_per_uid, v->tenants - v->sessions);
	} else {
		sessions = most_sessions(a);
		add_of_user(v, "tenants_per_uid", s->tenants_per_uid, sessions.n, sessions.uid);
	}
	add_of_tenant(v, "regions_per_tenant", s->regions_per_tenant,
		      regions ? regions->regions : 0, regions);
	add_of_tenant(v, "bytes_per_tenant", s->bytes_per_tenant, bytes ? bytes->bytes : 0, bytes);
	bus_most_used(a->bus, uid, &uses);
	add_of_user(v, "pending_calls_per_uid", s->pending_calls_per_uid, uses.pending.n,
		    uses.pending.uid);
	add_of_user(v, "subscribers_per_uid", s->subscribers_per_uid, uses.subscribers.n,
		    uses.subscribers.uid);
	add_of_user(v, "joins_per_uid", s->joins_per_uid, uses.joins.n, uses.joins.uid);
}

void app_view_status(void *userdata, uint32_t uid, struct status_view *ret)
{
	const struct app *a = userdata;

	*ret = (struct status_view){
		.started_usec = a->started_usec,
		.uptime_usec = now_boottime_usec() - a->started_boottime_usec,
		.drain_reason = "",
		.reload_failure = "",
	};
	count_tenants(a, uid ? &uid : NULL, ret);
	look_at_drain(a, ret);
	look_at_standing(a, uid ? &uid : NULL, ret);
	look_at_kernel(a, ret);
	if (!uid)
		look_at_machine(a, ret);
	look_at_limits(a, uid ? &uid : NULL, ret);
}
