// SPDX-License-Identifier: GPL-2.0-or-later
/* model.c - see model.h. What a person sees is made from the same values that a script gets. */
#include "model.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

json_object *model_revocation(const struct rdmareg_revocation *v)
{
	json_object *o = json_object_new_object();

	add_number(o, "id", v->id);
	add_text(o, "cause", rdmareg_cause_name(v->cause));
	add_number(o, "offset", v->offset);
	add_number(o, "length", v->length);
	add_number(o, "deadline_usec", v->deadline_usec);
	return o;
}

json_object *model_region(const struct rdmareg_region_info *i)
{
	json_object *o = json_object_new_object();

	add_number(o, "id", i->id);
	add_text(o, "state", rdmareg_state_name(i->state));
	add_text(o, "arbitration_mode", rdmareg_arbitration_name(i->arbitration_mode));
	add_text(o, "arbitration_reason", i->arbitration_reason);
	add_text(o, "policy", rdmareg_policy_name(i->policy));
	add_number(o, "grace_usec", i->grace_usec);
	add_text(o, "access", rdmareg_access_name(i->access));
	add_text(o, "path", i->path);
	add_number(o, "offset", i->offset);
	add_number(o, "length", i->length);
	add_number(o, "valid_length", i->valid_length);
	add_number(o, "rkey", i->rkey);
	add_number(o, "generation", i->generation);
	add_number(o, "address", i->address);
	json_object_object_add(o, "detached", json_object_new_boolean(i->detached));
	add_number(o, "uid", i->uid);
	add_text(o, "session", i->session);
	add_text(o, "ticket", i->ticket);
	add_number(o, "peers", i->peers);
	json_object_object_add(o, "revocation", model_revocation(&i->revocation));
	add_number(o, "invalidations", i->invalidations);
	add_number(o, "writebacks", i->writebacks);
	add_number(o, "bytes_warmed", i->bytes_warmed);
	return o;
}

static uint64_t clock_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void model_add_times(json_object *o, uint64_t boottime_usec)
{
	add_number(o, "boottime_usec", boottime_usec);
	/* The wall clock may have been set in between; that is what a wall clock is. */
	add_number(o, "realtime_usec",
		   clock_usec(CLOCK_REALTIME) - (clock_usec(CLOCK_BOOTTIME) - boottime_usec));
}

/*
 * ---- for people ----
 */

enum look { PLAIN, SIZE, TIME, HEX, STATE, REVOCATION };

struct column {
	const char *key;
	const char *heading;
	enum look look;
	bool right;
	double width; /* libsmartcols' hint; below 1 a share of the terminal */
};

static const struct column columns[] = {
	{ "id", "ID", PLAIN, true, 3 },
	{ "state", "STATE", STATE, false, 8 },
	{ "arbitration_mode", "ARBITRATION", PLAIN, false, 12 },
	{ "policy", "POLICY", PLAIN, false, 6 },
	{ "access", "ACCESS", PLAIN, false, 2 },
	{ "length", "LENGTH", SIZE, true, 5 },
	{ "valid_length", "VALID", SIZE, true, 5 },
	{ "peers", "PEERS", PLAIN, true, 3 },
	{ "uid", "UID", PLAIN, true, 4 },
	{ "session", "SESSION", PLAIN, false, 8 },
	{ "path", "PATH", PLAIN, false, 0.3 },
};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct {
	const char *key;
	enum look look;
} looks[] = {
	{ "state", STATE }, { "grace_usec", TIME },   { "offset", SIZE },
	{ "length", SIZE }, { "valid_length", SIZE }, { "rkey", HEX },
	{ "address", HEX }, { "bytes_warmed", SIZE }, { "revocation", REVOCATION },
};

enum { CELL_BYTES = 512 };

static const char *look_at(json_object *value, enum look look, char cell[CELL_BYTES])
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	switch (look) {
	case SIZE:
		return format_size(cell, json_object_get_uint64(value));
	case TIME:
		return format_time(cell, json_object_get_uint64(value));
	case HEX:
		snprintf(cell, CELL_BYTES, "0x%llx", (unsigned long long)json_object_get_uint64(value));
		return cell;
	case REVOCATION:
		if (!json_object_get_uint64(json_object_object_get(value, "id")))
			return "none";
		snprintf(cell, CELL_BYTES, "%s: %s of %s at %s",
			 json_object_get_string(json_object_object_get(value, "id")),
			 json_object_get_string(json_object_object_get(value, "cause")),
			 format_size(a, json_object_get_uint64(json_object_object_get(value, "length"))),
			 format_size(b, json_object_get_uint64(json_object_object_get(value, "offset"))));
		return cell;
	case PLAIN:
	case STATE:
		break;
	}
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "no";
	return json_object_get_string(value);
}

static const char *state_color(const char *state)
{
	if (!strcmp(state, "live") || !strcmp(state, "warming"))
		return "green";
	if (!strcmp(state, "lost"))
		return "red";
	return "yellow";
}

static int add_line(struct libscols_table *table, json_object *region, bool color)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char cell[CELL_BYTES];

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < N_COLUMNS; i++) {
		const char *text =
			look_at(json_object_object_get(region, columns[i].key), columns[i].look, cell);

		if (scols_line_set_data(line, i, text))
			return -ENOMEM;
		if (color && columns[i].look == STATE)
			scols_cell_set_color(scols_line_get_cell(line, i), state_color(text));
	}
	return 0;
}

int model_print_list(const struct ctl *ctl, json_object *regions)
{
	struct libscols_table *table = scols_new_table();
	int r = 0;

	if (!table)
		return ctl_error(EXIT_FAILED, "printing a table: out of memory");
	scols_table_enable_noheadings(table, ctl->no_legend);
	scols_table_enable_colors(table, ctl->color);
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (!scols_table_new_column(table, columns[i].heading, columns[i].width,
					    columns[i].right ? SCOLS_FL_RIGHT : 0))
			r = -ENOMEM;
	for (size_t i = 0; !r && i < json_object_array_length(regions); i++)
		r = add_line(table, json_object_array_get_idx(regions, i), ctl->color);
	if (!r)
		r = scols_print_table(table);
	scols_unref_table(table);
	return r ? ctl_error(EXIT_FAILED, "printing a table: %s", strerror(-r)) : 0;
}

void model_print_region(const struct ctl *ctl, json_object *region)
{
	char cell[CELL_BYTES], name[64];

	json_object_object_foreach(region, key, value)
	{
		enum look look = PLAIN;
		const char *text;

		for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			if (!strcmp(looks[i].key, key))
				look = looks[i].look;
		text = look_at(value, look, cell);
		if (!*text)
			continue; /* not exported, no name */
		snprintf(name, sizeof(name), "%s", key);
		for (char *c = name; *c; c++)
			if (*c == '_')
				*c = ' ';
		/* The unit is in the value here. */
		if (look == TIME && strlen(name) > 5)
			name[strlen(name) - 5] = 0;
		if (ctl->no_legend)
			printf("%s\n", text);
		else
			printf("%20s: %s\n", name, text);
	}
}
