// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * message.c - what can be said of a message, and answered to it, without knowing its sender.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-internal.h"

void region_path(uint64_t id, char out[static REGION_PATH_MAX])
{
	snprintf(out, REGION_PATH_MAX, RDMAREG_REGION_PREFIX "/%" PRIu64, id);
}

bool is_from_bus(sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m); /* the bus sets it */

	return sender && !strcmp(sender, "org.freedesktop.DBus");
}

int reply_failure(sd_bus_message *m, const struct failure *f)
{
	return sd_bus_reply_method_errorf(m, f->name, "%s", f->text);
}

int refuse(sd_bus_message *m, int r, const struct failure *f)
{
	return r < 0 ? r : reply_failure(m, f);
}

int reply_plain(sd_bus_message *m, int r, const struct failure *f)
{
	return r ? refuse(m, r, f) : sd_bus_reply_method_return(m, NULL);
}

int entry_open(sd_bus_message *m, const char *key, const char *type)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(m, 's', key);
	return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

int entry_close(sd_bus_message *m)
{
	int r = sd_bus_message_close_container(m);

	return r < 0 ? r : sd_bus_message_close_container(m);
}
