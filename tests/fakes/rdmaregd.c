// SPDX-License-Identifier: GPL-2.0-or-later
/* rdmaregd.c - see fakes/rdmaregd.h: the played daemon's process, and what it is told to do. */
#undef NDEBUG
#include "rdmaregd.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmaregd-calls.h"
#include "names.h"

static sd_bus *bus;
static unsigned int calls;

static int count_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata;
	(void)error;
	calls += sd_bus_message_is_method_call(m, NULL, NULL) > 0 &&
		 strcmp(sd_bus_message_get_path(m), "/test") != 0;
	return 0;
}

/* The signals of the contract, to @to alone. "ask 5": with that number. */
static void emit(sd_bus *from, const char *to, const char *what, uint64_t id)
{
	const char *space = strchr(what, ' ');
	uint64_t number = space ? strtoull(space, NULL, 10) : 3;
	sd_bus_message *m = NULL;

	if (!strncmp(what, "ask", 3)) {
		assert(sd_bus_message_new_signal(from, &m, mock_path_of(id),
						 RDMAREG_REGION_INTERFACE,
						 "RevocationRequested") >= 0);
		assert(sd_bus_message_append(m, "tsttt", number, "truncate", (uint64_t)4096,
					     (uint64_t)8192, (uint64_t)1) >= 0);
	} else if (!strncmp(what, "settle", 6) || !strcmp(what, "gone")) {
		assert(sd_bus_message_new_signal(from, &m, mock_path_of(id),
						 RDMAREG_REGION_INTERFACE,
						 "RevocationSettled") >= 0);
		assert(sd_bus_message_append(m, "tst", number, *what == 'g' ? "gone" : "truncated",
					     (uint64_t)4096) >= 0);
	} else if (!strcmp(what, "change") || !strcmp(what, "degrade") ||
		   !strcmp(what, "restore") || !strcmp(what, "bypass")) {
		assert(sd_bus_message_new_signal(from, &m, mock_path_of(id),
						 "org.freedesktop.DBus.Properties",
						 "PropertiesChanged") >= 0);
		assert(sd_bus_message_append(m, "sa{sv}as", RDMAREG_REGION_INTERFACE, 0, 0) >= 0);
	} else {
		assert(!strcmp(what, "vanish") || !strcmp(what, "vanish-mute"));
		assert(sd_bus_message_new_signal(from, &m, RDMAREG_MANAGER_PATH,
						 RDMAREG_MANAGER_INTERFACE, "RegionRemoved") >= 0);
		assert(sd_bus_message_append(m, "to", id, mock_path_of(id)) >= 0);
		if (!what[strlen("vanish")]) /* as daemons before did not */
			assert(sd_bus_message_append(m, "ss", "lost", "its keeper ended") >= 0);
	}
	assert(sd_bus_message_set_destination(m, to) >= 0 && sd_bus_send(from, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

static int on_tell(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *what;
	uint32_t id, result;

	(void)userdata;
	(void)error;
	assert(sd_bus_message_read(m, "su", &what, &id) >= 0);
	if (mock_tell_job(bus, what, id, &result))
		return sd_bus_reply_method_return(m, "us", result, "");
	if (!strcmp(what, "said"))
		return sd_bus_reply_method_return(m, "us", 0, mock_options);
	if (!strcmp(what, "acked"))
		return sd_bus_reply_method_return(m, "us", (uint32_t)mock_regions[id].acked, "");
	if (!strcmp(what, "calls"))
		return sd_bus_reply_method_return(m, "us", calls, "");
	if (!strcmp(what, "joined"))
		return sd_bus_reply_method_return(m, "us", *mock_regions[id].joined ? 1 : 0, "");
	if (!strcmp(what, "revoked"))
		return sd_bus_reply_method_return(m, "us", (uint32_t)mock_regions[id].revoked, "");
	if (!strcmp(what, "fill"))
		mock_regions[id].full = true;
	else if (!strcmp(what, "scramble"))
		mock_scrambled = true;
	else if (!strcmp(what, "session-nonsense"))
		mock_tell_nonsense(bus);
	else if (!strcmp(what, "deny-sessions"))
		mock_sessions_denied = id;
	else if (!strcmp(what, "unknown-sessions"))
		mock_sessions_unknown = id;
	else if (!strcmp(what, "late-sessions"))
		mock_sessions_late = id;
	else if (!strcmp(what, "busy"))
		mock_busy = id;
	else if (!strcmp(what, "slow"))
		mock_regions[id].slow = true;
	else if (!strcmp(what, "replace")) {
		mock_regions[id].replaced++;
		*mock_regions[id].ticket = '\0';
	} else if (!strcmp(what, "drop"))
		mock_regions[id].exists = false;
	else if (!strcmp(what, "populate"))
		for (uint32_t i = 0; i < id; i++)
			mock_regions[mock_new_region("r", 0, 4096)].detached = true;
	else if (strcmp(what, "subscriber")) {
		mock_regions[id].degraded |= !strcmp(what, "degrade");
		mock_regions[id].degraded &= !!strcmp(what, "restore");
		mock_regions[id].bypasses += !strcmp(what, "bypass");
		if (*mock_subscriber)
			emit(bus, mock_subscriber, what, id);
		if (*mock_regions[id].joined && strcmp(mock_regions[id].joined, mock_subscriber))
			emit(bus, mock_regions[id].joined, what, id);
		if (*mock_regions[id].owner && strcmp(mock_regions[id].owner, mock_subscriber))
			emit(bus, mock_regions[id].owner, what, id);
	}
	return sd_bus_reply_method_return(m, "us", 0, mock_subscriber);
}

static const sd_bus_vtable teller[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Tell", "su", "us", on_tell, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static sd_bus *connect_bus(void)
{
	sd_bus *b;

	assert(sd_bus_new(&b) >= 0 && sd_bus_set_address(b, getenv("RDMAREG_BUS_ADDRESS")) >= 0);
	assert(sd_bus_set_bus_client(b, 1) >= 0 && sd_bus_start(b) >= 0);
	return b;
}

pid_t mock_daemon_start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert(pipe(ready) == 0);
	pid = fork();
	assert(pid >= 0);
	if (pid) {
		close(ready[1]);
		assert(read(ready[0], &byte, 1) == 1);
		close(ready[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bus = connect_bus();
	assert(sd_bus_add_object_vtable(bus, NULL, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE,
					mock_manager, NULL) >= 0);
	assert(sd_bus_add_fallback_vtable(bus, NULL, RDMAREG_REGION_PREFIX,
					  RDMAREG_REGION_INTERFACE, mock_methods, NULL, NULL) >= 0);
	assert(sd_bus_add_fallback_vtable(bus, NULL, RDMAREG_JOB_PREFIX, RDMAREG_JOB_INTERFACE,
					  mock_job_methods, mock_find_job, NULL) >= 0);
	assert(sd_bus_add_fallback_vtable(bus, NULL, RDMAREG_SESSION_PREFIX,
					  RDMAREG_SESSION_INTERFACE, mock_session_methods,
					  mock_find_session, NULL) >= 0);
	assert(sd_bus_add_object_vtable(bus, NULL, "/test", "org.rdmareg.Test", teller, NULL) >= 0);
	assert(sd_bus_add_filter(bus, NULL, count_call, NULL) >= 0);
	assert(sd_bus_request_name(bus, RDMAREG_BUS_NAME, 0) >= 0);
	assert(write(ready[1], "", 1) == 1);
	for (;;) {
		int r = sd_bus_process(bus, NULL);

		if (r < 0 || (!r && sd_bus_wait(bus, UINT64_MAX) < 0))
			_exit(0);
	}
}

void mock_daemon_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned int tell(const char *what, unsigned int id, char *text, size_t bytes)
{
	sd_bus *b = connect_bus();
	sd_bus_message *reply = NULL;
	const char *answer;
	uint32_t result;
	bool forge = !strcmp(what, "forge");

	assert(sd_bus_call_method(b, RDMAREG_BUS_NAME, "/test", "org.rdmareg.Test", "Tell", NULL,
				  &reply, "su", forge ? "subscriber" : what, id) >= 0);
	assert(sd_bus_message_read(reply, "us", &result, &answer) >= 0);
	if (forge)
		emit(b, answer, "ask", id);
	if (text)
		snprintf(text, bytes, "%s", answer);
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(b);
	return result;
}

unsigned int mock_tell(const char *what, unsigned int id)
{
	return tell(what, id, NULL, 0);
}

const char *mock_said(void)
{
	static char text[sizeof(mock_options)];

	tell("said", 0, text, sizeof(text));
	return text;
}
