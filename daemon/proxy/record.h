/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.h - what the daemon knows of one keeper process and of the regions it had it make: a
 * mapped file in the runtime directory, beside the keeper's socket, that the next daemon reads.
 *
 * A keeper tells the next daemon what it holds, but is believed only as far as this file says the
 * same. What the daemon decides by (whose file it is, access, policy, grace, who owns the region)
 * is taken from here.
 *
 * What always holds:
 *   - A region is in the file before its keeper is asked to make it, so what a caller knows of is
 *     in it, too.
 *   - A slot counts only once its commit word is written, which is last. The mapping outlives the
 *     process however that ends; no call to the kernel is made for a region, but for each
 *     RECORD_CHUNK of them.
 *   - Daemons of older and newer packages read the same file. Members are only added at the end of
 *     struct record_keeper and struct record_region, or where reserved room was always 0; 0 means
 *     what was the case without them. A struct inside another one can only get members in its
 *     reserved room. The daemon that makes the file fixes the length of its slots. Another daemon
 *     reads members that do not fit in there as 0, and writes 0 to bytes that it has no member for.
 *     A region with an enumeration's value that a daemon does not know is left out there, and so
 *     released.
 *   - What is read from a file that is damaged, cut short or of another form is within its bounds,
 *     or left out.
 */
#ifndef RDMAREG_RECORD_H
#define RDMAREG_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/registry.h"

#define RECORD_CHUNK 64 /* regions that room on the filesystem is asked for at a time */
#define RECORD_MARK_MAX 176
#define RECORD_PATH_MAX 256
#define RECORD_NAME_MAX 72

/* Whom it is about. */
struct record_keeper {
	uint32_t uid; /* the tenant */
	char session[TENANT_SESSION_MAX];
	uint32_t instance; /* which of the tenant's processes, one after the other */
	uint32_t regions;  /* at most, as it was started; slots of the file */
	uint32_t peers;	   /* likewise */

	/* its process, once it runs; pid 0: not known yet */
	uint32_t pid;
	uint32_t runs_as; /* its user id */
	char unit[192];	  /* empty: none */
	char cgroup[512];
	char invocation[33];
	char reserved[3];
};

/* What can be changed while a region lives. */
struct record_terms {
	uint64_t grace_usec;
	uint8_t policy; /* enum region_policy */
	uint8_t gated;
	uint8_t gate_asked; /* daemons before left 0 */
	uint8_t warm;	    /* 1 and enum warm_mode; 0: not known, of daemons before */
	uint8_t reserved[4];
};

struct record_region {
	uint64_t id;
	uint64_t device; /* st_dev, st_ino */
	uint64_t inode;
	uint64_t offset;
	uint64_t length;
	struct record_terms terms;
	uint32_t file_uid;
	uint8_t access; /* enum region_access */
	uint8_t detached;
	uint8_t reserved[2];
	char owner[RECORD_MARK_MAX]; /* bus_client_mark(), or empty */
	uint64_t uuid
		/*
		 * as in struct filesystem. Daemons before had more room for @owner here, which was
		 * 0
		 */
		[2];
	char path[RECORD_PATH_MAX]; /* for people */
	uint64_t born_nsec;	    /* as in struct region_text */
	char name[RECORD_NAME_MAX]; /* within the tenant; empty: none */
};

struct record;

/* Makes the file; @k: uid to peers. -EEXIST: there is one, which stays as it is. */
int record_new(struct record **ret, const char *path, const struct record_keeper *k);
/* -ENOENT; -EINVAL: damaged, or of another form. */
int record_open(struct record **ret, const char *path);
/* Leaves the file. */
struct record *record_free(struct record *r);

const struct record_keeper *record_keeper(const struct record *r);
/* The file has another name now. */
void record_set_instance(struct record *r, uint32_t instance);
/* Its process runs: @k from pid on; pid 0: not any more. */
void record_identify(struct record *r, const struct record_keeper *k);

/*
 * -ENOBUFS: no slot is left; -ENOSPC and the like: no room for the file; -ENOSYS: a daemon before
 * made the file, and the region has a name, for which its slots have no room.
 */
int record_add(struct record *r, const struct record_region *region, uint32_t *ret_slot);
/* False: the next record_add() answers -ENOBUFS. */
bool record_has_slot(const struct record *r);
void record_remove(struct record *r, uint32_t slot);
/* All of them at once, whenever the process ends. */
void record_set_terms(struct record *r, uint32_t slot, const struct record_terms *terms);

/*
 * Of a file that was opened: calls with each bus_client_mark() in it that differs from the one
 * before it.
 */
void record_each_owner(const struct record *r, void (*call)(void *userdata, const char *mark),
		       void *userdata);
/*
 * Of a file that was opened: the region that a keeper claims. False: it is not in the file, or was
 * claimed before.
 */
bool record_claim(struct record *r, uint64_t id, struct record_region *ret, uint32_t *ret_slot);
/*
 * The next one that nobody has claimed yet; then it is. Start with 0 in @at. False: there is none.
 */
bool record_claim_next(struct record *r, uint32_t *at, struct record_region *ret,
		       uint32_t *ret_slot);
/* The keeper has claimed all that it has: what else is in the file is over. */
void record_end_claims(struct record *r);

#endif
