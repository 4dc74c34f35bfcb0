// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p8-list.c - figure P8, the daemon's half: the real rdmaregd, twice, each on a bus of its own,
 * with keepers that have no adapter. One has a thousand regions, the other many. How long a page of
 * ListRegions takes, and a look at one region; and what a region costs the daemon.
 *
 * Run by meson, which knows where the programs are: meson test --benchmark bench-list.
 * RDMAREG_BENCH_REGIONS: how many (default 131072).
 */
#include <errno.h>
#include <unistd.h>

#include "bench.h"
#include "tests/bus/harness.h"

#define FEW 1000u
#define PER_SESSION \
	4096u /* a keeper has a descriptor or two for each, and RLIMIT_NOFILE may be 20000 */
#define SESSIONS_MAX 128u
#define WINDOW 200
#define PAGE_REGIONS 256u

struct side {
	struct world world;
	sd_bus *buses[SESSIONS_MAX]; /* each owns the regions of one session */
	size_t answered;
	uint64_t last_id;
	struct samples first, last, one;
};

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);

	struct side *side = userdata;

	(void)error;
	if (e)
		fprintf(stderr, "%s: %s\n", e->name, e->message);
	check(!e && sd_bus_message_read(m, "t", &side->last_id) > 0);
	side->answered++;
	return 0;
}

static void send_one(struct side *side, sd_bus *b, int fd, size_t session_number)
{
	sd_bus_message *m = new_manager_call(b, "RegisterRegion");
	char session[32];

	snprintf(session, sizeof(session), "s%zu", session_number);
	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
	check(sd_bus_message_append(m, "a{sv}", 2, "warm", "b", 0, "session", "s", session) >= 0);
	check(sd_bus_call_async(b, NULL, m, on_answer, side, UINT64_MAX) >= 0);
	sd_bus_message_unref(m);
}

/* @count more regions, in a session and on a connection of their own. */
static void fill(struct side *side, size_t session, int fd, size_t count)
{
	size_t sent = 0, begin = side->answered;
	sd_bus *b = connect_client(&side->world);

	side->buses[session] = b;
	while (side->answered - begin < count) {
		size_t waiting = begin + sent - side->answered;

		if (sent < count && waiting < WINDOW) {
			send_one(side, b, fd, session);
			sent++;
			continue;
		}
		while (sd_bus_process(b, NULL) > 0)
			;
		if (begin + sent - side->answered == waiting)
			check(sd_bus_wait(b, WAIT_SEC * 1000000ull) >= 0);
	}
}

static double page_usec(sd_bus *b, uint64_t after)
{
	double start = now_usec();
	sd_bus_message *reply = NULL;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "ListRegions", NULL, &reply, "a{sv}", 2,
				 "limit", "u", PAGE_REGIONS, "after", "t", after) >= 0);
	start = now_usec() - start;
	check(sd_bus_message_enter_container(reply, 'a', "(toa{sv})") > 0 &&
	      !sd_bus_message_at_end(reply, 0));
	sd_bus_message_unref(reply);
	return start;
}

static double get_usec(sd_bus *b, uint64_t id)
{
	double start = now_usec();
	sd_bus_message *reply = NULL;

	check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "GetRegion", NULL, &reply, "t",
				 id) >= 0);
	sd_bus_message_unref(reply);
	return now_usec() - start;
}

static void look(struct side *side, uint64_t i)
{
	samples_add(&side->first, page_usec(side->buses[0], 0));
	samples_add(&side->last, page_usec(side->buses[0], side->last_id - PAGE_REGIONS));
	samples_add(&side->one, get_usec(side->buses[0], 1 + i * 104729 % side->last_id));
}

/* Returns the memory of the daemon that its regions added. */
static size_t begin(struct side *side, size_t regions)
{
	int fd = make_memfd(4096);
	size_t before;

	world_begin(
		&side->world,
		"[limits]\nregions_per_tenant = 65536\nregions_per_client = 65536\ntenants_per_uid = 128\n");
	before = world_memory(&side->world);
	for (size_t session = 0; session * PER_SESSION < regions; session++) {
		size_t left = regions - session * PER_SESSION;

		check(session < SESSIONS_MAX);
		fill(side, session, fd, left < PER_SESSION ? left : PER_SESSION);
	}
	close(fd);
	return (world_memory(&side->world) - before) * 1024;
}

static void end(struct side *side)
{
	sd_bus *b = connect_client(&side->world);
	uint64_t left = get_manager_number(b, "Regions");

	for (size_t i = 0; i < SESSIONS_MAX && side->buses[i]; i++) {
		disconnect(side->buses[i]);
		left -= left < PER_SESSION ? left : PER_SESSION;
		until(get_manager_number(b, "Regions") <=
		      left); /* patience is for one session at a time */
	}
	disconnect(b);
	world_end(&side->world);
}

int main(int argc, char **argv)
{
	const char *asked = getenv("RDMAREG_BENCH_REGIONS");
	size_t regions = asked ? strtoul(asked, NULL, 10) : 131072, memory;
	static struct side few, many;
	char subject[64];

	bench_begin(argc, argv, "P8");
	begin(&few, FEW);
	memory = begin(&many, regions);
	for (uint64_t i = 0; i < (quick ? 5 : 301); i++) {
		look(&few, i);
		look(&many, i);
	}
	snprintf(subject, sizeof(subject), "daemon, %zu regions", regions);
	row_ratio(subject, "first page of 256 / the same with 1000 regions", &many.first,
		  &few.first, "<= 1.2");
	row_ratio(subject, "last page of 256 / the same with 1000 regions", &many.last, &few.last,
		  "<= 1.2");
	row_ratio(subject, "GetRegion / the same with 1000 regions", &many.one, &few.one, "<= 1.2");
	row_number(subject, "resident memory of the daemon for one region",
		   (double)memory / (double)regions, "bytes", NULL);
	fflush(stdout);
	end(&few);
	end(&many);
	return 0;
}
