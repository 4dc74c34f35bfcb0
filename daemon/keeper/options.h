/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - the keeper's command line. Every number is bounded here, so that nobody else has to
 * wonder.
 */
#ifndef RDMAREG_KEEPER_OPTIONS_H
#define RDMAREG_KEEPER_OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

struct options {
	const char *session;	    /* 1 to 48 bytes */
	const char *listen_address; /* numeric, or "any" */
	uint16_t port;		    /* 0: any */
	uid_t daemon_uid;
	uid_t tenant_uid; /* whose regions it holds; it runs as somebody else */
	uint32_t max_regions;
	uint32_t max_peers;
	uint32_t max_tickets;	       /* of one region */
	uint32_t deadline_margin_msec; /* how much longer than the grace the kernel waits */
	uint32_t alignment;	       /* what remote addresses must be multiples of; 0: find out */
	uint32_t minimum_mtu;	       /* bytes; 0: find out; 1: any */
	uint64_t warm_bytes_per_sec;   /* of one region, after writeback */
	uint32_t
		memory_stall_msec; /* in two seconds: nothing is brought back then; 0: never mind */
	uint32_t
		/* a chunk that takes longer to prefetch ends what waits for it */
		storage_stall_msec;
	uint64_t idle_exit_usec;      /* 0: never */
	const char *quirks_directory; /* where findings of self-tests are kept; empty: nowhere */
	uint32_t rnr_timer_usec;      /* of the peers' queue pairs: struct endpoint_patience */
	uint32_t ack_timeout_msec;    /* 0: what the fabric says */
	uint8_t rnr_retries;	      /* 7: for ever */
	uint8_t retries;
};

/* 0; -EINVAL, with a line on stderr that says which option is wrong and what it may be. */
int options_parse(struct options *ret, int argc, char *argv[]);

#endif
