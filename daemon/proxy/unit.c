// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unit.c - see proxy/spawn.h: the systemd way. systemd gives the process a user id of its own
 * (DynamicUser=) and says which. The unit's sandbox takes away what no keeper needs;
 * devices stay as they are, since which ones it needs depends on the adapter, and file permissions
 * decide about those.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/spawn.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macros.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

struct spawn_unit {
	spawn_failed_t *failed;
	spawn_started_t *started;
	void *userdata;
	sd_bus_slot *reply;
	sd_bus_slot *removed;
	sd_bus_slot *properties;
	char name[160];
	char systemd
		/*
		 * its unique name on the bus, once it has answered; before that it can say nothing
		 * of its jobs
		 */
		[64];
};

static void spawn_unit_freep(struct spawn_unit **u)
{
	spawn_unit_free(*u);
}

struct spawn_unit *spawn_unit_free(struct spawn_unit *u)
{
	if (!u)
		return NULL;
	sd_bus_slot_unref(u->reply);
	sd_bus_slot_unref(u->removed);
	sd_bus_slot_unref(u->properties);
	free(u);
	return NULL;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct spawn_unit *u = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	const char *sender = sd_bus_message_get_sender(m);
	struct failure why;

	(void)error;
	snprintf(u->systemd, sizeof(u->systemd), "%s", sender ? sender : "");
	if (!e)
		return 0;
	fail(&why, -ECHILD, "systemd does not start %s: %s", u->name,
	     e->message ? e->message : e->name);
	u->failed(u->userdata, &why,
		  sd_bus_error_has_name(e, "org.freedesktop.systemd1.UnitExists"));
	return 0;
}

/* One property of those that tell who the process is; the others are skipped. */
static int read_property(sd_bus_message *m, struct record_keeper *about)
{
	const char *name, *text;
	const void *bytes;
	size_t n;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	if (!strcmp(name, "MainPID"))
		return sd_bus_message_read(m, "v", "u", &about->pid);
	if (!strcmp(name, "UID"))
		return sd_bus_message_read(m, "v", "u", &about->runs_as);
	if (!strcmp(name, "ControlGroup")) {
		r = sd_bus_message_read(m, "v", "s", &text);
		if (r >= 0)
			snprintf(about->cgroup, sizeof(about->cgroup), "%s", text);
		return r;
	}
	if (strcmp(name, "InvocationID") != 0)
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_enter_container(m, 'v', "ay");
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &bytes, &n);
	for (size_t i = 0; r >= 0 && i < n && i < 16; i++)
		snprintf(about->invocation + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_properties(sd_bus_message *m, struct record_keeper *about)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_property(m, about);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct record_keeper about = { .runs_as = UINT32_MAX };
	struct spawn_unit *u = userdata;
	struct failure why;

	(void)error;
	snprintf(about.unit, sizeof(about.unit), "%s", u->name);
	if (!sd_bus_message_get_error(m) && read_properties(m, &about) >= 0 && about.pid &&
	    about.runs_as != UINT32_MAX) {
		u->started(u->userdata, &about);
		return 0;
	}
	fail(&why, -ECHILD, "systemd does not say which process %s is: see journalctl -u %s",
	     u->name, u->name);
	u->failed(u->userdata, &why, false);
	return 0;
}

/* Who is it? Nobody but systemd knows under which user id it runs. */
static int ask_for_properties(struct spawn_unit *u, sd_bus *connection)
{
	_cleanup_(freep) char *path = NULL;
	int r = sd_bus_path_encode(SYSTEMD_PATH "/unit", u->name, &path);

	if (r < 0)
		return r;
	return sd_bus_call_method_async(connection, &u->properties, SYSTEMD_NAME, path,
					"org.freedesktop.DBus.Properties", "GetAll", on_properties,
					u, "s", "");
}

/* The job that starts the unit ended. "done" says that the program was executed. */
static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct spawn_unit *u = userdata;
	const char *unit, *result, *sender = sd_bus_message_get_sender(m);
	struct failure why;

	(void)error;
	/* the match for systemd's name lets anybody's signal pass */
	if (!sender || strcmp(sender, u->systemd) != 0)
		return 0;
	if (sd_bus_message_read(m, "uoss", NULL, NULL, &unit, &result) < 0)
		return 0;
	if (strcmp(unit, u->name) != 0)
		return 0;
	if (!strcmp(result, "done") && ask_for_properties(u, sd_bus_message_get_bus(m)) >= 0)
		return 0;
	fail(&why, -ECHILD, "systemd could not start %s (%s): see journalctl -u %s", unit, result,
	     unit);
	u->failed(u->userdata, &why, false);
	return 0;
}

