/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - JSON for people: an array as a table, an object as lines.
 */
#ifndef RDMAREGCTL_TABLE_H
#define RDMAREGCTL_TABLE_H

#include "ctl.h"

/* How a value is shown. */
enum look {
	LOOK_PLAIN,
	LOOK_SIZE,
	LOOK_TIME,
	LOOK_HEX,
	LOOK_STATE,
	LOOK_REVOCATION,
	LOOK_ARBITRATION, /* the mode, with refuses and degraded of the same object */
	LOOK_PATH,	  /* with what became of it, path_state of the same object */
	LOOK_USER,	  /* a uid, by its name */
	LOOK_AGE,	  /* since a time of CLOCK_MONOTONIC */
	LOOK_DATE,	  /* a time of CLOCK_REALTIME */
	LOOK_LIMIT,	  /* a size, 0: none */
	LOOK_PROCESS,	  /* the pid, or else the address of the same object */
};

struct column {
	const char *key;
	const char *heading;
	enum look look;
	bool right;
	/*
	 * On a terminal that is too narrow for all: columns with the highest rank are left out first,
	 * those with 0 never; then the one that may be cut is.
	 */
	unsigned int rank;
	enum table_cut { CUT_NEVER, CUT_BEGIN, CUT_END } cut;
};

/*
 * A line per element of the array, or all of it as JSON. 0 or an exit status.
 * @none: what a terminal is told where there is not one; scripts get no line. NULL: nothing.
 */
int table_print(const struct ctl *ctl, const struct column *columns, size_t n, json_object *rows,
		const char *none);

/* A line per member that is not empty, or all of it as JSON; the object is freed. */
void table_show(const struct ctl *ctl, json_object *o);

#endif
