/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quirks.h - what a self-test found out about an RDMA device, and the file in which it is kept.
 *
 * A file DEVICE.quirks belongs to one device, driver, firmware and kernel: where any of these is
 * another today, the file is as good as none. Only rdmareg-selftest writes it, as root; rdmaregd
 * and the keepers read it.
 *
 * What always holds: a struct quirks that was read is complete and within its bounds. A file that
 * is broken, too long, written by somebody else or about something else gives none, and a sentence
 * that says why. Knows nothing of verbs.
 */
#ifndef RDMAREG_SELFTEST_QUIRKS_H
#define RDMAREG_SELFTEST_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/failure.h"

#define QUIRKS_SYSFS "/sys/class/infiniband"

/* In the order in which they are run. */
enum check {
	CHECK_ALIGNMENT, /* remote addresses inside a page */
	CHECK_MTU,	 /* packets smaller than a page */
	CHECK_RIGHTS,	 /* a queue pair's rights, and a memory region's */
	CHECK_FENCE,	 /* PROT_NONE keeps peers out; lifted, the same rkey works again */
	CHECK_WRITEBACK, /* what was written before and after an fsync(2) is on storage */
	CHECK_TRUNCATE,	 /* nothing beyond the end of the file can be reached */
	CHECK_RNR,	 /* a receiver that is never ready is given up */
	CHECK_SILENCE,	 /* a peer that never answers is given up */
	CHECK_ADVISE,	 /* translations can be prefetched */
	CHECK_ATOMICS,	 /* fetch-and-add, compare-and-swap */
	CHECK_FLUSH,	 /* RDMA FLUSH */
	CHECK_WINDOWS,	 /* memory windows: bound, used, revoked, of use to one queue pair */
	CHECK_BOUNDS,	 /* a memory window ends where it should */
	CHECK_DC,	 /* mlx5: DC transport pages on demand, by what libmlx5 says */
	CHECK_KEYS,	 /* mlx5: indirect keys, several for one region */
	_CHECK_MAX,
};

enum verdict {
	VERDICT_NOT_RUN, /* it could not be tried */
	VERDICT_OK,
	VERDICT_QUIRK,	/* not as it should be, but it can be lived with, and rdmaregd does */
	VERDICT_FAILED, /* not as it should be */
	VERDICT_NOT_SUPPORTED,
	_VERDICT_MAX,
};

/* What the findings are about. Text without blanks; "none" where there is nothing to say. */
struct quirks_identity {
	char device[64];
	char driver[64]; /* with the version of the kernel module, where it has one */
	char firmware[64];
	char kernel[72]; /* release */
	char build[72];	 /* the rest of what uname(2) says of it */
};

struct quirks {
	struct quirks_identity of;
	uint8_t verdict[_CHECK_MAX]; /* enum verdict */
	uint32_t alignment;	     /* remote addresses must be multiples of it; 1: any */
	uint32_t minimum_mtu;	     /* the path MTU must have so many bytes; 1: any */
};

const char *check_name(enum check c);
const char *verdict_name(enum verdict v);

/* Must this one be passed (or be a quirk) before a device can be used? */
bool check_is_needed(enum check c);

/* Nothing was found out: the worst is assumed. */
void quirks_init(struct quirks *q);

/*
 * Can the device be used, given that its quirks are obeyed? Else @ret_first is the first check that
 * says no.
 */
bool quirks_are_usable(const struct quirks *q, enum check *ret_first);

/* May a queue pair be trusted to refuse what it has no right to? */
bool quirks_enforce_rights(const struct quirks *q);

/* The quirks in words, for a person: "none", or "page-aligned access only (4096), ..." */
void quirks_describe(const struct quirks *q, char *out, size_t size);

/**
 * quirks_identify - what @device is now
 * @sysfs: QUIRKS_SYSFS, but for tests
 * -ENODEV: there is no such device.
 */
int quirks_identify(const char *sysfs, const char *device, struct quirks_identity *ret);

/**
 * quirks_load - what is known of a device
 * @directory: where the files are; empty: nowhere
 * @why: filled on failure
 *
 * -ENOENT: there is no file. -ESTALE: it is about another driver, firmware or kernel. -EPERM: it
 * belongs neither to root nor to the caller, or others may write to it. -EINVAL: broken; the
 * sentence names the line. Else the errno of reading it.
 */
int quirks_load(const char *sysfs, const char *directory, const char *device, struct quirks *ret,
		struct failure *why);

/*
 * Replaces the device's file whole, or leaves it as it is. Makes @directory, but not what is above
 * it.
 */
int quirks_save(const char *directory, const struct quirks *q);

#endif
