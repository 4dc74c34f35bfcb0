// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-ctl-stay.c - the verbs of rdmaregctl that stay: watch, join, revoke; against a played
 * daemon (fakes/rdmaregd.h). argv[1]: rdmaregctl.
 *
 * Each is a process with a pipe at either end: what it says is waited for, never the time.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"
#include "client-run.h"

static pid_t mock;

/* What is there, then what happens; ends with the region. */
static void test_watch(void)
{
	struct run r = begin("watch 3 --json");

	says(&r, "\"event\":\"present\"", "\"valid_length\":4096");
	mock_tell("ask", 4);
	mock_tell("ask", 3);
	says(&r, "revocation-requested", "\"id\":3,");
	mock_tell("settle", 3);
	says(&r, "\"outcome\":\"truncated\"", "\"revocation\":{\"id\":3}");
	mock_tell("change", 3);
	says(&r, "\"event\":\"changed\"", "\"arbitration_mode\":\"layout-lease\"");
	assert(!strstr(r.line, "previous"));
	mock_tell("degrade", 3);
	says(&r, "\"arbitration_mode\":\"notify-only\"",
	     "\"previous_arbitration_mode\":\"layout-lease\"");
	mock_tell("vanish", 3);
	says(&r, "\"event\":\"removed\"", "\"id\":3,\"reason\":\"lost\"");
	says(&r, "region 3 was not released, it ended by itself (lost)", "");
	assert(end(&r) == 1);

	r = begin("watch 5");
	says(&r, "region 5 present", "layout-lease, 2 peers, 0 clients");
	mock_tell("degrade", 5);
	says(&r, "notify-only (was layout-lease)", "degraded: process 17");
	/* What says nothing new is not said; blocks that went are, how often and the last time. */
	mock_tell("change", 5);
	mock_tell("change", 5);
	mock_tell("bypass", 5);
	says(&r, "region 5 changed: live, 4K of 4K valid, notify-only, 2 peers, 0 clients, ",
	     "(moved) /some/place, bypasses: 1, last bypass: played block 1, degraded: process 17");
	mock_tell("change", 5);
	mock_tell("bypass", 5);
	says(&r, "region 5 changed", ", bypasses: 2, last bypass: played block 2, degraded");
	kill(r.pid, SIGTERM);
	assert(end(&r) == 0);
	r = begin("watch 5");
	says(&r, "region 5 present", ", bypasses: 2, last bypass: played block 2, degraded");
	mock_tell("restore", 5);
	says(&r, "region 5 changed: live, 4K of 4K valid, layout-lease (was notify-only), 2 peers",
	     "/some/file\n");
	kill(r.pid, SIGTERM);
	assert(end(&r) == 0);

	/* The changes of one that is gone already are its end. */
	r = begin("watch 5");
	says(&r, "region 5 present", "");
	mock_tell("drop", 5);
	mock_tell("change", 5);
	mock_tell("change", 5);
	mock_tell("vanish", 5);
	says(&r, "region 5 removed: lost", "");
	says(&r, "region 5 was not released", "");
	assert(end(&r) == 1);
}

/* And is over; what it says is no matter. */
static void ctl_does(const char *line)
{
	struct run r = begin(line);

	while (fgets(r.line, sizeof(r.line), r.out))
		;
	assert(end(&r) == 0);
}

/* In one of the next lines. */
static void says_later(struct run *r, const char *text)
{
	do
		says(r, "", "");
	while (!strstr(r->line, text));
}

/* All of them: sessions too, first those that are there. One region's watch has none. */
static void test_watch_sessions(void)
{
	struct run r;

	ctl_does("session create there --uid 7");
	r = begin("watch");
	says(&r, "session-present 7:there: active, 0 of ", " registered\n");
	says_later(&r, "region 20 present");
	ctl_does("session create job-7 --uid 7 --max-memory 64M");
	says(&r, "session-added 7:job-7: active, 0 of ", " registered, 3M of 64M memory\n");
	ctl_does("session drain job-7 --uid 7");
	says(&r, "session-changed 7:job-7: draining", "");
	ctl_does("session release job-7 --uid 7");
	says(&r, "session-removed 7:job-7: released\n", "");
	kill(r.pid, SIGTERM);
	assert(end(&r) == 0);

	r = begin("watch 7");
	says(&r, "region 7 present", "");
	ctl_does("session create job-7 --uid 7");
	mock_tell("vanish", 7);
	says(&r, "region 7 removed", "");
	says(&r, "region 7 was not released", "");
	assert(end(&r) == 1);

	r = begin("watch --json");
	says_later(&r, "\"event\":\"session-present\"");
	says(&r, "\"event\":\"session-present\"", "\"session\":{\"uid\":7,\"name\":\"there\"");
	says_later(&r, "\"id\":20,");
	ctl_does("session drain there --uid 7");
	says(&r, "\"event\":\"session-changed\"", "\"state\":\"draining\"");
	ctl_does("session release there --uid 7");
	says(&r, "\"event\":\"session-removed\"",
	     "\"session\":{\"uid\":7,\"name\":\"there\"},\"reason\":\"released\"");
	ctl_does("session release job-7 --uid 7");
	says(&r, "\"event\":\"session-removed\"", "\"name\":\"job-7\"}");
	kill(r.pid, SIGTERM);
	assert(end(&r) == 0);
}

