// SPDX-License-Identifier: GPL-2.0-or-later
/* client-mock.c - see client-mock.h. */
#undef NDEBUG
#include "client-mock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "names.h"

#define REGIONS_MAX 1024

static struct {
	bool exists, detached;
	uint64_t offset, length, acked;
	char access[4], session[49], policy[8], ticket[64];
} regions[REGIONS_MAX];

static sd_bus *bus;
static char subscriber[64];
static pid_t bus_pid;
static char directory[] = "/tmp/rdmareg-bus-XXXXXX";

static int append(sd_bus_message *m, const char *key, const char *type, ...)
{
	va_list args;

	assert(sd_bus_message_open_container(m, 'e', "sv") >= 0 && sd_bus_message_append(m, "s", key) >= 0);
	assert(sd_bus_message_open_container(m, 'v', type) >= 0);
	va_start(args, type);
	assert(sd_bus_message_appendv(m, type, args) >= 0);
	va_end(args);
	return sd_bus_message_close_container(m) >= 0 ? sd_bus_message_close_container(m) : -1;
}

static void append_region(sd_bus_message *m, uint64_t id)
{
	assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	append(m, "Id", "t", id);
	append(m, "State", "s", "live");
	append(m, "ArbitrationMode", "s", "layout-lease");
	append(m, "ArbitrationReason", "s", "played");
	append(m, "Policy", "s", regions[id].policy);
	append(m, "GraceUSec", "t", (uint64_t)500000);
	append(m, "Access", "s", regions[id].access);
	append(m, "Path", "s", "/some/file");
	append(m, "Offset", "t", regions[id].offset);
	append(m, "Length", "t", regions[id].length);
	append(m, "ValidLength", "t", regions[id].length);
	append(m, "Rkey", "u", 0x1234);
	append(m, "Generation", "u", 1);
	append(m, "Address", "t", (uint64_t)0x7f0000000000);
	append(m, "Detached", "b", regions[id].detached);
	append(m, "Uid", "u", (uint32_t)getuid());
	append(m, "Session", "s", regions[id].session);
	append(m, "Ticket", "s", regions[id].ticket);
	append(m, "Peers", "u", 2);
	append(m, "SomethingNewer", "(tas)", (uint64_t)1, 1, "x");
	append(m, "Revocation", "(tsttt)", (uint64_t)0, "unknown", (uint64_t)0, (uint64_t)0, (uint64_t)0);
	append(m, "Invalidations", "t", (uint64_t)5);
	append(m, "Writebacks", "t", (uint64_t)6);
	append(m, "BytesWarmed", "t", (uint64_t)7);
	assert(sd_bus_message_close_container(m) >= 0);
}

static const char *path_of(uint64_t id)
{
	static char path[80];

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%llu", (unsigned long long)id);
	return path;
}

