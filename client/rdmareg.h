/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg.h - the public interface of librdmareg, and its manual.
 *
 * The library has two halves that know nothing of each other:
 *
 *   owner side  A program that has a file asks rdmaregd, over D-Bus, to make a range of it
 *               reachable for remote peers. The pages are never pinned, so the filesystem can take blocks
 *               back; the owner is told first, and answers.
 *   peer side   A program on another machine that was given a ticket connects with RDMA CM and
 *               reads and writes that range with one-sided operations. It needs no daemon of its own.
 *
 * What always holds:
 *   - A function that can fail returns 0 or more for success and a negative errno value for failure. A
 *     failing call has no effect on its ret_ arguments, and leaves a sentence in rdmareg_last_error(): what
 *     was asked, what is the matter, what to do.
 *   - Lengths and offsets are bytes. Times end in _usec and are microseconds; points in time are
 *     CLOCK_MONOTONIC unless it is said otherwise.
 *   - Structures that may grow begin with a member `size`, which the caller sets to sizeof of the
 *     structure. Members that are zero mean the default. A NULL options pointer means all defaults. E2BIG:
 *     a member that this version of the library does not know is not zero. EINVAL: size is too small.
 *   - An object (context, region, list, peer, buffer) may be used by any thread, by one at a time.
 *     Objects of different contexts or peers may be used at the same time. A child process made by fork(2)
 *     must not use its parent's objects.
 *   - Functions named _close and _free accept NULL, always succeed and return NULL: c = rdmareg_close(c).
 */
#ifndef RDMAREG_H
#define RDMAREG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg;	       /* a connection to rdmaregd */
struct rdmareg_region; /* a region as this context knows it */
struct rdmareg_list;   /* a walk over regions */
struct rdmareg_peer;   /* a connection to a region on another machine */
struct rdmareg_buffer; /* the caller's own memory, registered with a peer's adapter */

/*
 * ---- errors ----
 */

/*
 * rdmareg_last_error: the sentence of the calling thread's last failing call into this library; "" before
 * the first. Valid until that thread's next failing call. Successful calls leave it alone.
 */
const char *rdmareg_last_error(void);

/*
 * rdmareg_last_error_name: the D-Bus error name of that failure, e.g.
 * "org.rdmareg.Registry1.Error.LimitExceeded"; "" when it did not come from the bus. Valid as
 * rdmareg_last_error().
 *
 * The errno values of Registry1's own errors: InvalidFile EBADF, InvalidRange ERANGE, InvalidOption EINVAL,
 * AccessDenied EACCES, LimitExceeded EDQUOT, NoSuchRegion ENOENT, NoSuchRevocation ESTALE, NoAdapter
 * ENODEV, Busy EBUSY, KeeperLost EOWNERDEAD, Failed EIO. Of every call over the bus besides: EHOSTUNREACH
 * rdmaregd is not running and could not be started; ETIMEDOUT no answer in time; EACCES the bus does not
 * let this user talk to it; EOPNOTSUPP an rdmaregd too old for the request; ENOTCONN the connection to the
 * bus is gone, make a new context; EBADMSG an answer that makes no sense; ECHILD the context is the parent
 * process's; ENOMEM.
 */
const char *rdmareg_last_error_name(void);

/*
 * ---- words ----
 *
 * Each enumeration has 0 for "not said" or "a word this version of the library does not know". The
 * functions give the word that D-Bus, JSON and manual pages use, e.g. "layout-lease", and "unknown" for 0
 * and for what is no member. Static strings.
 */

enum rdmareg_access {
	RDMAREG_ACCESS_UNKNOWN,
	RDMAREG_ACCESS_READ,	   /* "r" */
	RDMAREG_ACCESS_READ_WRITE, /* "rw" */
};

enum rdmareg_state {
	RDMAREG_STATE_UNKNOWN,
	RDMAREG_STATE_REGISTERING, /* being mapped and registered */
	RDMAREG_STATE_LIVE,	   /* peers can reach it */
	RDMAREG_STATE_WARMING,	   /* live, translations are being restored */
	RDMAREG_STATE_DRAINING,	   /* blocks are wanted back: holders were asked and the deadline runs */
	RDMAREG_STATE_FENCED,	   /* unreachable while the filesystem works */
	RDMAREG_STATE_CLOSING,	   /* being taken down */
	RDMAREG_STATE_LOST,	   /* the process that served it died; release it and register anew */
};

