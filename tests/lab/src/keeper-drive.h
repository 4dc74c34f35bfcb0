/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keeper-drive.h - what the tests of keeper-drive have in common. */
#ifndef KEEPER_DRIVE_H
#define KEEPER_DRIVE_H

#include "tests/unit/keeper/keeper-client.h"
#include "keeper-drive-peer.h"

#define PAGE 4096
#define MIB (1 << 20)
#define SIZE (4 * MIB)
#define GRACE_MSEC 400
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)

extern const char *drive_node; /* where peers live */
extern struct client k;
extern struct keeper_welcome welcome;

/* One line: ok or not ok, and what. */
void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t msec(void);
uint8_t byte_at(int fd, off_t offset);

/* SIZE bytes of 'i'. */
int make_file(const char *dir, char path[64]);

/* A region of SIZE bytes of it with a ticket for rights; its number, or 0. */
uint64_t make_region(int fd, uint32_t rights, uint32_t uses, struct keeper_region *info,
		     struct keeper_ticket *ticket);

/* keeper-drive-breaks.c */
void test_truncates(void);
void test_notify(void);
void test_joining(void);
void test_twice(void);
void test_crowd(void);

#endif
