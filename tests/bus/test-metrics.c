// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-metrics.c - what rdmaregd counts, read as an operator reads it: rdmaregctl metrics, of a
 * daemon with fake keepers. Each number after the event that makes it; who may read; a file that is
 * replaced or gone, never old. And rdmaregctl top, which puts regions in the order of such numbers.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534

static struct world world;
static sd_bus *owner;

static void in_world(const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s", world.directory, name);
}

/* rdmaregctl metrics with these options; @out: NULL, or what it printed. Its exit status. */
static int run_ctl(const char *options, char *out, size_t size)
{
	char command[1024];
	size_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "exec %s metrics --socket %s/run/metrics %s",
		 getenv("RDMAREGCTL"), world.directory, options);
	f = popen(command, "re");
	check(f);
	if (out) {
		n = fread(out, 1, size - 1, f);
		out[n] = 0;
	}
	while (fgetc(f) != EOF)
		;
	return WEXITSTATUS(pclose(f));
}

static uint64_t read_value(const char *options, const char *series)
{
	static char page[1 << 20];

	check(run_ctl(options, page, sizeof(page)) == 0);
	return metric_in(page, series);
}

static uint64_t value(const char *series)
{
	return read_value("", series);
}

#define expect(series, n)                          \
	do {                                       \
		uint64_t _v = value(series);       \
		if (_v != (uint64_t)(n))           \
			check_differs(series, _v); \
	} while (0)

static void check_differs(const char *series, uint64_t is)
{
	char text[300];

	snprintf(text, sizeof(text), "%s is %" PRIu64, series, is);
	check_text(text, "another number");
}

#define LIVE "rdmareg_regions{state=\"live\",mode=\"layout-lease\"}"

static void test_region(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	expect("rdmareg_registered_bytes", 0);
	expect("rdmareg_tenants", 0);
	expect("rdmareg_registrations_total{result=\"registered\"}", 0);
	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	expect(LIVE, 1);
	expect("rdmareg_registered_bytes", 8192);
	expect("rdmareg_tenants", 1);
	expect("rdmareg_keepers{state=\"ready\"}", 1);
	expect("rdmareg_holders{holder=\"client\"}", 1);
	expect("rdmareg_registrations_total{result=\"registered\"}", 1);
	expect("rdmareg_registration_seconds_count", 1);
	expect("rdmareg_registration_seconds_bucket{le=\"+Inf\"}", 1);
	/* one that everybody acknowledges */
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	revocation = await_request(owner, "truncate");
	expect("rdmareg_revoking_regions", 1);
	expect("rdmareg_regions{state=\"draining\",mode=\"layout-lease\"}", 1);
	expect(LIVE, 0);
	check(acknowledge(owner, region.id, revocation, &r));
	await_settled(owner, revocation, "truncated", 4096);
	expect("rdmareg_revocations_total{cause=\"truncate\",outcome=\"truncated\",mode=\"layout-"
	       "lease\"}",
	       1);
	expect("rdmareg_holder_answer_seconds_count{holder=\"client\"}", 1);
	expect("rdmareg_fence_seconds_count", 1);
	expect("rdmareg_filesystem_wait_seconds_count{arbiter=\"layout-lease\"}", 1);
	expect("rdmareg_late_holders_total{holder=\"client\"}", 0);
	expect("rdmareg_revoking_regions", 0);
	expect(LIVE, 1);
	/* its counters, in the total and by itself */
	world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096", region.id);
	until(value("rdmareg_writebacks_total") == 1);
	{
		char series[128];

		snprintf(series, sizeof(series),
			 "rdmareg_region_writebacks_total{region=\"%" PRIu64
			 "\",uid=\"%u\",session=\"default\"}",
			 region.id, getuid());
		check(read_value("--regions", series) == 1);
		check(read_value("--regions --openmetrics", series) == 1);
	}
	check(call_region(owner, region.id, "Release", &r));
	expect(LIVE, 0);
	expect("rdmareg_registered_bytes", 0);
	expect("rdmareg_holders{holder=\"client\"}", 0);
	expect("rdmareg_regions_ended_total{reason=\"released\"}", 1);
	expect("rdmareg_writebacks_total", 1); /* what was counted stays */
	close(fd);
	forget_signals(owner);
}

