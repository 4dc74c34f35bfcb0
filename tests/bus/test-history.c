// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-history.c - GetHistory and rdmaregctl history: a revocation is told with who asked, who
 * answered and who did not; to those who may know it; also after the region's end, not after a
 * restart; and what others are called stays text.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define TENANT 33
#define LINES_MAX 300

static struct world world;
static sd_bus *bus;
/* Open while the next ones are made: an inode number is given again. */
static int story_fd;

/* Events as text: "KIND KEY=VALUE ...". */
static struct {
	size_t n;
	uint64_t since, oldest, last;
	uint64_t region[LINES_MAX];
	char line[LINES_MAX][700];
} told;

static void append(char *line, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void append(char *line, size_t size, const char *format, ...)
{
	size_t n = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + n, size - n, format, args);
	va_end(args);
}

static void read_detail(sd_bus_message *m, char *line, size_t size)
{
	const char *key, *type, *text;
	uint64_t number;
	uint32_t small;
	int truth;

	check(sd_bus_message_read(m, "s", &key) > 0);
	check(sd_bus_message_peek_type(m, NULL, &type) > 0);
	switch (*type) {
	case 't':
		check(sd_bus_message_read(m, "v", "t", &number) > 0);
		append(line, size, " %s=%" PRIu64, key, number);
		break;
	case 'u':
		check(sd_bus_message_read(m, "v", "u", &small) > 0);
		append(line, size, " %s=%u", key, small);
		break;
	case 'b':
		check(sd_bus_message_read(m, "v", "b", &truth) > 0);
		append(line, size, " %s=%d", key, truth);
		break;
	default:
		check(sd_bus_message_read(m, "v", "s", &text) > 0);
		append(line, size, " %s=%s", key, text);
	}
}

static void read_event(sd_bus_message *m)
{
	char *line = told.line[told.n];
	uint64_t number, when;
	const char *kind;

	check(told.n < LINES_MAX);
	check(sd_bus_message_read(m, "ttts", &number, &when, &told.region[told.n], &kind) > 0);
	check(number > told.last && when >= told.since);
	told.last = number;
	snprintf(line, sizeof(told.line[0]), "%s", kind);
	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		read_detail(m, line, sizeof(told.line[0]));
		check(sd_bus_message_exit_container(m) >= 0);
	}
	check(sd_bus_message_exit_container(m) >= 0);
	append(line, sizeof(told.line[0]), " ");
	told.n++;
}

