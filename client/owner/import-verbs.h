/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * import-verbs.h - the verbs side of an import: handles in, objects out. What always holds: all
 * three objects, or none and an error.
 */
#ifndef RDMAREG_CLIENT_IMPORT_VERBS_H
#define RDMAREG_CLIENT_IMPORT_VERBS_H

#include "rdmareg.h"

/* What rdmaregd says of an import. */
struct import_handles {
	uint32_t pd_handle;
	uint32_t mr_handle;
	uint64_t address;
	uint64_t length;
	uint32_t rkey;
	uint32_t generation;
};

/* @region: for the error sentence. @fd: stays the caller's. */
int import_open(uint64_t region, int fd, const struct import_handles *h,
		struct rdmareg_imported **ret);

#endif
