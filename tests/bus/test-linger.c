// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-linger.c - descriptors whose last close sleeps, here for an hour (linger.h), and of which
 * the daemon has the last one: wherever it meets them, others are served. The kernel closes also
 * what is in a socket that is closed, and what a message brings and nobody takes or has room for,
 * in the thread that does that; strace(1) does not show it (check-loop.py), so it is tried here.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/intake.h"
#include "harness.h"
#include "linger.h"

#define USER 65534
#define HIDING_SERIAL 0x40000000
#define LONGEST 254	   /* name */
#define SIGNATURE_PLAIN 32 /* that is taken with descriptors */
#define SIGNATURE_MAX 255  /* that the bus passes on, and sd-bus does not take */
#define PASSED_AT_ONCE 16  /* dbus-daemon's limit */

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

/* The loop's thread; those that sleep in a close do not stop. */
static bool loop_is_stopped(void)
{
	char path[64], text[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", world.daemon, world.daemon);
	f = fopen(path, "re");
	check(f && fgets(text, sizeof(text), f) && fclose(f) == 0);
	return strstr(text, ") T ");
}

static void stop_daemon(void)
{
	check(kill(world.daemon, SIGSTOP) == 0);
	until(loop_is_stopped());
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

/* Calls a method that wants no descriptor, without an answer. */
static void throw_descriptors(sd_bus *b, const char *path, int fd, int n)
{
	sd_bus_message *m = NULL;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, path,
					     RDMAREG_MANAGER_INTERFACE, "Subscribe") >= 0);
	for (int i = 0; i < n; i++)
		check(sd_bus_message_append(m, "h", fd) >= 0);
	check(sd_bus_message_set_expect_reply(m, 0) >= 0 && sd_bus_send(b, m, NULL) >= 0);
	sd_bus_message_unref(m);
}

