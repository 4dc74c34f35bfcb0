// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-authorize.c - what takes more than ownership: polkit is asked, with the right words, and its answer counts; no answer of
 * whatever kind is a no; nothing else waits meanwhile, and nothing is left of a question whose asker went away.
 *
 * polkit is served here: questions are kept until the test answers them. Who asks is no root; /bin/sh is another's.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define PAGE 4096u
#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define MANY 16

static struct world world;
static sd_bus *polkit;	/* its side of the bus */
static sd_bus *asker;	/* who has no right of his own */
static sd_bus *watcher; /* somebody else, who is never kept waiting */

/* Questions that wait for an answer. */
static struct {
	sd_bus_message *message;
	char kind[32];
	char subject[64];
	char action[64];
	char path[256];
	uint32_t flags;
	char cancellation[64];
} question[MANY];
static size_t questions;
static char cancelled[MANY][64];
static size_t cancellations;

static int on_check(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *kind, *subject, *action, *key, *path, *cancellation;
	uint32_t flags;

	(void)userdata, (void)error;
	check(questions < MANY);
	check(sd_bus_message_read(m, "(sa{sv})sa{ss}us", &kind, 1, &key, "s", &subject, &action, 1, &key,
				  &path, &flags, &cancellation) > 0);
	check_text(key, "path");
	question[questions].message = sd_bus_message_ref(m);
	snprintf(question[questions].kind, sizeof(question[0].kind), "%s", kind);
	snprintf(question[questions].subject, sizeof(question[0].subject), "%s", subject);
	snprintf(question[questions].action, sizeof(question[0].action), "%s", action);
	snprintf(question[questions].path, sizeof(question[0].path), "%s", path);
	snprintf(question[questions].cancellation, sizeof(question[0].cancellation), "%s", cancellation);
	question[questions++].flags = flags;
	return 1;
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *id;

	(void)userdata, (void)error;
	check(cancellations < MANY && sd_bus_message_read(m, "s", &id) > 0);
	snprintf(cancelled[cancellations++], sizeof(cancelled[0]), "%s", id);
	return sd_bus_reply_method_return(m, NULL);
}

/* Not a vtable: that would see to it that answers are well-formed. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	if (sd_bus_message_is_method_call(m, POLKIT_INTERFACE, "CheckAuthorization"))
		return on_check(m, userdata, error);
	if (sd_bus_message_is_method_call(m, POLKIT_INTERFACE, "CancelCheckAuthorization"))
		return on_cancel(m, userdata, error);
	return 0;
}

static void start_polkit(void)
{
	polkit = connect_client(&world);
	check(sd_bus_add_object(polkit, NULL, POLKIT_PATH, on_message, NULL) >= 0);
	check(sd_bus_request_name(polkit, POLKIT, 0) >= 0);
}

static void serve_polkit(void)
{
	while (sd_bus_process(polkit, NULL) > 0)
		;
}

/* Waits until @n questions wait. */
static void await_questions(size_t n)
{
	until((serve_polkit(), questions >= n));
	check(questions == n);
}

static void forget_questions(void)
{
	while (questions)
		sd_bus_message_unref(question[--questions].message);
	cancellations = 0;
}

