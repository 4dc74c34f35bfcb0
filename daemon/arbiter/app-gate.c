// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-gate.c - which files are guarded by pre-content events, for which regions, and what is promised because of it.
 *
 * What always holds:
 *   - A region has a guard at the gate from the moment that is asked for, and is gated from the gate's answer until the guard is taken away or
 *     the gate's process ends; the guard ends with the region.
 *   - What a region is promised (mode, reason, refuses, degraded) is worked out here and nowhere else, from what its keeper has and what
 *     the gate could do.
 *   - The gate knows each keeper before that keeper is asked for anything, whosever it is and whatever it guards: any of them may have
 *     to open a file that another's region holds.
 *   - After a restart the descriptor comes from the keeper, and is judged like one that a caller passed: it may guard a file that it
 *     was opened to write, or whose owner the tenant is. Of a keeper that cannot be asked the file is looked for where it
 *     was, and counts as opened to write if the region may be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Somebody waits for a guard: the region is registered, or its policy is changed. */
struct gating {
	LIST_ENTRY(gating) gatings;
	uint64_t region;
	uint64_t guard;
	app_gated_t *done;
	void (*drop)(void *context);
	void *context;
};

static struct gate_link_guard guard_of(const struct app *a, const struct region *r,
				       const struct region_entry *e)
{
	uint64_t margin = a->settings.deadline_margin_msec * USEC_PER_MSEC;

	return (struct gate_link_guard){
		.key = e->guard,
		.offset = r->offset,
		.length = r->length,
		.wait_usec = (r->policy == POLICY_FOLLOW ? 0 : r->grace_usec) + margin,
		.refuses = r->policy == POLICY_HOLD,
	};
}

static void set_guard(struct app *a, struct region_entry *e, uint64_t guard)
{
	if (!e->guard && guard)
		LIST_INSERT_HEAD(&a->guarded, e, of_guarded);
	else if (e->guard && !guard)
		LIST_REMOVE(e, of_guarded);
	e->guard = guard;
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

	snprintf(out, size, "%s%s", now ? now : "", e->text.path_state == PATH_DELETED ? " (deleted)" : "");
}

/* Works the published texts out anew, and tells the gate what it has to know of them. */
static void describe(struct app *a, struct region *r, struct region_entry *e)
{
	const struct gate_link_guard guard = guard_of(a, r, e);
	const char *reason = e->keeper_reason ? e->keeper_reason : "";
	bool leased = e->keeper_mode == ARBITRATION_LAYOUT_LEASE;
	bool gap = e->gap && !leased; /* a layout lease sees what passes the gate */
	const char *trouble = keeper_trouble(e->keeper);
	char text[400] = "", taken[300], takers[700], path[300], degraded[2600] = "";

	if (e->guard)
		gate_link_change(a->gate, &guard);
	r->mode = e->gated ? ARBITRATION_PRE_CONTENT : e->keeper_mode;
	e->text.refuses = e->gated && r->policy == POLICY_HOLD;
	snprintf(text, sizeof(text), "%s%s%s",
		 e->gated ? "pre-content events name the range before blocks are taken" : "",
		 e->gated ? (leased ? "; also, " : "; without them: ") : "", reason);
	if (*trouble)
		add(degraded, sizeof(degraded), "what is shown may be outdated: ", trouble);
	if (e->damage)
		add(degraded, sizeof(degraded), "", e->damage);
	if (e->stuck)
		add(degraded, sizeof(degraded), "", e->stuck);
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
		    : leased ? "policy hold cannot refuse here, it delays by the longest grace instead: "
			     : "policy hold has no effect here, it can neither refuse nor delay: ",
		    e->no_gate);
	if (e->gated && !leased) {
		file_name(e, path, sizeof(path));
		takers_describe(&a->takers, path, takers, sizeof(takers));
		if (*takers)
			add(degraded, sizeof(degraded), "", takers);
	}
	if (e->text.bypasses && r->mode >= ARBITRATION_LAYOUT_LEASE) {
		snprintf(taken, sizeof(taken),
			 "blocks went and nobody was asked, %" PRIu64 " so far; the last: %s",
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
}

static void take_stuck(struct region_entry *e, const struct keeper_region *info)
{
	if (*info->stuck) {
		region_text_set(&e->stuck, info->stuck, sizeof(info->stuck));
		return;
	}
	free(e->stuck);
	e->stuck = NULL;
}

void app_take_mode(struct app *a, struct region *r, struct region_entry *e, const struct keeper_region *info)
{
	e->keeper_mode = info->mode;
	e->unleased = info->unleased;
	e->blocks = info->blocks;
	region_text_set(&e->keeper_reason, info->mode_reason, sizeof(info->mode_reason));
	if (*info->damage)
		region_text_set(&e->damage, info->damage, sizeof(info->damage));
	take_stuck(e, info);
	describe(a, r, e);
}

void app_mode_changed(struct app *a, struct region *r, struct region_entry *e)
{
	struct region_view v;

	describe(a, r, e);
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_ARBITRATION);
}

