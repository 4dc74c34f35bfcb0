// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - rdmaregctl: finds the verb, reads its options, runs it. What verbs need of the process
 * as a whole is here too: the connection, the way errors are said, and the exit status each of them
 * gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "config.h"
#include "ctl.h"
#include "format.h"
#include "proto/names.h"
#include "shown.h"

/* A line each. */
/* clang-format off */
static const struct verb *const verbs[] = {
	&verb_register,
	&verb_list,
	&verb_show,
	&verb_set,
	&verb_release,
	&verb_export,
	&verb_prefetch,
	&verb_revoke,
	&verb_sync,
	&verb_evict,
	&verb_enforce_limits,
	&verb_reload,
	&verb_metrics,
	&verb_top,
	&verb_config_show,
	&verb_config_check,
	&verb_status,
	&verb_doctor,
	&verb_drain,
	&verb_undrain,
	&verb_who,
	&verb_history,
	&verb_join,
	&verb_watch,
	&verb_put,
	&verb_get,
	&verb_selftest,
	&verb_devices,
	&verb_dax_create,
	&verb_dax_destroy,
	&verb_keeper_list,
	&verb_keeper_replace,
	&verb_standing_list,
	&verb_standing_remove,
	&verb_standing_restore,
	&verb_session_create,
	&verb_session_list,
	&verb_session_show,
	&verb_session_set,
	&verb_session_drain,
	&verb_session_release,
	&verb_session_run,
};
/* clang-format on */

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

/*
 * Whoever has a ticket has the access, and errors end in logs. So wherever one got into a message,
 * by being given in the place of something else, no more of it is shown than that it is one.
 */
static void hide_tickets(char *text)
{
	static const char shown[] = CTL_TICKET_SCHEME "...";
	size_t length;

	for (char *at = text; (at = strstr(at, CTL_TICKET_SCHEME)); at += length) {
		length = strcspn(at, " \t\r\n");
		while (strchr(":;,'\"", at[length - 1])) /* of the sentence */
			length--;
		if (length <
		    sizeof(shown) - 1) /* nothing of it is secret yet; another one may follow */
			continue;
		memcpy(at, shown, sizeof(shown) - 1);
		memmove(at + sizeof(shown) - 1, at + length, strlen(at + length) + 1);
		length = sizeof(shown) - 1;
	}
}

/* One line, whatever it is made of: names of files are other people's. */
int ctl_error(int status, const char *format, ...)
{
	_cleanup_(text_cleanup) char *shown = NULL;
	char *text = NULL;
	va_list args;

	fflush(stdout);
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text) {
		hide_tickets(text);
		shown = shown_copy(text);
	}
	fprintf(stderr, "rdmaregctl: %s\n", shown ? shown : "out of memory");
	free(text);
	return status;
}

bool ctl_is_ticket(const char *text)
{
	return !strncmp(text, CTL_TICKET_SCHEME, strlen(CTL_TICKET_SCHEME));
}

static int status_of(int error)
{
	switch (error) {
	case -ENOENT:
		return EXIT_NOT_FOUND;
	case -ENXIO: /* from the bus it is a session */
		return *rdmareg_last_error_name() ? EXIT_NOT_FOUND : EXIT_FAILED;
	case -EACCES:
	case -EPERM:
		return EXIT_DENIED;
	case -EINVAL: /* an option has a value that cannot be */
		return EXIT_USAGE;
	case -ENODEV:
		return EXIT_NO_HARDWARE;
	default:
		return EXIT_FAILED;
	}
}

/*
 * The last word of the error's name on the bus, to be looked up by: " [Timeout]"; "": it is not
 * from there.
 */
static const char *describe_name(char out[static 64])
{
	const char *dot = strrchr(rdmareg_last_error_name(), '.');

	*out = 0;
	if (dot)
		snprintf(out, 64, " [%.60s]", dot + 1);
	return out;
}

static bool silent;

bool ctl_is_silent(void)
{
	return silent;
}

