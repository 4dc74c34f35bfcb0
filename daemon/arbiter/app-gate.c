// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-gate.c - which files are marked for pre-content events, and for which regions.
 *
 * What always holds:
 *   - A region has a claim at the gate from the moment that is asked for, and is gated from the
 *     gate's answer until the claim is taken away or the gate's process ends; the claim ends with
 *     the region.
 *   - The gate knows each keeper before that keeper is asked for anything, whosever it is and
 *     whatever it has marked: any of them may have to open a file that another's region holds.
 *   - After a restart the descriptor comes from the keeper, and is judged like one that a caller
 *     passed: it may have a file marked that it was opened to write, or whose owner the tenant is.
 *     Of a keeper that cannot be asked the file is looked for where it was, and counts as opened to
 *     write if the region may be written.
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
#include "util/log.h"
#include "util/text.h"

/* Somebody waits for a claim: the region is registered, or its policy is changed. */
struct gating {
	LIST_ENTRY(gating) gatings;
	uint64_t region;
	uint64_t claim;
	app_gated_t *done;
	void (*drop)(void *context);
	void *context;
};

static struct region_entry *find_entry(struct app *a, uint64_t claim)
{
	struct gating *g;

	LIST_FOREACH(g, &a->gatings, gatings)
		if (g->claim == claim)
			return region_table_find(a->table, g->region);
	return NULL;
}

/* Everybody who waits for it goes on; who is asked meanwhile may ask anew. */
static void finish(struct app *a, uint64_t claim)
{
	struct gating *g;

	do {
		LIST_FOREACH(g, &a->gatings, gatings)
			if (g->claim == claim)
				break;
		if (!g)
			return;
		LIST_REMOVE(g, gatings);
		g->done(a, g->region, g->context);
		free(g);
	} while (true);
}

static void on_marked(void *userdata, uint64_t claim, const struct failure *why, pid_t gap)
{
	struct app *a = userdata;
	struct region_entry *e = find_entry(a, claim);

	/* the claim may have been taken away meanwhile */
	if (e && e->claim == claim) {
		e->gated = !why;
		if (why) {
			app_set_claim(a, e, 0);
			region_text_set(&e->no_gate, why->text, strlen(why->text));
		} else {
			app_note_gap(e, gap);
			app_look_for_takers(a);
		}
		app_work_out_mode(a, registry_find(a->registry, e->id), e);
	}
	finish(a, claim);
}

static void on_ended(void *userdata, bool by_watchdog)
{
	struct app *a = userdata;

	metrics_count(a->metrics, METRIC_GATE_ENDS,
		      by_watchdog ? GATE_END_WATCHDOG : GATE_END_OTHER);
}

/* It ended or was killed, which is rare: all regions are walked for it, and when another one is there. */
static void on_lost(void *userdata, const struct failure *why)
{
	struct app *a = userdata;

	a->gate_begun = false;
	text_clean(a->gate_trouble, sizeof(a->gate_trouble), why->text, sizeof(why->text));
	app_passages_lost(a);
	for (struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id)) {
		struct region_entry *e = region_table_find(a->table, r->id);

		if (!e->claim)
			continue;
		app_forget_gate(e);
		app_set_claim(a, e, 0);
		e->gated = false;
		e->regate = true;
		region_text_set(&e->no_gate, why->text, strlen(why->text));
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

	a->gate_begun = true;
	*a->gate_trouble = 0;
	pool_each_process(a->keepers, tell_ours, a);
}

void app_keeper_known(void *userdata, pid_t pid, uint64_t start)
{
	tell_ours(userdata, pid, start);
}

/*
 * Whether the file can be marked: what is of another kind is not even named to the gate, since
 * looking at it may ask a server. NULL, or why not.
 */
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

/* 0: it is on its way. */
static int start(struct app *a, struct region *r, struct region_entry *e, int fd,
		 uint32_t filesystem, struct failure *why)
{
	pid_t owner = e->owner ? (pid_t)e->owner->pid : 0;
	const char *unfit = judge_filesystem(filesystem);
	struct gate_link_claim claim;
	int copy, error;

	if (!a->settings.pre_content)
		return fail(why, -EOPNOTSUPP, "pre_content is off in rdmaregd.conf");
	if (unfit)
		return fail(why, -EOPNOTSUPP, "%s", unfit);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return fail(why, -errno, "rdmaregd has no descriptor left; raise LimitNOFILE=");
	app_set_claim(a, e, ++a->claims);
	claim = app_claim_of(a, r, e);
	error = gate_link_mark(a->gate, &claim, copy, proxy_uid(e->keeper), e->text.device,
			       e->text.inode, owner, why);
	if (error)
		app_set_claim(a, e, 0);
	return error;
}

