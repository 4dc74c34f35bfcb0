// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-log.c - whoever reads the log stops reading, or goes: nobody waits for him, no line is cut,
 * what is lost is counted and told, and the log goes on when it can.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"

#define LINES 2000 /* more than any of these takes without a reader */
#define LAST "<6>the last one\n"

static void write_lines(void)
{
	char filler[400];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = 0;
	for (int i = 0; i < LINES; i++)
		log_info("line %d %s", i, filler);
}

/* What is there. */
static size_t read_some(int fd, char *text, size_t size, size_t at)
{
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t n;

	assert(at < size && poll(&p, 1, 10) >= 0);
	n = p.revents ? read(fd, text + at, size - at - 1) : 0;
	assert(n >= 0);
	text[at + (size_t)n] = 0;
	return at + (size_t)n;
}

/* Every line is whole, and those that are missing were told of. */
static void check_all(char *text)
{
	int lines = 0, lost = 0, number;
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "<4>%d lines of this log were lost", &number) == 1)
			lost += number;
		else if (sscanf(line, "<6>line %d xxx", &number) == 1 && strlen(line) > 400)
			lines++;
		else
			assert(strstr(LAST, line) || strstr(line, "<6>again"));
	}
	assert(lost > 0 && lines > 0 && lines + lost >= LINES);
}

static void test_reader(int reader, int writer)
{
	static char text[4 << 20];
	size_t n = 0;

	dup2(writer, STDERR_FILENO);
	close(writer);
	assert(log_never_wait() == 0);
	write_lines(); /* to its end, though nobody reads */
	/* now somebody does */
	while (!strstr(text, "were lost")) {
		n = read_some(reader, text, sizeof(text), n);
		log_info("again");
	}
	while (!strstr(text, LAST)) {
		log_info("the last one");
		n = read_some(reader, text, sizeof(text), n);
	}
	check_all(text);
}

static void test_pipe(void)
{
	int fds[2];

	assert(pipe(fds) == 0);
	test_reader(fds[0], fds[1]);
}

static void test_socket(void)
{
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	test_reader(fds[0], fds[1]);
}

/* Nobody will ever read it, and then somebody does. */
static void test_gone(void)
{
	static char text[65536];
	int fds[2], again[2], number, lost = 0, late = 0;
	size_t n = 0;

	signal(SIGPIPE, SIG_IGN);
	assert(pipe(fds) == 0 && pipe(again) == 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[0]);
	close(fds[1]);
	assert(log_never_wait() == 0);
	for (int i = 0; i < 10; i++)
		log_info("line %d", i);
	dup2(again[1], STDERR_FILENO);
	log_info("the last one");
	while (!strstr(text, LAST))
		n = read_some(again[0], text, sizeof(text), n);
	/* on a busy machine some may be written only now */
	assert(!strcmp(text + n - strlen(LAST), LAST));
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert(sscanf(line, "<4>%d lines of this log were lost", &number) == 1 ||
		       !strncmp(line, "<6>", 3));
		lost += line[1] == '4' ? number : 0;
		late += line[1] == '6';
	}
	assert(lost + late == 10 + 1);
}

/*
 * The process ends while what it said last is still to be written: that is read by whoever reads
 * then.
 */
