// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metrics.c - see metrics.h. All values lie in one array; where those of a metric begin is worked
 * out from the list when it is made.
 */
#include "config.h"

#include "metrics/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define HISTOGRAM_VALUES (METRIC_BUCKETS + 2)

struct metrics {
	size_t first[_METRIC_MAX];
	uint64_t value[];
};

const struct metric_info metric_infos[_METRIC_MAX] = {
#define METRIC(id, name, type, help, ...) [METRIC_##id] = { name, type, help, { __VA_ARGS__ } },
	METRICS(METRIC)
#undef METRIC
};

const struct metric_info region_metric_infos[_REGION_METRIC_MAX] = {
#define METRIC(id, name, type, help) [REGION_METRIC_##id] = { name, type, help, { LABEL_NONE } },
	REGION_METRICS(METRIC)
#undef METRIC
};

const uint64_t metric_buckets[METRIC_BUCKETS] = { 100,	   1000,     5000,     10000,	50000,
						  100000,  250000,   500000,   1000000, 2000000,
						  5000000, 10000000, 20000000, 60000000 };

static const char *const arbiters[] = METRIC_ARBITER_NAMES;
static const char *const causes[] = REVOCATION_CAUSE_NAMES;
static const char *const ends[] = REGION_END_NAMES;
static const char *const gate_ends[] = METRIC_GATE_END_NAMES;
static const char *const holders[] = METRIC_HOLDER_NAMES;
static const char *const keepers[] = METRIC_KEEPER_NAMES;
static const char *const limits[] = METRIC_LIMIT_NAMES;
static const char *const modes[] = ARBITRATION_MODE_NAMES;
static const char *const outcomes[] = REVOCATION_OUTCOME_NAMES;
static const char *const passages[] = METRIC_PASSAGE_NAMES;
static const char *const registered[] = METRIC_REGISTERED_NAMES;
static const char *const replaced[] = METRIC_REPLACED_NAMES;
static const char *const scrapes[] = METRIC_SCRAPE_NAMES;
static const char *const states[] = REGION_STATE_NAMES;
static const char *const versions[] = { PROJECT_VERSION };

#define VALUES(list) (list), sizeof(list) / sizeof((list)[0])

static const struct {
	const char *name;
	const char *const *values;
	unsigned int n;
} labels[_METRIC_LABEL_MAX] = {
	[LABEL_NONE] = { "", NULL, 1 },
	[LABEL_ARBITER] = { "arbiter", VALUES(arbiters) },
	[LABEL_CAUSE] = { "cause", VALUES(causes) },
	[LABEL_END] = { "reason", VALUES(ends) },
	[LABEL_GATE_END] = { "by", VALUES(gate_ends) },
	[LABEL_HOLDER] = { "holder", VALUES(holders) },
	[LABEL_KEEPER] = { "state", VALUES(keepers) },
	[LABEL_LIMIT] = { "limit", VALUES(limits) },
	[LABEL_MODE] = { "mode", VALUES(modes) },
	[LABEL_OUTCOME] = { "outcome", VALUES(outcomes) },
	[LABEL_PASSAGE] = { "result", VALUES(passages) },
	[LABEL_REGISTERED] = { "result", VALUES(registered) },
	[LABEL_REPLACED] = { "outcome", VALUES(replaced) },
	[LABEL_SCRAPE] = { "result", VALUES(scrapes) },
	[LABEL_STATE] = { "state", VALUES(states) },
	[LABEL_VERSION] = { "version", VALUES(versions) },
};

const char *metric_label_name(enum metric_label l)
{
	return labels[l].name;
}

unsigned int metric_label_count(enum metric_label l)
{
	return labels[l].n;
}

const char *metric_label_value(enum metric_label l, unsigned int i)
{
	return labels[l].values[i];
}

unsigned int metric_series_count(const struct metric_info *info)
{
	unsigned int n = 1;

	for (unsigned int i = 0; i < METRIC_LABELS_MAX; i++)
		n *= labels[info->labels[i]].n;
	return n;
}

static size_t width_of(const struct metric_info *info)
{
	return info->type == HISTOGRAM ? HISTOGRAM_VALUES : 1;
}

int metrics_new(struct metrics **ret)
{
	size_t first[_METRIC_MAX], n = 0;
	struct metrics *m;

	for (unsigned int i = 0; i < _METRIC_MAX; i++) {
		first[i] = n;
		n += metric_series_count(&metric_infos[i]) * width_of(&metric_infos[i]);
	}
	m = calloc(1, sizeof(*m) + n * sizeof(m->value[0]));
	if (!m)
		return -ENOMEM;
	for (unsigned int i = 0; i < _METRIC_MAX; i++)
		m->first[i] = first[i];
	*ret = m;
	return 0;
}

struct metrics *metrics_free(struct metrics *m)
{
	free(m);
	return NULL;
}

static uint64_t *series_of(struct metrics *m, enum metric id, const unsigned int *at)
{
	const struct metric_info *info = &metric_infos[id];
	size_t series = 0;

	for (unsigned int i = 0; i < METRIC_LABELS_MAX; i++) {
		unsigned int n = labels[info->labels[i]].n;

		assert(info->labels[i] || !at[i]);
		if (at[i] >= n)
			return NULL;
		series = series * n + at[i];
	}
	return m->value + m->first[id] + series * width_of(info);
}

const uint64_t *metrics_series(const struct metrics *m, enum metric id, unsigned int series)
{
	return m->value + m->first[id] + series * width_of(&metric_infos[id]);
}

void metrics_add(struct metrics *m, enum metric id, uint64_t n, unsigned int label_1,
		 unsigned int label_2, unsigned int label_3)
{
	uint64_t *v = series_of(m, id, (unsigned int[]){ label_1, label_2, label_3 });

	assert(metric_infos[id].type != HISTOGRAM);
	if (v)
		*v += n;
}

void metrics_take(struct metrics *m, enum metric id, uint64_t n, unsigned int label_1,
		  unsigned int label_2, unsigned int label_3)
{
	uint64_t *v = series_of(m, id, (unsigned int[]){ label_1, label_2, label_3 });

	assert(metric_infos[id].type == GAUGE);
	assert(!v || *v >= n);
	if (v)
		*v -= n;
}

void metrics_set(struct metrics *m, enum metric id, uint64_t value, unsigned int label_1)
{
	uint64_t *v = series_of(m, id, (unsigned int[]){ label_1, 0, 0 });

	assert(metric_infos[id].type == GAUGE);
	if (v)
		*v = value;
}

void metrics_observe(struct metrics *m, enum metric id, uint64_t usec, unsigned int label_1)
{
	uint64_t *v = series_of(m, id, (unsigned int[]){ label_1, 0, 0 });
	unsigned int i = 0;

	assert(metric_infos[id].type == HISTOGRAM);
	if (!v)
		return;
	while (i < METRIC_BUCKETS && usec > metric_buckets[i])
		i++;
	v[i]++;
	v[METRIC_BUCKETS + 1] += usec;
}
