// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-options.c - the keeper's command line: every number has bounds; and the codes that
 * times become.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keeper/options.h"
#include "rdmareg-timers.h"
#include "util/log.h"

static int parse(const char *option, const char *value, struct keeper_options *ret)
{
	char *argv[] = { (char *)"keeper", (char *)(uintptr_t)option, (char *)(uintptr_t)value,
			 NULL };

	return options_parse(ret, 3, argv);
}

static void test_bounds(void)
{
	static const struct {
		const char *option, *least, *most, *below, *above;
	} table[] = {
		{ "--port", "0", "65535", "-1", "65536" },
		{ "--max-regions", "1", "65536", "0", "65537" },
		{ "--max-peers", "1", "65536", "0", "65537" },
		{ "--max-tickets", "1", "4096", "0", "4097" },
		{ "--deadline-margin-msec", "10", "60000", "9", "60001" },
		{ "--alignment", "0", "1073741824", "-1", "1073741825" },
		{ "--minimum-mtu", "0", "4096", "-1", "4097" },
		{ "--storage-stall-msec", "5", "300000", "4", "300001" },
		{ "--idle-exit-sec", "0", "86400", "-1", "86401" },
		{ "--memory-stall-msec", "0", "2000", "-1", "2001" },
		{ "--rnr-timer-usec", "10", "655360", "9", "655361" },
		{ "--rnr-retries", "0", "7", "-1", "8" },
		{ "--retries", "0", "6", "-1", "7" },
		{ "--ack-timeout-msec", "0", "60000", "-1", "60001" },
	};
	static const char *const nonsense[] = {
		"", "x", "1x", " 1", "0x1", "1.5", "99999999999999999999999"
	};
	struct keeper_options o = { .max_regions = 77 };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert(parse(table[i].option, table[i].least, &o) == 0);
		assert(parse(table[i].option, table[i].most, &o) == 0);
		o.max_regions = 77;
		assert(parse(table[i].option, table[i].below, &o) == -EINVAL);
		assert(parse(table[i].option, table[i].above, &o) == -EINVAL);
		for (size_t n = 0; n < sizeof(nonsense) / sizeof(nonsense[0]); n++)
			assert(parse(table[i].option, nonsense[n], &o) == -EINVAL);
		assert(o.max_regions == 77);
	}
	assert(parse("--what", "1", &o) == -EINVAL && parse("--session", "a/b", &o) == -EINVAL);
}

static void test_values(void)
{
	struct keeper_options o;

	assert(parse("--retries", "3", &o) == 0 && o.retries == 3 && o.rnr_retries == 7 &&
	       o.rnr_timer_usec == 640 && !o.ack_timeout_msec && !*o.quirks_directory);
	assert(parse("--rnr-timer-usec", "5000", &o) == 0 && o.rnr_timer_usec == 5000 &&
	       o.retries == 6);
	assert(parse("--quirks-directory", "/a", &o) == 0 && !strcmp(o.quirks_directory, "/a"));
}

/* InfiniBand Architecture Specification, volume 1, table 45; in units of 10 us. */
static void test_timers(void)
{
	static const uint32_t rnr[] = { 65536, 1,    2,	   3,	  4,	 6,	8,     12,
					16,    24,   32,   48,	  64,	 96,	128,   192,
					256,   384,  512,  768,	  1024,	 1536,	2048,  3072,
					4096,  6144, 8192, 12288, 16384, 24576, 32768, 49152 };

	for (uint8_t code = 1; code < 32; code++) {
		assert(timers_rnr_code(10 * rnr[code]) == code);
		assert(timers_rnr_code(10 * rnr[code] + 1) == (code + 1) % 32);
	}
	assert(timers_rnr_code(0) == 1 && timers_rnr_code(TIMERS_RNR_MAX_USEC) == 0);
	assert(timers_ack_code(1) == 1 && timers_ack_code(8) == 1 && timers_ack_code(9) == 2);
	assert(timers_ack_code(67108) == 14 && timers_ack_code(67109) == 15);
	assert(timers_ack_code(TIMERS_ACK_MAX_USEC) == 30 &&
	       timers_ack_code(UINT64_MAX / 1000) == 31);
}

int main(void)
{
	test_bounds();
	test_values();
	test_timers();
	return 0;
}
