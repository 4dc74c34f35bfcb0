// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-reload.c - reading the settings again, for Reload and for SIGHUP.
 *
 * The files are read, and the groups and folders that they name looked for, in a thread: where a user database is, nobody knows. So what is
 * accepted is what --check-config accepts.
 *
 * What always holds: settings with an error, or that cannot be read in time, change nothing; whoever asked is answered.
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

struct reload {
	struct offload_task task;
	struct app *app;
	struct call *call; /* NULL: it was a signal */
	const char *config;
	int must_exist;
	struct settings settings;
	int result;
	char error[600];
};

/* In a thread. */
static void work(struct offload_task *task)
{
	struct reload *l = (struct reload *)task;

	l->result = settings_check(l->config, l->must_exist, &l->settings, l->error, sizeof(l->error));
}

static void refuse(struct call *call, const char *why)
{
	struct failure f;

	log_error("settings stay as they were: %s", why);
	failure_set(&f, RDMAREG_ERROR_FAILED, "settings stay as they were: %s; correct it and try again", why);
	if (call)
		call_fail(call, &f);
}

static void ended(struct offload_task *task, int error)
{
	struct reload *l = (struct reload *)task;
	struct app *a = l->app;
	char why[200];

	if (error == -ESHUTDOWN) {
		refuse(l->call, "rdmaregd is stopping");
	} else if (error) {
		snprintf(why, sizeof(why),
			 "they, or a name in them, could not be looked up within %" PRIu64
			 " ms (timeout_msec): the user database or a filesystem does not answer",
			 offload_timeout(a->offload) / 1000);
		refuse(l->call, why);
	} else if (l->result < 0) {
		refuse(l->call, l->error);
	} else {
		bool changed = memcmp(&a->settings, &l->settings, sizeof(a->settings)) != 0;

		a->settings = l->settings;
		app_apply_settings(a);
		if (changed)
			keepers_settings_changed(a->keepers);
		log_notice("settings read again from %s", l->config);
		if (l->call)
			call_reply(l->call);
	}
	if (!--a->reloads && a->serving && error != -ESHUTDOWN)
		sd_notify(0, "READY=1");
}

static void release(struct offload_task *task)
{
	free(task);
}

/* Negative: it is not begun. */
static int begin(struct app *a, struct call *call)
{
	struct reload *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->task = (struct offload_task){ .work = work, .ended = ended, .release = release };
	l->app = a;
	l->call = call;
	l->config = a->options->config;
	l->must_exist = a->options->config_must_exist;
	r = offload_run(a->offload, &l->task, geteuid());
	if (r < 0) {
		free(l);
		return r;
	}
	if (!a->reloads++ && a->serving)
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_monotonic_usec());
	return 0;
}

int app_reload(void *userdata, struct call *call, struct failure *ret)
{
	int r = begin(userdata, call);

	if (r == -EBUSY)
		return failure_set(ret, RDMAREG_ERROR_FAILED,
				   "the settings cannot be read: files that this user passed before, or settings that were "
				   "to be read, do not answer");
	return r < 0 ? failure_from_errno(ret, "reading the settings", r, "") : 0;
}

void app_reload_by_signal(struct app *a)
{
	int r = begin(a, NULL);

	if (r < 0)
		log_error("settings stay as they were: they cannot be read: %s", strerror(-r));
}
