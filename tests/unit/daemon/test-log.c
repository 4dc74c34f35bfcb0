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
	return 0;
}
