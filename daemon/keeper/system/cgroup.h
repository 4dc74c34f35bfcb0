/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.h - how much memory the keeper's cgroup, ancestors included, leaves it. Version 2 only;
 * without it nothing is limited here.
 *
 * What always holds: what cannot be read limits nothing, since refusing a region needs a reason
 * that can be shown.
 */
#ifndef RDMAREG_KEEPER_CGROUP_H
#define RDMAREG_KEEPER_CGROUP_H

#include <stdint.h>

#define CGROUP_PATH_MAX 1024

/*
 * Where a version 2 cgroup is, below @root, by the text of /proc/self/cgroup. -ENOENT: none;
 * -EINVAL: outside what is mounted.
 */
int cgroup_path(const char *root, const char *text, char ret[CGROUP_PATH_MAX]);

/**
 * cgroup_headroom - the smallest of memory.max - memory.current from @path up to @root
 * @ret_path: the cgroup that it is the headroom of; empty without a limit
 *
 * UINT64_MAX: no limit.
 */
uint64_t cgroup_headroom(const char *root, const char *path, char ret_path[CGROUP_PATH_MAX]);

/* The same of this process, below /sys/fs/cgroup. */
uint64_t cgroup_own_headroom(char ret_path[CGROUP_PATH_MAX]);

/* Its own path; as cgroup_path(). */
int cgroup_own_path(char ret[CGROUP_PATH_MAX]);

#endif
