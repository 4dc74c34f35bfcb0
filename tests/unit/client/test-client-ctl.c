// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-ctl.c - the verbs of rdmaregctl that do something and end, against a played daemon
 * (fakes/rdmaregd.h). argv[1]: rdmaregctl.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"
#include "region-properties.h"

#define NOBODY 65534

static const char *ctl;
static char out[1 << 20];

/* What is wrong is said, with the right status, and nothing was changed by it. */
static const struct {
	const char *arguments;
	int status;
	const char *said;
} bad[] = {
	{ "", 2, "no verb" },
	{ "nonsense", 2, "no such verb" },
	{ "register", 2, "usage" },
	{ "register /proc/self/exe --access r --offset 999", 1, "round it down" },
	{ "register /nonexistent", 3, "No such file" },
	/* whose name is another's: it is shown, and moves no cursor */
	{ "register '/nonexistent/\033[2J\xc2\x9b\xe2\x80\xae\xff'", 3,
	  "opening /nonexistent/\\x1b[2J\\xc2\\x9b\\xe2\\x80\\xae\\xff for" },
	{ "register /proc/self/exe --policy never", 2, "expected follow|yield|hold" },
	{ "register /proc/self/exe --arbitration layout-lease", 2, "expected auto|pre-content" },
	{ "register /proc/self/exe --grace 1d", 2, "expected a time: seconds, or with us, ms" },
	{ "list --state bogus", 2, "one of registering, live" },
	{ "show 900", 3, "there is no region 900" },
	{ "show 0", 2, "not the number of a region" },
	{ "export 2 --expires 0", 2, "a time above 0" },
	{ "export 2 --uses 0", 2, "a whole number above 0" },
	{ "export 2 --uses many", 2, "a whole number above 0" },
	{ "register /proc/self/exe --access r --length 0", 2,
	  "expected a size above 0: bytes, or with K" },
	{ "register /proc/self/exe --access r --offset 4k", 2,
	  "expected a size: bytes, or with K" },
	{ "register /proc/self/exe --access r --offset 999", 1, ": registering /" },
	{ "prefetch 2 --length 0", 2, "a size above 0" },
	{ "put /proc/self/exe @/dev/null --length 0", 2, "a size above 0" },
	{ "put /proc/self/exe @/dev/null --repeat 0", 2, "a whole number above 0, or forever" },
	{ "get @/dev/null /tmp/x --length 0", 2, "a size above 0" },
	{ "dax-create 0", 2, "no size above 0" },
	{ "set", 2, "usage" },
	{ "set 2", 2, "nothing to change" },
	{ "set abc --policy yield", 2, "abc is not the number of a region" },
	{ "show 1 2", 2,
	  "show: 2 is one argument too many; usage: rdmaregctl show [OPTION...] ID" },
	{ "show", 2, "show: an argument is missing; usage" },
	{ "register a b --name x", 2, "two regions cannot have one name" },
	{ "register /proc/self/exe /nonexistent --access r", 3, "No such file" },
	{ "register /proc/self/exe /proc/self/exe --access r --offset 999", 1, "round it down" },
	{ "register /proc/self/exe /proc/self/exe --access r --offset 999 --atomic", 1,
	  "because of number 1" },
	{ "list extra", 2,
	  "list: extra is one argument too many; usage: rdmaregctl list [OPTION...]\n" },
	{ "put F T extra", 2, "put: extra is one argument too many; usage" },
	{ "put F", 2, "put: an argument is missing; usage" },
	{ "get", 2, "get: its arguments are missing; usage" },
	{ "watch 1 --json 2 3", 2, "watch: 2 is one argument too many; usage" },
	{ "reload now", 2, "reload: now is one argument too many" },
	{ "metrics --json", 2, "metrics: --json: the page is" },
	{ "--json top --once", 2, "top: --json: this is a page for people" },
	{ "drain now", 2, "drain: now is one argument too many" },
	{ "drain --reason", 2, "needs an argument" },
	{ "drain --reason '\xff'", 2, "the reason is not UTF-8" },
	{ "undrain --reason x", 2, "undrain: no such option: --reason" },
	{ "set x --policy hold", 2, "not the number of a region" },
	{ "set 900 --policy hold", 3, "there is no region" },
	{ "set 2 --policy", 2, "needs an argument" },
	{ "set 2 --policy sometimes", 2, "expected follow|yield|hold" },
	{ "set 2 --arbitration none", 2, "expected auto|pre-content" },
	{ "set 2 --grace -1s", 2, "expected a time: seconds, or with us, ms" },
	{ "set 2 3 --policy hold", 2, "usage" },
	{ "revoke", 2, "usage" },
	{ "revoke seven", 2, "did you mean default/seven?" },
	{ "revoke 900", 3, "there is no region" },
	{ "revoke 2 --for 0", 2, "a time above 0" },
	{ "revoke 2 --range 4096", 2, "expected OFFSET:LENGTH: two sizes" },
	{ "revoke 2 --range 0:99999999999999999999", 2, "a smaller number" },
	{ "revoke 2 --range 1G:4K", 1, "not inside the region" },
	{ "revoke 2 --limit 1s", 2, "no such option" },
	{ "sync", 2, "usage" },
	{ "sync 0", 2, "not the number of a region" },
	{ "sync 900", 3, "there is no region" },
	{ "sync 2 --limit 0", 2, "a time above 0" },
	{ "sync 2 --limit 99999999999999h", 2, "a smaller number" },
	{ "sync 2 --limit 1us", 1, ": syncing region 2: the storage took too long" },
	{ "sync 2 --limit 2us", 1, "is not understood; do both" },
	{ "sync 2 --limit 3us", 1, "is not understood; do both" },
	{ "evict", 2, "usage" },
	{ "evict /nonexistent", 3, "No such file" },
	{ "evict /proc/self/exe/x", 3, "Not a directory" },
	{ "evict / /tmp", 2, "usage" },
	{ "evict /proc/self/exe", 2, "is not a mount point" },
	{ "evict /usr/bin", 2,
	  "every region there would be taken down: give --containing if that is meant" },
	{ "evict / --grace soon", 2, "expected a time: seconds, or with us, ms" },
	{ "evict /proc --grace 1us", 4, "evicting the filesystem of /proc: " },
	{ "enforce-limits x", 2, "usage" },
	{ "enforce-limits --grace soon", 2, "expected a time: seconds, or with us, ms" },
	{ "enforce-limits --grace 1us", 4, "enforcing the limits" },
	{ "who", 2, "usage" },
	{ "who /nonexistent", 3, "No such file" },
	{ "who /", 1, "looking for holders of /: " },
	{ "who / --verbose", 2, "no such option" },
	{ "history 1 2", 2, "usage" },
	{ "history 0", 2, "not the number of a region" },
	{ "history 99999999999999999999", 2, "not the number of a region" },
	{ "history ''", 3, "No such file" },
	{ "history no-such-file", 3, "no-such-file: No such file" },
	{ "history ./no/such/file", 3, "No such file" },
	{ "history default/nothing", 3, "A file is written ./default/nothing" },
	{ "get '0 node-a model rw rdmareg://10.0.0.1:7471/12?00' -", 2,
	  "something stands before rdmareg://" },
	{ "history no/such/file", 3, "no/such/file: No such file" },
	{ "history 7 --svg --json", 2, "--svg is a picture" },
	{ "history 7 --svg --follow", 2, "--svg is a picture" },
	{ "history 7 --svg --revocation 4", 3, "there is no revocation 4 in the history" },
	{ "history --revocation 0", 2, "expected a whole number above 0" },
	{ "history 13", 1, "not understood" },
	{ "join", 2, "usage" },
	{ "join -- -7", 2, "not the number of a region" },
	{ "register /proc/self/exe --uid no-such-user", 3, "there is no such user" },
	{ "register /proc/self/exe --uid -1", 3, "there is no such user" },
	{ "register /proc/self/exe --uid 4294967295", 2, "is not the number of a user" },
	{ "show default/nothing", 3, "there is no region 'nothing'" },
	{ "show /name", 2, "is not the number of a region, nor SESSION/NAME" },
	{ "show session/", 2, "is not the number of a region, nor SESSION/NAME" },
	{ "show :session/name", 2, "is not the number of a region, nor SESSION/NAME" },
	{ "export a/b/c", 2, "is not the number of a region, nor SESSION/NAME" },
	{ "watch no-such-user:default/x", 3, "no-such-user: there is no such user" },
	{ "watch 4294967295:default/x", 2, "is not the number of a user" },
	{ "join 900", 3, "there is no region" },
	{ "watch 900", 3, "there is no region 900" },
	{ "session", 2, "session: which of its verbs is missing; see: rdmaregctl session --help" },
	{ "session --json", 2, "session: which of its verbs is missing" },
	{ "session end x", 2, "session: no such verb: end; see: rdmaregctl session --help" },
	{ "session create", 2, "session create: an argument is missing; usage" },
	{ "session set a --device mlx5_1", 2, "--device" },
	{ "session create a b", 2, "session create: b is one argument too many" },
	{ "session create a/b", 2, "a/b is no name of one" },
	{ "session create ''", 2, "\"\" is no name of one" },
	{ "session create a --uid nobody-has-this", 2, "there is no user nobody-has-this" },
	{ "session create a --uid 4294967295", 2, "there is no user 4294967295" },
	{ "session create a --uid -1", 2, "there is no user -1" },
	{ "session create a --uid 4711", 4, "creating session a of user 4711: " },
	{ "session create a --max-regions 0", 2, "a whole number above 0, or default" },
	{ "session create a --max-regions 4294967295", 2, "a smaller number" },
	{ "session create a --max-bytes 0", 2, "a size above 0, such as 4096 or 64M, or default" },
	{ "session create a --max-memory much", 2, "above 0, such as 4096 or 64M, or default" },
	{ "session create a --grace 2s", 2, "session create: no such option: --grace" },
	{ "session list a", 2, "session list: a is one argument too many" },
	{ "session list --state live", 2, "one of active, draining or ended" },
	{ "session list --uid ''", 2, "--uid : expected USER" },
	{ "session show a", 3, "there is no such session [NoSuchSession]" },
	{ "session set a", 2, "nothing to change; give --max-regions" },
	{ "session set a --max-peers 1", 3, "changing the limits of session a of user " },
	{ "session drain a", 3, "draining session a of user " },
	{ "session release a", 3, "releasing session a of user " },
	{ "session release a --if-exists --limit x", 2, "expected a time" },
	{ "session release a/ --if-exists", 2, "no name of one" },
};

