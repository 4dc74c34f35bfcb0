// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-faults.c - page faults as an adapter counts them, from the keeper to the property: of an
 * adapter that counts, of one that does not, and over a restart of the daemon.
 */
#include <inttypes.h>
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

/*
 * Counters come in one message. Faults are unknown before the first as well, so a page is written
 * back: what that adds has come with a message, and in it, or later, the faults; and what was
 * warmed is not forgotten in any.
 */
static void await_counters(sd_bus *b, uint64_t id, const char *faults)
{
	char text[32];

	until((get_property(b, id, "Writebacks", text, sizeof(text)), !strcmp(text, "1")));
	until(is_at(b, id, faults));
	get_property(b, id, "BytesWarmed", text, sizeof(text));
	check(strcmp(text, "0") != 0);
}

static void write_back(uint64_t id)
{
	world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096", id);
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
	write_back(first.id);
	await_counters(b, first.id, faults);
	check(register_region(b, fd, 0, 0, "r", &second, 1, "warm", "b", 1));
	write_back(second.id);
	await_counters(b, second.id, faults);
	check(call_region(b, second.id, "Release", &second));
	check(is_at(b, first.id, faults));
	disconnect(b);

	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	b = connect_client(&world);
	await_counters(b, first.id, faults);
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
