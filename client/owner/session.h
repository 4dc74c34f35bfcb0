/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.h - what an answer says about a session, for those who ask for one and for many. What
 * always holds: see session.c.
 */
#ifndef RDMAREG_CLIENT_SESSION_H
#define RDMAREG_CLIENT_SESSION_H

#include "bus.h"
#include "fields.h"
#include "util.h"

/* What a session is called: [A-Za-z0-9_.-]{1,48}. */
bool session_name_valid(const char *name);

struct session_properties {
	struct rdmareg_session_info info;
	const char *name; /* in the message; info has a copy */
};

/* Read the a{sv} at the message's present position. -EBADMSG: it makes no sense. */
int session_properties_read(struct session_properties *p, sd_bus_message *m);

#endif
