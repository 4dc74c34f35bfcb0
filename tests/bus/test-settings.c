// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-settings.c - the settings file: what is documented is what there is and what it defaults to;
 * each error names file and line; a daemon that is told to read a bad file goes on as before.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arbiter/settings-check.h"
#include "arbiter/settings.h"
#include "harness.h"

/* A setting: a reload that is held is not given up while a busy machine gets on with the test. */
#define PATIENT "timeout_msec = 60000\n"

#define LONG "2001:1db8:1111:2222:3333:4444:5555:"
#define LOCAL "fe80::1111:2222:3333:444"

static char directory[64];

static void path_of(const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s", directory, name);
}

static void write_text(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	path_of(name, path);
	f = fopen(path, "we");
	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_file(const char *name)
{
	char path[256];

	path_of(name, path);
	check(unlink(path) == 0);
}

static int load(struct settings *s, struct failure *why)
{
	char path[256];

	path_of("rdmaregd.conf", path);
	memset(s, 0xa5, sizeof(*s));
	return settings_load(path, 0, s, why);
}

/* The documented file with every key in force gives the defaults, and has every key. */
static void test_documented(void)
{
	struct settings defaults, documented;
	struct failure why;
	char line[512];
	size_t keys = 0;
	FILE *in = fopen(getenv("RDMAREG_CONFIG"), "re"), *out;
	char path[256];

	path_of("rdmaregd.conf", path);
	out = fopen(path, "we");
	check(in && out);
	while (fgets(line, sizeof(line), in)) {
		bool is_key =
			line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && strstr(line, " = ");

		keys += is_key;
		check(fputs(line + is_key, out) >= 0);
	}
	fclose(in);
	check(fclose(out) == 0);
	check(keys == settings_count());
	if (load(&documented, &why) < 0)
		check_text(why.text, "");
	settings_default(&defaults);
	check(!memcmp(&defaults, &documented, sizeof(defaults)));
	remove_file("rdmaregd.conf");
	check(load(&documented, &why) == 0 && !memcmp(&defaults, &documented, sizeof(defaults)));
}

/* @text as the file: refused, with this line number and these words; nothing is touched. */
static void refuse(const char *file, const char *text, int line, const char *mentions)
{
	struct settings s, untouched;
	struct failure why = { 0 };
	char start[300];

	memset(&untouched, 0xa5, sizeof(untouched));
	write_text(file, text);
	check(load(&s, &why) < 0);
	check(!memcmp(&s, &untouched, sizeof(s)));
	if (line)
		snprintf(start, sizeof(start), "%s/%s:%d: ", directory, file, line);
	else
		snprintf(start, sizeof(start), "%s/", directory);
	if (strncmp(why.text, start, strlen(start)) || !strstr(why.text, mentions))
		check_text(why.text, mentions);
	remove_file(file);
}

/* @text sets keepers to @keepers, or is refused: in this line, for this. As systemd has it. */
static const struct {
	const char *text;
	uint64_t keepers;
	int line;
	const char *mentions;
} forms[] = {
	{ "[limits]\nkeepers=3\n", 3, 0, NULL },
	{ "[limits]\n  keepers  =  3  \n", 3, 0, NULL },
	{ "\t[limits]\n\tkeepers\t=\t3\t\n", 3, 0, NULL },
	{ "[limits]\r\nkeepers = 3\r\n", 3, 0, NULL },
	{ "\xef\xbb\xbf[limits]\nkeepers = 3", 3, 0, NULL },
	{ "[limits]\nkeepers = 2\nkeepers = 3\n", 3, 0, NULL },
	{ "[limits]\nkeepers = 3\n[daemon]\n[limits]\n", 3, 0, NULL },
	/* comments begin a line, and are none anywhere else */
	{ "# a\n; b\n \t# c\n[limits]\n#keepers = 4\nkeepers = 3\n;keepers = 5\n", 3, 0, NULL },
	{ "[limits]\nkeepers = 3 ; three\n", 0, 2,
	  "'3 ; three' is not valid for keepers: a comment" },
	{ "[limits]\nkeepers = 3 # three\n", 0, 2, "a comment is on a line of its own" },
	{ "[limits]\nkeepers = 3;\n", 0, 2, "'3;' is not valid for keepers" },
	{ "[limits]\nkeepers = # three\n", 0, 2, "a comment is on a line of its own" },
	{ "[limits] # all\nkeepers = 3\n", 0, 1, "nothing behind it" },
	{ "[limits]]\nkeepers = 3\n", 0, 1, "nothing behind it" },
	/* a backslash at the end goes on in the next line that is no comment */
	{ "[limits]\nkeepers = \\\n3\n", 3, 0, NULL },
	{ "[limits]\nkeepers \\\n = \\\n\t3\n", 3, 0, NULL },
	{ "[limits]\nkeepers = \\\n# four\n; five\n3\n", 3, 0, NULL },
	{ "[limits]\nkeepers = 3 \\\n\nlog_level = x\n", 0, 4, "[daemon], not [limits]" },
	{ "[limits]\nkeepers = 3 \\", 3, 0, NULL },
	{ "[limits]\n# four \\\nkeepers = 3\n", 3, 0, NULL },
	{ "[limits]\nkeepers = 1\\\n2\n", 0, 2, "'1 2' is not valid for keepers" },
	{ "[limits]\nkeepers = 3\\\\\n", 0, 2, "is not valid for keepers" },
	{ "[limits]\nkeepers = \\\n\\\n0\nkeepers = 1\n", 0, 2, "from 1 to 4096" },
	{ "[limits]\nkeepers = \\\nx\n", 0, 2, "'x'" },
	{ "[limits]\n\nkeepers = 3\\\n\\\n\\\n\nfoo = 1\n", 0, 7, "no key 'foo'" },
	/* an indented line is a line */
	{ "[limits]\nkeepers = 3\n   tenants_per_uid = 5\n", 3, 0, NULL },
	{ "[limits]\nkeepers = 3\n   4\n", 0, 3, "neither" },
	{ "[limits]\nkeepers: 3\n", 0, 2, "neither" },
	{ "[limits]\nkeepers:a = 3\n", 0, 2, "neither" },
	{ "[limits]\n= 3\n", 0, 2, "no key ''" },
	{ "[]\nkeepers = 3\n", 0, 2, "[limits], not []" },
	{ "\\\n\n[limits]\nkeepers = 3\n", 3, 0, NULL },
};

static void test_forms(void)
{
	struct failure why = { 0 };
	struct settings s;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].line) {
			refuse("rdmaregd.conf", forms[i].text, forms[i].line, forms[i].mentions);
			continue;
		}
		write_text("rdmaregd.conf", forms[i].text);
		if (load(&s, &why) < 0 || s.keepers != forms[i].keepers)
			check_text(why.text, forms[i].text);
		remove_file("rdmaregd.conf");
	}
}

