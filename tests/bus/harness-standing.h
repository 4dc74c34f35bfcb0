/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness-standing.h - what tests of standing regions share: a world whose daemon keeps its records
 * on a disk that can be made silent (fakes/disk.c), with files that are not in memory.
 *
 * What always holds: one world and one connection, from standing_begin() to standing_end().
 */
#ifndef RDMAREG_HARNESS_STANDING_H
#define RDMAREG_HARNESS_STANDING_H

#include "harness.h"

#define PAGE 4096u

extern struct world world;
extern sd_bus *bus;

/* A region as ListStanding tells of it. */
struct standing_told {
	uint64_t uid, region, length;
	char session[64], name[80], path[300], why[700];
};

const char *path_of(const char *name);
int make_named(const char *name);
const char *record_of(uid_t uid, const char *session, const char *name);
bool is_recorded(const char *name);
bool record_contains(const char *name, const char *text);
bool register_standing(int fd, const char *name, struct reply *ret);
void reboot_machine(void);
bool find_standing(sd_bus *b, const char *name, struct standing_told *ret);
uint64_t region_of(const char *name);
bool restore(sd_bus *b, const char *session, const char *name, int fd, struct reply *ret);
bool lookup_by_name(const char *session, const char *name, struct reply *ret);
bool remove_standing(sd_bus *b, uid_t uid, const char *session, const char *name,
		     struct reply *ret);
int ctl(const char *arguments, char out[static 4096]);
void standing_begin(const char *settings);
void standing_end(void);

#endif
