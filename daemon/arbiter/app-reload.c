// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-reload.c - reading the settings again, for Reload and for SIGHUP.
 *
 * The files are read, and the groups and folders that they name looked for, in a thread: where a
 * user database is, nobody knows. So what is accepted is what --check-config accepts.
 *
 * What always holds: settings with an error, or that cannot be read in time, change nothing; of
 * those that are right, the last that began to be read are in force, in whichever order the reading
 * ends; whoever asked is answered.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define RELOADS_MAX 16 /* under way */
#define SILENT "files that this user passed before, or settings that were to be read, do not answer"

struct reload {
	struct offload_task task;
	struct app *app;
	struct call *call; /* NULL: it was a signal */
	uint64_t number;   /* counts up */
	const char *config;
	int must_exist;
	struct settings settings;
	int result;
	struct failure failure;
};

/* In a thread. */
static void work(struct offload_task *task)
{
	struct reload *l = (struct reload *)task;

	l->result = settings_check(l->config, l->must_exist, NULL, &l->settings, &l->failure);
}

static void refuse(struct app *a, struct call *call, const char *why)
{
	struct failure f;

	log_about(LOG_ERR, LOG_FIELDS(.message = LOG_MESSAGE_SETTINGS_REFUSED),
		  "settings stay as they were: %s", why);
	a->reload_failed_usec = now_realtime_usec();
	text_clean(a->reload_failure, sizeof(a->reload_failure), why, sizeof(a->reload_failure));
	failure_set(&f, RDMAREG_ERROR_FAILED,
		    "settings stay as they were: %s; correct it and try again", why);
	if (call)
		call_fail(call, &f);
}

static void apply(struct app *a, const struct reload *l)
{
	bool changed = memcmp(&a->settings, &l->settings, sizeof(a->settings)) != 0;

	a->reload_in_force = l->number;
	a->reload_failed_usec = 0;
	*a->reload_failure = 0;
	a->settings = l->settings;
	app_apply_settings(a);
	if (changed)
		pool_settings_changed(a->keepers);
	if (changed)
		app_want_slices(a);
	log_notice(
		"settings read again from %s; only when a keeper starts can be seen: " SETTINGS_SEEN_LATER,
		l->config);
	if (l->call)
		call_reply(l->call);
}

/* The files may have changed since: what a later one found in them counts. */
static void give_way(const struct reload *l)
{
	static const char why[] =
		"the settings that a later reload read are in force, what this one read before is not";
	struct failure f;

	log_notice("%s", why);
	failure_set(&f, RDMAREG_ERROR_FAILED, "%s", why);
	if (l->call)
		call_fail(l->call, &f);
}

static void ended(struct offload_task *task, int error)
{
	struct reload *l = (struct reload *)task;
	struct app *a = l->app;
	char why[200];

	if (error == -ESHUTDOWN) {
		refuse(a, l->call, "rdmaregd is stopping");
	} else if (error) {
		snprintf(why, sizeof(why),
			 "they, or a name in them, could not be looked up within %" PRIu64
			 " ms (timeout_msec): the user database or a filesystem does not answer",
			 offload_timeout(a->offload) / 1000);
		refuse(a, l->call, why);
	} else if (l->result < 0) {
		refuse(a, l->call, l->failure.text);
	} else if (l->number < a->reload_in_force) {
		give_way(l);
	} else {
		apply(a, l);
	}
	a->reloads--;
	if (a->reload_due && error != -ESHUTDOWN)
		app_reload_by_signal(a);
	if (!a->reloads && a->serving && error != -ESHUTDOWN)
		sd_notify(0, "READY=1");
}

static void release(struct offload_task *task)
{
	free(task);
}

/* Negative: it is not begun. */
static int begin(struct app *a, struct call *call)
{
	struct reload *l;
	int r;

	if (a->reloads >= RELOADS_MAX)
		return -EAGAIN;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->task = (struct offload_task){ .work = work, .ended = ended, .release = release };
	l->app = a;
	l->call = call;
	l->number = a->reloads_begun + 1;
	l->config = a->options->config;
	l->must_exist = a->options->config_must_exist;
	r = offload_run(a->offload, &l->task, geteuid());
	if (r < 0) {
		free(l);
		return r;
	}
	a->reloads_begun++;
	if (!a->reloads++ && a->serving)
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_monotonic_usec());
	return 0;
}

int app_reload(void *userdata, struct call *call, struct failure *ret)
{
	int r = begin(userdata, call);

	if (r == -EAGAIN)
		return failure_set(
			ret, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%d reloads are under way, which is the most there can be; try again",
			RELOADS_MAX);
	if (r == -EBUSY)
		return failure_set(ret, RDMAREG_ERROR_FAILED,
				   "the settings cannot be read: " SILENT);
	return r < 0 ? failure_from_errno(ret, "reading the settings", r, "") : 0;
}

void app_reload_by_signal(struct app *a)
{
	int r = begin(a, NULL);

	a->reload_due = r == -EAGAIN;
	if (r < 0 && !a->reload_due)
		refuse(a, NULL, r == -EBUSY ? SILENT : strerror(-r));
}