/* The bus has passed on what was sent before. */
static void pass_by_bus(sd_bus *b)
{
	check(sd_bus_flush(b) >= 0);
	check(sd_bus_call_method(b, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
}

/*
 * To the daemon, which stands still. From then on it is open nowhere else. Returns the other end.
 */
static int throw_lingering(sd_bus *b, const char *path)
{
	int end, fd = linger_open(&end);

	check(fd >= 0);
	throw_descriptors(b, path, fd, 1);
	pass_by_bus(b);
	close(fd);
	return end;
}

/* An ordinary user, if that is possible. */
static sd_bus *connect_user(void)
{
	return geteuid() == 0 ? connect_as(&world, USER) : connect_client(&world);
}

/* Whatever the path is. */
static void test_user(const char *path)
{
	sd_bus *b = connect_user(), *other = connect_client(&world);
	int end;

	get_manager_number(b, "Regions"); /* it is known */
	get_manager_number(other, "Regions");
	stop_daemon();
	end = throw_lingering(b, path);
	check(kill(world.daemon, SIGCONT) == 0);
	check_served(other);
	until(world_descriptors(&world) <=
	      world.descriptors); /* it waits for the close of none, either */
	close(end);
	disconnect(b);
	disconnect(other);
}

/* A header of @size or more. */
static void test_long_header(size_t size)
{
	char *path = malloc(size + 1);

	check(path);
	for (size_t i = 0; i < size; i++)
		path[i] = i % 2 ? 'a' : '/';
	path[size] = 0;
	test_user(path);
	free(path);
}

/* One field of a message's header: a text, or without one a number. Returns where it ends. */
static size_t put_field(unsigned char *to, size_t at, unsigned char code, char type,
			const char *text, uint32_t number)
{
	uint32_t value = text ? (uint32_t)strlen(text) : number;
	size_t n = type == 'g' ? 1 : sizeof(value);

	at = (at + 7) / 8 * 8;
	memcpy(to + at, (unsigned char[]){ code, 1, (unsigned char)type, 0 }, 4);
	memcpy(to + at + 4, &value, n);
	at += 4 + n;
	if (!text)
		return at;
	memcpy(to + at, text, value + 1);
	return at + value + 1;
}

static int on_any(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct reply *r = userdata;
	uint64_t serial;

	(void)error;
	if (sd_bus_message_get_reply_cookie(m, &serial) >= 0 && serial == HIDING_SERIAL)
		take_reply(m, sd_bus_message_get_error(m), -1, r);
	return 0;
}

/*
 * A call with one descriptor, whose fields are as long as they may be: that of the sender, which
 * the bus adds, is the last.
 */
static void call_odd(sd_bus *b, int fd, uint8_t signature)
{
	unsigned char message[2048] = { 'l', 1, 0, 1, signature };
	char name[LONGEST + 1] = "a.", bytes[SIGNATURE_MAX + 1];
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { message, 0 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	uint32_t serial = HIDING_SERIAL, fields;
	size_t at = 16;

	memset(name + 2, 'a', LONGEST - 2);
	name[LONGEST] = 0;
	memset(bytes, 'y', signature);
	bytes[signature] = 0;
	at = put_field(message, at, 9, 'u', NULL, 1);
	at = put_field(message, at, 1, 'o', RDMAREG_MANAGER_PATH, 0);
	at = put_field(message, at, 2, 's', name, 0);
	at = put_field(message, at, 3, 's', name + 2, 0);
	at = put_field(message, at, 4, 's', name, 0);
	at = put_field(message, at, 6, 's', RDMAREG_BUS_NAME, 0);
	at = put_field(message, at, 8, 'g', bytes, 0);
	fields = (uint32_t)(at - 16);
	memcpy(message + 8, &serial, sizeof(serial));
	memcpy(message + 12, &fields, sizeof(fields));
	iov.iov_len = (at + 7) / 8 * 8 + signature;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	check(sd_bus_flush(b) >= 0 && sendmsg(sd_bus_get_fd(b), &h, 0) == (ssize_t)iov.iov_len);
}

/* Who sent it is found, known already or not. */
static void test_odd_header(void)
{
	sd_bus *b = connect_user(), *other = connect_client(&world);
	int fd, end;

	get_manager_number(other, "Regions");
	for (int i = 0; i < 2; i++) {
		struct reply r = { 0 };

		check(sd_bus_add_filter(b, NULL, on_any, &r) >= 0);
		stop_daemon();
		fd = linger_open(&end);
		check(fd >= 0);
		call_odd(b, fd, SIGNATURE_PLAIN);
		pass_by_bus(b);
		close(fd);
		check(kill(world.daemon, SIGCONT) == 0);
		check_served(other);
		until(sd_bus_process(b, NULL) >= 0 && *r.error);
		check_text(r.error, SD_BUS_ERROR_UNKNOWN_METHOD);
		until(world_descriptors(&world) <= world.descriptors);
		close(end);
	}
	disconnect(b);
	disconnect(other);
}

/*
 * What sd-bus finds invalid, though the bus did not, leaves nothing open: otherwise the tokens
 * would be used up.
 */
static void test_invalid(void)
{
	sd_bus *b = connect_user(), *other = connect_client(&world);
	int fd = make_memfd(4096);

	get_manager_number(b, "Regions");
	get_manager_number(other, "Regions");
	for (int i = 0; i < INTAKE_TOKENS + 16; i++) {
		call_odd(b, fd, SIGNATURE_MAX);
		if (i % 16 == 0)
			pass_by_bus(b);
	}
	check_served(other);
	until(world_descriptors(&world) <= world.descriptors + PASSED_AT_ONCE);
	close(fd);
	disconnect(b);
	disconnect(other);
}

/* More of those whom the bus has not told yet are not taken. */
static void test_strangers(void)
{
	sd_bus *b = connect_user(), *other = connect_client(&world);
	int fd = make_memfd(4096), end;

	get_manager_number(other, "Regions");
	stop_daemon();
	for (int n = 0; n < INTAKE_UNKNOWN; n += PASSED_AT_ONCE)
		throw_descriptors(b, RDMAREG_MANAGER_PATH, fd, PASSED_AT_ONCE);
	end = throw_lingering(b, RDMAREG_MANAGER_PATH);
	check(kill(world.daemon, SIGCONT) == 0);
	check_served(other);
	close(end);
	close(fd);
	disconnect(b);
	disconnect(other);
}

/* Passes descriptors of one file, whose server is silent, until no more are taken. */
static void choke(sd_bus *b, int fd)
{
	struct reply r;

	do {
		for (int i = 0; i < 8; i++)
			throw_descriptors(b, RDMAREG_MANAGER_PATH, fd, PASSED_AT_ONCE);
		pass_by_bus(b);
	} while (register_region(b, fd, 0, 0, "r", &r, 0) || !strstr(r.text, "wait to be closed"));
}

/*
 * Too many of his wait to be closed: further ones are not had at all, so @beyond as many of one
 * file as the daemon could keep open it has no more open than before.
 */
static void test_choked(int beyond)
{
	struct silent_fs fs;
	sd_bus *b, *other;
	size_t before;
	int fd, end;

	if (geteuid() != 0 || !silent_begin(&fs, &world, USER))
		return;
	silent_mute(&fs, world.daemon, "flush");
	b = connect_user();
	other = connect_client(&world);
	get_manager_number(other, "Regions");
	fd = silent_open(&fs, O_RDONLY);
	choke(b, fd);
	before = world_descriptors(&world);
	for (int i = 0; i < beyond; i++) {
		throw_descriptors(b, RDMAREG_MANAGER_PATH, fd, PASSED_AT_ONCE);
		pass_by_bus(b);
	}
	check_served(other);
	check(world_descriptors(&world) <= before + PASSED_AT_ONCE);
	stop_daemon();
	end = throw_lingering(b, RDMAREG_MANAGER_PATH);
	check(kill(world.daemon, SIGCONT) == 0);
	check_served(other);
	silent_end(&fs);
	close(fd);
	disconnect(other);
	disconnect(b);
	until(world_descriptors(&world) <= world.descriptors);
	close(end);
}

/* The daemon has no descriptor left for what a message brings. */
static void test_full_table(void)
{
	sd_bus *b = connect_user(), *other = connect_client(&world);
	sd_bus_message *m = NULL;
	int fds[PASSED_AT_ONCE], ends[PASSED_AT_ONCE];
	struct rlimit before, few;

	get_manager_number(b, "Regions"); /* it is known */
	check_served(other);
	stop_daemon();
	check(prlimit(world.daemon, RLIMIT_NOFILE, NULL, &before) == 0);
	few = before;
	few.rlim_cur = world_descriptors(&world) + PASSED_AT_ONCE / 2;
	check(prlimit(world.daemon, RLIMIT_NOFILE, &few, NULL) == 0);
	m = new_manager_call(b, "Subscribe");
	for (int i = 0; i < PASSED_AT_ONCE; i++) {
		fds[i] = linger_open(&ends[i]);
		check(fds[i] >= 0 && sd_bus_message_append(m, "h", fds[i]) >= 0);
	}
	check(sd_bus_message_set_expect_reply(m, 0) >= 0 && sd_bus_send(b, m, NULL) >= 0);
	sd_bus_message_unref(m);
	pass_by_bus(b);
	for (int i = 0; i < PASSED_AT_ONCE; i++)
		close(fds[i]);
	check(kill(world.daemon, SIGCONT) == 0);
	until(world_log_contains(&world, "has hardly a descriptor left"));
	check(prlimit(world.daemon, RLIMIT_NOFILE, &before, NULL) == 0);
	check_served(other);
	for (int i = 0; i < PASSED_AT_ONCE; i++)
		close(ends[i]);
	disconnect(b);
	disconnect(other);
}

int main(void)
{
	struct rlimit few = { 1024, 1024 };

	world_begin(&world, "timeout_msec = 3000\n");
	test_user(RDMAREG_MANAGER_PATH);
	test_long_header(4000);
	test_long_header(60000); /* more than comes in one piece */
	test_odd_header();
	test_invalid();
	test_strangers();
	test_full_table();
	test_choked(1);
	test_keeper(); /* the last one: it kills all keepers */
	world_end(&world);
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	world_begin(&world, "timeout_msec = 3000\n");
	test_choked(2 * 1024 / PASSED_AT_ONCE);
	world_end(&world);
	return 0;
}
