/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-wire.h - what a keeper and a remote peer say to each other.
 *
 * A peer holds a ticket, a line of text somebody gave it:
 *
 *     rdmareg://HOST:PORT/REGION?TOKEN          TOKEN: 32 lower-case hexadecimal digits; an IPv6
 *     rdmareg://HOST:PORT,HOST:PORT/REGION?TOKEN        HOST stands in brackets
 *
 * Regions of the same bytes on several devices have a ticket each. A list of them is a line with one
 * blank between two tickets, up to WIRE_TICKETS_MAX; what is done with it is the peer's affair.
 *
 * It connects to HOST:PORT with RDMA CM (RDMA_PS_TCP) and presents the token in the private data of
 * the request. If there are several (up to 8, as far as the line has room), it takes the first that
 * it reaches: all are the same keeper's, and so is the region's key. A librdmareg that knows only the
 * first form calls the second malformed; a keeper that listens on one address makes the first. The keeper answers with accept (struct wire_accept) or reject (struct
 * wire_reject).
 * From then on the peer does one-sided operations with the key it got, and both sides send struct
 * wire_message over the same queue pair. When nothing came of a peer for a while, the keeper sends an
 * RDMA WRITE of no bytes, which the adapter acknowledges without a receive buffer, a key or the
 * program. So a peer's queue pair has to allow remote writes (IBV_ACCESS_REMOTE_WRITE in its
 * qp_access_flags, as rdma_create_qp() and rdma_init_qp_attr() set it), whatever memory is registered.
 *
 * What always holds: all integers are little endian and fixed-width, every structure has the same
 * layout on 32 and 64 bit, every reserved byte is sent as zero and ignored when read. The keeper
 * trusts nothing in here: a token is compared in constant time, and a message of another size or
 * type ends that peer's connection, nobody else's.
 *
 * Limits: RDMA CM carries 56 bytes with a request (IB spec 12.7.1 less the IP-CM header), 196 with
 * an accept, 148 with a reject.
 */
#ifndef RDMAREG_WIRE_H
#define RDMAREG_WIRE_H

#include <stdint.h>

#define WIRE_TICKET_SCHEME "rdmareg://"
#define WIRE_TICKET_MAX 160 /* bytes, with the terminating zero */
#define WIRE_TOKEN_BYTES 16
#define WIRE_TICKETS_MAX 4
/* of that for HOST:PORT and commas, whatever the region's number */
#define WIRE_TICKET_HOSTS_MAX                                                    \
	(WIRE_TICKET_MAX - sizeof(WIRE_TICKET_SCHEME "/18446744073709551615?") - \
	 2 * WIRE_TOKEN_BYTES)
#define WIRE_MAGIC 0x31676472u /* "rdg1" */
#define WIRE_VERSION 2

/* A HOST:PORT of a ticket that a keeper makes. */
struct wire_place {
	char address[64]; /* numeric, without brackets */
	uint16_t port;
};

#define WIRE_RIGHT_READ (1u << 0)
#define WIRE_RIGHT_WRITE (1u << 1)

/*
 * Among the rights of a request: no connection is wanted. An access of that right to [offset,
 * offset + length) has failed and ended a connection that was made with this ticket: why? One
 * question for each right of each connection; who shares a ticket shares them. The answer is a
 * reject (WIRE_EXPLAINED), within two seconds. A keeper that does not know this bit refuses it as
 * any right that the ticket does not give, and nothing is used up.
 */
#define WIRE_ASKS_CAUSE (1u << 15)

/* Types of RDMA FLUSH. */
#define WIRE_FLUSH_GLOBAL (1u << 0)	/* visibility */
#define WIRE_FLUSH_PERSISTENT (1u << 1) /* persistence */

/*
 * librpma's descriptor of a memory region, version 1: address, length, key, usage
 * (RPMA_MR_USAGE_*), without gaps.
 */
#define WIRE_RPMA_DESCRIPTOR_BYTES 21

