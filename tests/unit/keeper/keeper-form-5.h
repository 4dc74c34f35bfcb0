/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-form-5.h - the keeper protocol as version 5 had it, written down once and never changed:
 * what keepers that are still running speak, whatever becomes of proto/keeper-protocol.h, of which
 * nothing is used here. test-keeper-form.c compares the two, and tests/fakes/keeper-form-5.c is a
 * keeper of this form.
 *
 * It goes when KEEPER_VERSION_MIN is above 5; the next one is written before the version is raised.
 */
#ifndef RDMAREG_TEST_KEEPER_FORM_5_H
#define RDMAREG_TEST_KEEPER_FORM_5_H

#include <stdint.h>

enum form5_type {
	FORM5_HELLO = 1,
	FORM5_LIST,
	FORM5_REGISTER,
	FORM5_RELEASE,
	FORM5_PREFETCH,
	FORM5_EXPORT,
	FORM5_CONFIGURE,
	FORM5_CONSENT,
	FORM5_DEMAND,
	FORM5_OVER,
	FORM5_SYNC,
	FORM5_FILE,
	FORM5_CANCEL,
	FORM5_IMPORT,
	FORM5_WELCOME = 256,
	FORM5_REGION,
	FORM5_PEER,
	FORM5_TICKET,
	FORM5_DONE,
	FORM5_REVOCATION = 512,
	FORM5_FENCED,
	FORM5_GIVEN_BACK,
	FORM5_SETTLED,
	FORM5_PEER_JOINED,
	FORM5_PEER_LEFT,
	FORM5_PEER_ACK,
	FORM5_INVALIDATED,
	FORM5_GONE,
	FORM5_MODE,
	FORM5_PROGRESS,
	FORM5_RESYNC,
};

struct form5_versions {
	uint32_t min;
	uint32_t max;
};

struct form5_hello {
	struct form5_versions versions;
};

struct form5_welcome {
	uint32_t version;
	struct form5_versions versions;
	uint32_t pid;
	uint32_t uid;
	uint16_t port;
	uint16_t has_module;
	char session[64];
	char address[64];
	char device[64];
	char no_adapter[200];
};

struct form5_region {
	uint64_t offset;
	uint64_t length;
	uint64_t valid_length;
	uint64_t address;
	uint64_t grace_usec;
	uint64_t revocation;
	uint64_t revocation_deadline_usec;
	uint64_t revocation_offset;
	uint64_t revocation_length;
	uint64_t invalidations;
	uint64_t writebacks;
	uint64_t bytes_warmed;
	uint64_t removals;
	uint64_t bytes_redirtied;
	uint64_t faults;
	uint64_t translation_bytes;
	uint64_t device;
	uint64_t inode;
	uint32_t file_uid;
	uint32_t reserved;
	uint32_t rkey;
	uint32_t generation;
	uint8_t access;
	uint8_t policy;
	uint8_t mode;
	uint8_t detached;
	uint8_t state;
	uint8_t revocation_cause;
	uint8_t warm;
	uint8_t gated;
	uint8_t warm_mode;
	uint8_t durability;
	uint8_t reserved_bytes[6];
	char mode_reason[200];
	char path[256];
	char ticket[160];
	char damage[200];
};

struct form5_range {
	uint64_t offset;
	uint64_t length;
	uint32_t write;
	uint32_t reserved;
};

struct form5_demand {
	uint64_t demand;
	uint64_t offset;
	uint64_t length;
	uint64_t grace_usec;
	uint64_t limit_usec;
	uint32_t cause;
	uint32_t pid;
};

struct form5_ticket {
	uint64_t expires_usec;
	uint32_t uses;
	uint32_t rights;
	char text[160];
};

struct form5_peer {
	uint64_t peer;
	uint64_t since_usec;
	uint64_t revocation;
	uint32_t rights;
	uint32_t cut;
	char address[64];
};

struct form5_revocation {
	uint64_t revocation;
	uint64_t offset;
	uint64_t length;
	uint64_t deadline_usec;
	uint64_t valid_length;
	uint32_t cause;
	uint32_t outcome;
	uint32_t breaker_pid;
	uint32_t late;
	uint32_t generation;
	uint32_t rkey;
};

struct form5_invalidated {
	uint64_t offset;
	uint64_t length;
	uint64_t valid_length;
	uint64_t invalidations;
	uint64_t writebacks;
	uint64_t faults;
	uint64_t removals;
	uint64_t bytes_warmed;
	uint64_t bytes_redirtied;
	uint32_t causes;
	uint32_t reserved;
};

struct form5_progress {
	uint64_t operation;
	uint64_t done;
	uint64_t total;
};

struct form5_import {
	uint32_t pd_handle;
	uint32_t mr_handle;
};

struct form5_done {
	int32_t error;
	uint32_t value;
	struct form5_import import;
	char text[200];
};

struct form5_message {
	uint32_t type;
	uint32_t reserved;
	uint64_t operation;
	uint64_t region;
	union {
		struct form5_hello hello;
		struct form5_welcome welcome;
		struct form5_region info;
		struct form5_range range;
		struct form5_demand demand;
		struct form5_ticket ticket;
		struct form5_peer peer;
		struct form5_revocation revocation;
		struct form5_invalidated invalidated;
		struct form5_progress progress;
		struct form5_done done;
	};
};

/* The body of each type; the others have none. */
#define FORM5_BODIES(X)             \
	X(HELLO, hello)             \
	X(REGISTER, info)           \
	X(RELEASE, demand)          \
	X(PREFETCH, range)          \
	X(EXPORT, ticket)           \
	X(CONFIGURE, info)          \
	X(CONSENT, revocation)      \
	X(DEMAND, demand)           \
	X(OVER, demand)             \
	X(SYNC, demand)             \
	X(CANCEL, progress)         \
	X(WELCOME, welcome)         \
	X(REGION, info)             \
	X(PEER, peer)               \
	X(TICKET, ticket)           \
	X(DONE, done)               \
	X(REVOCATION, revocation)   \
	X(FENCED, revocation)       \
	X(GIVEN_BACK, revocation)   \
	X(SETTLED, revocation)      \
	X(PEER_JOINED, peer)        \
	X(PEER_LEFT, peer)          \
	X(PEER_ACK, peer)           \
	X(INVALIDATED, invalidated) \
	X(MODE, info)               \
	X(PROGRESS, progress)

#define FORM5_PLAIN(X) \
	X(LIST)        \
	X(FILE)        \
	X(IMPORT)      \
	X(GONE)        \
	X(RESYNC)

#endif
