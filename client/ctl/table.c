// SPDX-License-Identifier: GPL-2.0-or-later
/* table.c - see table.h. What a person sees is made from the same values that a script gets. */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "screen.h"
#include "shown.h"
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
#define PROPERTY(member, name, kind, told, where) { #member, LOOK_OF_##kind },
	REGION_PROPERTIES(PROPERTY, PROPERTY)
#undef PROPERTY
	/* of a session */
	{ "bytes", LOOK_SIZE },
	{ "max_bytes", LOOK_SIZE },
	{ "max_memory_bytes", LOOK_LIMIT },
	{ "memory_current", LOOK_SIZE },
	{ "created_usec", LOOK_DATE },
};

enum { CELL_BYTES = 512, COLUMNS_MAX = 16, RANK_MAX = 6, CUT_LEAST = 12 };
#define CUT_MARK "..."
#define COLOR_OFF "\033[0m"

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
	static const char *const sound[] = { "live", "warming", "active", "driven" };

	for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
		if (!strcmp(state, sound[i]))
			return "\033[32m";
	return "\033[33m";
}

/* The text of each cell, and how wide each column is; those that are not shown are left out. */
struct cells {
	const struct column *columns;
	size_t n, rows;
	char **text;
	bool hidden[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
};

/* In characters: what is wider than one column of the terminal is rare in these tables. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void free_cells(struct cells *c)
{
	for (size_t i = 0; c->text && i < c->rows * c->n; i++)
		free(c->text[i]);
	free(c->text);
}

static int fill_cells(struct cells *c, json_object *rows)
{
	char cell[CELL_BYTES];

	c->text = calloc(c->rows * c->n, sizeof(*c->text));
	if (!c->text)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		c->width[i] = width_of(c->columns[i].heading);
	for (size_t at = 0; at < c->rows * c->n; at++) {
		json_object *row = json_object_array_get_idx(rows, at / c->n);
		const struct column *k = &c->columns[at % c->n];
		const char *text = look_at(row, of(row, k->key), k->look, cell);

		/*
		 * Never empty: a line has as many words as there are columns, for those who cut it.
		 */
		c->text[at] = shown_copy(*text ? text : "-");
		if (!c->text[at])
			return -ENOMEM;
		if (width_of(c->text[at]) > c->width[at % c->n])
			c->width[at % c->n] = width_of(c->text[at]);
	}
	return 0;
}

/* With a blank between two columns. */
static size_t width_of_all(const struct cells *c)
{
	size_t width = 0;

	for (size_t i = 0; i < c->n; i++)
		width += c->hidden[i] ? 0 : c->width[i] + 1;
	return width ? width - 1 : 0;
}

/* To so many characters, with a mark where some are missing. */
static void cut(char *text, size_t room, enum table_cut where)
{
	size_t all = width_of(text), n = 0;
	char *at = text;

	if (all <= room || room <= strlen(CUT_MARK))
		return;
	if (where == CUT_END) {
		for (; n < room - strlen(CUT_MARK) || (*at & 0xc0) == 0x80; at++)
			n += (*at & 0xc0) != 0x80;
		strcpy(at, CUT_MARK); /* in place of at least as many bytes */
		return;
	}
	for (; n < all - room + strlen(CUT_MARK) || (*at & 0xc0) == 0x80; at++)
		n += (*at & 0xc0) != 0x80;
	memmove(text + strlen(CUT_MARK), at, strlen(at) + 1);
	memcpy(text, CUT_MARK, strlen(CUT_MARK));
}

/* Into so many columns: what is needed least is left out, then what is long is cut. */
static void fit(struct cells *c, size_t room)
{
	for (unsigned int rank = RANK_MAX; rank && width_of_all(c) > room; rank--)
		for (size_t i = 0; i < c->n; i++)
			c->hidden[i] = c->hidden[i] || c->columns[i].rank == rank;
	for (size_t i = 0; i < c->n; i++) {
		size_t over = width_of_all(c) > room ? width_of_all(c) - room : 0;
		size_t least = width_of(c->columns[i].heading);

		if (!over || c->hidden[i] || c->columns[i].cut == CUT_NEVER)
			continue;
		least = least < CUT_LEAST ? CUT_LEAST : least;
		c->width[i] = c->width[i] > over + least ? c->width[i] - over : least;
		for (size_t row = 0; row < c->rows; row++)
			cut(c->text[row * c->n + i], c->width[i], c->columns[i].cut);
	}
}

static void print_blanks(size_t n)
{
	while (n--)
		putchar_unlocked(' ');
}

/* @texts: of all columns; @color: escapes of a column's state, not of headings. */
static void print_line(const struct cells *c, char *const texts[], bool color)
{
	size_t blanks = 0; /* none at the end of a line */

	for (size_t i = 0; i < c->n; i++) {
		bool colored = color && c->columns[i].look == LOOK_STATE;
		size_t n = width_of(texts[i]), room = c->width[i] > n ? c->width[i] - n : 0;

		if (c->hidden[i])
			continue;
		print_blanks(blanks + (c->columns[i].right ? room : 0));
		if (colored)
			fputs_unlocked(state_color(texts[i]), stdout);
		fputs_unlocked(texts[i], stdout);
		if (colored)
			fputs_unlocked(COLOR_OFF, stdout);
		blanks = 1 + (c->columns[i].right ? 0 : room);
	}
	putchar_unlocked('\n');
}

static void print_cells(const struct ctl *ctl, const struct cells *c)
{
	char *headings[COLUMNS_MAX];

	for (size_t i = 0; i < c->n; i++)
		headings[i] = (char *)(uintptr_t)c->columns[i].heading;
	if (!ctl->no_legend)
		print_line(c, headings, false);
	for (size_t i = 0; i < c->rows; i++)
		print_line(c, &c->text[i * c->n], ctl->color);
}

int table_print(const struct ctl *ctl, const struct column *columns, size_t n, json_object *rows,
		const char *none)
{
	struct cells c = { .columns = columns, .n = n, .rows = json_object_array_length(rows) };
	unsigned int wide, lines;
	int r;

	if (ctl->json) {
		ctl_print_json(json_object_get(rows));
		return 0;
	}
	if (!c.rows) {
		if (none && isatty(STDOUT_FILENO))
			puts(none);
		return 0;
	}
	assert(n <= COLUMNS_MAX);
	r = fill_cells(&c, rows);
	if (!r && isatty(STDOUT_FILENO)) {
		screen_size(&wide, &lines);
		fit(&c, wide);
	}
	if (!r)
		print_cells(ctl, &c);
	free_cells(&c);
	return r ? ctl_error(EXIT_FAILED, "printing a table: %s", strerror(-r)) : 0;
}

static void print_object(const struct ctl *ctl, json_object *row)
{
	char cell[CELL_BYTES], name[64];

	json_object_object_foreach(row, key, value)
	{
		enum look look = LOOK_PLAIN;
		_cleanup_(text_cleanup) char *shown = NULL;
		const char *text;

		for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
			if (!strcmp(looks[i].key, key))
				look = looks[i].look;
		text = value || strcmp(key, "faults") ? look_at(row, value, look, cell)
						      : "not counted by this adapter";
		if (!*text)
			continue; /* not exported, no name */
		shown = shown_copy(text);
		text = shown ? shown : "?";
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