void ctl_left_out(size_t n)
{
	ctl_error(EXIT_FAILED, "rdmaregd does not answer: %zu more %s not asked for", n,
		  n == 1 ? "was" : "were");
}

/* A timeout with which it answers is a keeper's. */
static void note_silence(int error)
{
	silent = silent ||
		 (error == -ETIMEDOUT && strncmp(rdmareg_last_error_name(), RDMAREG_ERROR_PREFIX,
						 strlen(RDMAREG_ERROR_PREFIX)) != 0);
}

int ctl_failed(int error)
{
	char name[64];

	note_silence(error);
	return ctl_error(status_of(error), "%s%s", rdmareg_last_error(), describe_name(name));
}

int ctl_failed_about(const char *subject, int error)
{
	char name[64];

	note_silence(error);
	return ctl_error(status_of(error), "%s: %s%s", subject, rdmareg_last_error(),
			 describe_name(name));
}

struct rdmareg *ctl_context(struct ctl *ctl, int *ret_status)
{
	/* Somebody who types can type a password, too (agent.h); a script is not to hang on one. */
	const struct rdmareg_open_options o = { .size = sizeof(o),
						.interactive = isatty(STDIN_FILENO) };
	int r;

	if (ctl->context)
		return ctl->context;
	r = rdmareg_open(&o, &ctl->context);
	if (r < 0) {
		/* A bus that is not there is no region that is not found. */
		*ret_status = r == -ENOENT ? ctl_error(EXIT_FAILED, "%s", rdmareg_last_error())
					   : ctl_failed(r);
		return NULL;
	}
	return ctl->context;
}