static int append_command(sd_bus_message *m, const struct spawn_request *q)
{
	_cleanup_(freep) char **argv = spawn_command(q);
	int r;

	if (!argv)
		return -ENOMEM;
	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "ExecStart");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "a(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'r', "sasb");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", q->program);
	if (r >= 0)
		r = sd_bus_message_append_strv(m, argv);
	if (r >= 0)
		r = sd_bus_message_append(m, "b", 0);
	for (int i = 0; i < 4 && r >= 0; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_groups(sd_bus_message *m, const char *names)
{
	char copy[sizeof(((struct settings *)0)->group)], *list[sizeof(copy) / 2 + 1], *rest;
	size_t n = 0;
	int r;

	snprintf(copy, sizeof(copy), "%s", names);
	for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
		list[n++] = name;
	list[n] = NULL;
	if (!n)
		return 0;
	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", "SupplementaryGroups");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(m, list);
	for (int i = 0; i < 2 && r >= 0; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_identity(sd_bus_message *m, const struct spawn_request *q)
{
	char description[128], user[16];
	int r;

	snprintf(description, sizeof(description),
		 "RDMA region keeper of uid %" PRIu32 ", session %s", q->uid, q->session);
	snprintf(user, sizeof(user), "%" PRIu32, q->uid);
	r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", description,
				  "Type", "s", "exec", "CollectMode", "s", "inactive-or-failed",
				  "Slice", "s", q->slice, "StandardInputFileDescriptor", "h",
				  q->socket);
	if (r >= 0 && geteuid() == 0)
		r = sd_bus_message_append(m, "(sv)", "DynamicUser", "b", 1);
	else if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "User", "s", user);
	return r < 0 ? r : append_groups(m, q->settings->group);
}

/* A property that is a list to allow only what is on it. */
static int append_allowed(sd_bus_message *m, const char *property, char *const words[])
{
	int r = sd_bus_message_open_container(m, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", property);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "(bas)");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'r', "bas");
	if (r >= 0)
		r = sd_bus_message_append(m, "b", 1);
	if (r >= 0)
		r = sd_bus_message_append_strv(m, (char **)(uintptr_t)words);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_sandbox(sd_bus_message *m)
{
	/* not ProtectClock: it would bring a device policy with it */
	static const char *const on[] = { "NoNewPrivileges",	  "ProtectControlGroups",
					  "ProtectHostname",	  "ProtectKernelLogs",
					  "ProtectKernelModules", "ProtectKernelTunables",
					  "LockPersonality",	  "MemoryDenyWriteExecute",
					  "RestrictRealtime",	  "RestrictSUIDSGID" };
	static char *const families[] = { "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", NULL };
	/*
	 * libseccomp knows the names, and may be older than the kernel: then systemd leaves the
	 * second out, and the keeper has to hear EPERM rather than be killed by its first call
	 */
	static char *const calls[] = { "@system-service", "cachestat", NULL };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(on) && r >= 0; i++)
		r = sd_bus_message_append(m, "(sv)", on[i], "b", 1);
	if (r >= 0)
		r = sd_bus_message_append(
			m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "ProtectSystem", "s", "strict",
			"ProtectHome", "s", "yes", "KeyringMode", "s", "private", "UMask", "u",
			(uint32_t)0077, "CapabilityBoundingSet", "t", (uint64_t)0,
			"AmbientCapabilities", "t", (uint64_t)0, "RestrictNamespaces", "t",
			(uint64_t)0, "SystemCallArchitectures", "as", 1, "native",
			"SystemCallErrorNumber", "i", (int32_t)EPERM);
	if (r >= 0)
		r = append_allowed(m, "RestrictAddressFamilies", families);
	return r < 0 ? r : append_allowed(m, "SystemCallFilter", calls);
}

/*
 * The worker's threads, the libraries', and those that are left behind with storage that does not
 * answer.
 */
#define TASKS_MAX 128
/* Lines of one keeper that the journal takes in half a minute. */
#define LOG_LINES 1000u

static int append_resources(sd_bus_message *m, const struct spawn_request *q)
{
	/* a region keeps its file open, a peer has a connection */
	uint64_t descriptors = 256 + 2 * ((uint64_t)q->limits->regions + q->limits->peers);

	return sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "StandardOutput", "s",
				     "journal", "StandardError", "s", "journal", "LimitMEMLOCK",
				     "t", q->settings->memlock_bytes, "LimitNOFILE", "t",
				     descriptors, "TasksMax", "t", (uint64_t)TASKS_MAX,
				     "LogRateLimitIntervalUSec", "t", 30 * USEC_PER_SEC,
				     "LogRateLimitBurst", "u", LOG_LINES);
}

static int build(sd_bus_message *m, const struct spawn_unit *u, const struct spawn_request *q)
{
	int r = sd_bus_message_append(m, "ss", u->name, "fail");

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_identity(m, q);
	if (r >= 0)
		r = append_resources(m, q);
	if (r >= 0)
		r = append_sandbox(m);
	if (r >= 0)
		r = append_command(m, q);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
}

int spawn_unit(struct spawn_unit **ret, sd_bus *connection, const struct spawn_request *q,
	       spawn_failed_t *failed, spawn_started_t *started, void *userdata)
{
	_cleanup_(spawn_unit_freep) struct spawn_unit *u = calloc(1, sizeof(*u));
	sd_bus_message *m = NULL;
	int r;

	if (!u)
		return -ENOMEM;
	u->failed = failed;
	u->started = started;
	u->userdata = userdata;
	snprintf(u->name, sizeof(u->name), "rdmareg-keeper-%" PRIu32 "-%s-%" PRIu32 ".service",
		 q->uid, q->session, q->instance);
	/* systemd tells whoever started a job of its end, also without Subscribe() */
	r = sd_bus_match_signal_async(connection, &u->removed, SYSTEMD_NAME, SYSTEMD_PATH,
				      SYSTEMD_MANAGER, "JobRemoved", on_job_removed, NULL, u);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(connection, &m, SYSTEMD_NAME, SYSTEMD_PATH,
					   SYSTEMD_MANAGER, "StartTransientUnit");
	if (r >= 0)
		r = build(m, u, q);
	if (r >= 0)
		r = sd_bus_call_async(connection, &u->reply, m, on_reply, u, 0);
	sd_bus_message_unref(m);
	if (r < 0)
		return r;
	*ret = steal_pointer(u);
	return 0;
}
