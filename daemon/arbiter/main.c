// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - rdmaregd's command line. Exit status: 0 stopped on request, 1 failed, 2 wrong usage. */
#include "config.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "arbiter/app.h"
#include "util/spawner.h"
#include "util/log.h"
#include "util/output.h"
#include "util/program.h"
#include "util/text.h"

#define DESCRIPTORS_WANTED 524288
#define DEFAULT_CONFIG SYSCONFDIR "/rdmareg/rdmaregd.conf"

struct command_line {
	struct app_options app;
	bool check;
	bool show;
};

#define AT(member) offsetof(struct command_line, member)

static const char *const levels[] = {
	[LOG_EMERG] = "",    [LOG_ALERT] = "",		[LOG_CRIT] = "",
	[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info", [LOG_DEBUG] = "debug",	NULL
};

static const struct program_option options[] = {
	{ "config", 'c', OPTION_TEXT, AT(app.config), "FILE",
	  "settings (default " DEFAULT_CONFIG ");\nconf.d/*.conf beside it is read as well" },
	{ "check-config", 0, OPTION_FLAG, AT(check), NULL,
	  "read the settings, print what is wrong with them, and exit" },
	{ "show-config", 0, OPTION_FLAG, AT(show), NULL,
	  "read the settings, print a line for each with tabs between section,\n"
	  "name, value, file and line (none: the default), and exit" },
	{ "runtime-dir", 'r', OPTION_TEXT, AT(app.runtime_directory), "DIR",
	  "sockets and region numbers (default " RUNDIR ")" },
	{ "state-dir", 0, OPTION_TEXT, AT(app.state_directory), "DIR",
	  "records of standing regions (default " STATEDIR ")" },
	{ "keeper", 0, OPTION_PATH, AT(app.keeper), "PATH",
	  "keeper program (default " PKGLIBEXECDIR "/rdmareg-keeper)" },
	{ "gate", 0, OPTION_TEXT, AT(app.gate), "PATH",
	  "program for pre-content events (default " PKGLIBEXECDIR "/rdmareg-gate)" },
	{ "dax-helper", 0, OPTION_TEXT, AT(app.dax_helper), "PATH",
	  "program that creates DAX devices (default " PKGLIBEXECDIR "/rdmareg-dax)" },
	{ "system", 0, OPTION_NOT, AT(app.session_bus), NULL, "serve the system bus (default)" },
	{ "session", 0, OPTION_FLAG, AT(app.session_bus), NULL,
	  "serve the session bus of the user who runs it" },
	{ "bus-address", 0, OPTION_TEXT, AT(app.bus_address), "ADDR",
	  "serve the bus at this D-Bus address" },
	{ "log-level", 0, OPTION_WORD, AT(app.log_level), "LEVEL", "overrides the settings",
	  levels },
	{ NULL },
};

static const struct program program = {
	"rdmaregd", "", "Registers files for RDMA without pinning them, on request over D-Bus.",
	options
};

struct told {
	unsigned int n;
};

static void tell_error(void *userdata, const char *text)
{
	struct told *told = userdata;

	told->n++;
	fprintf(stderr, "%s\n", text);
}

static void tell_note(void *userdata, const char *text)
{
	(void)userdata;
	fprintf(stderr, "%s\n", text);
}

static int check_config(const struct app_options *o)
{
	struct told told = { 0 };
	const struct settings_critic critic = { tell_error, tell_note, &told };
	struct settings settings;
	struct failure why;

	if (settings_check(o->config, o->config_must_exist, &critic, &settings, &why) < 0) {
		if (!told.n) /* of two values together, or there is no file */
			tell_error(&told, why.text);
		return EXIT_FAILURE;
	}
	puts("The settings can be used. Only at start, or when a keeper starts, can be seen: " SETTINGS_SEEN_LATER
	     ".");
	return EXIT_SUCCESS;
}

static void show_setting(void *userdata, const char *section, const char *name, const char *value,
			 const char *file, int line)
{
	char clean[256] = "";

	(void)userdata;
	if (file)
		text_clean(clean, sizeof(clean), file, strlen(file));
	printf("%s\t%s\t%s\t%s\t%d\n", section, name, value, clean, line);
}

static int show_config(const struct app_options *o)
{
	struct failure why;

	if (settings_each(o->config, o->config_must_exist, show_setting, NULL, &why) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", why.text);
	return EXIT_FAILURE;
}

/*
 * A descriptor is held for each registration under way; running out of them would cost the bus
 * connection.
 */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	l.rlim_cur = l.rlim_max < DESCRIPTORS_WANTED ? l.rlim_max : DESCRIPTORS_WANTED;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int serve(struct app_options *o)
{
	struct app *a;
	int r;

	/* a broken pipe is an errno to us, also on standard error */
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	if (spawner_new(&o->spawner) < 0) {
		log_error("the helper process that starts others cannot be started");
		return EXIT_FAILURE;
	}
	if (log_never_wait() < 0) {
		log_error("no thread can be made for the log");
		return EXIT_FAILURE;
	}
	if (app_new(&a, o) < 0)
		return EXIT_FAILURE;
	r = app_run(a);
	app_free(a);
	spawner_free(o->spawner);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const char config[] = DEFAULT_CONFIG;
	struct command_line c = {
		.app = { .config = config,
			 .runtime_directory = RUNDIR,
			 .state_directory = STATEDIR,
			 .keeper = PKGLIBEXECDIR "/rdmareg-keeper",
			 .dax_helper = PKGLIBEXECDIR "/rdmareg-dax",
			 .gate = PKGLIBEXECDIR "/rdmareg-gate",
			 .log_level = -1 },
	};
	int first, r = program_parse(&program, &c, argc, argv, &first);

	if (r == PROGRAM_E_TOLD)
		return output_end(program.name, EXIT_SUCCESS);
	if (r < 0)
		return 2;
	c.app.config_must_exist = c.app.config != config;
	if (c.show)
		return output_end(program.name, show_config(&c.app));
	return c.check ? output_end(program.name, check_config(&c.app)) : serve(&c.app);
}
