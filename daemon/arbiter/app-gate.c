// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-gate.c - which files are guarded by pre-content events, for which regions, and what is promised because of it.
 *
 * What always holds:
 *   - A region is gated exactly while the gate counts a mark for it; it ends with the region.
 *   - What a region is promised (mode, reason, refuses, degraded) is worked out here and nowhere else, from what its keeper has and what
 *     the gate could do.
 *   - After a restart the descriptor comes from the keeper, and is judged like one that a caller passed: it may guard a file that it
 *     was opened to write, or whose owner the tenant is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arbiter/app-internal.h"
#include "util/log.h"

/* Works the published texts out anew. */
static void describe(struct region *r, struct region_entry *e)
{
	const char *reason = e->keeper_reason ? e->keeper_reason : "";
	bool leased = e->keeper_mode == ARBITRATION_LAYOUT_LEASE;
	char text[400] = "", degraded[600] = "";

	r->mode = e->gated ? ARBITRATION_PRE_CONTENT : e->keeper_mode;
	e->text.refuses = e->gated && r->policy == POLICY_HOLD;
	snprintf(text, sizeof(text), "%s%s%s",
		 e->gated ? "pre-content events name the range before blocks are taken" : "",
		 e->gated ? (leased ? "; also, " : "; without them: ") : "", reason);
	if (e->gap)
		snprintf(degraded, sizeof(degraded), "%s", e->gap);
	else if (e->no_gate)
		snprintf(degraded, sizeof(degraded), "%s%s",
			 r->policy == POLICY_HOLD
				 ? "policy hold cannot refuse here, it delays by the longest grace instead: "
				 : "pre-content events were asked for: ",
			 e->no_gate);
	region_text_set(&e->text.mode_reason, text, sizeof(text));
	if (*degraded)
		region_text_set(&e->text.degraded, degraded, sizeof(degraded));
	else {
		free(e->text.degraded);
		e->text.degraded = NULL;
	}
}

void app_take_mode(struct region *r, struct region_entry *e, uint8_t mode, const char *reason, size_t size)
{
	e->keeper_mode = mode;
	region_text_set(&e->keeper_reason, reason, size);
	describe(r, e);
}

void app_mode_changed(struct app *a, struct region *r, struct region_entry *e)
{
	struct region_view v;

	describe(r, e);
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_ARBITRATION);
}

/* Descriptors opened before the mark, through which a punch is not seen. A layout lease sees it all the same. */
static void find_gap(struct app *a, struct region_entry *e, int fd)
{
	pid_t owner = e->holder ? (pid_t)e->holder->pid : 0, pid;
	char gap[400];

	if (e->keeper_mode == ARBITRATION_LAYOUT_LEASE)
		return;
	pid = gate_find_gap(a->gate, fd, owner);
	if (!pid)
		return;
	snprintf(
		gap, sizeof(gap),
		"process %d has the file open for writing since before it was watched: what it punches through that "
		"descriptor passes unseen, unless it opens the file anew",
		(int)pid);
	region_text_set(&e->gap, gap, sizeof(gap));
}

static void forget(struct region_entry *e)
{
	free(e->no_gate);
	free(e->gap);
	e->no_gate = e->gap = NULL;
}

void app_gate(struct app *a, struct region *r, struct region_entry *e, int fd)
{
	char why[300] = "";

	if (e->gated)
		return;
	forget(e);
	if (!a->gate)
		region_text_set(&e->no_gate, a->no_gate, sizeof(a->no_gate));
	else if (gate_mark(a->gate, fd, why, sizeof(why)) < 0)
		region_text_set(&e->no_gate, why, sizeof(why));
	else {
		e->gated = true;
		find_gap(a, e, fd);
	}
	describe(r, e);
}

void app_ungate(struct app *a, struct region *r, struct region_entry *e)
{
	if (e->gated && a->gate)
		gate_unmark(a->gate, e->text.device, e->text.inode);
	e->gated = false;
	forget(e);
	describe(r, e);
}

bool app_wants_gate(const struct region_entry *e)
{
	return e->gated || e->no_gate;
}

int app_ask_for_file(struct region_entry *e, void *context)
{
	const struct keeper_message m = { .type = KEEPER_FILE, .region = e->id };

	return keeper_request(e->keeper, &m, -1, 0, context);
}

/* NULL, or why this descriptor may not guard that region's file. */
static const char *judge(const struct region *r, const struct region_entry *e, int fd)
{
	uid_t tenant = keeper_uid(e->keeper);
	struct stat st;
	bool owns;
	int flags;

	if (fd < 0 || fstat(fd, &st) < 0 || (flags = fcntl(fd, F_GETFL)) < 0)
		return "its keeper did not give the file";
	if (st.st_dev != e->text.device || st.st_ino != e->text.inode)
		return "its keeper gave another file";
	owns = !tenant || st.st_uid == tenant;
	if (!owns && r->policy == POLICY_HOLD)
		return "an authorization to hold a file of somebody else does not outlive the daemon that got it";
	if (!owns && (flags & O_ACCMODE) != O_RDWR)
		return "its descriptor is not open for writing, and the tenant does not own the file";
	return NULL;
}

void app_file_given(struct app *a, struct region *r, struct region_entry *e, int fd)
{
	const char *why = judge(r, e, fd);

	if (why)
		region_text_set(&e->no_gate, why, strlen(why));
	else
		app_gate(a, r, e, fd);
	app_mode_changed(a, r, e);
}
