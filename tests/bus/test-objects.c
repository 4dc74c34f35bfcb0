// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-objects.c - org.freedesktop.DBus.ObjectManager on the manager's path: everybody meets the
 * regions and sessions that are his and no others, with the properties that GetAll gives; signals
 * go to subscribers that called GetManagedObjects, and to nobody else; beyond 1024 objects the call
 * is refused, and everybody else is served meanwhile.
 */
#include <inttypes.h>
#include <unistd.h>

#include "harness.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define NOBODY 65534
#define BOUND 1024

static struct world world;

/* How many objects are there, and of the last region that is: how many properties. */
struct objects {
	unsigned int regions, sessions, properties;
	char path[80];
};

static unsigned int count_properties(sd_bus_message *m)
{
	unsigned int n = 0;

	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	for (; sd_bus_message_enter_container(m, 'e', "sv") > 0; n++)
		check(sd_bus_message_skip(m, "sv") > 0 && sd_bus_message_exit_container(m) >= 0);
	check(sd_bus_message_exit_container(m) >= 0);
	return n;
}

/* oa{sa{sv}} */
static void read_object(sd_bus_message *m, struct objects *o)
{
	const char *path, *interface;
	unsigned int n;

	check(sd_bus_message_read(m, "o", &path) > 0);
	check(sd_bus_message_enter_container(m, 'a', "{sa{sv}}") > 0);
	check(sd_bus_message_enter_container(m, 'e', "sa{sv}") > 0);
	check(sd_bus_message_read(m, "s", &interface) > 0);
	n = count_properties(m);
	check(sd_bus_message_exit_container(m) >= 0 && sd_bus_message_exit_container(m) >= 0);
	if (!strcmp(interface, RDMAREG_SESSION_INTERFACE)) {
		o->sessions++;
		return;
	}
	check_text(interface, RDMAREG_REGION_INTERFACE);
	o->regions++;
	o->properties = n;
	snprintf(o->path, sizeof(o->path), "%s", path);
}

/* False: @ret_error says why not. */
static bool get_objects(sd_bus *b, struct objects *o, sd_bus_error *ret_error)
{
	sd_bus_message *reply = NULL;

	*o = (struct objects){ 0 };
	if (sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH, OBJECT_MANAGER,
			       "GetManagedObjects", ret_error, &reply, NULL) < 0)
		return false;
	check(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
	while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
		read_object(reply, o);
		check(sd_bus_message_exit_container(reply) >= 0);
	}
	check(sd_bus_message_exit_container(reply) >= 0);
	sd_bus_message_unref(reply);
	return true;
}

static unsigned int all_properties(sd_bus *b, const char *path)
{
	sd_bus_message *reply = NULL;
	unsigned int n;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, path, "org.freedesktop.DBus.Properties",
				 "GetAll", NULL, &reply, "s", RDMAREG_REGION_INTERFACE) >= 0);
	n = count_properties(reply);
	sd_bus_message_unref(reply);
	return n;
}

static void test_input(sd_bus *b)
{
	static const char *const elsewhere[] = { RDMAREG_REGION_PREFIX, RDMAREG_SESSION_PREFIX,
						 "/org/rdmareg", "/" };
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *xml;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH, OBJECT_MANAGER,
				 "GetManagedObjects", &e, NULL, "s", "x") < 0);
	check_text(e.name, SD_BUS_ERROR_INVALID_ARGS);
	sd_bus_error_free(&e);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH, OBJECT_MANAGER,
				 "Nonsense", &e, NULL, NULL) < 0);
	sd_bus_error_free(&e);
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++) {
		check(sd_bus_call_method(b, RDMAREG_BUS_NAME, elsewhere[i], OBJECT_MANAGER,
					 "GetManagedObjects", &e, NULL, NULL) < 0);
		sd_bus_error_free(&e);
	}
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &reply,
				 NULL) >= 0);
	check(sd_bus_message_read(reply, "s", &xml) > 0 && strstr(xml, OBJECT_MANAGER));
	sd_bus_message_unref(reply);
}

static void create_session(sd_bus *b, const char *name)
{
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "CreateSession", NULL, NULL, "usa{sv}",
				 (uint32_t)geteuid(), name, 0) >= 0);
}

static void release_session(sd_bus *b, const char *name)
{
	char path[120];

	snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "/%u_%s", (unsigned int)geteuid(),
		 name);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE, "Release",
				 NULL, NULL, "a{sv}", 0) >= 0);
}

