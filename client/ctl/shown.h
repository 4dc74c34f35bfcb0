/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shown.h - text that others chose, on its way to a terminal: names of files, arguments, what a
 * program or another machine said.
 *
 * What always holds: nothing of it moves a cursor, changes a colour, ends a line or changes the
 * direction of what stands around it. Control and hidden characters, and what is no UTF-8, are shown
 * as \xNN, each byte of them.
 */
#ifndef RDMAREGCTL_SHOWN_H
#define RDMAREGCTL_SHOWN_H

/* Allocated; NULL: no memory. */
char *shown_copy(const char *text);

#endif
