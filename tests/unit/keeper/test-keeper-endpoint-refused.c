// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-endpoint-refused.c - the endpoint's peers with librdmacm and libibverbs played, of
 * which each call fails once in turn: at most one peer is lost by it, which is told, and nothing is
 * left in the end.
 */
#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "endpoint-owner.h"
#include "keeper/endpoint/wire.h"
#include "tests/fakes/fabric.h"
#include "util/clock.h"

#define ADDRESS "192.0.2.1"

static struct event_base *base;
static struct endpoint *endpoint;
static struct ibv_pd pd;

static int on_admit(void *userdata, const struct endpoint_request *request,
		    struct endpoint_offer *ret)
{
	(void)userdata, (void)request;
	*ret = (struct endpoint_offer){ .pd = &pd, .patience = { .rnr_retries = 7, .retries = 6 } };
	return 0;
}

static int on_ask(void *userdata, const struct endpoint_question *q)
{
	(void)userdata;
	endpoint_explain(endpoint, q->number, WIRE_CAUSE_FENCED);
	return 0;
}

static void on_sync(void *userdata, const struct endpoint_peer *p, const struct wire_message *m)
{
	const struct wire_message answer = { .type = WIRE_SYNCED, .request = m->request };

	(void)userdata;
	heard.synced++;
	endpoint_answer(endpoint, p->number, &answer);
}

static const struct endpoint_ops ops = {
	ENDPOINT_OWNER,
	.admit = on_admit,
	.ask = on_ask,
	.sync = on_sync,
};

/* Everything that is due now, and what could not be taken the first time. */
static void run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct fabric_peer *request(uint64_t region, unsigned int rights)
{
	const struct wire_connect c = { .magic = htole32(WIRE_MAGIC),
					.version = htole16(WIRE_VERSION),
					.rights = htole16((uint16_t)rights),
					.region = htole64(region) };
	struct fabric_peer *p = fabric_connect(ADDRESS, &c, 7);

	if (p)
		run();
	return p;
}

/* What has been posted to it arrived, unless it has been dismissed. */
static void deliver(struct fabric_peer *p, unsigned int left)
{
	while (heard.left == left &&
	       fabric_posted(p, IBV_WR_SEND) + fabric_posted(p, IBV_WR_RDMA_WRITE)) {
		fabric_complete(p, IBV_WC_SUCCESS);
		run();
	}
}

static void say(struct fabric_peer *p, const struct wire_message *m)
{
	const struct wire_message bytes = wire_write_message(m);

	fabric_send(p, &bytes, sizeof(bytes));
	run();
}

/*
 * The life of a peer of @region. False: it was lost, and that was told: it was not let in, or
 * joined and left.
 */
static bool live(uint64_t region)
{
	const struct wire_message ask = { .type = WIRE_REVOCATION_ASKED, .revocation = 1 },
				  ack = { .type = WIRE_REVOCATION_ACK, .revocation = 1 },
				  sync = { .type = WIRE_SYNC, .request = 1 };
	unsigned int left = heard.left, acknowledged = heard.acknowledged, synced = heard.synced;
	struct fabric_peer *p = request(region, WIRE_RIGHT_READ);

	if (!p || !fabric_is_accepted(p))
		return false;
	fabric_establish(p);
	run();
	for (int i = 0; i < 2; i++) {
		endpoint_tell(endpoint, region, &ask);
		deliver(p, left);
		if (heard.left == left)
			say(p, &ack);
		if (heard.left == left)
			say(p, &sync);
		deliver(p, left);
		if (heard.left != left)
			return false;
	}
	assert(heard.acknowledged == acknowledged + 2 && heard.synced == synced + 2);
	return true;
}

/* The machine loses the address and has it again. */
static void move_address(void)
{
	memset(fabric.addresses, 0, sizeof(fabric.addresses));
	endpoint_look_at_addresses(endpoint);
	strcpy(fabric.addresses[0], ADDRESS);
	endpoint_look_at_addresses(endpoint);
	endpoint_look_at_addresses(endpoint);
	assert(!*endpoint_trouble(endpoint));
}

/* Returns how many peers were lost; -1: the endpoint does not come up, and says why. */
static int use(const char *address)
{
	const struct endpoint_options o = { .address = address, .max_peers = 64 };
	struct failure why = { 0 };
	int lost = 0, r;

	r = endpoint_new(&endpoint, base, &o, &ops, NULL, &why);
	assert(!r == !*why.text);
	if (r < 0)
		return -1;
	for (uint64_t region = 1; region <= 3; region++)
		lost += !live(region);
	request(1, WIRE_RIGHT_READ | WIRE_ASKS_CAUSE);
	move_address();
	for (uint64_t region = 1; region <= 3; region++)
		endpoint_cut(endpoint, region, 0);
	run();
	assert(heard.joined == heard.left && heard.abandoned <= 1);
	endpoint = endpoint_free(endpoint);
	return lost;
}

static void test_each_fails(const char *address)
{
	int harmed = 0, none = 0, lost;
	unsigned int n = 0;
	bool failed;

	do {
		memset(&heard, 0, sizeof(heard));
		base = event_base_new();
		assert(base);
		strcpy(fabric.addresses[0], ADDRESS);
		fabric.calls = 0;
		fabric.fail_at = ++n;
		lost = use(address);
		failed = fabric.calls >= n;
		assert(lost <= 1 && (failed || !lost));
		harmed += lost == 1;
		none += lost < 0;
		event_base_free(base);
		fabric_end();
	} while (failed);
	assert(harmed > 20 && none > 3);
}

int main(void)
{
	test_each_fails("any");
	test_each_fails(ADDRESS);
	return 0;
}