/*
 * Whoever has one has the access, and errors end in logs. So none is shown, wherever it was given
 * by mistake.
 */
#define TOKEN "ca82095c6061fd4f46e7efd2511a7f0b"
#define TICKET "'rdmareg://10.99.0.1:33632/7?" TOKEN "'"
static const struct {
	const char *arguments;
	const char *said;
} misplaced[] = {
	{ "put " TICKET " /proc/self/exe", "the ticket comes second: rdmaregctl put FILE TICKET" },
	{ "get /nonexistent " TICKET, "the ticket comes first: rdmaregctl get TICKET FILE" },
	{ "put /proc/self/exe @" TICKET, "opening rdmareg://...: " },
	{ "put /proc/self/exe " TICKET "x", "the token is not 32" },
	{ "put /proc/self/exe " TICKET " --source " TICKET, "" },
	{ TICKET, "no such verb: rdmareg://...; see" },
	{ "show " TICKET, "rdmareg://... is not the number of a region" },
	{ "register " TICKET, "opening rdmareg://... for reading and writing: " },
	{ "who " TICKET, "opening rdmareg://...: " },
	{ "who 'rdmareg://1 rdmareg://, '" TICKET,
	  "opening rdmareg://1 rdmareg://, rdmareg://...: " },
	{ "evict " TICKET, "opening rdmareg://...: " },
	{ "dax-create " TICKET, "rdmareg://... is no size" },
	{ "put --length " TICKET " x y", "--length rdmareg://...: expected a size above 0" },
	{ "put --" TICKET, "no such option" },
	{ "revoke 3 -- " TICKET, "running rdmareg://...: " },
};

