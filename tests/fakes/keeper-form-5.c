// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-form-5.c - a keeper of another package: it speaks the protocol as version 5 had it (of the
 * current form it uses nothing), or what later and earlier versions may make of that, as the name
 * of its session says:
 *
 *   form-same      version 5 and no other
 *   form-wide      speaks more versions than we do, and says so
 *   form-longer    bodies have members that we do not know
 *   form-events    and there are events that we do not know
 *   form-later     it speaks none of our versions, but later ones; once it has a region, until the
 *   test makes "again"
 *   form-earlier   the same with earlier ones
 *   form-rude      the same, and it hangs up on whoever speaks another version, as version 4 did
 *   form-turns     the same of the daemon that started it: it hangs up, and speaks later ones from
 *   then on
 *   form-alone     the same with later ones, from the start
 *   form-idle      the same once it has had a region, and it stays though it holds nothing
 *
 * and what no version may:
 *
 *   form-zero, form-reversed, form-choice          ranges and choices that cannot be
 *   form-short, form-header, form-huge             sizes
 *   form-answer, form-direction, form-kind         types
 *
 * Like bad-keeper.c it registers everything and holds nothing. One that has a region outlives the
 * daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/keeper/keeper-form-5.h"

#define LATER 1000 /* no daemon of ours gets that far */
#define HEADER_SIZE offsetof(struct form5_message, hello)
#define HUGE_SIZE 60000
#define ANSWER_KIND 256
#define EVENT_KIND 512

static const char *session = "";
static uint32_t tenant;
static int connection = -1;
static struct form5_message regions[8];
static unsigned int n_regions;
static bool stays; /* form-idle */

static bool is(const char *name)
{
	return !strcmp(session, name);
}

static size_t size_of(uint32_t type)
{
	switch (type) {
#define SIZE(type, member) \
	case FORM5_##type: \
		return HEADER_SIZE + sizeof(((struct form5_message *)0)->member);
		FORM5_BODIES(SIZE)
	default:
		return HEADER_SIZE;
	}
}

/* What a later version has behind a body is anything. */
static void say_bytes(const struct form5_message *m, size_t known, size_t size)
{
	static unsigned char bytes[HUGE_SIZE];

	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, m, known < size ? known : size);
	send(connection, bytes, size, MSG_NOSIGNAL);
}

static void say_event(uint32_t type)
{
	const struct form5_message m = { .type = type, .region = UINT64_MAX };

	say_bytes(&m, HEADER_SIZE, HEADER_SIZE + 40);
}

static void say(const struct form5_message *m)
{
	size_t size = size_of(m->type);

	if (is("form-events"))
		say_event(EVENT_KIND + 200);
	say_bytes(m, size, size + (is("form-longer") ? 300 : 0));
	if (is("form-events"))
		say_event(EVENT_KIND + 255);
}

static void done(const struct form5_message *q, int error)
{
	const struct form5_message m = { .type = FORM5_DONE,
					 .operation = q->operation,
					 .region = q->region,
					 .done.error = error };

	say(&m);
}

/*
 * Another version than before runs: that of the daemon that started it is back when the test says
 * so.
 */
static bool has_changed(void)
{
	const char *directory = getenv("RDMAREG_FAKE_DIR");
	char again[256];

	snprintf(again, sizeof(again), "%s/again", directory ? directory : "");
	return (n_regions || stays) && access(again, F_OK) < 0;
}

