// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-introspection.c - the interface files are the manual: what the daemon serves must be exactly
 * what they say. The comparison itself is compare-interfaces.py, since it takes an XML parser. And
 * what comes with RegisterRegion, GetRegion and ListRegions must be exactly what GetAll gives: the
 * properties of the list that all are made from (proto/region-properties.h).
 */
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "region-properties.h"

static struct world world;

static void compare(sd_bus *b, const char *path, const char *interface)
{
	char file[256], manual[512];
	sd_bus_message *reply = NULL;
	const char *xml;
	FILE *f;
	int status;
	pid_t pid;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, path, "org.freedesktop.DBus.Introspectable",
				 "Introspect", NULL, &reply, NULL) >= 0);
	check(sd_bus_message_read(reply, "s", &xml) > 0);
	snprintf(file, sizeof(file), "%s/served.xml", world.directory);
	f = fopen(file, "we");
	check(f && fputs(xml, f) >= 0 && fclose(f) == 0);
	sd_bus_message_unref(reply);
	snprintf(manual, sizeof(manual), "%s/%s.xml", getenv("RDMAREG_PROTO"), interface);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		execlp(getenv("RDMAREG_PYTHON"), "python3", getenv("RDMAREG_COMPARE"), manual, file,
		       interface, NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	check(WEXITSTATUS(status) == 0);
}

/* The names and types in an a{sv}, one to a line. Each value can be read. */
static void read_names(sd_bus_message *m, char *out, size_t size)
{
	const char *name, *type;
	size_t used = 0;

	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		check(sd_bus_message_read(m, "s", &name) > 0);
		check(sd_bus_message_peek_type(m, NULL, &type) > 0);
		used += (size_t)snprintf(out + used, size - used, "%s %s\n", name, type);
		check(sd_bus_message_skip(m, "v") > 0);
		check(used < size);
		check(sd_bus_message_exit_container(m) >= 0);
	}
	check(sd_bus_message_exit_container(m) >= 0);
}

static void compare_properties(sd_bus *b, const struct reply *region)
{
	static const char wanted[] =
#define VALUE(member, name, kind, told, where) name " " PROPERTY_TYPE_##kind "\n"
#define WORD(member, name, vocabulary, told, where) VALUE(member, name, WORD, told, where)
		REGION_PROPERTIES(VALUE, WORD);
#undef WORD
#undef VALUE
	char all[2000], some[2000];
	sd_bus_message *reply = NULL;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, region->path,
				 "org.freedesktop.DBus.Properties", "GetAll", NULL, &reply, "s",
				 RDMAREG_REGION_INTERFACE) >= 0);
	read_names(reply, all, sizeof(all));
	check_text(all, wanted);
	reply = sd_bus_message_unref(reply);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "GetRegion", NULL, &reply, "t",
				 region->id) >= 0);
	check(sd_bus_message_skip(reply, "o") > 0);
	read_names(reply, some, sizeof(some));
	check_text(some, all);
	sd_bus_message_unref(reply);
}

/* The types and the order of what is asked for, whatever it is. */
static void compare_chosen(sd_bus *b)
{
	static const char *const each[] = {
#define VALUE(member, name, kind, told, where) name,
		REGION_PROPERTIES(VALUE, VALUE)
#undef VALUE
	};
	static const char wanted[] =
#define VALUE(member, name, kind, told, where) PROPERTY_TYPE_##kind
#define WORD(member, name, vocabulary, told, where) PROPERTY_TYPE_WORD
		REGION_PROPERTIES(VALUE, WORD);
#undef WORD
#undef VALUE
	sd_bus_message *m = new_manager_call(b, "ListRegionProperties"), *reply = NULL;
	char item[sizeof(wanted) + 3];
	const char *type, *path;
	uint64_t length;

	check(sd_bus_message_append(m, "a{sv}", 0) >= 0 &&
	      sd_bus_message_open_container(m, 'a', "s") >= 0);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		check(sd_bus_message_append(m, "s", each[i]) >= 0);
	check(sd_bus_message_close_container(m) >= 0 && sd_bus_call(b, m, 0, NULL, &reply) >= 0);
	snprintf(item, sizeof(item), "a(%s)", wanted);
	check(sd_bus_message_peek_type(reply, NULL, &type) > 0);
	check_text(type, item);
	check(sd_bus_message_skip(reply, "v") > 0);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "ListRegionProperties", NULL, &reply,
				 "a{sv}as", 1, "limit", "u", 1, 2, "Path", "Length") >= 0);
	check(sd_bus_message_enter_container(reply, 'v', "a(st)") > 0 &&
	      sd_bus_message_enter_container(reply, 'a', "(st)") > 0 &&
	      sd_bus_message_read(reply, "(st)", &path, &length) > 0 && *path && length == 4096 &&
	      sd_bus_message_at_end(reply, 0) > 0);
	sd_bus_message_unref(reply);
}

int main(void)
{
	struct reply region, r;
	sd_bus_message *job = NULL, *session = NULL;
	const char *path;
	sd_bus *b;
	int fd;

	if (!getenv("RDMAREG_PYTHON"))
		return SKIP;
	world_begin(&world, "");
	b = connect_client(&world);
	fd = make_memfd(4096);
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	compare(b, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE);
	compare(b, region.path, RDMAREG_REGION_INTERFACE);
	compare_properties(b, &region);
	compare_chosen(b);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, region.path, RDMAREG_REGION_INTERFACE,
				 "StartPrefetch", NULL, &job, "tta{sv}", (uint64_t)0, (uint64_t)0,
				 0) >= 0);
	check(sd_bus_message_read(job, "o", &path) > 0);
	compare(b, path, RDMAREG_JOB_INTERFACE);
	sd_bus_message_unref(job);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "CreateSession", NULL, &session,
				 "usa{sv}", (uint32_t)geteuid(), "compared", 0) >= 0);
	check(sd_bus_message_read(session, "o", &path) > 0);
	compare(b, path, RDMAREG_SESSION_INTERFACE);
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE, "Release",
				 NULL, NULL, "a{sv}", 0) >= 0);
	sd_bus_message_unref(session);
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	disconnect(b);
	world_end(&world);
	return 0;
}