/* Runs rdmaregctl; what it says on the channels that go there is in @out. */
static int run_with(const char *arguments, const char *channels)
{
	char command[1024];
	size_t n;
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "'%s' %s %s </dev/null", ctl, arguments, channels);
	f = popen(command, "r");
	assert(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = 0;
	status = pclose(f);
	assert(WIFEXITED(status));
	/* Shown when something fails. */
	fprintf(stderr, "%s: %d\n%.400s\n", arguments, WEXITSTATUS(status), out);
	return WEXITSTATUS(status);
}

/* Both of them. */
static int run_ctl(const char *arguments)
{
	return run_with(arguments, "2>&1");
}

static bool says(const char *text)
{
	return strstr(out, text);
}

static void test_regions(void)
{
	json_object *o;

	assert(run_ctl("--json register /proc/self/exe --access r --session s.1 --grace 2s --export "
		       "--arbitration pre-content") == 0);
	o = json_tokener_parse(out);
	assert(o && json_object_get_uint64(json_object_object_get(o, "id")) == 1);
	assert(!strcmp(json_object_get_string(json_object_object_get(o, "arbitration_mode")),
		       "layout-lease"));
	assert(json_object_get_boolean(json_object_object_get(o, "detached")));
	assert(!json_object_get_boolean(json_object_object_get(o, "refuses")));
	assert(json_object_get_uint64(json_object_object_get(o, "grace_usec")) == 2000000);
	assert(strstr(json_object_get_string(json_object_object_get(o, "ticket")), "rdmareg://"));
	json_object_put(o);
	assert(run_ctl("register /proc/self/exe --access r --grace 0 --arbitration pre-content") ==
	       0);
	assert(says("region      2") && says("arbitration layout-lease (played)") &&
	       says("0s grace"));
	assert(strstr(mock_said(), " grace_usec=0 arbitration=pre-content") && !says("valid"));

	mock_tell("populate", 400);
	mock_tell("degrade", 4);
	assert(run_ctl("list --json") == 0);
	o = json_tokener_parse(out);
	assert(o && json_object_array_length(o) == 402);
	json_object_put(o);
	assert(run_ctl("list --session s.1") == 0 && says("ARBITRATION") && says("CLIENTS") &&
	       says("s.1"));
	assert(run_ctl("list --session s.1 --no-legend") == 0 && !says("ARBITRATION"));
	assert(run_ctl("list") == 0 && says("notify-only,degraded") &&
	       says("/some/file (moved)\n"));
	assert(run_ctl("show 4") == 0 && says("process 17 had it open before") && says("clients"));
	assert(run_ctl("show 4 --json") == 0 && says("\"degraded\":\"process 17") &&
	       says("\"faults\":4711"));
	assert(run_ctl("show 2") == 0 && says("faults: not counted by this adapter"));
	assert(run_ctl("show 2 --json") == 0 && says("\"faults\":null"));
	assert(run_ctl("show 2") == 0 && says("0x1234") && !says("degraded"));
	assert(run_ctl("show 2 --json") == 0 && says("\"revocation\":null"));
	assert(run_ctl("export 2 --uses 1 --expires 1h") == 0 && !strncmp(out, "rdmareg://", 10));
	assert(run_ctl("prefetch 2 --length 4K") == 0);
	assert(run_ctl("--help") == 0 && says("release ID...") &&
	       says("revoke ID [-- COMMAND...]"));
}

