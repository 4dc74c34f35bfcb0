// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keepers.c - keepers that die, hang, lie or talk nonsense. Whatever one does, its own
 * tenant's callers get an answer in time, and everybody else notices nothing.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters.h"
#include "harness.h"

static struct world world;
static sd_bus *bus;

/* A good region of a good tenant, to be there all the time. */
static struct reply bystander;

static void expect_bystander(void)
{
	char text[32];

	get_property(bus, bystander.id, "State", text, sizeof(text));
	check_text(text, "live");
}

/* Registering with such a keeper fails so: KeeperLost only where it is. */
static void refuse_so(const char *session, const char *error, const char *mentions)
{
	int fd = make_memfd(4096);
	struct reply r;

	check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", session));
	expect_error(&r, error, mentions);
	close(fd);
	expect_bystander();
}

static void refuse(const char *session, const char *mentions)
{
	refuse_so(session, "KeeperLost", mentions);
}

/* It said what cannot be, having been ready before. */
static void refuse_nonsense(const char *session, const char *mentions)
{
	refuse_so(session, "Failed", mentions);
}

/*
 * One that is late: the caller hears of it, and that it is not ended; it is not; and what it makes
 * when it comes to it is taken down again, since nobody has it.
 */
static void test_late(void)
{
	int fd = make_memfd(4096);
	struct reply r, again;
	char path[256];
	int go;

	check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-hang"));
	expect_error(&r, "Timeout", "has not answered within 3000 ms; it is not ended");
	expect_bystander();
	check(world_keepers(&world) == 2);
	/* the next one gets another keeper, which is no better */
	check(!register_region(bus, fd, 0, 0, "r", &again, 1, "session", "s", "bad-hang"));
	expect_error(&again, "Timeout", "not ended");
	check(world_keepers(&world) == 3);
	snprintf(path, sizeof(path), "%s/fake/answer", world.directory);
	until((go = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	close(go);
	until(world_keepers(&world) == 1); /* they hold nothing any more, are let go, and end */
	until(world_log_contains(&world, "bad-hang answers again"));
	check(count_regions(bus) == 1);
	close(fd);
}

/*
 * A lie, but of a keeper that has regions: they stay, nothing is asked of it for a while, and then
 * all is well. The tenant is not kept out meanwhile.
 */
static void test_lie_once(void)
{
	int fd = make_memfd(4096);
	struct reply r, another, ticket;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "lie-once"));
	until(world_log_contains(&world, "lie-once (pid"));
	until(world_log_contains(&world,
				 "another tenant's region; it is left alone with what it holds"));
	check(region_exists(bus, r.id));
	check(!export_region(bus, r.id, &ticket, 0));
	expect_error(&ticket, "Failed", "end the process to free the tenant");
	check(register_region(bus, fd, 0, 0, "r", &another, 1, "session", "s", "lie-once"));
	check(world_keepers(&world) == 3);
	/* one of them may have heard of it before we heard the lie */
	until(!region_exists(bus, another.id) || call_region(bus, another.id, "Release", &ticket));
	/*
	 * the first call may be told that the keeper, which is tried again, has not answered in
	 * time: it counts all the same
	 */
	until(call_region(bus, r.id, "Release", &ticket) || !region_exists(bus, r.id));
	check(!region_exists(bus, r.id));
	close(fd);
	expect_bystander();
	until(world_keepers(&world) == 1);
}

/* Registering works, but then the keeper gives reason to close the connection, and ends. */
static void lose(const char *session, const char *complaint)
{
	int fd = make_memfd(4096);
	struct reply r;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", session));
	close(fd);
	until(world_log_contains(&world, complaint));
	until(!region_exists(bus, r.id));
	expect_bystander();
}

