/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slice.h - the slices of sessions that were created: units of systemd, below the slice of the
 * session's user, that hold the memory of all keepers of a session to its MaxMemory.
 *
 * What always holds:
 *   - A slice that is wanted is there with its limit, or whoever wanted it is told why not. What is
 *     sent to systemd afterwards, such as the start of a keeper in it, comes after it.
 *   - One that is not wanted any more, and that nobody is in, is stopped; wanted again meanwhile it
 *     is made anew once it has stopped.
 *   - Nothing here waits: systemd is asked, and answers from the loop.
 */
#ifndef RDMAREG_PROXY_SLICE_H
#define RDMAREG_PROXY_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#define SLICE_NAME_BYTES 256 /* systemd's names have at most 255 characters */

struct slices;

/* @connection: of the machine's systemd; NULL: there is none, and slices_want() does nothing. */
int slices_new(struct slices **ret, sd_bus *connection);
/* Leaves the slices as they are. */
struct slices *slices_free(struct slices *s);

/*
 * The slice of a session. @pattern: of its user's slice, slice of the settings. Of a name that
 * would be too long the end is left out, which systemd then refuses.
 */
void slice_name(const char *pattern, uint32_t uid, const char *session,
		char out[static SLICE_NAME_BYTES]);
/* The tenant's slice: %u in the setting is the uid. */
void slice_of_user(const char *pattern, uint32_t uid, char out[static SLICE_NAME_BYTES]);
/* What is used in it, in bytes, as its cgroup says; 0: nothing, or not known. Does not wait. */
uint64_t slice_memory(const char *name);

/*
 * @error: 0: it is there, with its limit; -EIO: systemd refuses it, and @why says so; -ESHUTDOWN:
 * slices_free(), nobody knows
 */
typedef void slice_done_t(void *userdata, int error, const char *why);
/**
 * slices_want - have a slice, with this limit from now on
 * @memory: bytes; 0: no limit
 * @done: called once, maybe at once; NULL: nobody wants to know
 * -ENOMEM: nothing is called
 */
int slices_want(struct slices *s, const char *name, uint64_t memory, slice_done_t *done,
		void *userdata);
/* Nobody wants it any more; @name: NULL: any of them. It is stopped by the next slices_sweep() that finds nobody in it. */
void slices_unwant(struct slices *s, const char *name);
/* Stops those that nobody wants, and of which @is_used says that nobody is in them. */
void slices_sweep(struct slices *s, bool (*is_used)(void *userdata, const char *name),
		  void *userdata);
/*
 * Looks for those that an earlier daemon left behind, for the sweeps to come. @pattern: as above;
 * @found: called once when they are known
 */
int slices_look(struct slices *s, const char *pattern, void (*found)(void *userdata),
		void *userdata);

#endif
