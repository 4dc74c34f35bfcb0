/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * properties.h - the properties of a region as an answer brought them, with the strings they need.
 */
#ifndef RDMAREG_CLIENT_PROPERTIES_H
#define RDMAREG_CLIENT_PROPERTIES_H

#include <systemd/sd-bus.h>

#include "rdmareg.h"

struct properties {
	struct rdmareg_region_info info; /* its strings point into @answer, or are "" */
	sd_bus_message *answer;
};

/*
 * properties_read - read the a{sv} at the message's present position; on success @p refers to @m
 * and what it held before is let go
 *
 * Properties that are not known are skipped, those that are missing stay zero. -EBADMSG: a known
 * one has another type, or there is no Id.
 */
int properties_read(struct properties *p, sd_bus_message *m);
void properties_clear(struct properties *p);

#endif