/* An a{sv} as for sd_bus_message_append. */
static void get_history(sd_bus *b, int n_options, ...)
{
	sd_bus_message *m = new_manager_call(b, "GetHistory"), *answer = NULL;
	va_list args;

	told.n = 0;
	told.last = 0;
	check(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	va_start(args, n_options);
	for (int i = 0; i < n_options; i++) {
		const char *key = va_arg(args, const char *), *type = va_arg(args, const char *);

		if (*type == 't')
			check(sd_bus_message_append(m, "{sv}", key, type, va_arg(args, uint64_t)) >=
			      0);
		else if (*type == 's')
			check(sd_bus_message_append(m, "{sv}", key, type,
						    va_arg(args, const char *)) >= 0);
		else
			check(sd_bus_message_append(m, "{sv}", key, type, va_arg(args, int)) >= 0);
	}
	va_end(args);
	check(sd_bus_message_close_container(m) >= 0);
	check(sd_bus_call(b, m, 0, NULL, &answer) >= 0);
	check(sd_bus_message_read(answer, "tt", &told.since, &told.oldest) > 0);
	check(sd_bus_message_enter_container(answer, 'a', "(tttsa{sv})") >= 0);
	while (sd_bus_message_enter_container(answer, 'r', "tttsa{sv}") > 0) {
		read_event(answer);
		check(sd_bus_message_exit_container(answer) >= 0);
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(answer);
}

/* The first line from *at on that begins with @kind; *at goes behind it. */
static const char *find(const char *kind, size_t *at)
{
	size_t n = strlen(kind);

	for (; *at < told.n; ++*at)
		if (!strncmp(told.line[*at], kind, n) && told.line[*at][n] == ' ')
			return told.line[(*at)++];
	return NULL;
}

static bool has(const char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool has(const char *line, const char *format, ...)
{
	char wanted[200] = " ";
	va_list args;

	va_start(args, format);
	vsnprintf(wanted + 1, sizeof(wanted) - 2, format, args);
	va_end(args);
	strcat(wanted, " ");
	return line && strstr(line, wanted);
}

static uint64_t number_of(const char *line, const char *key)
{
	char wanted[40];
	const char *at;

	snprintf(wanted, sizeof(wanted), " %s=", key);
	at = strstr(line, wanted);
	check(at);
	return strtoull(at + strlen(wanted), NULL, 10);
}

/* Until there is such an event of the region. */
static void await_event(sd_bus *b, uint64_t region, const char *kind)
{
	size_t at;

	until((get_history(b, 1, "region", "t", region), at = 0, find(kind, &at)));
}

/* One answers, one does not: the story in its order. */
static void test_story(void)
{
	sd_bus *owner = connect_client(&world);
	struct reply region, r;
	const char *asked, *fenced;
	uint64_t revocation;
	size_t at = 0, from = 0;

	story_fd = make_file(&world, 8192, O_RDWR);
	listen_signals(owner);
	check(register_region(owner, story_fd, 0, 0, "rw", &region, 2, "grace_usec", "t",
			      UINT64_C(8000000), "session", "s", "story"));
	check(export_region(owner, region.id, &r, 0));
	world_tell_keeper(&world, getuid(), "story", "peer-join %" PRIu64 " rw", region.id);
	await_event(bus, region.id, "came");
	world_tell_keeper(&world, getuid(), "story", "break %" PRIu64 " truncate 4096", region.id);
	revocation = await_request(owner, "truncate");
	check(acknowledge(owner, region.id, revocation, &r));
	await_settled(owner, revocation, "truncated", 4096);
	check(call_region(owner, region.id, "Release", &r));
	get_history(bus, 1, "region", "t", region.id);
	check(has(find("registered", &at), "pid=%d", getpid()));
	check(has(told.line[at - 1], "session=story") &&
	      has(told.line[at - 1], "uid=%u", getuid()));
	check(find("exported", &at));
	check(has(find("came", &at), "holder=peer"));
	asked = find("asked", &at);
	check(has(asked, "cause=truncate") && has(asked, "revocation=%" PRIu64, revocation));
	check(has(asked, "holders=2") && number_of(asked, "length") == 8192);
	/* the fake's keeper breaks the lease itself */
	check(strstr(asked, " comm=keeper-fake "));
	check(number_of(asked, "pid") != (uint64_t)getpid());
	check(has(find("answered", &at), "holder=client") &&
	      has(told.line[at - 1], "pid=%d", getpid()));
	check(has(find("unanswered", &at), "holder=peer") &&
	      strstr(told.line[at - 1], " address=192.0.2."));
	check(strstr(find("went", &from), " text=it did not acknowledge in time "));
	fenced = find("fenced", &at);
	check(has(fenced, "answered=1") && has(fenced, "unanswered=1"));
	check(number_of(find("given-back", &at), "delay_usec") >= number_of(fenced, "delay_usec"));
	check(has(find("settled", &at), "outcome=truncated") &&
	      number_of(told.line[at - 1], "valid_length") == 4096);
	check(has(find("ending", &at), "reason=released") &&
	      has(told.line[at - 1], "pid=%d", getpid()));
	check(has(find("removed", &at), "reason=released"));
	disconnect(owner);
}

/* The journal's line of the end says who asked, and which of the local holders did not answer. */
static void test_journal(void)
{
	sd_bus *owner = connect_client(&world);
	int fd = make_file(&world, 8192, O_RDWR);
	struct reply region;
	char text[200];
	uint64_t revocation;

	listen_signals(owner);
	check(register_region(owner, fd, 0, 0, "rw", &region, 2, "grace_usec", "t",
			      UINT64_C(200000), "session", "s", "journal"));
	world_tell_keeper(&world, getuid(), "journal", "break %" PRIu64 " truncate 4096",
			  region.id);
	revocation = await_request(owner, "truncate");
	await_settled(owner, revocation, "truncated", 4096);
	snprintf(text, sizeof(text), "region %" PRIu64 ": revocation %" PRIu64 " settled; by pid ",
		 region.id, revocation);
	until(world_log_contains(&world, text));
	snprintf(text, sizeof(text), " ms; 1 holders did not acknowledge, pids %d\n", getpid());
	until(world_log_contains(&world, text));
	disconnect(owner);
	close(fd);
}

/* By its file, pages, and what comes after. */
static void test_filters(void)
{
	int fd = make_file(&world, 8192, O_RDWR), other = make_file(&world, 8192, O_RDWR);
	struct reply one, two, r;
	struct stat st;
	char file[64];
	uint64_t first;
	size_t n;

	check(fstat(fd, &st) == 0);
	snprintf(file, sizeof(file), "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		 (uint64_t)st.st_ino);
	check(register_region(bus, fd, 0, 0, "rw", &one, 0));
	check(register_region(bus, other, 0, 0, "rw", &two, 0));
	for (int i = 0; i < 5; i++)
		check(export_region(bus, one.id, &r, 0));
	check(call_region(bus, one.id, "Release", &r));
	check(call_region(bus, two.id, "Release", &r));
	get_history(bus, 1, "file", "s", file);
	n = told.n;
	check(n == 9); /* registered, 5 exported, went, ending, removed */
	for (size_t i = 0; i < n; i++)
		check(told.region[i] == one.id);
	first = told.last;
	get_history(bus, 2, "file", "s", file, "limit", "u", 3);
	check(told.n == 3 && told.last < first);
	get_history(bus, 3, "file", "s", file, "after", "t", told.last, "limit", "u", 100);
	check(told.n == n - 3 && told.last == first);
	get_history(bus, 1, "after", "t", told.last);
	check(told.n == 3 && told.region[0] == two.id);
	get_history(bus, 1, "after", "t", UINT64_MAX);
	check(told.n == 0 && told.since && told.oldest >= told.since);
	get_history(bus, 1, "file", "s", "/nowhere");
	check(told.n == 0);
	close(fd);
	close(other);
	close(story_fd);
}

static void refuse(const char *mentions, const char *key, const char *type, const char *text,
		   uint64_t number)
{
	sd_bus_message *m = new_manager_call(bus, "GetHistory");
	struct reply r;

	if (*type == 's')
		check(sd_bus_message_append(m, "a{sv}", 1, key, type, text) >= 0);
	else if (*type == 't')
		check(sd_bus_message_append(m, "a{sv}", 1, key, type, number) >= 0);
	else
		check(sd_bus_message_append(m, "a{sv}", 1, key, type, (uint32_t)number) >= 0);
	check(!finish_call(bus, m, &r));
	expect_error(&r, "InvalidOption", mentions);
}

static void test_bad_input(void)
{
	static char longer[300];
	static const struct {
		const char *mentions, *key, *type, *text;
		uint64_t number;
	} table[] = {
		{ "no option 'Region'", "Region", "t", NULL, 1 },
		{ "a 64-bit", "region", "u", NULL, 1 },
		{ "a 64-bit", "after", "s", "1", 0 },
		{ "a string", "file", "t", NULL, 1 },
		{ "a 32-bit", "limit", "t", NULL, 1 },
		{ "limit must be from 1 to 1024, not 0", "limit", "u", NULL, 0 },
		{ "not 1025", "limit", "u", NULL, 1025 },
		{ "not 4294967295", "limit", "u", NULL, UINT32_MAX },
		{ "true or false", "follow", "u", NULL, 1 },
		{ "follow is for subscribers", "follow", "b", NULL, 1 },
		{ "DEVICE:INODE", "file", "s", "", 0 },
		{ "DEVICE:INODE", "file", "s", "data/file", 0 },
		{ "DEVICE:INODE", "file", "s", "1", 0 },
		{ "DEVICE:INODE", "file", "s", "1:", 0 },
		{ "DEVICE:INODE", "file", "s", ":1", 0 },
		{ "DEVICE:INODE", "file", "s", "1:2:3", 0 },
		{ "DEVICE:INODE", "file", "s", "1:-2", 0 },
		{ "DEVICE:INODE", "file", "s", "1:99999999999999999999", 0 },
		{ "not '?[31m'", "file", "s", "\x1b[31m", 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		refuse(table[i].mentions, table[i].key, table[i].type, table[i].text,
		       table[i].number);
	memset(longer, 'x', sizeof(longer) - 1);
	*longer = '/';
	refuse("DEVICE:INODE", "file", "s", longer, 0);
}

/* Waits for RevocationRequested, whose asker begins with this key; its number. */
static uint64_t await_asker(sd_bus *b, const char *wanted)
{
	sd_bus_message *m = await_signal(b, "RevocationRequested");
	const char *key = "";
	uint64_t revocation;

	check(sd_bus_message_read(m, "t", &revocation) > 0 && sd_bus_message_skip(m, "sttt") >= 0);
	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	if (sd_bus_message_enter_container(m, 'e', "sv") > 0)
		check(sd_bus_message_read(m, "s", &key) > 0);
	check_text(key, wanted);
	sd_bus_message_unref(m);
	return revocation;
}

/* A user hears of its own regions, and not who the processes of others are. */
static void test_ordinary_user(void)
{
	int fd = make_file(&world, 8192, O_RDWR);
	struct reply mine, theirs, r;
	sd_bus *tenant, *root;
	const char *asked, *ending;
	uint64_t revocation;
	size_t at = 0;

	if (geteuid() != 0)
		return;
	tenant = connect_as(&world, TENANT);
	root = connect_client(&world);
	listen_signals(tenant);
	subscribe(root);
	check(register_region(bus, fd, 0, 0, "rw", &mine, 0));
	check(register_region(tenant, fd, 0, 0, "rw", &theirs, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	world_tell_keeper(&world, TENANT, "default", "break %" PRIu64 " fallocate", theirs.id);
	revocation = await_asker(tenant, "other_user");
	check(acknowledge(tenant, theirs.id, revocation, &r));
	await_settled(tenant, revocation, "restored", 8192);
	check(await_asker(root, "pid") == revocation);
	disconnect(root);
	/* root takes it down */
	check(call_region(bus, theirs.id, "Release", &r));
	revocation = await_request(tenant, "release");
	until(!region_exists(bus, theirs.id));
	get_history(tenant, 0);
	check(told.n);
	for (size_t i = 0; i < told.n; i++)
		check(told.region[i] == theirs.id && has(told.line[i], "uid=%d", TENANT));
	check(has(find("registered", &at), "process_uid=%d", TENANT) &&
	      has(told.line[at - 1], "pid=%d", getpid()));
	asked = find("asked", &at);
	check(has(asked, "other_user=1") && !strstr(asked, " pid=") && !strstr(asked, "comm=") &&
	      !strstr(asked, "cgroup=") && !strstr(asked, "process_uid="));
	check(has(find("answered", &at), "process_uid=%d", TENANT));
	ending = find("ending", &at);
	check(has(ending, "other_user=1") && !strstr(ending, " pid="));
	get_history(tenant, 1, "region", "t", mine.id);
	check(told.n == 0);
	/* root sees who it was */
	get_history(bus, 1, "region", "t", theirs.id);
	at = 0;
	asked = find("asked", &at);
	check(strstr(asked, " pid=") && strstr(asked, " comm=keeper-fake ") &&
	      !strstr(asked, "other_user"));
	check(has(find("ending", &at), "pid=%d", getpid()) &&
	      has(told.line[at - 1], "process_uid=0"));
	check(call_region(bus, mine.id, "Release", &r));
	disconnect(tenant);
	close(fd);
}

/* Runs rdmaregctl on this bus; what it wrote. */
static const char *ctl(const char *arguments)
{
	static char out[60000];

	world_ctl(&world, arguments, out, sizeof(out));
	return out;
}

/* A region that never was, and a file without one, are not found. */
static void test_unknown(void)
{
	check(strstr(ctl("history 999999 2>&1; echo $?"), "the history has no region 999999"));
	check(strstr(ctl("history 999999 2>&1; echo $?"), "\n3\n"));
	check(strstr(ctl("history /nowhere 2>&1; echo $?"), "no region of that file\n3\n"));
	check(strstr(ctl("history --json 999999 2>&1; echo $?"), "\n3\n"));
	check(strstr(ctl("history; echo $?"), "\n0\n"));
}

/* What a process or a file is called is text: no control on a terminal, no element in a picture. */
static void test_hostile_names(void)
{
	char path[160], command[64], name[16] = "";
	const char *text;
	struct reply region, r;
	uint64_t revocation = 0;
	sd_bus *b;
	int fd;

	snprintf(path, sizeof(path), "%s/a<b>&\"'\x1b[31m\nforged\xe2\x80\xae", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 8192) == 0);
	check(prctl(PR_GET_NAME, name) == 0 && prctl(PR_SET_NAME, "<i>&\x1b[2J\n\"x'") == 0);
	b = connect_client(&world);
	listen_signals(b);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", UINT64_C(1000)));
	check(call_region_options(b, region.id, "Revoke", &r, 0));
	revocation = r.number;
	check(call_region_number(b, region.id, "Restore", revocation, &r));
	await_settled(b, revocation, "restored", 8192);
	check(prctl(PR_SET_NAME, name) == 0);
	get_history(b, 1, "region", "t", region.id);
	for (size_t i = 0; i < told.n; i++)
		check(!strchr(told.line[i], '\x1b') && !strchr(told.line[i], '\n'));
	snprintf(command, sizeof(command), "history %" PRIu64, region.id);
	text = ctl(command);
	check(!strchr(text, '\x1b') && !strstr(text, "\nforged") &&
	      strstr(text, "(\"<i>&?[2J?\\\"x'\")"));
	check(strstr(text, "/a<b>&\\\"'?[31m?forged???\"") &&
	      strstr(text, "administrator of 8K at 0, by pid "));
	strcat(command, " --svg");
	text = ctl(command);
	check(!strchr(text, '\x1b') && !strstr(text, "<i>") && !strstr(text, "a<b>"));
	check(strstr(text, "&lt;i&gt;&amp;?[2J?\\&quot;x&apos;&quot;)"));
	check(strstr(text, "a&lt;b&gt;&amp;&quot;&apos;?[31m?forged") && strstr(text, "</svg>\n"));
	check(call_region(b, region.id, "Release", &r));
	disconnect(b);
	close(fd);
	check(unlink(path) == 0);
}

/* Who follows is told that there is more, and only of what it may see. */
static void test_follow(void)
{
	sd_bus *follower = connect_client(&world), *quiet = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, r;
	sd_bus_message *m;
	uint64_t last, newest = 0;

	subscribe(follower);
	subscribe(quiet);
	get_history(follower, 1, "follow", "b", 1);
	last = told.last;
	check(register_region(bus, fd, 0, 0, "rw", &region, 0));
	for (int i = 0; i < 20; i++)
		check(export_region(bus, region.id, &r, 0));
	check(call_region(bus, region.id, "Release", &r));
	get_history(follower, 1, "region", "t", region.id);
	while (newest < told.last) {
		m = await_signal(follower, "HistoryAdded");
		check(sd_bus_message_read(m, "t", &newest) > 0);
		sd_bus_message_unref(m);
	}
	get_history(follower, 1, "after", "t", last);
	check(told.n == 24 && told.last == newest);
	sd_bus_message_unref(await_signal(quiet, "RegionRemoved"));
	check(!has_signal(quiet, "HistoryAdded"));
	disconnect(follower);
	disconnect(quiet);
	close(fd);
}

/* The next daemon begins anew, and says since when; its numbers are higher. */
static void test_restart(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t since, last;
	size_t at = 0;
	sd_bus *b = connect_client(&world);

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	get_history(b, 0);
	since = told.since;
	last = told.last;
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	get_history(b, 0);
	check(told.since > since && told.oldest >= told.since);
	check(told.n && told.region[0] == region.id && find("adopted", &at) && at == 1);
	check(!find("registered", &at));
	get_history(b, 1, "after", "t", last);
	check(told.n);
	check(call_region(b, region.id, "Release", &r));
	disconnect(b);
	close(fd);
}

/* A keeper that dies: why its regions ended is there for whoever asks. */
static void test_lost(void)
{
	int fd = make_memfd(8192);
	struct reply region;
	size_t at = 0;
	sd_bus *b = connect_client(&world);

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "session", "s", "lost"));
	world_kill_keepers(&world, SIGKILL);
	until(!region_exists(b, region.id));
	get_history(b, 1, "region", "t", region.id);
	check(has(find("removed", &at), "reason=lost") && strstr(told.line[at - 1], " text="));
	/* shortened to whole parts of the sentence, and it is read elsewhere than in the log */
	check(strstr(told.line[at - 1], ": see its lines in the log of rdmaregd "));
	disconnect(b);
	close(fd);
}

static bool replace(const char *keeper, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(bus, "ReplaceKeeper");

	check(sd_bus_message_append(m, "sa{sv}", keeper, 0) >= 0);
	return finish_call(bus, m, ret);
}

static uint64_t count_replaced(const char *outcome)
{
	char series[80];

	snprintf(series, sizeof(series), "rdmareg_keeper_replacements_total{outcome=\"%s\"}",
		 outcome);
	return world_metric(&world, series);
}

/* A keeper is replaced: by which, and that it was counted, also where nothing came of it. */
static void test_replaced(void)
{
	char keeper[2][80], said[256];
	const char *page;
	int fd = make_memfd(8192);
	struct reply region, other, r;
	size_t at = 0;

	for (unsigned int i = 0; i < 2; i++)
		snprintf(keeper[i], sizeof(keeper[i]), "%u-moved-%u", getuid(), i + 1);
	check(register_region(bus, fd, 0, 0, "rw", &region, 2, "session", "s", "moved", "detached",
			      "b", 1));
	check(register_region(bus, fd, 0, 4096, "r", &other, 2, "session", "s", "moved", "detached",
			      "b", 1));
	check(replace(keeper[0], &r));
	get_history(bus, 1, "region", "t", region.id);
	check(has(find("replaced", &at), "keeper_before=%s", keeper[0]));
	check(has(told.line[at - 1], "keeper=%s", keeper[1]) && at == told.n);
	get_history(bus, 1, "region", "t", other.id);
	check(has(find("replaced", (at = 0, &at)), "keeper=%s", keeper[1]));
	snprintf(said, sizeof(said), "keeper %s has it in place of %s, with new keys", keeper[1],
		 keeper[0]);
	page = ctl("history");
	check(strstr(page, said));
	page = ctl("--json history");
	check(strstr(page, "\"keeper_before\""));
	check(count_replaced("whole") == 1 && count_replaced("in-part") == 0);
	check(call_region(bus, region.id, "Release", &r) &&
	      call_region(bus, other.id, "Release", &r));
	/* it gives another file: the region stays where it is */
	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "bad-file"));
	snprintf(keeper[0], sizeof(keeper[0]), "%u-bad-file-1", getuid());
	check(!replace(keeper[0], &r));
	check(count_replaced("whole") == 1 && count_replaced("in-part") == 1);
	get_history(bus, 1, "region", "t", region.id);
	check(!find("replaced", (at = 0, &at)));
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

/* By its name, also when it has ended, of all that were called so, and of nobody else's. */
static void test_by_name(void)
{
	int fd = make_memfd(4096);
	struct reply first, second, other, r;

	check(register_region(bus, fd, 0, 0, "rw", &first, 1, "name", "s", "named"));
	check(call_region(bus, first.id, "Release", &r));
	check(strstr(ctl("history default/named; echo $?"), "released"));
	check(register_region(bus, fd, 0, 0, "rw", &second, 1, "name", "s", "named"));
	check(register_region(bus, fd, 0, 0, "rw", &other, 2, "name", "s", "named", "session", "s",
			      "other"));
	get_history(bus, 1, "name", "s", "named");
	check(told.n >= 3 && told.region[0] == first.id && told.region[told.n - 1] == second.id);
	for (size_t i = 0; i < told.n; i++)
		check(told.region[i] != other.id && strstr(told.line[i], " name=named"));
	get_history(bus, 2, "name", "s", "named", "session", "s", "other");
	check(told.n && told.region[0] == other.id);
	check(call_region(bus, second.id, "Release", &r) &&
	      call_region(bus, other.id, "Release", &r));
	get_history(bus, 2, "name", "s", "named", "uid", "u", TENANT);
	check(!told.n);
	check(strstr(ctl("history default/never 2>&1; echo $?"), "no region called default/never"));
	if (geteuid() == 0) {
		sd_bus *tenant = connect_as(&world, TENANT);

		get_history(tenant, 2, "name", "s", "named", "uid", "u", 0);
		check(!told.n);
		disconnect(tenant);
	}
	close(fd);
}

int main(void)
{
	world_begin(&world, "");
	bus = connect_client(&world);
	test_story();
	test_journal();
	test_filters();
	test_bad_input();
	test_unknown();
	test_ordinary_user();
	test_hostile_names();
	test_by_name();
	test_follow();
	test_replaced();
	test_restart();
	test_lost();
	disconnect(bus);
	world_end(&world);
	return 0;
}
