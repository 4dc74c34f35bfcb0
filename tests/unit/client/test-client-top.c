// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-top.c - rdmaregctl top through a terminal that is a pseudo-terminal, against a played
 * daemon (fakes/rdmaregd.h): what is drawn fits the terminal, also after it got another size; keys
 * sort, filter, show one region and end; the terminal is given back; and without one it is a page
 * of plain text. argv[1]: rdmaregctl.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "client/ctl/screen.c"
#include "tests/fakes/rdmaregd.h"

#define REGIONS 30
#define WAIT_MSEC 120000 /* what is slow is no fault */

static const char *ctl;
static char seen[1 << 20]; /* since the last draw() */
static size_t used;

/* Waits until this is drawn after what was waited for before. */
static void await(int terminal, const char *text)
{
	struct pollfd in = { .fd = terminal, .events = POLLIN };

	while (!strstr(seen, text)) {
		ssize_t n;

		if (used > sizeof(seen) / 2)
			used = 0;
		if (poll(&in, 1, WAIT_MSEC) <= 0) {
			fprintf(stderr, "not drawn: %s\nbut: %s\n", text, seen);
			abort();
		}
		n = read(terminal, seen + used, sizeof(seen) - used - 1);
		assert(n > 0);
		used += (size_t)n;
		seen[used] = 0;
	}
}

static void press(int terminal, const char *keys)
{
	used = 0;
	*seen = 0;
	assert(write(terminal, keys, strlen(keys)) == (ssize_t)strlen(keys));
}

/* No line of what was drawn last is wider than that, and no other sequences are in it. */
static void expect_fits(unsigned int columns)
{
	const char *last = seen, *next;
	unsigned int width = 0;

	while ((next = strstr(last + 1, "\033[H"))) /* each page begins there */
		last = next;
	for (const char *p = last; *p; p++) {
		if (*p == '\033') {
			assert(p[1] == '[');
			p += 2 + strspn(p + 2, "?0123456789;");
			if (!*p)
				return; /* the rest is on its way */
			assert(strchr("HJKhlm", *p));
		} else if (*p == '\r' || *p == '\n') {
			width = 0;
		} else {
			assert((unsigned char)*p >= ' ' && *p != 0x7f);
			assert(++width <= columns);
		}
	}
}

static void resize(int terminal, unsigned short columns, unsigned short lines)
{
	const struct winsize w = { .ws_col = columns, .ws_row = lines };

	used = 0;
	*seen = 0;
	assert(ioctl(terminal, TIOCSWINSZ, &w) == 0);
}

