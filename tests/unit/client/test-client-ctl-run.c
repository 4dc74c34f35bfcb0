// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-ctl-run.c - rdmaregctl session run against a played daemon (fakes/rdmaregd.h): what
 * the command finds, its status and signals, and that nothing is left, however it ends. argv[1]:
 * rdmaregctl.
 */
#undef NDEBUG
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "client-run.h"
#include "tests/fakes/rdmaregd.h"

static char output[1 << 16];

/* The status of a run that ends by itself, and all that it says. */
static int run_shell(const char *command)
{
	size_t n;
	int status;
	FILE *f;

	f = popen(command, "r");
	assert(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = 0;
	status = pclose(f);
	fprintf(stderr, "%s: %d\n%.600s\n", command, WEXITSTATUS(status), output);
	assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run_ctl(const char *arguments)
{
	char command[2048];

	snprintf(command, sizeof(command), "exec '%s' %s 2>&1 </dev/null", ctl, arguments);
	return run_shell(command);
}

static bool said(const char *text)
{
	return strstr(output, text);
}

/* No session, no folder of this test. */
static void check_nothing_left(void)
{
	assert(run_ctl("session list --json") == 0 && !strcmp(output, "[]\n"));
	assert(run_shell("ls -A \"$XDG_RUNTIME_DIR\"") == 0 && !*output);
}

static const struct {
	const char *arguments;
	int status;
	const char *says;
} bad[] = {
	{ "", 2,
	  "session run: an argument is missing; usage: rdmaregctl session run [OPTION...] "
	  "-- COMMAND" },
	{ "--file '' -- true", 2, "expected FILE" },
	{ "--file :rw -- true", 2, "the path is missing" },
	{ "--file ,warm -- true", 2, "the path is missing" },
	{ "--file /x:w -- true", 2, "behind the colon is neither r nor rw" },
	{ "--file /x:rwx -- true", 2, "behind the colon is neither r nor rw" },
	{ "--file /x: -- true", 2, "behind the colon is neither r nor rw" },
	{ "--file /x, -- true", 2, "an option is warm, name=, policy=" },
	{ "--file /x,hot -- true", 2, "an option is warm, name=, policy=" },
	{ "--file /x,warm=1 -- true", 2, "an option is warm, name=, policy=" },
	{ "--file /x,name= -- true", 2, "a name has 1 to 64" },
	{ "--file /x,name=.. -- true", 2, "a name has 1 to 64" },
	{ "--file /x,name=a/b -- true", 2, "a name has 1 to 64" },
	{ "--file /x,name=$(printf %065d 0) -- true", 2, "a name has 1 to 64" },
	{ "--file /x,name=$(printf %0200d 0) -- true", 2, "an option is too long" },
	{ "--file /$(printf %05000d 0) -- true", 2, "the path is too long" },
	{ "--file /x,policy=never -- true", 2, "policy= is follow, yield or hold" },
	{ "--file /x,warm-mode=hot -- true", 2, "warm-mode= is off, read" },
	{ "--file /x,grace=soon -- true", 2, "grace= is a time" },
	{ "--file /x,name=1 --file /x -- true", 2, "another file has the same name" },
	{ "$(printf -- '--file /x %.0s' $(seq 65)) -- true", 2, "it is given 64 times at most" },
	{ "--uid nobody-has-this -- true", 2, "there is no user nobody-has-this" },
	{ "--keep-env A -- true", 2, "--keep-env is for --uid" },
	{ "--uid nobody --keep-env '' -- true", 2, "expected NAME" },
	{ "--uid nobody --keep-env A=b -- true", 2, "'A=b' is no variable's name" },
	{ "$(printf -- '--keep-env A %.0s' $(seq 65)) -- true", 2, "it is given 64 times at most" },
	{ "--session a/b -- true", 2, "no name of one" },
	{ "--file /nonexistent -- echo started", 3, "opening /nonexistent for reading: No such" },
	{ "--file /:rw -- echo started", 1, "opening / for reading and writing: Is a directory" },
	{ "--max-regions 0 -- true", 2, "a whole number above 0, or default" },
	{ "-- /nonexistent", 127, "/nonexistent: No such file" },
	{ "-- /proc/self/status", 126, "/proc/self/status: Permission denied" },
	{ "-- sh -c 'exit 7'", 7, "" },
	{ "-- sh -c 'kill -9 $$'", 137, "" },
	{ "-- true", 0, "" },
	/* what stands behind -- is the command's */
	{ "-- echo --file x", 0, "--file x\n" },
};

static void test_bad(void)
{
	char arguments[1024];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(arguments, sizeof(arguments), "session run %s", bad[i].arguments);
		assert(run_ctl(arguments) == bad[i].status && said(bad[i].says));
		assert(!said("started\n"));
	}
	check_nothing_left();
}

/* The tickets are in files that only this user can read; the environment has no secret. */
static void test_tickets(const char *file)
{
	char arguments[1024];

	snprintf(
		arguments, sizeof(arguments),
		"session run --session job.1 --max-regions 4 --file /proc/self/exe,name=model "
		"--file %s:rw,policy=hold,grace=2s -- sh -c '"
		"cd $RDMAREG_TICKET_FOLDER && stat -c %%a:%%n . *; cat model 1; echo in $RDMAREG_SESSION; "
		"env | grep -c rdmareg:; exit 5'",
		file);
	assert(run_ctl(arguments) == 5);
	assert(said("700:.\n600:1\n600:model\nrdmareg://10.0.0.1:4791/"));
	assert(said("in job.1\n0\n") && !strcmp(mock_said(), ""));
	check_nothing_left();
}

static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

static void test_signals(void)
{
	struct run r;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		r = begin("session run -- sh -c 'trap \"echo got; exit 3\" HUP INT QUIT TERM USR1 "
			  "USR2; echo ready; read x'");
		says(&r, "ready", "");
		kill(r.pid, signals[i]);
		says(&r, "got", "");
		assert(end(&r) == 3);
	}
	check_nothing_left();
}

