// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p8-growth.c - figure P8, the daemon's half: the real rdmaregd, twice, each on a bus of its own,
 * with keepers that have no adapter. One has a thousand regions and stays so; the other gets eight
 * times as many again and again. At each size: what the next region costs, a page of the list, a
 * page of a small session's list, a look at one region, and evicting a filesystem with one region;
 * each against the same with a thousand, in turn. And what a region costs the daemon.
 *
 * What is measured is the processor's time of the daemon's loop, as the scheduler counts it, so
 * other programs count only as far as they empty the caches.
 *
 * Run by meson, which knows where the programs are: meson test --benchmark bench-growth.
 * RDMAREG_BENCH_REGIONS: how many at last (default 524288).
 *
 * What always holds: what is measured leaves the number of regions as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"
#include "tests/bus/harness.h"

#define FEW 1000u
#define STEP 8u
#define PER_SESSION \
	4096u /* a keeper has a descriptor or two for each, and RLIMIT_NOFILE may be 20000 */
#define SESSIONS_MAX 129u
#define SMALL "small" /* the session whose list is asked for by name: of one region */
#define WINDOW 200
#define PAGE_REGIONS 256u
#define TIMES 8u

enum operation { REGISTER, FIRST, LAST, OF_SESSION, ONE, EVICT, _OPERATION_MAX };

static const struct {
	const char *name;
	const char *goal;
} operations[_OPERATION_MAX] = {
	[REGISTER] = { "one more region", "<= 1.2" },
	[FIRST] = { "first page of 256", "<= 1.2" },
	[LAST] = { "last page of 256", "<= 1.2" },
	[OF_SESSION] = { "the list of a session with few regions", "<= 1.2" },
	[ONE] = { "GetRegion", "<= 1.2" },
	[EVICT] = { "evicting a filesystem with one region", "<= 1.2" },
};

struct side {
	struct world world;
	sd_bus *buses[SESSIONS_MAX]; /* each owns the regions of one session */
	size_t owned[SESSIONS_MAX];
	sd_bus *other; /* asks */
	size_t sessions;
	size_t regions; /* without those of SMALL */
	size_t answered;
	size_t memory;
	uint64_t last_id;
	int file;
	int directory;
	struct samples took[_OPERATION_MAX];
};

static int memory; /* of which all regions are */

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

