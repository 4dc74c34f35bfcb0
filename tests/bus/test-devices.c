// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-devices.c - ListDevices answers anybody, with whole entries, however often it is asked, and
 * takes no arguments. What a machine has differs: the lab's scenario of DAX knows what it must
 * find.
 */
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define MANY 200

static struct world world;

static int list(sd_bus *b, sd_bus_error *error, sd_bus_message **ret)
{
	return sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				  RDMAREG_MANAGER_INTERFACE, "ListDevices", error, ret, NULL);
}

/* How many of the keys that each entry promises it has. */
static unsigned int read_entry(sd_bus_message *m)
{
	static const char *const promised[] = { "kind",	      "name",	"path",	     "mode",
						"unusable",   "size",	"available", "alignment",
						"dax_region", "dynamic" };
	unsigned int n = 0;
	const char *key;

	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		check(sd_bus_message_read(m, "s", &key) > 0 && sd_bus_message_skip(m, "v") > 0);
		for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++)
			n += !strcmp(key, promised[i]);
		check(sd_bus_message_exit_container(m) >= 0);
	}
	return n;
}

static void read_list(sd_bus *b)
{
	sd_bus_message *m = NULL;

	check(list(b, NULL, &m) >= 0);
	check(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'a', "{sv}") > 0) {
		check(read_entry(m) == 10);
		check(sd_bus_message_exit_container(m) >= 0);
	}
	check(sd_bus_message_exit_container(m) >= 0 && sd_bus_message_at_end(m, true) > 0);
	sd_bus_message_unref(m);
}

int main(void)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *b, *other;

	world_begin(&world, "");
	b = connect_client(&world);
	for (int i = 0; i < MANY; i++)
		read_list(b);
	if (geteuid() == 0) {
		other = connect_as(&world, NOBODY);
		read_list(other);
		disconnect(other);
	}
	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "ListDevices", &error, NULL, "s",
				 "all") < 0);
	check_text(error.name, SD_BUS_ERROR_INVALID_ARGS);
	sd_bus_error_free(&error);
	disconnect(b);
	world_end(&world); /* and no descriptor is left open */
	return 0;
}
