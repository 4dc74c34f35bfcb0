/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.h - what a page fault of the adapter costs: the lab's module rdmareg-fault-cost makes each
 * take longer, by F times what a packet takes on this machine now.
 *
 * What always holds: when the program exits (atexit(3)), faults cost what they do by themselves;
 * not so if it is killed.
 */
#ifndef RDMAREG_BENCH_FAULT_H
#define RDMAREG_BENCH_FAULT_H

/* The values of F that are measured: what soft-RoCE costs by itself, and two kinds of adapters. */
#define FAULT_COSTS 3
extern const unsigned int fault_costs[FAULT_COSTS];

/*
 * Measures what a WRITE of 4 KiB to pinned memory takes, which is the unit. To be called after
 * plain_start(). Ends the program if the module is not there.
 */
void fault_start(void);

/* Microseconds of a packet, as fault_start() found it. */
double fault_packet_usec(void);

/* From now on a fault takes @packets packets longer; 0: what it does by itself. */
void fault_set(unsigned int packets);

#endif
