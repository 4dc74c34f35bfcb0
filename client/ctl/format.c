// SPDX-License-Identifier: GPL-2.0-or-later
/* format.c - see format.h. Both directions work from one table of units, largest last. */
#include "format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t value;
};

static const struct unit sizes[] = {
	{ "", 1 }, { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 }, { "T", 1ull << 40 },
};

static const struct unit times[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000ull }, { "h", 3600000000ull },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The digits at the start; *ret_rest is what follows. */
static int parse_digits(const char *text, const char **ret_rest, uint64_t *ret)
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
	*ret_rest = p;
	*ret = value;
	return 0;
}

static int scale(uint64_t value, uint64_t unit, uint64_t *ret)
{
	if (value > UINT64_MAX / unit)
		return -ERANGE;
	*ret = value * unit;
	return 0;
}

int parse_number(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t value;
	int r;

	r = parse_digits(text, &rest, &value);
	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t value;
	int r;

	r = parse_digits(text, &rest, &value);
	if (r < 0)
		return r;
	for (size_t i = 0; i < N(sizes); i++) {
		const char *tail = rest + strlen(sizes[i].name);

		if (strncmp(rest, sizes[i].name, strlen(sizes[i].name)))
			continue;
		if (!*tail || !strcmp(tail, "B") || (i && !strcmp(tail, "iB")))
			return scale(value, sizes[i].value, ret);
	}
	return -EINVAL;
}

int parse_time(const char *text, uint64_t *ret_usec)
{
	const char *rest;
	uint64_t value;
	int r;

	r = parse_digits(text, &rest, &value);
	if (r < 0)
		return r;
	if (!*rest)
		rest = "s";
	for (size_t i = 0; i < N(times); i++)
		if (!strcmp(rest, times[i].name))
			return scale(value, times[i].value, ret_usec);
	return -EINVAL;
}

static const char *format_units(char *buffer, uint64_t value, const struct unit *units, size_t n)
{
	size_t i = n - 1;

	while (i && value < units[i].value)
		i--;
	/* One decimal hides nothing that matters once there are three digits before it. */
	if (value % units[i].value == 0)
		snprintf(buffer, FORMAT_BYTES, "%" PRIu64 "%s", value / units[i].value, units[i].name);
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