void app_look_at_mode(struct app *a, struct region *r, struct region_entry *e)
{
	const char *before = e->text.degraded ? e->text.degraded : "";
	_cleanup_(freep) char *copy = strdup(before);
	struct region_view v;

	describe(a, r, e);
	if (copy && !strcmp(copy, e->text.degraded ? e->text.degraded : ""))
		return;
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_ARBITRATION);
}

/* Descriptors opened before the mark, through which a punch is not seen. */
static void note_gap(struct region_entry *e, pid_t pid)
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

static void forget(struct region_entry *e)
{
	free(e->no_gate);
	free(e->gap);
	e->no_gate = e->gap = NULL;
	e->regate = false;
}

static struct region_entry *find_entry(struct app *a, uint64_t guard)
{
	struct gating *g;

	LIST_FOREACH(g, &a->gatings, gatings)
	if (g->guard == guard)
		return region_table_find(a->table, g->region);
	return NULL;
}

/* Everybody who waits for it goes on; who is asked meanwhile may ask anew. */
static void finish(struct app *a, uint64_t guard)
{
	struct gating *g;

	do {
		LIST_FOREACH(g, &a->gatings, gatings)
		if (g->guard == guard)
			break;
		if (!g)
			return;
		LIST_REMOVE(g, gatings);
		g->done(a, g->region, g->context);
		free(g);
	} while (true);
}

static void on_marked(void *userdata, uint64_t guard, int error, const char *why, pid_t gap)
{
	struct app *a = userdata;
	struct region_entry *e = find_entry(a, guard);

	/* the guard may have been taken away meanwhile */
	if (e && e->guard == guard) {
		e->gated = !error;
		if (error) {
			set_guard(a, e, 0);
			region_text_set(&e->no_gate, why, strlen(why));
		} else {
			note_gap(e, gap);
			app_look_for_takers(a);
		}
		describe(a, registry_find(a->registry, e->id), e);
	}
	finish(a, guard);
}

static void on_lost(void *userdata, const char *why)
{
	struct app *a = userdata;

	app_passages_lost(a);
	for (struct region *r = registry_after(a->registry, 0); r; r = registry_after(a->registry, r->id)) {
		struct region_entry *e = region_table_find(a->table, r->id);

		if (!e->guard)
			continue;
		forget(e);
		set_guard(a, e, 0);
		e->gated = false;
		e->regate = true;
		region_text_set(&e->no_gate, why, strlen(why));
		app_mode_changed(a, r, e);
	}
}

static void tell_ours(void *userdata, pid_t pid, uint64_t start)
{
	struct app *a = userdata;

	gate_link_ours(a->gate, pid, start);
}

static void on_begins(void *userdata)
{
	struct app *a = userdata;

	keepers_each_process(a->keepers, tell_ours, a);
}

void app_keeper_known(void *userdata, pid_t pid, uint64_t start)
{
	tell_ours(userdata, pid, start);
}

static void on_again(void *userdata)
{
	struct app *a = userdata;

	for (struct region *r = registry_after(a->registry, 0); r; r = registry_after(a->registry, r->id)) {
		struct region_entry *e = region_table_find(a->table, r->id);

		if (e->regate)
			app_regate(a, e);
	}
}

const struct gate_link_ops app_gate_ops = {
	.begins = on_begins,
	.marked = on_marked,
	.wanted = app_passage_wanted,
	.expired = app_passage_expired,
	.over = app_passage_over,
	.refused = app_passage_refused,
	.lost = on_lost,
	.again = on_again,
};

/* Whether the file can be guarded: what is of another kind is not even named to the gate, since looking at it may ask a server. NULL, or why not. */
static const char *judge_filesystem(uint32_t filesystem)
{
	switch (filesystem) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
		return NULL;
	default:
		return "its filesystem has no pre-content events; ext4, XFS and btrfs have";
	}
}