/* What is promised when a filesystem wants blocks back. */
enum rdmareg_arbitration {
	RDMAREG_ARBITRATION_UNKNOWN,
	RDMAREG_ARBITRATION_NONE,	  /* translations are correct, nobody is told anything */
	RDMAREG_ARBITRATION_NOTIFY_ONLY,  /* told afterwards, exactly */
	RDMAREG_ARBITRATION_LAYOUT_LEASE, /* told before, with a bounded wait */
	RDMAREG_ARBITRATION_PRE_CONTENT,  /* told before, with the range, a bounded wait, and can refuse */
};

enum rdmareg_policy {
	RDMAREG_POLICY_UNKNOWN,
	RDMAREG_POLICY_FOLLOW, /* no grace: holders are told afterwards */
	RDMAREG_POLICY_YIELD,  /* ask, wait at most the grace, fence, give back */
	RDMAREG_POLICY_HOLD,   /* refuse where that can be done, else yield with the longest allowed grace */
};

/* Why blocks are wanted back. */
enum rdmareg_cause {
	RDMAREG_CAUSED_BY_UNKNOWN, /* the module could not tell */
	RDMAREG_CAUSED_BY_TRUNCATE,
	RDMAREG_CAUSED_BY_FALLOCATE,	 /* punch, zero, collapse, insert */
	RDMAREG_CAUSED_BY_CLONE,	 /* reflink, deduplication, exchange-range */
	RDMAREG_CAUSED_BY_OPEN_TRUNCATE, /* open(2) with O_TRUNC */
	RDMAREG_CAUSED_BY_WRITE,	 /* a write that could not be told apart from the others */
	RDMAREG_CAUSED_BY_RELEASE,	 /* the owner lets go, or is gone */
	RDMAREG_CAUSED_BY_ADMINISTRATOR,
	RDMAREG_CAUSED_BY_UNMOUNT,
	RDMAREG_CAUSED_BY_SYNC,
};

/* How a revocation ended. */
enum rdmareg_outcome {
	RDMAREG_OUTCOME_UNKNOWN,
	RDMAREG_OUTCOME_RESTORED,  /* same length, same keys */
	RDMAREG_OUTCOME_TRUNCATED, /* the file is shorter: see valid_length */
	RDMAREG_OUTCOME_GONE,	   /* the region is no more */
};

/*
 * rdmareg_access_name, _state_name, _arbitration_name, _policy_name, _cause_name, _outcome_name: the word
 * for a member.
 */
const char *rdmareg_access_name(enum rdmareg_access access);
const char *rdmareg_state_name(enum rdmareg_state state);
const char *rdmareg_arbitration_name(enum rdmareg_arbitration mode);
const char *rdmareg_policy_name(enum rdmareg_policy policy);
const char *rdmareg_cause_name(enum rdmareg_cause cause);
const char *rdmareg_outcome_name(enum rdmareg_outcome outcome);

/*
 * The way back: the member for a word, 0 for NULL and for a word that is none of them.
 */
enum rdmareg_access rdmareg_access_from_name(const char *name);
enum rdmareg_state rdmareg_state_from_name(const char *name);
enum rdmareg_policy rdmareg_policy_from_name(const char *name);

/*
 * ---- owner side ----
 */

struct rdmareg_open_options {
	size_t size;
	/* longest wait for register, prefetch and release; default 10 minutes. Other calls: 25 s */
	uint64_t work_timeout_usec;
};

/*
 * rdmareg_open: a private connection to the system bus. The bus is $RDMAREG_BUS_ADDRESS, else
 * $DBUS_SYSTEM_BUS_ADDRESS, else the standard one; neither variable counts in a set-user-id program.
 * rdmaregd need not run yet: the first request starts it.
 * @ret: freed with rdmareg_close().
 *
 * ENOENT, ECONNREFUSED: no bus at that address. Others as listed at rdmareg_last_error_name().
 */
int rdmareg_open(const struct rdmareg_open_options *options, struct rdmareg **ret);

/*
 * rdmareg_close: ends the connection, and with it every region that was registered through it and is not
 * detached. All region handles and lists of the context are freed.
 */
struct rdmareg *rdmareg_close(struct rdmareg *c);

struct rdmareg_register_options {
	size_t size;
	enum rdmareg_policy policy; /* default yield */
	/*
	 * how long a revocation waits for holders; bounded by the administrator. Default: the daemon's
	 * GraceUSec
	 */
	uint64_t grace_usec;
	const char *session; /* tenant session, [A-Za-z0-9_.-]{1,48}; default "default" */
	uint8_t detached;    /* 1: outlives the context, until released */
	uint8_t no_warm;     /* 1: return before the pages are prefetched; the first accesses then fault */
};

