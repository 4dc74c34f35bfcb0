// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-ctl-prefetch.c - rdmaregctl prefetch against a played daemon (fakes/rdmaregd.h): what
 * it shows on a terminal and elsewhere, and each way in which it ends. argv[1]: rdmaregctl.
 */
#undef NDEBUG
#include <signal.h>

#include "tests/fakes/rdmaregd.h"
#include "client-run.h"

static pid_t mock;

/* The number of the job that comes after @last. */
static unsigned int begun(unsigned int last)
{
	unsigned int number;

	do
		number = mock_tell("job-last", 0);
	while (number == last);
	return number;
}

static void test_done(void)
{
	struct run r = begin("prefetch 3 --json --offset 4K --write");
	unsigned int number = begun(0);

	assert(!strcmp(mock_said(), " write=1"));
	mock_tell("job-progress 8", number);
	mock_tell("job-end done", number);
	says(&r, "{\"id\":3,\"offset\":4096,\"length\":0,\"state\":\"done\",",
	     "\"done\":67108864,\"total\":67108864,\"message\":\"\"}");
	assert(end(&r) == 0);

	/* Nothing to say, and no terminal to say it on. */
	r = begin("prefetch 3");
	mock_tell("job-end done", begun(number));
	assert(end(&r) == 0);
}

static void test_signals(void)
{
	unsigned int number = mock_tell("job-last", 0);
	static const struct {
		int signal, status;
	} table[] = { { SIGINT, 130 }, { SIGTERM, 143 } };
	struct run r;

	for (int i = 0; i < 2; i++) {
		r = begin("prefetch 3 --json");
		number = begun(number);
		mock_tell("job-progress 16", number);
		kill(r.pid, table[i].signal);
		says(&r, "region 3: 16M of 64M prefetched; stopped as asked", "the region stays");
		says(&r, "\"state\":\"cancelled\",\"done\":16777216", "\"total\":67108864");
		assert(end(&r) == table[i].status && mock_tell("job-cancels", number) == 1);
	}
	/* Too late to change anything. */
	r = begin("prefetch 3 --offset 7");
	number = begun(number);
	kill(r.pid, SIGINT);
	while (mock_tell("job-cancels", number) == 0)
		;
	mock_tell("job-end done", number);
	assert(end(&r) == 0);
	/* One that does not end: the second signal does not wait for it. */
	r = begin("prefetch 3 --offset 7");
	number = begun(number);
	kill(r.pid, SIGINT);
	while (mock_tell("job-cancels", number) == 0)
		;
	kill(r.pid, SIGTERM);
	says(&r, "0 of 64M prefetched", "");
	assert(end(&r) == 130);
}

/* A command that has the progress of a prefetch on its terminal. */
static void test_terminal(const char *command, const char *const *says_first)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	unsigned int number = mock_tell("job-last", 0);
	char text[4096] = "";
	size_t n = 0;
	struct run r;

	assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert(slave >= 0);
	r = begin_with(command, slave);
	for (; says_first && *says_first; says_first++)
		says(&r, *says_first, "");
	number = begun(number);
	mock_tell("job-progress 16", number);
	while (!strstr(text, " left")) {
		ssize_t more = read(master, text + n, sizeof(text) - n - 1);

		assert(more > 0);
		n += (size_t)more;
	}
	assert(strstr(text, " 25% 16M of 64M, ") && strstr(text, "/s, "));
	mock_tell("job-end done", number);
	assert(end(&r) == 0);
	close(slave);
	close(master);
}

static void test_failures(void)
{
	unsigned int number = mock_tell("job-last", 0);
	struct run r = begin("prefetch 3 --json");

	number = begun(number);
	mock_tell("job-progress 32", number);
	mock_tell("job-fail", number);
	says(&r, "the prefetch of region 3: the region was released", "");
	says(&r, "region 3: 32M of 64M prefetched", "");
	says(&r, "\"state\":\"failed\"", "\"message\":\"the region was released\"");
	assert(end(&r) == 1);

	r = begin("prefetch 3 --offset 2");
	says(&r, "it is not live", "");
	assert(end(&r) == 1);
	r = begin("prefetch 999");
	says(&r, "there is no region 999", "");
	assert(end(&r) == 3);

	r = begin("prefetch 3");
	begun(number);
	mock_daemon_stop(mock);
	says(&r, "rdmaregd stopped", "the region stays: begin again");
	says(&r, "region 3: 0 of 64M prefetched", "");
	assert(end(&r) == 1);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	ctl = argv[1];
	setenv("TERM", "vt100", 1);
	alarm(80);
	signal(SIGPIPE, SIG_IGN);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	mock_tell("populate", 5);
	test_done();
	test_signals();
	test_terminal("prefetch 3", NULL);
	/* it can be reached already */
	test_terminal("register --access r /bin/sh",
		      (const char *const[]){ "region ", "arbitration ", "policy ", NULL });
	test_failures();
	mock_bus_stop();
	return 0;
}
