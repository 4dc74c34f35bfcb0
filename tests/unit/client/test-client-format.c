// SPDX-License-Identifier: GPL-2.0-or-later
/* test-client-format.c - sizes, times and numbers as rdmaregctl reads and prints them. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ctl/format.h"

enum kind { NUMBER, SIZE, TIME };

static const struct {
	enum kind kind;
	const char *text;
	int r;
	uint64_t value;
} readings[] = {
	{ NUMBER, "0", 0, 0 },
	{ NUMBER, "18446744073709551615", 0, UINT64_MAX },
	{ NUMBER, "18446744073709551616", -ERANGE, 0 },
	{ NUMBER, "", -EINVAL, 0 },
	{ NUMBER, "-1", -EINVAL, 0 },
	{ NUMBER, "+1", -EINVAL, 0 },
	{ NUMBER, " 1", -EINVAL, 0 },
	{ NUMBER, "0x10", -EINVAL, 0 },
	{ NUMBER, "1K", -EINVAL, 0 },
	{ SIZE, "4096", 0, 4096 },
	{ SIZE, "4096B", 0, 4096 },
	{ SIZE, "64K", 0, 65536 },
	{ SIZE, "64KiB", 0, 65536 },
	{ SIZE, "64KB", 0, 65536 },
	{ SIZE, "2M", 0, 2u << 20 },
	{ SIZE, "3G", 0, 3ull << 30 },
	{ SIZE, "1T", 0, 1ull << 40 },
	{ SIZE, "16777215T", 0, 16777215ull << 40 },
	{ SIZE, "16777216T", -ERANGE, 0 },
	{ SIZE, "99999999999999999999", -ERANGE, 0 },
	{ SIZE, "4iB", -EINVAL, 0 },
	{ SIZE, "4k", -EINVAL, 0 },
	{ SIZE, "4KK", -EINVAL, 0 },
	{ SIZE, "K", -EINVAL, 0 },
	{ SIZE, "1.5M", -EINVAL, 0 },
	{ TIME, "2", 0, 2000000 },
	{ TIME, "500ms", 0, 500000 },
	{ TIME, "7us", 0, 7 },
	{ TIME, "2s", 0, 2000000 },
	{ TIME, "3min", 0, 180000000 },
	{ TIME, "1h", 0, 3600000000ull },
	{ TIME, "1d", -EINVAL, 0 },
	{ TIME, "1m", -EINVAL, 0 },
	{ TIME, "1 s", -EINVAL, 0 },
	{ TIME, "1s1", -EINVAL, 0 },
	{ TIME, "9999999999999999h", -ERANGE, 0 },
};

static const struct {
	const char *text;
	int r;
	struct range range;
} ranges[] = {
	{ "0:4096", 0, { 0, 4096 } },
	{ "64K:2M", 0, { 65536, 2u << 20 } },
	{ "0:18446744073709551615", 0, { 0, UINT64_MAX } },
	{ "1:18446744073709551615", -ERANGE, { 0 } },
	{ "16777216T:1", -ERANGE, { 0 } },
	{ "", -EINVAL, { 0 } },
	{ ":", -EINVAL, { 0 } },
	{ "4096", -EINVAL, { 0 } },
	{ "4096:", -EINVAL, { 0 } },
	{ ":4096", -EINVAL, { 0 } },
	{ "0:0", -EINVAL, { 0 } },
	{ "0:-1", -EINVAL, { 0 } },
	{ "0:1:2", -EINVAL, { 0 } },
	{ "0 :1", -EINVAL, { 0 } },
	{ "00000000000000000000000000000000000000000000000000:1", -EINVAL, { 0 } },
};

static const struct {
	enum kind kind;
	uint64_t value;
	const char *text;
} printings[] = {
	{ SIZE, 0, "0" },
	{ SIZE, 1000, "1000" },
	{ SIZE, 1024, "1K" },
	{ SIZE, 1536, "1.5K" },
	{ SIZE, 1u << 20, "1M" },
	{ SIZE, UINT64_MAX, "16777216.0T" },
	{ TIME, 0, "0s" },
	{ TIME, 1, "1us" },
	{ TIME, 500000, "500ms" },
	{ TIME, 1500000, "1.5s" },
	{ TIME, 90000000, "1.5min" },
};

int main(void)
{
	char buffer[FORMAT_BYTES];

	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		uint64_t value = 12345;
		int r = readings[i].kind == NUMBER ? parse_number(readings[i].text, &value)
			: readings[i].kind == SIZE ? parse_size(readings[i].text, &value)
						   : parse_time(readings[i].text, &value);

		assert(r == readings[i].r);
		assert(value == (r ? 12345 : readings[i].value));
	}
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct range range = { 1, 2 }, wanted = ranges[i].r ? range : ranges[i].range;

		assert(parse_range(ranges[i].text, &range) == ranges[i].r);
		assert(range.offset == wanted.offset && range.length == wanted.length);
	}
	for (size_t i = 0; i < sizeof(printings) / sizeof(printings[0]); i++)
		assert(!strcmp(printings[i].kind == SIZE ? format_size(buffer, printings[i].value)
							 : format_time(buffer, printings[i].value),
			       printings[i].text));
	/* What was printed exactly reads back as the same. */
	for (uint64_t v = 1; v; v <<= 1) {
		uint64_t back;

		assert(parse_size(format_size(buffer, v), &back) == 0 && back == v);
	}
	return 0;
}