/* Its owner acknowledges a revocation, whatever the command does. */
static void test_revocation(void)
{
	struct run r = begin("session run --file /proc/self/exe -- sh -c '"
			     "sed s,.*/,, $RDMAREG_TICKET_FOLDER/0; read x'");
	unsigned int id;

	says(&r, "?", "");
	id = (unsigned int)strtoul(r.line, NULL, 10);
	mock_tell("ask 5", id);
	while (mock_tell("acked", id) != 5)
		;
	mock_tell("vanish", id);
	says(&r, "ended: lost", "");
	finish_input(&r);
	assert(end(&r) == 1); /* as read, at the end of its input */
	check_nothing_left();
}

/* Nothing tells it that it is killed; then another process ends all. */
static void test_killed(void)
{
	struct run r = begin("session run --file /proc/self/exe -- sh -c '"
			     "echo ready; exec cat'");
	int status;

	says(&r, "ready", "");
	kill(r.pid, SIGKILL);
	assert(waitpid(r.pid, &status, 0) == r.pid && WIFSIGNALED(status));
	/* the command has it as its output, and who cleans up as its error output, to the end */
	assert(!fgets(r.line, sizeof(r.line), r.out));
	fclose(r.in);
	fclose(r.out);
	check_nothing_left();
}

static void test_warm(void)
{
	struct run r = begin("session run --file /proc/self/exe,warm -- echo started");
	unsigned int number;

	while (!(number = mock_tell("job-last", 0)))
		;
	mock_tell("job-end done", number);
	says(&r, "started", "");
	assert(end(&r) == 0);

	r = begin("session run --file /proc/self/exe,warm -- echo started");
	while (mock_tell("job-last", 0) == number)
		;
	number = mock_tell("job-last", 0);
	mock_tell("job-fail", number);
	says(&r, "did not become warm: ", "");
	assert(end(&r) == 1);

	r = begin("session run --file /proc/self/exe,warm -- echo started");
	while (mock_tell("job-last", 0) == number)
		;
	kill(r.pid, SIGTERM);
	assert(end(&r) == 143);
	check_nothing_left();
}

/* Who may not create sessions has a name that nobody else uses, and all of it ends the same. */
static void test_denied(void)
{
	char arguments[1024];

	mock_tell("deny-sessions", 1);
	snprintf(arguments, sizeof(arguments),
		 "session run -- sh -c '\"%s\" session list --json; \"%s\" register /proc/self/exe "
		 "--access r --session $RDMAREG_SESSION --json; echo in $RDMAREG_SESSION'",
		 ctl, ctl);
	assert(run_ctl(arguments) == 0 && said("[]\n") && said("in run-") && said("\"id\":"));
	snprintf(arguments, sizeof(arguments), "list --session %.40s", strstr(output, "in ") + 3);
	assert(run_ctl(strtok(arguments, "\n")) == 0 && !*output);
	/* limits cannot be had without it */
	assert(run_ctl("session run --max-regions 4 -- echo started") == 4 && !said("started"));
	mock_tell("deny-sessions", 0);
	check_nothing_left();
}