static void test_bad_ones(void)
{
	refuse("bad-exit", "ended before it listened");
	refuse("bad-version", "another version");
	refuse("bad-name", "another tenant");
	refuse("bad-crash", "");
	refuse_nonsense("bad-garbage", "");
	refuse_nonsense("bad-short", "wrong size");
	refuse_nonsense("bad-descriptor", "descriptor");
	refuse_nonsense("bad-stranger", "another region");
	refuse("bad-length", "another region than was asked");
	refuse_nonsense("bad-enum", "enumeration");
	refuse_nonsense("bad-type", "does not fit");
	refuse_nonsense("bad-unterminated", "unterminated");
	lose("bad-twice", "an answer to nothing");
	lose("bad-foreign", "another tenant");
	lose("bad-peers", "more peers");
	/* these never come through; nobody waits for them longer than the time a keeper has */
	refuse("bad-silent", "in time");
	refuse("bad-closer", "in time");
	until(world_keepers(&world) == 1);
}

/* The program is not there. */
static void test_no_program(void)
{
	char program[256], away[256];
	int fd = make_memfd(4096);
	struct reply r;

	snprintf(program, sizeof(program), "%s/keeper", world.directory);
	snprintf(away, sizeof(away), "%s/away", world.directory);
	check(rename(program, away) == 0);
	check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "noprogram"));
	expect_error(&r, "Failed", "exec: No such file");
	check(rename(away, program) == 0);
	close(fd);
}

/* Who asks for a region that is gone hears what became of it, whichever way he asks. */
static void expect_ended(sd_bus *b, uint64_t id, const char *mentions)
{
	sd_bus_message *m = new_manager_call(b, "GetRegion");
	struct reply r;

	check(sd_bus_message_append(m, "t", id) >= 0);
	check(!finish_call(b, m, &r));
	expect_error(&r, "NoSuchRegion", mentions);
	check(!call_region(b, id, "Release", &r));
	expect_error(&r, "NoSuchRegion", mentions);
}

/* What it says is shown only as far as it can be shown. */
static void test_text(void)
{
	int fd = make_memfd(4096);
	struct reply r, ignored;
	char text[300];

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-text"));
	get_property(bus, r.id, "Path", text, sizeof(text));
	check_text(text, "/memfd:test (deleted)"); /* as the daemon saw it */
	get_property(bus, r.id, "ArbitrationReason", text, sizeof(text));
	check_text(text, "???z");
	check(call_region(bus, r.id, "Release", &ignored));
	expect_ended(bus, r.id, "s ago: it was released");
	close(fd);
}

/* A keeper that refuses to release is asked again, and whoever wants it does not wait for that. */
static void test_release(void)
{
	int fd = make_memfd(4096);
	struct reply r, release;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-release"));
	check(!call_region(bus, r.id, "Release", &release));
	expect_error(&release, "Timeout", "it cannot release a region");
	until(!region_exists(bus, r.id));
	expect_ended(bus, r.id, "it was released");
	close(fd);
	expect_bystander();
}

/*
 * A keeper that has regions of nobody is asked to release each once, however often it lists them
 * and does not answer: or each connection cost the daemon memory.
 */
static void test_unknown(void)
{
	int fd = make_memfd(4096);
	struct reply r, ignored;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-unknown"));
	until(world_log_count(&world, "/bad-unknown: ready") == 3);
	until(world_log_contains(&world, "/bad-unknown has it, and nobody was given it"));
	check(call_region(bus, r.id, "Release", &ignored)); /* the list before was read */
	check(world_log_count(&world, "/bad-unknown has it, and nobody was given it") == 3);
	close(fd);
	expect_bystander();
}

/*
 * A good keeper is killed: its regions are lost, which owner and subscribers are told, and the next
 * registration works.
 */
