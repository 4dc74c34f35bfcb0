/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - a region as JSON, which is the one model: JSON output prints it, tables are columns of it.
 */
#ifndef RDMAREGCTL_MODEL_H
#define RDMAREGCTL_MODEL_H

#include "ctl.h"

/* Keys are the D-Bus property names in snake_case. */
json_object *model_region(const struct rdmareg_region_info *info);
json_object *model_revocation(const struct rdmareg_revocation *revocation);

/* "boottime_usec" and "realtime_usec" for an event the library saw at @boottime_usec. */
void model_add_times(json_object *o, uint64_t boottime_usec);

/* A table with a line per element of the array. 0 or an exit status. */
int model_print_list(const struct ctl *ctl, json_object *regions);

/* Everything about one region, a line per key. */
void model_print_region(const struct ctl *ctl, json_object *region);

#endif
