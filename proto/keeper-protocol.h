/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-protocol.h - what rdmaregd and a keeper say to each other over an AF_UNIX SOCK_SEQPACKET
 * socket.
 *
 * The keeper listens; rdmaregd connects (again after a restart) and the newest connection replaces
 * the one before, so a hung daemon cannot keep a new one out. Both ends run on one machine, in
 * native byte order, but not always from one package: a keeper outlives the daemon that started it,
 * and a newer or an older one finds it.
 *
 * A packet is a header (struct keeper_message up to its bodies) and the body of its type; its size
 * says what is there. One that makes no sense closes the connection and changes nothing.
 *
 * How it may change, so that a daemon drives keepers of older and newer packages:
 *   - The daemon says in KEEPER_HELLO which versions it speaks, from lowest to highest; the keeper
 *     answers with its own range and the highest version that is in both, or 0: then it takes no
 *     requests, and the connection is of no use. A range that begins with 0 or ends before it
 *     begins is a lie. The header, KEEPER_HELLO and KEEPER_WELCOME have the form of version 5 for
 *     ever, but for what is appended.
 *   - What exists keeps its place, its size and its meaning: members are only added at the end of a
 *     body and of a kind of types. A member in the middle that nobody needs any more becomes
 *     reserved. A struct inside another one (struct keeper_import) and an array never grow. Structs
 *     have no padding, since a later member could get that place, and an older program leaves
 *     garbage there.
 *   - Who receives fills what is missing with zeros and cuts off what it does not know. So of each
 *     member that is added, 0 must mean what was the case without it. Reserved members are sent as
 *     0 and not looked at. Fewer bytes than KEEPER_BODIES says is no packet of ours, nor are more
 *     than KEEPER_PACKET_MAX.
 *   - An event of an unknown type is ignored. A request of an unknown type is answered with
 *     KEEPER_DONE and ENOSYS (EOPNOTSUPP says that an adapter cannot), and what came with it is
 *     closed. An answer of an unknown type closes the connection: nobody can have asked for it, and
 *     whoever waits would wait for ever. So does a type of the wrong direction, or of no kind.
 *   - The version says what a zero cannot: it is raised for a new value of an enumeration, which is
 *     sent only when the version that was chosen knows it, and for whatever the other end has to
 *     know for sure. Adding members or types alone does not raise it.
 *   - From version 6 on each program drives at least the version before its own
 *     (KEEPER_VERSION_MIN). Version 5 does not drive 4, whose packets had another form. When the
 *     lowest one is raised, the sizes in KEEPER_BODIES and the frozen copy that the tests have
 *     (tests/unit/keeper/keeper-form-5.h) rise with it, and types that only older versions had are
 *     retired: the name goes, the number stays unused.
 *
 * Requests carry an operation number chosen by the daemon; each is answered exactly once, with
 * KEEPER_DONE or the answer named at the request (KEEPER_LIST by many, of which KEEPER_DONE is the
 * last), and answers may come in another order. Events carry operation 0 and may come at any time
 * after KEEPER_WELCOME.
 *
 * What always holds: the keeper alone can make memory unreachable, and with layout leases it alone
 * answers the kernel (with pre-content events rdmareg-gate does: daemon/gate/gate-channel.h). It
 * carries a revocation through to its end with no daemon connected, at the region's grace. The
 * daemon can only make it sooner (KEEPER_CONSENT).
 */
#ifndef RDMAREG_KEEPER_PROTOCOL_H
#define RDMAREG_KEEPER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "names.h"
#include "rdmareg-wire.h"

#define KEEPER_VERSION_MIN 5
#define KEEPER_VERSION_MAX 5
#define KEEPER_PACKET_MAX 8192 /* bytes; no version sends more */
#define KEEPER_TEXT_MAX 200

/* Types have room in their kind for later ones. */
enum keeper_kind {
	KEEPER_REQUEST, /* from the daemon */
	KEEPER_ANSWER,	/* from the keeper */
	KEEPER_EVENT,	/* from the keeper */
	_KEEPER_KIND_MAX,
};
#define KEEPER_KIND_SIZE 256u

