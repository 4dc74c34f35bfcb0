// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-drain.c - a machine that is to be emptied: nothing new is registered or created on it, and
 * what exists goes on.
 *
 * What always holds: what is in force is what the file "drained" in the runtime directory says, so
 * a daemon that is started again goes on refusing. The file is replaced as a whole. One that cannot
 * be understood was meant to drain, and does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/replace-file.h"
#include "util/text.h"

#define FILE_NAME "drained"
#define NEW_NAME "drained.new"
#define HEAD "rdmareg-drain"
#define TAIL "\nend\n"
#define TEXT_MAX (DRAIN_REASON_MAX + 128)

static int write_record(int directory, const struct drain *d)
{
	char text[TEXT_MAX];
	int n = snprintf(text, sizeof(text), HEAD " %" PRIu32 " %" PRIu64 "\n%s" TAIL, d->uid,
			 d->since_usec, d->reason);

	return replace_file(directory, FILE_NAME, NEW_NAME, 0600, text, (size_t)n);
}

/* @text: terminated. False: it is none of ours, or not all of it. */
static bool parse(char *text, struct drain *ret)
{
	char *reason = strchr(text, '\n'), *end;
	int read = 0;

	if (sscanf(text, HEAD " %" SCNu32 " %" SCNu64 "%n", &ret->uid, &ret->since_usec, &read) !=
		    2 ||
	    text + read != reason)
		return false;
	reason++;
	end = strchr(reason, '\n');
	if (!end || strcmp(end, TAIL) != 0 || end - reason >= DRAIN_REASON_MAX)
		return false;
	text_clean(ret->reason, sizeof(ret->reason), reason, (size_t)(end - reason));
	return true;
}

void app_load_drain(struct app *a)
{
	_cleanup_(closep) int fd = openat(a->runtime.directory, FILE_NAME,
					  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct drain *d = &a->drain;
	char text[TEXT_MAX + 1];
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return;
	n = fd < 0 ? -1 : read(fd, text, TEXT_MAX);
	text[n > 0 ? n : 0] = 0;
	d->on = true;
	if (n <= 0 || strlen(text) != (size_t)n || !parse(text, d)) {
		*d = (struct drain){ .on = true, .since_usec = now_realtime_usec() };
		strcpy(d->reason, "the record of why is damaged");
		log_warning("%s/../" FILE_NAME " is damaged: drained, until it is undone",
			    a->runtime.keepers);
	}
	log_notice("drained by uid %" PRIu32
		   ", as before the start: nothing new is registered here (%s)",
		   d->uid, d->reason);
}

int app_check_drain(const struct app *a, struct failure *f)
{
	const struct drain *d = &a->drain;

	if (!d->on)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_BUSY,
		"this machine is drained by uid %" PRIu32
		" (%s): nothing new is registered or created on it, what exists goes on; use another machine, or have "
		"the administrator call: rdmaregctl undrain",
		d->uid, *d->reason ? d->reason : "no reason was given");
}

static int undrain(struct app *a, uint32_t uid, struct failure *ret)
{
	if (unlinkat(a->runtime.directory, FILE_NAME, 0) < 0 && errno != ENOENT)
		return failure_set(ret, RDMAREG_ERROR_FAILED,
				   "still drained: %s/../" FILE_NAME " cannot be removed: %s",
				   a->runtime.keepers, strerror(errno));
	if (a->drain.on)
		log_notice("undrained by uid %" PRIu32 ": files are registered here again", uid);
	a->drain = (struct drain){ .on = false };
	return 0;
}

static int drain(struct app *a, uint32_t uid, const char *reason, struct failure *ret)
{
	struct drain d = { .on = true, .uid = uid, .since_usec = now_realtime_usec() };
	int r;

	strcpy(d.reason, reason);
	/* the same again is no new beginning */
	if (a->drain.on && !strcmp(a->drain.reason, reason) && a->drain.uid == uid)
		return 0;
	r = write_record(a->runtime.directory, &d);
	if (r < 0)
		return failure_set(ret, RDMAREG_ERROR_FAILED,
				   "not drained: it cannot be recorded in %s/../" FILE_NAME ": %s",
				   a->runtime.keepers, strerror(-r));
	a->drain = d;
	log_notice("drained by uid %" PRIu32 ": nothing new is registered here (%s)", uid,
		   *reason ? reason : "no reason was given");
	return 0;
}

int app_drain(void *userdata, struct client *c, const struct drain_request *q, struct call *call,
	      struct failure *ret)
{
	struct app *a = userdata;
	int r = q->on ? drain(a, c->uid, q->reason, ret) : undrain(a, c->uid, ret);

	if (r)
		return r;
	app_set_status(a);
	call_reply(call);
	return 0;
}
