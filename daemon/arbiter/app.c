// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app.c - see app.h: the parts are made, joined and taken apart here; signals and the watchdog.
 *
 * Order of things at start: the lock, so that no second daemon touches this runtime directory; the
 * bus name, so that callers wait instead of being told that there is nobody; the keepers, and only
 * then the callers.
 */
#include "arbiter/app.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "arbiter/app-internal.h"
#include "util/cgroup-watch.h"
#include "util/macros.h"
#include "util/spawner.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

static void app_freep(struct app **a)
{
	app_free(*a);
}

static struct gate_link_limits gate_limits(const struct settings *s)
{
	return (struct gate_link_limits){ .files = (uint32_t)s->pre_content_files,
					  .passages = (uint32_t)s->pre_content_waiters,
					  .watchdog_usec = s->watchdog_msec * USEC_PER_MSEC };
}

void app_apply_settings(struct app *a)
{
	const struct settings *s = &a->settings;
	const struct registry_limits limits = {
		.regions_per_tenant = (uint32_t)s->regions_per_tenant,
		.bytes_per_tenant = s->bytes_per_tenant,
		.regions_per_client = (uint32_t)s->regions_per_client,
		.tenants_per_uid = (uint32_t)s->tenants_per_uid,
		.tenants = (uint32_t)s->keepers,
		.sessions = (uint32_t)s->sessions_max,
		.ids = a->keepers ? pool_ids(a->keepers) : 0,
	};
	const struct bus_limits bus = { (uint32_t)s->pending_calls_per_client,
					(uint32_t)s->pending_calls_per_uid,
					(uint32_t)s->subscribers_per_uid };
	const struct gate_link_limits gate = gate_limits(s);

	log_set_level(a->options->log_level >= 0 ? a->options->log_level : (int)s->log_level);
	if (a->keepers)
		pool_log_level_changed(a->keepers);
	if (a->registry)
		registry_set_limits(a->registry, &limits);
	if (a->bus)
		bus_set_limits(a->bus, &bus);
	if (a->offload)
		offload_set_timeout(a->offload, s->timeout_msec * USEC_PER_MSEC);
	if (a->gate)
		gate_link_set_limits(a->gate, &gate);
	app_serve_metrics(a);
}

static void on_signal(evutil_socket_t number, short what, void *userdata)
{
	struct app *a = userdata;

	(void)what;
	if (number == SIGHUP) {
		app_reload_by_signal(a);
		return;
	}
	log_notice("stopping on signal %d; the keepers stay", (int)number);
	loop_stop(a->loop);
}

static void on_watchdog(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
	sd_notify(0, "WATCHDOG=1");
}

static void on_status(evutil_socket_t fd, short what, void *userdata)
{
	struct app *a = userdata;

	uint32_t estranged = app_count_estranged(a);
	char rest[80] = "";

	(void)fd, (void)what;
	if (estranged)
		snprintf(rest, sizeof(rest),
			 ", and %" PRIu32 " that cannot be driven: rdmaregctl keeper list",
			 estranged);
	sd_notifyf(0, "STATUS=%s%zu regions, %" PRIu32 " keepers%s", a->drain.on ? "drained; " : "",
		   registry_count(a->registry), pool_count(a->keepers), rest);
}

/* Whoever owned these regions did not come back. */
static void on_orphans_end(evutil_socket_t fd, short what, void *userdata)
{
	struct app *a = userdata;
	struct region *r;
	uint64_t id = 0;

	(void)fd, (void)what;
	while ((r = registry_after(a->registry, id))) {
		const struct region_entry *e = region_table_find(a->table, r->id);

		id = r->id;
		if (!e->orphan)
			continue;
		log_notice("region %" PRIu64
			   ": released: nobody owns it since rdmaregd was started anew",
			   id);
		app_want_release(a, r, END_EXPIRED, NULL, UINT64_MAX);
	}
}

