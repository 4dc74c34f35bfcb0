// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-request.c - what the daemon asks of the keeper.
 *
 * What always holds: every request is answered exactly once, here or, for what takes time, by the
 * region it was handed to; one that is refused has changed nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "util/clock.h"
#include "util/log.h"

/* -EINPROGRESS: taken over by somebody who will answer. */
#define ANSWERED_LATER (-EINPROGRESS)

#define LEFT_BEHIND_MAX 16

static int later(int error)
{
	return error < 0 ? error : ANSWERED_LATER;
}

static const char *one_left_behind(const struct keeper *k)
{
	const struct kregion *r = keeper_next(k, NULL);

	while (r && !r->ending.left_behind)
		r = keeper_next(k, r);
	return r && r->path[0] ? r->path : "?";
}

static int on_register(struct keeper *k, const struct operation *op, const struct keeper_message *m,
		       int *fd, struct failure *why)
{
	int error;

	if (k->stopping)
		return fail(why, -EBUSY, "This keeper is stopping; try again");
	if (*fd < 0)
		return fail(
			why, -EMFILE,
			"This tenant's keeper has no descriptor left: release a region, or raise its LimitNOFILE");
	if (keeper_find(k, m->region))
		return fail(why, -EEXIST, "Region %" PRIu64 " exists already", m->region);
	if (k->n_regions >= k->options->max_regions)
		return fail(why, -EDQUOT,
			    "This tenant has %u regions, which is the limit; release one",
			    k->options->max_regions);
	if (k->n_left_behind >= LEFT_BEHIND_MAX)
		return fail(
			why, -EDQUOT,
			"%" PRIu32
			" released regions of this tenant still wait for storage that does not answer, one "
			"of them for %.80s; repair or unmount it",
			k->n_left_behind, one_left_behind(k));
	error = keeper_open_adapters(k);
	if (error < 0)
		return fail(why, error, "%s", k->no_adapter.text);
	error = keeper_check_mappings(k, why);
	if (error < 0)
		return error;
	return later(kregion_register(k, op, m, fd));
}

static int on_list(struct keeper *k, const struct operation *op)
{
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r)) {
		if (!r->announced || r->phase == KREGION_ENDING)
			/*
			 * nobody knows of it, and whoever asked for it is gone; or it is as good as
			 * gone
			 */
			continue;
		kregion_restat(r);
		tell_region(r, op);
	}
	for (const struct endpoint_peer *p = k->endpoint ? endpoint_next(k->endpoint, NULL) : NULL;
	     p; p = endpoint_next(k->endpoint, p))
		if (p->up)
			tell_peer(k, op, KEEPER_PEER, p, p->asked, PEER_LEFT_ITSELF);
	return 0;
}

static int on_release(struct kregion *r, const struct operation *op, const struct keeper_demand *d)
{
	int error = kregion_add_release(r, op);

	if (error)
		return error;
	kregion_close(r, d->cause ? (enum revocation_cause)d->cause : CAUSE_RELEASE, d->grace_usec);
	return ANSWERED_LATER;
}

static int on_export(struct kregion *r, const struct operation *op,
		     const struct keeper_ticket *wanted, struct failure *why)
{
	struct keeper_message m = { .type = KEEPER_TICKET, .region = r->id };
	struct wire_place places[LISTEN_ADDRESSES_MAX];
	struct keeper *k = r->keeper;
	const struct ticket *t;
	size_t n_places;
	uint32_t mtu;
	int error;

	if (!kregion_is_open_to_peers(r))
		return fail(why, -EBUSY, "The region is being registered or released");
	if ((wanted->rights & WIRE_RIGHT_WRITE) && r->access != ACCESS_READ_WRITE)
		return fail(
			why, -EACCES,
			"The region has access r, so a ticket cannot allow writing; register it with rw");
	if (!(wanted->rights & WIRE_RIGHT_WRITE) && r->access == ACCESS_READ_WRITE &&
	    !quirks_enforce_rights(&k->quirks))
		return fail(
			why, -EOPNOTSUPP,
			"Device %s cannot restrict a peer to less than the region's access; make a ticket "
			"with access rw, or register the file again with access r",
			endpoint_device(k->endpoint));
	error = hca_mtu(k->hca, &mtu);
	if (error < 0)
		return fail(why, error, "The adapter's port cannot be queried: %s",
			    strerror(-error));
	if (mtu < k->minimum_mtu)
		return fail(
			why, -EMSGSIZE,
			"Device %s has an RDMA MTU of %u bytes and is correct only from %u on: raise the interface's MTU",
			endpoint_device(k->endpoint), mtu, k->minimum_mtu);
	endpoint_look_at_addresses(k->endpoint);
	n_places = endpoint_places(k->endpoint, places);
	if (!n_places)
		return fail(why, -ENETDOWN, "RDMA device %s: %s", endpoint_device(k->endpoint),
			    endpoint_trouble(k->endpoint));
	error = tickets_add(&r->tickets, now_boottime_usec(), wanted->expires_usec, wanted->uses,
			    wanted->rights, &t);
	if (error == -EDQUOT)
		return fail(
			why, error,
			"The region has %u tickets that can still admit a peer (tickets_per_region in "
			"rdmaregd.conf); those made with an expiry or a number of uses end by that, all "
			"end with the region: release it and register the file again",
			k->options->max_tickets);
	if (error < 0)
		return error;
	m.ticket.expires_usec = t->expires_usec;
	m.ticket.uses = t->uses;
	m.ticket.rights = t->rights;
	error = ticket_format(m.ticket.text, sizeof(m.ticket.text), places, n_places, r->id,
			      t->token);
	if (error < 0)
		return error;
	snprintf(r->ticket_text, sizeof(r->ticket_text), "%s", m.ticket.text);
	session_answer(k->session, op, &m);
	return ANSWERED_LATER;
}

