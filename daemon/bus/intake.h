/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake.h - what comes from the bus, before sd-bus sees it.
 *
 * sd-bus closes the descriptors of a message itself, on the loop, also those that no method asked
 * for. But closing a descriptor that somebody else opened can sleep for ever (util/offload.h). So
 * messages are read here, and go on to sd-bus over a socket pair with a token, a file of ours, in
 * place of each descriptor: the first, the second and so on of each message are the same files for
 * ever. Whoever handles the message claims the descriptor behind the token; what nobody has claimed
 * when sd-bus is through with all that it got is closed by a thread. What we send does not come by
 * here.
 *
 * sd-bus also knows no way to find out who sent a message without waiting for the bus. So a call of
 * somebody new stays here until the bus has told who that is.
 *
 * What always holds:
 *   - sd-bus gets no descriptor but tokens, so none of its own calls can wait for a file.
 *   - A descriptor is claimed with the sender and the serial number of the message that brought it,
 *     so by nobody for another sender's.
 *   - A call reaches sd-bus only when its sender is a client (clients.c), or has left the bus, or
 *     has put a field of its own before the sender, of a type that the intake does not read. Such a
 *     call is refused (admission.c).
 *   - Messages of one sender keep their order.
 *   - From somebody who has too many descriptors waiting to be closed none is taken, nor, from
 *     those whom the bus has not told yet, more than INTAKE_UNKNOWN at once. The message itself
 *     goes on: the method that wants the descriptor says why there is none.
 *   - A message that brings descriptors and whose header is not plain (it hides the sender, or has
 *     fields or sizes that no call of ours has) is left out as a whole, so sd-bus closes every
 *     token that it gets.
 *   - A descriptor costs no system call here but those that receive it, find its token's number and
 *     close the token.
 *   - A message that brings no descriptors costs no thread, whatever is in its header.
 *   - This loop closes no descriptor, nor does the kernel here, for want of room. What is not taken
 *     is dropped by a thread that never has it (intake-sink.h). While its user may have no such
 *     thread it is received and kept open until a thread is free to close it, up to INTAKE_PARKED
 *     of all users'. Beyond that it is dropped by a thread of those kept for emergencies, and
 *     without one nothing is read from the bus until something is closed. Nor is anything while the
 *     process' table has no room for what a message brings.
 *   - While INTAKE_TOKENS are with sd-bus nothing is read. It does not depend on any sender how
 *     long.
 */
#ifndef RDMAREG_BUS_INTAKE_H
#define RDMAREG_BUS_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#define INTAKE_UNKNOWN 512
#define INTAKE_TOKENS \
	4096 /* or a sixteenth of what the process may open: each is two, with the descriptor */

#define INTAKE_PARKED 196608 /* or three eighths of what the process may open */

enum intake_refusal {
	INTAKE_TAKEN,
	INTAKE_CLOSES, /* too many of this user wait to be closed */
	INTAKE_NEW,    /* it was not known yet whose it is; by now it is */
	INTAKE_FAILED, /* there was none, or no memory */
	_INTAKE_REFUSAL_MAX,
};

struct bus;
struct intake;

/*
 * @socket: connected, taken over also on failure. @ret_fd: for sd-bus to read from; the caller's.
 */
int intake_new(struct intake **ret, struct bus *b, struct event_base *base, int socket,
	       int *ret_fd);
/* Before the bus' connection is closed. */
struct intake *intake_free(struct intake *i);
/* Whether the loop reads by itself. */
int intake_set_reading(struct intake *i, bool on);
/* Reads what is there now. */
void intake_read(struct intake *i);
/* How many bytes of messages, so far. */
uint64_t intake_received(const struct intake *i);
/*
 * @sender called, and is no client, since the intake could not read its header: from its next call
 * on it is, if it is there.
 */
void intake_learn(struct intake *i, const char *sender);
/*
 * The descriptor behind @token, which is the caller's from now on. @sender, @serial: of the message
 * that is being handled, and that has the token. -EBUSY: it was not taken from the bus, and why.
 */
int intake_claim(struct intake *i, int token, const char *sender, uint64_t serial,
		 enum intake_refusal *ret_why);
/*
 * sd-bus has handled or dropped all that it could read: nothing of what it got whole is claimed any
 * more.
 */
void intake_settled(struct intake *i);

#endif