/* Private data of the connection request. */
struct wire_connect {
	uint32_t magic;
	uint16_t version;
	uint16_t rights; /* WIRE_RIGHT_*: what the peer wants; at most what the ticket allows */
	uint64_t region;
	uint8_t token[WIRE_TOKEN_BYTES];
	uint64_t offset; /* WIRE_ASKS_CAUSE: from the start of the region */
	uint64_t length;
	uint8_t reserved[8];
};

/* Private data of the accept: all a peer needs for one-sided operations. */
struct wire_accept {
	uint32_t magic;
	uint16_t version;
	uint16_t rights;
	uint64_t address; /* remote address of the region's first byte */
	uint64_t length;  /* bytes registered */
	uint64_t
		/* bytes backed by the file now: an access beyond it is refused by the adapter */
		valid_length;
	uint32_t rkey;
	uint32_t generation;  /* another one: rkey and address are, too */
	uint32_t alignment;   /* remote addresses and offsets must be multiples of this (1: any) */
	uint32_t minimum_mtu; /* the path MTU must be at least this many bytes */
	uint32_t grace_msec;  /* how long a revocation waits for an acknowledgement */
	uint32_t receive_depth; /* messages the keeper can take without an answer in between */
	uint64_t
		/*
		 * a revocation that is going on: wait for its settling before the first access; 0:
		 * none
		 */
		revocation;
	uint8_t durability; /* what a completed write is worth: enum region_durability of names.h */
	/* WIRE_FLUSH_*: what this connection may use; any other fails with a remote access error */
	uint8_t flush;
	/* enum path_state of names.h: is the file still where it was registered from? */
	uint8_t path_state;
	uint8_t reserved;
	uint32_t
		/* how often blocks were gone unasked, so far: as in the messages, modulo 2^32 */
		bypasses;
	uint8_t rpma
		/*
		 * address, length, key and rights once more, for rpma_mr_remote_from_descriptor();
		 * the rest zero
		 */
		[24];
	/*
	 * a number that regions of the same bytes of one file of a machine have, whatever their
	 * device; 0: not known, or from an older keeper. A peer that was given several tickets sees
	 * by it that they do not belong together
	 */
	uint64_t bytes;
};
#define WIRE_ACCEPT_MIN 96 /* bytes, without what was added at its end */

enum wire_refusal {
	WIRE_REFUSED_MALFORMED = 1, /* the request is not one of this protocol or version */
	WIRE_REFUSED_TICKET = 2,    /* unknown, expired or used up; deliberately not told apart */
	WIRE_REFUSED_RIGHTS = 3,    /* the ticket does not allow what was asked */
	WIRE_REFUSED_LIMIT = 4,	    /* the tenant's number of peers is reached */
	WIRE_REFUSED_RESOURCES = 5, /* the adapter refused a queue pair */
	WIRE_REFUSED_MTU = 6, /* the path MTU is below what this adapter needs to be correct */
	WIRE_EXPLAINED = 7,   /* the answer to WIRE_ASKS_CAUSE: see cause */
	WIRE_REFUSED_SHARE =
		/*
		 * the ticket has its share of the tenant's peers: the rest is kept for other
		 * tickets
		 */
	8,
};

/* Why an access failed, as far as it can be found out afterwards. */
enum wire_cause {
	WIRE_CAUSE_UNKNOWN = 0,
	WIRE_CAUSE_AVAILABLE =
		/* nothing is the matter now: it was fenced, or what was missing is there again */
	1,
	WIRE_CAUSE_FENCED = 2,	  /* by a revocation that is not settled */
	WIRE_CAUSE_LENGTH = 3,	  /* the file ends before */
	WIRE_CAUSE_NO_SPACE = 4,  /* a hole was written, and the filesystem has no block for it */
	WIRE_CAUSE_QUOTA = 5,	  /* the same, although there is space: most likely a quota */
	WIRE_CAUSE_READ_ONLY = 6, /* the filesystem is read-only now */
	WIRE_CAUSE_STORAGE = 7,	  /* it failed, or the filesystem was shut down */
	WIRE_CAUSE_MEMORY = 8,	  /* none is left, or none that the keeper's control group allows */
	WIRE_CAUSE_POISON = 9,	  /* memory failed there */
	WIRE_CAUSE_SILENT = 10,	  /* the storage does not answer */
};