static void test_killed(void)
{
	sd_bus *owner = connect_client(&world);
	int fd = make_memfd(4096);
	struct reply r[3], again;
	char command[400];

	listen_signals(owner);
	for (int i = 0; i < 3; i++)
		check(register_region(owner, fd, 0, 0, "rw", &r[i], 2, "session", "s", "killed",
				      "detached", "b", i == 0));
	forget_signals(owner); /* that it became their holder */
	world_tell_keeper(&world, getuid(), "killed", "crash");
	for (int i = 2; i >= 0; i--) /* the youngest first */
		await_removed(owner, r[i].id, "lost");
	check(!has_signal(owner, "PropertiesChanged"));
	for (int i = 0; i < 3; i++)
		check(!region_exists(owner, r[i].id));
	/* whoever looks into the log finds whose they were, how many, and where to look on */
	snprintf(
		command, sizeof(command),
		"grep -q '/killed: lost with 3 regions of uid %u: its process [0-9]* (user id [0-9]*) was killed by signal 9, "
		"SIGKILL: see its lines in the log of rdmaregd; journalctl -k' %s/log",
		getuid(), world.directory);
	check(system(command) == 0);
	expect_ended(owner, r[0].id, "its keeper ended");
	expect_ended(owner, r[2].id + 1000000,
		     getuid() ? "never was, or is another user's"
			      : "it ended long ago, or never was");
	check(register_region(owner, fd, 0, 0, "rw", &again, 1, "session", "s", "killed"));
	check(again.id > r[2].id);
	expect_bystander();
	forget_signals(owner);
	disconnect(owner);
	until(!region_exists(bus, again.id));
	close(fd);
}

static void write_address(const char *line)
{
	char settings[300];
	struct reply r;

	snprintf(
		settings, sizeof(settings),
		"timeout_msec = 3000\ntimeout_msec_per_gib = 0\n%s\n[limits]\ntenants_per_uid = 40\n",
		line);
	world_write_settings(&world, settings);
	check(finish_call(bus, new_manager_call(bus, "Reload"), &r));
}

/* No adapter: the error says so, and the keeper goes away when it is not needed. */
static void test_no_adapter(void)
{
	int fd = make_memfd(4096);
	struct reply r;

	/* for the next keeper */
	write_address("listen_address = 192.0.2.255");
	check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "noadapter"));
	expect_error(&r, "NoAdapter", "RDMA device");
	close(fd);
}

/*
 * A setting that is wrong is named, with its value and what to do, and is no lack of an adapter.
 * The keeper that found that out holds nothing, so what is set next counts at once.
 */
static void test_wrong_address(void)
{
	int fd = make_memfd(4096);
	struct reply r, region;

	write_address("listen_address = 192.0.2.254");
	check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "address"));
	expect_error(
		&r, "Failed",
		"listen_address = 192.0.2.254 in rdmaregd.conf: No RDMA device has this address");
	check(strstr(r.text, "rdmaregctl reload"));
	write_address("listen_address = any");
	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "address"));
	until(world_log_contains(&world, "holds nothing and may have earlier settings"));
	until(world_keepers(&world) == 2);

	/* one that holds something stays as it is, and serves on */
	write_address("listen_address = 192.0.2.254");
	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "address"));
	check(world_keepers(&world) == 2);
	check(call_region(bus, r.id, "Release", &r) && call_region(bus, region.id, "Release", &r));

	/*
	 * and where the port is a setting, too, which two cannot have, the second waits for the end
	 * of the first
	 */
	write_address("port = 18515");
	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "address"));
	check(world_keepers(&world) == 2);
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
	expect_bystander();
	until(world_keepers(&world) == 1);
}

static bool is_degraded(uint64_t id, const char *mentions)
{
	char text[1000];

	get_property(bus, id, "Degraded", text, sizeof(text));
	return *mentions ? strstr(text, mentions) != NULL : !*text;
}

/*
 * The machine loses the address that peers connect to: regions say so, no ticket is made that names
 * it, and all is well when it is back.
 */
