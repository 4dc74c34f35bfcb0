/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.h - files whose storage falls silent, for tests: every call of this program that asks it
 * does not return until it answers again.
 *
 * It holds the rule of docs/architecture.md besides: a call on the loop thread that could wait for
 * a file's storage ends the program with a line that names it, whether or not the storage is
 * silent.
 *
 * A file with the bit S_ISUID in its mode has direct access, one with S_ISGID shares its blocks
 * with another, and blocks of one with S_IXUSR were never written.
 */
#ifndef RDMAREG_KEEPER_STORAGE_FAKE_H
#define RDMAREG_KEEPER_STORAGE_FAKE_H

#include <stdbool.h>
#include <stdint.h>

/* All files of that inode number. At most eight of them are silent at a time. */
void storage_fake_silence(uint64_t inode, bool silent);

/*
 * The filesystem of that file is frozen: what asks whether it takes writes does not return before
 * it is thawed. Until then to make a page writable, of any file, ends the program. One at a time.
 */
void storage_fake_freeze(uint64_t inode, bool frozen);

/* One call that asks such a silent storage, under way or still to come, is answered. */
void storage_fake_answer_one(uint64_t inode);

/*
 * Has this thread examined a file? Whoever did goes on to register it, so that no other thread is
 * woken; true as well once there was a file with direct access, where others do.
 */
bool storage_fake_examined_here(void);

#endif
