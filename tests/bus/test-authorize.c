// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-authorize.c - what takes more than ownership: polkit is asked, with the right words, and its
 * answer counts; no answer of whatever kind is a no; nothing else waits meanwhile, and nothing is
 * left of a question whose asker went away.
 *
 * polkit is fakes/polkit.h's: questions are kept until the test answers them. The one who asks is
 * nobody if we are root, else ourselves; in both cases /bin/sh is another's file.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/polkit.h"
#include "harness.h"

#define NOBODY 65534
#define PAGE 4096u

static struct world world;
static sd_bus *asker;	/* who has no right of his own */
static sd_bus *watcher; /* somebody else, who is never kept waiting */

static int open_theirs(void)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static sd_bus_message *new_hold(sd_bus *b, int fd)
{
	sd_bus_message *m = new_manager_call(b, "RegisterRegion");

	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), (uint64_t)PAGE, "r") >= 0);
	add_options(m, 2, "policy", "s", "hold", "session", "s", "held");
	return m;
}

static sd_bus_message *new_evict(sd_bus *b, int fd)
{
	sd_bus_message *m = new_manager_call(b, "Evict");

	check(sd_bus_message_append(m, "h", fd) >= 0);
	add_options(m, 0);
	return m;
}

static sd_bus_message *new_configure(sd_bus *b, uint64_t id)
{
	sd_bus_message *m = new_region_call(b, id, "Configure");

	add_options(m, 1, "policy", "s", "hold");
	return m;
}

/* Asks to hold, has polkit say what it says, and waits for the outcome. */
static struct reply hold(bool authorized, bool challenge, bool interactive)
{
	int fd = open_theirs();
	sd_bus_message *m = new_hold(asker, fd);
	struct later l;

	check(sd_bus_message_set_allow_interactive_authorization(m, interactive) >= 0);
	send_later(asker, m, &l);
	close(fd);
	polkit_await(1);
	check(polkit.question[0].flags == interactive);
	polkit_answer(authorized, challenge);
	await_answer(asker, &l);
	return l.reply;
}

static void release(uint64_t id)
{
	struct reply r;

	check(call_region(asker, id, "Release", &r));
}

static void test_without_polkit(void)
{
	int fd = open_theirs();
	struct reply region, r;

	check(!finish_call(asker, new_hold(asker, fd), &r));
	expect_error(&r, "AccessDenied", "polkit does not run");
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_HOLD);
	check(!finish_call(asker, new_evict(asker, fd), &r));
	expect_error(&r, "AccessDenied", "polkit does not run");
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_EVICT);
	check(register_region(asker, fd, 0, PAGE, "r", &region, 0));
	check(!finish_call(asker, new_configure(asker, region.id), &r));
	expect_error(&r, "AccessDenied", "polkit does not run");
	expect_property(asker, region.id, "Policy", "yield");
	release(region.id);
	close(fd);
}

/* It is asked about the caller's connection, and told what for. */
static void test_question(void)
{
	const char *name;
	int fd = open_theirs();
	struct later l;

	check(sd_bus_get_unique_name(asker, &name) >= 0);
	send_later(asker, new_hold(asker, fd), &l);
	close(fd); /* the daemon's own stays open as long as it takes */
	polkit_await(1);
	check_text(polkit.question[0].kind, "system-bus-name");
	check_text(polkit.question[0].subject, name);
	check_text(polkit.question[0].action, RDMAREG_ACTION_HOLD);
	check(strstr(polkit.question[0].path, "sh") && *polkit.question[0].cancellation);
	/* everybody else is served, the asker, too */
	check(get_manager_number(watcher, "Regions") == 0 &&
	      get_manager_number(asker, "Regions") == 0);
	check(still_waits(asker, &l));
	polkit_answer(true, false);
	await_answer(asker, &l);
	check_text(l.reply.error, "");
	expect_property(asker, l.reply.id, "Policy", "hold");
	expect_property(asker, l.reply.id, "Session", "held");
	expect_property(asker, l.reply.id, "Length", "4096");
	release(l.reply.id);
}

static void test_answers(void)
{
	struct reply r = hold(false, false, false);

	expect_error(&r, "AccessDenied", "polkit says no");
	r = hold(false, true, false);
	expect_error(&r, "AccessDenied", "ALLOW_INTERACTIVE_AUTHORIZATION");
	r = hold(false, true, true);
	expect_error(&r, "AccessDenied", "password");
	r = hold(true, true, true);
	check_text(r.error, "");
	release(r.id);
	check(get_manager_number(asker, "Regions") == 0);
}

