// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metrics.c - numbers that are counted in any order, and the page that they become: each line of it
 * is looked at as somebody reads it who knows the format and the list of metrics.
 *
 * Measured: daemon/metrics/metrics.c daemon/metrics/page.c
 *
 * Each line is a comment or a sample. Each series that there can be is there once, behind the type of
 * its metric, and has what a second account says, which is the list of all that was counted: of a
 * histogram, how many were at most so large. Of regions only what is known is there. A name that a
 * session may have needs no escaping, and the page ends as its form demands.
 */
#undef NDEBUG
#include <assert.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "core/registry.h"
#include "metrics/page.h"

#define REGIONS 3u
#define COUNTED_MAX 200
#define NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"
#define PARTS (METRIC_BUCKETS + 3) /* of a histogram: buckets, the last one, sum and count */
#define SERIES_MAX 4096

static char session[TENANT_SESSION_MAX];
static uint64_t value;

/* What was counted, in this order. */
static struct counted {
	enum metric id;
	unsigned int series;
	uint64_t value;
	bool set;
} counted[COUNTED_MAX];
static int n_counted;

/* A line that is a sample. */
struct sample {
	char name[128], labels[256], value[64];
};

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

static void read_sample(const char *line, struct sample *ret)
{
	size_t n = strspn(line, NAME);
	const char *behind = skip_labels(line + n);
	size_t labels = (size_t)(behind - line) - n;
	char *end;

	assert(n && n < sizeof(ret->name) && labels < sizeof(ret->labels) && *behind == ' ');
	assert(snprintf(ret->name, sizeof(ret->name), "%.*s", (int)n, line) > 0);
	/* without its brackets */
	snprintf(ret->labels, sizeof(ret->labels), "%.*s", labels ? (int)labels - 2 : 0,
		 line + n + 1);
	snprintf(ret->value, sizeof(ret->value), "%s", behind + 1);
	strtod(ret->value, &end);
	assert(end > ret->value && !*end);
}

/* What is behind @word; NULL: it does not begin so. */
static const char *behind(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) ? NULL : text + strlen(word);
}

/* As they are written: the first label changes last. */
static void write_labels(const struct metric_info *info, unsigned int series, char *out,
			 size_t size)
{
	unsigned int at[METRIC_LABELS_MAX];
	size_t n = 0;

	for (int i = METRIC_LABELS_MAX; i--;) {
		unsigned int all = metric_label_count(info->labels[i]);

		at[i] = series % all;
		series /= all;
	}
	*out = 0;
	for (int i = 0; i < METRIC_LABELS_MAX && info->labels[i]; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s=\"%s\"", i ? "," : "",
				      metric_label_name(info->labels[i]),
				      metric_label_value(info->labels[i], at[i]));
	assert(n < size);
}

static uint64_t account(enum metric id, unsigned int series)
{
	uint64_t sum = 0;

	for (int i = 0; i < n_counted; i++)
		if (counted[i].id == id && counted[i].series == series)
			sum = counted[i].value + (counted[i].set ? 0 : sum);
	return sum;
}

static uint64_t count_up_to(enum metric id, unsigned int series, uint64_t most)
{
	uint64_t n = 0;

	for (int i = 0; i < n_counted; i++)
		n += counted[i].id == id && counted[i].series == series && counted[i].value <= most;
	return n;
}

static void check_number(const struct sample *l, uint64_t wanted)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, wanted);
	assert(!strcmp(l->value, text));
}

/* Which part of it this is; its labels are without the bound then. */
static unsigned int check_part(enum metric id, unsigned int series, const char *part,
			       const char *rest, const struct sample *l)
{
	char bound[64], text[64];
	uint64_t sum = account(id, series);

	if (!strcmp(part, "_count") || !strcmp(part, "_sum")) {
		snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, sum / 1000000,
			 sum % 1000000);
		if (!strcmp(part, "_sum"))
			assert(!strcmp(l->value, text));
		else
			check_number(l, count_up_to(id, series, UINT64_MAX));
		assert(!*rest);
		return METRIC_BUCKETS + (part[1] == 's' ? 1 : 2);
	}
	assert(!strcmp(part, "_bucket"));
	for (unsigned int i = 0; i < METRIC_BUCKETS; i++) {
		snprintf(bound, sizeof(bound), "le=\"%g\"", (double)metric_buckets[i] / 1e6);
		if (strcmp(rest, bound) != 0)
			continue;
		check_number(l, count_up_to(id, series, metric_buckets[i]));
		return i;
	}
	assert(!strcmp(rest, "le=\"+Inf\""));
	check_number(l, count_up_to(id, series, UINT64_MAX));
	return METRIC_BUCKETS;
}

/* True: it is one of this metric. @n: how many were before; @seen: of its series and parts */
static bool check_metric(enum metric id, const struct sample *l, unsigned int n, bool *seen)
{
	const struct metric_info *info = &metric_infos[id];
	const char *suffix = behind(l->name, info->name), *rest;
	unsigned int part = 0, series;
	char labels[256];

	if (!suffix ||
	    (info->type == HISTOGRAM ? *suffix != '_' || !strcmp(suffix, "_total")
				     : strcmp(suffix, info->type == COUNTER ? "_total" : "") != 0))
		return false;
	/* in their order: the last label's next */
	series = n / (info->type == HISTOGRAM ? PARTS : 1);
	assert(series < metric_series_count(info) && series < SERIES_MAX / PARTS);
	write_labels(info, series, labels, sizeof(labels));
	rest = behind(l->labels, labels);
	assert(rest && (!*rest || *rest == ',' || !*labels));
	rest += *rest == ',';
	if (info->type == HISTOGRAM) {
		part = check_part(id, series, suffix, rest, l);
	} else {
		assert(!*rest);
		check_number(l, account(id, series));
	}
	assert(!seen[series * PARTS + part]);
	seen[series * PARTS + part] = true;
	return true;
}

