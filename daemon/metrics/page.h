/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page.h - the metrics as text, in slices: Prometheus' text format 0.0.4, which node_exporter reads
 * from files, or OpenMetrics 1.0. They differ in what comes before the samples of a metric, and in
 * the last line.
 *
 * What always holds: a metric's samples are from one moment, those of two metrics need not be; a
 * slice takes time for what it writes and for nothing else; a page ends whatever comes and goes
 * meanwhile.
 */
#ifndef RDMAREG_METRICS_PAGE_H
#define RDMAREG_METRICS_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/metrics.h"

struct evbuffer;

#define PAGE_SLICE_BYTES 16384 /* a slice ends with the line behind it, or a metric of few lines */

#define REGION_VALUE_UNKNOWN UINT64_MAX /* no line */

struct region_sample {
	uint64_t id;
	uint32_t uid;
	const char *session; /* letters, digits and _ . - */
	uint64_t value[_REGION_METRIC_MAX];
};

struct page_source {
	const struct metrics *metrics;
	/* The region with the next number above @after. False: there is none. */
	bool (*next_region)(void *userdata, uint64_t after, struct region_sample *ret);
	void *userdata;
};

struct page {
	bool openmetrics;
	bool regions;	     /* one series for each region as well */
	unsigned int metric; /* the next one, counted through both lists */
	uint64_t after;	     /* of a region's metric: the last that was written */
};

/* Adds the next slice to @out. False: it was the last one. */
bool page_write(struct page *p, const struct page_source *s, struct evbuffer *out);

#endif
