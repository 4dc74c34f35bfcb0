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

#define SESSION_NAME_MAX 48 /* characters */
#define SESSION_PATH_MAX (sizeof(RDMAREG_SESSION_PREFIX) + 16 + 3 * SESSION_NAME_MAX)

/* What a session is called: [A-Za-z0-9_.-]{1,48}. */
bool session_name_valid(const char *name);

/*
 * Where the object of a session is, and back: of what a path could be spelled like, one counts.
 */
int session_path(uint32_t uid, const char *name, char ret[static SESSION_PATH_MAX]);
bool session_of_path(const char *path, uint32_t *ret_uid,
		     char ret_name[static SESSION_NAME_MAX + 1]);

struct session_properties {
	struct rdmareg_session_info info;
	const char *name, *device; /* in the message; info has copies */
};

/* Read the a{sv} at the message's present position. -EBADMSG: it makes no sense. */
int session_properties_read(struct session_properties *p, sd_bus_message *m);

/* The body of a PropertiesChanged. False: of no session, or it makes no sense. */
bool session_changes_read(sd_bus_message *m, enum rdmareg_session_state *ret);

#endif
