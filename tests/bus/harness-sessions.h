/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness-sessions.h - what tests of sessions share: a world, somebody who creates sessions, and
 * the user for whom they are.
 *
 * What always holds: one world and two connections, from sessions_begin() to sessions_end(). As
 * root the sessions' user is nobody, else ourselves, who then runs the daemon, too. A session is
 * called by its name, and by @escaped, the name as it stands in its object's path.
 */
#ifndef RDMAREG_HARNESS_SESSIONS_H
#define RDMAREG_HARNESS_SESSIONS_H

#include "harness.h"

#define LONG UINT64_C(10000000) /* grace, in microseconds */
#define SHORT UINT64_C(500000)
#define PATH_BYTES 200
#define ENDS 8

extern struct world sessions_world;
extern sd_bus *admin, *user;
extern uid_t uid; /* of user */

/* What Release said. */
struct ends {
	size_t n;
	struct {
		uint64_t id;
		char outcome[16];
	} item[ENDS];
};

struct releasing {
	bool done;
	bool failed;
	struct ends ends;
};

void session_path(const char *escaped, char out[static PATH_BYTES]);
sd_bus_message *new_session(sd_bus *b, uint32_t of, const char *name);
sd_bus_message *new_session_call(sd_bus *b, const char *escaped, const char *member);
bool create_session(const char *name, struct reply *ret);
bool create_session_limited(const char *name, const char *limit, const char *type, uint64_t value,
			    struct reply *ret);
bool create_session_on(const char *name, const char *device, struct reply *ret);
void expect_session_device(sd_bus *b, const char *escaped, const char *wanted);
bool session_exists(sd_bus *b, const char *name, struct reply *ret);
bool call_session(sd_bus *b, const char *escaped, const char *member, struct reply *ret);
/* UINT64_MAX: not given */
sd_bus_message *new_session_release(sd_bus *b, const char *escaped, uint64_t grace_usec,
				    uint64_t limit_usec);
void send_session_release(sd_bus *b, const char *escaped, uint64_t grace_usec, uint64_t limit_usec,
			  struct releasing *l);
bool is_session_released(sd_bus *b, const struct releasing *l);
void release_session(const char *escaped, struct ends *ret);
uint64_t session_number(sd_bus *b, const char *escaped, const char *property, char type);
void expect_session_state(sd_bus *b, const char *escaped, const char *wanted);
uint64_t add_session_region_for(const char *session, bool detached, uint64_t grace_usec,
				struct reply *ret);
uint64_t add_session_region(const char *session, bool detached, struct reply *ret);

void sessions_begin(void);
void sessions_end(void);

#endif
