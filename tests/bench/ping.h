/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ping.h - a D-Bus round trip to rdmaregd, org.freedesktop.DBus.Peer.Ping, which no code of ours
 * handles: the unit of what is done by calls and signals, so that how fast a machine switches
 * processes does not count.
 *
 * What always holds: one connection for all of a program, which ends if a ping fails.
 */
#ifndef RDMAREG_BENCH_PING_H
#define RDMAREG_BENCH_PING_H

/* Microseconds of one. The first call of a program connects, and starts rdmaregd if need be. */
double ping_usec(void);

#endif
