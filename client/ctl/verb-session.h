/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb-session.h - what the verbs of sessions share. What always holds: a limit that was not given
 * is 0, which is the administrator's, or as it was.
 */
#ifndef RDMAREGCTL_VERB_SESSION_H
#define RDMAREGCTL_VERB_SESSION_H

#include "ctl.h"

/* The members of a struct rdmareg_session_limits that is @member of the verb's options. */
#define SESSION_LIMITS_SPECS(type, member)                                                    \
	{ "max-regions", ARG_NUMBER_LIMIT, offsetof(type, member.regions), "N",               \
	  "number of regions (rdmaregd.conf)" },                                              \
		{ "max-bytes", ARG_BYTES_LIMIT, offsetof(type, member.bytes), "SIZE",         \
		  "bytes of all regions together (rdmaregd.conf)" },                          \
		{ "max-peers", ARG_NUMBER_LIMIT, offsetof(type, member.peers), "N",           \
		  "number of connected peers (rdmaregd.conf)" },                              \
		{ "max-tickets", ARG_NUMBER_LIMIT, offsetof(type, member.tickets), "N",       \
		  "number of tickets of each region (rdmaregd.conf)" },                       \
		{ "max-memory", ARG_BYTES_LIMIT, offsetof(type, member.memory_bytes), "SIZE", \
		  "memory of the keepers, with pages brought in for them (none)" }

/* A user's name or number; NULL: the caller. 0, or EXIT_USAGE with the message printed. */
int session_user(const char *text, uint32_t *ret);

/* Of the limit that was asked for, 0 if none was: a session that was made or changed has none. */
void session_say_unkept(uint64_t memory_bytes, const struct rdmareg_session_info *info);

/* What became of the regions, to stdout. 0 or an exit status. @ret_late: how many go on ending. */
int session_print_released(const struct ctl *ctl, struct rdmareg_released *l, uint64_t *ret_late);

#endif
