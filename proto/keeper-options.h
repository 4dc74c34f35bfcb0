/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-options.h - the command line of rdmareg-keeper. Each option is described once, in the
 * list: its type and member, its name, its bounds, what it is where it is not given, and its help.
 * The daemon writes a command line by the list (daemon/proxy/spawn.c) and the keeper reads it by
 * the same (daemon/keeper/options.c), so they agree.
 *
 * What always holds: each option has an argument; a number that a keeper accepted is within its
 * bounds. A keeper and the daemon that starts it are of one package.
 */
#ifndef RDMAREG_KEEPER_OPTIONS_H
#define RDMAREG_KEEPER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "rdmareg-timers.h"

#define KEEPER_UID_MAX (UINT32_MAX - 1)

/* TEXT(member, name, default, help), NUMBER(type, member, name, least, most, default, help) */
#define KEEPER_OPTIONS(TEXT, NUMBER)                                                                       \
	TEXT(session, "session", "default", "the tenant's session, 1 to 48 of [A-Za-z0-9_.-]")             \
	TEXT(listen_address, "listen-address", "any", "numeric addresses of adapters, or any")             \
	TEXT(device, "device", "", "the RDMA device to use; empty: that of the first address")             \
	TEXT(quirks_directory, "quirks-directory", "",                                                     \
	     "where findings of self-tests are kept; empty: nowhere")                                      \
	NUMBER(uint16_t, port, "port", 0, UINT16_MAX, 0,                                                   \
	       "the port to listen on; 0: any that is free")                                               \
	NUMBER(uint32_t, daemon_uid, "daemon-uid", 0, KEEPER_UID_MAX, 0,                                   \
	       "user id of the daemon it obeys")                                                           \
	NUMBER(uint32_t, tenant_uid, "tenant-uid", 0, KEEPER_UID_MAX, 0,                                   \
	       "user id whose regions it holds; it runs under another one")                                \
	NUMBER(uint32_t, max_regions, "max-regions", 1, 65536, 1024,                                       \
	       "how many regions it holds at a time")                                                      \
	NUMBER(uint32_t, max_peers, "max-peers", 1, 65536, 1024,                                           \
	       "how many peers may be connected at a time")                                                \
	NUMBER(uint32_t, max_tickets, "max-tickets", 1, 4096, 64,                                          \
	       "how many tickets a region may have")                                                       \
	NUMBER(uint32_t, deadline_margin_msec, "deadline-margin-msec", 10, 60000, 500,                     \
	       "how much longer than the grace the kernel waits")                                          \
	NUMBER(uint32_t, alignment, "alignment", 0, UINT32_C(1) << 30, 0,                                  \
	       "what remote addresses must be multiples of; 0: as the self-test found")                    \
	NUMBER(uint32_t, minimum_mtu, "minimum-mtu", 0, 4096, 0,                                           \
	       "RDMA MTU in bytes that is needed; 0: as the self-test found; 1: any")                      \
	NUMBER(uint32_t, idle_exit_sec, "idle-exit-sec", 0, 86400, 10,                                     \
	       "how long it stays without regions and without a daemon; 0: for ever")                      \
	NUMBER(uint32_t, rnr_timer_usec, "rnr-timer-usec", 10, TIMERS_RNR_MAX_USEC, 640,                   \
	       "how long a peer waits before it asks again for a page that is not in memory")              \
	NUMBER(uint8_t, rnr_retries, "rnr-retries", 0, 7, 7,                                               \
	       "how often it asks again; 7: for ever")                                                     \
	/* 7 means for ever to some adapters */                                                            \
	NUMBER(uint8_t, retries, "retries", 0, 6, 6,                                                       \
	       "how often a queue pair sends again what was not acknowledged")                             \
	NUMBER(uint32_t, ack_timeout_msec, "ack-timeout-msec", 0, 60000, 0,                                \
	       "how long it waits for an acknowledgement; 0: as the fabric says")                          \
	NUMBER(uint32_t, peer_probe_sec, "peer-probe-sec", 0, 3600, 5,                                     \
	       "how long a connection is idle before the peer's adapter is asked for a sign; 0: for ever") \
	NUMBER(uint64_t, warm_bytes_per_sec, "warm-bytes-per-sec", UINT64_C(2) << 20,                      \
	       UINT64_C(1) << 50, UINT64_C(1) << 30,                                                       \
	       "how much of one region is brought back after writeback")                                   \
	NUMBER(uint32_t, memory_stall_msec, "memory-stall-msec", 0, 2000, 100,                             \
	       "memory stall within two seconds at which warming pauses; 0: it never does")                \
	NUMBER(uint32_t, storage_stall_msec, "storage-stall-msec", 5, 300000, 5000,                        \
	       "how long callers wait for a step on storage")

struct keeper_options {
#define KEEPER_OPTION_TEXT(member, ...) const char *member;
#define KEEPER_OPTION_NUMBER(type, member, ...) type member;
	KEEPER_OPTIONS(KEEPER_OPTION_TEXT, KEEPER_OPTION_NUMBER)
#undef KEEPER_OPTION_TEXT
#undef KEEPER_OPTION_NUMBER
};

/* One line of the list. */
struct keeper_option {
	const char *name;
	size_t offset;
	size_t size; /* of a number's member; 0: it is a text */
	uint64_t least, most, number;
	const char *text;
	const char *help;
};

#define KEEPER_OPTION_AT(member) offsetof(struct keeper_options, member)
#define KEEPER_OPTION_TEXT_LINE(member, name, text, help) \
	{ name, KEEPER_OPTION_AT(member), 0, 0, 0, 0, text, help },
#define KEEPER_OPTION_NUMBER_LINE(type, member, name, least, most, number, help) \
	{ name, KEEPER_OPTION_AT(member), sizeof(type), least, most, number, NULL, help },

static const struct keeper_option keeper_option_list[] = { KEEPER_OPTIONS(
	KEEPER_OPTION_TEXT_LINE, KEEPER_OPTION_NUMBER_LINE) };
#define KEEPER_OPTION_COUNT (sizeof(keeper_option_list) / sizeof(keeper_option_list[0]))

static inline void keeper_option_set(struct keeper_options *o, const struct keeper_option *which,
				     uint64_t number)
{
	void *at = (char *)o + which->offset;

	if (which->size == sizeof(uint8_t))
		*(uint8_t *)at = (uint8_t)number;
	else if (which->size == sizeof(uint16_t))
		*(uint16_t *)at = (uint16_t)number;
	else if (which->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)number;
	else
		*(uint64_t *)at = number;
}

static inline uint64_t keeper_option_get(const struct keeper_options *o,
					 const struct keeper_option *which)
{
	const void *at = (const char *)o + which->offset;

	if (which->size == sizeof(uint8_t))
		return *(const uint8_t *)at;
	if (which->size == sizeof(uint16_t))
		return *(const uint16_t *)at;
	if (which->size == sizeof(uint32_t))
		return *(const uint32_t *)at;
	return *(const uint64_t *)at;
}

static inline const char **keeper_option_text(struct keeper_options *o,
					      const struct keeper_option *which)
{
	return (const char **)((char *)o + which->offset);
}

/* What a peer takes of the mappings that a process may have: queue pair and completion queue. */
#define KEEPER_PEER_MAPPINGS UINT64_C(4)

/* How many a keeper keeps for @peers that may come, of @most in all: never more than a quarter. */
static inline uint64_t keeper_mappings_for(uint64_t peers, uint64_t most)
{
	uint64_t n = peers * KEEPER_PEER_MAPPINGS;

	return n < most / 4 ? n : most / 4;
}

#endif