/*
 * rdmareg_register: make a range of a file reachable. Blocks until it is (see work_timeout_usec).
 * @fd: a regular file, memfd or device-dax descriptor; it is duplicated, the caller may close it.
 * 	It is the authority: READ_WRITE needs one opened O_RDWR.
 * @offset: a multiple of the page size. @length: bytes; 0: to the end of the file as it is now.
 * 	Rounded up to the page size.
 * @ret: a handle, freed with rdmareg_region_free(). The region itself ends with rdmareg_release(),
 * 	or with the context unless detached.
 *
 * EBADF: not such a file, O_PATH, O_WRONLY. ERANGE: unaligned, empty, overflowing, at or beyond the end of
 * the file. EACCES: READ_WRITE of a descriptor not open for writing. EINVAL: an option or @access. EDQUOT:
 * a limit of the tenant. ENODEV: no RDMA device with on-demand paging has an address on this machine.
 * EOWNERDEAD: the tenant's keeper died while doing it.
 */
int rdmareg_register(struct rdmareg *c, int fd, uint64_t offset, uint64_t length, enum rdmareg_access access,
		     const struct rdmareg_register_options *options, struct rdmareg_region **ret);

/*
 * rdmareg_lookup: a handle for a region that exists, e.g. a detached one of an earlier process. @ret as in
 * rdmareg_register(). ENOENT: no such region, or not this user's.
 */
int rdmareg_lookup(struct rdmareg *c, uint64_t id, struct rdmareg_region **ret);

/* The revocation that runs; id 0: none. */
struct rdmareg_revocation {
	uint64_t id;
	uint64_t offset; /* the range asked for, bytes from the start of the region */
	uint64_t length;
	uint64_t deadline_usec; /* then the range becomes unreachable, acknowledged or not */
	enum rdmareg_cause cause;
};

/*
 * Strings are never NULL. They belong to the region (or list) they were read from: valid until its next
 * refresh, next or free.
 */
struct rdmareg_region_info {
	size_t size;
	uint64_t id;
	enum rdmareg_state state;
	enum rdmareg_arbitration arbitration_mode;
	const char *arbitration_reason; /* why this mode and no better one */
	enum rdmareg_policy policy;
	enum rdmareg_access access;
	uint64_t grace_usec;
	const char *path;      /* of the file when it was registered, for people; "" if unknown */
	uint64_t offset;       /* into the file */
	uint64_t length;       /* registered */
	uint64_t valid_length; /* backed by the file now */
	uint64_t address;      /* of the first byte, as one-sided operations name it */
	uint32_t rkey;
	uint32_t generation; /* changes whenever rkey or address became invalid */
	uint32_t uid;
	uint32_t peers; /* remote connections now */
	const char *session;
	const char *ticket;		    /* the newest; "" when not exported */
	uint64_t invalidations, writebacks; /* events the kernel reported since registration */
	uint64_t bytes_warmed;		    /* prefetched by the keeper */
	struct rdmareg_revocation revocation;
	uint8_t detached;
};

/* rdmareg_region_id: for events and other processes. Cannot fail. */
uint64_t rdmareg_region_id(const struct rdmareg_region *r);

/*
 * rdmareg_region_get_info: what the last answer about this region said; asks nobody. @info: size set by the
 * caller.
 */
int rdmareg_region_get_info(struct rdmareg_region *r, struct rdmareg_region_info *info);

/* rdmareg_region_refresh: ask again. ENOENT: the region is gone. */
int rdmareg_region_refresh(struct rdmareg_region *r);

/* rdmareg_region_free: forget the handle; the region stays. */
struct rdmareg_region *rdmareg_region_free(struct rdmareg_region *r);

struct rdmareg_list_options {
	size_t size;
	const char *session;	  /* only this session's */
	enum rdmareg_state state; /* only those in this state */
	uint64_t after;		  /* only ids above this one */
	uint32_t page;		  /* how many to fetch at once, 1 to 4096; default 256 */
};

/*
 * rdmareg_list: begin a walk over the regions this user may see, by ascending id. Pages are fetched as the
 * walk goes on, so it is no snapshot: a region that comes or goes meanwhile may or may not be met; none is
 * met twice. @ret: freed with rdmareg_list_free().
 */
int rdmareg_list(struct rdmareg *c, const struct rdmareg_list_options *options, struct rdmareg_list **ret);

