/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * properties.h - the properties of a region as an answer brought them, with the strings they need.
 */
#ifndef RDMAREG_CLIENT_PROPERTIES_H
#define RDMAREG_CLIENT_PROPERTIES_H

#include <systemd/sd-bus.h>

#include "rdmareg.h"
#include "region-properties.h"

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

/*
 * The same from what an answer has that was asked for with the option properties_append_option():
 * all values in a structure, which is the only entry.
 */
int properties_read_values(struct properties *p, sd_bus_message *m);
void properties_append_option(sd_bus_message *m, int *r);

/*
 * The same from a structure with the values of a brief list, in the order of
 * proto/region-properties.h; the others stay zero or "".
 */
int properties_read_brief(struct properties *p, sd_bus_message *m);
/* What to ask for: its names (as), and the types of its values. */
int properties_append_brief(sd_bus_message *m);
#define WHERE_VALUE(member, name, kind, told, where) WHERE_##where(PROPERTY_TYPE_##kind)
#define WHERE_WORD(member, name, vocabulary, told, where) WHERE_##where(PROPERTY_TYPE_WORD)
#define PROPERTIES_BRIEF REGION_PROPERTIES(WHERE_VALUE, WHERE_WORD)

void properties_clear(struct properties *p);

#endif
