// SPDX-License-Identifier: GPL-2.0-or-later
/* table.c - see table.h. What a person sees is made from the same values that a script gets. */
#include "table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "proto/region-properties.h"

/* How a person sees each kind of property, and the words of each vocabulary. */
#define LOOK_OF_NUMBER LOOK_PLAIN
#define LOOK_OF_COUNT LOOK_PLAIN
#define LOOK_OF_BYTES LOOK_SIZE
#define LOOK_OF_TIME LOOK_TIME
#define LOOK_OF_ADDRESS LOOK_HEX
#define LOOK_OF_SMALL LOOK_PLAIN
#define LOOK_OF_KEY LOOK_HEX
#define LOOK_OF_TRUTH LOOK_PLAIN
#define LOOK_OF_TEXT LOOK_PLAIN
#define LOOK_OF_REVOCATION LOOK_REVOCATION
#define LOOK_OF_STATE LOOK_STATE
#define LOOK_OF_ARBITRATION LOOK_PLAIN
#define LOOK_OF_POLICY LOOK_PLAIN
#define LOOK_OF_ACCESS LOOK_PLAIN
#define LOOK_OF_DURABILITY LOOK_PLAIN
#define LOOK_OF_PATH_STATE LOOK_PLAIN
#define LOOK_OF_WARM_MODE LOOK_PLAIN

static const struct {
	const char *key;
	enum look look;
} looks[] = {
#define PROPERTY(member, name, kind, told) { #member, LOOK_OF_##kind },
	REGION_PROPERTIES(PROPERTY, PROPERTY)
#undef PROPERTY
	/* of a session */
	{ "bytes", LOOK_SIZE },
	{ "max_bytes", LOOK_SIZE },
	{ "max_memory_bytes", LOOK_LIMIT },
	{ "memory_current", LOOK_SIZE },
	{ "created_usec", LOOK_DATE },
};

enum { CELL_BYTES = 512 };

static json_object *of(json_object *row, const char *key)
{
	return json_object_object_get(row, key);
}

/* What belongs to the mode: a promise that is more, or less, than its name says. */
static const char *look_at_arbitration(json_object *region, char cell[CELL_BYTES])
{
	snprintf(cell, CELL_BYTES, "%s%s%s", json_object_get_string(of(region, "arbitration_mode")),
		 json_object_get_boolean(of(region, "refuses")) ? ",refuses" : "",
		 *json_object_get_string(of(region, "degraded")) ? ",degraded" : "");
	return cell;
}

static const char *look_at_path(json_object *region, char cell[CELL_BYTES])
{
	const char *state = json_object_get_string(of(region, "path_state"));
	bool left = !strcmp(state, "moved") || !strcmp(state, "deleted");

	snprintf(cell, CELL_BYTES, "%s%s%s%s", json_object_get_string(of(region, "path")),
		 left ? " (" : "", left ? state : "", left ? ")" : "");
	return cell;
}

static const char *look_at_user(json_object *value, char cell[CELL_BYTES])
{
	const struct passwd *p = getpwuid((uid_t)json_object_get_uint64(value));

	if (!p)
		return json_object_get_string(value);
	snprintf(cell, CELL_BYTES, "%s", p->pw_name);
	return cell;
}

static const char *look_at_age(json_object *value, char cell[CELL_BYTES])
{
	uint64_t since = json_object_get_uint64(value), now;
	struct timespec t;

	if (!since)
		return ""; /* of nobody */
	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	return format_time(cell, now > since ? now - since : 0);
}

static const char *look_at_date(json_object *value, char cell[CELL_BYTES])
{
	time_t seconds = (time_t)(json_object_get_uint64(value) / 1000000);
	struct tm broken;

	if (!localtime_r(&seconds, &broken) ||
	    !strftime(cell, CELL_BYTES, "%Y-%m-%d %H:%M:%S", &broken))
		return json_object_get_string(value);
	return cell;
}

static const char *look_at_revocation(json_object *v, char cell[CELL_BYTES])
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	if (!json_object_get_uint64(of(v, "id")))
		return "none";
	snprintf(cell, CELL_BYTES, "%s: %s of %s at %s", json_object_get_string(of(v, "id")),
		 json_object_get_string(of(v, "cause")),
		 format_size(a, json_object_get_uint64(of(v, "length"))),
		 format_size(b, json_object_get_uint64(of(v, "offset"))));
	return cell;
}

