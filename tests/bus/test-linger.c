// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-linger.c - descriptors whose last close sleeps, here for an hour (linger.h), and of which the daemon has the last one:
 * wherever it meets them, others are served. The kernel closes also what is in a socket that is closed, and what a message
 * brings and nobody takes, in the thread that does that; strace(1) does not show it (check-loop.py), so it is tried here.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static struct world world;

static void check_served(sd_bus *b)
{
	int fd = make_file(&world, 65536, O_RDWR);
	struct reply r;

	check(register_region(b, fd, 0, 0, "rw", &r, 0));
	check(region_exists(b, r.id));
	check(call_region(b, r.id, "Release", &r));
	close(fd);
}

static void stop_daemon(void)
{
	int status;

	check(kill(world.daemon, SIGSTOP) == 0);
	check(waitpid(world.daemon, &status, WUNTRACED) == world.daemon && WIFSTOPPED(status));
}

/* Lets a keeper go on that waits in a FIFO for this. */
static void permit(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/fake/%s", world.directory, name);
	until(stat(path, &st) == 0);
	close(open(path, O_WRONLY | O_CLOEXEC));
}

/* One packet brings such a descriptor; with a second one in its socket the connection is ended. */
static void test_keeper(void)
{
	struct later call = { 0 };
	sd_bus *b = connect_client(&world), *other = connect_client(&world);
	int fd = make_file(&world, 65536, O_RDWR);
	sd_bus_message *m = new_manager_call(b, "RegisterRegion");

	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
	add_options(m, 1, "session", "s", "bad-linger");
	send_later(b, m, &call);
	check(sd_bus_flush(b) >= 0);
	until(get_manager_number(other, "Keepers") == 1);
	permit("ready");
	stop_daemon();
	permit("send");
	permit("sent");
	check(kill(world.daemon, SIGCONT) == 0);
	until(world_log_contains(&world, "a descriptor that nobody asked for"));
	check_served(other);
	await_answer(b, &call);
	check(*call.reply.error);
	world_kill_keepers(&world, SIGKILL);
	disconnect(b);
	disconnect(other);
	close(fd);
}

int main(void)
{
	world_begin(&world, "timeout_msec = 3000\n");
	test_keeper();
	world_end(&world);
	return 0;
}
