// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-jobs.c - prefetches that nobody waits for: their life, their end by Cancel, by the region,
 * by the keeper and by their connection, who sees them, and how many there may be. The keeper
 * prefetches as many chunks as it is allowed to, so that each stands where it is wanted.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "harness.h"

#define CHUNK (UINT64_C(2) << 20)
#define LENGTH (16 * CHUNK)

static struct world world;
static sd_bus *owner, *other;

static bool start(sd_bus *b, uint64_t region, uint64_t offset, uint64_t length, struct reply *ret,
		  int n_options, ...)
{
	sd_bus_message *m = new_region_call(b, region, "StartPrefetch"), *reply = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *path;
	va_list args;
	int r;

	check(sd_bus_message_append(m, "tt", offset, length) >= 0);
	va_start(args, n_options);
	check(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	if (n_options)
		check(sd_bus_message_appendv(m, "{sv}", args) >= 0);
	check(sd_bus_message_close_container(m) >= 0);
	va_end(args);
	r = sd_bus_call(b, m, 0, &e, &reply);
	take_reply(NULL, &e, r, ret);
	if (r >= 0) {
		check(sd_bus_message_read(reply, "o", &path) > 0);
		snprintf(ret->path, sizeof(ret->path), "%s", path);
	}
	sd_bus_error_free(&e);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return r >= 0;
}

static bool get_number(sd_bus *b, const char *job, const char *name, uint64_t *ret)
{
	return sd_bus_get_property_trivial(b, RDMAREG_BUS_NAME, job, RDMAREG_JOB_INTERFACE, name,
					   NULL, 't', ret) >= 0;
}

static uint64_t done_of(const char *job)
{
	uint64_t done = 0;

	check(get_number(owner, job, "Done", &done));
	return done;
}

static bool is_text(const char *job, const char *name, const char *wanted)
{
	char *s = NULL;
	bool same;

	check(sd_bus_get_property_string(owner, RDMAREG_BUS_NAME, job, RDMAREG_JOB_INTERFACE, name,
					 NULL, &s) >= 0);
	same = !strcmp(s, wanted);
	free(s);
	return same;
}

static bool cancel(sd_bus *b, const char *job, struct reply *ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(b, RDMAREG_BUS_NAME, job, RDMAREG_JOB_INTERFACE, "Cancel", &e,
				   NULL, NULL);

	take_reply(NULL, &e, r, ret);
	sd_bus_error_free(&e);
	return r >= 0;
}

static void allow(uint64_t region, const char *chunks)
{
	world_tell_keeper(&world, getuid(), "default", "chunks %" PRIu64 " %s", region, chunks);
}

/* The line before was obeyed: a peer that comes after it is there. */
static void hold_prefetches(uint64_t region)
{
	struct reply r;

	check(export_region(owner, region, &r, 0));
	allow(region, "0");
	world_tell_keeper(&world, getuid(), "default", "peer-join %" PRIu64 " rw", region);
	until((get_property(owner, region, "Peers", r.text, sizeof(r.text)), strcmp(r.text, "0")));
}

static void begin_with_grace(uint64_t grace_usec, int *ret_fd, struct reply *ret)
{
	*ret_fd = make_memfd(LENGTH);
	check(register_region(owner, *ret_fd, 0, 0, "rw", ret, 2, "warm", "b", 0, "grace_usec", "t",
			      grace_usec));
	hold_prefetches(ret->id);
}

/* The peer does not acknowledge: a release takes this long. */
static void begin(int *ret_fd, struct reply *ret)
{
	begin_with_grace(100000, ret_fd, ret);
}

static void end(const struct reply *region, int fd)
{
	struct reply r;

	allow(region->id, "all");
	check(call_region(owner, region->id, "Release", &r));
	close(fd);
}

static void expect_finished(const char *state, const char *error)
{
	sd_bus_message *m = await_signal(owner, "Finished");
	const char *s, *e, *text;

	check(sd_bus_message_read(m, "sss", &s, &e, &text) > 0);
	check_text(s, state);
	check_text(*e ? e + strlen(RDMAREG_ERROR_PREFIX) : e, error);
	check(!*e == !*text);
	sd_bus_message_unref(m);
}

/* It is seen to come further, by the property and by signals, and what it ended as stays. */
static void test_life(void)
{
	struct reply region, job, r;
	uint64_t total, id;
	int fd;

	begin(&fd, &region);
	check(start(owner, region.id, 0, 0, &job, 0));
	check(get_number(owner, job.path, "Total", &total) && total == LENGTH);
	check(get_number(owner, job.path, "Region", &id) && id == region.id);
	check(is_text(job.path, "State", "running") && done_of(job.path) == 0);
	allow(region.id, "1");
	until(done_of(job.path) == CHUNK);
	sd_bus_message_unref(await_signal(owner, "PropertiesChanged"));
	allow(region.id,
	      "2"); /* sooner than it is told again: later, then, though the next one is held */
	until(done_of(job.path) == 3 * CHUNK);
	check(is_text(job.path, "State", "running") && !has_signal(owner, "Finished"));
	allow(region.id, "all");
	expect_finished("done", "");
	check(is_text(job.path, "State", "done") && done_of(job.path) == LENGTH);
	check(is_text(job.path, "Error", "") && is_text(job.path, "Message", ""));
	check(cancel(owner, job.path, &r)); /* too late, and no error */
	check(is_text(job.path, "State", "done"));
	end(&region, fd);
	check(is_text(job.path, "State", "done")); /* it outlives its region */
	forget_signals(owner);
}

static void test_cancel(void)
{
	struct reply region, job, waits, r;
	uint64_t done;
	int fd;

	begin(&fd, &region);
	check(start(owner, region.id, 0, 0, &job, 0) && start(owner, region.id, 0, 0, &waits, 0));
	allow(region.id, "1");
	until(done_of(job.path) == CHUNK);
	/* one whose turn had not come ends at once, though the adapter is busy */
	check(cancel(owner, waits.path, &r));
	expect_finished("cancelled", "");
	check(is_text(waits.path, "State", "cancelled"));
	check(cancel(owner, job.path, &r) && cancel(owner, job.path, &r));
	allow(region.id, "1");
	expect_finished("cancelled", "");
	done = done_of(job.path);
	check(done < LENGTH && is_text(job.path, "Error", ""));
	/* the region goes on as before */
	expect_property(owner, region.id, "State", "live");
	allow(region.id, "all");
	check(call_region(owner, region.id, "Join", &r));
	check(start(owner, region.id, CHUNK, CHUNK, &job, 1, "write", "b", 1));
	expect_finished("done", "");
	check(done_of(job.path) == CHUNK);
	end(&region, fd);
	forget_signals(owner);
}

static void test_region_ends(void)
{
	struct reply region, job;
	struct later release;
	struct reply r;
	int fd;

	begin_with_grace(UINT64_C(10000000), &fd, &region);
	check(start(owner, region.id, 0, 0, &job, 0));
	send_later(owner, new_region_call(owner, region.id, "Release"), &release);
	/* who acknowledges has been asked */
	until((get_property(owner, region.id, "State", r.text, sizeof(r.text)),
	       !strcmp(r.text, "draining")));
	world_tell_keeper(&world, getuid(), "default", "peer-ack %" PRIu64, region.id);
	allow(region.id, "all");
	expect_finished("failed", "Busy");
	check(is_text(job.path, "State", "failed") &&
	      is_text(job.path, "Error", RDMAREG_ERROR_BUSY) && !is_text(job.path, "Message", ""));
	await_answer(owner, &release);
	close(fd);
	forget_signals(owner);
}

static void test_keeper_dies(void)
{
	struct reply region, job;
	int fd;

	begin(&fd, &region);
	check(start(owner, region.id, 0, 0, &job, 0));
	world_kill_keepers(&world, SIGKILL);
	expect_finished("failed", "KeeperLost");
	check(is_text(job.path, "Error", RDMAREG_ERROR_KEEPER_LOST));
	until(!region_exists(owner, region.id));
	close(fd);
	forget_signals(owner);
}

/* Its jobs are cancelled and nobody's; others' go on. */
static void test_connection_ends(void)
{
	struct reply region, job, mine, r;
	sd_bus *b = connect_client(&world);
	uint64_t n;
	int fd;

	begin(&fd, &region);
	for (int i = 0; i < 3; i++)
		check(start(b, region.id, 0, 0, &job, 0));
	check(get_number(owner, job.path, "Done", &n)); /* the same user */
	check(start(owner, region.id, 0, 0, &mine, 0));
	disconnect(b);
	until(!get_number(owner, job.path, "Done", &n));
	check(!cancel(owner, job.path, &r));
	expect_error(&r, "NoSuchJob", "names no job");
	allow(region.id, "17"); /* the chunk that is out, and all of mine */
	expect_finished("done", "");
	check(is_text(mine.path, "State", "done"));
	end(&region, fd);
	forget_signals(owner);
}

/* Four of a connection: one that is over makes room, one that runs does not. */
static void test_limit(void)
{
	struct reply region, job[6], r;
	uint64_t n;
	int fd;

	other = connect_client(&world);
	begin(&fd, &region);
	for (int i = 0; i < 4; i++)
		check(start(other, region.id, 0, 0, &job[i], 0));
	check(!start(other, region.id, 0, 0, &r, 0));
	expect_error(&r, "LimitExceeded", "jobs_per_client");
	check(cancel(other, job[2].path, &r));
	until(is_text(job[2].path, "State", "cancelled"));
	check(start(other, region.id, 0, 0, &job[4], 0));
	check(!get_number(other, job[2].path, "Done", &n) &&
	      get_number(other, job[3].path, "Done", &n));
	check(!start(other, region.id, 0, 0, &r, 0));
	disconnect(other);
	end(&region, fd);
	forget_signals(owner);
}

static void test_bad_input(void)
{
	static const struct {
		uint64_t offset, length;
		const char *option, *error;
	} table[] = {
		{ LENGTH, 0, NULL, "InvalidRange" },
		{ 0, LENGTH + 1, NULL, "InvalidRange" },
		{ UINT64_MAX, 2, NULL, "InvalidRange" },
		{ CHUNK, UINT64_MAX, NULL, "InvalidRange" },
		{ 0, 0, "wriite", "InvalidOption" },
		{ 0, 0, "write", "AccessDenied" },
	};
	static const char *const paths[] = {
		RDMAREG_JOB_PREFIX "/0",
		RDMAREG_JOB_PREFIX "/007",
		RDMAREG_JOB_PREFIX "/x",
		RDMAREG_JOB_PREFIX "/1/2",
		RDMAREG_JOB_PREFIX "/18446744073709551616",
		RDMAREG_JOB_PREFIX "/99999",
	};
	int fd = make_memfd(LENGTH);
	struct reply region, r;

	check(register_region(owner, fd, 0, 0, "r", &region, 1, "warm", "b", 0));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		check(!start(owner, region.id, table[i].offset, table[i].length, &r,
			     table[i].option ? 1 : 0, table[i].option, "b", 1));
		check_text(r.error, table[i].error);
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check(!cancel(owner, paths[i], &r));
		check_text(r.error, "NoSuchJob");
	}
	check(!start(owner, region.id + 1000, 0, 0, &r, 0));
	check_text(r.error, "NoSuchRegion");
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
}

static void look(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	struct reply r;
	uint64_t n;

	check(!get_number(b, arguments, "Done", &n));
	check(!cancel(b, arguments, &r));
	expect_error(&r, "NoSuchJob", "names no job of uid 65534");
	disconnect(b);
}

static void test_foreign_user(void)
{
	struct reply region, job;
	int fd;

	if (geteuid() != 0)
		return;
	begin(&fd, &region);
	check(start(owner, region.id, 0, 0, &job, 0));
	run_as(&world, 65534, look, job.path);
	check(is_text(job.path, "State", "running"));
	allow(region.id, "all");
	expect_finished("done", "");
	end(&region, fd);
	forget_signals(owner);
}

int main(void)
{
	world_begin(&world, "[limits]\njobs_per_client = 4\n");
	owner = connect_client(&world);
	listen_signals(owner);
	test_life();
	test_cancel();
	test_region_ends();
	test_keeper_dies();
	test_connection_ends();
	test_limit();
	test_bad_input();
	test_foreign_user();
	disconnect(owner);
	world_end(&world);
	return 0;
}
