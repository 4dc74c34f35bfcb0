/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adapters.h - the RDMA devices of this machine, as sysfs and their self-tests tell.
 *
 * What always holds: nothing is opened but files of sysfs and the quirks, so it needs no rights and
 * cannot wait for a device (a broken driver may hang whoever opens it). What a device can do is
 * what its self-test has seen it do, not what it says of itself.
 */
#ifndef RDMAREG_SELFTEST_ADAPTERS_H
#define RDMAREG_SELFTEST_ADAPTERS_H

#include <stdint.h>

#include "selftest/quirks.h"

#define ADAPTERS_MAX 256 /* what is beyond is not listed */

struct adapter {
	struct quirks_identity of;
	char state[16]; /* of its first port that is up, else of the first: "active", "down", ... */
	char link[16];	/* "ethernet", "infiniband" */
	char netdev[32];     /* network interface of that port; empty: none, or none that we see */
	uint32_t mtu;	     /* of the interface, bytes; 0: unknown */
	char abilities[128]; /* what was seen to work, in words; empty: not tested */
	char quirks[240];    /* quirks_describe(), or why none are known */
	char unusable
		/* why rdmaregd cannot use it, and what to do; empty: it can, as far as is known */
		[240];
};

/**
 * adapters_list - tell of each, in the order of their names
 * @sysfs: "/sys", but for tests
 * @directory: where the quirks are
 * No device at all is no error. -ENOMEM, or what reading sysfs says.
 */
int adapters_list(const char *sysfs, const char *directory,
		  void (*add)(void *to, const struct adapter *a), void *to);

#endif
