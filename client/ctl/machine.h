/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - what rdmaregd tells of its machine: what there is, what the kernel and the adapters
 * offer, and what needs somebody.
 *
 * What always holds: each problem has what it is, its cause, and a command. rdmaregd tells its own;
 * those of adapters, keepers and regions are taken from the lists that have them, so everybody sees
 * what is his.
 */
#ifndef RDMAREGCTL_MACHINE_H
#define RDMAREGCTL_MACHINE_H

#include <sys/socket.h>

#include "ctl.h"

/*
 * One object: what GetStatus answers, with "problems", "adapters" and "keeper_list", which are
 * arrays. @each: NULL, or called for each region, of which only what a table of them shows is set;
 * a negative number ends it with that error. @ret: freed with json_object_put(). Other errors are
 * the library's.
 */
int machine_read(struct rdmareg *context,
		 int (*each)(const struct rdmareg_region_info *i, void *userdata), void *userdata,
		 json_object **ret);

/* The address itself, as inet_ntop(3) takes it; NULL: it is none of IP. */
const void *machine_address_of(const struct sockaddr *a);

/* A member of an object; "" and 0 where there is none. */
static inline const char *text_of(json_object *o, const char *key)
{
	json_object *v = json_object_object_get(o, key);

	return v ? json_object_get_string(v) : "";
}

static inline uint64_t number_of(json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

#endif
