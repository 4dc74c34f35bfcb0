// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-faults.c - page faults as an adapter counts them, from the keeper to the property: of an adapter that counts, of one that does not, and
 * over a restart of the daemon.
 */
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static struct world world;

static bool is_at(sd_bus *b, uint64_t id, const char *faults)
{
	char text[32];

	get_property(b, id, "Faults", text, sizeof(text));
	return !strcmp(text, faults);
}

/* What the same message carries beside the faults is there as well. */
static bool is_warm(sd_bus *b, uint64_t id)
{
	char text[32];

	get_property(b, id, "BytesWarmed", text, sizeof(text));
	return !strcmp(text, "8192");
}

static void test_adapter(const char *faults)
{
	struct reply first, second;
	sd_bus *b;
	int fd;

	world_begin(&world, "");
	b = connect_client(&world);
	fd = make_memfd(8192);
	check(register_region(b, fd, 0, 0, "rw", &first, 2, "detached", "b", 1, "warm", "b", 1));
	until(is_at(b, first.id, faults));
	check(is_warm(b, first.id));
	check(register_region(b, fd, 0, 0, "r", &second, 0));
	until(is_at(b, second.id, faults));
	check(call_region(b, second.id, "Release", &second));
	check(is_at(b, first.id, faults));
	disconnect(b);

	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	b = connect_client(&world);
	until(is_at(b, first.id, faults));
	check(call_region(b, first.id, "Release", &first));
	close(fd);
	disconnect(b);
	world_end(&world);
}

int main(void)
{
	test_adapter("18446744073709551615");
	setenv("RDMAREG_FAKE_FAULTS", "17", 1);
	test_adapter("17");
	return 0;
}
