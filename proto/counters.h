/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * counters.h - what is counted of a region from its registration on. Each counter is described
 * once, in the list: the member that every structure with counters has, the property of
 * org.rdmareg.Registry1.Region, and the rest of what region-properties.h says of a property.
 * Keeper, daemon, library and rdmaregctl take the list from here.
 *
 * What always holds: UINT64_MAX is a count that nobody can know; every other one only grows.
 */
#ifndef RDMAREG_COUNTERS_H
#define RDMAREG_COUNTERS_H

#include <stdint.h>

#define REGION_COUNTERS(X)                                    \
	X(invalidations, "Invalidations", COUNT, QUIET, FULL) \
	X(writebacks, "Writebacks", COUNT, QUIET, FULL)       \
	X(bytes_warmed, "BytesWarmed", BYTES, QUIET, FULL)    \
	X(faults, "Faults", COUNT, QUIET, FULL)               \
	X(removals, "Removals", COUNT, QUIET, FULL)           \
	X(bytes_redirtied, "BytesRedirtied", BYTES, QUIET, FULL)

struct region_counters {
#define REGION_COUNTER(member, ...) uint64_t member;
	REGION_COUNTERS(REGION_COUNTER)
#undef REGION_COUNTER
};

/* From one structure that has all of these members into another one that has. */
#define region_counters_copy(to, from)               \
	do {                                         \
		__typeof__(to) _to = (to);           \
		__typeof__(from) _from = (from);     \
		REGION_COUNTERS(REGION_COUNTER_COPY) \
	} while (0)
#define REGION_COUNTER_COPY(member, ...) _to->member = _from->member;

#endif