static void test_address_goes(void)
{
	int fd = make_memfd(4096);
	struct reply region, r;

	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "goes"));
	check(export_region(bus, region.id, &r, 0) && is_degraded(region.id, ""));
	world_tell_keeper(&world, getuid(), "goes", "address 0 away");
	until(is_degraded(region.id, "no peer can connect: 192.0.2.1: No interface that is up"));
	check(!export_region(bus, region.id, &r, 0));
	expect_error(&r, "NoAdapter", "no peer can connect: 192.0.2.1");
	check(strstr(r.text, "try again when the address is there"));
	/* so does one that is registered meanwhile */
	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "goes"));
	check(is_degraded(r.id, "no peer can connect"));
	world_tell_keeper(&world, getuid(), "goes", "address 0 back");
	until(is_degraded(region.id, "") && is_degraded(r.id, ""));
	check(call_region(bus, r.id, "Release", &r));
	check(export_region(bus, region.id, &r, 0) && call_region(bus, region.id, "Release", &r));
	close(fd);
}

/*
 * Where the port is a setting the next keeper waits for the end of the one before. That holds
 * nothing, and keeps nobody out: neither if it does not obey nor if it is stopped.
 */
static void retire(const char *session, unsigned int port, bool stop)
{
	int fd = make_memfd(4096);
	char line[40];
	struct reply r;

	snprintf(line, sizeof(line), "port = %u", port);
	write_address(line);
	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", session));
	check(call_region(bus, r.id, "Release", &r));
	snprintf(line, sizeof(line), "port = %u", port + 1);
	write_address(line);
	if (stop)
		world_kill_keepers(&world, SIGSTOP);
	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", session));
	world_kill_keepers(&world, SIGCONT);
	until(world_log_contains(&world, "did not end when it was told to: it is killed"));
	until(world_keepers(&world) == 2);
	check(call_region(bus, r.id, "Release", &r));
	expect_bystander();
	close(fd);
}

static void test_retiring(void)
{
	until(world_keepers(&world) == 1);
	retire("stopped", 18520, true);
	until(world_keepers(&world) == 1);
	retire("bad-deaf", 18530, false);
	world_kill_keepers(&world, SIGKILL); /* this one never ends by itself */
	until(world_keepers(&world) == 0);
}

/* Something listens in a tenant's name that does not talk, and that no daemon of ours started. */
static pid_t start_strange(const char *session)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char program[256];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/keepers/%u-%s-1.sock",
		 world.directory, getuid(), session);
	snprintf(program, sizeof(program), "%s/keeper", world.directory);
	check(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	      listen(fd, 4) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		dup2(fd, 0);
		close(fd);
		execl(program, program, "--session", session, NULL);
		_exit(127);
	}
	close(fd);
	return pid;
}