/* Calls that this makes. */
static unsigned int calls_of(const char *line)
{
	unsigned int before = mock_tell("calls", 0);

	ctl_does(line);
	return mock_tell("calls", 0) - before;
}

/* Calls for changes of these regions, of which it hears together. */
static unsigned int calls_for_changes(unsigned int first, unsigned int n)
{
	struct run r = begin("watch --json");
	unsigned int before;
	char last[32];
	int status;

	snprintf(last, sizeof(last), "\"id\":%u,", first + n - 1);
	says_later(&r, last);
	before = mock_tell("calls", 0);
	kill(r.pid, SIGSTOP);
	assert(waitpid(r.pid, &status, WUNTRACED) == r.pid && WIFSTOPPED(status));
	for (unsigned int i = 0; i < n; i++)
		mock_tell("change", first + i);
	kill(r.pid, SIGCONT);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(last, sizeof(last), "\"id\":%u,", first + i);
		says(&r, "\"event\":\"changed\"", last);
	}
	kill(r.pid, SIGTERM);
	assert(end(&r) == 0);
	return mock_tell("calls", 0) - before;
}

/* Three regions take as many calls as three hundred. */
static void test_calls(void)
{
	static const char *const lines[] = { "list", "list --json", "top --once" };
	unsigned int few[3], n;

	mock_tell("populate", 3);
	for (size_t i = 0; i < 3; i++)
		few[i] = calls_of(lines[i]);
	n = calls_for_changes(1, 3);
	assert(n == 1);
	mock_tell("populate", 297);
	for (size_t i = 0; i < 3; i++)
		assert(calls_of(lines[i]) == few[i]);
	n = calls_for_changes(1, 300);
	fprintf(stderr, "watch: %u calls for 300 changes\n", n);
	assert(n <= 8); /* the bus may not have passed all of them on when it looks */
}

static void test_join(void)
{
	struct run r = begin("join 6");

	says(&r, "region 6 joined", "layout-lease");
	assert(mock_tell("joined", 6) == 1);
	mock_tell("ask 4", 6);
	says(&r, "revocation-requested 4", "truncate of 8K at 4K");
	says(&r, "acknowledged 4", "region 6");
	assert(mock_tell("acked", 6) == 4);
	mock_tell("settle 4", 6);
	says(&r, "revocation-settled 4", "truncated, 4K valid");
	/* Over before it was answered: that is no failure. */
	mock_tell("ask 404", 6);
	says(&r, "revocation-requested 404", "left");
	kill(r.pid, SIGINT);
	assert(end(&r) == 0 && mock_tell("joined", 6) == 0);

	r = begin("join 6 --ignore-revocations --json");
	says(&r, "\"event\":\"joined\"", "\"clients\":0");
	mock_tell("ask 5", 6);
	says(&r, "revocation-requested", "\"id\":5");
	mock_tell("vanish", 6);
	says(&r, "\"event\":\"removed\"", "\"id\":6");
	says(&r, "region 6 was not released, it ended by itself (lost)", "");
	assert(end(&r) == 1 && mock_tell("acked", 6) == 404);
}

