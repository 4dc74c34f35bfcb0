// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * selftest.c - has a device tested when a keeper uses one of which nothing current is known. The
 * test is a service of its own (rdmareg-selftest@.service), since the daemon may open no device;
 * what it finds is for the keepers that start after it. Without systemd an administrator is told.
 */
#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "proxy/proxy.h"
#include "selftest/quirks.h"
#include "util/log.h"

#define DEVICE_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static int start_unit(sd_bus *connection, const char *device)
{
	char unit[128];

	/* anything else would need escaping, and no adapter is called like that */
	if (strspn(device, DEVICE_CHARACTERS) != strlen(device))
		return -EINVAL;
	snprintf(unit, sizeof(unit), "rdmareg-selftest@%.64s.service", device);
	return sd_bus_call_method_async(
		connection, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", "StartUnit", NULL, NULL, "ss", unit, "fail");
}

void proxy_refresh_quirks(struct proxy *k)
{
	const char *device = k->welcome.device, *directory = k->set->settings->quirks_directory;
	struct quirks known;
	struct failure why;
	int r;

	if (!*device || !*directory)
		return;
	r = quirks_load(QUIRKS_SYSFS, directory, device, &known, &why);
	if (r == 0 || r == -ENODEV)
		return; /* a device that is gone already is no news here */
	if (k->set->connection && sd_booted() > 0 && start_unit(k->set->connection, device) >= 0)
		log_info("%s: testing it", why.text);
	else
		log_notice("%s: see rdmaregctl selftest %s", why.text, device);
}
