/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record-files.h - a folder of our own with small files, one for each thing that the next daemon is
 * to know (util/replace-file.h writes them). What always holds: what is not as its reader wants it
 * is set aside as damaged-NAME, said in the log, and believed in nothing.
 */
#ifndef RDMAREG_RECORD_FILES_H
#define RDMAREG_RECORD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_TEXT_MAX 4096 /* bytes of one file */

/*
 * Calls take() with each file: its name, and its text, terminated, without a zero byte in it, which
 * take() may change. False: it is none of ours. @path: of @directory, and @what, such as "session": for
 * the log.
 */
void record_files_each(int directory, const char *path, const char *what,
		       bool (*take)(void *userdata, const char *name, char *text), void *userdata);

/* False: it is no number up to @most. */
bool record_number(const char *text, uint64_t most, uint64_t *ret);

/* A number of a record: its key, the member of 1, 4 or 8 bytes that has it, and the largest value. */
struct record_member {
	const char *key;
	size_t offset;
	size_t size;
	uint64_t most;
};

#define RECORD_MEMBER(type, key, member, most) \
	{ key, offsetof(type, member), sizeof(((type *)0)->member), most }

uint64_t record_get(const void *of, const struct record_member *m);
void record_set(void *of, const struct record_member *m, uint64_t value);

#endif