/* Private data of the reject. */
struct wire_reject {
	uint32_t magic;
	uint16_t version;
	uint16_t reason; /* enum wire_refusal */
	char text[96];	 /* for a person, zero-terminated */
	uint16_t cause;	 /* WIRE_EXPLAINED: enum wire_cause; not there in what older keepers send */
	uint8_t reserved[6];
};
#define WIRE_REJECT_MIN 104 /* bytes, without what was added at its end */

enum wire_type {
	WIRE_REVOCATION_ASKED =
		/*
		 * keeper -> peer: finish what is in flight, start nothing in the range, acknowledge
		 */
	1,
	WIRE_REVOCATION_ACK = 2, /* peer -> keeper: nothing of mine is in flight there */
	WIRE_REVOCATION_SETTLED =
		3, /* keeper -> peer: go on; valid_length, generation and rkey are current */
	/*
	 * keeper -> peer: what is known of the file changed without a revocation: valid_length,
	 * path_state, or bypasses: blocks were gone that no revocation covered, and offset and
	 * length say between where the last of them were. A message that is not under way yet is
	 * replaced by a newer one, and by a SETTLED: so each says everything.
	 */
	WIRE_LENGTH_CHANGED = 4,
	/*
	 * peer -> keeper: put on the medium what I wrote before. The peer has made sure that it is
	 * in memory (by a READ or a FLUSH behind it). One at a time: a second one before the answer
	 * is ignored. The file as a whole is written back; nobody is asked or fenced.
	 */
	WIRE_SYNC = 5,
	WIRE_SYNCED = 6, /* keeper -> peer: done; request and outcome */
};

/* WIRE_SYNCED: what became of it. */
enum wire_sync_outcome {
	WIRE_SYNC_DURABLE = 0, /* on the medium, as fdatasync(2) promises */
	WIRE_SYNC_VOLATILE =
		/*
		 * memory that nothing is behind, or a device-dax, which only FLUSH serves: nothing
		 * was done
		 */
	1,
	WIRE_SYNC_REVOKED = 2, /* a revocation runs: again after its settling */
	WIRE_SYNC_FAILED =
		/*
		 * the storage failed, now or earlier: what was written since the last success may
		 * be lost
		 */
	3,
	WIRE_SYNC_RANGE = 4, /* empty, or not inside the region */
};

/* One control message (SEND, received into a buffer of exactly this size). */
struct wire_message {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint64_t revocation; /* id, unique in its region */
	uint64_t offset;     /* range asked for, bytes from the start of the region; SYNC too */
	uint64_t length;
	uint64_t valid_length;
	uint32_t time_left_msec; /* ASKED: until the fence */
	uint16_t
		/*
		 * ASKED: enum revocation_cause; SETTLED, LENGTH_CHANGED: enum path_state, 0 from
		 * older keepers
		 */
		cause;
	uint16_t outcome; /* SETTLED: enum revocation_outcome; SYNCED: enum wire_sync_outcome */
	uint32_t rkey;
	uint32_t generation;
	uint64_t
		/* SYNC, SYNCED: chosen by the peer; SETTLED, LENGTH_CHANGED: bypasses so far */
		request;
};

_Static_assert(sizeof(struct wire_connect) == 56, "RDMA CM carries 56 bytes");
_Static_assert(sizeof(struct wire_accept) == 104, "layout; RDMA CM carries 196");
_Static_assert(sizeof(struct wire_reject) == 112, "layout; RDMA CM carries 148");
_Static_assert(sizeof(struct wire_message) == 64, "layout");

#endif