/* It holds nobody else up, and is not ended. */
static void test_strange(void)
{
	static const char *const sessions[] = { "bad-silent", "bad-closer" };
	int fd = make_memfd(4096);
	struct reply r;

	for (size_t i = 0; i < 2; i++) {
		pid_t pid;

		world_end_daemon(&world, SIGKILL);
		pid = start_strange(sessions[i]);
		world_start_daemon(&world);
		expect_bystander();
		check(!register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", sessions[i]));
		expect_error(&r, "KeeperLost", "in time");
		check(kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0);
		check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	}
	until(world_keepers(&world) == 1);
	close(fd);
}

/*
 * What it says to the next daemon of its region is not true. That costs it the region, at most; the
 * next registrations of others work, also with the daemon after that one.
 */
static void lie(const char *session, const char *mentions, bool lost)
{
	static const char *const properties[] = { "Policy", "GraceUSec", "Path", "Detached",
						  "ArbitrationMode" };
	char before[5][300], text[300];
	int fd = make_memfd(4096);
	struct reply r, after, ignored;

	check(register_region(bus, fd, 0, 0, "r", &r, 2, "session", "s", session, "detached", "b",
			      1));
	for (size_t i = 0; i < 5; i++)
		get_property(bus, r.id, properties[i], before[i], sizeof(before[i]));
	for (int i = 0; i < 2; i++) {
		world_end_daemon(&world, SIGKILL);
		world_start_daemon(&world);
		expect_bystander();
		if (lost)
			until(!region_exists(bus, r.id));
		else
			until(region_exists(bus, r.id)); /* nobody waits for it long */
		for (size_t k = 0; !lost && k < 5; k++) {
			get_property(bus, r.id, properties[k], text, sizeof(text));
			check_text(text, before[k]);
		}
		check(register_region(bus, fd, 0, 0, "rw", &after, 0));
		check(after.id > r.id && after.id < UINT64_C(1) << 53);
		check(call_region(bus, after.id, "Release", &ignored));
		if (mentions) /* before it is killed with lines that are not written yet */
			until(world_log_contains(&world, mentions));
	}
	if (!lost)
		check(call_region(bus, r.id, "Release", &ignored));
	close(fd);
	until(world_keepers(&world) == 1);
}

/* A new one that claims somebody else's region at once: it is told to let go of it, and works. */
static void test_claimant(void)
{
	int fd = make_memfd(4096);
	struct reply r;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-list"));
	until(world_log_contains(&world, "bad-list: it claims region 1,"));
	expect_bystander();
	check(call_region(bus, r.id, "Release", &r));
	close(fd);
}

static void test_liars(void)
{
	static const char *const losing[] = { "lie-other",   "lie-device", "lie-inode",
					      "lie-access",  "lie-length", "lie-count",
					      "lie-detached" };
	char mentions[80];

	lie("lie-number", "lie-number: it claims region 9223372036854775807", true);
	for (size_t i = 0; i < sizeof(losing) / sizeof(losing[0]); i++) {
		snprintf(mentions, sizeof(mentions), "%s: it claims region ", losing[i]);
		lie(losing[i], mentions, true);
	}
	/* what nobody believes costs nothing */
	lie("lie-pid", NULL, false);
	check(!world_log_contains(&world, "lie-pid: ready, pid 1,"));
	lie("lie-grace", NULL, false);
	lie("lie-policy", NULL, false);
	lie("lie-gated", NULL, false);
	lie("lie-owner", NULL, false);
	lie("lie-path", NULL, false);
	lie("lie-twice", NULL, false);
}

static bool counts_to(uint64_t id, const char *property, uint64_t n)
{
	char text[32];

	get_property(bus, id, property, text, sizeof(text));
	return strtoull(text, NULL, 10) == n;
}

/* Whatever a keeper counts gets through, each to its own property. */
static void test_counters(void)
{
	int fd = make_memfd(4096);
	struct reply r, released;
	uint64_t n = 1000;

	check(register_region(bus, fd, 0, 0, "r", &r, 1, "session", "s", "bad-counts"));
#define COUNTER(member, property, ...) \
	n++;                           \
	until(counts_to(r.id, property, n));
	REGION_COUNTERS(COUNTER)
#undef COUNTER
	check(call_region(bus, r.id, "Release", &released));
	close(fd);
}

int main(void)
{
	int fd;

	world_begin(
		&world,
		"[daemon]\nadopt_timeout_msec = 300\n[keepers]\ntimeout_msec = 3000\ntimeout_msec_per_gib = 0\n[limits]\ntenants_per_uid = 40\n");
	bus = connect_client(&world);
	fd = make_memfd(4096);
	check(register_region(bus, fd, 0, 0, "rw", &bystander, 0));
	test_bad_ones();
	test_late();
	test_lie_once();
	test_no_program();
	test_text();
	test_counters();
	test_release();
	test_unknown();
	test_killed();
	test_strange();
	test_claimant();
	test_liars();
	test_address_goes();
	test_wrong_address();
	test_no_adapter();
	expect_bystander();
	test_retiring();
	until(!region_exists(bus, bystander.id));
	close(fd);
	disconnect(bus);
	/* one that begins with nothing, to be compared with at the end */
	until(world_keepers(&world) == 0);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	world_end(&world);
	return 0;
}
