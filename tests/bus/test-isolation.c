// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-isolation.c - who sees what. Root sees all; another user sees its own and nothing of anybody
 * else's: not by asking, not by guessing, not by signals, and not by counting what is left of a
 * limit. Needs root, to become somebody.
 */
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534

static struct world world;

struct target {
	uint64_t id;
	char path[80];
};

static void check_hidden(sd_bus *b, const char *path, const char *interface, const char *member,
			 const char *types, ...)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	struct reply r;
	va_list args;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, path, interface, member) >=
	      0);
	va_start(args, types);
	check(sd_bus_message_appendv(m, types, args) >= 0);
	va_end(args);
	take_reply(NULL, &e, sd_bus_call(b, m, 0, &e, NULL), &r);
	check_text(r.error, "NoSuchRegion");
	sd_bus_message_unref(m);
	sd_bus_error_free(&e);
}

/* Does introspection show this region to the caller? */
static bool is_shown(sd_bus *b, uint64_t id)
{
	sd_bus_message *reply = NULL;
	const char *xml = "";
	char node[64];
	bool shown;

	/* where there is nothing to see there may be no object at all */
	if (sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_REGION_PREFIX,
			       "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &reply,
			       NULL) < 0)
		return false;
	check(sd_bus_message_read(reply, "s", &xml) > 0);
	snprintf(node, sizeof(node), "<node name=\"%" PRIu64 "\"", id);
	shown = strstr(xml, node);
	sd_bus_message_unref(reply);
	return shown;
}

/* In a process of another user. */
static void look_around(const struct world *w, const void *arguments)
{
	const struct target *t = arguments;
	const char *interface = RDMAREG_REGION_INTERFACE;
	sd_bus *b = connect_client(w);
	struct reply r;
	int fd;

	check(count_regions(b) == 0 && !region_exists(b, t->id) && !is_shown(b, t->id));
	check_hidden(b, t->path, "org.freedesktop.DBus.Properties", "Get", "ss", interface,
		     "State");
	check_hidden(b, t->path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface);
	check_hidden(b, t->path, "org.freedesktop.DBus.Properties", "GetAll", "s", "");
	check_hidden(b, t->path, "org.freedesktop.DBus.Introspectable", "Introspect", "");
	check_hidden(b, t->path, interface, "Release", "");
	check_hidden(b, t->path, interface, "AckRevocation", "t", UINT64_C(1));
	check_hidden(b, t->path, interface, "Export", "a{sv}", 0);
	check_hidden(b, t->path, interface, "Import", "a{sv}", 0);
	check_hidden(b, t->path, interface, "Join", "");
	check_hidden(b, t->path, interface, "Leave", "");
	check_hidden(b, t->path, interface, "Configure", "a{sv}", 0);
	check_hidden(b, t->path, interface, "Revoke", "a{sv}", 0);
	check_hidden(b, t->path, interface, "Restore", "t", UINT64_C(1));
	check_hidden(b, t->path, interface, "Sync", "a{sv}", 0);
	check_hidden(b, t->path, interface, "Prefetch", "tta{sv}", UINT64_C(0), UINT64_C(0), 0);
	/* the same session name, and still another tenant */
	fd = make_memfd(4096);
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "shared"));
	check(count_regions(b) == 1 && region_exists(b, r.id) && is_shown(b, r.id) &&
	      !is_shown(b, t->id));
	check(register_region(b, fd, 0, 0, "rw", &r, 3, "session", "s", "shared", "detached", "b",
			      1, "policy", "s", "hold"));
	close(fd);
	disconnect(b);
}