static int on_consent(struct kregion *r, const struct keeper_revocation *c, struct failure *why)
{
	if (!c->revocation || guard_pending_revocation(&r->guard) != c->revocation)
		return fail(why, -ESTALE, "Revocation %" PRIu64 " does not wait for consent",
			    c->revocation);
	kregion_consent(r, c->revocation);
	return 0;
}

static int on_import(struct kregion *r, const struct operation *op, struct failure *why)
{
	struct keeper_message answer = { .type = KEEPER_DONE, .region = r->id };
	const char *device = endpoint_device(r->keeper->endpoint);
	struct hca_import import;
	int error;

	if (r->job.busy || !r->mr) /* a thread that is in the job may write it */
		return fail(why, -EBUSY, "The region is being taken down");
	error = hca_mr_import(r->mr, &import);
	if (error == -EOPNOTSUPP)
		return fail(
			why, error,
			"RDMA device %s cannot share its context with another process; of the drivers known only mlx5 can",
			device);
	if (error == -EDQUOT)
		return fail(
			why, error,
			"Queue pairs made with earlier imports keep too many regions that are gone; destroy some");
	if (error < 0)
		return fail(why, error, "RDMA device %s failed to share its context: %s", device,
			    strerror(-error));
	answer.done.import.pd_handle = import.pd_handle;
	answer.done.import.mr_handle = import.mr_handle;
	session_answer_file(r->keeper->session, op, &answer, import.command_fd);
	return ANSWERED_LATER;
}

static int on_region(struct keeper *k, const struct operation *op, const struct keeper_message *m,
		     struct failure *why)
{
	struct kregion *r = keeper_find(k, m->region);

	if (r && r->ending.left_behind)
		r = NULL;
	if (!r && (m->type == KEEPER_OVER || m->type == KEEPER_CANCEL))
		return 0; /* it ended together with its region */
	if (!r)
		return fail(why, -ENOENT, "There is no region %" PRIu64 " here", m->region);
	if (m->type == KEEPER_RELEASE)
		return on_release(r, op, &m->demand);
	if (m->type == KEEPER_CANCEL) {
		kregion_cancel_prefetch(
			r, &(struct operation){ op->connection, m->progress.operation });
		return 0;
	}
	if (m->type == KEEPER_OVER) {
		kregion_over(r, m->demand.demand);
		return 0;
	}
	if (m->type == KEEPER_DEMAND)
		return later(kregion_demand(r, op, &m->demand, why));
	if (r->phase != KREGION_HELD)
		return fail(why, -EBUSY, "The region is being registered or released");
	switch (m->type) {
	case KEEPER_PREFETCH:
		return later(kregion_prefetch(r, op, &m->range, why));
	case KEEPER_EXPORT:
		return on_export(r, op, &m->ticket, why);
	case KEEPER_CONFIGURE: {
		int error = kregion_configure(r, (enum region_policy)m->info.policy,
					      m->info.grace_usec, why);

		if (error)
			return error;
		r->gated = m->info.gated;
		kregion_note_promise(r);
		kregion_set_warm_mode(r, (enum warm_mode)m->info.warm_mode);
		return 0;
	}
	case KEEPER_SYNC:
		return later(kregion_sync(r, op, &m->demand, why));
	case KEEPER_FILE: {
		struct keeper_message answer = { .type = KEEPER_DONE, .region = r->id };

		session_answer_file(k->session, op, &answer, r->mapping->fd);
		return ANSWERED_LATER;
	}
	case KEEPER_IMPORT:
		return on_import(r, op, why);
	case KEEPER_CONSENT:
		return on_consent(r, &m->revocation, why);
	default:
		return -EINVAL; /* session_check() lets nothing else through */
	}
}

void keeper_request(void *userdata, const struct operation *op, const struct keeper_message *m,
		    int *fd)
{
	struct keeper *k = userdata;
	struct failure why = { 0 };
	int error;

	switch (m->type) {
	case KEEPER_HELLO:
		log_set_level(m->hello.log_level ? (int)m->hello.log_level - 1 : LOG_INFO);
		keeper_open_adapters(k);
		tell_welcome(k, op, &m->hello);
		return;
	case KEEPER_LIST:
		error = on_list(k, op);
		break;
	case KEEPER_LOG:
		log_set_level((int)m->log.level);
		error = 0;
		break;
	case KEEPER_REGISTER:
		error = on_register(k, op, m, fd, &why);
		break;
	default:
		error = on_region(k, op, m, &why);
		break;
	}
	if (error != ANSWERED_LATER)
		tell_done(k, op, m->region, error, &why);
}