bool app_gate(struct app *a, struct region *r, struct region_entry *e, int fd, uint32_t filesystem,
	      app_gated_t *done, void (*drop)(void *context), void *context)
{
	struct gating *g = NULL;
	struct failure why;
	int error = 0;

	if (!e->gated) {
		g = calloc(1, sizeof(*g));
		if (!g)
			error = fail(&why, -ENOMEM, "out of memory");
		else if (!e->claim) {
			app_forget_gate(e);
			error = start(a, r, e, fd, filesystem, &why);
		}
	}
	if (e->gated || error) {
		free(g);
		if (error)
			region_text_set(&e->no_gate, why.text, strlen(why.text));
		app_work_out_mode(a, r, e);
		return false;
	}
	*g = (struct gating){
		.region = r->id, .claim = e->claim, .done = done, .drop = drop, .context = context
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

int app_ask_for_file(struct region_entry *e, void *context)
{
	const struct keeper_message m = { .type = KEEPER_FILE, .region = e->id };

	return proxy_request(e->keeper, &m, -1, 0, context);
}

/* NULL, or why that region's file may not be marked by this descriptor. */
static const char *judge(const struct region *r, const struct region_entry *e,
			 const struct file_facts *file)
{
	const char *why = file_complaint(file, e);
	uid_t tenant = proxy_uid(e->keeper);
	bool owns;

	if (why)
		return why;
	owns = !tenant || file->uid == tenant;
	if (e->regate) /* this daemon marked it before, and knows that it may */
		return NULL;
	if (!owns && r->policy == POLICY_HOLD)
		return "an authorization to hold a file of somebody else does not outlive the daemon that got it";
	if (!owns && (proxy_is_foreign(e->keeper) ? r->access != ACCESS_READ_WRITE
						  : (file->flags & O_ACCMODE) != O_RDWR))
		return "its descriptor is not open for writing, and the tenant does not own the file";
	return NULL;
}

static bool file_given(struct app *a, struct region *r, struct region_entry *e,
		       const struct file_facts *file, int fd, app_gated_t *done,
		       void (*drop)(void *context), void *context)
{
	const char *why = judge(r, e, file);

	if (!why)
		return app_gate(a, r, e, fd, file->filesystem, done, drop, context);
	region_text_set(&e->no_gate, why, strlen(why));
	return false;
}

/* The file of a region, on its way through a thread. */
struct given_file {
	uint64_t region;
	app_gated_t *done;
	void (*drop)(void *context);
	void *context;
};

static void on_looked(struct app *a, void *context, const struct file_facts *facts, int *fd)
{
	_cleanup_(freep) struct given_file *g = context;
	struct region *r = registry_find(a->registry, g->region);
	struct region_entry *e = region_table_find(a->table, g->region);
	/* it is for a change, or still wanted by now */
	bool wanted = r && (g->context || app_wants_gate(e));

	if (!wanted || !file_given(a, r, e, facts, *fd, g->done, g->drop, g->context))
		g->done(a, g->region, g->context);
}

static struct given_file *given_file_new(const struct region_entry *e, app_gated_t *done,
					 void (*drop)(void *context), void *context)
{
	struct given_file *g = calloc(1, sizeof(*g));

	if (g)
		*g = (struct given_file){
			.region = e->id, .done = done, .drop = drop, .context = context
		};
	return g;
}

int app_gate_with(struct app *a, struct region_entry *e, int fd, app_gated_t *done,
		  void (*drop)(void *context), void *context)
{
	struct given_file *g = given_file_new(e, done, drop, context);

	if (!g) {
		offload_close(a->offload, fd, proxy_uid(e->keeper));
		return -ENOMEM;
	}
	app_look(a, fd, proxy_uid(e->keeper), on_looked, g);
	return 0;
}

/* A region taken over, or marked anew. */
static void on_regated(struct app *a, uint64_t region, void *context)
{
	struct region *r = registry_find(a->registry, region);

	(void)context;
	if (r)
		app_mode_changed(a, r, region_table_find(a->table, region));
}

static void drop_nothing(void *context)
{
	(void)context;
}

void app_regate_answered(struct app *a, const struct answer *n)
{
	struct region_entry *e = region_table_find(a->table, n->region);

	if (!e || n->error || !app_wants_gate(e))
		return;
	if (app_gate_with(a, e, steal_fd(n->fd), on_regated, drop_nothing, NULL) < 0)
		log_error("region %" PRIu64 ": no memory to look at its file", e->id);
}

/* The file of a region whose keeper cannot be asked for it. */
static void look_for_file(struct app *a, struct region_entry *e)
{
	struct given_file *g = given_file_new(e, on_regated, drop_nothing, NULL);

	if (!g) {
		log_error("region %" PRIu64 ": no memory to look for its file", e->id);
		return;
	}
	app_look_at(a, e->text.path ? e->text.path : "", proxy_uid(e->keeper), on_looked, g);
}

void app_regate(struct app *a, struct region_entry *e)
{
	if (proxy_is_foreign(e->keeper))
		look_for_file(a, e);
	else if (app_ask_for_file(e, NULL) < 0)
		log_error("region %" PRIu64 ": its keeper cannot be asked for the file", e->id);
}

static void on_again(void *userdata)
{
	struct app *a = userdata;

	for (struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id)) {
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
	.ended = on_ended,
	.lost = on_lost,
	.again = on_again,
};
