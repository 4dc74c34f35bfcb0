/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * region.h - a handle of a region, for the files that carry out what is asked through it. What
 * always holds: see region.c.
 */
#ifndef RDMAREG_CLIENT_REGION_H
#define RDMAREG_CLIENT_REGION_H

#include "bus.h"
#include "properties.h"

struct rdmareg_region {
	struct rdmareg *context;
	struct rdmareg_region *next;
	struct properties properties;
	uint64_t id; /* the daemon's word at the beginning; its object path is made of it */
};

/* A handle of the region whose properties come next in @answer. */
int region_new(struct rdmareg *c, sd_bus_message *answer, struct rdmareg_region **ret);
/* The same; @values: of what was asked for without names, properties_append_option(). */
int region_new_as(struct rdmareg *c, bool values, sd_bus_message *answer,
		  struct rdmareg_region **ret);
/* region.c, for whoever registers: what is checked first, and what is asked of the daemon. */
int region_check_request(const struct rdmareg_register_request *q,
			 struct rdmareg_register_options *ret, const char *name);
void region_append_request(sd_bus_message *m, int *r, const struct rdmareg_register_request *q,
			   const struct rdmareg_register_options *o, bool values);

/*
 * A call of Prefetch or StartPrefetch, which take the same. @timeout_usec, @ret_reply: as of
 * context_call().
 */
int region_call_prefetch(struct rdmareg_region *region, const char *member, uint64_t offset,
			 uint64_t length, int for_writing, uint64_t timeout_usec,
			 sd_bus_message **ret_reply);

#endif