/* NULL: it is on its way. */
static const char *start(struct app *a, struct region *r, struct region_entry *e, int fd, uint32_t filesystem,
			 char *why, size_t size)
{
	pid_t owner = e->holder ? (pid_t)e->holder->pid : 0;
	const char *unfit = judge_filesystem(filesystem);
	struct gate_link_guard guard;
	int copy;

	if (!a->settings.pre_content)
		return "pre_content is off in rdmaregd.conf";
	if (unfit)
		return unfit;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return "this process has no descriptor left; raise LimitNOFILE=";
	set_guard(a, e, ++a->guards);
	guard = guard_of(a, r, e);
	if (gate_link_mark(a->gate, &guard, copy, keeper_uid(e->keeper), e->text.device, e->text.inode, owner,
			   why, size) == 0)
		return NULL;
	set_guard(a, e, 0);
	return why;
}

bool app_gate(struct app *a, struct region *r, struct region_entry *e, int fd, uint32_t filesystem,
	      app_gated_t *done, void (*drop)(void *context), void *context)
{
	struct gating *g = NULL;
	const char *why = NULL;
	char text[300];

	if (!e->gated) {
		g = calloc(1, sizeof(*g));
		if (!g)
			why = "out of memory";
		else if (!e->guard) {
			forget(e);
			why = start(a, r, e, fd, filesystem, text, sizeof(text));
		}
	}
	if (e->gated || why) {
		free(g);
		if (why)
			region_text_set(&e->no_gate, why, strlen(why));
		describe(a, r, e);
		return false;
	}
	*g = (struct gating){
		.region = r->id, .guard = e->guard, .done = done, .drop = drop, .context = context
	};
	LIST_INSERT_HEAD(&a->gatings, g, gatings);
	return true;
}

void app_free_gatings(struct app *a)
{
	struct gating *g;

	while ((g = LIST_FIRST(&a->gatings))) {
		LIST_REMOVE(g, gatings);
		g->drop(g->context);
		free(g);
	}
}

void app_ungate(struct app *a, struct region *r, struct region_entry *e)
{
	if (e->guard)
		gate_link_unmark(a->gate, e->guard);
	set_guard(a, e, 0);
	e->gated = false;
	forget(e);
	describe(a, r, e);
}

bool app_wants_gate(const struct region_entry *e)
{
	return e->guard || e->no_gate;
}

int app_ask_for_file(struct region_entry *e, void *context)
{
	const struct keeper_message m = { .type = KEEPER_FILE, .region = e->id };

	return keeper_request(e->keeper, &m, -1, 0, context);
}

void app_regate(struct app *a, struct region_entry *e)
{
	if (keeper_is_foreign(e->keeper))
		app_find_file(a, e);
	else if (app_ask_for_file(e, NULL) < 0)
		log_error("region %" PRIu64 ": its keeper cannot be asked for the file", e->id);
}

/* Its number alone does not tell: once a file is gone another one gets it. */
static bool is_its_file(const struct region_entry *e, const struct file_facts *file)
{
	const struct region_text *t = &e->text;

	return file->device == t->device && file->inode == t->inode &&
	       (!file->born_nsec || !t->born_nsec || file->born_nsec == t->born_nsec);
}

/* NULL, or why this descriptor may not guard that region's file. */
static const char *judge(const struct region *r, const struct region_entry *e, const struct file_facts *file)
{
	uid_t tenant = keeper_uid(e->keeper);
	bool owns;

	if (file->error == -ETIMEDOUT || file->error == -EBUSY)
		return "its filesystem does not answer";
	if (file->error)
		return keeper_is_foreign(e->keeper)
			       ? "its keeper cannot be asked for the file, which is not where it was"
			       : "its keeper did not give the file";
	if (!is_its_file(e, file))
		return keeper_is_foreign(e->keeper)
			       ? "its keeper cannot be asked for the file, and another one is where it was"
			       : "its keeper gave another file";
	owns = !tenant || file->uid == tenant;
	if (e->regate) /* this daemon guarded it before, and knows that it may */
		return NULL;
	if (!owns && r->policy == POLICY_HOLD)
		return "an authorization to hold a file of somebody else does not outlive the daemon that got it";
	if (!owns && (keeper_is_foreign(e->keeper) ? r->access != ACCESS_READ_WRITE
						   : (file->flags & O_ACCMODE) != O_RDWR))
		return "its descriptor is not open for writing, and the tenant does not own the file";
	return NULL;
}

bool app_file_given(struct app *a, struct region *r, struct region_entry *e, const struct file_facts *file,
		    int fd, app_gated_t *done, void (*drop)(void *context), void *context)
{
	const char *why = judge(r, e, file);

	if (!why)
		return app_gate(a, r, e, fd, file->filesystem, done, drop, context);
	region_text_set(&e->no_gate, why, strlen(why));
	return false;
}