/* A byte 0 does not hide what is behind it; a comment is as long as it likes. */
static void test_bytes(void)
{
	static const char zero[] = "[limits]\nkeepers = 3\0 or more\n";
	char path[256], text[5000];
	struct failure why = { 0 };
	struct settings s;
	FILE *f;

	path_of("rdmaregd.conf", path);
	f = fopen(path, "we");
	check(f && fwrite(zero, 1, sizeof(zero) - 1, f) == sizeof(zero) - 1 && fclose(f) == 0);
	check(load(&s, &why) < 0 && strstr(why.text, "rdmaregd.conf:2: it has a byte 0"));
	memset(text, 'x', sizeof(text));
	memcpy(text, "[limits]\n#", 10);
	strcpy(text + sizeof(text) - 20, "\nkeepers = 3\n");
	write_text("rdmaregd.conf", text);
	check(load(&s, &why) == 0 && s.keepers == 3);
	/* so is a line, up to what one can be, also of many parts */
	strcpy(text, "[limits]\nkeepers = \\\n");
	for (int i = 0; i < 400; i++)
		strcat(text, " \\\n");
	strcat(text, "3\nfoo = 1\n");
	refuse("rdmaregd.conf", text, 2, "longer than");
}

/* --show-config: each setting, with file and line of those that are set. */
static void test_show(void)
{
	char command[300], out[20000], wanted[400];
	size_t n, lines = 0;
	FILE *f;

	write_text("rdmaregd.conf", "[limits]\nkeepers = 3\nbytes_per_tenant = \\\n 2048M\n");
	write_text("conf.d/a.conf", "[daemon]\n\nlog_level = debug\n[limits]\nkeepers = 5\n");
	snprintf(command, sizeof(command), "'%s' --show-config --config %s/rdmaregd.conf",
		 getenv("RDMAREGD"), directory);
	f = popen(command, "r");
	check(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = 0;
	check(pclose(f) == 0);
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		lines++;
	check(lines == settings_count());
	snprintf(wanted, sizeof(wanted), "limits\tkeepers\t5\t%s/conf.d/a.conf\t5\n", directory);
	check(strstr(out, wanted));
	snprintf(wanted, sizeof(wanted), "limits\tbytes_per_tenant\t2G\t%s/rdmaregd.conf\t3\n",
		 directory);
	check(strstr(out, wanted));
	snprintf(wanted, sizeof(wanted), "daemon\tlog_level\tdebug\t%s/conf.d/a.conf\t3\n",
		 directory);
	check(strstr(out, wanted));
	check(strstr(out, "keepers\tkeeper_uids\t60706-61183\t\t0\n"));
	check(strstr(out, "limits\tdax_bytes_per_tenant\t0\t\t0\n"));
	write_text("conf.d/a.conf", "[limits]\nkeepers = no\n");
	strcat(command, " >/dev/null 2>&1");
	check(WEXITSTATUS(system(command)) == 1);
	remove_file("conf.d/a.conf");
	remove_file("rdmaregd.conf");
}

/* rdmaregctl's, of a file in the folder; its exit status. */
static int run_ctl(const char *arguments, char *out, size_t size)
{
	char command[600];
	size_t n;
	FILE *f;
	int r;

	snprintf(command, sizeof(command),
		 "RDMAREG_DAEMON=\"$RDMAREGD\" \"$RDMAREGCTL\" config %s %s/rdmaregd.conf 2>&1",
		 arguments, directory);
	f = popen(command, "r");
	check(f);
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	r = pclose(f);
	check(WIFEXITED(r));
	return WEXITSTATUS(r);
}

/* rdmaregctl config: what the files say, and whether that is right. */
static void test_verbs(void)
{
	char out[20000], wanted[300];

	write_text("rdmaregd.conf", "[limits]\nkeepers = 3\n");
	check(run_ctl("show --changed --no-legend", out, sizeof(out)) == 0);
	snprintf(wanted, sizeof(wanted), "%s/rdmaregd.conf:2\n", directory);
	check(strstr(out, wanted) && strchr(out, '\n')[1] == 0);
	check(run_ctl("show", out, sizeof(out)) == 0);
	check(strstr(out, "SECTION") && strstr(out, "16T ") && strstr(out, " default\n"));
	check(run_ctl("show --json", out, sizeof(out)) == 0);
	check(strstr(out, "\"setting\":\"keepers\",\"value\":\"3\"") &&
	      strstr(out, "\"default\":true,\"file\":null,\"line\":null"));
	check(run_ctl("check", out, sizeof(out)) == 0 && strstr(out, "can be used"));
	write_text("rdmaregd.conf", "[limits]\nkeepers = 0\n");
	snprintf(wanted, sizeof(wanted), "%s/rdmaregd.conf:2: '0' is not valid", directory);
	check(run_ctl("check", out, sizeof(out)) == 1 && strstr(out, wanted));
	check(run_ctl("show", out, sizeof(out)) == 1 && strstr(out, wanted));
	remove_file("rdmaregd.conf");
	check(run_ctl("check", out, sizeof(out)) == 1 && strstr(out, "cannot be read"));
	check(run_ctl("check --json", out, sizeof(out)) == 1);
	check(strstr(out, "{\"valid\":false,\"messages\":[\"") && strstr(out, "cannot be read"));
	write_text("rdmaregd.conf", "");
	check(run_ctl("check --json", out, sizeof(out)) == 0);
	check(!strncmp(out, "{\"valid\":true,\"messages\":[", 26));
	remove_file("rdmaregd.conf");
	check(run_ctl("check x", out, sizeof(out)) == 2);
	check(system("RDMAREG_DAEMON=/nonexistent \"$RDMAREGCTL\" config show 2>/dev/null") ==
	      1 << 8);
}

static void test_errors(void)
{
	char text[1024], path[256];

	refuse("rdmaregd.conf", "[limits]\nkeepers = 0\n", 2, "from 1 to 4096");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 4097\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\nkeepers = -1\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 99999999999999999999999\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\n\n; x\nkeepers = 12x\n", 4, "'12x'");
	refuse("rdmaregd.conf", "[limits]\nkeepers =\n", 2, "''");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 1K\n", 2, "'1K'");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 1P\n", 2, "K, M, G or T");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 99999999T\n", 2, "bytes_per_tenant");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 1KK\n", 2, "bytes_per_tenant");
	refuse("rdmaregd.conf", "[daemon]\nlog_level = loud\n", 2, "warning notice");
	refuse("rdmaregd.conf", "[keepers]\nspawn = yes\n", 2, "auto direct systemd");
	refuse("rdmaregd.conf", "[keepers]\ngroup = a b\n", 2, "without blanks");
	refuse("rdmaregd.conf", "[keepers]\nkeeper_uids = 61000\n", 2, "two user ids");
	refuse("rdmaregd.conf", "[keepers]\nkeeper_uids = 0-7\n", 2, "two user ids");
	refuse("rdmaregd.conf", "[keepers]\nkeeper_uids = 9-7\n", 2, "two user ids");
	refuse("rdmaregd.conf", "[keepers]\nkeeper_uids = 65000-66000\n", 2, "two user ids");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = storage-1\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.256\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = fe80::1::2\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address =\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = ,,\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1,any\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1;10.0.0.2\n", 2, "numeric");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = ::1,::2,::3,::4,::5\n", 2,
	       "one to four");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1, 10.0.0.2\n", 2,
	       "without blanks");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1,10.0.0.2,10.0.0.1\n", 2,
	       "each named once");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = fd00::1,fd00:0:0::0001\n", 2,
	       "each named once");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = fe80::1%1,fe80::1%lo\n", 2, "differ");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1,::ffff:10.0.0.1\n", 2,
	       "without ::ffff:");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = ::ffff:10.0.0.1\n", 2,
	       "without ::ffff:");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = fd00::1,fd00::1%1\n", 2,
	       "without %DEVICE");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 10.0.0.1,0.0.0.0\n", 2, "write any");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = ::\n", 2, "write any");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 224.0.0.1\n", 2, "multicast");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = ff02::1%lo\n", 2, "multicast");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = 255.255.255.255\n", 2, "broadcast");
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = fe80::1%lo,fe80::1%lo\n", 2,
	       "each named once");
	/* of full length, with ports: twice 47 and a comma of the 95 that a ticket has */
	refuse("rdmaregd.conf", "[keepers]\nlisten_address = " LONG "6666," LONG "7777,::1\n", 2,
	       "a ticket has to name all of them");
	refuse("rdmaregd.conf",
	       "[keepers]\nlisten_address = " LOCAL "1%lo," LOCAL "2%lo," LOCAL "3%lo\n", 2,
	       "a ticket has to name all of them");
	refuse("rdmaregd.conf", "[keepers]\nslice = rdmareg\n", 2, ".slice");
	refuse("rdmaregd.conf", "[keepers]\nslice = .slice\n", 2, ".slice");
	refuse("rdmaregd.conf", "[keepers]\nslice = a/%u.slice\n", 2, ".slice");
	refuse("rdmaregd.conf", "[keepers]\nslice = a-%u-%u.slice\n", 2, "one %u");
	refuse("rdmaregd.conf", "[keepers]\nslice = a-%i.slice\n", 2, "one %u");
	refuse("rdmaregd.conf", "[keepers]\nslice = -a.slice\n", 2, "dash");
	refuse("rdmaregd.conf", "[keepers]\nslice = a--%u.slice\n", 2, "dash");
	refuse("rdmaregd.conf", "[keepers]\nslice = a-.slice\n", 2, "dash");
	refuse("rdmaregd.conf", "[keepers]\nquirks_directory = cache\n", 2, "absolute");
	refuse("rdmaregd.conf", "[keepers]\nkeepers = 3\n", 2, "[limits], not [keepers]");
	refuse("rdmaregd.conf", "keepers = 3\n", 1, "[limits], not []");
	refuse("rdmaregd.conf", "[limit]\nfoo = 3\n", 2, "no key 'foo'");
	refuse("rdmaregd.conf", "[limits]\nkeepers 3\n", 2, "neither");
	refuse("rdmaregd.conf", "[limits\nkeepers = 3\n", 1, "neither");
	refuse("rdmaregd.conf", "[limits]\nfoo = 1\nkeepers 3\n", 2, "no key 'foo'");
	refuse("rdmaregd.conf", "[limits]\nkeepers 3\nfoo = 1\n", 2, "neither");
	refuse("rdmaregd.conf", "[regions]\ngrace_msec = 10\nmax_grace_msec = 9\n", 3,
	       "must not exceed");
	refuse("rdmaregd.conf", "[pre-content]\nwatchdog_msec = 3\n", 2,
	       "watchdog_msec (3) must be 0 or at least 100");
	refuse("rdmaregd.conf", "[keepers]\nalignment = 3\n", 2,
	       "alignment (3) must be 0 or a power of two");
	memset(text, 'x', sizeof(text));
	memcpy(text, "[limits]\n", 9);
	text[sizeof(text) - 1] = 0;
	refuse("rdmaregd.conf", text, 2, "longer than");

	path_of("conf.d", path);
	check(mkdir(path, 0755) == 0);
	refuse("conf.d/10.conf", "[limits]\nkeepers = x\n", 2, "'x'");
	/* of two that do not fit together the later one is named, whichever that is */
	write_text("conf.d/05.conf", "[regions]\ngrace_msec = 10\n");
	refuse("conf.d/10.conf", "[regions]\n\nmax_grace_msec = 9\n", 3, "must not exceed");
	write_text("conf.d/05.conf", "[regions]\nmax_grace_msec = 10\n");
	refuse("conf.d/10.conf", "\n[regions]\ngrace_msec = 11\n", 3, "must not exceed");
	remove_file("conf.d/05.conf");
	path_of("rdmaregd.conf", path);
	check(mkdir(path, 0755) == 0);
	{
		struct settings s;
		struct failure why;

		check(load(&s, &why) < 0 && strstr(why.text, "cannot be read"));
		check(rmdir(path) == 0);
		check(settings_load(path, 1, &s, &why) < 0 && strstr(why.text, "No such file"));
	}
}

