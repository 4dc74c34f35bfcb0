/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - places in a running program where bpftrace, perf and others can look on (USDT,
 * provider rdmareg). docs/tracing.md has all of them, with their arguments.
 *
 * What always holds: one that nobody looks at is a single no-operation instruction. Arguments are
 * numbers. Built without <sys/sdt.h> (option probes) there are none, and nothing else changes.
 */
#ifndef RDMAREG_PROBE_H
#define RDMAREG_PROBE_H

#include "config.h"

#if HAVE_SDT
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define PROBE(name, ...) STAP_PROBEV(rdmareg, name, __VA_ARGS__)
#else
#define PROBE(name, ...) probe_nothing(__VA_ARGS__)
/* so that arguments are used in every build */
static inline void probe_nothing(unsigned long long first, ...)
{
	(void)first;
}
#endif

#endif
