/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup-watch.h - tells when the cgroup of a process is frozen or thawed, while the loop runs.
 *
 * By inotify, which the kernel sends for each change of cgroup.events, and at most a hundred times a
 * second for one cgroup, however fast somebody freezes and thaws it. A change may be another one than
 * that, so who is told looks.
 */
#ifndef RDMAREG_CGROUP_WATCH_H
#define RDMAREG_CGROUP_WATCH_H

struct event_base;
struct cgroup_watch;

/* @number: as cgroup_watch_add() returned it; CGROUP_WATCH_ALL: some were lost, look at all. */
#define CGROUP_WATCH_ALL (-1)
typedef void cgroup_watch_changed_t(void *userdata, int number);

/* -EMFILE: root has too many of them, fs.inotify.max_user_instances; -ENOMEM. */
int cgroup_watch_new(struct cgroup_watch **ret, struct event_base *base,
		     cgroup_watch_changed_t *changed, void *userdata);
/*
 * The cgroup whose cgroup.events this is (process_find_cgroup_events()). Returns a number above 0,
 * the same one for the same cgroup. -ENOENT: it is gone; -ENOSPC: fs.inotify.max_user_watches.
 */
int cgroup_watch_add(struct cgroup_watch *w, const char *cgroup_events);
void cgroup_watch_remove(struct cgroup_watch *w, int number);
struct cgroup_watch *cgroup_watch_free(struct cgroup_watch *w); /* NULL is fine */
void cgroup_watch_freep(struct cgroup_watch **w);

#endif