/* For a daemon that would do nothing else any more. */
static void count_greeting(void)
{
	const char *directory = getenv("RDMAREG_FAKE_DIR");
	char path[256];
	int fd;

	if (!directory) /* in the lab */
		return;
	snprintf(path, sizeof(path), "%s/greetings", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		exit(1);
	fchmod(fd, 0666); /* others run as other users */
	dprintf(fd, "%s\n", session);
	close(fd);
}

static struct form5_versions versions(void)
{
	if (is("form-wide") || is("form-choice"))
		return (struct form5_versions){ 5, LATER };
	if (is("form-alone") || ((is("form-later") || is("form-turns") || stays) && has_changed()))
		return (struct form5_versions){ LATER, LATER + 1 };
	if (is("form-earlier") && has_changed())
		return (struct form5_versions){ 1, 4 };
	if (is("form-zero"))
		return (struct form5_versions){ 0, 5 };
	if (is("form-reversed"))
		return (struct form5_versions){ 5, 4 };
	return (struct form5_versions){ 5, 5 };
}

static void welcome(const struct form5_message *q)
{
	struct form5_message m = { .type = FORM5_WELCOME, .operation = q->operation };
	const struct form5_versions ours = versions(), theirs = q->hello.versions;
	uint32_t low = ours.min > theirs.min ? ours.min : theirs.min;
	uint32_t high = ours.max < theirs.max ? ours.max : theirs.max;

	m.welcome.versions = ours;
	m.welcome.version = is("form-choice") ? LATER : low <= high ? high : 0;
	m.welcome.pid = (uint32_t)getpid();
	m.welcome.uid = tenant;
	snprintf(m.welcome.session, sizeof(m.welcome.session), "%s", session);
	say(&m);
}

static void list(const struct form5_message *q)
{
	for (unsigned int i = 0; i < n_regions; i++) {
		regions[i].operation = q->operation;
		say(&regions[i]);
	}
	done(q, 0);
}

static void register_region(const struct form5_message *q, const struct stat *file)
{
	struct form5_message m = *q;
	size_t size = size_of(FORM5_REGION);

	stays = is("form-idle");
	m.type = FORM5_REGION;
	m.info.valid_length = m.info.length;
	m.info.state = 1; /* live */
	m.info.rkey = 1;
	m.info.device = file->st_dev;
	m.info.inode = file->st_ino;
	m.info.file_uid = file->st_uid;
	if (n_regions < sizeof(regions) / sizeof(regions[0]))
		regions[n_regions++] = m;
	if (is("form-short"))
		say_bytes(&m, size, size - 1);
	if (is("form-header"))
		say_bytes(&m, size, HEADER_SIZE - 1);
	if (is("form-huge"))
		say_bytes(&m, size, HUGE_SIZE);
	if (is("form-answer"))
		m.type = ANSWER_KIND + 100;
	if (is("form-direction"))
		m.type = FORM5_REGISTER;
	if (is("form-kind"))
		m.type = EVENT_KIND + 256;
	say(&m);
}

static void release(const struct form5_message *q)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n_regions; i++)
		if (regions[i].region != q->region)
			regions[kept++] = regions[i];
	n_regions = kept;
	done(q, 0);
}

static bool answer(const struct form5_message *q, const struct stat *file)
{
	switch (q->type) {
	case FORM5_HELLO:
		count_greeting();
		if (is("form-rude") && has_changed())
			return false;
		welcome(q);
		break;
	case FORM5_LIST:
		list(q);
		break;
	case FORM5_REGISTER:
		register_region(q, file);
		return !is("form-turns");
	case FORM5_RELEASE:
		release(q);
		break;
	default:
		done(q, -ENOSYS);
		break;
	}
	return true;
}

/* What is shorter than version 5 is none of it. False: the other end closed, or said that. */
static bool serve_one(void)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct form5_message q = { 0 };
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(connection, &h, 0);
	struct stat file = { 0 };
	struct cmsghdr *c;
	int fd;

	if (n < (ssize_t)HEADER_SIZE || n < (ssize_t)size_of(q.type))
		return false;
	c = CMSG_FIRSTHDR(&h);
	if (c) {
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (fstat(fd, &file) < 0)
			exit(1);
		close(fd);
	}
	return answer(&q, &file);
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--session"))
			session = argv[i + 1];
		else if (!strcmp(argv[i], "--tenant-uid"))
			tenant = (uint32_t)strtoul(argv[i + 1], NULL, 10);
	if (listen(0, 4) < 0)
		return 1;
	do {
		connection = accept(0, NULL, NULL);
		if (connection < 0)
			return 1;
		while (serve_one())
			;
		close(connection);
	} while (n_regions || stays);
	return 0;
}
