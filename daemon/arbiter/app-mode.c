// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-mode.c - what a region is promised.
 *
 * What always holds: mode, reason, refuses and degraded are worked out here and nowhere else, from
 * what the region's keeper has and what the gate could do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct gate_link_claim app_claim_of(const struct app *a, const struct region *r,
				    const struct region_entry *e)
{
	uint64_t margin = a->settings.deadline_margin_msec * USEC_PER_MSEC;

	return (struct gate_link_claim){
		.key = e->claim,
		.offset = r->offset,
		.length = r->length,
		.wait_usec = (r->policy == POLICY_FOLLOW ? 0 : r->grace_usec) + margin,
		.refuses = app_refuses(r),
	};
}

void app_set_claim(struct app *a, struct region_entry *e, uint64_t claim)
{
	if (!e->claim && claim)
		LIST_INSERT_HEAD(&a->claimed, e, of_claimed);
	else if (e->claim && !claim)
		LIST_REMOVE(e, of_claimed);
	e->claim = claim;
}

/* One more of several, as far as there is room. */
static void add(char *text, size_t size, const char *what, const char *why)
{
	size_t n = strlen(text);

	snprintf(text + n, size - n, "%s%s%s", n ? "; " : "", what, why);
}

/* As the kernel names it now. */
static void file_name(const struct region_entry *e, char *out, size_t size)
{
	const char *now = e->text.path_now ? e->text.path_now : e->text.path;

	snprintf(out, size, "%s%s", now ? now : "",
		 e->text.path_state == PATH_DELETED ? " (deleted)" : "");
}

/* Works the published texts out anew, and tells the gate what it has to know of them. */
void app_work_out_mode(struct app *a, struct region *r, struct region_entry *e)
{
	const struct gate_link_claim claim = app_claim_of(a, r, e);
	const char *reason = e->keeper_reason ? e->keeper_reason : "";
	bool leased = e->keeper_mode == ARBITRATION_LAYOUT_LEASE;
	bool gap = e->gap && !leased; /* a layout lease sees what passes the gate */
	const char *trouble = proxy_trouble(e->keeper);
	char text[400] = "", taken[300], takers[700], path[300], degraded[2600] = "";

	if (e->claim)
		gate_link_change(a->gate, &claim);
	r->mode = e->gated ? ARBITRATION_PRE_CONTENT : e->keeper_mode;
	e->text.refuses = e->gated && app_refuses(r);
	snprintf(text, sizeof(text), "%s%s%s",
		 e->gated ? "pre-content events name the range before blocks are taken" : "",
		 e->gated ? (leased ? "; also, " : "; without them: ") : "", reason);
	if (*trouble)
		add(degraded, sizeof(degraded), "what is shown may be outdated: ", trouble);
	if (e->damage)
		add(degraded, sizeof(degraded), "", e->damage);
	if (e->stuck)
		add(degraded, sizeof(degraded), "", e->stuck);
	if (e->unreachable)
		add(degraded, sizeof(degraded), "", e->unreachable);
	if (e->unleased)
		add(degraded, sizeof(degraded),
		    "the filesystem does not ask before it takes blocks back: ", reason);
	if (e->blocks == REGION_BLOCKS_SHARED)
		add(degraded, sizeof(degraded), "",
		    "after a write(2) by another program to a block that the file shares with a copy (reflink), peers may go "
		    "on reading what was there before, and later what other files put there: nobody holds them off without "
		    "a layout lease (docs/dax.md, \"Blocks that a write replaces\")");
	else if (e->blocks == REGION_BLOCKS_UNWRITTEN)
		add(degraded, sizeof(degraded), "",
		    "after a write(2) by another program to blocks that were allocated and never written, peers may read "
		    "zeros beside it for a moment: write the file before it is registered (docs/dax.md, \"Blocks that a "
		    "write replaces\")");
	if (gap)
		add(degraded, sizeof(degraded), "", e->gap);
	else if (e->no_gate)
		add(degraded, sizeof(degraded),
		    r->policy != POLICY_HOLD ? "pre-content events were asked for: "
		    : leased
			    ? "policy hold cannot refuse here, it delays by the longest grace instead: "
			    : "policy hold has no effect here, it can neither refuse nor delay: ",
		    e->no_gate);
	file_name(e, path, sizeof(path));
	takers_describe(&a->takers, path, e->gated && !leased, takers, sizeof(takers));
	if (*takers)
		add(degraded, sizeof(degraded), "", takers);
	if (e->text.bypasses && r->mode >= ARBITRATION_LAYOUT_LEASE) {
		snprintf(taken, sizeof(taken),
			 "blocks were freed without asking holders (%" PRIu64
			 " so far); the last: %s",
			 e->text.bypasses, e->text.last_bypass ? e->text.last_bypass : "");
		add(degraded, sizeof(degraded), "", taken);
	}
	region_text_set(&e->text.mode_reason, text, sizeof(text));
	if (*degraded)
		region_text_set(&e->text.degraded, degraded, sizeof(degraded));
	else {
		free(e->text.degraded);
		e->text.degraded = NULL;
	}
	if (e->measure.counted) /* else it may not come to anything */
		app_measure(a, r, e);
	app_history_note_degraded(a, r, e);
}

