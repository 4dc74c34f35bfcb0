/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - libevent and sd-bus in one thread.
 *
 * sd-bus wants its descriptor, events and timeout read again before every wait, and libevent 2.1
 * has no hook for that; so the loop is ours and runs libevent one wait at a time. Nothing else
 * knows how the two go together.
 *
 * What always holds: no more bus messages are handled than BUS_BUDGET, and none is begun after
 * BUS_BUDGET_USEC, before everything else gets its turn.
 * While the bus is held no message is taken from it: calls wait, in order, with the bus daemon.
 */
#ifndef RDMAREG_LOOP_H
#define RDMAREG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

struct loop;

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *l);
void loop_freep(struct loop **l);

struct event_base *loop_base(struct loop *l);

/* The bus to serve, and what it reads from and writes to; not owned. */
void loop_set_bus(struct loop *l, sd_bus *bus, int in, int out);
void loop_hold_bus(struct loop *l, bool hold);

/* As sd_bus_process(), one message at most. */
typedef int loop_process_t(void *userdata);
/*
 * Called once in each turn of the loop while the bus is served. Returns when it wants to be called
 * again at the latest: 0 at once, UINT64_MAX not at all, else the monotonic time in microseconds.
 */
typedef uint64_t loop_work_t(void *userdata);

void loop_set_work(struct loop *l, loop_process_t *process, loop_work_t *work, void *userdata);

/* Runs until loop_stop(). 0, or the negative errno with which the bus was lost. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
