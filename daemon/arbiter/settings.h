/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - what the administrator decided: rdmaregd.conf and conf.d/ *.conf beside it, read
 * into one plain struct.
 *
 * What always holds: a struct settings is complete and within its bounds; a file with an error
 * gives none, so the one before stays in force. Plain data without pointers: copying is assignment.
 */
#ifndef RDMAREG_SETTINGS_H
#define RDMAREG_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "util/failure.h"

enum spawn_method {
	/* systemd where it runs the machine and the daemon is on the system bus, else direct */
	SPAWN_AUTO,
	SPAWN_DIRECT,
	SPAWN_SYSTEMD,
};

/* Each member is a key of the same name; configs/rdmaregd.conf is its documentation. */
struct settings {
	uint64_t log_level;
	uint64_t adopt_timeout_msec;
	uint64_t orphan_grace_sec;
	uint64_t metrics; /* enum scrape_for */

	uint64_t spawn;
	uint64_t port;
	uint64_t memlock_bytes;
	uint64_t idle_exit_sec;
	uint64_t timeout_msec;
	uint64_t timeout_msec_per_gib;
	uint64_t deadline_margin_msec;
	uint64_t alignment;
	uint64_t minimum_mtu;
	uint64_t rnr_timer_usec;
	uint64_t rnr_retries;
	uint64_t retries;
	uint64_t ack_timeout_msec;
	uint64_t peer_probe_sec;
	char quirks_directory[256];
	uint64_t import;      /* 0: off, 1: on */
	char group[128];      /* names with commas between them */
	char keeper_uids[32]; /* FIRST-LAST: settings_keeper_uids() */
	char slice[128];
	char listen_address[256];

	uint64_t grace_msec;
	uint64_t max_grace_msec;
	uint64_t reader_grace_msec;
	uint64_t revoke_limit_sec;
	uint64_t pre_content; /* 0: off, 1: auto */
	uint64_t pre_content_files;
	uint64_t pre_content_waiters;
	uint64_t watchdog_msec;

	uint64_t warm_mode; /* enum warm_mode */
	uint64_t warm_bytes_per_sec;
	uint64_t memory_stall_msec;

	uint64_t regions_per_tenant;
	uint64_t bytes_per_tenant;
	uint64_t dax_bytes_per_tenant;
	uint64_t regions_per_client;
	uint64_t joins_per_client;
	uint64_t joins_per_uid;
	uint64_t revokes_per_client;
	uint64_t jobs_per_client;
	uint64_t tenants_per_uid;
	uint64_t sessions_max;
	uint64_t standing_per_uid;
	uint64_t keepers;
	uint64_t pending_calls_per_client;
	uint64_t pending_calls_per_uid;
	uint64_t subscribers_per_uid;
	uint64_t tickets_per_region;
	uint64_t peers_per_tenant;
};

/* The user ids that keepers run under, where the daemon chooses them. */
void settings_keeper_uids(const struct settings *s, uint32_t *ret_first, uint32_t *ret_last);

void settings_default(struct settings *s);

/**
 * settings_load - defaults, then @file, then conf.d/ *.conf in its directory in the order of their
 * names
 * @must_exist: a missing @file is an error; else it means that all is default
 * @ret: untouched on failure
 * @why: filled on failure, FILE:LINE first where a line is to blame
 *
 * -EINVAL: a line is wrong, or two values contradict each other; else the errno of reading a file.
 */
int settings_load(const char *file, int must_exist, struct settings *ret, struct failure *why);

/* Who is told of each error in the files, FILE:LINE first, and not only of the first one. */
struct settings_critic {
	void (*tell)(void *userdata, const char *text);
	/* of what is no error, but hardly meant */
	void (*note)(void *userdata, const char *text);
	void *userdata;
};

/**
 * settings_check - the same for --check-config and for reading them again: and is there what they
 * name? @critic: NULL, or who hears of each error. Asks the user database and looks at folders, which can take any time. For any thread.
 */
int settings_check(const char *file, int must_exist, const struct settings_critic *critic,
		   struct settings *ret, struct failure *why);

/**
 * settings_each - tell each setting as settings_load() finds it, in the order of the documentation
 * @why: filled on failure; nothing was told
 */
typedef void settings_told_t(void *userdata, const char *section, const char *name,
			     const char *value, const char *file, int line);
int settings_each(const char *file, int must_exist, settings_told_t *tell, void *userdata,
		  struct failure *why);

/* What settings_check() cannot see. */
#define SETTINGS_SEEN_LATER                                                                     \
	"whether listen_address belongs to an RDMA device with on-demand paging, whether port " \
	"is free, whether the kernel has pre-content events, and whether systemd grants the "   \
	"slice and memlock_bytes"

/*
 * Number of keys, and the text of one key's default, for the test that compares the documented
 * file. NULL: no such key.
 */
size_t settings_count(void);
const char *settings_key(size_t i, const char **ret_section);

#endif