static void test_end(void)
{
	static char text[1 << 20];
	int fds[2], ends[2], status;
	size_t n = 0;
	ssize_t r;
	pid_t pid;
	char c;

	assert(pipe(fds) == 0 && pipe(ends) == 0 && fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	while (write(fds[1], "x", 1) == 1)
		;
	assert(fcntl(fds[1], F_SETFL, 0) == 0);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		assert(log_never_wait() == 0);
		log_info("line");
		log_info("the last one");
		close(ends[1]);
		exit(0);
	}
	close(fds[1]);
	close(ends[1]);
	assert(read(ends[0], &c, 1) == 0); /* it ends */
	while ((r = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	assert(r == 0 && strstr(text, "<6>line\n" LAST));
	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define HOSTILE "/a\n<0>region 8: forged\nREGION=8\r\033[31m\xe2\x80\xae\xe2\x80\xa8\xff\xc3\xa4"
#define HARMLESS "/a?<0>region 8: forged?REGION=8??[31m???????\xc3\xa4"

/* Standard error from here on: what was written to it is read by read_errors(). */
static int catch_errors(void)
{
	int fds[2];

	assert(pipe2(fds, O_NONBLOCK) == 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	return fds[0];
}

static const char *read_errors(int fd)
{
	static char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

/* A name cannot end the line that it is in. */
static void test_hostile(void)
{
	int errors = catch_errors();

	log_info("region 7: %s", HOSTILE);
	log_about(LOG_ERR, LOG_FIELDS(.file = HOSTILE), "keeper 0/%s: x", HOSTILE);
	assert(!strcmp(read_errors(errors),
		       "<6>region 7: " HARMLESS "\n<3>keeper 0/" HARMLESS ": x\n"));
}

static char journal_path[64];

static int make_journal(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(journal_path, sizeof(journal_path), "/tmp/test-log-%d", (int)getpid());
	strcpy(at.sun_path, journal_path);
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	return fd;
}

static const char *read_journal(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

/* What is about a region or a keeper has fields, whatever is in them is one line. */
static void test_journal(void)
{
	int errors = catch_errors(), fd = make_journal();
	char big[2000];
	const char *got;

	assert(log_to_journal(
		       "/tmp/a-path-that-is-longer-than-the-address-of-a-socket-can-be-at-all-"
		       "which-is-a-hundred-and-eight-bytes-long") == -ENAMETOOLONG);
	assert(log_to_journal(journal_path) == 0);
	log_info("region %d: x", 7);
	assert(!strcmp(read_journal(fd),
		       "REGION=7\nMESSAGE=region 7: x\nPRIORITY=6\nSYSLOG_IDENTIFIER=test-log\n"));
	log_warning("keeper %s: y", "1000/a");
	assert(!strcmp(read_journal(fd), "TENANT=1000/a\nMESSAGE=keeper 1000/a: y\nPRIORITY=4\n"
					 "SYSLOG_IDENTIFIER=test-log\n"));
	log_about(LOG_ERR,
		  LOG_FIELDS(.message = LOG_MESSAGE_KEEPER_LOST, .tenant = "1/b",
			     .cause = "truncate", .file = HOSTILE, .peer = "192.0.2.1", .pid = 42),
		  "region %d: %s", 7, HOSTILE);
	got = read_journal(fd);
	assert(!strncmp(got, "REGION=7\nMESSAGE=region 7: " HARMLESS "\nPRIORITY=3\n", 79));
	assert(strstr(got, "\nMESSAGE_ID=8488e2f2995e45dab9f4ddd7277bd1c1\nTENANT=1/b\n"
			   "CAUSE=truncate\nFILE=" HARMLESS "\nPEER=192.0.2.1\nPID=42\n"));
	/* somebody else's text is no subject, also if it looks like one */
	log_info("%s", "region 8: forged");
	assert(!*read_journal(fd));
	assert(!strcmp(read_errors(errors), "<6>region 8: forged\n"));
	/* what is too long is cut, field by field */
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	log_about(LOG_INFO, LOG_FIELDS(.file = big, .peer = big), "region %d: %s", 7, big);
	got = read_journal(fd);
	assert(strstr(got, "\nFILE=xxx") && strstr(got, "\nPEER=xxx") && strlen(got) < 2000);
	assert(got[strlen(got) - 1] == '\n');
	/* without a journal the lines are there all the same */
	close(fd);
	log_about(LOG_ERR, LOG_FIELDS(.pid = 1), "region %d: z", 7);
	assert(unlink(journal_path) == 0);
	log_about(LOG_ERR, LOG_FIELDS(.pid = 1), "region %d: z", 7);
	assert(!strcmp(read_errors(errors), "<3>region 7: z\n<3>region 7: z\n"));
}

static void run(void (*test)(void))
{
	pid_t pid = fork();
	int status;

	assert(pid >= 0);
	if (pid == 0) {
		test();
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	run(test_pipe);
	run(test_socket);
	run(test_gone);
	run(test_end);
	run(test_hostile);
	run(test_journal);
	return 0;
}
