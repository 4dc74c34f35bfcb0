// SPDX-License-Identifier: GPL-2.0-or-later
/* format.c - see format.h. Both directions work from one table of units, largest last. */
#include "format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t value;
};

static const struct unit sizes[] = {
	{ "", 1 },	     { "K", 1ull << 10 }, { "M", 1ull << 20 },
	{ "G", 1ull << 30 }, { "T", 1ull << 40 },
};

static const struct unit times[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "min", 60000000ull },
	{ "h", 3600000000ull },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Digits, then what names one of the units. */
static int parse_units(const char *text, const struct unit *units, size_t n,
		       bool (*names)(const char *rest, const struct unit *u), uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (p == text)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!names(p, &units[i]))
			continue;
		if (value > UINT64_MAX / units[i].value)
			return -ERANGE;
		*ret = value * units[i].value;
		return 0;
	}
	return -EINVAL;
}

static bool names_nothing(const char *rest, const struct unit *u)
{
	(void)u;
	return !*rest;
}

static bool names_size(const char *rest, const struct unit *u)
{
	size_t n = strlen(u->name);

	if (strncmp(rest, u->name, n))
		return false;
	return !rest[n] || !strcmp(rest + n, "B") || (n && !strcmp(rest + n, "iB"));
}

static bool names_time(const char *rest, const struct unit *u)
{
	return !strcmp(*rest ? rest : "s", u->name);
}

int parse_number(const char *text, uint64_t *ret)
{
	return parse_units(text, sizes, 1, names_nothing, ret);
}

int parse_size(const char *text, uint64_t *ret)
{
	return parse_units(text, sizes, N(sizes), names_size, ret);
}

int parse_time(const char *text, uint64_t *ret_usec)
{
	return parse_units(text, times, N(times), names_time, ret_usec);
}

int parse_range(const char *text, struct range *ret)
{
	const char *colon = strchr(text, ':');
	char first[FORMAT_BYTES];
	struct range range;
	int r;

	if (!colon || (size_t)(colon - text) >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(colon - text));
	first[colon - text] = 0;
	r = parse_size(first, &range.offset);
	if (!r)
		r = parse_size(colon + 1, &range.length);
	if (r < 0)
		return r;
	if (!range.length)
		return -EINVAL; /* the library would take it for all */
	if (range.length > UINT64_MAX - range.offset)
		return -ERANGE;
	*ret = range;
	return 0;
}

static const char *format_units(char *buffer, uint64_t value, const struct unit *units, size_t n)
{
	size_t i = n - 1;

	while (i && value < units[i].value)
		i--;
	/* One decimal hides nothing that matters once there are three digits before it. */
	if (value % units[i].value == 0)
		snprintf(buffer, FORMAT_BYTES, "%" PRIu64 "%s", value / units[i].value,
			 units[i].name);
	else
		snprintf(buffer, FORMAT_BYTES, "%.1f%s", (double)value / (double)units[i].value,
			 units[i].name);
	return buffer;
}

const char *format_size(char *buffer, uint64_t bytes)
{
	return format_units(buffer, bytes, sizes, N(sizes));
}

const char *format_time(char *buffer, uint64_t usec)
{
	if (!usec)
		return strcpy(buffer, "0s");
	return format_units(buffer, usec, times, N(times));
}