static void forge(sd_bus *b, const char *member, const char *types, ...)
{
	sd_bus_message *m = NULL;
	va_list args;

	check(sd_bus_message_new_signal(b, &m, "/org/freedesktop/DBus", "org.freedesktop.DBus",
					member) >= 0);
	check(sd_bus_message_set_destination(m, RDMAREG_BUS_NAME) >= 0);
	va_start(args, types);
	check(sd_bus_message_appendv(m, types, args) >= 0);
	va_end(args);
	check(sd_bus_send(b, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

/*
 * Says what only the bus can know: that the owner of a region has gone, and that somebody else has
 * the daemon's name.
 */
static void forge_signals(const struct world *w, const void *owner)
{
	sd_bus *b = connect_client(w);

	forge(b, "NameOwnerChanged", "sss", (const char *)owner, (const char *)owner, "");
	forge(b, "NameLost", "s", RDMAREG_BUS_NAME);
	check(count_regions(b) == 0); /* that is answered after them */
	disconnect(b);
}

/* Subscribes, says so, and hears nothing of the other user's region. */
static void listen_for_others(const struct world *w, const void *arguments)
{
	const int *pipes = arguments; /* [1] to say that we listen, [2] to hear that all is over */
	sd_bus *b = connect_client(w);
	char c = 0;

	listen_signals(b);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "Subscribe", NULL, NULL, NULL) >= 0);
	check(write(pipes[1], &c, 1) == 1 && read(pipes[2], &c, 1) == 1);
	check(!has_signal(b, "RegionAdded") && !has_signal(b, "PropertiesChanged") &&
	      !has_signal(b, "RevocationRequested") && !has_signal(b, "RegionRemoved"));
	disconnect(b);
}

/* Everything that can be told about a region happens to one of root's. */
static void cause_signals(sd_bus *b)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	sd_bus_message *m;

	listen_signals(b);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "Subscribe", NULL, NULL, NULL) >= 0);
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	sd_bus_message_unref(await_signal(b, "RegionAdded"));
	world_tell_keeper(&world, 0, "default", "break %" PRIu64 " truncate 4096", region.id);
	m = await_signal(b, "RevocationRequested");
	sd_bus_message_unref(m);
	check(acknowledge(b, region.id, 1, &r));
	sd_bus_message_unref(await_signal(b, "RevocationSettled"));
	check(call_region(b, region.id, "Release", &r));
	sd_bus_message_unref(await_signal(b, "RegionRemoved"));
	close(fd);
}

static void test_signals(sd_bus *b)
{
	int said[2], over[2], ends[3];
	char c = 0;
	pid_t pid;
	int status;

	check(pipe(said) == 0 && pipe(over) == 0);
	ends[1] = said[1];
	ends[2] = over[0];
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		run_as(&world, NOBODY, listen_for_others, ends);
		_exit(0);
	}
	check(read(said[0], &c, 1) == 1);
	cause_signals(b);
	check(write(over[1], &c, 1) == 1);
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (int i = 0; i < 2; i++) {
		close(said[i]);
		close(over[i]);
	}
}

/*
 * A file of root's, that the other user has open: it may not make root's truncates wait the longest
 * grace.
 */
static void try_to_hold(const struct world *w, const void *arguments)
{
	const int *fd = arguments;
	sd_bus *b = connect_client(w);
	struct reply r;

	check(!register_region(b, *fd, 0, 0, "r", &r, 1, "policy", "s", "hold"));
	check_text(r.error, "AccessDenied");
	check(register_region(b, *fd, 0, 0, "r", &r, 1, "policy", "s", "yield"));
	disconnect(b);
}

int main(void)
{
	struct target target;
	const char *name;
	struct reply r;
	sd_bus *b;
	int fd;

	if (geteuid() != 0)
		return SKIP;
	world_begin(&world, "[limits]\nregions_per_tenant = 3\n");
	b = connect_client(&world);
	fd = make_memfd(4096);
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "shared"));
	target.id = r.id;
	strcpy(target.path, r.path);
	check(is_shown(b, target.id));
	check(sd_bus_get_unique_name(b, &name) >= 0);
	run_as(&world, NOBODY, forge_signals, name);
	check(is_shown(b, target.id));
	run_as(&world, NOBODY, look_around, &target);

	/*
	 * the other user's detached one stays, and root sees and ends it; the attached one went
	 * with its connection
	 */
	until(count_regions(b) == 2);
	check(get_manager_number(b, "Keepers") == 2);
	check(call_region(b, target.id + 2, "Release", &r));
	check(call_region(b, target.id, "Release", &r));
	close(fd);

	fd = make_file(&world, 4096, 2);
	run_as(&world, NOBODY, try_to_hold, &fd);
	close(fd);
	until(count_regions(b) == 0); /* of its end, its own user may hear */
	test_signals(b);
	disconnect(b);
	world_end(&world);
	return 0;
}
