/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics.h - the numbers that rdmaregd counts for its operator, in memory: counters, gauges and
 * histograms of list.h, each with one value for each combination of its labels.
 *
 * What always holds: a value that was added to is there for as long as the process; nothing here
 * allocates after metrics_new(), does I/O or reads a clock. A label's value beyond its list is
 * ignored, so that what another process said needs no check here.
 */
#ifndef RDMAREG_METRICS_H
#define RDMAREG_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/list.h"
#include "names.h"

enum metric {
#define METRIC(id, ...) METRIC_##id,
	METRICS(METRIC)
#undef METRIC
		_METRIC_MAX,
};

enum region_metric {
#define METRIC(id, ...) REGION_METRIC_##id,
	REGION_METRICS(METRIC)
#undef METRIC
		_REGION_METRIC_MAX,
};

enum metric_type { GAUGE, COUNTER, HISTOGRAM };

enum metric_label {
	LABEL_NONE,
	LABEL_ARBITER,	  /* enum metric_arbiter */
	LABEL_CAUSE,	  /* enum revocation_cause */
	LABEL_END,	  /* enum region_end */
	LABEL_GATE_END,	  /* enum metric_gate_end */
	LABEL_HOLDER,	  /* enum metric_holder */
	LABEL_KEEPER,	  /* enum metric_keeper */
	LABEL_LIMIT,	  /* enum metric_limit */
	LABEL_MODE,	  /* enum arbitration_mode */
	LABEL_OUTCOME,	  /* enum revocation_outcome */
	LABEL_PASSAGE,	  /* enum metric_passage */
	LABEL_REGISTERED, /* enum metric_registered */
	LABEL_REPLACED,	  /* enum metric_replaced */
	LABEL_SCRAPE,	  /* enum metric_scrape */
	LABEL_STATE,	  /* enum region_state */
	LABEL_VERSION,
	_METRIC_LABEL_MAX,
};

enum metric_arbiter { ARBITER_LEASE, ARBITER_GATE, _METRIC_ARBITER_MAX };
#define METRIC_ARBITER_NAMES { "layout-lease", "pre-content" }

enum metric_gate_end { GATE_END_WATCHDOG, GATE_END_OTHER, _METRIC_GATE_END_MAX };
#define METRIC_GATE_END_NAMES { "watchdog", "other" }

enum metric_holder { METRIC_CLIENT, METRIC_PEER, _METRIC_HOLDER_MAX };
#define METRIC_HOLDER_NAMES { "client", "peer" }

enum metric_keeper { KEEPERS_READY, KEEPERS_ESTRANGED, _METRIC_KEEPER_MAX };
#define METRIC_KEEPER_NAMES { "ready", "estranged" }

/*
 * As they are called in rdmaregd.conf; those of one session by what CreateSession calls them; "time"
 * is no setting.
 */
enum metric_limit {
	LIMIT_REGIONS_PER_TENANT,
	LIMIT_BYTES_PER_TENANT,
	LIMIT_REGIONS_PER_CLIENT,
	LIMIT_TENANTS_PER_UID,
	LIMIT_KEEPERS,
	LIMIT_KEEPER_UIDS,
	LIMIT_SESSIONS,
	LIMIT_SESSION_REGIONS,
	LIMIT_SESSION_BYTES,
	LIMIT_JOBS_PER_CLIENT,
	LIMIT_JOINS_PER_CLIENT,
	LIMIT_JOINS_PER_UID,
	LIMIT_REVOKES_PER_CLIENT,
	LIMIT_PENDING_PER_CLIENT,
	LIMIT_PENDING_PER_UID,
	LIMIT_SUBSCRIBERS_PER_UID,
	LIMIT_TIME, /* calls of a user took more than its share of the daemon's */
	_METRIC_LIMIT_MAX,
};
#define METRIC_LIMIT_NAMES            \
	{ "regions_per_tenant",       \
	  "bytes_per_tenant",         \
	  "regions_per_client",       \
	  "tenants_per_uid",          \
	  "keepers",                  \
	  "keeper_uids",              \
	  "sessions_max",             \
	  "MaxRegions",               \
	  "MaxBytes",                 \
	  "jobs_per_client",          \
	  "joins_per_client",         \
	  "joins_per_uid",            \
	  "revokes_per_client",       \
	  "pending_calls_per_client", \
	  "pending_calls_per_uid",    \
	  "subscribers_per_uid",      \
	  "time" }

/* What became of an operation on a marked file. */
enum metric_passage { PASSAGE_WENT_ON, PASSAGE_REFUSED, PASSAGE_EXPIRED, _METRIC_PASSAGE_MAX };
#define METRIC_PASSAGE_NAMES { "went-on", "refused", "expired" }

enum metric_registered { REGISTRATION_DONE, REGISTRATION_FAILED, _METRIC_REGISTERED_MAX };
#define METRIC_REGISTERED_NAMES { "registered", "failed" }

/* All regions of the keeper were made anew; some were not; nothing was taken from it. */
enum metric_replaced { REPLACED_WHOLE, REPLACED_IN_PART, REPLACED_NOT, _METRIC_REPLACED_MAX };
#define METRIC_REPLACED_NAMES { "whole", "in-part", "not" }

enum metric_scrape { SCRAPE_SERVED, SCRAPE_REFUSED, SCRAPE_ABANDONED, _METRIC_SCRAPE_MAX };
#define METRIC_SCRAPE_NAMES { "served", "refused", "abandoned" }

#define METRIC_LABELS_MAX 3
#define METRIC_BUCKETS 14 /* and one without an upper end */

/* What list.h says of one. */
struct metric_info {
	const char *name;
	enum metric_type type;
	const char *help;
	enum metric_label labels[METRIC_LABELS_MAX];
};
extern const struct metric_info metric_infos[_METRIC_MAX];
extern const struct metric_info region_metric_infos[_REGION_METRIC_MAX];

/* Upper ends, microseconds. */
extern const uint64_t metric_buckets[METRIC_BUCKETS];

const char *metric_label_name(enum metric_label l);
/* How many values it has; LABEL_NONE has one. */
unsigned int metric_label_count(enum metric_label l);
const char *metric_label_value(enum metric_label l, unsigned int i);

struct metrics;

/* -ENOMEM */
int metrics_new(struct metrics **ret);
struct metrics *metrics_free(struct metrics *m);

/* Labels that the metric does not have are 0. */
void metrics_add(struct metrics *m, enum metric id, uint64_t n, unsigned int label_1,
		 unsigned int label_2, unsigned int label_3);
/* Of a gauge; what was added must be there. */
void metrics_take(struct metrics *m, enum metric id, uint64_t n, unsigned int label_1,
		  unsigned int label_2, unsigned int label_3);
void metrics_set(struct metrics *m, enum metric id, uint64_t value, unsigned int label_1);
void metrics_observe(struct metrics *m, enum metric id, uint64_t usec, unsigned int label_1);

static inline void metrics_count(struct metrics *m, enum metric id, unsigned int label_1)
{
	metrics_add(m, id, 1, label_1, 0, 0);
}

/*
 * The values of one series: one, or of a histogram those of each bucket (METRIC_BUCKETS + 1, each
 * without the ones below it) and the sum in microseconds. @series: label_1 outermost.
 */
const uint64_t *metrics_series(const struct metrics *m, enum metric id, unsigned int series);
unsigned int metric_series_count(const struct metric_info *info);

#endif
