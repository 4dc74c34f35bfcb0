/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-rails.h - the same bytes over several RDMA devices of the machine that has them, its
 * *rails*. Part of rdmareg.h.
 *
 * On that machine the file is registered once for each device, in sessions that were created with
 * one (`device` in struct rdmareg_session_limits): rdmareg_register_many() with the sessions, all or
 * none. rdmareg_export_rails() makes a list of tickets, one for each rail, with one blank between two
 * of them. A peer gives the list to rdmareg_rails_connect() and uses all rails, or to
 * rdmareg_peer_connect() and uses the first that works.
 *
 * What always holds: a transfer returns with nothing in flight on any rail. What one rail did not
 * bring home when its connection broke is done again over the others: the same bytes at the same
 * place, so twice is as good as once, as long as this peer alone writes there. A peer that one rail
 * asks for blocks stops on all, and acknowledges when it has nothing in flight on any; it goes on
 * when each rail that asked has settled.
 *
 * What the owner does: it hears of a revocation once for each region (RDMAREG_EVENT_REVOCATION_REQUESTED,
 * `region` says which), one after the other, and with numbers of their own. It stops using the file
 * when the first comes, acknowledges every one of them, and goes on when each has settled. There is
 * no acknowledgement for all: the later ones may not have been asked yet, and one region may be
 * revoked alone. The filesystem waits for each; one that is not acknowledged costs the whole grace.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_RAILS_H
#define RDMAREG_RAILS_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_rails; /* connections to one range of a file, over several devices */

#define RDMAREG_RAILS_MAX 4

/*
 * rdmareg_export_rails: owner side: a list of tickets of regions of one range of a file, in this
 * order.
 * @regions: 1 to RDMAREG_RAILS_MAX, each once.
 * @options: of each ticket, as in rdmareg_export(). @ret: freed with free(3).
 *
 * A rail that nobody can reach now is left out: its device has no address (ENODEV), or its region has
 * ended (ENOENT, EOWNERDEAD). Returns how many tickets the list has. Where these are fewer than @n,
 * rdmareg_last_error() says why the last one is missing; make another list when it is back.
 *
 * EINVAL: too many, one twice, or they are not of the same path, offset and length. ENODEV and so on:
 * all are left out. Others as rdmareg_export(): tickets that were made before the one that failed
 * stay, and nobody has them.
 */
int rdmareg_export_rails(struct rdmareg_region *const *regions, size_t n,
			 const struct rdmareg_export_options *options, char **ret);

struct rdmareg_rails_options {
	size_t size;
	/*
	 * of each connection; NULL: its defaults. on_revocation: with RETURN, the default, and YIELD
	 * the library acknowledges by itself; IGNORE is for tests. connect_timeout_usec is for all
	 * together. on_event is told of every rail (`rail` of the event). DISCONNECTED is of one
	 * rail, and the others go on
	 */
	const struct rdmareg_peer_options *peer;
	/*
	 * how many bytes go over one rail before the next one has its turn, 4096 to 1 GiB; default
	 * 128 KiB. It is less if buffer_bytes, of which each rail has eight parts, has no room;
	 * there has to be room for the largest of the rails' alignments
	 */
	uint64_t stripe_bytes;
	uint8_t first_only;   /* 1: the first rail that works; the next one when that breaks */
	uint8_t no_reconnect; /* 1: a rail that broke, or was not reached, stays away */
	uint8_t reserved[6];
};

/*
 * rdmareg_rails_connect: connect to every rail, or with first_only to the first that works. Blocks
 * for connect_timeout_usec. A rail that is not reached is left out: rdmareg_rails_get_info() says
 * why.
 *
 * A rail that was not reached, or breaks later, is connected to again: half a second later, then
 * after twice as long each time, a minute at most (not with first_only or one ticket). Nothing waits
 * for that: each call of this file does what is due, and the descriptor tells when something is. So
 * it comes back between two transfers, never in the middle of one: RECONNECTED tells of it. A ticket
 * that is refused (its region is gone, or it is expired or used up: each connection is a use), and
 * one of other bytes, is not tried again.
 * @tickets: a list of tickets; one alone is a list, too. @access, @ret: as rdmareg_peer_connect().
 *
 * EINVAL: an option, a ticket of the list is malformed or there twice, there are more than
 * RDMAREG_RAILS_MAX, or they are not of the same bytes: their regions differ in length or file. Where
 * no rail is reached the failure is that of the last; see rdmareg_peer_connect().
 */
int rdmareg_rails_connect(const char *tickets, enum rdmareg_access access,
			  const struct rdmareg_rails_options *options, struct rdmareg_rails **ret);

/* rdmareg_rails_close: ends all connections, as rdmareg_peer_close() does one. */
struct rdmareg_rails *rdmareg_rails_close(struct rdmareg_rails *r);

/* As a rail: all of them together. */
#define RDMAREG_ALL_RAILS (-1)

/*
 * rdmareg_rails_get_info: what is known of one rail, from 0 in the order of the tickets, or of all
 * together: of lengths, durability and MTU the least, of alignment the most, `connected` if one is;
 * a revocation that is not settled on one of them; and the device and address of the first that is
 * connected. @info: size set by the caller. Returns how many rails are connected.
 * ENOENT: there is no such rail. ENOTCONN: it was not reached; the sentence says why.
 */
int rdmareg_rails_get_info(struct rdmareg_rails *r, int rail, struct rdmareg_peer_info *info);

/*
 * rdmareg_rails_write, rdmareg_rails_read: as rdmareg_peer_write() and rdmareg_peer_read(), in
 * pieces of stripe_bytes, each over the rail that is free next. With several rails a write that was
 * written whole is also in the memory there (see rdmareg_peer_flush()); of one that was not, the
 * bytes that are reported have been placed.
 *
 * Errors that say something of the file (EACCES, ENOSPC, EDQUOT, EROFS, EREMOTEIO, ENOMEM,
 * EHWPOISON) would come on each rail, and are returned at once; the rail that reported it is gone,
 * the others can be used. Where a connection or adapter failed (ECONNRESET, ETIMEDOUT, ESTALE,
 * ENODEV, EIO, EPROTO), the others go on, and the error is returned when none is left. How soon a
 * link that is down is noticed is up to the adapter (ack_timeout_usec times retries, seconds by
 * default; io_timeout_usec at most).
 */
int64_t rdmareg_rails_write(struct rdmareg_rails *r, const void *data, size_t length,
			    uint64_t offset);
int64_t rdmareg_rails_read(struct rdmareg_rails *r, void *data, size_t length, uint64_t offset);

/*
 * rdmareg_rails_flush, rdmareg_rails_persist: as rdmareg_peer_flush() and rdmareg_peer_persist(), for
 * what was written over any rail. ECONNRESET: a rail broke, and what it had placed before is not
 * known to be in memory, or durable: write it again.
 */
int rdmareg_rails_flush(struct rdmareg_rails *r, uint64_t offset);
int rdmareg_rails_persist(struct rdmareg_rails *r, uint64_t offset, uint64_t length);

/*
 * rdmareg_rails_get_fd, rdmareg_rails_dispatch, rdmareg_rails_next_event: as their namesakes of a
 * peer, for all rails. Events of one rail come in their order.
 */
int rdmareg_rails_get_fd(const struct rdmareg_rails *r);
int rdmareg_rails_dispatch(struct rdmareg_rails *r);
int rdmareg_rails_next_event(struct rdmareg_rails *r, struct rdmareg_peer_event *event);

#ifdef __cplusplus
}
#endif

#endif
