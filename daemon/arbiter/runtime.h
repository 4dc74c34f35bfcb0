/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - the daemon's runtime directory (/run/rdmareg), which lives as long as the machine is up:
 *
 *   lock             held by the one daemon that serves this directory
 *   keepers/         UID-SESSION.sock, where each keeper listens
 *   owners/ID        a symbolic link whose text names the tenant of region ID and who registered it
 *   next-region-id   numbers below it may have been given; if it is damaged, numbers go on far above all
 *                    that were given
 *
 * It is no database of regions: the keepers hold the truth. An owner's link is a hint that lets a
 * connection keep its regions while the daemon restarts; where it is missing, the region has no owner.
 *
 * What always holds: a region number is given only after next-region-id on disk is above it, so none is
 * ever given twice.
 */
#ifndef RDMAREG_RUNTIME_H
#define RDMAREG_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#define RUNTIME_PATH_MAX 40 /* longest that leaves room for the longest socket name in struct sockaddr_un */
#define RUNTIME_MARK_MAX 192

struct runtime {
	char keepers[RUNTIME_PATH_MAX + 16]; /* path of that directory */
	int directory;
	int lock;
	int owners;
	uint64_t next_id;  /* at opening: the first number that surely was never given */
	uint64_t reserved; /* numbers below it may be given */
};

/* -EBUSY: another daemon holds the lock. @ret_error: one line for a person, on every failure. */
int runtime_open(struct runtime *rt, const char *path, char *ret_error, size_t error_size);
void runtime_close(struct runtime *rt);

/* Makes sure that number @id may be given. */
int runtime_reserve_id(struct runtime *rt, uint64_t id);

int runtime_set_owner(struct runtime *rt, uint64_t id, const char *mark);
int runtime_get_owner(struct runtime *rt, uint64_t id, char ret_mark[static RUNTIME_MARK_MAX]);
void runtime_clear_owner(struct runtime *rt, uint64_t id);
/* Removes every link of a region for which @known says false. */
void runtime_sweep_owners(struct runtime *rt, int (*known)(void *userdata, uint64_t id), void *userdata);

#endif