/* rdmareg_list_next: 1 and the next region in @info, or 0 at the end. */
int rdmareg_list_next(struct rdmareg_list *l, struct rdmareg_region_info *info);
struct rdmareg_list *rdmareg_list_free(struct rdmareg_list *l);

struct rdmareg_export_options {
	size_t size;
	enum rdmareg_access access; /* default: the region's own */
	uint64_t expires_usec;	    /* from now; nobody new is admitted after it. Default: never */
	uint32_t uses;		    /* how many connections it admits. Default: any number */
};

/*
 * rdmareg_export: make a ticket. Whoever has that line of text has the access: hand it over as you would a
 * password.
 * @ret_ticket: to be freed with free(3). EACCES: more access than the region has. ENODEV: no
 * 	adapter. EDQUOT: too many tickets of one region.
 */
int rdmareg_export(struct rdmareg_region *r, const struct rdmareg_export_options *options, char **ret_ticket);

/*
 * rdmareg_prefetch: bring translations into the adapter so that the next accesses do not fault. Blocks
 * until done.
 * @length: 0: to the end. @for_writing: 1 also prepares for writes, and dirties every page it
 * 	touches. ERANGE: outside the region. EBUSY: the region is not live.
 */
int rdmareg_prefetch(struct rdmareg_region *r, uint64_t offset, uint64_t length, int for_writing);

/*
 * rdmareg_release: take the region down. Blocks until no peer can reach it and nothing of it is left. The
 * handle stays, for rdmareg_region_free(). ENOENT: it is gone already.
 */
int rdmareg_release(struct rdmareg_region *r);

enum rdmareg_event_type {
	RDMAREG_EVENT_NONE,
	/* region, revocation: stop using the range, then rdmareg_acknowledge() */
	RDMAREG_EVENT_REVOCATION_REQUESTED,
	/* region, revocation.id, outcome, valid_length: go on up to valid_length */
	RDMAREG_EVENT_REVOCATION_SETTLED,
	RDMAREG_EVENT_REGION_ADDED,   /* region (subscribers) */
	RDMAREG_EVENT_REGION_REMOVED, /* region: it is gone */
	/* region: rdmareg_region_refresh() tells what. Reported once however often it changed */
	RDMAREG_EVENT_REGION_CHANGED,
	/* rdmaregd stopped. Regions stay reachable and safe; nobody answers requests */
	RDMAREG_EVENT_DAEMON_LOST,
	/*
	 * it runs (again), the subscription is renewed. Refresh every handle: detached regions are found again by
	 * their id, others may have ended (ENOENT)
	 */
	RDMAREG_EVENT_DAEMON_BACK,
	/* from the bus: this context can only be closed. Regions that are not detached end */
	RDMAREG_EVENT_DISCONNECTED,
	RDMAREG_EVENT_OVERFLOW, /* events were dropped because nobody took them: refresh what matters */
};

struct rdmareg_event {
	size_t size;
	enum rdmareg_event_type type;
	uint64_t region;
	struct rdmareg_revocation revocation;
	enum rdmareg_outcome outcome;
	uint64_t valid_length;
	uint64_t seen_usec; /* CLOCK_BOOTTIME, when the library saw it */
};

/*
 * rdmareg_subscribe: from now on events of every region this user may see; without it only those of regions
 * registered through this context. Doing it again is no error.
 */
int rdmareg_subscribe(struct rdmareg *c);

/*
 * rdmareg_get_fd: polls readable (POLLIN) when rdmareg_dispatch() has something to do or an event waits.
 * The same descriptor for the life of the context, which owns it: wait on it, nothing else.
 * rdmareg_dispatch: take in what has arrived, never blocks. rdmareg_next_event: 1 and the oldest event, 0
 * if there is none. @event: size set by the caller.
 */
int rdmareg_get_fd(const struct rdmareg *c);
int rdmareg_dispatch(struct rdmareg *c);
int rdmareg_next_event(struct rdmareg *c, struct rdmareg_event *event);

/*
 * rdmareg_acknowledge: this program has nothing in flight in the region and starts nothing until the
 * revocation is settled. ESTALE: over, another one, or not asked of this caller: nothing changed. ENOENT:
 * no such region.
 */
int rdmareg_acknowledge(struct rdmareg *c, uint64_t region, uint64_t revocation);

