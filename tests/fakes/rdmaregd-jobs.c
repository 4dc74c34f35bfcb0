// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmaregd-jobs.c - the played daemon's jobs: begun by StartPrefetch, and otherwise as they are
 * told. See fakes/rdmaregd.h. What always holds: they are numbered from 1 in each run, as the real
 * one's are, and nothing happens to one by itself, unless it is of 4096 bytes, which is done at
 * once.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdmaregd-calls.h"
#include "names.h"

#define JOBS_MAX 64
#define JOB_BYTES (UINT64_C(64) << 20)

static struct mock_job {
	uint64_t region, offset, done;
	const char *state, *error, *message;
	char client[64];
	unsigned int cancels;
} jobs[JOBS_MAX];
static unsigned int last, looked_at;

static const char *job_path(unsigned int number)
{
	static char path[80];

	snprintf(path, sizeof(path), RDMAREG_JOB_PREFIX "/%u", number);
	return path;
}

static void emit(sd_bus *bus, unsigned int number, bool finished)
{
	const struct mock_job *j = &jobs[number];
	sd_bus_message *m = NULL;

	if (finished) {
		assert(sd_bus_message_new_signal(bus, &m, job_path(number), RDMAREG_JOB_INTERFACE,
						 "Finished") >= 0);
		assert(sd_bus_message_append(m, "sss", j->state, j->error, j->message) >= 0);
	} else {
		assert(sd_bus_message_new_signal(bus, &m, job_path(number),
						 "org.freedesktop.DBus.Properties",
						 "PropertiesChanged") >= 0);
		assert(sd_bus_message_append(m, "sa{sv}as", RDMAREG_JOB_INTERFACE, 1, "Done", "t",
					     j->done, 0) >= 0);
	}
	assert(sd_bus_message_set_destination(m, j->client) >= 0 && sd_bus_send(bus, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

int mock_start_prefetch(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t region =
		strtoull(sd_bus_message_get_path(m) + strlen(RDMAREG_REGION_PREFIX "/"), NULL, 10);
	uint64_t offset, length;

	(void)userdata;
	assert(sd_bus_message_read(m, "tt", &offset, &length) >= 0);
	mock_take_options(m);
	if (region >= REGIONS_MAX || !mock_regions[region].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION,
					 "there is no such region");
	if (offset == 1)
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_RANGE,
					 "not inside the region");
	if (offset == 2)
		return sd_bus_error_setf(error, RDMAREG_ERROR_BUSY, "it is not live");
	if (offset == 3)
		return sd_bus_error_setf(error, RDMAREG_ERROR_LIMIT_EXCEEDED,
					 "see jobs_per_client");
	if (offset == 4)
		return sd_bus_reply_method_return(m, "o", "/org/rdmareg/somewhere");
	assert(++last < JOBS_MAX);
	jobs[last] = (struct mock_job){
		.region = region, .offset = offset, .state = "running", .error = "", .message = ""
	};
	snprintf(jobs[last].client, sizeof(jobs[last].client), "%s", sd_bus_message_get_sender(m));
	assert(sd_bus_reply_method_return(m, "o", job_path(last)) >= 0);
	if (length == 4096) {
		jobs[last].state = "done";
		emit(sd_bus_message_get_bus(m), last, true);
	}
	return 1;
}

bool mock_tell_job(sd_bus *bus, const char *what, unsigned int number, unsigned int *ret)
{
	struct mock_job *j;

	if (strncmp(what, "job-", 4))
		return false;
	assert(number < JOBS_MAX);
	j = &jobs[number];
	*ret = 0;
	if (!strcmp(what, "job-last"))
		*ret = looked_at;
	else if (!strcmp(what, "job-cancels"))
		*ret = j->cancels;
	else if (!strncmp(what, "job-progress ", 13)) {
		j->done = strtoull(what + 13, NULL, 10) << 20;
		emit(bus, number, false);
	} else if (!strncmp(what, "job-quietly ", 12)) {
		j->done = strtoull(what + 12, NULL, 10) << 20;
	} else if (!strcmp(what, "job-fail")) {
		j->state = "failed";
		j->error = RDMAREG_ERROR_BUSY;
		j->message = "the region was released";
		emit(bus, number, true);
	} else {
		assert(!strncmp(what, "job-end ", 8));
		j->state = strdup(what + 8);
		emit(bus, number, true);
	}
	return true;
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct mock_job *j = userdata;

	(void)error;
	j->cancels++;
	if (j->offset != 7) {
		j->state = "cancelled";
		emit(sd_bus_message_get_bus(m), (unsigned int)(j - jobs), true);
	}
	return sd_bus_reply_method_return(m, NULL);
}

static int get(sd_bus *bus, const char *path, const char *interface, const char *property,
	       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct mock_job *j = userdata;

	(void)bus, (void)path, (void)interface, (void)error;
	looked_at = (unsigned int)(j - jobs);
	if (!strcmp(property, "Region"))
		return sd_bus_message_append(reply, "t", j->region);
	if (!strcmp(property, "Done"))
		return sd_bus_message_append(reply, "t", j->done);
	if (!strcmp(property, "Total"))
		return sd_bus_message_append(reply, "t", j->offset == 5 ? 0 : JOB_BYTES);
	if (!strcmp(property, "State"))
		return sd_bus_message_append(reply, "s", j->state);
	if (!strcmp(property, "Error"))
		return sd_bus_message_append(reply, "s", j->error);
	return sd_bus_message_append(reply, "s", j->message);
}

int mock_find_job(sd_bus *bus, const char *path, const char *interface, void *userdata,
		  void **ret_found, sd_bus_error *error)
{
	unsigned long number = strtoul(path + strlen(RDMAREG_JOB_PREFIX "/"), NULL, 10);

	(void)bus, (void)interface, (void)userdata;
	if (!number || number > last || jobs[number].offset == 6) {
		sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_JOB, "names no job");
		return -ENOENT;
	}
	*ret_found = &jobs[number];
	return 1;
}

const sd_bus_vtable mock_job_methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Cancel", "", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Region", "t", get, 0, 0),
	SD_BUS_PROPERTY("Done", "t", get, 0, 0),
	SD_BUS_PROPERTY("Total", "t", get, 0, 0),
	SD_BUS_PROPERTY("State", "s", get, 0, 0),
	SD_BUS_PROPERTY("Error", "s", get, 0, 0),
	SD_BUS_PROPERTY("Message", "s", get, 0, 0),
	SD_BUS_VTABLE_END,
};