static const char *look_at(json_object *row, json_object *value, enum look look,
			   char cell[CELL_BYTES])
{
	if (!value)
		return ""; /* null: there is none */
	switch (look) {
	case LOOK_SIZE:
		return format_size(cell, json_object_get_uint64(value));
	case LOOK_TIME:
		return format_time(cell, json_object_get_uint64(value));
	case LOOK_HEX:
		snprintf(cell, CELL_BYTES, "0x%llx",
			 (unsigned long long)json_object_get_uint64(value));
		return cell;
	case LOOK_REVOCATION:
		return look_at_revocation(value, cell);
	case LOOK_ARBITRATION:
		return look_at_arbitration(row, cell);
	case LOOK_PATH:
		return look_at_path(row, cell);
	case LOOK_USER:
		return look_at_user(value, cell);
	case LOOK_AGE:
		return look_at_age(value, cell);
	case LOOK_DATE:
		return look_at_date(value, cell);
	case LOOK_LIMIT:
		return json_object_get_uint64(value)
			       ? format_size(cell, json_object_get_uint64(value))
			       : "none";
	case LOOK_PROCESS:
		/* A process on this machine, or the machine that a peer is on. */
		return json_object_get_uint64(value) ? json_object_get_string(value)
						     : json_object_get_string(of(row, "address"));
	case LOOK_PLAIN:
	case LOOK_STATE:
		break;
	}
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "no";
	return json_object_get_string(value);
}

static const char *state_color(const char *state)
{
	return !strcmp(state, "live") || !strcmp(state, "warming") || !strcmp(state, "active")
		       ? "green"
		       : "yellow";
}

static int add_line(struct libscols_table *table, const struct column *columns, size_t n,
		    json_object *row, bool color)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char cell[CELL_BYTES];

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *text = look_at(row, of(row, columns[i].key), columns[i].look, cell);

		/*
		 * Never empty: a line has as many words as there are columns, for those who cut it.
		 */
		if (scols_line_set_data(line, i, *text ? text : "-"))
			return -ENOMEM;
		if (color && columns[i].look == LOOK_STATE)
			scols_cell_set_color(scols_line_get_cell(line, i), state_color(text));
	}
	return 0;
}

int table_print(const struct ctl *ctl, const struct column *columns, size_t n, json_object *rows,
		const char *none)
{
	struct libscols_table *table;
	int r = 0;

	if (ctl->json) {
		ctl_print_json(json_object_get(rows));
		return 0;
	}
	if (!json_object_array_length(rows)) {
		if (none && isatty(STDOUT_FILENO))
			puts(none);
		return 0;
	}
	table = scols_new_table();
	if (!table)
		return ctl_error(EXIT_FAILED, "printing a table: out of memory");
	scols_table_enable_noheadings(table, ctl->no_legend);
	scols_table_enable_colors(table, ctl->color);
	for (size_t i = 0; i < n; i++)
		if (!scols_table_new_column(table, columns[i].heading, columns[i].width,
					    columns[i].right ? SCOLS_FL_RIGHT : 0))
			r = -ENOMEM;
	for (size_t i = 0; !r && i < json_object_array_length(rows); i++)
		r = add_line(table, columns, n, json_object_array_get_idx(rows, i), ctl->color);
	if (!r)
		r = scols_print_table(table);
	scols_unref_table(table);
	return r ? ctl_error(EXIT_FAILED, "printing a table: %s", strerror(-r)) : 0;
}

static void print_object(const struct ctl *ctl, json_object *row)
{
	char cell[CELL_BYTES], name[64];

	json_object_object_foreach(row, key, value)
	{
		enum look look = LOOK_PLAIN;
		const char *text;

		for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			if (!strcmp(looks[i].key, key))
				look = looks[i].look;
		text = value || strcmp(key, "faults") ? look_at(row, value, look, cell)
						      : "not counted by this adapter";
		if (!*text)
			continue; /* not exported, no name */
		snprintf(name, sizeof(name), "%s", key);
		for (char *c = name; *c; c++)
			if (*c == '_')
				*c = ' ';
		/* The unit is in the value here. */
		if ((look == LOOK_TIME || look == LOOK_DATE) && strlen(name) > 5)
			name[strlen(name) - 5] = 0;
		if (ctl->no_legend)
			printf("%s\n", text);
		else
			printf("%20s: %s\n", name, text);
	}
}

void table_show(const struct ctl *ctl, json_object *o)
{
	if (ctl->json) {
		ctl_print_json(o);
		return;
	}
	print_object(ctl, o);
	json_object_put(o);
}
