// SPDX-License-Identifier: LGPL-2.1-or-later
/* options.c - see options.h. */
#include "options.h"

#include <stdarg.h>

#include "rdmareg.h"

void options_open(sd_bus_message *m, int *r)
{
	if (*r >= 0)
		*r = sd_bus_message_open_container(m, 'a', "{sv}");
}

void options_close(sd_bus_message *m, int *r)
{
	if (*r >= 0)
		*r = sd_bus_message_close_container(m);
}

void option_append(sd_bus_message *m, int *r, const char *key, const char *type, ...)
{
	va_list args;

	if (*r < 0)
		return;
	*r = sd_bus_message_open_container(m, 'e', "sv");
	if (*r >= 0)
		*r = sd_bus_message_append(m, "s", key);
	if (*r >= 0)
		*r = sd_bus_message_open_container(m, 'v', type);
	va_start(args, type);
	if (*r >= 0)
		*r = sd_bus_message_appendv(m, type, args);
	va_end(args);
	if (*r >= 0)
		*r = sd_bus_message_close_container(m);
	if (*r >= 0)
		*r = sd_bus_message_close_container(m);
}

void option_append_time(sd_bus_message *m, int *r, const char *key, uint64_t usec)
{
	if (usec)
		option_append(m, r, key, "t", usec);
}

void option_append_grace(sd_bus_message *m, int *r, uint64_t grace_usec)
{
	if (grace_usec)
		option_append(m, r, "grace_usec", "t",
			      grace_usec == RDMAREG_NO_GRACE ? 0 : grace_usec);
}
