/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings-check.h - what a text in rdmaregd.conf must be, beyond its length: an address, a slice,
 * a folder, groups, user ids.
 *
 * What always holds: form_* look at the text alone, so that they can be asked on the daemon's loop.
 * machine_* ask the machine (the user database, folders), which can take any time: --check-config
 * asks them, and a reload in a thread, but never the loop. All give NULL, or what it must be, to follow the words "it must be".
 */
#ifndef RDMAREG_SETTINGS_CHECK_H
#define RDMAREG_SETTINGS_CHECK_H

#include <stddef.h>

#include "util/failure.h"

typedef const char *settings_check_t(const char *text);

settings_check_t form_address; /* numeric, or "any" */
settings_check_t form_slice;
settings_check_t form_directory;
settings_check_t form_uids;	 /* FIRST-LAST */
settings_check_t machine_groups; /* of names with commas between them; none is good, too */
settings_check_t machine_directory;

/*
 * What of the machine the settings as a whole contradict. 0, or -EINVAL with @why filled.
 */
int machine_deadline(unsigned long long most_msec, struct failure *why);

#endif
