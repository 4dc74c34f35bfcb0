/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * counters.h - what is counted of a region from its registration on. Each counter is described
 * once, in the list: the member that every structure with counters has, and the property of
 * org.rdmareg.Registry1.Region. Keeper, daemon, library and rdmaregctl take the list from here.
 *
 * What always holds: UINT64_MAX is a count that nobody can know; every other one only grows.
 */
#ifndef RDMAREG_COUNTERS_H
#define RDMAREG_COUNTERS_H

#include <stdint.h>

#define REGION_COUNTERS(X)                \
	X(invalidations, "Invalidations") \
	X(writebacks, "Writebacks")       \
	X(bytes_warmed, "BytesWarmed")    \
	X(faults, "Faults")               \
	X(removals, "Removals")           \
	X(bytes_redirtied, "BytesRedirtied")

struct region_counters {
#define REGION_COUNTER(member, property) uint64_t member;
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
#define REGION_COUNTER_COPY(member, property) _to->member = _from->member;

#endif