enum keeper_type {
	/* requests */
	KEEPER_HELLO = 1, /* first packet of a connection; answered by KEEPER_WELCOME */
	KEEPER_LIST,	  /* answered by KEEPER_REGION and KEEPER_PEER for each, then KEEPER_DONE */
	/* with one descriptor; answered by KEEPER_REGION or KEEPER_DONE with an error */
	KEEPER_REGISTER,
	/*
	 * take the region down; answered when it is gone, or a second later, fenced and without
	 * peers
	 */
	KEEPER_RELEASE,
	KEEPER_PREFETCH,  /* warm a range; answered when done */
	KEEPER_EXPORT,	  /* make a ticket; answered by KEEPER_TICKET */
	KEEPER_CONFIGURE, /* change policy, grace and warm mode of a live region */
	KEEPER_CONSENT, /* every holder that the daemon has to wait for acknowledged this revocation: fence and give back now, or when peers have that
			   were connecting as it began */
	/*
	 * somebody wants a range; answered when no peer can reach it any more, which lasts until
	 * KEEPER_OVER
	 */
	KEEPER_DEMAND,
	KEEPER_OVER, /* a demand is over, or withdrawn; an unknown one is no error */
	/*
	 * a demand of the keeper's own: quiesce, write the file back, open again; answered at the
	 * end
	 */
	KEEPER_SYNC,
	KEEPER_FILE, /* answered by KEEPER_DONE with the region's descriptor */
	/*
	 * give up the prefetch with that operation number; it is answered with ECANCELED, an
	 * unknown one is no error
	 */
	KEEPER_CANCEL,
	/* answered by KEEPER_DONE with the adapter's command descriptor and the handles */
	KEEPER_IMPORT,
	KEEPER_LOG, /* what it logs from now on; of no region */
	_KEEPER_REQUEST_MAX,
	/* answers */
	KEEPER_WELCOME = KEEPER_ANSWER * KEEPER_KIND_SIZE,
	KEEPER_REGION,
	KEEPER_PEER,
	KEEPER_TICKET,
	KEEPER_DONE,
	_KEEPER_ANSWER_MAX,
	/* events */
	KEEPER_REVOCATION = KEEPER_EVENT *
			    KEEPER_KIND_SIZE, /* somebody wants blocks; peers were asked already */
	KEEPER_FENCED,
	KEEPER_GIVEN_BACK,
	KEEPER_SETTLED,
	KEEPER_PEER_JOINED,
	KEEPER_PEER_LEFT,
	KEEPER_PEER_ACK,
	/* folded report of translations that went away; the length is current */
	KEEPER_INVALIDATED,
	KEEPER_GONE, /* the region ended without being asked to */
	/* mode, mode_reason, damage, or a member behind unleased, of the info changed */
	KEEPER_MODE,
	KEEPER_PROGRESS, /* how far a prefetch that is under way has come; a few a second at most */
	/*
	 * the daemon did not read and events were dropped: it is to list everything again; no
	 * region
	 */
	KEEPER_RESYNC,
	_KEEPER_EVENT_MAX,
};

struct keeper_versions {
	uint32_t min;
	uint32_t max;
};

struct keeper_hello {
	struct keeper_versions versions;
	uint32_t log_level; /* as in struct keeper_log, and 1 more; 0: info */
	uint32_t reserved;
};

struct keeper_welcome {
	uint32_t version; /* that is spoken from now on; 0: none is in both ranges */
	struct keeper_versions versions;
	uint32_t pid;
	uint32_t uid;
	uint16_t port;	     /* of the RDMA CM listener; 0: no adapter */
	uint16_t has_module; /* /dev/rdmareg is open */
	char session[64];
	char address[64];		  /* numeric host of the listener */
	char device[64];		  /* RDMA device name */
	char no_adapter[KEEPER_TEXT_MAX]; /* why port is 0 */
	char program[24]; /* version of rdmareg that it is of; empty: it has not said */
};