static int reply_region(sd_bus_message *call, uint64_t id, bool with_id)
{
	sd_bus_message *m;

	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	if (with_id)
		assert(sd_bus_message_append(m, "t", id) >= 0);
	assert(sd_bus_message_append(m, "o", path_of(id)) >= 0);
	append_region(m, id);
	assert(sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

static uint64_t new_region(const char *access, uint64_t offset, uint64_t length)
{
	static uint64_t last;

	assert(++last < REGIONS_MAX);
	regions[last].exists = true;
	regions[last].offset = offset;
	regions[last].length = length;
	strcpy(regions[last].access, access);
	strcpy(regions[last].session, "default");
	strcpy(regions[last].policy, "yield");
	return last;
}

static int on_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *access, *key, *text;
	uint64_t offset, length, number, id;
	int fd, truth;

	(void)userdata;
	assert(sd_bus_message_read(m, "htts", &fd, &offset, &length, &access) >= 0 && fd >= 0);
	if (offset == 999)
		return sd_bus_error_setf(error, RDMAREG_ERROR_INVALID_RANGE,
					 "offset 999 is no multiple of 4096; round it down");
	if (length == 13)
		return sd_bus_error_setf(error, RDMAREG_ERROR_LIMIT_EXCEEDED,
					 "too many; see MaxRegionsPerTenant=");
	if (length == 77)
		_exit(0);
	id = new_region(access, offset, length);
	assert(sd_bus_message_enter_container(m, 'a', "{sv}") >= 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		assert(sd_bus_message_read(m, "s", &key) >= 0);
		if (!strcmp(key, "detached") || !strcmp(key, "warm")) {
			assert(sd_bus_message_read(m, "v", "b", &truth) >= 0);
			if (*key == 'd')
				regions[id].detached = truth;
		} else if (!strcmp(key, "grace_usec")) {
			assert(sd_bus_message_read(m, "v", "t", &number) >= 0);
		} else {
			assert(sd_bus_message_read(m, "v", "s", &text) >= 0);
			snprintf(*key == 's' ? regions[id].session : regions[id].policy, *key == 's' ? 49 : 8,
				 "%s", text);
		}
		assert(sd_bus_message_exit_container(m) >= 0);
	}
	return reply_region(m, id, true);
}

static int on_list(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint64_t after = 0;
	uint32_t limit = 256, n = 0;
	const char *key, *text, *session = NULL;
	sd_bus_message *m;

	(void)userdata;
	(void)error;
	assert(sd_bus_message_enter_container(call, 'a', "{sv}") >= 0);
	while (sd_bus_message_enter_container(call, 'e', "sv") > 0) {
		assert(sd_bus_message_read(call, "s", &key) >= 0);
		if (!strcmp(key, "after"))
			assert(sd_bus_message_read(call, "v", "t", &after) >= 0);
		else if (!strcmp(key, "limit"))
			assert(sd_bus_message_read(call, "v", "u", &limit) >= 0);
		else
			assert(sd_bus_message_read(call, "v", "s", &text) >= 0);
		if (!strcmp(key, "session"))
			session = text;
		assert(sd_bus_message_exit_container(call) >= 0);
	}
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "(toa{sv})") >= 0);
	for (uint64_t id = after + 1; id < REGIONS_MAX && n < limit; id++) {
		if (!regions[id].exists || (session && strcmp(session, regions[id].session)))
			continue;
		assert(sd_bus_message_open_container(m, 'r', "toa{sv}") >= 0);
		assert(sd_bus_message_append(m, "to", id, path_of(id)) >= 0);
		append_region(m, id);
		assert(sd_bus_message_close_container(m) >= 0);
		n++;
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

static int on_get(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id;

	(void)userdata;
	assert(sd_bus_message_read(m, "t", &id) >= 0);
	if (id >= REGIONS_MAX || !regions[id].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION, "there is no region %llu",
					 (unsigned long long)id);
	return reply_region(m, id, false);
}

static int on_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata;
	(void)error;
	snprintf(subscriber, sizeof(subscriber), "%s", sd_bus_message_get_sender(m));
	return sd_bus_reply_method_return(m, NULL);
}

static int on_region_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id = strtoull(sd_bus_message_get_path(m) + strlen(RDMAREG_REGION_PREFIX "/"), NULL, 10);
	const char *member = sd_bus_message_get_member(m);

	(void)userdata;
	if (id >= REGIONS_MAX || !regions[id].exists)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REGION, "there is no region %llu",
					 (unsigned long long)id);
	if (!strcmp(member, "Export")) {
		snprintf(regions[id].ticket, sizeof(regions[id].ticket), "rdmareg://10.0.0.1:4791/%llu?%032d",
			 (unsigned long long)id, 7);
		return sd_bus_reply_method_return(m, "s", regions[id].ticket);
	}
	if (!strcmp(member, "AckRevocation")) {
		assert(sd_bus_message_read(m, "t", &regions[id].acked) >= 0);
		if (regions[id].acked == 404)
			return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_REVOCATION,
						 "revocation 404 is over");
	}
	if (!strcmp(member, "Release"))
		regions[id].exists = false;
	return sd_bus_reply_method_return(m, NULL);
}