/*
 * ---- peer side ----
 */

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
	/* revocation (with deadline_usec by this machine's clock): rdmareg_peer_acknowledge() */
	RDMAREG_PEER_EVENT_ASKED,
	RDMAREG_PEER_EVENT_ACKNOWLEDGED, /* revocation.id: the library sent it (YIELD), or the program did */
	RDMAREG_PEER_EVENT_SETTLED,	 /* revocation.id, outcome, valid_length, generation */
	RDMAREG_PEER_EVENT_LENGTH_CHANGED, /* valid_length, without a revocation */
	RDMAREG_PEER_EVENT_DISCONNECTED,   /* error: why; the peer can only be closed */
};

struct rdmareg_peer_event {
	size_t size;
	enum rdmareg_peer_event_type type;
	int error; /* DISCONNECTED: negative errno */
	struct rdmareg_revocation revocation;
	enum rdmareg_outcome outcome;
	uint32_t generation;
	uint64_t valid_length;
	uint64_t seen_usec; /* CLOCK_BOOTTIME, when the library saw or did it */
};

struct rdmareg_peer_options {
	size_t size;
	const char *source_address;    /* numeric local address to connect from; default: as routed */
	uint64_t connect_timeout_usec; /* for the whole connecting; default 10 s */
	/* longest time without any completion before the connection is given up; default 30 s */
	uint64_t io_timeout_usec;
	uint64_t settle_timeout_usec; /* YIELD: longest wait for a settling; default 120 s */
	/* memory pinned for rdmareg_peer_write/read; default 1 MiB. Less is taken if it cannot be had */
	size_t buffer_bytes;
	enum rdmareg_on_revocation on_revocation; /* default RETURN */
	/*
	 * on_event: called for every event, from within whatever rdmareg_peer_ function took it in, instead
	 * of queueing it for rdmareg_peer_next_event(). It must not call a function of this library with
	 * this peer. @event is gone when it returns.
	 */
	void (*on_event)(const struct rdmareg_peer_event *event, void *userdata);
	void *userdata;
};

/*
 * rdmareg_peer_connect: connect to a region. Blocks for connect_timeout_usec at most.
 * @ticket: as rdmareg_export() gave it: rdmareg://HOST:PORT/REGION?TOKEN.
 * @access: what is wanted: READ, or READ_WRITE. At most what the ticket allows.
 * @ret: closed with rdmareg_peer_close().
 *
 * EINVAL: the ticket or @access or an option is malformed. ENODEV: this machine has no RDMA device, or none
 * with a route there. ENXIO: the host's name does not resolve. EHOSTUNREACH: no route, or no answer.
 * ETIMEDOUT. ECONNREFUSED: nothing listens there: the region's keeper is gone. EACCES: the ticket is
 * unknown, expired or used up (these are not told apart). EPERM: the ticket does not allow that access.
 * EUSERS: the tenant has its number of peers. ENOBUFS: the adapter there, or here, has no queue pair left.
 * EMSGSIZE: the network's MTU is too small for that adapter to be correct: raise it. EPROTO: what answers
 * speaks another version, or another protocol. ENOMEM: too little lockable memory (RLIMIT_MEMLOCK). EINTR:
 * a signal handler ran.
 */
int rdmareg_peer_connect(const char *ticket, enum rdmareg_access access,
			 const struct rdmareg_peer_options *options, struct rdmareg_peer **ret);

/* rdmareg_peer_close: ends the connection, frees it and its buffers. What was in flight is not waited for. */
struct rdmareg_peer *rdmareg_peer_close(struct rdmareg_peer *p);

struct rdmareg_peer_info {
	size_t size;
	uint64_t region;
	uint64_t length;       /* registered */
	uint64_t valid_length; /* backed by the file now: nothing beyond it can be reached */
	uint64_t address;      /* of the first byte */
	uint32_t rkey;
	uint32_t generation;
	uint32_t alignment;  /* offsets must be multiples of this */
	uint32_t path_mtu;   /* bytes in one packet of this connection */
	uint32_t grace_msec; /* how long a revocation waits for an acknowledgement */
	enum rdmareg_access access;
	struct rdmareg_revocation revocation; /* not settled yet; id 0: none */
	uint8_t acknowledged;		      /* that revocation was */
	uint8_t connected;
	char device[64]; /* of this machine */
	char remote_address[64];
};

/*
 * rdmareg_peer_get_info: what is known about the connection and the region now; asks nobody. @info: size
 * set by the caller.
 */
int rdmareg_peer_get_info(struct rdmareg_peer *p, struct rdmareg_peer_info *info);