/* What a region is; also its full description in KEEPER_REGION. */
struct keeper_region {
	uint64_t offset; /* bytes into the file */
	uint64_t length; /* bytes, page-aligned */
	uint64_t valid_length;
	uint64_t address; /* in the keeper */
	uint64_t grace_usec;
	uint64_t
		/*
		 * running revocation, or 0; KEEPER_REGISTER: the last one that another keeper had,
		 * and numbers go on from there. Daemons before sent 0
		 */
		revocation;
	uint64_t revocation_deadline_usec; /* CLOCK_MONOTONIC */
	uint64_t revocation_offset;
	uint64_t revocation_length;
	uint64_t invalidations; /* counted since registration, with writebacks */
	uint64_t writebacks;
	uint64_t bytes_warmed;
	uint64_t removals; /* invalidations that took pages away, not only write-protected them */
	uint64_t
		/*
		 * prefetched for writing without having been asked to: what writeback may have to
		 * write again
		 */
		bytes_redirtied;
	uint64_t
		/* accesses of peers that faulted, as the adapter counts; UINT64_MAX: it does not */
		faults;
	uint64_t
		/* largest page that one translation can cover, as the mapping is aligned */
		translation_bytes;
	uint64_t device; /* st_dev and st_ino of the file */
	uint64_t inode;
	uint32_t file_uid; /* st_uid */
	uint32_t reserved;
	uint32_t rkey;
	uint32_t generation; /* KEEPER_REGISTER: likewise */
	uint8_t access;	     /* enum region_access */
	uint8_t policy;	     /* enum region_policy */
	uint8_t mode;	     /* enum arbitration_mode */
	uint8_t detached;
	uint8_t state; /* enum region_state as the keeper sees it */
	uint8_t revocation_cause;
	uint8_t warm; /* KEEPER_REGISTER: prefetch everything before answering */
	/*
	 * KEEPER_REGISTER: the daemon guards the file with pre-content events; kept for the next
	 * daemon
	 */
	uint8_t gated;
	uint8_t warm_mode;  /* enum warm_mode; KEEPER_REGISTER and KEEPER_CONFIGURE set it */
	uint8_t durability; /* enum region_durability */
	uint8_t reserved_bytes[6];
	char mode_reason[KEEPER_TEXT_MAX];
	char path
		/* as readlink(/proc/self/fd) gave it when registered; for people, may be cut */
		[256];
	char ticket[WIRE_TICKET_MAX]; /* newest, or empty */
	char damage
		[KEEPER_TEXT_MAX]; /* what of its memory is lost, and why, for people; or empty */
	uint32_t
		/*
		 * 1: the file can have a layout lease; it is missing for the time being, as
		 * mode_reason says
		 */
		unleased;
	uint32_t blocks;     /* enum region_blocks: what others' writes may leave behind there */
	uint32_t path_state; /* enum path_state */
	uint32_t reserved_3;
	uint64_t
		/* how often blocks of the region were found gone that no revocation covered */
		bypasses;
	char bypass[KEEPER_TEXT_MAX]; /* the last of them, for people; or empty */
	char path_now
		[256]; /* where the file is now, cleaned like path; empty: nowhere, or not known */
	char stuck
		/*
		 * which step on its memory does not end, so that peers are kept out, for people; or
		 * empty
		 */
		[KEEPER_TEXT_MAX];
	char unreachable
		/* by which addresses peers cannot connect, and why, for people; or empty */
		[KEEPER_TEXT_MAX];
};

struct keeper_range {
	uint64_t offset;
	uint64_t length;
	uint32_t write; /* KEEPER_PREFETCH: for writing (dirties pages) */
	uint32_t reserved;
};

/*
 * KEEPER_DEMAND. @demand is chosen by the daemon, never used twice towards one keeper process. All
 * demands of a daemon are over when its connection ends, so a region does not stay closed for a
 * daemon that died. KEEPER_OVER uses @demand alone; KEEPER_SYNC @grace_usec and @limit_usec;
 * KEEPER_RELEASE @cause and @grace_usec (0: at once).
 */
struct keeper_demand {
	uint64_t demand;
	uint64_t offset; /* bytes from the start of the region; widened to pages */
	uint64_t length;
	uint64_t
		/*
		 * how long holders have, at most the region's own grace unless the cause is an
		 * administrator's
		 */
		grace_usec;
	uint64_t
		/*
		 * counted from the fence: the demand is over by itself then; 0: when KEEPER_OVER
		 * comes
		 */
		limit_usec;
	uint32_t cause; /* enum revocation_cause */
	uint32_t pid;	/* who wants it; 0: unknown */
};

