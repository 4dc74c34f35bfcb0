// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-fairness.c - one user, one connection, one keeper cannot take the daemon's time from others:
 * what a call costs, by the daemon's own CPU time, does not grow with what others have, and long
 * answers are made between the calls of others. Who calls all the time is refused for a while; who
 * does not read its signals is sent no more; what changes often is told together.
 *
 * Other users take root, else this is skipped. No time is compared with a fixed number, only with
 * what something else costs at the same time; whether an answer is made in parts is told by what
 * others are answered meanwhile.
 */
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CROWD 0 /* has many regions; root, so that its calls are not limited */
#define NOBODY 65534
#define CALLER 33
#define REGIONS 3000u
#define PER_SESSION 1000u
#define WINDOW 200u
#define CALLS 200
#define LISTS 8u
#define SUBSCRIBERS 8
#define ROUNDS 1000

static struct world world;
static sd_bus *crowd, *nobody, *reader;
static int crowds_file;

/* Signals that a connection got. */
struct heard {
	size_t added;
	size_t changed;
	size_t other;
	uint64_t lost;
	uint32_t clients; /* as it was told last */
};

static uint32_t read_clients(sd_bus_message *m)
{
	const char *interface, *key;
	uint32_t clients = UINT32_MAX;

	check(sd_bus_message_read(m, "s", &interface) > 0 &&
	      sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		check(sd_bus_message_read(m, "s", &key) > 0);
		if (!strcmp(key, "Clients"))
			check(sd_bus_message_read(m, "v", "u", &clients) > 0);
		else
			check(sd_bus_message_skip(m, "v") > 0);
		check(sd_bus_message_exit_container(m) >= 0);
	}
	return clients;
}

static int on_heard(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct heard *h = userdata;

	(void)error;
	if (sd_bus_message_is_signal(m, NULL, "RegionAdded"))
		h->added++;
	else if (sd_bus_message_is_signal(m, NULL, "SignalsLost"))
		check(sd_bus_message_read(m, "t", &h->lost) > 0);
	else if (sd_bus_message_is_signal(m, NULL, "PropertiesChanged"))
		h->changed++, h->clients = read_clients(m);
	else if (sd_bus_message_is_signal(m, NULL, "RegionRemoved"))
		h->other++;
	return 0;
}

static bool hears(sd_bus *b)
{
	while (sd_bus_process(b, NULL) > 0)
		;
	return true;
}

static sd_bus *connect_subscriber(uid_t uid, struct heard *h)
{
	sd_bus *b = connect_as(&world, uid);
	struct reply r;

	*h = (struct heard){ 0 };
	check(sd_bus_add_filter(b, NULL, on_heard, h) >= 0);
	check(finish_call(b, new_manager_call(b, "Subscribe"), &r));
	return b;
}