/* The signals of the contract, to the subscriber alone. */
static void emit(sd_bus *from, const char *to, const char *what, uint64_t id)
{
	sd_bus_message *m = NULL;

	if (!strcmp(what, "ask")) {
		assert(sd_bus_message_new_signal(from, &m, path_of(id), RDMAREG_REGION_INTERFACE,
						 "RevocationRequested") >= 0);
		assert(sd_bus_message_append(m, "tsttt", (uint64_t)3, "truncate", (uint64_t)4096,
					     (uint64_t)8192, (uint64_t)1) >= 0);
	} else if (!strcmp(what, "settle")) {
		assert(sd_bus_message_new_signal(from, &m, path_of(id), RDMAREG_REGION_INTERFACE,
						 "RevocationSettled") >= 0);
		assert(sd_bus_message_append(m, "tst", (uint64_t)3, "truncated", (uint64_t)4096) >= 0);
	} else if (!strcmp(what, "change")) {
		assert(sd_bus_message_new_signal(from, &m, path_of(id), "org.freedesktop.DBus.Properties",
						 "PropertiesChanged") >= 0);
		assert(sd_bus_message_append(m, "sa{sv}as", RDMAREG_REGION_INTERFACE, 0, 0) >= 0);
	} else {
		assert(sd_bus_message_new_signal(from, &m, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE,
						 "RegionRemoved") >= 0);
		assert(sd_bus_message_append(m, "to", id, path_of(id)) >= 0);
	}
	assert(sd_bus_message_set_destination(m, to) >= 0 && sd_bus_send(from, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

static int on_tell(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *what;
	uint32_t id;

	(void)userdata;
	(void)error;
	assert(sd_bus_message_read(m, "su", &what, &id) >= 0);
	if (!strcmp(what, "acked"))
		return sd_bus_reply_method_return(m, "us", (uint32_t)regions[id].acked, subscriber);
	if (!strcmp(what, "populate"))
		for (uint32_t i = 0; i < id; i++)
			regions[new_region("r", 0, 4096)].detached = true;
	else if (strcmp(what, "subscriber"))
		emit(bus, subscriber, what, id);
	return sd_bus_reply_method_return(m, "us", 0, subscriber);
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("RegisterRegion", "httsa{sv}", "toa{sv}", on_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListRegions", "a{sv}", "a(toa{sv})", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetRegion", "t", "oa{sv}", on_get, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable region[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Prefetch", "tta{sv}", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Export", "a{sv}", "s", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("AckRevocation", "t", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Release", "", "", on_region_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

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
	assert(sd_bus_add_object_vtable(bus, NULL, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, manager,
					NULL) >= 0);
	assert(sd_bus_add_fallback_vtable(bus, NULL, RDMAREG_REGION_PREFIX, RDMAREG_REGION_INTERFACE, region,
					  NULL, NULL) >= 0);
	assert(sd_bus_add_object_vtable(bus, NULL, "/test", "org.rdmareg.Test", teller, NULL) >= 0);
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

unsigned int mock_tell(const char *what, unsigned int id)
{
	sd_bus *b = connect_bus();
	sd_bus_message *reply = NULL;
	const char *to;
	uint32_t result;
	bool forge = !strcmp(what, "forge");

	assert(sd_bus_call_method(b, RDMAREG_BUS_NAME, "/test", "org.rdmareg.Test", "Tell", NULL, &reply,
				  "su", forge ? "subscriber" : what, id) >= 0);
	assert(sd_bus_message_read(reply, "us", &result, &to) >= 0);
	if (forge)
		emit(b, to, "ask", id);
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(b);
	return result;
}

int mock_bus_start(void)
{
	char address[sizeof(directory) + 32], config[sizeof(directory) + 32], line[256];
	int out[2];
	FILE *f;

	assert(mkdtemp(directory) && pipe(out) == 0);
	snprintf(address, sizeof(address), "unix:path=%s/bus", directory);
	snprintf(config, sizeof(config), "%s/bus.conf", directory);
	f = fopen(config, "w");
	assert(f);
	fprintf(f,
		"<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy "
		"context='default'><allow send_destination='*' "
		"eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n",
		address);
	assert(fclose(f) == 0);
	setenv("RDMAREG_BUS_ADDRESS", address, 1);
	bus_pid = fork();
	if (!bus_pid) {
		char option[sizeof(config) + 32], fd[32];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(option, sizeof(option), "--config-file=%s", config);
		snprintf(fd, sizeof(fd), "--print-address=%d", out[1]);
		execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", fd, (char *)NULL);
		_exit(77);
	}
	close(out[1]);
	if (read(out[0], line, sizeof(line)) <= 0) {
		mock_bus_stop();
		return 77;
	}
	close(out[0]);
	return 0;
}

void mock_bus_stop(void)
{
	char path[sizeof(directory) + 16];

	kill(bus_pid, SIGKILL);
	waitpid(bus_pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/bus", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	unlink(path);
	rmdir(directory);
}
