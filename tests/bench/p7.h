/* SPDX-License-Identifier: GPL-2.0-or-later */
/* p7.h - what the two files of figure P7 share: p7-cache.c has the figure, p7-harm.c a part of it. */
#ifndef RDMAREG_BENCH_P7_H
#define RDMAREG_BENCH_P7_H

#include "cache.h"
#include "client/include/rdmareg.h"

extern struct cache p7_caches[_CACHE_MAX];
extern struct rdmareg *p7_owner;

/* With the library's sentence. */
_Noreturn void p7_fail(void);

/* All of the file, for reading and writing; one at a time, since it has a name. */
struct rdmareg_region *p7_register(int fd);
void p7_end(struct rdmareg_region *region);

void p7_measure_harm(const char *place);

#endif
