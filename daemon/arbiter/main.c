// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - rdmaregd's command line. Exit status: 0 stopped on request, 1 failed, 2 wrong usage. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "arbiter/app.h"
#include "util/spawner.h"
#include "util/log.h"
#include "util/output.h"

#define DESCRIPTORS_WANTED 524288

enum {
	OPTION_VERSION = 256,
	OPTION_CHECK,
	OPTION_SYSTEM,
	OPTION_SESSION,
	OPTION_ADDRESS,
	OPTION_KEEPER,
	OPTION_DAX_HELPER,
	OPTION_GATE,
	OPTION_LEVEL,
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPTION_CHECK },
	{ "runtime-dir", required_argument, NULL, 'r' },
	{ "keeper", required_argument, NULL, OPTION_KEEPER },
	{ "dax-helper", required_argument, NULL, OPTION_DAX_HELPER },
	{ "gate", required_argument, NULL, OPTION_GATE },
	{ "system", no_argument, NULL, OPTION_SYSTEM },
	{ "session", no_argument, NULL, OPTION_SESSION },
	{ "bus-address", required_argument, NULL, OPTION_ADDRESS },
	{ "log-level", required_argument, NULL, OPTION_LEVEL },
	{ 0 },
};

static void help(void)
{
	puts("rdmaregd [OPTION...]\n"
	     "Registers files for RDMA without pinning them, on request over D-Bus.\n\n"
	     "  -c, --config FILE       settings (default " SYSCONFDIR "/rdmareg/rdmaregd.conf);\n"
	     "                          conf.d/*.conf beside it is read as well\n"
	     "      --check-config      read the settings, print what is wrong with them, and exit\n"
	     "  -r, --runtime-dir DIR   sockets and region numbers (default " RUNDIR ")\n"
	     "      --keeper PATH       keeper program (default " PKGLIBEXECDIR "/rdmareg-keeper)\n"
	     "      --gate PATH         program for pre-content events (default " PKGLIBEXECDIR
	     "/rdmareg-gate)\n"
	     "      --dax-helper PATH   program that creates DAX devices (default " PKGLIBEXECDIR
	     "/rdmareg-dax)\n"
	     "      --system            serve the system bus (default)\n"
	     "      --session           serve the session bus of the user who runs it\n"
	     "      --bus-address ADDR  serve the bus at this D-Bus address\n"
	     "      --log-level LEVEL   error, warning, notice, info or debug; overrides the settings\n"
	     "      --version           print the version and exit\n"
	     "  -h, --help              print this and exit");
}

static int parse_level(const char *text)
{
	static const char *const names[] = { [LOG_ERR] = "error",
					     [LOG_WARNING] = "warning",
					     [LOG_NOTICE] = "notice",
					     [LOG_INFO] = "info",
					     [LOG_DEBUG] = "debug" };

	for (int i = LOG_ERR; i <= LOG_DEBUG; i++)
		if (!strcmp(names[i], text))
			return i;
	fprintf(stderr,
		"rdmaregd: --log-level must be error, warning, notice, info or debug, not '%s'\n",
		text);
	return -1;
}

static int check_config(const struct app_options *o)
{
	struct settings settings;
	struct failure why;

	if (settings_check(o->config, o->config_must_exist, &settings, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_FAILURE;
	}
	puts("The settings can be used. Only at start, or when a keeper starts, can be seen: whether listen_address belongs to\n"
	     "an RDMA device with on-demand paging, whether port is free, whether the kernel has pre-content events, and\n"
	     "whether systemd grants the slice and memlock_bytes.");
	return EXIT_SUCCESS;
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
		log_error("no process can be made that starts others");
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
	struct app_options o = {
		.config = SYSCONFDIR "/rdmareg/rdmaregd.conf",
		.runtime_directory = RUNDIR,
		.keeper = PKGLIBEXECDIR "/rdmareg-keeper",
		.dax_helper = PKGLIBEXECDIR "/rdmareg-dax",
		.gate = PKGLIBEXECDIR "/rdmareg-gate",
		.log_level = -1,
	};
	bool check = false;
	int c;

	while ((c = getopt_long(argc, argv, "hc:r:", long_options, NULL)) >= 0) {
		switch (c) {
		case 'h':
			help();
			return output_end("rdmaregd", EXIT_SUCCESS);
		case OPTION_VERSION:
			puts("rdmaregd " PROJECT_VERSION);
			return output_end("rdmaregd", EXIT_SUCCESS);
		case 'c':
			o.config = optarg;
			o.config_must_exist = true;
			break;
		case OPTION_CHECK:
			check = true;
			break;
		case 'r':
			o.runtime_directory = optarg;
			break;
		case OPTION_KEEPER:
			o.keeper = optarg;
			break;
		case OPTION_DAX_HELPER:
			o.dax_helper = optarg;
			break;
		case OPTION_GATE:
			o.gate = optarg;
			break;
		case OPTION_SYSTEM:
			o.session_bus = false;
			break;
		case OPTION_SESSION:
			o.session_bus = true;
			break;
		case OPTION_ADDRESS:
			o.bus_address = optarg;
			break;
		case OPTION_LEVEL:
			o.log_level = parse_level(optarg);
			if (o.log_level < 0)
				return 2;
			break;
		default:
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "rdmaregd: '%s' is not understood; see rdmaregd --help\n",
			argv[optind]);
		return 2;
	}
	if (o.keeper[0] != '/') {
		fprintf(stderr, "rdmaregd: --keeper must be an absolute path, not '%s'\n",
			o.keeper);
		return 2;
	}
	return check ? output_end("rdmaregd", check_config(&o)) : serve(&o);
}