/* One that was there is used, and stays. */
static void test_shared(void)
{
	assert(run_ctl("session create theirs") == 0);
	assert(run_ctl("session run --session theirs -- sh -c 'echo in $RDMAREG_SESSION'") == 0 &&
	       said("in theirs\n"));
	assert(run_ctl("session run --session theirs --max-peers 4 -- echo started") == 1 &&
	       said("session theirs exists and has its limits") && !said("started"));
	assert(run_ctl("session show theirs") == 0);
	assert(run_ctl("session release theirs") == 0);
	check_nothing_left();
}

/* As root for a user: all that the command can reach is as if that user had begun it. */
static void test_user(void)
{
	assert(run_shell("id -u") == 0);
	if (strcmp(output, "0\n"))
		return;
	assert(run_ctl("session run --uid nobody --file /proc/self/exe -- sh -c 'id -un; echo $HOME; "
		       "cat $RDMAREG_TICKET_FOLDER/0 >/dev/null && stat -c %U:%a $RDMAREG_TICKET_FOLDER; "
		       "echo \"[$XDG_RUNTIME_DIR]\"'") == 0);
	assert(said("nobody\n/nonexistent\nnobody:700\n[]\n"));
	/* its environment is the account's, with what root names, if that is there */
	setenv("ROOTS_SECRET", "s3cret", 1);
	setenv("ROOTS_GIFT", "a gift", 1);
	assert(run_ctl("session run --uid nobody --keep-env ROOTS_GIFT --keep-env NOT_THERE -- "
		       "/usr/bin/env") == 0);
	assert(!said("s3cret") && !said("NOT_THERE") && !said("RDMAREG_BUS_ADDRESS"));
	assert(said("ROOTS_GIFT=a gift\n") && said("HOME=/nonexistent\n") &&
	       said("USER=nobody\n") && said("LOGNAME=nobody\n") && said("SHELL=/") &&
	       said("PATH=/usr/local/bin:/usr/bin:/bin\n") && said("RDMAREG_SESSION=run-") &&
	       said("RDMAREG_TICKET_FOLDER=/tmp/"));
	/* a command is found where the user would find it, unless root hands out its own PATH */
	assert(run_ctl("session run --uid nobody --keep-env PATH -- sh -c 'echo \"[$PATH]\"'") ==
	       0);
	assert(strncmp(output, "[/usr/local/bin:/usr/bin:/bin]", 30) != 0 && said(getenv("PATH")));
	/* what the user may not open is not opened for it */
	assert(run_ctl("session run --uid nobody --file /etc/shadow -- echo started") == 4 &&
	       said("Permission denied") && !said("started"));
	assert(run_ctl("session run --uid nobody -- \"$(readlink -f .)\"/none") != 0);
	assert(run_ctl("session run --uid nobody -- sh -c 'echo $RDMAREG_TICKET_FOLDER'") == 0 &&
	       !strncmp(output, "/tmp/", 5));
	assert(access(strtok(output, "\n"), F_OK) < 0);
	check_nothing_left();
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/rdmareg-test-run-XXXXXX", file[64];
	pid_t mock;
	int fd;

	assert(argc == 2);
	ctl = argv[1];
	alarm(80);
	/* in the background of a shell some are ignored, and what is started would ignore them too */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	assert(mkdtemp(directory) && setenv("XDG_RUNTIME_DIR", directory, 1) == 0);
	snprintf(file, sizeof(file), "%s-file", directory);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert(fd >= 0 && ftruncate(fd, 4096) == 0 && close(fd) == 0);
	test_bad();
	test_tickets(file);
	test_signals();
	test_revocation();
	test_killed();
	test_warm();
	test_denied();
	test_shared();
	test_user();
	unlink(file);
	rmdir(directory);
	mock_daemon_stop(mock);
	assert(run_ctl("session run -- echo started") == 1 && said("not running") &&
	       !said("started"));
	mock_bus_stop();
	return 0;
}
