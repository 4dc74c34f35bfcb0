// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-standing.c - see harness-standing.h. */
#include "harness-standing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct world world;
sd_bus *bus;
/* /tmp, where the world's directory is, may be in memory. */
static char files[] = "/var/tmp/rdmareg-XXXXXX";

const char *path_of(const char *name)
{
	static char path[2][300];
	static unsigned int n;

	n = !n;
	snprintf(path[n], sizeof(path[n]), "%s/%s",
		 strncmp(name, "state/", 6) ? files : world.directory, name);
	return path[n];
}

int make_named(const char *name)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && ftruncate(fd, (off_t)4 * PAGE) == 0);
	return fd;
}

const char *record_of(uid_t uid, const char *session, const char *name)
{
	char file[160];

	snprintf(file, sizeof(file), "state/standing/%u:%s:%s", uid, session, name);
	return path_of(file);
}

bool is_recorded(const char *name)
{
	return access(record_of(geteuid(), "default", name), F_OK) == 0;
}

bool record_contains(const char *name, const char *text)
{
	FILE *f = fopen(record_of(geteuid(), "default", name), "re");
	char buffer[4096];
	size_t n = f ? fread(buffer, 1, sizeof(buffer) - 1, f) : 0;

	buffer[n] = 0;
	if (f)
		fclose(f);
	return strstr(buffer, text) != NULL;
}

bool register_standing(int fd, const char *name, struct reply *ret)
{
	return register_region(bus, fd, 0, 0, "rw", ret, 4, "standing", "b", 1, "detached", "b", 1,
			       "name", "s", name, "grace_usec", "t", UINT64_C(3000000));
}

/* Everything but the disk is gone. */
void reboot_machine(void)
{
	char command[200];

	world_kill_keepers(&world, SIGKILL);
	until(!world_keepers(&world));
	world_end_daemon(&world, SIGKILL);
	snprintf(command, sizeof(command), "rm -rf '%s/run'", world.directory);
	check(system(command) == 0);
	world_start_daemon(&world);
}

/* ListStanding: the one of this name. */
bool find_standing(sd_bus *b, const char *name, struct standing_told *ret)
{
	sd_bus_message *m = new_manager_call(b, "ListStanding"), *reply = NULL;
	bool found = false;

	add_options(m, 0);
	check(sd_bus_call(b, m, 0, NULL, &reply) >= 0);
	check(sd_bus_message_enter_container(reply, 'a', "a{sv}") >= 0);
	while (!found && sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
		memset(ret, 0, sizeof(*ret));
		while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
			const char *key, *type, *text = "";
			uint64_t number = 0;
			uint32_t small;

			check(sd_bus_message_read(reply, "s", &key) > 0);
			check(sd_bus_message_peek_type(reply, NULL, &type) > 0);
			if (*type == 's')
				check(sd_bus_message_read(reply, "v", "s", &text) > 0);
			else if (*type == 't')
				check(sd_bus_message_read(reply, "v", "t", &number) > 0);
			else
				check(sd_bus_message_read(reply, "v", "u", &small) > 0);
			if (!strcmp(key, "uid"))
				ret->uid = small;
			if (!strcmp(key, "region"))
				ret->region = number;
			if (!strcmp(key, "length"))
				ret->length = number;
			if (!strcmp(key, "session"))
				snprintf(ret->session, sizeof(ret->session), "%s", text);
			if (!strcmp(key, "name"))
				snprintf(ret->name, sizeof(ret->name), "%s", text);
			if (!strcmp(key, "path"))
				snprintf(ret->path, sizeof(ret->path), "%s", text);
			if (!strcmp(key, "why"))
				snprintf(ret->why, sizeof(ret->why), "%s", text);
			check(sd_bus_message_exit_container(reply) >= 0);
		}
		check(sd_bus_message_exit_container(reply) >= 0);
		found = !strcmp(ret->name, name);
	}
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return found;
}

uint64_t region_of(const char *name)
{
	struct standing_told s;

	return find_standing(bus, name, &s) ? s.region : 0;
}

bool restore(sd_bus *b, const char *session, const char *name, int fd, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "RestoreStanding");

	check(sd_bus_message_append(m, "ssh", session, name, fd) >= 0);
	return finish_call(b, m, ret);
}

bool lookup_by_name(const char *session, const char *name, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(bus, "GetRegionByName");

	check(sd_bus_message_append(m, "uss", (uint32_t)geteuid(), session, name) >= 0);
	return finish_call(bus, m, ret);
}

bool remove_standing(sd_bus *b, uid_t uid, const char *session, const char *name, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "RemoveStanding");

	check(sd_bus_message_append(m, "uss", uid, session, name) >= 0);
	return finish_call(b, m, ret);
}

int ctl(const char *arguments, char out[static 4096])
{
	return world_ctl(&world, arguments, out, 4096);
}

void standing_begin(const char *settings)
{
	check(getenv("RDMAREGD_DISK"));
	setenv("RDMAREGD", getenv("RDMAREGD_DISK"), 1);
	check(mkdtemp(files) && chmod(files, 0755) == 0);
	close(make_named("disk"));
	setenv("RDMAREG_FAKE_DISK", path_of("disk"), 1);
	world_begin(&world, settings);
	bus = connect_client(&world);
}

void standing_end(void)
{
	char command[80];

	disconnect(bus);
	world_end(&world);
	snprintf(command, sizeof(command), "rm -rf '%s'", files);
	check(system(command) == 0);
}