int ctl_request(struct ctl *ctl, int (*request)(struct rdmareg *c))
{
	struct rdmareg *context;
	int r;

	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = request(context);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

int ctl_not_opened(const char *path, const char *how)
{
	int status = EXIT_FAILED;

	if (errno == ENOENT || errno == ENOTDIR)
		status = EXIT_NOT_FOUND;
	else if (errno == EACCES || errno == EPERM || errno == EROFS)
		status = EXIT_DENIED;
	return ctl_error(status, "opening %s%s%s: %s", path, *how ? " " : "", how, strerror(errno));
}

int ctl_open_path(const char *path, int *ret_fd)
{
	*ret_fd = open(path, O_PATH | O_CLOEXEC);
	return *ret_fd < 0 ? ctl_not_opened(path, "") : EXIT_OK;
}

static int write_error; /* the first; 0: none that is known */

static void note_written(int r)
{
	if (r < 0 && !write_error)
		write_error = errno;
}

void ctl_print_json(json_object *o)
{
	note_written(puts(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	ctl_flush();
	json_object_put(o);
}

void ctl_not_written(void)
{
	note_written(-1);
}

void ctl_flush(void)
{
	note_written(fflush(stdout));
}

bool ctl_is_terminal(int fd)
{
	const char *kind = getenv("TERM");

	return isatty(fd) && kind && *kind && strcmp(kind, "dumb") != 0;
}

/* Output that nobody got is no success, whatever was done. */
static int finish(int status)
{
	ctl_flush();
	if (!ferror(stdout) && !write_error)
		return status;
	if (write_error != EPIPE) /* who went away has what it wanted, as head(1) */
		ctl_error(EXIT_FAILED, "writing the output: %s",
			  write_error ? strerror(write_error) : "not all of it could be written");
	return status ? status : EXIT_FAILED;
}

/* A line for each; @group: only those of it. */
static void print_verbs(const char *group)
{
	char left[64];

	for (size_t i = 0; i < N_VERBS; i++) {
		if (group && strncmp(verbs[i]->name, group, strlen(group)))
			continue;
		snprintf(left, sizeof(left), "%s %s", verbs[i]->name, verbs[i]->arguments);
		printf("  %-26s %s\n", left, verbs[i]->summary);
	}
}

static void print_usage(void)
{
	printf("rdmaregctl VERB [OPTION...] [ARGUMENT...]\n\n"
	       "Make files reachable for RDMA without pinning them, and access them as a peer.\n\n");
	print_verbs(NULL);
	printf("\nEvery verb knows --no-legend, --no-pager and --help, and --json unless its help "
	       "says otherwise.\n"
	       "Sizes take K, M, G or T; times take us, ms, s, min or h. See rdmaregctl(1).\n");
}

/* The next word that is no option, which a verb may stand behind; @argc: there is none. */
static int next_word(int argc, char **argv, int at)
{
	while (at < argc && argv[at][0] == '-' && strcmp(argv[at], "--help") &&
	       strcmp(argv[at], "-h") && strcmp(argv[at], "--version"))
		at++;
	return at;
}

static void take_out(int *argc, char **argv, int at)
{
	for (; at + 1 < *argc; at++)
		argv[at] = argv[at + 1];
	argv[--*argc] = NULL;
}

/* Does @name begin with this word? The rest of it then. */
static const char *behind(const char *name, const char *word)
{
	size_t n = strlen(word);

	return !strncmp(name, word, n) && (!name[n] || name[n] == ' ') ? name + n : NULL;
}

/*
 * The verb at @at, and the second word of its name behind it, which is taken out. NULL: there is
 * none, which is said, or was asked for; then *ret_status is set.
 */
static const struct verb *find_verb(int *argc, char **argv, int at, int *ret_status)
{
	int second = next_word(*argc, argv, at + 1);
	const char *word = second < *argc ? argv[second] : NULL;
	bool group = false;

	for (size_t i = 0; i < N_VERBS; i++) {
		const char *rest = behind(verbs[i]->name, argv[at]);

		if (!rest)
			continue;
		if (!*rest)
			return verbs[i];
		group = true;
		if (!word || strcmp(rest + 1, word))
			continue;
		take_out(argc, argv, second);
		return verbs[i];
	}
	*ret_status = EXIT_OK;
	if (!group)
		*ret_status =
			ctl_error(EXIT_USAGE, "no such verb: %s; see: rdmaregctl --help", argv[at]);
	else if (word && (!strcmp(word, "--help") || !strcmp(word, "-h")))
		print_verbs(argv[at]);
	else
		*ret_status = ctl_error(EXIT_USAGE, "%s: %s%s; see: rdmaregctl %s --help", argv[at],
					word ? "no such verb: " : "which of its verbs is missing",
					word ? word : "", argv[at]);
	return NULL;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	_Alignas(8) char options[OPTIONS_BYTES] = { 0 };
	const struct verb *verb;
	static char help[] = "--help";
	int r, first, at = 1;

	/*
	 * Options before the verb are the verb's too: the verb is taken out, what stood before it
	 * moves up.
	 */
	at = next_word(argc, argv, at);
	if (at >= argc)
		return ctl_error(EXIT_USAGE, "no verb given; see: rdmaregctl --help");
	if (!strcmp(argv[at], "--version")) {
		printf("rdmaregctl %s\n", PROJECT_VERSION);
		return finish(EXIT_OK);
	}
	if (!strcmp(argv[at], "help") && at + 1 < argc) { /* of a verb: as VERB --help */
		take_out(&argc, argv, at);
		argv[argc++] = help;
	}
	if (argv[at][0] == '-' || !strcmp(argv[at], "help")) {
		print_usage();
		return finish(EXIT_OK);
	}
	verb = find_verb(&argc, argv, at, &r);
	if (!verb)
		return r == EXIT_OK ? finish(r) : r;
	for (; at > 0; at--)
		argv[at] = argv[at - 1];
	argv++;
	argc--;

	/*
	 * A reader that goes away is an error of writing, not a death in the middle of a transfer.
	 */
	signal(SIGPIPE, SIG_IGN);
	ctl.color = ctl_is_terminal(STDOUT_FILENO) && !(getenv("NO_COLOR") && *getenv("NO_COLOR"));
	r = arguments_parse(&ctl, verb, argc, argv, options, &first);
	if (r)
		return r < 0 ? finish(EXIT_OK) : r;
	r = verb->run(&ctl, options, argv + first, argc - first);
	rdmareg_close(ctl.context);
	agent_end();
	return finish(r);
}
