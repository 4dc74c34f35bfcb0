// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-configure.c - policy, grace and arbitration of a region: chosen when it is registered, and
 * changed while it lives.
 *
 * A change takes up to two questions to the keeper: for the file, if it is to be marked from now
 * on, and then for the change itself. What the keeper refuses has changed nothing; its answer
 * changes everything at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct change {
	struct call *call;
	uint64_t region;
	struct terms terms;
	bool gate_asked;
	bool was_wanted; /* gated, or meant to be, before */
};

/* Who neither owns the file nor writes to it holds up whoever does: not for long. */
static uint64_t longest_grace(const struct app *a, bool reads_only)
{
	const struct settings *s = &a->settings;

	return (reads_only && s->reader_grace_msec < s->max_grace_msec ? s->reader_grace_msec
								       : s->max_grace_msec) *
	       USEC_PER_MSEC;
}

int app_choose_grace(const struct app *a, enum region_policy policy, bool owns_file,
		     bool reads_only, bool has_grace, uint64_t grace_usec, uint64_t *ret,
		     struct failure *f)
{
	uint64_t longest = longest_grace(a, reads_only),
		 usual = a->settings.grace_msec * USEC_PER_MSEC;
	char asked[DURATION_BYTES], allowed[DURATION_BYTES];

	switch (policy) {
	case POLICY_FOLLOW:
		*ret = 0;
		return 0;
	case POLICY_HOLD:
		if (!owns_file)
			return failure_set(
				f, RDMAREG_ERROR_ACCESS_DENIED,
				"policy 'hold' makes others fail to change the file, so only the file's owner, or "
				"who is authorized to org.rdmareg.Registry1.hold, may ask for it: ask for 'yield'");
		*ret = longest;
		return 0;
	default:
		break;
	}
	*ret = has_grace ? grace_usec : usual < longest ? usual : longest;
	if (*ret <= longest)
		return 0;
	if (longest < a->settings.max_grace_msec * USEC_PER_MSEC)
		return failure_set(
			f, RDMAREG_ERROR_INVALID_OPTION,
			"a grace of %s is longer than the %s that are allowed to who reads a file of somebody else: ask "
			"for less, or for access 'rw', or have the administrator raise reader_grace_msec in "
			"rdmaregd.conf",
			duration_text(asked, *ret), duration_text(allowed, longest));
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"a grace of %s is longer than the %s that are allowed: ask for less, or have the "
		"administrator raise max_grace_msec in rdmaregd.conf",
		duration_text(asked, *ret), duration_text(allowed, longest));
}

int app_check_gate(enum region_access access, bool owns_file, struct failure *f)
{
	if (access == ACCESS_READ_WRITE || owns_file)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_ACCESS_DENIED,
		"pre-content events make every read and write of the file slower for everybody, so they require access "
		"'rw' or ownership of the file: ask for arbitration 'auto'");
}

int app_configure(void *userdata, uint64_t id, const struct configure_request *q, struct call *call,
		  struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	enum region_policy before = (enum region_policy)r->policy;
	enum region_policy policy = q->has_policy ? q->policy : before;
	/* what only the policy wanted before, it wants no longer */
	bool gate_asked = q->has_pre_content ? q->pre_content : e->gate_asked;
	bool gated = policy == POLICY_HOLD || gate_asked;
	struct change *c;
	int error;

	if (app_check_live(r, ret))
		return BUS_E_REFUSED;
	if (e->unsettled && e->terms_asked)
		return failure_set(
			ret, RDMAREG_ERROR_BUSY,
			"region %" PRIu64
			" cannot be changed now: its keeper %s has not answered an earlier change yet; try again",
			id, proxy_name(e->keeper));
	c = calloc(1, sizeof(*c));
	if (!c)
		return failure_from_errno(ret, "configuring the region", -ENOMEM, "");
	*c = (struct change){
		.call = call,
		.region = id,
		.terms.policy = policy,
		.terms.warm_mode =
			q->has_warm_mode ? q->warm_mode : (enum warm_mode)e->text.warm_mode,
		.terms.gated = gated,
		.gate_asked = gate_asked,
		.was_wanted = app_wants_gate(e),
	};
	/* a policy that stays keeps its grace, and needs no authorization again */
	if (app_choose_grace(
		    a, policy, q->owns_file || policy == before,
		    r->access == ACCESS_READ && !q->owns_file, q->has_grace || policy == before,
		    q->has_grace ? q->grace_usec : r->grace_usec, &c->terms.grace_usec, ret) ||
	    (gated && !app_wants_gate(e) &&
	     app_check_gate((enum region_access)r->access, q->owns_file, ret))) {
		free(c);
		return BUS_E_REFUSED;
	}
	error = gated && !e->gated ? app_ask_for_file(e, c) : app_ask_terms(r, e, &c->terms, c);
	if (error == 0)
		return 0;
	free(c);
	return failure_from_errno(ret, "configuring the region", error, proxy_trouble(e->keeper));
}

static void finish(struct app *a, struct change *c, int error, const char *text)
{
	struct region *r = registry_find(a->registry, c->region);
	struct region_entry *e = region_table_find(a->table, c->region);
	struct failure f;

	if (error || !r) {
		if (r && !c->was_wanted)
			app_ungate(a, r, e);
		failure_from_errno(&f, "configuring the region", error ? error : -ENOENT, text);
		call_fail(c->call, &f);
	} else {
		r->policy = (uint8_t)c->terms.policy;
		r->grace_usec = c->terms.grace_usec;
		e->text.warm_mode = (uint8_t)c->terms.warm_mode;
		e->gate_asked = c->gate_asked;
		app_record_terms(r, e, c->terms.gated);
		app_standing_changed(a, r, e);
		if (!c->terms.gated)
			app_ungate(a, r, e);
		app_mode_changed(a, r, e);
		call_reply(c->call);
	}
	free(c);
}

/*
 * One that is late is refused to its caller, so what the daemon knows goes on to hold: if the keeper
 * does it after all, that is undone.
 */
void app_configure_answered(struct app *a, const struct proxy *k, const struct answer *n)
{
	if (n->context)
		finish(a, n->context, n->error, n->text);
	app_terms_answered(a, k, n);
}

/* It is known whether the file is marked: now the change itself. */
static void on_gated(struct app *a, uint64_t region, void *context)
{
	struct region *r = registry_find(a->registry, region);
	struct region_entry *e = region_table_find(a->table, region);
	struct change *c = context;
	int error = r ? app_ask_terms(r, e, &c->terms, c) : -ENOENT;

	if (error)
		finish(a, c, error, "");
}

static void drop_change(void *context)
{
	free(context); /* its call ended with the bus */
}

void app_change_file_answered(struct app *a, const struct answer *n)
{
	struct region_entry *e = region_table_find(a->table, n->region);
	struct change *c = n->context;

	if (n->late && (!e || !app_wants_gate(e)))
		return;
	if (!e || n->error)
		finish(a, c, n->error ? n->error : -ENOENT, n->text);
	else if (app_gate_with(a, e, steal_fd(n->fd), on_gated, drop_change, c) < 0)
		finish(a, c, -ENOMEM, "");
}
