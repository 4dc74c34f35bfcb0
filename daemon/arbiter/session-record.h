/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session-record.h - what the next daemon is to know of a session that was created: a small file in
 * the runtime directory, sessions/UID-NAME, with one "key value" a line.
 *
 * What always holds: a file is there as a whole or not at all, whenever the daemon ends. What is
 * not as this file would write it is set aside as damaged-UID-NAME, said in the log, and believed
 * in nothing. Daemons of older and newer packages read the same file: a key that one does not know
 * it ignores, and one that is missing is 0.
 */
#ifndef RDMAREG_SESSION_RECORD_H
#define RDMAREG_SESSION_RECORD_H

#include "core/registry.h"

/* @directory: of the runtime directory's sessions. Negative: it is not written, as it was before */
int session_record_write(int directory, const struct tenant *t);
void session_record_remove(int directory, const struct tenant *t);
/* Calls with each session that is recorded. @path: of @directory, for the log */
void session_record_each(int directory, const char *path,
			 void (*call)(void *userdata, const struct tenant *t), void *userdata);

#endif
