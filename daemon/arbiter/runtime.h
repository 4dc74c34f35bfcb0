/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - the daemon's runtime directory (/run/rdmareg), which lives as long as the machine is
 * up:
 *
 *   lock             held by the one daemon that serves this directory, and says which process that
 *                    is; a new file takes its place when the holder was killed and its process
 *                    cannot end (util/process.h)
 *   lock.drop        held while that is done
 *   keepers/         for each keeper UID-SESSION-N.sock, where it listens, and UID-SESSION-N.record
 *                    (record.h), what the daemon knows of it; N tells a tenant's processes apart
 *   dax/             who has the DAX devices that were created for users (app-dax.c)
 *   sessions/        the sessions that were created (session-record.h)
 *   drained          there while nothing new is registered, with who wants that since when, and why
 *                    (app-drain.c)
 *   ends             how often rdmaregd ended unasked, and whether one runs (app-metrics.c)
 *   next-region-id   numbers below it may have been given; if it is damaged, numbers go on far
 *                    above all that were given
 *
 * It is no database of regions: the keepers have them, and the records tell how far a keeper is
 * believed.
 *
 * What always holds: a region number is given only after next-region-id on disk is above it, so
 * none is ever given twice.
 */
#ifndef RDMAREG_RUNTIME_H
#define RDMAREG_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "util/failure.h"

#define RUNTIME_PATH_MAX \
	30 /* longest that leaves room for the longest socket name in struct sockaddr_un */

struct runtime {
	char keepers[RUNTIME_PATH_MAX + 16]; /* path of that directory */
	int directory;
	int lock;
	int sessions;	   /* that directory */
	uint64_t next_id;  /* at opening: the first number that surely was never given */
	uint64_t reserved; /* numbers below it may be given */
};

/* -EBUSY: another daemon holds the lock. @why: filled on every failure. */
int runtime_open(struct runtime *rt, const char *path, struct failure *why);
void runtime_close(struct runtime *rt);

/* Makes sure that number @id may be given. */
int runtime_reserve_id(struct runtime *rt, uint64_t id);

#endif
