// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-silent.c - descriptors of a file whose server (FUSE) is silent: their user's calls end in
 * words, everybody else is served, and so is that user when the server is gone; a daemon that
 * cannot end has a successor; and processes are started meanwhile. The server answers the bus, and
 * falls silent for the daemon. Takes root, to mount it and to become an ordinary user.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "util/offload.h"
#include "util/process.h"

#define USER 65534
#define PASSED_AT_ONCE 16 /* dbus-daemon's limit */
#define FIRST_OF_MANY 70000
#define MANY_USERS 80

static struct world world;
static struct silent_fs fs;

/* Others see nothing of it. */
static void check_served(sd_bus *b)
{
	struct reply r;
	int fd = make_file(&world, 65536, O_RDWR);

	check(register_region(b, fd, 0, 0, "rw", &r, 0));
	check(region_exists(b, r.id));
	check(call_region(b, r.id, "Release", &r));
	count_regions(b);
	close(fd);
}

/* A descriptor that no method asked for. */
static void pass_stray(sd_bus *b, int fd)
{
	sd_bus_message *m = new_manager_call(b, "Subscribe");
	struct reply r;

	check(sd_bus_message_append(m, "h", fd) >= 0);
	check(!finish_call(b, m, &r));
}

static void pass_descriptors(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	int fd = silent_open(&fs, O_RDONLY);
	struct reply r;

	(void)arguments;
	/* that nobody asked for: closed all the same, each in a thread that does not come back */
	for (int i = 0; i < OFFLOAD_PER_UID; i++) {
		pass_stray(b, fd);
		silent_await(&fs, "flush");
	}
	/* all threads of this user are taken */
	check(!register_region(b, fd, 0, 0, "r", &r, 0));
	expect_error(&r, "Failed", "has not answered within 3000 ms; nothing was registered");
	/* and by now they are known not to come back */
	until(world_log_contains(w, "uid 65534: the filesystems of"));
	check(!register_region(b, fd, 0, 0, "r", &r, 0));
	expect_error(&r, "LimitExceeded", "do not answer; nothing was registered");
	check(count_regions(b) == 0);
	disconnect(b);
	_exit(EXIT_SUCCESS); /* closing is for the kernel */
}

/* As above, but of descriptors that were examined, and became regions, before they were closed. */
static void register_and_close(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	int fd = silent_open(&fs, O_RDONLY);
	struct holders h;
	struct reply r;

	(void)arguments;
	check(register_region(b, fd, 0, 0, "r", &r, 0));
	silent_await(&fs, "flush");
	check(find_holders(b, fd, &h, &r) && h.n == 1);
	silent_await(&fs, "flush");
	disconnect(b);
	_exit(EXIT_SUCCESS);
}

/*
 * Which filesystem it is on must be known for pre-content events; the server is asked for that, and
 * for nothing else.
 */
static void register_guarded(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	int fd = silent_open(&fs, O_RDWR);
	struct reply r;

	(void)arguments;
	check(!register_region(b, fd, 0, 0, "rw", &r, 1, "arbitration", "s", "pre-content"));
	silent_await(&fs, "statfs");
	expect_error(&r, "Failed", "has not answered within 3000 ms; nothing was registered");
	check(register_region(b, fd, 0, 0, "rw", &r, 0));
	disconnect(b);
	close(fd);
	_exit(EXIT_SUCCESS);
}

static void test_hang(const char *kind, void (*body)(const struct world *w, const void *arguments))
{
	sd_bus *b;

	world_begin(&world, "timeout_msec = 3000\n");
	if (!silent_begin(&fs, &world, USER)) {
		world_end(&world);
		_exit(SKIP);
	}
	silent_mute(&fs, world.daemon, kind);
	b = connect_client(&world);
	run_as(&world, USER, body, NULL);
	check_served(b);
	silent_end(&fs);
	disconnect(b);
	world_end(&world);
}

/* More than there are threads for: one is open, and waits. */
static void pass_too_many(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	int fd = silent_open(&fs, O_RDONLY);

	(void)arguments;
	for (int i = 0; i <= OFFLOAD_PER_UID; i++)
		pass_stray(b, fd);
	disconnect(b);
	_exit(EXIT_SUCCESS);
}