static uint64_t daemon_cpu_nsec(void)
{
	struct timespec t;
	clockid_t clock;

	check(clock_getcpuclockid(world.daemon, &clock) == 0 && clock_gettime(clock, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int on_registered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	size_t *n = userdata;

	(void)error;
	check(!sd_bus_message_get_error(m));
	++*n;
	return 0;
}

static void register_many(sd_bus *b, size_t wanted)
{
	size_t sent = 0, done = 0;

	crowds_file = make_memfd(4096);
	while (done < wanted) {
		if (sent < wanted && sent - done < WINDOW) {
			sd_bus_message *m = new_manager_call(b, "RegisterRegion");
			char session[24];

			snprintf(session, sizeof(session), "s%zu", sent++ / PER_SESSION);
			check(sd_bus_message_append(m, "htts", crowds_file, UINT64_C(0),
						    UINT64_C(4096), "rw") >= 0);
			add_options(m, 2, "warm", "b", 0, "session", "s", session);
			check(sd_bus_call_async(b, NULL, m, on_registered, &done, UINT64_MAX) >= 0);
			sd_bus_message_unref(m);
			continue;
		}
		hears(b);
		hears(reader);
		if (done < wanted && (sent - done == WINDOW || sent == wanted))
			check(sd_bus_wait(b, WAIT_SEC * 1000000ull) >= 0);
	}
}

/* What two things cost that are done in turn, so that a busy machine makes both dearer. */
struct costs {
	uint64_t first;
	uint64_t second;
};

/* A property, which costs the same always, and a list of nothing. */
static struct costs cost_of_lists(sd_bus *b)
{
	struct costs c = { 0 };

	for (int i = 0; i < CALLS; i++) {
		uint64_t before = daemon_cpu_nsec(), between;

		get_manager_number(b, "Regions");
		between = daemon_cpu_nsec();
		check(count_regions(b) == 0);
		c.first += between - before;
		c.second += daemon_cpu_nsec() - between;
	}
	return c;
}

static bool are_lists_cheap(const struct costs *alone)
{
	struct costs c = cost_of_lists(nobody);

	return c.second * alone->first < 3 * alone->second * c.first;
}

/* Who has no region pays for none. */
static void test_lists_of_others(const struct costs *alone)
{
	until(are_lists_cheap(alone));
}

static sd_bus_message *new_list(sd_bus *b)
{
	sd_bus_message *m = new_manager_call(b, "ListRegions");

	add_options(m, 1, "limit", "u", 4096);
	return m;
}

/* Long lists that were asked for before do not have to be over before somebody else is answered. */
static void test_long_lists(void)
{
	struct later lists[LISTS];
	size_t answered = 0;

	for (size_t i = 0; i < LISTS; i++)
		send_later(crowd, new_list(crowd), &lists[i]);
	check(get_manager_number(nobody, "Regions") == REGIONS);
	for (size_t i = 0; i < LISTS; i++)
		answered += is_answered(crowd, &lists[i]);
	check(answered < LISTS);
	for (size_t i = 0; i < LISTS; i++)
		await_answer(crowd, &lists[i]);
	for (size_t i = 0; i < LISTS; i++)
		check_text(lists[i].reply.error, "");
}

/* Is somebody else answered again and again while the daemon makes an answer about one file? */
static bool is_made_in_parts(void)
{
	sd_bus_message *m = new_manager_call(crowd, "FindHolders");
	unsigned int others = 0;
	struct later l;

	check(sd_bus_message_append(m, "h", crowds_file) >= 0);
	send_later(crowd, m, &l);
	for (; !is_answered(crowd, &l); others++)
		get_manager_number(nobody, "Regions");
	check_text(l.reply.error, "");
	return others > 10; /* a few come before it is begun, and many between its parts */
}

/*
 * Where each of a file's holders is has to be looked up, of one after the other; the calls of
 * others come between.
 */
static void test_long_holders(void)
{
	until(is_made_in_parts()); /* this process may stand still meanwhile */
}

/*
 * A connection that ends while its lists are being made, and another of the same user that still
 * waits.
 */
static void test_lists_abandoned(void)
{
	sd_bus *other = connect_as(&world, CROWD);
	struct later lists[LISTS], left;

	for (size_t i = 0; i < LISTS; i++)
		send_later(other, new_list(other), &lists[i]);
	send_later(crowd, new_list(crowd), &left);
	disconnect(other);
	await_answer(crowd, &left);
	check_text(left.reply.error, "");
	check(count_regions(nobody) == 0);
}

static struct costs cost_of_holders(sd_bus *first, int first_fd, sd_bus *second, int second_fd)
{
	struct costs c = { 0 };

	for (int i = 0; i < 3; i++) {
		uint64_t before = daemon_cpu_nsec(), between;

		count_holders(first, first_fd);
		between = daemon_cpu_nsec();
		count_holders(second, second_fd);
		c.first += between - before;
		c.second += daemon_cpu_nsec() - between;
	}
	return c;
}

static bool costs_at_most(struct costs c, uint64_t times)
{
	return c.second < times * c.first;
}

/*
 * Ten times the peers cost ten times, not a hundred times; and nothing at all if somebody else
 * asks.
 */
static void test_many_peers(void)
{
	int few = make_memfd(4096), many = make_memfd(4096);
	struct reply r[2], ignored;

	check(register_region(crowd, few, 0, 0, "r", &r[0], 1, "session", "s", "bad-group"));
	check(register_region(crowd, many, 0, 0, "r", &r[1], 1, "session", "s", "bad-crowd"));
	until(count_holders(crowd, few) == 1 + 1600);
	until(count_holders(crowd, many) == 1 + 16000);
	until(costs_at_most(cost_of_holders(crowd, few, crowd, many), 20));
	check(count_holders(nobody, many) == 0);
	until(!costs_at_most(cost_of_holders(nobody, many, crowd, many), 10));
	for (int i = 0; i < 2; i++)
		check(call_region(crowd, r[i].id, "Release", &ignored));
	close(few);
	close(many);
}

/*
 * Those that never read are sent a part, and hear how much they missed when they do; who reads is
 * sent everything.
 */
static void test_unread(void)
{
	struct heard silent_heard, heard;
	sd_bus *silent = connect_subscriber(CROWD, &silent_heard);

	reader = connect_subscriber(CROWD, &heard);
	register_many(crowd, REGIONS);
	until(hears(reader) && heard.added == REGIONS);
	check(!heard.lost);
	until(hears(silent) && silent_heard.lost);
	check(silent_heard.added < REGIONS / 2 &&
	      silent_heard.added + silent_heard.lost >= REGIONS);
	disconnect(silent);
}

static size_t log_size(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/log", world.directory);
	check(stat(path, &st) == 0);
	return (size_t)st.st_size;
}

static sd_bus_message *new_get(sd_bus *b, uint64_t id)
{
	sd_bus_message *m = new_manager_call(b, "GetRegion");

	check(sd_bus_message_append(m, "t", id) >= 0);
	return m;
}

/*
 * A keeper that tells without end, and answers nothing meanwhile, fills neither memory nor log, and
 * delays nobody.
 */
static void test_flood(void)
{
	size_t memory = world_memory(&world), log = log_size(), most = memory;
	sd_bus *owner = connect_as(&world, CALLER);
	int fd = make_memfd(4096);
	struct reply r, ignored;

	check(register_region(owner, fd, 0, 0, "r", &r, 2, "session", "s", "bad-flood", "detached",
			      "b", 1));
	disconnect(owner);
	while (region_exists(crowd, r.id)) {
		size_t now = world_memory(&world);

		most = now > most ? now : most;
		check(count_regions(nobody) == 0);
	}
	check(!finish_call(crowd, new_get(crowd, r.id), &ignored));
	expect_error(&ignored, "NoSuchRegion", "its keeper could not keep it");
	check(log_size() < log + (512 << 10));
	if (!getenv("RDMAREG_TEST_SANITIZED")) /* these keep what was freed */
		check(most < memory + (10 << 10));
	close(fd);
}

static void test_subscribers(void)
{
	struct heard heard[SUBSCRIBERS];
	sd_bus *b[SUBSCRIBERS + 1], *other;
	struct reply r;

	for (int i = 0; i < SUBSCRIBERS; i++)
		b[i] = connect_subscriber(NOBODY, &heard[i]);
	b[SUBSCRIBERS] = connect_as(&world, NOBODY);
	check(!finish_call(b[SUBSCRIBERS], new_manager_call(b[SUBSCRIBERS], "Subscribe"), &r));
	expect_error(&r, "LimitExceeded", "subscribers_per_uid");
	check(finish_call(b[0], new_manager_call(b[0], "Subscribe"), &r)); /* as it is already */
	other = connect_subscriber(CROWD, &heard[1]);
	disconnect(other);
	disconnect(b[0]);
	until(finish_call(b[SUBSCRIBERS], new_manager_call(b[SUBSCRIBERS], "Subscribe"), &r));
	for (int i = 1; i <= SUBSCRIBERS; i++)
		disconnect(b[i]);
}

/* Many changes are few signals, of which the last has the last value. */
static void test_changes(void)
{
	struct heard heard;
	sd_bus *subscriber = connect_subscriber(CROWD, &heard), *user = connect_as(&world, CROWD);
	int fd = make_memfd(4096);
	struct reply r, ignored;

	check(register_region(crowd, fd, 0, 0, "r", &r, 0));
	for (int i = 0; i < ROUNDS; i++) {
		check(call_region(user, r.id, "Join", &ignored));
		check(call_region(user, r.id, "Leave", &ignored));
	}
	check(call_region(user, r.id, "Join", &ignored));
	until(hears(subscriber) && heard.clients == 2);
	check(heard.changed < ROUNDS);
	check(call_region(crowd, r.id, "Release", &ignored));
	disconnect(user);
	disconnect(subscriber);
	close(fd);
}

static void make_long_path(char *path, size_t size)
{
	for (size_t i = 0; i < size - 1; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[size - 1] = 0;
}

/* Those that were refused without a word about the time it takes. */
static int on_long(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	size_t *n = userdata;

	(void)error;
	check(e);
	n[!strcmp(e->name, RDMAREG_ERROR_LIMIT_EXCEEDED)]++;
	return 0;
}

static int on_called(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	size_t *n = userdata;

	(void)error;
	n[e != NULL]++;
	if (e)
		check_text(e->name, RDMAREG_ERROR_LIMIT_EXCEEDED);
	return 0;
}

/*
 * Who calls as often as it can is refused before long, whatever its call is; nobody else is, and it
 * is heard again afterwards. What lets go of something is taken still.
 */
static void test_calls(void)
{
	size_t answered[2] = { 0 }, sent = 0, refused[2] = { 0 }, tried = 0;
	sd_bus *caller = connect_as(&world, CALLER);
	int fd = make_memfd(4096);
	char path[4001];
	struct reply r;

	make_long_path(path, sizeof(path));

	check(register_region(caller, fd, 0, 0, "r", &r, 1, "session", "s", "bad-group"));
	until(count_holders(caller, fd) == 1 + 1600);
	while (!answered[1] || !refused[1]) {
		sd_bus_message *m = new_call(caller, path, RDMAREG_MANAGER_INTERFACE, "Subscribe");

		if (answered[1])
			check(sd_bus_call_async(caller, NULL, m, on_long, refused, UINT64_MAX) >=
				      0 &&
			      ++tried < 10 * CALLS);
		sd_bus_message_unref(m);
		m = new_manager_call(caller, "FindHolders");

		check(sd_bus_message_append(m, "h", fd) >= 0);
		check(sd_bus_call_async(caller, NULL, m, on_called, answered, UINT64_MAX) >= 0);
		sd_bus_message_unref(m);
		sent++;
		while (hears(caller) && sent - answered[0] - answered[1] > CALLS / 4)
			check(sd_bus_wait(caller, WAIT_SEC * 1000000ull) >= 0);
	}
	check(call_region_number(caller, r.id, "ReleaseWithin", 0, &r)); /* may still be called */
	check(finish_call(nobody, new_list(nobody), &r));
	until(hears(caller) && sent == answered[0] + answered[1] &&
	      tried == refused[0] + refused[1]);
	until(finish_call(caller, new_list(caller), &r));
	disconnect(caller);
	close(fd);
}

/*
 * A path with as many prefixes as one can have: looking for each of them takes longer than a
 * thousand lists.
 */
static void test_long_paths(void)
{
	char *path = malloc(60001);
	struct reply r;

	check(path);
	make_long_path(path, 60001);
	for (int i = 0; i < 2; i++) { /* one that is not known yet, and one that is */
		sd_bus *caller = connect_as(&world, CALLER);

		if (i)
			check(finish_call(caller, new_list(caller), &r));
		for (int k = 0; k < 4; k++) {
			check(!finish_call(
				caller,
				new_call(caller, path, RDMAREG_MANAGER_INTERFACE, "Subscribe"),
				&r));
			check_text(r.error, SD_BUS_ERROR_UNKNOWN_OBJECT);
			check(strstr(r.text, "more than 199 characters"));
		}
		disconnect(caller);
	}
	free(path);
}

int main(void)
{
	struct costs alone;

	if (getuid() != 0)
		return SKIP;
	world_begin(&world, "[limits]\nregions_per_client = 4096\npeers_per_tenant = 16384\n"
			    "subscribers_per_uid = 8\n");
	crowd = connect_as(&world, CROWD);
	nobody = connect_as(&world, NOBODY);
	cost_of_lists(nobody);
	alone = cost_of_lists(nobody);
	test_long_paths();
	test_unread();
	test_lists_of_others(&alone);
	test_long_lists();
	test_long_holders();
	test_lists_abandoned();
	test_many_peers();
	test_flood();
	test_subscribers();
	test_changes();
	test_calls();
	close(crowds_file);
	disconnect(reader);
	disconnect(crowd);
	disconnect(nobody);
	world_end(&world);
	return 0;
}