/* Without a command: until somebody says so, and open again afterwards. */
static void test_revoke(void)
{
	struct run r = begin("revoke 7 --range 0:2K --grace 0");

	says(&r, "region 7 is closed, revocation ", "");
	assert(mock_tell("revoked", 7) && !strcmp(mock_said(), " grace_usec=0 length=2048"));
	fputs("\n", r.in);
	fflush(r.in);
	assert(end(&r) == 0 && !mock_tell("revoked", 7));

	r = begin("revoke 7 --json");
	says(&r, "{\"id\":7,\"revocation\":", "");
	finish_input(&r);
	assert(end(&r) == 0 && !mock_tell("revoked", 7));

	for (int i = 0; i < 2; i++) {
		r = begin("revoke 7 --for 1h");
		says(&r, "region 7 is closed", "");
		assert(mock_tell("revoked", 7) && !strcmp(mock_said(), " for_usec=3600000000"));
		/* With --for the end of the input is no reason: it may have none to begin with. */
		finish_input(&r);
		kill(r.pid, i ? SIGINT : SIGTERM);
		assert(end(&r) == 0 && !mock_tell("revoked", 7));
	}
}

/* Its time is up, as it was asked for, or not; another's settling is not ours. */
static void test_revoke_ends(void)
{
	struct run r = begin("revoke 8 --for 1min");
	unsigned int number;
	char what[64];

	says(&r, "region 8 is closed", "");
	number = mock_tell("revoked", 8);
	snprintf(what, sizeof(what), "settle %u", number - 1);
	mock_tell(what, 8);
	snprintf(what, sizeof(what), "settle %u", number);
	mock_tell(what, 7);
	mock_tell(what, 8);
	assert(end(&r) == 0);

	r = begin("revoke 8");
	says(&r, "region 8 is closed", "");
	snprintf(what, sizeof(what), "settle %u", number + 100);
	mock_tell(what, 8);
	says(&r, "given back", "its time was up");
	assert(end(&r) == 1);

	r = begin("revoke 8");
	says(&r, "region 8 is closed", "");
	mock_tell("vanish", 8);
	says(&r, "given back", "it ended (lost)");
	assert(end(&r) == 1);
}

static void test_revoke_command(void)
{
	struct run r;
	char command[600];

	/* Closed while the command runs, and not after; its status, its output, its input. */
	snprintf(command, sizeof(command),
		 "revoke 9 -- sh -c 'read x; echo \"$x\"; %s show 9 --json; exit 5'", ctl);
	r = begin(command);
	fputs("hello\n", r.in);
	fflush(r.in);
	says(&r, "hello", "");
	says(&r, "\"state\":\"fenced\"", "");
	assert(end(&r) == 5 && !mock_tell("revoked", 9));

	r = begin("revoke 9 --json -- kill -9 '$$'");
	says(&r, "{\"id\":9,", "\"revocation\":");
	says(&r, "kill", ""); /* there is no shell between */
	assert(end(&r) != 0);
	r = begin("revoke 9 -- sh -c 'kill -9 $$'");
	assert(end(&r) == 128 + SIGKILL);
	r = begin("revoke 9 -- /nonexistent/command --json");
	says(&r, "running /nonexistent/command: No such file", "");
	assert(end(&r) == 127 && !mock_tell("revoked", 9));
	r = begin("revoke 9 -- /");
	says(&r, "running /", "");
	assert(end(&r) == 126 && !mock_tell("revoked", 9));

	/*
	 * A signal that was sent goes to the command, which ends of it; then the region is given
	 * back.
	 */
	r = begin("revoke 9 -- sh -c 'echo ready; read x; exit 4'");
	says(&r, "ready", "");
	kill(r.pid, SIGTERM);
	assert(end(&r) == 128 + SIGTERM && !mock_tell("revoked", 9));
}

/* Given back while the command runs: said at once, and a failure although the command had none. */
static void test_revoke_lost(void)
{
	struct run r = begin("revoke 9 -- sh -c 'echo ready; read x; echo done'");

	says(&r, "ready", "");
	mock_daemon_stop(mock);
	says(&r, "region 9 was given back while the command runs", "rdmaregd stopped");
	finish_input(&r);
	says(&r, "done", "");
	assert(end(&r) == 1);

	mock = mock_daemon_start();
	mock_tell("populate", 12);
	r = begin("join 12");
	says(&r, "region 12 joined", "");
	mock_daemon_stop(mock);
	says(&r, "daemon-lost", "");
	mock = mock_daemon_start();
	says(&r, "daemon-back", "");
	says(&r, "region 12 left", "");
	says(&r, "did not let this program join again", "");
	assert(end(&r) == 1);
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	ctl = argv[1];
	alarm(80);
	signal(SIGPIPE, SIG_IGN);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	test_calls();
	mock_daemon_stop(mock);
	mock = mock_daemon_start();
	mock_tell("populate", 20);
	test_watch();
	test_watch_sessions();
	test_join();
	test_revoke();
	test_revoke_ends();
	test_revoke_command();
	test_revoke_lost();
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