/* Nobody answers in time. */
static void test_late(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(50000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", region.id);
	await_settled(owner, await_request(owner, "fallocate"), "restored", 8192);
	expect("rdmareg_late_holders_total{holder=\"client\"}", 1);
	expect("rdmareg_fence_seconds_count", 2);
	expect("rdmareg_deadlines_total{arbiter=\"layout-lease\"}", 0);
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
	forget_signals(owner);
}

/* Peers are counted beside clients: that they hold, answered, and did not. */
static void test_peers(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	forget_signals(owner);
	check(register_region(owner, fd, 0, 0, "rw", &region, 2, "grace_usec", "t",
			      UINT64_C(10000000), "detached", "b", 1));
	check(export_region(owner, region.id, &r, 0));
	expect("rdmareg_holders{holder=\"peer\"}", 0);
	world_tell_keeper(&world, getuid(), "default", "peer-join %" PRIu64 " rw", region.id);
	until(value("rdmareg_holders{holder=\"peer\"}") == 1);
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", region.id);
	revocation = await_request(owner, "fallocate");
	check(acknowledge(owner, region.id, revocation, &r));
	world_tell_keeper(&world, getuid(), "default", "peer-ack %" PRIu64, region.id);
	await_settled(owner, revocation, "restored", 8192);
	expect("rdmareg_holder_answer_seconds_count{holder=\"peer\"}", 1);
	expect("rdmareg_late_holders_total{holder=\"peer\"}", 0);
	check(call_region_options(owner, region.id, "Configure", &r, 1, "grace_usec", "t",
				  UINT64_C(50000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", region.id);
	await_settled(owner, await_request(owner, "fallocate"), "restored", 8192);
	expect("rdmareg_late_holders_total{holder=\"peer\"}", 1);
	until(value("rdmareg_holders{holder=\"peer\"}") == 0);
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
	forget_signals(owner);
}

static uint64_t property(uint64_t id, const char *name)
{
	char text[32];

	get_property(owner, id, name, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/* What the kernel does to a region: the page's numbers are the region's own. */
static void test_kernel(void)
{
	static const struct {
		const char *series, *name;
	} counters[] = {
		{ "rdmareg_invalidations_total", "Invalidations" },
		{ "rdmareg_writebacks_total", "Writebacks" },
		{ "rdmareg_removals_total", "Removals" },
		{ "rdmareg_faults_total", "Faults" },
		{ "rdmareg_warmed_bytes_total", "BytesWarmed" },
		{ "rdmareg_redirtied_bytes_total", "BytesRedirtied" },
	};
	uint64_t before[sizeof(counters) / sizeof(*counters)], revocation;
	struct reply region, r;
	int fd = make_file(&world, 8192, O_RDWR);

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		before[i] = value(counters[i].series);
	check(register_region(owner, fd, 0, 0, "rw", &region, 3, "warm", "b", 1, "warm_mode", "s",
			      "write", "grace_usec", "t", UINT64_C(10000000)));
	world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096", region.id);
	until(property(region.id, "Writebacks") == 1);
	world_tell_keeper(&world, getuid(), "default", "clear %" PRIu64 " 4096 8192", region.id);
	until(property(region.id, "Removals") == 1);
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		until(property(region.id, counters[i].name) > 0);
		until(value(counters[i].series) ==
		      before[i] + property(region.id, counters[i].name));
	}
	/* blocks that nobody was asked for; just after a revocation they would be that one's */
	expect("rdmareg_bypasses_total", 0);
	expect("rdmareg_degraded_regions", 0);
	check(ftruncate(fd, 4096) == 0);
	until(value("rdmareg_bypasses_total") == 1);
	until(value("rdmareg_degraded_regions") == 1);
	/* the filesystem is let go by the kernel, before anybody has answered */
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", region.id);
	revocation = await_request(owner, "fallocate");
	expect("rdmareg_deadlines_total{arbiter=\"layout-lease\"}", 0);
	world_tell_keeper(&world, getuid(), "default", "expire %" PRIu64 " now", region.id);
	await_settled(owner, revocation, "restored", 4096);
	expect("rdmareg_deadlines_total{arbiter=\"layout-lease\"}", 1);
	check(call_region(owner, region.id, "Release", &r));
	expect("rdmareg_degraded_regions", 0);
	close(fd);
	forget_signals(owner);
}

/* The regions that it shows, by their numbers, in its order. */
static size_t top(const char *arguments, uint64_t out[static 3])
{
	char command[100], page[8000];
	const char *line;
	size_t n = 0;

	snprintf(command, sizeof(command), "top --once %s", arguments);
	check(world_ctl(&world, command, page, sizeof(page)) == 0);
	line = strstr(page, "    ID STATE ");
	check(line);
	while ((line = strchr(line, '\n')) && *++line && n < 3)
		out[n++] = strtoull(line, NULL, 10);
	return n;
}

/* The second has most writebacks, the first a removal, and the second alone is called so. */
static void test_top(void)
{
	struct reply one, two, r;
	int fd = make_memfd(8192);
	uint64_t shown[3];

	check(register_region(owner, fd, 0, 0, "rw", &one, 0));
	check(register_region(owner, fd, 0, 0, "rw", &two, 1, "name", "s", "busiest"));
	for (uint64_t n = 1; n < 3; n++) {
		world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096",
				  two.id);
		until(property(two.id, "Writebacks") == n);
	}
	world_tell_keeper(&world, getuid(), "default", "clear %" PRIu64 " 0 4096", one.id);
	until(property(one.id, "Removals") == 1);
	check(top("", shown) == 2 && shown[0] == two.id && shown[1] == one.id);
	check(top("--sort writebacks", shown) == 2 && shown[0] == two.id);
	check(top("--sort removals", shown) == 2 && shown[0] == one.id);
	check(top("--sort id", shown) == 2 && shown[0] == one.id);
	check(top("--filter busiest", shown) == 1 && shown[0] == two.id);
	check(call_region(owner, one.id, "Release", &r) &&
	      call_region(owner, two.id, "Release", &r));
	close(fd);
}

static void test_drain(void)
{
	struct reply r;
	sd_bus_message *m = new_manager_call(owner, "Drain");

	expect("rdmareg_draining", 0);
	check(sd_bus_message_append(m, "s", "test") >= 0);
	check(finish_call(owner, m, &r));
	expect("rdmareg_draining", 1);
	check(finish_call(owner, new_manager_call(owner, "Undrain"), &r));
	expect("rdmareg_draining", 0);
}

static void test_limit(void)
{
	int fd = make_memfd(4096);
	struct reply one, two, three, r;

	check(register_region(owner, fd, 0, 0, "r", &one, 0));
	check(register_region(owner, fd, 0, 0, "r", &two, 0));
	check(!register_region(owner, fd, 0, 0, "r", &three, 0));
	check_text(three.error, "LimitExceeded");
	expect("rdmareg_refusals_total{limit=\"regions_per_tenant\"}", 1);
	expect("rdmareg_registrations_total{result=\"failed\"}", 0);
	check(call_region(owner, one.id, "Release", &r) &&
	      call_region(owner, two.id, "Release", &r));
	close(fd);
}

/* The next daemon has its regions, and begins to count anew. */
static void test_restart(void)
{
	int fd = make_memfd(16384);
	struct reply region;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096", region.id);
	until(value("rdmareg_writebacks_total") == 2);
	disconnect(owner);
	check(WIFEXITED(world_end_daemon(&world, SIGTERM)));
	check(run_ctl("2>/dev/null", NULL, 0) == 1); /* nobody serves it */
	world_start_daemon(&world);
	owner = connect_client(&world);
	subscribe(owner);
	until(value(LIVE) == 1);
	expect("rdmareg_registered_bytes", 16384);
	expect("rdmareg_registrations_total{result=\"registered\"}", 0);
	expect("rdmareg_writebacks_total", 0);
	world_tell_keeper(&world, getuid(), "default", "writeback %" PRIu64 " 0 4096", region.id);
	until(value("rdmareg_writebacks_total") == 1);
	/* its keeper dies */
	world_kill_keepers(&world, SIGKILL);
	await_removed(owner, region.id, "lost");
	expect("rdmareg_keepers_lost_total", 1);
	expect("rdmareg_regions_ended_total{reason=\"lost\"}", 1);
	expect("rdmareg_registered_bytes", 0);
	close(fd);
}

static void reload(const char *settings)
{
	struct reply r;

	world_write_settings(&world, settings);
	check(finish_call(owner, new_manager_call(owner, "Reload"), &r));
}

/* One that is asked to end is no crash, also if the next one comes at once; one that is killed is. */
static void test_crashes(void)
{
	check(value("rdmareg_crashes_total") == 0);
	disconnect(owner);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	check(value("rdmareg_crashes_total") == 0);
	for (uint64_t n = 1; n < 3; n++) {
		world_end_daemon(&world, SIGKILL);
		world_start_daemon(&world);
		check(value("rdmareg_crashes_total") == n);
	}
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	check(value("rdmareg_crashes_total") == 2);
	owner = connect_client(&world);
	subscribe(owner);
}

/* Calls and subscribers beyond their limits are counted, too. */
static void test_bus_limits(void)
{
	sd_bus *other = connect_client(&world);
	struct reply r;

	reload("[limits]\nsubscribers_per_uid = 1\n");
	check(!finish_call(other, new_manager_call(other, "Subscribe"), &r));
	expect_error(&r, "LimitExceeded", "subscribers_per_uid");
	check(value("rdmareg_refusals_total{limit=\"subscribers_per_uid\"}") == 1);
	disconnect(other);
	reload("");
}

static void be_nobody(const struct world *w, const void *arguments)
{
	(void)w;
	check(run_ctl(arguments, NULL, 0) == 4);
}

static void be_somebody(const struct world *w, const void *arguments)
{
	(void)w, (void)arguments;
	check(value("rdmareg_registered_bytes") == 0);
	check(run_ctl("--regions 2>/dev/null", NULL, 0) == 4);
}

static void test_readers(void)
{
	char path[256];
	struct stat s;

	in_world("run/metrics", path);
	check(lstat(path, &s) == 0 && (s.st_mode & 0777) == 0600);
	if (getuid() == 0)
		run_as(&world, NOBODY, be_nobody, "2>/dev/null");
	reload("[daemon]\nmetrics = everybody\n");
	check(lstat(path, &s) == 0 && (s.st_mode & 0777) == 0666);
	if (getuid() == 0)
		run_as(&world, NOBODY, be_somebody, NULL);
	reload("[daemon]\nmetrics = off\n");
	check(lstat(path, &s) < 0);
	check(run_ctl("2>/dev/null", NULL, 0) == 1);
	reload("");
	check(lstat(path, &s) == 0 && (s.st_mode & 0777) == 0600);
}

/* Who reads no further, as head(1), has what it wanted: nothing is said. */
static void test_pipe(void)
{
	char command[600], said[200] = "";
	FILE *f;

	snprintf(command, sizeof(command), "{ '%s' metrics --socket %s/run/metrics | true; } 2>&1",
		 getenv("RDMAREGCTL"), world.directory);
	f = popen(command, "re");
	check(f);
	if (fgets(said, sizeof(said), f))
		check_text(said, "");
	pclose(f);
}

static void test_file(void)
{
	char path[256], options[300];
	struct stat s;
	FILE *f;

	in_world("page.prom", path);
	snprintf(options, sizeof(options), "--output %s", path);
	f = fopen(path, "we");
	check(f && fputs("old\n", f) >= 0 && fclose(f) == 0);
	check(run_ctl(options, NULL, 0) == 0);
	check(stat(path, &s) == 0 && (s.st_mode & 0777) == 0644 && s.st_size > 1000);
	/* there is no page: there is no file */
	reload("[daemon]\nmetrics = off\n");
	snprintf(options, sizeof(options), "--output %s 2>/dev/null", path);
	check(run_ctl(options, NULL, 0) == 1);
	check(stat(path, &s) < 0);
	reload("");
}

int main(void)
{
	setenv("RDMAREG_FAKE_FAULTS", "17", 1); /* adapters count them */
	world_begin(&world, "[limits]\nregions_per_tenant = 2\n");
	owner = connect_client(&world);
	subscribe(owner);
	test_region();
	test_late();
	test_limit();
	test_drain();
	test_restart();
	test_peers();
	test_kernel();
	test_top();
	test_crashes();
	test_bus_limits();
	test_readers();
	test_pipe();
	test_file();
	disconnect(owner);
	world_end(&world);
	return 0;
}
