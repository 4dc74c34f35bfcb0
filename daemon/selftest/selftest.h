/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selftest.h - finds out, by using it, whether an RDMA device does with demand-paged file memory
 * what rdmaregd relies on.
 *
 * Nothing is taken from lists of names or versions. Each check makes its own queue pairs and memory
 * (rig.h), so that the order of checks does not matter, and says what it found as a verdict and a
 * sentence.
 *
 * What always holds: a check ends, since each of its waits does; one that cannot be run says so and
 * why, and is not passed; nothing is left of it afterwards.
 */
#ifndef RDMAREG_SELFTEST_H
#define RDMAREG_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "selftest/quirks.h"

struct ibv_context;
struct rig;

#define FINDING_TEXT 240

struct finding {
	enum verdict verdict;
	uint32_t
		/* alignment: bytes; mtu: bytes; rnr, silence: milliseconds until it was given up */
		value;
	bool passing; /* depends on how the port is now: not to be remembered */
	char text[FINDING_TEXT];
};

/* Whom the checks work for. */
struct selftest {
	struct ibv_context *context;
	uint8_t port;
	const char *directory; /* files are made here (without a name); NULL: in memory */
};

void selftest_run(const struct selftest *s, enum check c, struct finding *ret);

/* Put a finding into what is known of the device; quirks_init() before the first. */
void selftest_note(struct quirks *q, enum check c, const struct finding *f);

/**
 * selftest_find_port - the first port that is up
 * @ret_mtu: bytes; may be NULL
 * -EOPNOTSUPP: the device has no on-demand paging over connected queue pairs; -ENETDOWN: no port is
 * up.
 */
int selftest_find_port(struct ibv_context *context, uint8_t *ret_port, uint32_t *ret_mtu);

/* For the checks: one group a file. */
typedef void check_run_t(const struct selftest *s, struct rig *r, struct finding *f);
check_run_t check_alignment, check_mtu;			  /* check-placement.c */
check_run_t check_rights, check_rnr, check_silence;	  /* check-connection.c */
check_run_t check_fence, check_writeback, check_truncate; /* check-file.c */
check_run_t check_advise, check_atomics, check_flush;	  /* check-operations.c */
check_run_t check_windows, check_bounds;		  /* check-windows.c */
check_run_t check_dc;					  /* check-mlx5.c */
check_run_t check_keys;					  /* check-keys.c */

/* Fill @f; the last one that a check says counts. */
void finding_set(struct finding *f, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
