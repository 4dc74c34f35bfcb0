// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * job.c - org.rdmareg.Registry1.Job, served for every number below its prefix, and
 * Region.StartPrefetch, which makes one. find_job() stands before each member: past it the job
 * exists and the caller may see it.
 *
 * What always holds: signals go to the connection that began the job and to nobody else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/log.h"

/* Introspection shows so many. */
#define JOBS_SHOWN 256

static const char *const state_names[] = { "running", "done", "failed", "cancelled" };

static void job_path(uint64_t number, char out[static REGION_PATH_MAX])
{
	snprintf(out, REGION_PATH_MAX, RDMAREG_JOB_PREFIX "/%" PRIu64, number);
}

static uint64_t number_of_path(const char *path)
{
	char canonical[REGION_PATH_MAX];
	uint64_t number = strtoull(path + strlen(RDMAREG_JOB_PREFIX "/"), NULL, 10);

	job_path(number, canonical);
	return strcmp(canonical, path) ? 0 : number;
}

static bool may_see(const struct client *c, const struct job *j)
{
	return c->uid == 0 || c->uid == j->client->uid;
}

int find_job(sd_bus *connection, const char *path, const char *interface, void *userdata,
	     void **ret_found, sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	struct client *c;
	uint64_t number;
	struct job *j;
	int r;

	(void)interface;
	if (!m || !strcmp(path, RDMAREG_JOB_PREFIX))
		return 0;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	number = number_of_path(path);
	j = number ? b->handlers->find_job(b->userdata, number) : NULL;
	if (!j || !may_see(c, j)) {
		sd_bus_error_setf(
			ret_error, RDMAREG_ERROR_NO_SUCH_JOB,
			"%s names no job of uid %u: its connection ended or began many others since, or it "
			"never was",
			path, c->uid);
		return -ENOENT;
	}
	b->found_job = (struct found_job){ .bus = b, .job = j };
	*ret_found = &b->found_job;
	return 1;
}

int enumerate_jobs(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		   sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	char path[REGION_PATH_MAX], **nodes;
	struct client *c;
	struct job *j = NULL;
	size_t n = 0;

	(void)prefix, (void)ret_error;
	if (!m || client_of_message(b, m, &c) < 0)
		return 0;
	nodes = calloc(JOBS_SHOWN + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	while (n < JOBS_SHOWN && (j = b->handlers->next_job(b->userdata, j))) {
		if (!may_see(c, j))
			continue;
		job_path(j->number, path);
		nodes[n] = strdup(path);
		if (!nodes[n++])
			break;
	}
	*ret_nodes = nodes;
	return 0;
}

int read_prefetch(sd_bus_message *m, struct prefetch_request *q, struct failure *f)
{
	const struct option known[] = { { "write", 'b', &q->write, NULL } };
	int r = sd_bus_message_read(m, "tt", &q->offset, &q->length);

	return r < 0 ? r : options_read(m, known, 1, f);
}

int method_start_prefetch(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct prefetch_request q = { 0 };
	struct found *found = userdata;
	struct bus *b = found->bus;
	char path[REGION_PATH_MAX];
	struct failure f;
	uint64_t number;
	int r;

	(void)error;
	r = read_prefetch(m, &q, &f);
	if (r == 0)
		r = b->handlers->start_prefetch(b->userdata, found->client, found->view.region->id,
						&q, &number, &f);
	if (r)
		return refuse(m, r, &f);
	job_path(number, path);
	return sd_bus_reply_method_return(m, "o", path);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found_job *found = userdata;
	struct failure f;
	int r;

	(void)error;
	r = found->bus->handlers->cancel_job(found->bus->userdata, found->job, &f);
	return r ? refuse(m, r, &f) : sd_bus_reply_method_return(m, NULL);
}

static int get_property(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *error)
{
	const struct job *j = ((const struct found_job *)userdata)->job;

	(void)connection, (void)path, (void)interface, (void)error;
	if (!strcmp(property, "Region"))
		return sd_bus_message_append(reply, "t", j->region);
	if (!strcmp(property, "Done"))
		return sd_bus_message_append(reply, "t", j->done);
	if (!strcmp(property, "Total"))
		return sd_bus_message_append(reply, "t", j->total);
	if (!strcmp(property, "State"))
		return sd_bus_message_append(reply, "s", state_names[j->state]);
	if (!strcmp(property, "Error"))
		return sd_bus_message_append(reply, "s", j->why.name ? j->why.name : "");
	return sd_bus_message_append(reply, "s", j->why.text);
}

/* An unsent signal of the job to who began it. */
static int new_signal(struct bus *b, const struct job *j, const char *interface, const char *member,
		      sd_bus_message **ret)
{
	char path[REGION_PATH_MAX];
	int r;

	job_path(j->number, path);
	r = sd_bus_message_new_signal(b->connection, ret, path, interface, member);
	return r < 0 ? r : sd_bus_message_set_destination(*ret, j->client->name);
}

static void send_signal(struct bus *b, const struct job *j, sd_bus_message *m, int r)
{
	if (r >= 0 && client_may_be_sent(j->client)) {
		r = sd_bus_send(b->connection, m, NULL);
		client_was_sent(b, j->client);
	}
	if (r < 0)
		log_warning("client %s: job %" PRIu64 " cannot be told of: error %d",
			    j->client->name, j->number, -r);
	sd_bus_message_unref(m);
}

void bus_tell_job(struct bus *b, const struct job *j)
{
	const char *name = j->why.name ? j->why.name : "";
	sd_bus_message *m = NULL;
	int r = new_signal(b, j, "org.freedesktop.DBus.Properties", "PropertiesChanged", &m);

	if (r >= 0 && j->state == JOB_RUNNING)
		r = sd_bus_message_append(m, "sa{sv}as", RDMAREG_JOB_INTERFACE, 1, "Done", "t",
					  j->done, 0);
	else if (r >= 0)
		r = sd_bus_message_append(m, "sa{sv}as", RDMAREG_JOB_INTERFACE, 4, "Done", "t",
					  j->done, "State", "s", state_names[j->state], "Error",
					  "s", name, "Message", "s", j->why.text, 0);
	send_signal(b, j, m, r);
	if (j->state == JOB_RUNNING)
		return;
	m = NULL;
	r = new_signal(b, j, RDMAREG_JOB_INTERFACE, "Finished", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "sss", state_names[j->state], name, j->why.text);
	send_signal(b, j, m, r);
}

const sd_bus_vtable job_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_cancel,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("Finished", SD_BUS_ARGS("s", state, "s", error, "s", message), 0),
	SD_BUS_PROPERTY("Region", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Done", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Total", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Error", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Message", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};