static pid_t begin(int *ret_terminal, const char *kind)
{
	const struct winsize w = { .ws_col = 80, .ws_row = 24 };
	pid_t pid = forkpty(ret_terminal, NULL, NULL, &w);

	assert(pid >= 0);
	if (pid)
		return pid;
	setenv("TERM", kind, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	execl(ctl, "rdmaregctl", "top", (char *)NULL);
	_exit(127);
}

static int end(pid_t pid, int terminal)
{
	char rest[4096];
	int status;

	/* the last bytes are taken, or it would wait for that */
	while (read(terminal, rest, sizeof(rest)) > 0)
		;
	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	close(terminal);
	return WEXITSTATUS(status);
}

#define TEN "abcdefghij"

/* What is in a name, and what of it reaches a terminal of so many columns; 0: any. */
static const struct {
	const char *name;
	unsigned int columns;
	const char *shown;
} names[] = {
	{ "plain", 0, "plain\n" },
	{ "plain", 3, "pla\n" },
	{ "a\033[2Jb", 0, "a?[2Jb\n" },
	{ "a\033]0;title\ab", 0, "a?]0;title?b\n" },
	{ "a\nb\rc\td\be\177", 0, "a?b?c?d?e?\n" },
	{ "\302\2332J", 0, "?2J\n" },		     /* CSI of C1, in UTF-8 */
	{ "\2332J\377", 0, "?2J?\n" },		     /* and as a byte, which is no UTF-8 */
	{ "\342\200\256evil", 0, "?evil\n" },	     /* right to left */
	{ "\357\273\277x\342\200\213", 0, "?x?\n" }, /* of no width */
	{ "\303\251\303\251", 1, "\303\251\n" },
	{ "\346\227\245\346\227\245", 3, "\346\227\245\n" }, /* two columns each */
	{ "\346\227", 0, "??\n" },
	{ "", 1, "\n" },
	{ TEN TEN TEN TEN, 40, TEN TEN TEN TEN "\n" },
	{ TEN TEN TEN TEN "x", 40, TEN TEN TEN "abcdefg...\n" },
};

static void test_names(void)
{
	struct page p = { 0 };

	assert(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		page_clear(&p);
		p.columns = names[i].columns;
		page_add(&p, "%s", names[i].name);
		if (strcmp(p.text, names[i].shown) != 0) {
			fprintf(stderr, "name %zu: %s", i, p.text);
			abort();
		}
	}
	page_free(&p);
}

static void test_screen(void)
{
	int terminal;
	pid_t pid = begin(&terminal, "xterm");

	await(terminal, "\033[?1049h");
	await(terminal, "by invalidations");
	await(terminal, "PEERS  PATH");
	await(terminal, "\033[J");
	expect_fits(80);
	press(terminal, "s");
	await(terminal, "by writebacks");
	expect_fits(80);
	press(terminal, "/zzz");
	await(terminal, "0 regions, 0 being revoked, by writebacks, with zzz_");
	press(terminal, "\033");
	await(terminal, "30 regions");
	press(terminal, "\r");
	await(terminal, "by removal");
	press(terminal, "\r");
	await(terminal, "PEERS  PATH");
	resize(terminal, 200, 50);
	await(terminal, "PEERS  OF ");
	await(terminal, "\033[J");
	expect_fits(200);
	resize(terminal, 20, 4);
	await(terminal, "    ID STATE       I\033");
	await(terminal, "\033[J");
	expect_fits(20);
	press(terminal, "q");
	await(terminal, "\033[?1049l");
	assert(end(pid, terminal) == 0);
}

/* A signal ends it as a key does. */
static void test_signal(void)
{
	int terminal;
	pid_t pid = begin(&terminal, "xterm");

	await(terminal, "by invalidations");
	press(terminal, "\003");
	await(terminal, "\033[?1049l");
	assert(end(pid, terminal) == 0);
}

/* A terminal that cannot be drawn on, a pipe, and --once: one page, and nothing but text. */
static void test_plain(void)
{
	static const char *const commands[] = { "top </dev/null", "top --once",
						"top --once --sort peers", "top --filter path" };
	char command[512], out[65536];
	int terminal;
	pid_t pid;

	used = 0;
	*seen = 0;
	pid = begin(&terminal, "dumb");
	await(terminal, "30 regions");
	assert(end(pid, terminal) == 0 && !strchr(seen, '\033'));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		size_t n;
		FILE *f;

		snprintf(command, sizeof(command), "TERM=xterm '%s' %s", ctl, commands[i]);
		f = popen(command, "r");
		assert(f);
		n = fread(out, 1, sizeof(out) - 1, f);
		out[n] = 0;
		assert(pclose(f) == 0);
		assert(strstr(out, " regions, 0 being revoked, by ") && strstr(out, "PATH\n"));
		assert(!strchr(out, '\033'));
	}
	snprintf(command, sizeof(command), "'%s' top --sort size >/dev/null 2>&1", ctl);
	assert(WEXITSTATUS(system(command)) == 2);
	snprintf(command, sizeof(command), "'%s' top --once --json 2>&1 | grep -q 'list --json'",
		 ctl);
	assert(WEXITSTATUS(system(command)) == 0);
	snprintf(command, sizeof(command), "'%s' top --once --json >/dev/null 2>&1", ctl);
	assert(WEXITSTATUS(system(command)) == 2);
}

int main(int argc, char **argv)
{
	pid_t daemon;

	assert(argc == 2);
	ctl = argv[1];
	test_names();
	if (mock_bus_start())
		return 77;
	daemon = mock_daemon_start();
	mock_tell("populate", REGIONS);
	test_screen();
	used = 0;
	*seen = 0;
	test_signal();
	test_plain();
	mock_daemon_stop(daemon);
	mock_bus_stop();
	return 0;
}
