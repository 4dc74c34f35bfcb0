// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metrics.c - numbers that are counted in any order, and the page that they become: each line of it
 * is looked at as somebody reads it who knows the format and nothing of us.
 *
 * Measured: daemon/metrics/metrics.c daemon/metrics/page.c
 *
 * A name that a session may have needs no escaping. Each line is a comment or a sample, its labels
 * are closed, its value is a number, and the page ends as its form demands.
 */
#undef NDEBUG
#include <assert.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "core/registry.h"
#include "metrics/page.h"

#define REGIONS 3u
#define NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"

static char session[TENANT_SESSION_MAX];
static uint64_t value;

static bool next_region(void *userdata, uint64_t after, struct region_sample *ret)
{
	(void)userdata;
	if (after >= REGIONS)
		return false;
	*ret = (struct region_sample){ .id = after + 1, .uid = 1000, .session = session };
	for (int i = 0; i < _REGION_METRIC_MAX; i++)
		ret->value[i] = i % 2 ? value : REGION_VALUE_UNKNOWN;
	return true;
}

/* {NAME="VALUE",...}; what is behind it. */
static const char *skip_labels(const char *at)
{
	if (*at != '{')
		return at;
	do {
		size_t n = strspn(++at, NAME);

		assert(n && !strncmp(at + n, "=\"", 2));
		at += n + 2;
		at += strcspn(at, "\"\\\n");
		assert(*at == '"');
		at++;
	} while (*at == ',');
	assert(*at == '}');
	return at + 1;
}

static void check_line(const char *line)
{
	size_t n;
	char *end;

	if (!strncmp(line, "# HELP ", 7) || !strncmp(line, "# TYPE ", 7) ||
	    !strncmp(line, "# UNIT ", 7) || !strcmp(line, "# EOF"))
		return;
	n = strspn(line, NAME);
	assert(n);
	line = skip_labels(line + n);
	assert(*line == ' ');
	strtod(line + 1, &end);
	assert(end > line + 1 && !*end);
}

static void check_page(const struct metrics *m, bool openmetrics)
{
	const struct page_source s = { .metrics = m, .next_region = next_region };
	struct page p = { .openmetrics = openmetrics, .regions = true };
	struct evbuffer *out = evbuffer_new();
	char *line, *last = NULL;

	assert(out);
	while (page_write(&p, &s, out))
		;
	while ((line = evbuffer_readln(out, NULL, EVBUFFER_EOL_LF))) {
		check_line(line);
		free(last);
		last = line;
	}
	assert(!evbuffer_get_length(out) && last && !strcmp(last, "# EOF") == openmetrics);
	free(last);
	evbuffer_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct metrics *m;

	bytes_text(&b, session, sizeof(session));
	if (!tenant_name_is_sound(session, sizeof(session)))
		strcpy(session, "default");
	assert(metrics_new(&m) == 0);
	for (int i = 0; b.left && i < 200; i++) {
		uint8_t how = bytes_u8(&b);
		enum metric id = bytes_u8(&b) % _METRIC_MAX;
		unsigned int labels[METRIC_LABELS_MAX];

		/* beyond its list too; what it does not have is 0 */
		for (int l = 0; l < METRIC_LABELS_MAX; l++)
			labels[l] = metric_infos[id].labels[l] ? bytes_u8(&b) % 32 : 0;
		value = bytes_u64(&b) >> how % 64;
		if (metric_infos[id].type == HISTOGRAM)
			metrics_observe(m, id, value, labels[0]);
		else if (metric_infos[id].type == GAUGE && how & 0x80)
			metrics_set(m, id, value, labels[0]);
		else
			metrics_add(m, id, value, labels[0], labels[1], labels[2]);
	}
	check_page(m, false);
	check_page(m, true);
	metrics_free(m);
	return 0;
}