/*
 * rdmareg_peer_write, rdmareg_peer_read: one-sided transfer between @data and the region from @offset on,
 * through the library's own pinned buffers, several operations in flight. Return the number of bytes
 * transferred.
 *
 * Fewer than @length: with RETURN a revocation was asked, with YIELD the file became shorter or a signal
 * came during the wait; the next call says which. Bytes reported as written have been placed: see
 * rdmareg_peer_flush() for what that means.
 *
 * EAGAIN: RETURN: a revocation is not settled: take events, acknowledge, wait for SETTLED, go on. EINVAL:
 * @offset is no multiple of the alignment (with some adapters anything else is silently misplaced, so it is
 * refused here). ERANGE: the range ends beyond valid_length, or beyond the region. EACCES: writing through
 * a connection for reading; or the remote adapter refused: the range was fenced or the file became shorter
 * while the operation was under way. ESTALE: the same, with a revocation not acknowledged in time.
 * ECONNRESET: the other side ended the connection, or died. ETIMEDOUT: its machine stopped answering, or
 * YIELD's wait was too long (the connection is then still good, see connected). EREMOTEIO, EIO, EPROTO: as
 * the message says. EINTR: YIELD: a signal handler ran while waiting for the settling. After EACCES from
 * the adapter, ESTALE, ECONNRESET, EREMOTEIO, EIO and EPROTO the peer can only be closed; none of the
 * caller's memory is touched any more.
 */
int64_t rdmareg_peer_write(struct rdmareg_peer *p, const void *data, size_t length, uint64_t offset);
int64_t rdmareg_peer_read(struct rdmareg_peer *p, void *data, size_t length, uint64_t offset);

/*
 * rdmareg_peer_register_buffer: register the caller's memory so that transfers need no copy. The memory is
 * pinned; it must stay mapped until rdmareg_buffer_free(), or until the peer is closed, which frees the
 * buffer too. Memory read into must be writable: @writable 1. ENOMEM: RLIMIT_MEMLOCK. EFAULT: not mapped,
 * not writable, or a page-cache file that this kernel does not let be pinned for writing.
 *
 * rdmareg_peer_write_buffer, rdmareg_peer_read_buffer: as rdmareg_peer_write and _read, to or from
 * @buffer_offset of the buffer. EFAULT: outside the buffer, or reading into one that is not writable.
 */
int rdmareg_peer_register_buffer(struct rdmareg_peer *p, void *memory, size_t length, int writable,
				 struct rdmareg_buffer **ret);
struct rdmareg_buffer *rdmareg_buffer_free(struct rdmareg_buffer *b);
int64_t rdmareg_peer_write_buffer(struct rdmareg_buffer *b, size_t buffer_offset, size_t length,
				  uint64_t offset);
int64_t rdmareg_peer_read_buffer(struct rdmareg_buffer *b, size_t buffer_offset, size_t length,
				 uint64_t offset);

/*
 * rdmareg_peer_flush: when it returns 0, every byte this peer wrote before is in the region's memory,
 * visible to every process of that machine which maps or reads the file. It is NOT made durable: that takes
 * fsync(2) by somebody who has the file there. (A WRITE's own completion says that the adapter has it; a
 * READ behind it on the same queue pair, which is what this does, cannot complete before it is in memory.)
 * @offset: where to read; a multiple of the alignment, below valid_length. Errors as
 * 	rdmareg_peer_read().
 */
int rdmareg_peer_flush(struct rdmareg_peer *p, uint64_t offset);

/*
 * rdmareg_peer_get_fd, _dispatch, _next_event: as their namesakes of the owner side. Dispatch also
 * acknowledges at once with YIELD, since nothing is in flight outside a transfer. It returns 0 also when
 * the connection has ended: that is an event (and connected 0 in the info). A program that is idle for long
 * must keep dispatching, or it is cut off by the first revocation that it does not acknowledge. That the
 * other machine died without a word is noticed by the next transfer, not while idle.
 */
int rdmareg_peer_get_fd(const struct rdmareg_peer *p);
int rdmareg_peer_dispatch(struct rdmareg_peer *p);
int rdmareg_peer_next_event(struct rdmareg_peer *p, struct rdmareg_peer_event *event);

/*
 * rdmareg_peer_acknowledge: nothing of this peer is in flight; transfers answer EAGAIN until the revocation
 * is settled. Twice is no error. ESTALE: over, or another one. ECONNRESET: disconnected.
 */
int rdmareg_peer_acknowledge(struct rdmareg_peer *p, uint64_t revocation);

#ifdef __cplusplus
}
#endif

#endif