static void test_order(void)
{
	struct settings s;
	struct failure why;
	char path[256];

	write_text("rdmaregd.conf",
		   "[limits]\nkeepers = 1\nregions_per_tenant = 1\ntenants_per_uid=1\n");
	write_text("conf.d/10.conf", "[limits]\nkeepers = 2\n; comment\nregions_per_tenant = 2\n");
	write_text("conf.d/20.conf", "# comment\n[limits]\nkeepers = 3\nbytes_per_tenant = 2G\n");
	write_text("conf.d/30.conf.bak", "nonsense");
	check(load(&s, &why) == 0);
	check(s.keepers == 3 && s.regions_per_tenant == 2 && s.tenants_per_uid == 1 &&
	      s.bytes_per_tenant == 2ull << 30);
	remove_file("rdmaregd.conf");
	remove_file("conf.d/10.conf");
	remove_file("conf.d/20.conf");
	remove_file("conf.d/30.conf.bak");
	path_of("conf.d", path);
	check(rmdir(path) == 0);
}

/* --check-config: its exit status; what it says goes to @out. */
static int run_check(char *out, size_t size)
{
	char command[600];
	int status;
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' --check-config --config %s/rdmaregd.conf 2>&1",
		 getenv("RDMAREGD"), directory);
	f = popen(command, "r");
	check(f);
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	status = pclose(f);
	check(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_check(const char *text, int line, const char *mentions)
{
	char out[1000], start[300];
	int status;

	write_text("rdmaregd.conf", text);
	status = run_check(out, sizeof(out));
	snprintf(start, sizeof(start), "%s/rdmaregd.conf:%d: ", directory, line);
	if (status != (line ? 1 : 0) || (line && strncmp(out, start, strlen(start))) ||
	    !strstr(out, mentions))
		check_text(out, mentions);
	remove_file("rdmaregd.conf");
}

/* What the settings name is looked for by --check-config, and what cannot be is said. */
static void test_machine(void)
{
	char text[600];

	expect_check("[keepers]\ngroup = no-such-group-here\n", 2, "a group of this machine");
	expect_check("[keepers]\ngroup = root,no-such-group-here\n", 2, "a group of this machine");
	expect_check("[keepers]\ngroup = root\n", 0, "Only at start");
	expect_check("[keepers]\ngroup =\n", 0, "listen_address");
	expect_check("[keepers]\nquirks_directory = /dev/null\n", 2, "a folder");
	expect_check("[keepers]\nquirks_directory = /dev/null/x\n", 2, "a folder");
	expect_check("[keepers]\nquirks_directory = /nonexistent/x\n", 2, "can be made");
	snprintf(text, sizeof(text), "[keepers]\ngroup =\nquirks_directory = %s/new/\n", directory);
	expect_check(text, 0, "Only at start");
	expect_check("[keepers]\ngroup =\nslice = a-%u.slice\nlisten_address = ::1\n", 0,
		     "Only at start");
	expect_check("[keepers]\ngroup =\nlisten_address = 10.0.0.1,fd00::1,10.0.0.2,fd00::2\n", 0,
		     "Only at start");
	expect_check("[keepers]\ngroup =\nlisten_address = " LONG "6666," LONG "7777\n", 0,
		     "Only at start");
	expect_check("[keepers]\ngroup =\nlisten_address = " LOCAL "1%lo," LOCAL "2%lo\n", 0,
		     "Only at start");
	/* who did not get it does not know */
	check(system("\"$RDMAREGD\" --help >/dev/full 2>/dev/null") == 1 << 8);
	check(system("\"$RDMAREGD\" --version >/dev/full 2>/dev/null") == 1 << 8);
	expect_check("[keepers]\nlisten_address = host.example\n", 2, "numeric");
}

/* Each error is told, also of defaults that this machine has no use for. */
static void test_all_errors(void)
{
	char out[3000], path[256];

	write_text("rdmaregd.conf", "[limits]\nkeepers = many\n[keepers]\nslice = x\nport = -1\n");
	path_of("conf.d", path);
	check(mkdir(path, 0755) == 0);
	write_text("conf.d/a.conf", "[daemon]\nkeepers = 3\n");
	write_text("conf.d/b.conf", "[keepers]\nport = 7\nspawn = never\n");
	check(run_check(out, sizeof(out)) == 1);
	check(strstr(out, "/rdmaregd.conf:2: 'many' is not valid for keepers"));
	check(strstr(out, "/rdmaregd.conf:4: 'x' is not valid for slice"));
	check(strstr(out, "/rdmaregd.conf:5: '-1' is not valid for port"));
	check(strstr(out, "/conf.d/a.conf:2: key 'keepers' belongs into"));
	check(strstr(out, "/conf.d/b.conf:3: 'never' is not valid for spawn"));
	remove_file("conf.d/a.conf");
	remove_file("conf.d/b.conf");
	check(rmdir(path) == 0);
	if (!machine_groups("rdmareg"))
		return;
	write_text("rdmaregd.conf", "");
	check(run_check(out, sizeof(out)) == 0);
	check(strstr(out, "/rdmaregd.conf: note: 'rdmareg', the default of group, is not a group"));
	remove_file("rdmaregd.conf");
}

/* What is there in place of the file, and never ends or never comes. */
static void test_no_files(void)
{
	char path[256], out[1000];
	FILE *f;

	path_of("rdmaregd.conf", path);
	check(mkfifo(path, 0600) == 0);
	check(run_check(out, sizeof(out)) == 1 &&
	      strstr(out, "/rdmaregd.conf: cannot be read: it is a pipe"));
	remove_file("rdmaregd.conf");
	check(mkdir(path, 0700) == 0);
	check(run_check(out, sizeof(out)) == 1 && strstr(out, "Is a directory"));
	check(rmdir(path) == 0 && symlink("/dev/zero", path) == 0);
	check(run_check(out, sizeof(out)) == 1 && strstr(out, "it has more than 1048576 bytes"));
	remove_file("rdmaregd.conf");
	f = fopen(path, "we");
	check(f);
	for (int i = 0; i < 70000; i++)
		check(fputs("# fifteen more\n", f) >= 0);
	check(fclose(f) == 0);
	check(run_check(out, sizeof(out)) == 1 && strstr(out, "it has more than 1048576 bytes"));
	remove_file("rdmaregd.conf");
}

/*
 * A file that never comes, as of a dead server: whoever asked is answered, and so is everybody
 * meanwhile.
 */
static void test_silent_settings(struct world *w, sd_bus *b)
{
	char path[128], text[8000];
	struct later l, more[3];
	struct reply r;
	int fd;

	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/conf.d/silent.conf", w->directory);
	check(mkfifo(path, 0600) == 0);
	world_write_settings(w, "[limits]\nregions_per_tenant = 15\n");
	send_later(b, new_manager_call(b, "Reload"), &l);
	check(get_manager_number(b, "MaxRegionsPerTenant") == 13);
	await_answer(b, &l);
	expect_error(&l.reply, "Failed", "could not be looked up within");
	check(get_manager_number(b, "MaxRegionsPerTenant") == 13);
	/* no more threads sleep in it than a user has; who asks by a signal sees it in the status */
	for (size_t i = 0; i < 3; i++)
		send_later(b, new_manager_call(b, "Reload"), &more[i]);
	for (size_t i = 0; i < 3; i++)
		await_answer(b, &more[i]);
	check(kill(w->daemon, SIGHUP) == 0);
	until(world_log_contains(w, "settings stay as they were: files that this user passed"));
	world_ctl(w, "status", text, sizeof(text));
	check(strstr(text, "settings that were to be read, do not answer"));
	/* its end comes too late to count */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	check(fd >= 0 && unlink(path) == 0 && close(fd) == 0);
	until(finish_call(b, new_manager_call(b, "Reload"), &r)); /* once a thread has ended */
	check(get_manager_number(b, "MaxRegionsPerTenant") == 15);
	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(rmdir(path) == 0);
}

/*
 * More of the settings are in a file that does not end before it is closed; returns it as soon as
 * somebody reads it.
 */
static int hold_reading(const char *path)
{
	int fd;

	until((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	return fd;
}

/*
 * The first of several finds settings with 1 region and ends last, after those that began later and
 * found others. By the bus and by signals, which nobody waits for.
 */
static void test_order_of_reloads(struct world *w, sd_bus *b, bool by_signal)
{
	struct later first;
	char path[128], aside[128];
	struct reply r;
	int fd;

	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/conf.d/held.conf", w->directory);
	snprintf(aside, sizeof(aside), "%s/held.conf", w->directory);
	check(mkfifo(path, 0600) == 0);
	world_write_settings(w, PATIENT "[limits]\nregions_per_tenant = 1\n");
	if (by_signal)
		check(kill(w->daemon, SIGHUP) == 0);
	else
		send_later(b, new_manager_call(b, "Reload"), &first);
	check(by_signal || sd_bus_flush(b) >= 0);
	fd = hold_reading(path);
	check(rename(path, aside) == 0);
	for (uint64_t n = 21; n < 24; n++) { /* each of these is over before the next */
		char settings[100];

		snprintf(settings, sizeof(settings), PATIENT "[limits]\nregions_per_tenant = %d\n",
			 (int)n);
		world_write_settings(w, settings);
		check(finish_call(b, new_manager_call(b, "Reload"), &r));
		check(get_manager_number(b, "MaxRegionsPerTenant") == n);
	}
	/* one that fails puts nothing in force, so the one before it stays */
	world_write_settings(w, "[limits]\nregions_per_tenant = many\n");
	check(!finish_call(b, new_manager_call(b, "Reload"), &r));
	check(close(fd) == 0);
	if (by_signal) {
		until(world_log_contains(w, "settings that a later reload read are in force"));
	} else {
		await_answer(b, &first);
		expect_error(&first.reply, "Failed",
			     "settings that a later reload read are in force");
	}
	check(get_manager_number(b, "MaxRegionsPerTenant") == 23);
	check(unlink(aside) == 0);
	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(rmdir(path) == 0);
}

/*
 * Of as many as there can be at a time, the last is in force; one more is refused, but a signal is
 * not forgotten.
 */
static void test_many_reloads(struct world *w, sd_bus *b)
{
	struct later l[17];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/conf.d/held.conf", w->directory);
	check(mkfifo(path, 0600) == 0);
	world_write_settings(w, PATIENT "[limits]\nregions_per_tenant = 1\n");
	for (size_t i = 0; i < 17; i++)
		send_later(b, new_manager_call(b, "Reload"), &l[i]);
	fd = hold_reading(path);
	await_answer(b, &l[16]);
	expect_error(&l[16].reply, "LimitExceeded", "16 reloads are under way");
	check(kill(w->daemon, SIGHUP) == 0);
	check(get_manager_number(b, "MaxRegionsPerTenant") == 23);
	/*
	 * Who reads is held since he opened the pipe, which one has done for sure. Once it is
	 * unlinked the others are held no more, and so are those that wait for their turn: what
	 * they shall find must be there before.
	 */
	world_write_settings(w, PATIENT "[limits]\nregions_per_tenant = 24\n");
	check(unlink(path) == 0);
	check(close(fd) == 0);
	until(get_manager_number(b, "MaxRegionsPerTenant") == 24);
	for (size_t i = 0; i < 16; i++)
		await_answer(b, &l[i]);
	check(get_manager_number(b, "MaxRegionsPerTenant") == 24);
	snprintf(path, sizeof(path), "%s/conf.d", w->directory);
	check(rmdir(path) == 0);
}

/* The daemon: a good file counts at once, a bad one changes nothing. */
static void test_reload(void)
{
	struct reply r;
	struct world w;
	sd_bus *b;

	world_begin(&w, "[limits]\nregions_per_tenant = 11\n");
	b = connect_client(&w);
	check(get_manager_number(b, "MaxRegionsPerTenant") == 11);
	world_write_settings(&w, "[limits]\nregions_per_tenant = 12\n");
	check(kill(w.daemon, SIGHUP) == 0);
	until(get_manager_number(b, "MaxRegionsPerTenant") == 12);
	world_write_settings(&w,
			     "[regions]\ngrace_msec = 1\n[limits]\nregions_per_tenant = many\n");
	check(kill(w.daemon, SIGHUP) == 0);
	until(world_log_contains(&w, "rdmaregd.conf:10: 'many' is not valid"));
	check(get_manager_number(b, "MaxRegionsPerTenant") == 12 &&
	      get_manager_number(b, "GraceUSec") == 1000000);

	/* who asks for it over the bus waits for the outcome, and hears what is wrong */
	check(!finish_call(b, new_manager_call(b, "Reload"), &r));
	expect_error(&r, "Failed", "rdmaregd.conf:10: 'many' is not valid");
	check(get_manager_number(b, "MaxRegionsPerTenant") == 12);
	world_write_settings(&w, PATIENT "[limits]\nregions_per_tenant = 13\n");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	check(get_manager_number(b, "MaxRegionsPerTenant") == 13);
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	/* what --check-config refuses is refused here, too */
	world_write_settings(
		&w, "[limits]\nregions_per_tenant = 14\n[keepers]\ngroup = no-such-group\n");
	check(!finish_call(b, new_manager_call(b, "Reload"), &r));
	expect_error(
		&r, "Failed",
		"rdmaregd.conf:10: 'no-such-group' is not valid for group: it must be a group");
	check(get_manager_number(b, "MaxRegionsPerTenant") == 13);
	test_order_of_reloads(&w, b, false);
	test_order_of_reloads(&w, b, true);
	test_many_reloads(&w, b);
	world_write_settings(&w, "timeout_msec = 1000\n[limits]\nregions_per_tenant = 13\n");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	test_silent_settings(&w, b);
	disconnect(b);
	world_end(&w);
}

int main(void)
{
	strcpy(directory, "/tmp/rdmareg-settings-XXXXXX");
	check(mkdtemp(directory));
	test_documented();
	test_errors();
	test_forms();
	test_bytes();
	test_show();
	test_verbs();
	test_order();
	test_machine();
	test_all_errors();
	test_no_files();
	check(rmdir(directory) == 0);
	test_reload();
	return 0;
}
