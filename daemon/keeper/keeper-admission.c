// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-admission.c - remote peers: who is let in, with what, and who hears of it.
 *
 * What always holds: a ticket that is wrong, expired, used up or for a region that does not exist
 * is refused with the same word; a use of a ticket counts only if the connection came about, or a
 * revocation waited in vain for that.
 */
#include <inttypes.h>

#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "rdmareg-timers.h"
#include "util/clock.h"
#include "util/log.h"

static int on_check_device(void *userdata, struct ibv_context *context, struct failure *why)
{
	(void)userdata;
	return hca_check(context, why);
}

static uint64_t mix(uint64_t number, uint64_t with)
{
	number = (number ^ with) * UINT64_C(0x9e3779b97f4a7c15);
	return number ^ number >> 29;
}

/* Differs between machines: 0 where the kernel does not tell. */
static uint64_t number_of_machine(void)
{
	static uint64_t number;
	static bool asked;
	FILE *f;
	int c;

	if (asked)
		return number;
	asked = true;
	f = fopen("/proc/sys/kernel/random/boot_id", "re");
	while (f && (c = fgetc(f)) != EOF)
		number = mix(number, (uint64_t)c);
	if (f)
		fclose(f);
	return number;
}

/* See struct wire_accept. */
static uint64_t number_of_bytes(const struct mapping *m)
{
	uint64_t number = mix(mix(mix(number_of_machine(), m->device), m->inode), m->offset);

	return number ? number : 1;
}

static int on_admit(void *userdata, const struct endpoint_request *request,
		    struct endpoint_offer *ret)
{
	struct keeper *k = userdata;
	struct kregion *r = keeper_find(k, request->region);
	uint32_t mtu;
	int refused;

	if (!r || !kregion_is_open_to_peers(r))
		return WIRE_REFUSED_TICKET;
	refused = tickets_admit(&r->tickets, request->token, request->rights, now_boottime_usec(),
				&ret->ticket);
	if (refused)
		return refused;
	if (hca_mtu(k->hca, &mtu) < 0 || mtu < k->minimum_mtu) {
		tickets_refund(&r->tickets, ret->ticket, request->rights);
		return WIRE_REFUSED_MTU;
	}
	kregion_restat(r); /* a file that grew raises no event */
	ret->pd = hca_mr_pd(r->mr);
	ret->storage = r->storage;
	ret->patience = (struct endpoint_patience){
		.rnr_timer = timers_rnr_code(k->options->rnr_timer_usec),
		.rnr_retries = k->options->rnr_retries,
		.retries = k->options->retries,
		.ack_timeout =
			k->options->ack_timeout_msec
				? timers_ack_code(k->options->ack_timeout_msec * USEC_PER_MSEC)
				: 0,
	};
	ret->accept = (struct wire_accept){
		.rights = (uint16_t)request->rights,
		.address = r->mapping->address,
		.length = r->mapping->length,
		.valid_length = r->guard.valid_length,
		.rkey = r->rkey,
		.generation = r->generation,
		.alignment = k->alignment,
		.minimum_mtu = k->minimum_mtu,
		.grace_msec = (uint32_t)(r->guard.grace_usec / USEC_PER_MSEC),
		.revocation = kregion_revocation(r),
		.durability = r->durability,
		.path_state = r->look.path_state,
		.bypasses = (uint32_t)r->look.bypasses,
		.bytes = number_of_bytes(r->mapping),
		.flush = request->rights & WIRE_RIGHT_WRITE ? r->flush : 0,
	};
	ret->flush_access = hca_flush_access(ret->accept.flush);
	return 0;
}

static int on_ask(void *userdata, const struct endpoint_question *q)
{
	struct kregion *r = keeper_find(userdata, q->request.region);
	int refused;

	if (!r || !kregion_is_open_to_peers(r))
		return WIRE_REFUSED_TICKET;
	refused = tickets_ask(&r->tickets, q->request.token, q->request.rights);
	if (!refused)
		kregion_explain(r, q);
	return refused;
}

static void on_joined(void *userdata, const struct endpoint_peer *p)
{
	struct keeper *k = userdata;
	struct kregion *r = keeper_find(k, p->region);

	log_info("region %" PRIu64 ": peer %s joined, %s", p->region, p->address,
		 p->rights & WIRE_RIGHT_WRITE ? "rw" : "r");
	tell_peer(k, NULL, KEEPER_PEER_JOINED, p, 0, PEER_LEFT_ITSELF);
	if (r)
		kregion_peer_joined(r, p);
}

static void on_left(void *userdata, const struct endpoint_peer *p, enum peer_left why)
{
	static const char *const words[_PEER_LEFT_MAX] = PEER_LEFT_WORDS;
	struct kregion *r = keeper_find(userdata, p->region);

	log_about(why == PEER_LEFT_DEAF || why == PEER_LEFT_UNRULY ? LOG_WARNING : LOG_INFO,
		  LOG_FIELDS(.peer = p->address), "region %" PRIu64 ": peer %s %s%s%s", p->region,
		  p->address, why > PEER_LEFT_SILENT ? "cut off" : "left", *words[why] ? ": " : "",
		  words[why]);
	if (r)
		kregion_persist_left(r, p->number);
	tell_peer(userdata, NULL, KEEPER_PEER_LEFT, p, 0, why);
	if (r)
		kregion_look_at_consent(r);
}

static void on_abandoned(void *userdata, const struct endpoint_peer *p)
{
	struct kregion *r = keeper_find(userdata, p->region);

	if (!r)
		return;
	if (!kregion_waited_in_vain(r))
		tickets_refund(&r->tickets, p->ticket, p->rights);
	kregion_look_at_consent(r);
}

static void on_acknowledged(void *userdata, const struct endpoint_peer *p, uint64_t revocation)
{
	struct kregion *r = keeper_find(userdata, p->region);

	tell_peer(userdata, NULL, KEEPER_PEER_ACK, p, revocation, PEER_LEFT_ITSELF);
	if (r)
		kregion_look_at_consent(r);
}

static void on_sync(void *userdata, const struct endpoint_peer *p, const struct wire_message *m)
{
	struct kregion *r = keeper_find(userdata, p->region);

	if (r) /* else its peers are being cut off */
		kregion_persist(r, p, m);
}

static void on_closed(void *userdata, uint64_t region)
{
	struct kregion *r = keeper_find(userdata, region);

	if (r)
		kregion_continue(r);
}

static void on_device_gone(void *userdata)
{
	struct keeper *k = userdata;

	log_error("RDMA device %s was removed: this keeper ends, and its regions with it",
		  endpoint_device(k->endpoint));
	k->device_gone = true;
	keeper_stop(k);
}

static void on_addresses_changed(void *userdata)
{
	struct keeper *k = userdata;
	const char *trouble = endpoint_trouble(k->endpoint);

	if (*trouble)
		log_warning("%s", trouble);
	else
		log_notice("peers can connect by each address again");
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		if (r->announced && r->phase == KREGION_HELD)
			tell_mode(r);
}

const struct endpoint_ops keeper_endpoint_ops = {
	.check_device = on_check_device,
	.admit = on_admit,
	.ask = on_ask,
	.joined = on_joined,
	.left = on_left,
	.abandoned = on_abandoned,
	.acknowledged = on_acknowledged,
	.sync = on_sync,
	.closed = on_closed,
	.device_gone = on_device_gone,
	.addresses_changed = on_addresses_changed,
};
