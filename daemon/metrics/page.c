// SPDX-License-Identifier: GPL-2.0-or-later
/* page.c - see page.h. No value needs to be escaped: labels are words of ours, names and numbers. */
#include "metrics/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

static const char *const type_names[] = { "gauge", "counter", "histogram" };

#define PAGE_SLICE_LINES 256
#define USEC_PER_SECOND 1000000u
#define SECONDS_FORMAT "%" PRIu64 ".%06" PRIu64
#define SECONDS(usec) (usec) / USEC_PER_SECOND, (usec) % USEC_PER_SECOND

static const char *suffix_of(const struct metric_info *info)
{
	return info->type == COUNTER ? "_total" : "";
}

static const char *unit_of(const char *name)
{
	const char *last = strrchr(name, '_');

	return last && (!strcmp(last, "_seconds") || !strcmp(last, "_bytes")) ? last + 1 : NULL;
}

static void write_head(const struct page *p, const struct metric_info *info, struct evbuffer *out)
{
	const char *suffix = p->openmetrics ? "" : suffix_of(info), *unit = unit_of(info->name);

	evbuffer_add_printf(out, "# HELP %s%s %s.\n# TYPE %s%s %s\n", info->name, suffix,
			    info->help, info->name, suffix, type_names[info->type]);
	if (p->openmetrics && unit)
		evbuffer_add_printf(out, "# UNIT %s %s\n", info->name, unit);
}

/* Its labels as a="b",c="d"; empty if it has none. */
static void describe_series(const struct metric_info *info, unsigned int series, char *ret,
			    size_t size)
{
	unsigned int after = metric_series_count(info);
	size_t n = 0;

	*ret = 0;
	for (unsigned int i = 0; i < METRIC_LABELS_MAX && info->labels[i]; i++) {
		enum metric_label l = info->labels[i];

		after /= metric_label_count(l);
		n += (size_t)snprintf(
			ret + n, size - n, "%s%s=\"%s\"", n ? "," : "", metric_label_name(l),
			metric_label_value(l, series / after % metric_label_count(l)));
	}
}

static void write_histogram(const char *name, const char *series, const uint64_t *v,
			    struct evbuffer *out)
{
	const char *comma = *series ? "," : "";
	const char *open = *series ? "{" : "", *close = *series ? "}" : "";
	uint64_t n = 0;

	for (unsigned int i = 0; i < METRIC_BUCKETS; i++) {
		n += v[i];
		evbuffer_add_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, series,
				    comma, (double)metric_buckets[i] / USEC_PER_SECOND, n);
	}
	n += v[METRIC_BUCKETS];
	evbuffer_add_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, series, comma,
			    n);
	evbuffer_add_printf(out, "%s_sum%s%s%s " SECONDS_FORMAT "\n", name, open, series, close,
			    SECONDS(v[METRIC_BUCKETS + 1]));
	evbuffer_add_printf(out, "%s_count%s%s%s %" PRIu64 "\n", name, open, series, close, n);
}

static void write_metric(const struct page *p, const struct page_source *s, enum metric id,
			 struct evbuffer *out)
{
	const struct metric_info *info = &metric_infos[id];
	unsigned int n = metric_series_count(info);
	char series[160];

	write_head(p, info, out);
	for (unsigned int i = 0; i < n; i++) {
		const uint64_t *v = metrics_series(s->metrics, id, i);

		describe_series(info, i, series, sizeof(series));
		if (info->type == HISTOGRAM)
			write_histogram(info->name, series, v, out);
		else
			evbuffer_add_printf(out, "%s%s%s%s%s %" PRIu64 "\n", info->name,
					    suffix_of(info), *series ? "{" : "", series,
					    *series ? "}" : "", *v);
	}
}

/* The next region's line. False: there are no more. */
static bool write_region(struct page *p, const struct page_source *s, enum region_metric id,
			 struct evbuffer *out)
{
	const struct metric_info *info = &region_metric_infos[id];
	struct region_sample r;

	if (!s->next_region(s->userdata, p->after, &r))
		return false;
	p->after = r.id;
	if (r.value[id] != REGION_VALUE_UNKNOWN)
		evbuffer_add_printf(out,
				    "%s%s{region=\"%" PRIu64 "\",uid=\"%" PRIu32
				    "\",session=\"%s\"} %" PRIu64 "\n",
				    info->name, suffix_of(info), r.id, r.uid, r.session,
				    r.value[id]);
	return true;
}

static void write_next(struct page *p, const struct page_source *s, struct evbuffer *out)
{
	enum region_metric of_region;

	if (p->metric < _METRIC_MAX) {
		write_metric(p, s, (enum metric)p->metric++, out);
		return;
	}
	of_region = (enum region_metric)(p->metric - _METRIC_MAX);
	if (!p->after)
		write_head(p, &region_metric_infos[of_region], out);
	if (write_region(p, s, of_region, out))
		return;
	p->metric++;
	p->after = 0;
}

bool page_write(struct page *p, const struct page_source *s, struct evbuffer *out)
{
	unsigned int n = _METRIC_MAX + (p->regions ? _REGION_METRIC_MAX : 0u);
	/* a region without a line makes the slice no longer, but takes its time as well */
	size_t begin = evbuffer_get_length(out), lines = 0;

	while (p->metric < n && lines++ < PAGE_SLICE_LINES &&
	       evbuffer_get_length(out) - begin < PAGE_SLICE_BYTES)
		write_next(p, s, out);
	if (p->metric < n)
		return true;
	if (p->openmetrics)
		evbuffer_add_printf(out, "# EOF\n");
	return false;
}
