/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations-served.h - operations for operations.c on a file by another machine's way: clients of
 * this kernel's NFS or SMB server, who reach the file below the folder in $PROBE_SERVED; an initiator of a
 * storage target (nvmet, LIO) whose image it is; and, for a file on an NFS mount, whoever has it at the server,
 * below the folder in $PROBE_BENEATH.
 */
#ifndef OPERATIONS_SERVED_H
#define OPERATIONS_SERVED_H

#include "operations.h"

/* Each: 0, or an errno; see the table in operations.c. */
int run_served_truncate(const struct scene *s, unsigned long size);
int run_served_fallocate(const struct scene *s, unsigned long mode);
/* Through a descriptor that the client has had since before the file was registered. */
int run_held_fallocate(const struct scene *s, unsigned long mode);
int prepare_held(const struct scene *s);
void undo_held(const struct scene *s);
/* Of blocks of the other file into it, which the server does (CLONE). */
int run_served_clone(const struct scene *s, unsigned long unused);
int run_served_write(const struct scene *s, unsigned long unused);
int run_beneath_truncate(const struct scene *s, unsigned long size);
int run_beneath_fallocate(const struct scene *s, unsigned long mode);
/* 1: discards a range; 0: writes to it. */
int run_target(const struct scene *s, unsigned long discards);
int prepare_target(const struct scene *s);
void undo_target(const struct scene *s);
/* The same by LIO. */
int run_lio(const struct scene *s, unsigned long discards);
int prepare_lio(const struct scene *s);
void undo_lio(const struct scene *s);

#endif