/* Nobody is root's user: root meets all, nobody only what is nobody's. */
static void as_nobody(const struct world *w, const void *arguments)
{
	const struct reply *others = arguments;
	sd_bus *b = connect_client(w);
	struct reply mine, r;
	struct objects o;
	int fd = make_memfd(4096);

	check(get_objects(b, &o, NULL) && o.regions == 0 && o.sessions == 0);
	check(register_region(b, fd, 0, 0, "rw", &mine, 0));
	check(get_objects(b, &o, NULL) && o.regions == 1 && o.sessions == 0);
	check_text(o.path, mine.path);
	check(strcmp(o.path, others->path) != 0);
	test_input(b);
	check(call_region(b, mine.id, "Release", &r));
	close(fd);
	disconnect(b);
}

/* Removes the oldest signal, which has to be of this path. */
static void await_object(sd_bus *b, const char *member, const char *path)
{
	sd_bus_message *m = await_signal(b, member);
	struct objects o = { 0 };
	const char *got, *interface;

	check_text(sd_bus_message_get_path(m), RDMAREG_MANAGER_PATH);
	if (!strcmp(member, "InterfacesAdded")) {
		read_object(m, &o);
		check_text(o.path, path);
	} else {
		check(sd_bus_message_read(m, "oas", &got, 1, &interface) > 0);
		check_text(got, path);
		check_text(interface, RDMAREG_REGION_INTERFACE);
	}
	sd_bus_message_unref(m);
}

static void test_signals(sd_bus *b)
{
	sd_bus *idle = connect_client(&world), *manages = connect_client(&world);
	sd_bus *plain = connect_client(&world);
	struct reply region, r;
	struct objects o;
	int fd = make_memfd(4096);

	subscribe(plain); /* and has not called GetManagedObjects */
	subscribe(manages);
	listen_signals(idle); /* has, and did not subscribe */
	check(get_objects(manages, &o, NULL) && get_objects(idle, &o, NULL));
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	await_object(manages, "InterfacesAdded", region.path);
	check(call_region(b, region.id, "Release", &r));
	await_object(manages, "InterfacesRemoved", region.path);
	await_removed(plain, region.id, "released");
	check(!has_signal(plain, "InterfacesAdded") && !has_signal(plain, "InterfacesRemoved"));
	check(count_regions(idle) == 0); /* what was sent before has arrived */
	check(!has_signal(idle, "InterfacesAdded") && !has_signal(idle, "InterfacesRemoved"));
	if (getuid() == 0) {
		create_session(b, "job");
		sd_bus_message_unref(await_signal(manages, "InterfacesAdded"));
		release_session(b, "job");
		sd_bus_message_unref(await_signal(manages, "InterfacesRemoved"));
	}
	close(fd);
	disconnect(plain);
	disconnect(idle);
	disconnect(manages);
}

/* Up to the bound all are there; one more, and the call is refused in words. */
static void test_bound(sd_bus *b)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int fd = make_memfd(4096);
	struct reply r, last;
	struct objects o;

	for (unsigned int n = 0; n < BOUND; n++)
		check(register_region(b, fd, 0, 0, "r", &last, 1, "warm", "b", 0));
	check(get_objects(b, &o, NULL) && o.regions == BOUND);
	check_text(o.path, last.path);
	check(register_region(b, fd, 0, 0, "r", &r, 1, "warm", "b", 0));
	check(!get_objects(b, &o, &e));
	check_text(e.name, RDMAREG_ERROR_LIMIT_EXCEEDED);
	check(strstr(e.message, "ListRegions"));
	sd_bus_error_free(&e);
	check(call_region(b, r.id, "Release", &last));
	check(get_objects(b, &o, NULL) && o.regions == BOUND);
	close(fd);
}

int main(void)
{
	struct reply region, r;
	struct objects o;
	sd_bus *b;
	int fd;

	world_begin(&world, "[limits]\nregions_per_tenant = 8192\nregions_per_client = 8192\n");
	b = connect_client(&world);
	fd = make_memfd(4096);
	check(get_objects(b, &o, NULL) && o.regions == 0 && o.sessions == 0);
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	check(get_objects(b, &o, NULL) && o.regions == 1 && o.sessions == 0);
	check_text(o.path, region.path);
	check(o.properties == all_properties(b, region.path));
	test_input(b);
	if (getuid() == 0) {
		create_session(b, "job");
		check(get_objects(b, &o, NULL) && o.regions == 1 && o.sessions == 1);
		release_session(b, "job");
		run_as(&world, NOBODY, as_nobody, &region);
	}
	check(call_region(b, region.id, "Release", &r));
	test_signals(b);
	test_bound(b);
	close(fd);
	disconnect(b);
	world_end(&world);
	return 0;
}