/* Everything that is no answer is a no. */
static void test_failures(void)
{
	static const char *const wrong[] = { "error", "nothing", "signature", "gone" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int fd = open_theirs();
		struct later l;

		send_later(asker, new_hold(asker, fd), &l);
		close(fd);
		polkit_await(1);
		switch (i) {
		case 0:
			check(sd_bus_reply_method_errorf(polkit.question[0].message,
							 "org.freedesktop.PolicyKit1.Error.Failed",
							 "bad\ntemper") >= 0);
			break;
		case 1:
			check(sd_bus_reply_method_return(polkit.question[0].message, NULL) >= 0);
			break;
		case 2:
			check(sd_bus_reply_method_return(polkit.question[0].message, "(tta{ss})",
							 UINT64_C(1), UINT64_C(1), 0) >= 0);
			break;
		default:
			polkit_stop();
			polkit_start(&world);
		}
		check(sd_bus_flush(polkit.bus) >= 0);
		polkit_forget();
		await_answer(asker, &l);
		check_text(l.reply.error, "AccessDenied");
		if (i == 0)
			expect_error(&l.reply, "AccessDenied", "bad?temper");
	}
	check(get_manager_number(asker, "Regions") == 0);
}

static void test_configure(void)
{
	int fd = open_theirs();
	struct reply region, r;
	struct later l;

	check(register_region(asker, fd, 0, PAGE, "r", &region, 0));
	send_later(asker, new_configure(asker, region.id), &l);
	polkit_await(1);
	check_text(polkit.question[0].action, RDMAREG_ACTION_HOLD);
	polkit_answer(false, false);
	await_answer(asker, &l);
	expect_error(&l.reply, "AccessDenied", "polkit says no");
	expect_property(asker, region.id, "Policy", "yield");
	send_later(asker, new_configure(asker, region.id), &l);
	polkit_await(1);
	polkit_answer(true, false);
	await_answer(asker, &l);
	check_text(l.reply.error, "");
	expect_property(asker, region.id, "Policy", "hold");
	/* it holds already, and may go back without asking anybody */
	check(finish_call(asker, new_configure(asker, region.id), &r));
	check(call_region_options(asker, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	/* it ends while polkit thinks */
	send_later(asker, new_configure(asker, region.id), &l);
	polkit_await(1);
	release(region.id);
	polkit_answer(true, false);
	await_answer(asker, &l);
	check_text(l.reply.error, "NoSuchRegion");
	close(fd);
}

/*
 * The settings are the administrator's: another asks polkit first, and hears of a refusal what is
 * wrong.
 */
static void test_reload(void)
{
	struct later l;

	for (int authorized = 0; authorized < 2; authorized++) {
		send_later(asker, new_manager_call(asker, "Reload"), &l);
		if (getuid() == 0) { /* else the asker is who runs the daemon */
			polkit_await(1);
			check_text(polkit.question[0].action, RDMAREG_ACTION_RELOAD);
			polkit_answer(authorized, false);
		}
		await_answer(asker, &l);
		check_text(l.reply.error, authorized || getuid() ? "" : "AccessDenied");
	}
}

/* Sessions are made and ended by the administrator, or for those whom polkit knows. */
static void test_session(void)
{
	static const char path[] = RDMAREG_SESSION_PREFIX "/0_job";
	bool asks = getuid() == 0; /* else the asker is who runs the daemon */
	uint32_t uid = getuid();
	struct later l;

	for (int authorized = asks ? 0 : 1; authorized < 2; authorized++) {
		sd_bus_message *m = new_manager_call(asker, "CreateSession");

		check(sd_bus_message_append(m, "usa{sv}", uid, "job", 0) >= 0);
		send_later(asker, m, &l);
		if (asks) {
			polkit_await(1);
			check_text(polkit.question[0].action, RDMAREG_ACTION_SESSIONS);
			polkit_answer(authorized, false);
		}
		await_answer(asker, &l);
		check_text(l.reply.error, authorized ? "" : "AccessDenied");
	}
	if (!asks)
		return;
	/* it is not the asker's, so he does not see it; who is authorized may end it all the same */
	for (int i = 0; i < 3; i++) {
		sd_bus_message *m = new_call(asker, path, RDMAREG_SESSION_INTERFACE, "Release");

		add_options(m, 0);
		send_later(asker, m, &l);
		polkit_await(1);
		polkit_answer(i > 0, false);
		await_answer(asker, &l);
		check_text(l.reply.error, i == 0 ? "AccessDenied" : i == 1 ? "" : "NoSuchSession");
	}
}

/*
 * Plays pkttyagent(1): says how it was called, that it is ready, and stays. Its folder is to be the
 * first of PATH.
 */
static void make_agent(char *folder, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(folder, size, "/tmp/rdmareg-agent-XXXXXX");
	check(mkdtemp(folder) && chmod(folder, 0777) == 0);
	snprintf(path, sizeof(path), "%s/pkttyagent", folder);
	f = fopen(path, "we");
	check(f &&
	      fprintf(f,
		      "#!/bin/sh\necho \"$@\" >%s/called\neval \"exec $4>&-\"\nexec tail -f /dev/null\n",
		      folder) > 0);
	check(fclose(f) == 0 && chmod(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	setenv("PATH", path, 1);
}

/* How it was called; empty: it was not. */
static void agent_called(const char *folder, char *out, int size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/called", folder);
	f = fopen(path, "re");
	*out = 0;
	if (f)
		check(fgets(out, size, f) && fclose(f) == 0);
	unlink(path);
}

static void remove_agent(const char *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/pkttyagent", folder);
	check(unlink(path) == 0 && rmdir(folder) == 0);
}

/*
 * rdmaregctl in a session of its own, with this as its standard input, and as the terminal of the
 * session if it is to @control it; it evicts the filesystem of /tmp.
 */
static pid_t begin_ctl(int input, bool control)
{
	pid_t pid = fork();

	check(pid >= 0);
	if (pid)
		return pid;
	dup2(input, STDIN_FILENO);
	if (setsid() < 0 || (control && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0) ||
	    (getuid() == 0 && setuid(NOBODY) < 0))
		_exit(126);
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	execl(getenv("RDMAREGCTL"), "rdmaregctl", "evict", "--containing", "/tmp", (char *)NULL);
	_exit(127);
}

/*
 * Who sits in front of our own tool may be asked for a password, and has somebody to ask; a script
 * is not kept waiting. Where the terminal is not that of the session, pkttyagent(1) could not ask.
 */
static void test_tool(void)
{
	char folder[64], called[128], wanted[64];
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status, input;

	check(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	make_agent(folder, sizeof(folder));
	for (int i = 0; i < 3; i++) {
		bool interactive = i > 0, control = i > 1;
		pid_t pid;

		input = open(interactive ? ptsname(terminal) : "/dev/null",
			     O_RDWR | O_NOCTTY | O_CLOEXEC);
		check(input >= 0);
		pid = begin_ctl(input, control);
		close(input);
		polkit_await(1);
		check_text(polkit.question[0].action, RDMAREG_ACTION_EVICT);
		check(polkit.question[0].flags == (uint32_t)interactive);
		polkit_answer(false, true);
		check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		      WEXITSTATUS(status) == 4);
		agent_called(folder, called, sizeof(called));
		snprintf(wanted, sizeof(wanted), "--process %d --notify-fd ", (int)pid);
		check(control ? strstr(called, wanted) != NULL : !*called);
	}
	remove_agent(folder);
	close(terminal);
}

static void test_evict(void)
{
	int fd = make_memfd(PAGE);
	struct reply region;
	struct later l;

	check(register_region(asker, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	send_later(asker, new_evict(asker, fd), &l);
	polkit_await(1);
	check_text(polkit.question[0].action, RDMAREG_ACTION_EVICT);
	polkit_answer(false, false);
	await_answer(asker, &l);
	expect_error(&l.reply, "AccessDenied", RDMAREG_ACTION_EVICT);
	check(region_exists(asker, region.id));
	listen_signals(asker);
	send_later(asker, new_evict(asker, fd), &l);
	polkit_await(1);
	polkit_answer(true, false);
	check(acknowledge(asker, region.id, await_request(asker, "unmount"), &region));
	await_answer(asker, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1 && get_manager_number(asker, "Regions") == 0);
	close(fd);
}

static void test_enforce(void)
{
	struct later l;

	for (int authorized = 0; authorized < 2; authorized++) {
		sd_bus_message *m = new_manager_call(asker, "EnforceLimits");

		add_options(m, 0);
		send_later(asker, m, &l);
		polkit_await(1);
		check_text(polkit.question[0].action, RDMAREG_ACTION_ENFORCE);
		polkit_answer(authorized, false);
		await_answer(asker, &l);
		if (authorized)
			check(!*l.reply.error && l.reply.number == 0);
		else
			expect_error(&l.reply, "AccessDenied", RDMAREG_ACTION_ENFORCE);
	}
}

static sd_bus *connect_asker(void)
{
	return getuid() ? connect_client(&world) : connect_as(&world, NOBODY);
}

/*
 * Who goes away takes his question along: polkit hears of it, the file is closed, an answer means
 * nothing.
 */
static void test_vanish(void)
{
	sd_bus *b = connect_asker();
	int fd = open_theirs();
	size_t before = (get_manager_number(watcher, "Regions"), world_descriptors(&world));
	sd_bus_message *kept;
	char cancellation[64];
	struct later l[3];

	for (int i = 0; i < 3; i++)
		send_later(b, i ? new_hold(b, fd) : new_evict(b, fd), &l[i]);
	close(fd);
	polkit_await(3);
	until(world_descriptors(&world) ==
	      before + 3); /* one each, whatever else the message had */
	kept = sd_bus_message_ref(polkit.question[0].message);
	strcpy(cancellation, polkit.question[0].cancellation);
	disconnect(b);
	until((polkit_serve(), polkit.cancellations == 3));
	check(!strcmp(polkit.cancelled[0], cancellation) ||
	      !strcmp(polkit.cancelled[1], cancellation) ||
	      !strcmp(polkit.cancelled[2], cancellation));
	until(world_descriptors(&world) == before);
	check(sd_bus_reply_method_return(kept, "(bba{ss})", 1, 0, 0) >= 0 &&
	      sd_bus_flush(polkit.bus) >= 0);
	sd_bus_message_unref(kept);
	polkit_forget();
	check(get_manager_number(watcher, "Regions") == 0);
}

/* Questions are calls that wait, and counted like those. */
static void test_bounded(void)
{
	int fd = open_theirs();
	struct later l[4];
	struct reply r;

	for (int i = 0; i < 4; i++)
		send_later(asker, new_hold(asker, fd), &l[i]);
	polkit_await(4);
	check(!finish_call(asker, new_hold(asker, fd), &r));
	expect_error(&r, "LimitExceeded", "pending_calls_per_client");
	for (int i = 0; i < 4; i++)
		check(sd_bus_reply_method_return(polkit.question[i].message, "(bba{ss})", 0, 0,
						 0) >= 0);
	check(sd_bus_flush(polkit.bus) >= 0);
	for (int i = 0; i < 4; i++) {
		await_answer(asker, &l[i]);
		check_text(l[i].reply.error, "AccessDenied");
	}
	polkit_forget();
	close(fd);
}

/* Who owns the file, or the machine, is not asked about. */
static void test_unasked(void)
{
	int fd = make_memfd(PAGE);
	struct reply region, r;

	check(finish_call(watcher, new_hold(watcher, fd), &region));
	check(call_region_options(watcher, region.id, "Configure", &r, 1, "policy", "s", "yield"));
	check(finish_call(watcher, new_configure(watcher, region.id), &r));
	check(call_region(watcher, region.id, "Release", &r));
	close(fd);
	if (getuid() == 0) {
		fd = open_theirs();
		check(finish_call(watcher, new_hold(watcher, fd), &region));
		check(call_region(watcher, region.id, "Release", &r));
		close(fd);
	}
	polkit_serve();
	check(polkit.questions == 0);
}

/* polkit knows no action but those of its own files. */
static void test_policy_file(void)
{
	static const char *const actions[] = { RDMAREG_ACTION_HOLD,    RDMAREG_ACTION_EVICT,
					       RDMAREG_ACTION_ENFORCE, RDMAREG_ACTION_DAX,
					       RDMAREG_ACTION_RELOAD,  RDMAREG_ACTION_SESSIONS };
	char line[512], wanted[100];

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		FILE *f = fopen(getenv("RDMAREG_POLICY"), "re");
		bool found = false;

		check(f);
		snprintf(wanted, sizeof(wanted), "<action id=\"%s\">", actions[i]);
		while (fgets(line, sizeof(line), f))
			found = found || strstr(line, wanted);
		fclose(f);
		check(found);
	}
}

int main(void)
{
	world_begin(&world, "[limits]\npending_calls_per_client = 4\n");
	test_policy_file();
	watcher = connect_client(&world);
	asker = connect_asker();
	test_without_polkit();
	polkit_start(&world);
	test_question();
	test_answers();
	test_failures();
	test_configure();
	test_evict();
	test_reload();
	test_session();
	test_tool();
	test_enforce();
	test_vanish();
	test_bounded();
	test_unasked();
	forget_signals(asker);
	polkit_stop();
	disconnect(asker);
	disconnect(watcher);
	world_end(&world);
	return 0;
}