/* Answers the oldest question. */
static void answer(bool authorized, bool challenge)
{
	check(sd_bus_reply_method_return(question[0].message, "(bba{ss})", (int)authorized, (int)challenge,
					 0) >= 0);
	check(sd_bus_flush(polkit) >= 0);
	forget_questions();
}

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
	await_questions(1);
	check(question[0].flags == interactive);
	answer(authorized, challenge);
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
	await_questions(1);
	check_text(question[0].kind, "system-bus-name");
	check_text(question[0].subject, name);
	check_text(question[0].action, RDMAREG_ACTION_HOLD);
	check(strstr(question[0].path, "sh") && *question[0].cancellation);
	/* everybody else is served, the asker, too */
	check(!is_answered(asker, &l) && !l.done);
	check(get_manager_number(watcher, "Regions") == 0 && get_manager_number(asker, "Regions") == 0);
	answer(true, false);
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
		await_questions(1);
		switch (i) {
		case 0:
			check(sd_bus_reply_method_errorf(question[0].message, POLKIT ".Error.Failed",
							 "bad\ntemper") >= 0);
			break;
		case 1:
			check(sd_bus_reply_method_return(question[0].message, NULL) >= 0);
			break;
		case 2:
			check(sd_bus_reply_method_return(question[0].message, "(tta{ss})", UINT64_C(1),
							 UINT64_C(1), 0) >= 0);
			break;
		default:
			forget_questions();
			disconnect(polkit);
			start_polkit();
		}
		check(sd_bus_flush(polkit) >= 0);
		forget_questions();
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
	await_questions(1);
	check_text(question[0].action, RDMAREG_ACTION_HOLD);
	answer(false, false);
	await_answer(asker, &l);
	expect_error(&l.reply, "AccessDenied", "polkit says no");
	expect_property(asker, region.id, "Policy", "yield");
	send_later(asker, new_configure(asker, region.id), &l);
	await_questions(1);
	answer(true, false);
	await_answer(asker, &l);
	check_text(l.reply.error, "");
	expect_property(asker, region.id, "Policy", "hold");
	/* it holds already, and may go back without asking anybody */
	check(finish_call(asker, new_configure(asker, region.id), &r));
	check(call_region_options(asker, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	/* the region ends while polkit thinks */
	send_later(asker, new_configure(asker, region.id), &l);
	await_questions(1);
	release(region.id);
	answer(true, false);
	await_answer(asker, &l);
	check_text(l.reply.error, "NoSuchRegion");
	close(fd);
}

static void test_evict(void)
{
	int fd = make_memfd(PAGE);
	struct reply region;
	struct later l;

	check(register_region(asker, fd, 0, 0, "rw", &region, 0));
	send_later(asker, new_evict(asker, fd), &l);
	await_questions(1);
	check_text(question[0].action, RDMAREG_ACTION_EVICT);
	answer(false, false);
	await_answer(asker, &l);
	expect_error(&l.reply, "AccessDenied", RDMAREG_ACTION_EVICT);
	check(region_exists(asker, region.id));
	listen_signals(asker);
	send_later(asker, new_evict(asker, fd), &l);
	await_questions(1);
	answer(true, false);
	check(acknowledge(asker, region.id, await_request(asker, "unmount"), &region));
	await_answer(asker, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1 && get_manager_number(asker, "Regions") == 0);
	close(fd);
}

static sd_bus *connect_asker(void)
{
	return getuid() ? connect_client(&world) : connect_as(&world, NOBODY);
}

/* Who goes away takes his question along: polkit hears of it, the file is closed, an answer means nothing. */
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
	await_questions(3);
	until(world_descriptors(&world) == before + 3); /* one each, whatever else the message had */
	kept = sd_bus_message_ref(question[0].message);
	strcpy(cancellation, question[0].cancellation);
	disconnect(b);
	until((serve_polkit(), cancellations == 3));
	check(!strcmp(cancelled[0], cancellation) || !strcmp(cancelled[1], cancellation) ||
	      !strcmp(cancelled[2], cancellation));
	until(world_descriptors(&world) == before);
	check(sd_bus_reply_method_return(kept, "(bba{ss})", 1, 0, 0) >= 0 && sd_bus_flush(polkit) >= 0);
	sd_bus_message_unref(kept);
	forget_questions();
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
	await_questions(4);
	check(!finish_call(asker, new_hold(asker, fd), &r));
	expect_error(&r, "LimitExceeded", "pending_calls_per_client");
	for (int i = 0; i < 4; i++)
		check(sd_bus_reply_method_return(question[i].message, "(bba{ss})", 0, 0, 0) >= 0);
	check(sd_bus_flush(polkit) >= 0);
	for (int i = 0; i < 4; i++) {
		await_answer(asker, &l[i]);
		check_text(l[i].reply.error, "AccessDenied");
	}
	forget_questions();
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
	serve_polkit();
	check(questions == 0);
}

/* polkit knows no action but those of its own files. */
static void test_policy_file(void)
{
	static const char *const actions[] = { RDMAREG_ACTION_HOLD, RDMAREG_ACTION_EVICT };
	char line[512], wanted[100];

	for (size_t i = 0; i < 2; i++) {
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
	start_polkit();
	test_question();
	test_answers();
	test_failures();
	test_configure();
	test_evict();
	test_vanish();
	test_bounded();
	test_unasked();
	forget_signals(asker);
	disconnect(polkit);
	disconnect(asker);
	disconnect(watcher);
	world_end(&world);
	return 0;
}
