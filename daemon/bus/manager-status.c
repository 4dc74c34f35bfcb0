// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-status.c - Manager.GetStatus: one dictionary. What always holds: keys only ever come;
 * what only an administrator sees is not there for others.
 */
#include "config.h"

#include "bus/bus-internal.h"

#define STATUS_FORM 1u

static int append_problems(sd_bus_message *m, const struct status_view *v)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", "problems");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "aa{sv}");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "a{sv}");
	for (size_t i = 0; i < v->n_problems && r >= 0; i++)
		r = sd_bus_message_append(m, "a{sv}", 3, "what", "s", v->problems[i].what, "cause",
					  "s", v->problems[i].cause, "command", "s",
					  v->problems[i].command);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_limits(sd_bus_message *m, const struct status_view *v)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", "limits");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "aa{sv}");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "a{sv}");
	for (size_t i = 0; i < v->n_limits && r >= 0; i++)
		r = sd_bus_message_append(m, "a{sv}", 4, "setting", "s", v->limits[i].setting,
					  "limit", "t", v->limits[i].limit, "use", "t",
					  v->limits[i].use, "of", "s", v->limits[i].of);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append(sd_bus_message *m, const struct status_view *v)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "form", "u", STATUS_FORM,
					  "version", "s", PROJECT_VERSION, "started_usec", "t",
					  v->started_usec, "uptime_usec", "t", v->uptime_usec);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "kernel", "s", v->kernel,
					  "module", "b", (int)v->module, "module_version", "s",
					  v->module_version, "pre_content", "s", v->pre_content,
					  "pre_content_reason", "s", v->pre_content_reason);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "whole", "b", (int)v->whole,
					  "tenants", "u", v->tenants, "sessions", "u", v->sessions,
					  "regions", "u", v->regions, "bytes", "t", v->bytes);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "draining", "b", (int)v->draining,
					  "drain_reason", "s", v->drain_reason);
	if (r >= 0 && v->draining)
		r = sd_bus_message_append(m, "{sv}{sv}", "drain_uid", "u", v->drain_uid,
					  "drain_since_usec", "t", v->drain_since_usec);
	if (r >= 0 && v->whole)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "keepers", "u", v->keepers,
					  "keepers_estranged", "u", v->keepers_estranged,
					  "reload_failure", "s", v->reload_failure);
	if (r >= 0 && v->reload_failed_usec)
		r = sd_bus_message_append(m, "{sv}", "reload_failed_usec", "t",
					  v->reload_failed_usec);
	if (r >= 0)
		r = append_limits(m, v);
	if (r >= 0)
		r = append_problems(m, v);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int method_get_status(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	struct status_view v;
	struct bus *b = userdata;
	struct client *c;
	int r = client_of_message(b, m, &c);

	(void)error;
	if (r < 0)
		return r;
	b->handlers->view_status(b->userdata, c->uid, &v);
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = append(reply, &v);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}