struct keeper_ticket {
	uint64_t expires_usec; /* KEEPER_EXPORT: CLOCK_BOOTTIME, 0: never */
	uint32_t uses;	       /* KEEPER_EXPORT: how often it may be used, 0: any number */
	uint32_t rights;       /* WIRE_RIGHT_* */
	char text[WIRE_TICKET_MAX];
};

struct keeper_peer {
	uint64_t peer;	     /* unique in its keeper */
	uint64_t since_usec; /* CLOCK_BOOTTIME; app-keepers.c converts it */
	uint64_t
		/* PEER_ACK; in a list: the one it was asked for and has not acknowledged, or 0 */
		revocation;
	uint32_t rights;
	uint32_t cut; /* PEER_LEFT: the keeper cut it off */
	char address[64];
	uint32_t why; /* PEER_LEFT: enum peer_left */
	uint32_t reserved;
};

/* KEEPER_REVOCATION, _FENCED, _GIVEN_BACK, _SETTLED, _CONSENT */
struct keeper_revocation {
	uint64_t revocation;
	uint64_t offset;
	uint64_t length;
	uint64_t deadline_usec; /* CLOCK_MONOTONIC, when the keeper fences on its own */
	uint64_t valid_length;
	uint32_t cause;	  /* enum revocation_cause */
	uint32_t outcome; /* SETTLED: enum revocation_outcome */
	uint32_t breaker_pid;
	uint32_t
		/*
		 * FENCED: peers cut off because they did not acknowledge; GIVEN_BACK: 1 if by the
		 * kernel
		 */
		late;
	uint32_t generation;
	uint32_t rkey;
};

struct keeper_invalidated {
	uint64_t offset;
	uint64_t length;
	uint64_t valid_length;
	uint64_t invalidations;
	uint64_t writebacks;
	uint64_t faults; /* as in struct keeper_region */
	uint64_t removals;
	uint64_t bytes_warmed;
	uint64_t bytes_redirtied;
	uint32_t causes; /* RDMAREG_CAUSE_*; 0 with an empty range: only counters changed */
	uint32_t reserved;
};

/* KEEPER_SYNC: what the answer's value says is durable now. */
enum keeper_durable {
	KEEPER_DURABLE_NOTHING, /* memory only: tmpfs, memfd, hugetlbfs */
	KEEPER_DURABLE_STORAGE, /* written to the filesystem's storage by fsync(2) */
};

/* KEEPER_PROGRESS, KEEPER_CANCEL (the number alone). */
struct keeper_progress {
	uint64_t operation; /* of the KEEPER_PREFETCH or KEEPER_REGISTER */
	uint64_t done;	    /* bytes */
	uint64_t total;
};

/* KEEPER_LOG */
struct keeper_log {
	uint32_t level; /* syslog(3): lines up to this one, LOG_EMERG to LOG_DEBUG */
	uint32_t reserved;
};

/* KEEPER_IMPORT, in the answer: handles in the adapter's context, which is the descriptor. */
struct keeper_import {
	uint32_t pd_handle;
	uint32_t mr_handle;
};

struct keeper_done {
	int32_t error;	/* 0, or a negative errno */
	uint32_t value; /* SYNC: enum keeper_durable */
	struct keeper_import import;
	char text[KEEPER_TEXT_MAX];
};

struct keeper_message {
	uint32_t type; /* enum keeper_type */
	uint32_t reserved;
	uint64_t operation;
	uint64_t region;
	union {
		char body[1];
		struct keeper_hello hello;
		struct keeper_welcome welcome;
		struct keeper_region info;
		struct keeper_range range;
		struct keeper_demand demand;
		struct keeper_ticket ticket;
		struct keeper_peer peer;
		struct keeper_revocation revocation;
		struct keeper_invalidated invalidated;
		struct keeper_progress progress;
		struct keeper_log log;
		struct keeper_done done;
	};
};
#define KEEPER_HEADER_SIZE offsetof(struct keeper_message, body)

/*
 * The body of each type, and the last member that it had in the lowest version: what is there at
 * the least. Other types are a header alone, and may get a body.
 */
