// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log-control.c - org.freedesktop.LogControl1, by which systemctl(1) shows and sets how much a
 * service logs (systemctl service-log-level rdmaregd debug). Everybody may read, root may set; the
 * next reload of the settings sets what they say. Keepers, which are not on the bus, follow.
 *
 * What always holds: lines go where they went when the daemon was started, so LogTarget says where
 * that is and takes nothing else.
 */
#include "bus/bus-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

static const char *const levels[] = { "emerg",	 "alert",  "crit", "err",
				      "warning", "notice", "info", "debug" };

static const char *target(void)
{
	return log_is_journal() ? "journal" : "console";
}

static int get_level(sd_bus *connection, const char *path, const char *interface,
		     const char *property, sd_bus_message *reply, void *userdata,
		     sd_bus_error *error)
{
	(void)connection, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "s", levels[log_level()]);
}

static int get_target(sd_bus *connection, const char *path, const char *interface,
		      const char *property, sd_bus_message *reply, void *userdata,
		      sd_bus_error *error)
{
	(void)connection, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "s", target());
}

static int get_identifier(sd_bus *connection, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *userdata,
			  sd_bus_error *error)
{
	(void)connection, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

/* 0: the value, or an error that @error has. */
static int read_value(struct bus *b, sd_bus_message *m, const char **ret, sd_bus_error *error)
{
	const char *sender = sd_bus_message_get_sender(m);
	const struct client *c = sender ? client_find(b, sender) : NULL;
	int r = sd_bus_message_read(m, "s", ret);

	if (r < 0)
		return r;
	if (!c || (c->uid != 0 && c->uid != geteuid()))
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "only root may change what rdmaregd logs");
	return 0;
}

static int set_level(sd_bus *connection, const char *path, const char *interface,
		     const char *property, sd_bus_message *value, void *userdata,
		     sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *wanted;
	int r = read_value(b, value, &wanted, error);

	(void)connection, (void)path, (void)interface, (void)property;
	if (r < 0)
		return r;
	for (int i = 0; i < (int)(sizeof(levels) / sizeof(levels[0])); i++)
		if (!strcmp(levels[i], wanted)) {
			log_set_level(i);
			b->handlers->log_level_changed(b->userdata);
			return 0;
		}
	return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
				 "there is no level '%.20s'; valid: emerg, alert, crit, err, "
				 "warning, notice, info, debug",
				 wanted);
}

static int set_target(sd_bus *connection, const char *path, const char *interface,
		      const char *property, sd_bus_message *value, void *userdata,
		      sd_bus_error *error)
{
	const char *wanted;
	int r = read_value(userdata, value, &wanted, error);

	(void)connection, (void)path, (void)interface, (void)property;
	if (r < 0 || !strcmp(wanted, target()) || !strcmp(wanted, "auto"))
		return r;
	return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED,
				 "rdmaregd logs to standard error, which goes to the %s; to "
				 "change that, start it anew",
				 target());
}

const sd_bus_vtable log_control_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0,
				 SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0,
				 SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END
};
