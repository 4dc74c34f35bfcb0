/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attendant.h - the process behind remote.h: waits for its operations, for the daemon and for the
 * region's keeper at the same time.
 */
#ifndef ATTENDANT_H
#define ATTENDANT_H

#include "remote.h"

/* Memory of both processes. Whoever has the token, a byte through the control socket, writes it. */
struct desk {
	char path[4096];
	struct op op;
	int64_t result;
	char why[512];
	struct remote_counts counts;
	uint8_t data[FILE_BYTES];
};

/* Until the other end of @control is closed. */
void attend(struct desk *desk, int control);

#endif