static void check_region(const struct sample *l, unsigned int *n)
{
	unsigned long long id;
	char wanted[256];

	for (int i = 0; i < _REGION_METRIC_MAX; i++) {
		const struct metric_info *info = &region_metric_infos[i];
		const char *suffix = behind(l->name, info->name);

		if (!suffix || strcmp(suffix, info->type == COUNTER ? "_total" : "") != 0)
			continue;
		assert(i % 2 && sscanf(l->labels, "region=\"%llu\"", &id) == 1);
		assert(id && id <= REGIONS);
		snprintf(wanted, sizeof(wanted), "region=\"%llu\",uid=\"1000\",session=\"%s\"", id,
			 session);
		assert(!strcmp(l->labels, wanted));
		check_number(l, value);
		++*n;
		return;
	}
	assert(!"a metric that is none");
}

/* "# TYPE NAME WORD": of a counter the plain form's name has the suffix. */
static bool is_type_of(const char *line, const struct metric_info *info, bool openmetrics)
{
	static const char *const words[] = { "gauge", "counter", "histogram" };
	char wanted[160];

	snprintf(wanted, sizeof(wanted), "# TYPE %s%s %s", info->name,
		 info->type == COUNTER && !openmetrics ? "_total" : "", words[info->type]);
	return !strcmp(line, wanted);
}

static void check_page(const struct metrics *m, bool openmetrics)
{
	const struct page_source s = { .metrics = m, .next_region = next_region };
	struct page p = { .openmetrics = openmetrics, .regions = true };
	struct evbuffer *out = evbuffer_new();
	int at = -1; /* the metric that is being told */
	static bool seen[SERIES_MAX];
	unsigned int of_regions = 0, wanted = 0, n = 0;
	char *line, *last = NULL;

	assert(out);
	while (page_write(&p, &s, out))
		;
	while ((line = evbuffer_readln(out, NULL, EVBUFFER_EOL_LF))) {
		struct sample l;

		if (at + 1 < _METRIC_MAX && is_type_of(line, &metric_infos[at + 1], openmetrics)) {
			at++;
			n = 0;
			wanted = metric_series_count(&metric_infos[at]) *
				 (metric_infos[at].type == HISTOGRAM ? PARTS : 1);
			memset(seen, 0, sizeof(seen));
		} else if (*line != '#') {
			read_sample(line, &l);
			if (at >= 0 && check_metric((enum metric)at, &l, n, seen)) {
				n++;
			} else {
				assert(at == _METRIC_MAX - 1);
				check_region(&l, &of_regions);
			}
		} else if (behind(line, "# HELP ")) {
			assert(n == wanted); /* the one before is complete */
		} else {
			assert(behind(line, "# TYPE ") || behind(line, "# UNIT ") ||
			       !strcmp(line, "# EOF"));
		}
		free(last);
		last = line;
	}
	assert(at == _METRIC_MAX - 1);
	assert(of_regions ==
	       (value == REGION_VALUE_UNKNOWN ? 0 : _REGION_METRIC_MAX / 2 * REGIONS));
	assert(!evbuffer_get_length(out) && last && !strcmp(last, "# EOF") == openmetrics);
	free(last);
	evbuffer_free(out);
}

/* False: a label is beyond its list, and nothing is counted. */
static bool series_of(const struct metric_info *info, const unsigned int *labels, unsigned int *ret)
{
	*ret = 0;
	for (int i = 0; i < METRIC_LABELS_MAX; i++) {
		unsigned int all = metric_label_count(info->labels[i]);

		if (labels[i] >= all)
			return false;
		*ret = *ret * all + labels[i];
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct metrics *m;
	bool set;

	bytes_text(&b, session, sizeof(session));
	if (!tenant_name_is_sound(session, sizeof(session)))
		strcpy(session, "default");
	assert(metrics_new(&m) == 0);
	n_counted = 0;
	value = 0;
	for (int i = 0; b.left && i < COUNTED_MAX; i++) {
		uint8_t how = bytes_u8(&b);
		enum metric id = bytes_u8(&b) % _METRIC_MAX;
		unsigned int labels[METRIC_LABELS_MAX];

		/* beyond its list too; what it does not have is 0 */
		for (int l = 0; l < METRIC_LABELS_MAX; l++)
			labels[l] = metric_infos[id].labels[l] ? bytes_u8(&b) % 32 : 0;
		value = bytes_u64(&b) >> how % 64;
		if (how & 0x40) /* as much as a bucket has room for */
			value = metric_buckets[how % METRIC_BUCKETS] + (how & 1);
		set = metric_infos[id].type == GAUGE && how & 0x80;
		if (set) /* the others are 0 */
			labels[1] = labels[2] = 0;
		counted[n_counted] = (struct counted){ .id = id, .value = value, .set = set };
		n_counted += series_of(&metric_infos[id], labels, &counted[n_counted].series);
		if (metric_infos[id].type == HISTOGRAM)
			metrics_observe(m, id, value, labels[0]);
		else if (set)
			metrics_set(m, id, value, labels[0]);
		else
			metrics_add(m, id, value, labels[0], labels[1], labels[2]);
	}
	check_page(m, false);
	check_page(m, true);
	metrics_free(m);
	return 0;
}
