/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor-look.h - the two halves of doctor_look(). What always holds: paths are those of the
 * machine, and where they are elsewhere (tests), all of them are.
 */
#ifndef RDMAREGCTL_DOCTOR_LOOK_H
#define RDMAREGCTL_DOCTOR_LOOK_H

#include <dirent.h>
#include <stdio.h>

#include "doctor.h"

FILE *look_open_file(const char *format, ...) __attribute__((format(printf, 1, 2)));
DIR *look_open_folder(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The number behind @key, or so many behind that, in the first line that begins so; else @ret stays. */
bool look_for_number(const char *path, const char *key, unsigned int behind, uint64_t *ret);

/* NULL: that process is none of those that rdmaregd lists. */
struct doctor_keeper *look_keeper_of(struct doctor_facts *t, uint64_t pid);

/* doctor-process.c: those of rdmaregd and of keepers, and those that are called like keepers. */
void look_at_processes(struct doctor_facts *t);

#endif
