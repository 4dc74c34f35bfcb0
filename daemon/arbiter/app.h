/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * app.h - rdmaregd as a whole. The only place that sees the bus, the keepers and the core together:
 * it turns what the two sides report into events of the core, and carries out the effects that come
 * back.
 *
 * What always holds: a region's state changes only in app_step(). Nothing waits: what takes time
 * comes back as an event of the loop.
 */
#ifndef RDMAREG_APP_H
#define RDMAREG_APP_H

#include <stdbool.h>

#include "arbiter/settings.h"

struct app;
struct spawner;

struct app_options {
	const char *config; /* file */
	bool config_must_exist;
	const char *runtime_directory;
	const char *state_directory; /* what is kept over a reboot */
	const char *keeper;	     /* absolute path of the program */
	const char *dax_helper;	     /* likewise */
	const char *gate;	     /* likewise */
	struct spawner *spawner;     /* starts them; the caller's */
	const char *bus_address;     /* NULL: the system bus */
	bool session_bus;	     /* the user's, unless there is an address */
	int log_level;		     /* -1: as the settings say */
};

/* On failure the reason was logged. @options: borrowed. */
int app_new(struct app **ret, const struct app_options *options);
/* Serves until SIGTERM or SIGINT: 0; or until the bus, or the spawner, is lost: negative errno. */
int app_run(struct app *a);
/* Leaves the keepers alone. */
struct app *app_free(struct app *a);

#endif