static size_t count(const char *text)
{
	size_t n = 0;

	for (const char *p = out; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/* Each member of an object is there once, whether the adapter counts faults or not. */
static void test_json(void)
{
	json_object *o;

	for (int id = 2; id <= 4; id += 2) {
		char arguments[32], key[64];

		snprintf(arguments, sizeof(arguments), "show %d --json", id);
		assert(run_ctl(arguments) == 0);
		o = json_tokener_parse(out);
		json_object_object_foreach(o, name, value)
		{
			(void)value;
			snprintf(key, sizeof(key), "\"%s\":", name);
			/* those of the revocation have names that others have, too */
			assert(count(key) == 1 || !strcmp(name, "id") || !strcmp(name, "offset") ||
			       !strcmp(name, "length"));
		}
		json_object_put(o);
	}
}

/* What the list of properties says of a region, in its order; and nothing else. */
static void test_each_property(void)
{
	json_object *o, *value;
	size_t n = 0;
	char arguments[32];
	uint64_t id;

	assert(run_ctl("register /proc/self/exe --access r --json "
		       "--session " MOCK_EACH_PROPERTY) == 0);
	o = json_tokener_parse(out);
	id = json_object_get_uint64(json_object_object_get(o, "id"));
	json_object_put(o);
	snprintf(arguments, sizeof(arguments), "show %u --json", (unsigned int)id);
	assert(run_ctl(arguments) == 0);
	o = json_tokener_parse(out);
#define SHOWN(member) assert(json_object_object_get_ex(o, #member, &value) && value && ++n)
#define VALUE(member, name, kind, told, where)                                                \
	SHOWN(member);                                                                        \
	assert(*PROPERTY_TYPE_##kind != 's' || !strcmp(json_object_get_string(value), name)); \
	assert(*PROPERTY_TYPE_##kind != 't' || !strcmp(name, "Id") ||                         \
	       json_object_get_uint64(value) == mock_count(name));
#define WORD(member, name, vocabulary, told, where) \
	SHOWN(member);                              \
	assert(!strcmp(json_object_get_string(value), MOCK_WORD_##vocabulary));
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
#undef SHOWN
	assert(json_object_object_length(o) == (int)n);
	json_object_put(o);
	snprintf(arguments, sizeof(arguments), "release %u", (unsigned int)id);
	assert(run_ctl(arguments) == 0);
}

/*
 * The MTU is the interface's, whether the daemon sees it or not; and never 0, which it cannot be.
 */
static void test_devices(void)
{
	char mtu[16] = "", text[64];
	FILE *f = fopen("/sys/class/net/lo/mtu", "re");

	assert(f && fscanf(f, "%15s", mtu) == 1 && fclose(f) == 0);
	assert(run_ctl("devices --json") == 0);
	snprintf(text, sizeof(text), "\"netdev\":\"lo\",\"mtu\":%s,", mtu);
	assert(says(text) && says("\"netdev\":\"away0\",\"mtu\":null,"));
	assert(run_ctl("devices") == 0 && says("4200"));
}

/* Runs it on a terminal of this kind; what it shows there is in @out. */
static void run_on_terminal(const char *kind, const char *no_color, uid_t uid,
			    const char *const words[])
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	const char *argv[8] = { "rdmaregctl" };
	ssize_t n, all = 0;
	pid_t pid;

	for (int i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert(slave >= 0);
	pid = fork();
	assert(pid >= 0);
	if (!pid) {
		dup2(slave, STDOUT_FILENO);
		dup2(slave, STDERR_FILENO);
		kind ? setenv("TERM", kind, 1) : unsetenv("TERM");
		no_color ? setenv("NO_COLOR", no_color, 1) : unsetenv("NO_COLOR");
		if (uid != geteuid() && setuid(uid) < 0)
			_exit(126);
		execv(ctl, (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(slave); /* the terminal's end is then an error of reading */
	while ((n = read(master, out + all, sizeof(out) - (size_t)all - 1)) > 0)
		all += n;
	out[all] = 0;
	waitpid(pid, NULL, 0);
	close(master);
	fprintf(stderr, "on a terminal: %.400s\n", out);
}

static void test_keepers(void)
{
	assert(run_ctl("keeper list --json") == 0);
	assert(says("\"name\":\"0-default-1\"") && says("\"runs_as\":null"));
	assert(says("\"trouble\":\"it speaks version 9\""));
	assert(run_ctl("keeper list") == 0 && says("0-default-1") && says("4G") && says("foreign"));
	run_on_terminal("xterm-256color", NULL, geteuid(),
			(const char *const[]){ "keeper", "list", NULL });
	assert(says("\033[32mdriven") && says("foreign") && !says("\033[32mforeign"));
	assert(run_ctl("keeper list --state foreign --no-legend") == 0 && says("7-default-2") &&
	       !says("0-default-1"));
	assert(run_ctl("keeper list --session other --json") == 0 && says("[]"));
	assert(run_ctl("keeper list --state lost") == 2 && says("is not valid for state"));
	assert(run_ctl("keeper list --uid nobody-of-this-name") == 3);
	assert(run_ctl("keeper replace 0-default-1 --grace 1s") == 0 && says("3 regions"));
	assert(run_ctl("keeper replace 7-default-2 0-default-1") == 1);
	assert(says("it is foreign") && says("keeper 0-default-1 replaced: 3 regions"));
	/* neither says that it is current */
	assert(run_ctl("keeper replace --all-old --json") == 5);
	assert(says("{\"name\":\"0-default-1\",\"replaced\":true,\"regions\":3}"));
	assert(says("{\"name\":\"7-default-2\",\"replaced\":false,\"regions\":0}"));
	assert(says("keeper 7-default-2 was left alone, it is foreign: it speaks version 9"));
	assert(run_ctl("keeper replace") == 2 && run_ctl("keeper replace --all-old x") == 2);
	assert(run_ctl("keeper list 1") == 2 && run_ctl("keeper") == 2);
}

static void test_history(void)
{
	char folder[32], file[40], command[60];

	assert(run_ctl("history 7") == 0);
	assert(says("asked: truncate of 4K at 0, by pid 4711 (dd<b>); asked 2 holders"));
	assert(says("; file /data/a\n") && says("+100ms "));
	assert(says("unanswered: peer 10.0.0.2 did not acknowledge\n"));
	assert(says("given-back: whoever asked waited 1.3s, until the last deadline\n"));
	assert(says("since 19") && says("when rdmaregd was started"));
	assert(run_ctl("history --no-legend") == 0 && !says("was started"));
	assert(run_ctl("history 7 --json") == 0 &&
	       says("{\"since_usec\":1000000,\"oldest_usec\":"));
	assert(says("\"kind\":\"asked\",\"revocation\":3,\"cause\":\"truncate\""));
	assert(says("\"comm\":\"dd<b>\"") && says("\"forced\":true"));
	assert(run_ctl("history 7 --revocation 4 --no-legend") == 3 && !says("asked"));
	assert(run_ctl("history 7 --svg") == 0 && says("<svg xmlns=") && says("dd&lt;b&gt;"));
	assert(says("<title>Region 7, revocation 3: truncate of 4K at 0, of /data/a</title>"));
	assert(says("no answer in 100ms") && says("</svg>\n"));
	/* a file whose path could be a session and a name */
	snprintf(folder, sizeof(folder), "history-%d", (int)getpid());
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(command, sizeof(command), "history %s", file);
	assert(mkdir(folder, 0700) == 0 && symlink("/proc/self/exe", file) == 0);
	assert(run_ctl(command) == 0 && says("asked 2 holders"));
	assert(unlink(file) == 0 && rmdir(folder) == 0);
	/* what was named stays in what is said of it */
	assert(run_ctl("history 999 --svg") == 3 && says("region 999"));
}

/* What is printed and does not arrive is a failure, and said to be. */
static void test_output(void)
{
	static const char *const verbs[] = {
		"--help",
		"help",
		"--version",
		"register --help",
		"list",
		"list --json",
		"show 2",
		"show 2 --json",
		"export 2",
		"sync 3",
		"sync 3 --json",
		"set 2 --grace 1s",
		"who /proc/self/exe",
		"devices",
		"history 7",
		"history 7 --json",
		"history 7 --svg",
		"keeper list",
		"watch",
		"watch --json",
		"watch 3",
		"release 5",
		"release 6 --json",
		"prefetch 3 --length 4K --json",
	};
	static const char *const quiet[] = { "release 900 --if-exists", "prefetch 3 --length 4K" };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		assert(run_with(verbs[i], "2>&1 >/dev/full") == 1);
		assert(says("writing the output: No space left on device"));
	}
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		assert(run_with(quiet[i], "2>&1 >/dev/full") == 0 && !*out);
}

/* No line of a table is wider than the terminal, whose size here is taken for 80 columns. */
static void test_tables_fit(void)
{
	static const char *const tables[][4] = {
		{ "list" },
		{ "keeper", "list" },
		{ "session", "list" },
		{ "who", "/proc/self/exe" },
		{ "devices" },
		{ "standing", "list" },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		size_t width = 0;

		run_on_terminal("xterm", "1", geteuid(), tables[i]);
		assert(*out);
		for (const char *c = out; *c; c++) {
			width = *c == '\n' || *c == '\r' ? 0 : width + ((*c & 0xc0) != 0x80);
			if (width > 80)
				fprintf(stderr, "%s %s: too wide\n", tables[i][0],
					tables[i][1] ? tables[i][1] : "");
			assert(width <= 80);
		}
	}
	/* a script gets all of it */
	assert(run_ctl("list") == 0 && says("ACCESS") && says("SESSION"));
}

/* Has what "list" says colours, on a terminal of this kind? */
static bool has_colours(const char *kind, const char *no_color)
{
	run_on_terminal(kind, no_color, geteuid(),
			(const char *const[]){ "list", "--session", "s.1", NULL });
	assert(says("s.1"));
	return strchr(out, '\033');
}

/* Nothing is something that a person is told; a script sees no line, or an empty array. */
static void test_nothing(const char *empty)
{
	run_on_terminal("linux", NULL, geteuid(),
			(const char *const[]){ "list", "--session", "nobody's", NULL });
	assert(!strcmp(out, "no such regions\r\n"));
	for (int other = 0; other < 2; other++) {
		uid_t uid = other && !geteuid() ? NOBODY : geteuid();

		/* what this user may not see is no reason to say that there is nothing */
		run_on_terminal("linux", NULL, uid, (const char *const[]){ "who", empty, NULL });
		assert(!strncmp(out, "nobody\r\n", 8) &&
		       says("only regions of this user are shown") == (uid != 0));
		run_on_terminal("linux", NULL, uid,
				(const char *const[]){ "who", empty, "--json", NULL });
		assert(!strncmp(out, "[]\r\n", 4) &&
		       says("as root all are: rdmaregctl who /tmp/") == (uid != 0));
	}
	run_on_terminal("linux", NULL, geteuid(),
			(const char *const[]){ "list", "--session", "nobody's", "--json", NULL });
	assert(!strcmp(out, "[]\r\n"));
	assert(run_ctl("list --session \"nobody's\"") == 0 && !*out);
	assert(run_ctl("list --session \"nobody's\" --json") == 0 && !strcmp(out, "[]\n"));
}

static void test_colours(void)
{
	assert(has_colours("xterm-256color", NULL));
	assert(has_colours("linux", "")); /* as no-color.org has it: empty is not set */
	assert(!has_colours("xterm-256color", "1"));
	assert(!has_colours("dumb", NULL));
	assert(!has_colours("", NULL));
	assert(!has_colours(NULL, NULL));
}

/* All are asked for at once, each is answered for, and the first that failed decides. */
static void test_release(void)
{
	mock_tell("slow", 10);
	assert(run_ctl("release 10 11 12") == 0); /* one after the other this would never end */
	assert(says("region 11 released\n") && strstr(out, "region 10") > strstr(out, "region 11"));
	assert(count("\n") == 3);
	mock_tell("slow", 13);
	assert(run_ctl("release 13 900 14 --json") == 3);
	assert(says("there is no region 900") &&
	       says("{\"released\":[13,14]}")); /* in the order given */
	assert(run_ctl("release 10 15 --if-exists") == 0 && !strcmp(out, "region 15 released\n"));
	assert(run_ctl("release 16 16") == 3 && says("region 16 released") &&
	       says("there is no region 16"));
	assert(run_ctl("release 18 --grace 2s") == 0 &&
	       !strcmp(mock_said(), " grace_usec=2000000"));
	assert(run_ctl("release --grace 0 19") == 0 && !strcmp(mock_said(), " grace_usec=0"));
	assert(run_ctl("release 17 x") == 2 && says("not the number of a region"));
	assert(run_ctl("show 17") == 0); /* nothing is done when something is wrong with the line */
	assert(run_ctl("release $(seq 100 350)") == 0 && count(" released\n") == 251);
}

/*
 * A region is found by its name wherever a number is taken, and a session's are released together.
 */
static void test_names(void)
{
	char line[160];

	assert(run_ctl("register /proc/self/exe --access r --session job.7 --name model") == 0);
	assert(strstr(mock_said(), " session=job.7") && strstr(mock_said(), " name=model") &&
	       !strstr(mock_said(), " uid="));
	assert(says("\nname        job.7/model\n")); /* as other verbs take it */
	assert(run_ctl("show job.7/model --json") == 0 && says("\"name\":\"model\""));
	snprintf(line, sizeof(line), "export %u:job.7/model", (unsigned int)getuid());
	assert(run_ctl(line) == 0 && says("rdmareg://"));
	assert(run_ctl("list --session job.7") == 0 && says(" job.7 ") && says(" model "));
	assert(run_ctl("show job.8/model") == 3 && says("there is no region 'model'"));
	assert(run_ctl("show 12345:job.7/model") == 3);
	assert(run_ctl("register /proc/self/exe --access r --session job.7") == 0);
	assert(run_ctl("register /proc/self/exe --access r --session job.70 --name n") == 0);
	/* several files with one call */
	assert(run_ctl("register /proc/self/exe /bin/sh --access r --session job.9 --export") == 0);
	assert(count("region  ") == 2 && count("ticket  ") == 2 && says("file        /bin/sh\n"));
	assert(run_ctl("register /proc/self/exe /bin/sh --access r --session job.9 --json "
		       "--atomic") == 0 &&
	       out[0] == '[' && count("\"id\":") == 2);
	assert(run_ctl("release --session job.9") == 0 && count(" released\n") == 4);
	/* one that is misspelt: nothing is released; one that is missing: the others are */
	assert(run_ctl("release job.7/model job.7/") == 2 && !says(" released"));
	assert(run_ctl("release job.7/model no-such-user:job.7/a") == 3 && !says(" released"));
	assert(run_ctl("register /proc/self/exe --access r --session job.5 --name a") == 0);
	assert(run_ctl("register /proc/self/exe --access r --session job.5 --name b") == 0);
	assert(run_ctl("release job.5/a job.5/other job.5/b") == 3 && count(" released\n") == 2 &&
	       count("there is no region 'other'") == 1);
	assert(run_ctl("release job.5/a job.5/other --json") == 3 && says("{\"released\":[]}"));
	assert(run_ctl("release --session job.7 1") == 2 && says("exclude each other"));
	assert(run_ctl("release --session no-such-user:job.7") == 3 && !says(" released"));
	assert(run_ctl("release --session 12345:job.7 --if-exists") == 0 && !*out);
	assert(run_ctl("release --session job.7") == 0 && count(" released\n") == 2);
	assert(run_ctl("release --session job.7") == 3 && says("has no regions"));
	assert(run_ctl("release --session job.7 --if-exists") == 0 && !*out);
	assert(run_ctl("release job.7/model job.70/n --if-exists") == 0 &&
	       count(" released\n") == 1);
	assert(run_ctl("release") == 2 && says("usage"));
}

/* More may be registered than the file has; who did is told. */
static void test_short_file(void)
{
	assert(run_ctl("register /proc/self/exe --access r --length 2T") == 0 &&
	       says("valid       1T of 2T: the file"));
}

static void test_set(void)
{
	assert(run_ctl("set 2 --policy hold --grace 3s --arbitration auto") == 0);
	assert(!strcmp(mock_said(), " policy=hold grace_usec=3000000 arbitration=auto"));
	assert(says("policy      hold, 3s grace, refuses"));
	assert(run_ctl("set 2 --grace 0 --json") == 0 && !strcmp(mock_said(), " grace_usec=0"));
	assert(says("\"policy\":\"hold\"") && says("\"refuses\":true") && says("\"grace_usec\":0"));
	assert(run_ctl("list") == 0 && says("layout-lease,refuses"));
	assert(run_ctl("set 2 --policy yield") == 0 && !says("refuses"));
}

static void test_sync(void)
{
	assert(run_ctl("sync 3 --grace 0 --limit 5s") == 0 &&
	       !strcmp(mock_said(), " grace_usec=0 limit_usec=5000000"));
	assert(says("durable      storage") && says("valid length 4K") && says("revocation   "));
	assert(run_ctl("sync 3 --json") == 0 && !*mock_said());
	assert(says("\"id\":3") && says("\"durable\":\"storage\"") &&
	       says("\"valid_length\":4096"));
}

static void test_who(const char *full, const char *empty, const char *odd)
{
	char command[256];
	json_object *o, *second;

	snprintf(command, sizeof(command), "who %s", full);
	assert(run_ctl(command) == 0 && says("PID/PEER") && says("4711") &&
	       says("/system.slice/job.service"));
	assert(says("10.0.0.2") && says("3: sync of 4K at 0") && says("unknown"));
	snprintf(command, sizeof(command), "who %s --json", full);
	assert(run_ctl(command) == 0);
	o = json_tokener_parse(out);
	assert(o && json_object_array_length(o) == 3);
	second = json_object_array_get_idx(o, 1);
	assert(!strcmp(json_object_get_string(json_object_object_get(second, "access")), "rw"));
	assert(json_object_get_uint64(
		       json_object_object_get(json_object_object_get(second, "asked"), "id")) == 3);
	json_object_put(o);
	snprintf(command, sizeof(command), "who %s --no-legend", empty);
	assert(run_with(command, "2>/dev/null") == 0 && !*out);
	snprintf(command, sizeof(command), "who %s --json", empty);
	assert(run_with(command, "2>/dev/null") == 0 && !strcmp(out, "[]\n"));
	snprintf(command, sizeof(command), "who %s", odd);
	assert(run_ctl(command) == 1 && says("is not understood; do both"));
}

/* Two words, options before, between and behind them. */
static void test_sessions(void)
{
	json_object *o;

	/* what nobody could release is not made */
	if (!geteuid()) {
		run_on_terminal("linux", NULL, NOBODY,
				(const char *const[]){ "register", "/proc/self/exe", "--uid", "1",
						       "--export", NULL });
		assert(says("--export of a region of 1 takes root"));
	}
	assert(run_ctl("session create job-7 --uid root --max-regions 4 --max-memory 64M") == 0);
	assert(!strcmp(mock_said(), " MaxRegions=4 MaxMemory=67108864"));
	assert(says("name: job-7\n") && says("max memory bytes: 64M") && says("state: active") &&
	       says("created: 2023-11-1"));
	assert(run_ctl("session create job-7 --uid 0 --max-regions 5") == 1 && says("MaxRegions"));
	assert(run_ctl("session create rail --uid 0 --device mlx5_1") == 0);
	assert(!strcmp(mock_said(), " Device=mlx5_1") && says("device: mlx5_1\n"));
	assert(run_ctl("session release rail --uid 0") == 0);
	assert(run_ctl("--json session --no-pager create other --uid 1000") == 0);
	o = json_tokener_parse(out);
	assert(o && json_object_get_uint64(json_object_object_get(o, "uid")) == 1000);
	assert(!strcmp(json_object_get_string(json_object_object_get(o, "name")), "other"));
	json_object_put(o);
	assert(run_ctl("session list") == 0 && says("USER") && says("root ") && says("none"));
	for (const char *line = out, *end; (end = strchr(line, '\n')); line = end + 1)
		assert(end - line <= 80);
	assert(run_ctl("session list --uid 1000 --no-legend") == 0 && count("\n") == 1);
	assert(run_ctl("session list --state ended") == 0 && !*out);
	assert(run_ctl("session list --state ended --json") == 0 && !strcmp(out, "[]\n"));
	assert(run_ctl("session set other --uid 1000 --max-bytes default --max-tickets 3") == 0);
	assert(!strcmp(mock_said(), " MaxBytes=0 MaxTickets=3") && says("max tickets: 3\n"));
	assert(run_ctl("session create unseen --uid 4712") == 0 && says("name: unseen\n"));
	assert(run_ctl("session set unseen --uid 4712 --max-peers 1") == 0 && says("uid: 4712\n"));
	assert(run_ctl("session drain unseen --uid 4712 --json") == 0 && says("\"uid\":4712") &&
	       says("\"name\":\"unseen\""));
	assert(run_ctl("session show unseen --uid 4712") == 3);
	assert(run_ctl("session release unseen --uid 4712") == 0);
	assert(run_ctl("session drain other --uid 1000") == 0 && says("state: draining"));
	assert(run_ctl("session show other --uid 1000 --json") == 0 &&
	       says("\"state\":\"draining\""));

	assert(run_ctl("register /proc/self/exe --access r --session job-7 --json") == 0);
	assert(run_ctl("session release job-7 --uid 0 --grace 0 --limit 0") == 0);
	assert(!strcmp(mock_said(), " GraceUSec=0 LimitUSec=0") && says(" released\n"));
	assert(run_ctl("session release other --uid 1000 --limit 5s --json") == 0);
	assert(!strcmp(out, "{\"regions\":[]}\n") && !strcmp(mock_said(), " LimitUSec=5000000"));
	assert(run_ctl("session release other --uid 1000 --if-exists") == 0 && !*out);
	assert(run_ctl("session create job-7 --uid 0") == 0);
	assert(run_ctl("register /proc/self/exe --access r --session job-7 --json") == 0);
	assert(run_ctl("session release job-7 --uid 0 --limit 1us") == 0 &&
	       says(" late: the storage hangs\n"));
	/* what is refused is not offered */
	assert(run_ctl("list --help") == 0 && says("  --json ") && !says("refused"));
	assert(run_ctl("top --help") == 0 && !says("  --json ") &&
	       says("\n--json is refused: this is a page for people"));
	assert(run_ctl("help metrics") == 0 && !says("  --json ") &&
	       says("\n--json is refused: the page is"));
	assert(run_ctl("help session create") == 0 && says("session create [OPTION...] NAME"));
	assert(run_ctl("session --help") == 0 && says("  session release NAME") &&
	       !says("selftest"));
	assert(run_ctl("session create --help") == 0 && says("rdmaregctl session create [OPTION"));
}

static void new_file(char *name, size_t bytes)
{
	int fd = mkstemp(name);

	assert(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
	char full[] = "/tmp/rdmareg-who-XXXXXX", empty[] = "/tmp/rdmareg-who-XXXXXX",
	     odd[] = "/tmp/rdmareg-who-XXXXXX";
	pid_t mock;

	assert(argc == 2);
	ctl = argv[1];
	alarm(80);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	test_regions();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert(run_ctl(bad[i].arguments) == bad[i].status && says(bad[i].said));
	for (size_t i = 0; i < sizeof(misplaced) / sizeof(misplaced[0]); i++)
		assert(run_ctl(misplaced[i].arguments) && says(misplaced[i].said) && !says(TOKEN));
	assert(mock_tell("revoked", 2) == 0 && mock_tell("joined", 2) == 0);
	test_json();
	test_each_property();
	test_devices();
	test_tables_fit();
	test_keepers();
	test_history();
	test_output();
	test_colours();
	test_release();
	test_names();
	test_short_file();
	test_set();
	test_sync();
	test_sessions();
	new_file(full, 4096);
	new_file(empty, 0);
	new_file(odd, 13);
	test_who(full, empty, odd);
	test_nothing(empty);
	unlink(full);
	unlink(empty);
	unlink(odd);
	assert(run_ctl("release 900 2 --json") == 3 && says("{\"released\":[2]}"));
	assert(run_ctl("evict /proc --grace 0") == 0 &&
	       says(" mounted at /proc: 140 regions taken down\n"));
	assert(!strcmp(mock_said(), " grace_usec=0"));
	assert(run_ctl("enforce-limits") == 0 && !strcmp(out, "0 regions taken down\n"));
	assert(run_ctl("evict /usr/bin --containing --json") == 0 &&
	       says("\"regions\":0,\"filesystem\":\""));
	assert(says("\"source\":\"") && says("\"device\":\"") && says("\"mount_point\":\""));
	mock_daemon_stop(mock);
	assert(run_ctl("list") == 1 && says("not running"));
	mock_bus_stop();
	return 0;
}