static bool daemon_has_silent_file(void)
{
	char path[64], target[256];
	bool found = false;
	struct dirent *d;
	ssize_t n;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", world.daemon);
	fds = opendir(path);
	check(fds);
	while ((d = readdir(fds))) {
		n = readlinkat(dirfd(fds), d->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		found = found || strstr(target, "/silent/file");
	}
	closedir(fds);
	return found;
}

/* A call that asks for none of the descriptors, to which nobody waits for an answer. */
static void throw_descriptors(sd_bus *b, int fd, int n)
{
	sd_bus_message *m = new_manager_call(b, "Subscribe");

	for (int i = 0; i < n; i++)
		check(sd_bus_message_append(m, "h", fd) >= 0);
	check(sd_bus_message_set_expect_reply(m, 0) >= 0 && sd_bus_send(b, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

/* The bus has passed on what was sent before. */
static void pass_by_bus(sd_bus *b)
{
	check(sd_bus_call_method(b, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
}

/* They are gone before the daemon can ask whose these were. */
static void throw_and_leave(int fd)
{
	check(kill(world.daemon, SIGSTOP) == 0);
	for (int i = 0; i < 40; i++) {
		sd_bus *b = connect_as(&world, USER);

		throw_descriptors(b, fd, PASSED_AT_ONCE);
		pass_by_bus(b);
		disconnect(b);
	}
	check(kill(world.daemon, SIGCONT) == 0);
}

static void ask_who(const char *path)
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
		execl(getenv("RDMAREGCTL"), "rdmaregctl", "who", path, NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/*
 * Nobody knows whom their files are to be charged to. Who is new is asked to call again, and the
 * library sees to that.
 */
static void test_hidden(void)
{
	char path[256];
	struct reply r;
	sd_bus *b;
	int fd, file;

	world_begin(&world, "");
	check(silent_begin(&fs, &world, USER));
	silent_mute(&fs, world.daemon, "flush");
	fd = silent_open(&fs, O_RDONLY);
	do {
		throw_and_leave(fd);
		b = connect_client(&world);
		file = make_file(&world, 65536, O_RDWR);
		register_region(b, file, 0, 0, "rw", &r, 0);
		if (!*r.error) {
			check(call_region(b, r.id, "Release", &r));
			disconnect(b);
			close(file);
		}
	} while (!*r.error);
	expect_error(&r, "Busy", "call again on this connection");
	check_served(b);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), file);
	ask_who(path);
	close(file);
	silent_end(&fs);
	close(fd);
	until(!daemon_has_silent_file());
	disconnect(b);
	until(world_keepers(&world) == 0);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	world_end(&world);
}

/* The bus takes only users with an account. Of this process and its children alone. */
static void add_accounts(void)
{
	char line[512], path[] = "/tmp/rdmareg-passwd-XXXXXX";
	FILE *from = fopen("/etc/passwd", "re"), *to;
	int fd = mkstemp(path);

	check(from && fd >= 0 && fchmod(fd, 0644) == 0);
	to = fdopen(fd, "w");
	check(to);
	while (fgets(line, sizeof(line), from))
		check(fputs(line, to) >= 0);
	for (int i = 0; i < MANY_USERS; i++)
		check(fprintf(to, "rdmareg-test-%d:x:%d:65534::/:/bin/false\n", i,
			      FIRST_OF_MANY + i) > 0);
	check(fclose(from) == 0 && fclose(to) == 0);
	check(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	check(mount(path, "/etc/passwd", NULL, MS_BIND, NULL) == 0 && unlink(path) == 0);
}

/* As many users as could take every thread there is, if those were shared out to whoever comes. */
static void test_many_users(void)
{
	struct reply r;
	int fd, file;
	sd_bus *b;

	world_begin(&world, "timeout_msec = 1000\n");
	check(silent_begin(&fs, &world, USER));
	silent_mute(&fs, world.daemon, "flush");
	fd = silent_open(&fs, O_RDONLY);
	for (uid_t uid = FIRST_OF_MANY; uid < FIRST_OF_MANY + MANY_USERS; uid++) {
		b = connect_as(&world, uid);
		for (int i = 0; i <= OFFLOAD_PER_UID; i++)
			pass_stray(b, fd);
		disconnect(b);
	}
	until(world_log_contains(&world, "uid 70000: the filesystems of"));
	/* a keeper that is to get ready has more than that second, on a busy machine too */
	world_write_settings(&world, "");
	check(kill(world.daemon, SIGHUP) == 0);
	until(world_log_contains(&world, "settings read again"));
	b = connect_as(&world, USER);
	file = make_file(&world, 65536, O_RDWR);
	check(find_holders(b, file, &(struct holders){ 0 }, &r));
	close(file);
	disconnect(b);
	b = connect_client(&world);
	check_served(b);
	disconnect(b);
	silent_end(&fs);
	close(fd);
	until(!daemon_has_silent_file());
	until(world_keepers(&world) == 0);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	world_end(&world);
}

static void make_device(sd_bus *b)
{
	sd_bus_message *m = new_manager_call(b, "CreateDaxDevice"), *answer = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;

	check(sd_bus_message_append(m, "ut", 0, UINT64_C(2) << 20) >= 0);
	add_options(m, 0);
	check(sd_bus_call(b, m, 0, &error, &answer) >= 0);
	sd_bus_message_unref(m);
	sd_bus_message_unref(answer);
}

static void guard_file(sd_bus *b)
{
	char path[256], mode[64];
	struct reply r;
	struct statfs s;
	int fd;

	snprintf(path, sizeof(path), "%s/guarded", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 65536) == 0 && fstatfs(fd, &s) == 0);
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "arbitration", "s", "pre-content"));
	get_property(b, r.id, "ArbitrationMode", mode, sizeof(mode));
	if ((uint32_t)s.f_type == EXT4_SUPER_MAGIC || (uint32_t)s.f_type == XFS_SUPER_MAGIC ||
	    (uint32_t)s.f_type == BTRFS_SUPER_MAGIC)
		check_text(mode, "pre-content");
	check(call_region(b, r.id, "Release", &r));
	close(fd);
}

/*
 * While the daemon has a descriptor that nobody can close, it starts a keeper, a gate and a helper.
 */
static void test_starts(void)
{
	sd_bus *b;

	world_begin(&world, "");
	world_add_gate(&world);
	check(silent_begin(&fs, &world, USER));
	silent_mute(&fs, world.daemon, "flush");
	run_as(&world, USER, pass_too_many, NULL);
	until(daemon_has_silent_file());
	b = connect_client(&world);
	check_served(b);
	guard_file(b);
	make_device(b);
	check(daemon_has_silent_file());
	silent_end(&fs);
	until(!daemon_has_silent_file());
	/* one that begins with nothing, to be compared with at the end */
	disconnect(b);
	until(world_log_contains(&world, "destroyed; it was of uid"));
	until(world_keepers(&world) == 0);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	world_end(&world);
}

/* Without the process that makes others no daemon is of use: it ends, and says why. */
static void test_spawner_lost(void)
{
	char path[64], text[64] = "";
	int status;
	FILE *f;

	world_begin(&world, "");
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", world.daemon, world.daemon);
	f = fopen(path, "re");
	check(f && fgets(text, sizeof(text), f) && fclose(f) == 0);
	check(kill(atoi(text), SIGKILL) == 0);
	check(waitpid(world.daemon, &status, 0) == world.daemon && WIFEXITED(status) &&
	      WEXITSTATUS(status) == 1);
	until(world_log_contains(&world, "the process that starts others for rdmaregd has ended"));
	world_start_daemon(&world);
	world_end(&world);
}

static void register_detached(const struct world *w, const void *arguments)
{
	sd_bus *b = connect_client(w);
	int fd = silent_open(&fs, O_RDONLY);
	struct reply r;

	(void)arguments;
	check(register_region(b, fd, 0, 0, "r", &r, 1, "detached", "b", 1));
	silent_await(&fs, "flush");
	disconnect(b);
	_exit(EXIT_SUCCESS);
}

/* A second daemon of this world, which fails as it should. */
static void check_refused(const char *why)
{
	char config[128], runtime[128];
	int status;
	pid_t pid;

	snprintf(config, sizeof(config), "%s/rdmaregd.conf", world.directory);
	snprintf(runtime, sizeof(runtime), "%s/run", world.directory);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		char log[128];

		snprintf(log, sizeof(log), "%s/log", world.directory);
		dup2(open(log, O_WRONLY | O_APPEND | O_CLOEXEC), STDERR_FILENO);
		execl(getenv("RDMAREGD"), "rdmaregd", "--bus-address", world.address, "--config",
		      config, "--runtime-dir", runtime, "--state-dir", runtime, NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1);
	until(world_log_contains(&world, why));
}

/*
 * The daemon ends, but for a thread in a sleep that no signal ends: its successor serves all the
 * same.
 */
static void test_successor(int signal)
{
	pid_t stuck;
	sd_bus *b;

	world_begin(&world, "");
	check(silent_begin(&fs, &world, USER));
	silent_mute(&fs, world.daemon, "flush");
	run_as(&world, USER, register_detached, NULL);
	check_refused("another rdmaregd holds"); /* as long as it lives, a sleeping thread or not */
	stuck = world.daemon;
	check(kill(stuck, signal) == 0);
	world.daemon = 0;
	if (signal == SIGKILL)
		until(process_is_over(stuck, process_start(stuck)));
	else
		until(world_log_contains(&world, "stopping on signal"));
	check(waitpid(stuck, NULL, WNOHANG) == 0);
	world_start_daemon(&world);
	check(waitpid(stuck, NULL, WNOHANG) == 0);
	b = connect_client(&world);
	check_served(b);
	check(count_regions(b) == 1 && region_exists(b, 1));
	until(world_log_contains(&world, "holds the lock") == (signal == SIGKILL));
	until(world_log_contains(&world, "has the name") == (signal == SIGKILL));
	check_refused("another rdmaregd holds");
	silent_end(&fs);
	check(waitpid(stuck, NULL, 0) == stuck);
	check_served(b);
	world_kill_keepers(&world, SIGKILL); /* with the detached region */
	until(count_regions(b) == 0);
	disconnect(b);
	/* one that begins with nothing, to be compared with at the end */
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	world_end(&world);
}

int main(void)
{
	if (geteuid() != 0)
		return SKIP;
	test_hang("flush", pass_descriptors);
	test_hang("flush", register_and_close);
	test_hang("statfs", register_guarded);
	test_hidden();
	add_accounts();
	test_many_users();
	test_starts();
	test_spawner_lost();
	test_successor(SIGKILL);
	test_successor(SIGTERM);
	return 0;
}