static void send_one(struct side *side, sd_bus *b, size_t session_number)
{
	sd_bus_message *m = new_manager_call(b, "RegisterRegion");
	char session[32];

	snprintf(session, sizeof(session), "s%zu", session_number);
	check(sd_bus_message_append(m, "htts", memory, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
	check(sd_bus_message_append(m, "a{sv}", 2, "warm", "b", 0, "session", "s", session) >= 0);
	check(sd_bus_call_async(b, NULL, m, on_answer, side, UINT64_MAX) >= 0);
	sd_bus_message_unref(m);
}

/* @count more regions, in a session and on a connection of their own. */
static void fill_session(struct side *side, size_t count)
{
	size_t sent = 0, begin = side->answered, session = side->sessions++;
	sd_bus *b = connect_client(&side->world);

	check(session < SESSIONS_MAX);
	side->buses[session] = b;
	while (side->answered - begin < count) {
		size_t waiting = begin + sent - side->answered;

		if (sent < count && waiting < WINDOW) {
			send_one(side, b, session);
			sent++;
			continue;
		}
		while (sd_bus_process(b, NULL) > 0)
			;
		if (begin + sent - side->answered == waiting)
			check(sd_bus_wait(b, WAIT_SEC * 1000000ull) >= 0);
	}
	side->owned[session] = count;
	side->regions += count;
}

static void fill(struct side *side, size_t regions)
{
	while (side->regions < regions) {
		size_t left = regions - side->regions;

		fill_session(side, left < PER_SESSION ? left : PER_SESSION);
	}
}

/* The time that the daemon's loop has had so far, microseconds. */
static double loop_usec(const struct side *side)
{
	unsigned long long nsec;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", side->world.daemon);
	f = fopen(path, "re");
	check(f && fscanf(f, "%llu", &nsec) == 1);
	fclose(f);
	return (double)nsec / 1e3;
}

static double list_usec(struct side *side, uint64_t after, bool of_session)
{
	sd_bus_message *reply = NULL, *m = new_manager_call(side->other, "ListRegions");
	double start;

	if (of_session)
		add_options(m, 1, "session", "s", SMALL);
	else
		add_options(m, 2, "limit", "u", PAGE_REGIONS, "after", "t", after);
	start = loop_usec(side);
	check(sd_bus_call(side->other, m, UINT64_MAX, NULL, &reply) >= 0);
	start = loop_usec(side) - start;
	check(sd_bus_message_enter_container(reply, 'a', "(toa{sv})") > 0 &&
	      !sd_bus_message_at_end(reply, 0));
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return start;
}

static double get_usec(struct side *side, uint64_t id)
{
	double start = loop_usec(side);
	sd_bus_message *reply = NULL;

	check(sd_bus_call_method(side->other, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				 RDMAREG_MANAGER_INTERFACE, "GetRegion", NULL, &reply, "t",
				 id) >= 0);
	sd_bus_message_unref(reply);
	return loop_usec(side) - start;
}

static double register_usec(struct side *side, int fd, struct reply *ret)
{
	double start = loop_usec(side);

	check(register_region(side->other, fd, 0, 4096, "rw", ret, 3, "warm", "b", 0, "session",
			      "s", SMALL, "grace_usec", "t", UINT64_C(0)));
	return loop_usec(side) - start;
}

/* Of the filesystem that the world's directory is on. */
static double evict_usec(struct side *side)
{
	sd_bus_message *m = new_manager_call(side->other, "Evict");
	struct reply r;
	double start;

	register_usec(side, side->file, &r);
	check(sd_bus_message_append(m, "h", side->directory) >= 0);
	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	start = loop_usec(side);
	check(finish_call(side->other, m, &r) && r.number == 1);
	return loop_usec(side) - start;
}

/* The @i-th round. What takes little is done several times. */
static void look(struct side *side, uint64_t i)
{
	double took[_OPERATION_MAX] = { 0 };
	struct reply r;

	took[FIRST] = list_usec(side, 0, false);
	took[LAST] = list_usec(side, side->last_id - PAGE_REGIONS, false);
	for (uint64_t n = 0; n < TIMES; n++) {
		took[REGISTER] += register_usec(side, memory, &r);
		check(call_region(side->other, r.id, "Release", &r));
		took[OF_SESSION] += list_usec(side, 0, true);
		took[ONE] += get_usec(side, 1 + (i * TIMES + n) * 104729 % FEW);
		took[EVICT] += evict_usec(side);
	}
	for (size_t o = 0; o < _OPERATION_MAX; o++)
		samples_add(&side->took[o], took[o]);
}

static void measure(struct side *few, struct side *many)
{
	char subject[64], measure[96];

	for (uint64_t i = 0; i < (quick ? 2 : 31); i++) {
		look(i % 2 ? few : many, i);
		look(i % 2 ? many : few, i);
	}
	snprintf(subject, sizeof(subject), "daemon, %zu regions", many->regions);
	for (size_t o = 0; o < _OPERATION_MAX; o++) {
		snprintf(measure, sizeof(measure), "%s / the same with %u regions",
			 operations[o].name, FEW);
		row_ratio(subject, measure, &many->took[o], &few->took[o], operations[o].goal);
		samples_clear(&many->took[o]);
		samples_clear(&few->took[o]);
	}
	fflush(stdout);
}

static void begin(struct side *side)
{
	struct reply r;

	world_begin(
		&side->world,
		"[limits]\nregions_per_tenant = 65536\nregions_per_client = 65536\ntenants_per_uid = 256\n"
		"[keepers]\ntimeout_msec = 600000\n");
	side->other = connect_client(&side->world);
	side->file = make_file(&side->world, 4096, O_RDWR);
	side->directory = open(side->world.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	check(side->directory >= 0);
	side->memory = world_memory(&side->world);
	check(register_region(side->other, memory, 0, 4096, "rw", &r, 2, "warm", "b", 0, "session",
			      "s", SMALL));
	fill(side, FEW);
}

static void end(struct side *side)
{
	uint64_t left = side->regions;

	for (size_t i = 0; i < side->sessions; i++) {
		disconnect(side->buses[i]);
		left -= side->owned[i];
		until(get_manager_number(side->other, "Regions") <=
		      left + 1); /* patience is for one session at a time */
	}
	disconnect(side->other);
	close(side->file);
	close(side->directory);
	world_end(&side->world);
}

int main(int argc, char **argv)
{
	const char *asked = getenv("RDMAREG_BENCH_REGIONS");
	size_t regions = asked ? strtoul(asked, NULL, 10) : 524288;
	static struct side few, many;
	char subject[64];

	bench_begin(argc, argv, "P8");
	memory = make_memfd(4096);
	begin(&few);
	begin(&many);
	for (size_t n = STEP * 1024; many.regions < regions; n *= STEP) {
		fill(&many, n < regions ? n : regions);
		measure(&few, &many);
	}
	snprintf(subject, sizeof(subject), "daemon, %zu regions", many.regions);
	row_number(subject, "resident memory of the daemon for one region",
		   (double)(world_memory(&many.world) - many.memory) * 1024 / (double)many.regions,
		   "bytes", NULL);
	fflush(stdout);
	end(&few);
	end(&many);
	close(memory);
	return 0;
}
