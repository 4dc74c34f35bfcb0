/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - regions, sessions and holders as JSON, which is the one model: JSON output prints it, tables
 * (table.h) are columns of it.
 */
#ifndef RDMAREGCTL_MODEL_H
#define RDMAREGCTL_MODEL_H

#include "ctl.h"

/* Keys are the D-Bus property names in snake_case. */
json_object *model_region(const struct rdmareg_region_info *info);
/* Of what a brief list brings. */
json_object *model_region_brief(const struct rdmareg_region_info *info);
json_object *model_session(const struct rdmareg_session_info *info);
json_object *model_keeper(const struct rdmareg_keeper *k);
json_object *model_standing(const struct rdmareg_standing *s);
json_object *model_device(const struct rdmareg_device *device);
json_object *model_history(const struct rdmareg_history_event *e);
/* Who is behind a revocation; NULL: nobody is known. */
json_object *model_asker(uint32_t pid, uint32_t uid, const char *comm, const char *cgroup,
			 bool other_user);
json_object *model_holder(const struct rdmareg_holder *holder);
json_object *model_revocation(const struct rdmareg_revocation *revocation);

/* What stands behind a path that the file has left; "" if it is there. */
const char *model_path_note(const struct rdmareg_region_info *i);

/* Lines for people: how a region is arbitrated, with the reasons. */
void model_print_arbitration(const struct rdmareg_region_info *info);

/* "boottime_usec" and "realtime_usec" for an event the library saw at @boottime_usec. */
void model_add_times(json_object *o, uint64_t boottime_usec);

#endif
