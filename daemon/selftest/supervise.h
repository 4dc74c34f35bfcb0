/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise.h - a device's whole self-test in a process of its own, under a deadline.
 *
 * What always holds: supervise() returns, whatever driver, adapter or filesystem do. A check during
 * which the process dies or hangs has failed; what was found out before it stands.
 */
#ifndef RDMAREG_SELFTEST_SUPERVISE_H
#define RDMAREG_SELFTEST_SUPERVISE_H

#include <stdint.h>

#include "selftest/selftest.h"

struct report {
	/* why nothing was tried: -EACCES, -EOPNOTSUPP, -ENETDOWN, -ENODEV, ...; code 0: it was */
	struct failure failure;
	uint32_t active_mtu; /* bytes */
	uint8_t port;
	struct finding findings[_CHECK_MAX];
	struct finding replaced; /* of the kernel, in that directory: fsdax.h */
	struct quirks quirks;	 /* of them; the identity is the caller's to fill in */
};

/**
 * supervise - test @device
 * @directory: where files are made, see struct selftest
 * @check_usec: longest time for one check
 */
void supervise(const char *device, const char *directory, uint64_t check_usec, struct report *ret);

/*
 * May the report be remembered: was everything that matters tried, and does it not depend on how
 * the port is just now?
 */
bool report_is_lasting(const struct report *r);

#endif