/* Empty: nothing of the kind. */
static void take_text(char **to, const char text[KEEPER_TEXT_MAX])
{
	if (*text) {
		region_text_set(to, text, KEEPER_TEXT_MAX);
		return;
	}
	free(*to);
	*to = NULL;
}

void app_take_mode(struct app *a, struct region *r, struct region_entry *e,
		   const struct keeper_region *info)
{
	e->keeper_mode = info->mode;
	e->unleased = info->unleased;
	e->blocks = info->blocks;
	region_text_set(&e->keeper_reason, info->mode_reason, sizeof(info->mode_reason));
	if (*info->damage)
		region_text_set(&e->damage, info->damage, sizeof(info->damage));
	take_text(&e->stuck, info->stuck);
	take_text(&e->unreachable, info->unreachable);
	app_work_out_mode(a, r, e);
	app_expect_takers(a);
}

void app_mode_changed(struct app *a, struct region *r, struct region_entry *e)
{
	struct region_view v;

	app_work_out_mode(a, r, e);
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_ARBITRATION);
}

void app_look_at_mode(struct app *a, struct region *r, struct region_entry *e)
{
	const char *before = e->text.degraded ? e->text.degraded : "";
	_cleanup_(freep) char *copy = strdup(before);
	struct region_view v;

	app_work_out_mode(a, r, e);
	if (copy && !strcmp(copy, e->text.degraded ? e->text.degraded : ""))
		return;
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_ARBITRATION);
}

/* Descriptors opened before the mark, through which a punch is not seen. */
void app_note_gap(struct region_entry *e, pid_t pid)
{
	char gap[400];

	if (!pid)
		return;
	if (pid < 0)
		snprintf(
			gap, sizeof(gap),
			"more descriptors are open on this machine than are looked through, so a process that has the file open for "
			"writing since before it was watched may not have been found: what it punches through that descriptor passes "
			"unseen");
	else
		snprintf(
			gap, sizeof(gap),
			"process %d has the file open for writing since before it was watched: what it punches through that "
			"descriptor passes unseen, unless it opens the file anew",
			(int)pid);
	region_text_set(&e->gap, gap, sizeof(gap));
}

void app_forget_gate(struct region_entry *e)
{
	free(e->no_gate);
	free(e->gap);
	e->no_gate = e->gap = NULL;
	e->regate = false;
}

void app_ungate(struct app *a, struct region *r, struct region_entry *e)
{
	if (e->claim)
		gate_link_unmark(a->gate, e->claim);
	app_set_claim(a, e, 0);
	e->gated = false;
	app_forget_gate(e);
	app_work_out_mode(a, r, e);
}

bool app_wants_gate(const struct region_entry *e)
{
	return e->claim || e->no_gate;
}

bool app_promises_gate(const struct region_entry *e)
{
	return app_wants_gate(e) && !e->gate_tried;
}
