/* SPDX-License-Identifier: GPL-2.0-or-later */
/* advise.h - prefetching translations, also where the provider library has no call for it. */
#ifndef RDMAREG_SELFTEST_ADVISE_H
#define RDMAREG_SELFTEST_ADVISE_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_mr;

/**
 * advise_mr - bring the translations of a range in; returns when they are
 * @mr: registered with IBV_ACCESS_ON_DEMAND, without exception: any other is a kernel oops on Linux
 *      7.2
 * @write: as for a store: dirties every page
 *
 * -EFAULT: beyond the end of the file, or without the protection it takes; -EINVAL: @write without
 * the right to; -EOPNOTSUPP.
 */
int advise_mr(struct ibv_mr *mr, uint64_t address, uint32_t length, bool write);

#endif