#define KEEPER_BODIES(X)                             \
	X(KEEPER_HELLO, hello, versions)             \
	X(KEEPER_REGISTER, info, damage)             \
	X(KEEPER_RELEASE, demand, pid)               \
	X(KEEPER_PREFETCH, range, reserved)          \
	X(KEEPER_EXPORT, ticket, text)               \
	X(KEEPER_CONFIGURE, info, damage)            \
	X(KEEPER_CONSENT, revocation, rkey)          \
	X(KEEPER_DEMAND, demand, pid)                \
	X(KEEPER_OVER, demand, pid)                  \
	X(KEEPER_SYNC, demand, pid)                  \
	X(KEEPER_CANCEL, progress, total)            \
	X(KEEPER_LOG, log, reserved)                 \
	X(KEEPER_WELCOME, welcome, no_adapter)       \
	X(KEEPER_REGION, info, damage)               \
	X(KEEPER_PEER, peer, address)                \
	X(KEEPER_TICKET, ticket, text)               \
	X(KEEPER_DONE, done, text)                   \
	X(KEEPER_REVOCATION, revocation, rkey)       \
	X(KEEPER_FENCED, revocation, rkey)           \
	X(KEEPER_GIVEN_BACK, revocation, rkey)       \
	X(KEEPER_SETTLED, revocation, rkey)          \
	X(KEEPER_PEER_JOINED, peer, address)         \
	X(KEEPER_PEER_LEFT, peer, address)           \
	X(KEEPER_PEER_ACK, peer, address)            \
	X(KEEPER_INVALIDATED, invalidated, reserved) \
	X(KEEPER_MODE, info, damage)                 \
	X(KEEPER_PROGRESS, progress, total)

/* Of what kind a type is, also one that is not known; _KEEPER_KIND_MAX: of none. */
static inline enum keeper_kind keeper_kind(uint32_t type)
{
	return type && type / KEEPER_KIND_SIZE < _KEEPER_KIND_MAX
		       ? (enum keeper_kind)(type / KEEPER_KIND_SIZE)
		       : _KEEPER_KIND_MAX;
}

static inline bool keeper_type_is_known(uint32_t type)
{
	return (type >= KEEPER_HELLO && type < _KEEPER_REQUEST_MAX) ||
	       (type >= KEEPER_WELCOME && type < _KEEPER_ANSWER_MAX) ||
	       (type >= KEEPER_REVOCATION && type < _KEEPER_EVENT_MAX);
}

/* How many bytes of a message are sent. */
static inline size_t keeper_packet_size(uint32_t type)
{
	switch (type) {
#define SIZE(type, member, last) \
	case type:               \
		return KEEPER_HEADER_SIZE + sizeof(((struct keeper_message *)0)->member);
		KEEPER_BODIES(SIZE)
#undef SIZE
	default:
		return KEEPER_HEADER_SIZE;
	}
}

/* How many have to come, also of a type that is not known. */
static inline size_t keeper_packet_min(uint32_t type)
{
	switch (type) {
#define MIN(type, member, last)                                       \
	case type:                                                    \
		return offsetof(struct keeper_message, member.last) + \
		       sizeof(((struct keeper_message *)0)->member.last);
		KEEPER_BODIES(MIN)
#undef MIN
	default:
		return KEEPER_HEADER_SIZE;
	}
}

/* What a program that is made with this file speaks. */
static const struct keeper_versions keeper_versions = { KEEPER_VERSION_MIN, KEEPER_VERSION_MAX };

static inline bool keeper_versions_are_sound(const struct keeper_versions *v)
{
	return v->min && v->min <= v->max;
}

/*
 * Of a packet of @size bytes, at least a header: what did not come becomes 0, and so does what is
 * not known of its type. @m: as received, whatever is behind that.
 */
static inline void keeper_message_trim(struct keeper_message *m, size_t size)
{
	size_t known = keeper_packet_size(m->type), kept = size < known ? size : known;

	memset((char *)m + kept, 0, sizeof(*m) - kept);
}

/* The one that two ends speak; 0: none. Both are sound. */
static inline uint32_t keeper_version_choose(const struct keeper_versions *a,
					     const struct keeper_versions *b)
{
	uint32_t low = a->min > b->min ? a->min : b->min, high = a->max < b->max ? a->max : b->max;

	return low <= high ? high : 0;
}

#endif
