/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake-sink.h - descriptors that nobody wants, dropped without having had them, in threads that
 * may not return.
 *
 * Who receives the first byte of a message without room for its descriptors gets none of them: the
 * kernel drops them on the way out of the call. They are never in the process' table. So no
 * filesystem is asked (FUSE sends FLUSH when a descriptor is taken out of a table), and one whose
 * file is open elsewhere, too, costs nothing. Only the last one of a file is closed there, which
 * can sleep. So a thread does it; and whether the byte has left the socket is known from the
 * socket's peek offset (SO_PEEK_OFF, socket(7)), which moves back with it, also while the thread
 * sleeps on its way out.
 *
 * What always holds:
 *   - For each sink_drop() that returned 0 the owner is told once, on the loop. Until then nobody
 *     else may receive from the socket or look into it: whoever looks has the descriptors
 *     meanwhile, and may be left with the last ones.
 *   - A thread that has the byte and has not returned gets a signal as soon as that is seen, which
 *     is a fraction of a millisecond later: it does not wait for a socket that lingers, and the
 *     owner goes on. So it stays only for a sleep that no signal ends, and for that somebody must
 *     have had a file of his own open for each thread.
 *   - Whoever is told without an error finds the peek offset as it was, so that nobody looks beside
 *     the next message.
 *   - SINK_PER_UID threads of one uid stay, and half of SINK_THREADS of all; all of them in an
 *     emergency.
 */
#ifndef RDMAREG_BUS_INTAKE_SINK_H
#define RDMAREG_BUS_INTAKE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#define SINK_PER_UID 8
#define SINK_THREADS 64

struct sink;

/* The byte is out of the socket; @error: 0, or -errno: it is not. */
typedef void (*sink_dropped)(void *userdata, int error);

/* @socket: the caller's, for longer than the sink. */
int sink_new(struct sink **ret, struct event_base *base, int socket, sink_dropped dropped,
	     void *userdata);
/* True: a thread may still be about to use the socket, which must stay open. */
bool sink_free(struct sink *s);
/*
 * There is a message in the socket. @emergency: with the threads that are kept for that. -EBUSY:
 * all that this uid can have do not return. -EAGAIN: no thread is to be had.
 */
int sink_drop(struct sink *s, uint32_t uid, bool emergency);
/* Tells of what has happened, without the loop. */
void sink_look(struct sink *s);

#endif
