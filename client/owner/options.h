/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options.h - the dictionary of options that ends a request. What always holds: an option is
 * appended only when the caller set it, so that the daemon's defaults are the daemon's.
 */
#ifndef RDMAREG_CLIENT_OPTIONS_H
#define RDMAREG_CLIENT_OPTIONS_H

#include <systemd/sd-bus.h>

#include "util.h"

DEFINE_CLEANUP(sd_bus_message, sd_bus_message_unref)

/*
 * All of them continue only while *r is not negative, and leave the first failure in it.
 *
 * options_open, options_close: the a{sv}. option_append: one entry. option_append_grace: a
 * grace_usec as the public structures have it, where 0 is "not said" and RDMAREG_NO_GRACE is none
 * at all. option_append_time: where 0 is "not said".
 */
void options_open(sd_bus_message *m, int *r);
void options_close(sd_bus_message *m, int *r);
void option_append(sd_bus_message *m, int *r, const char *key, const char *type, ...);
void option_append_grace(sd_bus_message *m, int *r, uint64_t grace_usec);
void option_append_time(sd_bus_message *m, int *r, const char *key, uint64_t usec);

#endif
