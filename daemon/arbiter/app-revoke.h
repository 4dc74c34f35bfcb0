/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * app-revoke.h - the regions that somebody keeps closed. What always holds: see app-revokes.c.
 */
#ifndef RDMAREG_APP_REVOKE_H
#define RDMAREG_APP_REVOKE_H

#include "arbiter/app-internal.h"

/* A region that somebody keeps closed. */
struct revoke {
	uint64_t demand;
	uint64_t region;
	uint64_t revocation;   /* 0: not granted yet */
	struct client *client; /* NULL: it went away before the grant */
	struct call *call;     /* until the grant */
	LIST_ENTRY(revoke) of_client;
	LIST_ENTRY(revoke) of_app;
};

void revoke_free(struct revoke *v);

#endif
