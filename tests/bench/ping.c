// SPDX-License-Identifier: GPL-2.0-or-later
/* ping.c - see ping.h. */
#include "ping.h"

#include <errno.h>
#include <systemd/sd-bus.h>

#include "bench.h"
#include "names.h"

static sd_bus *bus;

static void ping(void)
{
	int e = sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				   "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);

	errno = e < 0 ? -e : 0;
	if (e < 0)
		die("Ping");
}

double ping_usec(void)
{
	double start;

	if (!bus) {
		errno = 0;
		if (sd_bus_open_system(&bus) < 0)
			die("no system bus");
		ping();
	}
	start = now_usec();
	ping();
	return now_usec() - start;
}
