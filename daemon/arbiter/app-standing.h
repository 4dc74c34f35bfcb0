/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * app-standing.h - what the app-standing*.c files share.
 *
 * What always holds: only app-standing-disk.c has to do with the disk, only app-standing-start.c
 * with systemd and with when a region is made again.
 */
#ifndef RDMAREG_APP_STANDING_H
#define RDMAREG_APP_STANDING_H

#include "arbiter/app-internal.h"

#define STANDING_FOLDER "standing"

/* --- app-standing.c */

/* The record of @s, which nobody was told of, is on disk, or cannot be. */
void app_standing_recorded(struct app *a, struct standing *s, struct call *call, int error);

/* --- app-standing-disk.c */

/*
 * Takes the records that there are. If the disk is silent, or the folder not fit, there is no
 * directory, and why is in the trouble.
 */
void standing_disk_open(struct app *a);
/*
 * Writes the record of @s as it is when its turn comes. @registering: answered by
 * app_standing_recorded(); NULL: nobody waits. -ENOMEM: nothing was done.
 */
int standing_disk_write(struct app *a, struct standing *s, struct call *registering);
/* Nothing of @s is to be written any more. */
void standing_disk_forget(struct standing *s);
/* Removes the record of @s. @waits: emptied; they are answered when it is gone, or cannot be. */
void standing_disk_remove(struct app *a, const struct standing *s, struct waitings *waits);
/*
 * The daemon ends: who waits is answered, within two seconds. Before offload_stop(). And nothing of
 * it is used any more.
 */
void standing_disk_stop(struct app *a);
void standing_disk_close(struct app *a);

/* --- app-standing-start.c */

/* -ENOMEM: what is lost is not made again by itself. */
int standing_start_open(struct app *a);
void standing_start_close(struct app *a);
void standing_is_there(struct standing *s);
/* @taken_down: by somebody. @why: what comes next. */
void standing_is_lost(struct app *a, struct standing *s, bool taken_down, char *why, size_t size);

#endif
