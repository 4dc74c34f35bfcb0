/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watches.h - a monitor for libfabric's registration cache that hears of what others do, too: the
 * range watches of rdmareg.ko, used by the process itself. It stands in for kdreg2, which is a
 * kernel module for the same purpose, and not in Debian.
 *
 * What always holds: a cached registration whose pages were taken is never handed out again. Who
 * has its key is not told, since nobody asks the cache on his behalf.
 */
#ifndef RDMAREG_BENCH_WATCHES_H
#define RDMAREG_BENCH_WATCHES_H

/* Before the first domain of the process. */
void watches_start(void);

/* Drops what was invalidated without having been asked for again. */
void watches_sweep(void);

#endif
