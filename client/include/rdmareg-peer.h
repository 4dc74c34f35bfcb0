/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-peer.h - peer side: reaching a region from another machine. Part of rdmareg.h.
 *
 * What always holds: nothing is in flight outside of a transfer, and nothing is started between an
 * acknowledgement and the settling. A connection that ended touches no memory any more.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_PEER_H
#define RDMAREG_PEER_H

#ifdef __cplusplus
extern "C" {
#endif

/* What transfers do when the region's host asks for blocks back. */
enum rdmareg_on_revocation {
	/* finish what is in flight and return (fewer bytes, or EAGAIN); the program acknowledges */
	RDMAREG_ON_REVOCATION_RETURN,
	/* finish what is in flight, acknowledge, wait for the settling, carry on */
	RDMAREG_ON_REVOCATION_YIELD,
	/* carry on regardless: for tests only, the connection is cut at the deadline */
	RDMAREG_ON_REVOCATION_IGNORE,
};

enum rdmareg_peer_event_type {
	RDMAREG_PEER_EVENT_NONE,
	/*
	 * revocation (with deadline_usec by this machine's clock): rdmareg_peer_acknowledge(). A
	 * newer one may come before it is settled, and takes its place: only the newest is
	 * acknowledged and settled
	 */
	RDMAREG_PEER_EVENT_ASKED,
	/* revocation.id: the library sent it (YIELD), or the program did */
	RDMAREG_PEER_EVENT_ACKNOWLEDGED,
	RDMAREG_PEER_EVENT_SETTLED,	   /* revocation.id, outcome, valid_length, generation */
	RDMAREG_PEER_EVENT_LENGTH_CHANGED, /* valid_length, without a revocation */
	RDMAREG_PEER_EVENT_DISCONNECTED,   /* error: why; the peer can only be closed */
	/*
	 * path_state: the region's file is no longer at the path it was registered from, or is
	 * there again. What is reached is that file still
	 */
	RDMAREG_PEER_EVENT_PATH_CHANGED,
	/*
	 * offset, length: between there blocks of the file were taken, and nobody had been asked
	 * before. What was read from there reads as zeroes by now, mostly
	 */
	RDMAREG_PEER_EVENT_BYPASSED,
	/* of several rails one that was DISCONNECTED, or not reached, is there (rdmareg-rails.h) */
	RDMAREG_PEER_EVENT_RECONNECTED,
};

struct rdmareg_peer_event {
	size_t size;
	enum rdmareg_peer_event_type type;
	int error; /* DISCONNECTED: negative errno */
	struct rdmareg_revocation revocation;
	enum rdmareg_outcome outcome;
	uint32_t generation;
	uint64_t valid_length;
	uint64_t seen_usec;		    /* CLOCK_BOOTTIME, when the library saw or did it */
	enum rdmareg_path_state path_state; /* PATH_CHANGED */
	uint32_t rail;	 /* of rdmareg_rails_connect(): whose, from 0 in the order of the tickets */
	uint64_t offset; /* BYPASSED: bytes from the start of the region */
	uint64_t length;
};

struct rdmareg_peer_options {
	size_t size;
	const char *source_address; /* numeric local address to connect from; default: as routed */
	uint64_t connect_timeout_usec; /* for the whole connecting; default 10 s */
	/* longest time without any completion before the connection is given up; default 30 s */
	uint64_t io_timeout_usec;
	/*
	 * YIELD: longest wait for a settling; rdmareg_peer_persist(): for the storage there.
	 * Default 120 s
	 */
	uint64_t settle_timeout_usec;
	/*
	 * memory pinned for rdmareg_peer_write/read; default 1 MiB. Less is taken if it cannot be
	 * had
	 */
	size_t buffer_bytes;
	/*
	 * on_event: called for every event, from within whatever rdmareg_peer_ function took it in,
	 * instead of queueing it for rdmareg_peer_next_event(). It must not call a function of this
	 * library with this peer. @event is gone when it returns.
	 */
	void (*on_event)(const struct rdmareg_peer_event *event, void *userdata);
	void *userdata;
	/*
	 * How patient this side's queue pair is. A sender that finds no receive posted comes again
	 * after rnr_timer_usec (default 640, at most 655360), rnr_retries times (default 7, which
	 * is for ever: page faults on the other side answer like that, and io_timeout_usec bounds
	 * it). The keeper's accept repeats the rnr_retries that was asked for: struct
	 * rdmareg_peer_info has what is in force. What is not acknowledged within ack_timeout_usec
	 * (default: what the fabric says) is sent again, retries times (default and at most 6,
	 * since 7 is for ever to some adapters). Times are rounded up to what adapters know.
	 */
	uint32_t rnr_timer_usec;
	uint32_t rnr_retries;
	uint32_t retries;
	enum rdmareg_on_revocation on_revocation; /* default RETURN */
	uint64_t ack_timeout_usec;
};

/*
 * rdmareg_peer_connect: connect to a region. Blocks for connect_timeout_usec at most, and before
 * that, if HOST is a name, for as long as the resolver takes (resolv.conf(5)).
 * @ticket: as rdmareg_export() gave it: rdmareg://HOST:PORT/REGION?TOKEN, or with several HOST:PORT,
 * all numeric, and commas between them. They are tried in this order, each with its part of the
 * time that is left, until one is reached; what the keeper then answers is the answer. Or a list of
 * up to four tickets with one blank between two of them, of the same bytes on several devices
 * (rdmareg_export_rails()): they are tried in this order until one lets this peer in, each with its
 * part of the time, and the failure is that of the last. rdmareg-rails.h is for using all of them.
 * @access: what is wanted: READ, or READ_WRITE. At most what the ticket allows.
 * @ret: closed with rdmareg_peer_close().
 *
 * EINVAL: the ticket or @access or an option is malformed. ENODEV: this machine has no RDMA device,
 * or none with a route there. ENXIO: the host's name does not resolve. EHOSTUNREACH: no route, or
 * no answer. ETIMEDOUT. ECONNREFUSED: nothing listens there: the region's keeper is gone. EACCES:
 * the ticket is unknown, expired or used up (these are not told apart). EPERM: the ticket does not
 * allow that access. EUSERS: the tenant has its number of peers, or this ticket its share of them.
 * ENOBUFS: the adapter there, or here, has no queue pair left. EMSGSIZE: the network's MTU is too
 * small for that adapter to be correct: raise it. EPROTO: what answers speaks another version, or
 * another protocol. ENOMEM: too little lockable memory (RLIMIT_MEMLOCK). EINTR: a signal handler
 * ran.
 */
int rdmareg_peer_connect(const char *ticket, enum rdmareg_access access,
			 const struct rdmareg_peer_options *options, struct rdmareg_peer **ret);

/*
 * rdmareg_peer_close: ends the connection, frees it and its buffers. What was in flight is not
 * waited for.
 */
struct rdmareg_peer *rdmareg_peer_close(struct rdmareg_peer *p);

struct rdmareg_peer_info {
	size_t size;
	uint64_t region;
	uint64_t length;       /* registered */
	uint64_t valid_length; /* backed by the file now: nothing beyond it can be reached */
	uint64_t address;      /* of the first byte */
	uint32_t rkey;
	uint32_t generation;
	uint32_t alignment;  /* offsets written to must be multiples of this */
	uint32_t path_mtu;   /* bytes in one packet of this connection */
	uint32_t grace_msec; /* how long a revocation waits for an acknowledgement */
	enum rdmareg_access access;
	struct rdmareg_revocation revocation; /* not settled yet; id 0: none */
	char device[64];		      /* of this machine */
	char remote_address[64];
	uint32_t minimum_mtu; /* the adapter there is only correct from this path MTU on, bytes */
	uint32_t rnr_timer_usec; /* in force on this side; see struct rdmareg_peer_options */
	uint32_t rnr_retries;
	uint32_t retries;
	enum rdmareg_durability durability; /* what a completed write is worth over there */
	uint8_t acknowledged;		    /* that revocation was */
	uint8_t connected;
	/* rdmareg_peer_persist() is an RDMA FLUSH; 0: it asks the keeper for an fdatasync(2) */
	uint8_t persists_by_flush;
	uint8_t reserved;
	enum rdmareg_path_state
		path_state; /* of the region's file; UNKNOWN also from an older host */
	uint32_t reserved2;
};

/*
 * rdmareg_peer_get_info: what is known about the connection and the region now; asks nobody. @info:
 * size set by the caller.
 */
int rdmareg_peer_get_info(struct rdmareg_peer *p, struct rdmareg_peer_info *info);

/*
 * rdmareg_peer_write, rdmareg_peer_read: one-sided transfer between @data and the region from
 * @offset on, through the library's own pinned buffers, several operations in flight. Return the
 * number of bytes transferred.
 *
 * Fewer than @length: with RETURN a revocation was asked, with YIELD the file became shorter or a
 * signal came during the wait; the next call says which. Bytes reported as written have been
 * placed: see rdmareg_peer_flush() for what that means.
 *
 * EAGAIN: RETURN: a revocation is not settled: take events, acknowledge, wait for SETTLED, go on.
 * EINVAL: writing, and @offset is no multiple of the alignment (some adapters silently misplace
 * anything else; to read from there, whole pages are read and the rest dropped, but writing back
 * bytes that were read could undo what others write). ERANGE: the range ends beyond valid_length,
 * or beyond the region. EACCES: writing through a connection for reading; or the remote adapter
 * refused: the range was fenced or the file became shorter while the operation was under way.
 * ESTALE: the same, with a revocation not acknowledged in time. ECONNRESET: the other side ended
 * the connection, or died. ETIMEDOUT: its machine stopped answering, or YIELD's wait was too long
 * (the connection is then still good, see connected). EREMOTEIO, EIO, EPROTO: as the message says.
 * EINTR: YIELD: a signal handler ran while waiting for the settling. ENOSPC, EDQUOT, EROFS: a hole
 * was written and the filesystem there gives no block (it is full; has space, so a quota most
 * likely; is read-only). ENOMEM, EHWPOISON: no memory there, or failed memory. These five come from
 * the region's keeper, which is asked once, for five seconds and connect_timeout_usec at most, also
 * when the connection just ended: so long may these two, their namesakes for buffers and
 * rdmareg_peer_flush() take beyond io_timeout_usec when they fail. No other call asks. One that
 * cannot say leaves EACCES or EREMOTEIO, and one that is gone makes it ECONNRESET. After these
 * five, EACCES from the adapter, ESTALE, ECONNRESET, EREMOTEIO, EIO and EPROTO the peer can only be
 * closed; none of the caller's memory is touched any more.
 */
int64_t rdmareg_peer_write(struct rdmareg_peer *p, const void *data, size_t length,
			   uint64_t offset);
int64_t rdmareg_peer_read(struct rdmareg_peer *p, void *data, size_t length, uint64_t offset);

/*
 * rdmareg_peer_register_buffer: register the caller's memory so that transfers need no copy. The
 * memory is pinned; it must stay mapped until rdmareg_buffer_free(), or until the peer is closed,
 * which frees the buffer too. Memory read into must be writable: @writable 1. ENOMEM:
 * RLIMIT_MEMLOCK. EFAULT: not mapped, not writable, or a page-cache file that this kernel does not
 * let be pinned for writing.
 *
 * rdmareg_peer_write_buffer, rdmareg_peer_read_buffer: as rdmareg_peer_write and _read, to or from
 * @buffer_offset of the buffer. EFAULT: outside the buffer, or reading into one that is not
 * writable.
 */
int rdmareg_peer_register_buffer(struct rdmareg_peer *p, void *memory, size_t length, int writable,
				 struct rdmareg_buffer **ret);
struct rdmareg_buffer *rdmareg_buffer_free(struct rdmareg_buffer *b);
int64_t rdmareg_peer_write_buffer(struct rdmareg_buffer *b, size_t buffer_offset, size_t length,
				  uint64_t offset);
int64_t rdmareg_peer_read_buffer(struct rdmareg_buffer *b, size_t buffer_offset, size_t length,
				 uint64_t offset);

/*
 * rdmareg_peer_flush: when it returns 0, every byte this peer wrote before is in the region's
 * memory, visible to every process of that machine which maps or reads the file. It is NOT made
 * durable: that is rdmareg_peer_persist(). (A WRITE's own completion says that the adapter has it.
 * This is an RDMA FLUSH for global visibility where both adapters have it; else a READ behind the
 * writes on the same queue pair, which cannot complete before they are in memory.)
 * @offset: where to read, below valid_length. Errors as rdmareg_peer_read().
 */
int rdmareg_peer_flush(struct rdmareg_peer *p, uint64_t offset);

/*
 * rdmareg_peer_persist: when it returns 0, every byte of the range that this peer wrote before
 * survives a power cut of that machine. It is an RDMA FLUSH for persistence where the region's
 * durability is FLUSH and this machine's adapter has it; else the region's keeper is asked for an
 * fdatasync(2) of the file, which takes as long as the storage takes, settle_timeout_usec at most.
 * Nobody else is asked or stopped. @offset, @length: inside valid_length, not empty; widened to the
 * alignment.
 *
 * EOPNOTSUPP: nothing is durable there: the memory is volatile, or is a device-dax and this machine
 * has no FLUSH. EREMOTEIO: the storage there failed, now or since the region was registered.
 * ETIMEDOUT: it takes too long (the connection is good; what is durable is not known). EAGAIN:
 * RETURN: a revocation was asked or runs. EINVAL: empty. ERANGE: beyond valid_length, or the
 * region. Others as rdmareg_peer_read(); with FLUSH also EACCES: the range was fenced.
 */
int rdmareg_peer_persist(struct rdmareg_peer *p, uint64_t offset, uint64_t length);

/*
 * rdmareg_peer_get_fd, _dispatch, _next_event: as their namesakes of the owner side. Dispatch also
 * acknowledges at once with YIELD, since nothing is in flight outside a transfer. It returns 0 also
 * when the connection has ended: that is an event (and connected 0 in the info). A program that is
 * idle for long must keep dispatching, or it is cut off by the first revocation that it does not
 * acknowledge. That the other machine died without a word is noticed by the next transfer, not
 * while idle. None of these three waits for anybody, nor does rdmareg_peer_get_info() or
 * rdmareg_peer_acknowledge().
 */
int rdmareg_peer_get_fd(const struct rdmareg_peer *p);
int rdmareg_peer_dispatch(struct rdmareg_peer *p);
int rdmareg_peer_next_event(struct rdmareg_peer *p, struct rdmareg_peer_event *event);

/*
 * rdmareg_peer_acknowledge: nothing of this peer is in flight; transfers answer EAGAIN until the
 * revocation is settled. Twice is no error. ESTALE: over, or another one: take the newest event.
 * ECONNRESET: disconnected.
 */
int rdmareg_peer_acknowledge(struct rdmareg_peer *p, uint64_t revocation);

#ifdef __cplusplus
}
#endif

#endif