static int make_events(struct app *a)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	struct event_base *base = loop_base(a->loop);
	uint64_t watchdog_usec = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		a->signals[i] = evsignal_new(base, numbers[i], on_signal, a);
		if (!a->signals[i] || event_add(a->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	a->orphans_end = evtimer_new(base, on_orphans_end, a);
	a->status = evtimer_new(base, on_status, a);
	if (!a->orphans_end || !a->status)
		return -ENOMEM;
	if (sd_watchdog_enabled(0, &watchdog_usec) > 0) {
		const struct timeval half = timeval_from_usec(watchdog_usec / 2);

		a->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, a);
		if (!a->watchdog || event_add(a->watchdog, &half) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* NULL: the environment names none. */
static char *choose_address(const struct app_options *o, const char **ret_which)
{
	const char *given = secure_getenv(o->session_bus ? "DBUS_SESSION_BUS_ADDRESS"
							 : "DBUS_SYSTEM_BUS_ADDRESS");
	const char *run = secure_getenv("XDG_RUNTIME_DIR");
	char *address = NULL;

	*ret_which = o->bus_address   ? o->bus_address
		     : o->session_bus ? "the session bus"
				      : "the system bus";
	if (o->bus_address || given)
		address = strdup(o->bus_address ? o->bus_address : given);
	else if (!o->session_bus)
		address = strdup("unix:path=/run/dbus/system_bus_socket");
	else if (run && asprintf(&address, "unix:path=%s/bus", run) < 0)
		address = NULL;
	return address;
}

static void expect_owner(void *userdata, const char *mark)
{
	struct app *a = userdata;

	bus_expect(a->bus, mark);
}

static int connect_bus(struct app *a)
{
	const char *which;
	_cleanup_(freep) char *address = choose_address(a->options, &which);
	int r = address ? bus_new(&a->bus, loop_base(a->loop), address, a->offload,
				  &app_bus_handlers, a)
			: -ENOENT;

	if (r >= 0)
		r = bus_settle(a->bus);
	if (r >= 0) {
		pool_each_owner(a->runtime.keepers, expect_owner, a);
		app_each_dax_owner(a, expect_owner, a);
		r = bus_settle(a->bus);
	}
	if (r >= 0)
		r = bus_acquire_name(a->bus);
	if (r == -EEXIST)
		log_error("%s: the name " RDMAREG_BUS_NAME " is taken: another rdmaregd serves it",
			  which);
	else if (r < 0)
		log_error("%s cannot be used: %s (is the D-Bus policy of rdmaregd installed?)",
			  which, strerror(-r));
	return r;
}

static int process(void *userdata)
{
	struct app *a = userdata;

	return bus_process(a->bus);
}

static uint64_t work(void *userdata)
{
	struct app *a = userdata;

	return bus_work(a->bus);
}

/* It cannot be made anew, with all the descriptors that are here by now. */
static void on_spawner_lost(void *userdata)
{
	struct app *a = userdata;

	log_error(
		"the process that starts others for rdmaregd has ended, so rdmaregd ends, to be started again; "
		"the keepers stay");
	a->cannot_spawn = true;
	loop_stop(a->loop);
}

static void give_up(struct app *a, struct region *r)
{
	app_want_release(a, r, END_GIVEN_UP, NULL, 0);
}

static const struct standing_ops standing_ops = { .give_up = give_up,
						  .hold = app_ending_hold,
						  .let_go = app_ending_let_go };

static int make_parts(struct app *a)
{
	const struct app_options *o = a->options;
	const struct gate_link_limits gate = gate_limits(&a->settings);
	const struct registry_limits none = { 0 };
	int r = loop_new(&a->loop), in, out;

	if (r == 0)
		r = make_events(a);
	if (r == 0)
		r = offload_new(&a->offload, loop_base(a->loop),
				a->settings.timeout_msec * USEC_PER_MSEC);
	if (r == 0)
		r = registry_new(&a->registry, &none);
	if (r == 0)
		r = region_table_new(&a->table);
	if (r == 0)
		r = app_make_metrics(a);
	if (r == 0) /* so that the events of the next daemon have higher numbers */
		r = history_new(&a->history, a->history_since_usec = now_realtime_usec());
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	app_watch_frozen(a);
	registry_set_next_id(a->registry, a->runtime.next_id);
	a->demands = now_boottime_usec();
	r = gate_link_new(&a->gate, loop_base(a->loop), a->offload, o->spawner, o->gate, &gate,
			  &app_gate_ops, a);
	if (r == 0)
		r = app_watch_takers(a);
	if (r == 0)
		r = app_watch_terms(a);
	if (r == 0)
		r = spawner_watch(o->spawner, loop_base(a->loop), on_spawner_lost, a);
	if (r == 0)
		r = connect_bus(a);
	if (r < 0)
		return r;
	bus_descriptors(a->bus, &in, &out);
	loop_set_bus(a->loop, bus_connection(a->bus), in, out);
	loop_set_work(a->loop, process, work, a);
	loop_hold_bus(a->loop, true);
	/* only the system bus has the machine's systemd on it */
	r = pool_new(&a->keepers, loop_base(a->loop), a->offload, o->spawner,
		     o->bus_address || o->session_bus ? NULL : bus_connection(a->bus),
		     a->runtime.keepers, o->keeper, &a->settings, &app_keepers_handlers, a);
	if (r == 0)
		r = slices_new(&a->slices,
			       o->bus_address || o->session_bus ? NULL : bus_connection(a->bus));
	if (r == 0) {
		app_apply_settings(a);
		app_load_drain(a);
		app_load_standing(a, &standing_ops);
		app_load_sessions(a);
		r = pool_adopt(a->keepers);
	}
	if (r < 0)
		log_error("%s: keepers cannot be looked for: %s", a->runtime.keepers, strerror(-r));
	return r;
}

int app_new(struct app **ret, const struct app_options *options)
{
	_cleanup_(app_freep) struct app *a = calloc(1, sizeof(*a));
	struct failure why;
	int r;

	if (!a)
		return -ENOMEM;
	a->options = options;
	a->standing.directory = -1;
	a->started_usec = now_realtime_usec();
	a->started_boottime_usec = now_boottime_usec();
	TAILQ_INIT(&a->jobs);
	r = settings_load(options->config, options->config_must_exist, &a->settings, &why);
	if (r == 0) {
		app_apply_settings(a);
		r = runtime_open(&a->runtime, options->runtime_directory, &why);
		a->runtime_is_open = r == 0;
	}
	if (r < 0) {
		log_error("%s", why.text);
		return r;
	}
	r = make_parts(a);
	if (r < 0)
		return r;
	app_record_start(a);
	*ret = steal_pointer(a);
	return 0;
}

int app_run(struct app *a)
{
	int r = loop_run(a->loop);

	sd_notify(0, "STOPPING=1");
	if (r >= 0 && !a->cannot_spawn)
		app_record_end(a);
	if (r < 0)
		log_error("the bus is lost: %s; the keepers stay", strerror(-r));
	return r < 0 || !a->cannot_spawn ? r : -ECHILD;
}

struct app *app_free(struct app *a)
{
	if (!a)
		return NULL;
	/* open calls are answered first, while there is a bus to answer them on */
	app_stop_standing(a);
	if (a->offload)
		offload_stop(a->offload);
	if (a->keepers)
		pool_stop(a->keepers);
	app_free_passages(a);
	app_free_gatings(a);
	app_free_changes(a);
	app_free_revokes(a);
	app_free_endings(a);
	app_free_evicting(a);
	app_stop_replacements(a);
	app_free_standing(a);
	slices_free(a->slices);
	app_free_jobs(a);
	app_free_dax(a);
	region_table_free(a->table);
	gate_link_free(a->gate);
	pool_free(a->keepers);
	bus_free(a->bus);
	offload_free(a->offload);
	history_free(a->history);
	registry_free(a->registry);
	for (size_t i = 0; i < ARRAY_SIZE(a->signals); i++)
		if (a->signals[i])
			event_free(a->signals[i]);
	if (a->watchdog)
		event_free(a->watchdog);
	if (a->orphans_end)
		event_free(a->orphans_end);
	if (a->status)
		event_free(a->status);
	cgroup_watch_free(a->cgroups);
	if (a->frozen_more)
		event_free(a->frozen_more);
	if (a->frozen_look)
		event_free(a->frozen_look);
	app_free_takers(a);
	app_free_terms(a);
	app_free_metrics(a);
	spawner_unwatch(a->options->spawner);
	loop_free(a->loop);
	if (a->runtime_is_open)
		runtime_close(&a->runtime);
	free(a);
	return NULL;
}
