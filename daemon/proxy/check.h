/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - is a packet from a keeper sound in itself? A keeper handles what peers send, who may
 * have taken it over; so nothing it says is believed beyond that tenant, and a packet that no
 * keeper of ours sends ends the connection.
 *
 * Pure: no I/O, no state. What depends on more than the packet (is the operation known, whose is
 * the region) is for the caller.
 */
#ifndef RDMAREG_PROXY_CHECK_H
#define RDMAREG_PROXY_CHECK_H

#include "keeper-protocol.h"

/*
 * NULL: sound, that is, numbers are within their enumerations and text is terminated; or an event
 * of an unknown type, of which only the header was judged. Else what is wrong.
 */
const char *proxy_message_check(const struct keeper_message *m);

#endif
