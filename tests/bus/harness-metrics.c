// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-metrics.c - one number of the metrics' page, as an operator reads it; see harness.h. */
#include <inttypes.h>

#include "harness.h"

uint64_t metric_in(const char *page, const char *series)
{
	const char *found = NULL;
	size_t n = strlen(series);

	for (const char *line = page; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
		if (strncmp(line, series, n) || line[n] != ' ')
			continue;
		check(!found);
		found = line + n + 1;
	}
	if (!found)
		check_text("", series);
	return strtoull(found, NULL, 10);
}

uint64_t world_metric(const struct world *w, const char *series)
{
	static char page[1 << 20];
	char arguments[256];

	snprintf(arguments, sizeof(arguments), "metrics --socket '%s/run/metrics'", w->directory);
	check(world_ctl(w, arguments, page, sizeof(page)) == 0);
	return metric_in(page, series);
}
