// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-endpoint.c - the endpoint with the network played (tests/fakes/fabric.h): which
 * addresses peers can connect to, who is taken for dead and when, what a peer's patience is.
 */
#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../fakes/fabric.h"
#include "endpoint-owner.h"
#include "keeper/endpoint/peers.h"
#include "rdmareg-timers.h"
#include "util/clock.h"

#define REGION 7
#define TURNS 8 /* a probe is due at one of so many ticks */

static struct event_base *base;
static struct endpoint *endpoint;
static struct ibv_pd pd;

static struct endpoint_patience patience = { .rnr_retries = 7, .retries = 6 };

static int on_admit(void *userdata, const struct endpoint_request *request,
		    struct endpoint_offer *ret)
{
	(void)userdata;
	assert(request->region == REGION);
	*ret = (struct endpoint_offer){ .pd = &pd, .patience = patience };
	return 0;
}

static const struct endpoint_ops ops = {
	ENDPOINT_OWNER,
	.admit = on_admit,
};

static void have(const char *first, const char *second)
{
	memset(fabric.addresses, 0, sizeof(fabric.addresses));
	strcpy(fabric.addresses[0], first);
	strcpy(fabric.addresses[1], second);
	fabric.of_second[0] = fabric.of_second[1] = false;
}

static struct failure why; /* of the last open_on() */

static int open_on(const char *device, const char *address, uint64_t probe_usec)
{
	struct endpoint_options o = {
		.address = address, .device = device, .max_peers = 64, .probe_usec = probe_usec
	};
	int r;

	why = (struct failure){ 0 };
	memset(&heard, 0, sizeof(heard));
	base = event_base_new();
	assert(base);
	r = endpoint_new(&endpoint, base, &o, &ops, NULL, &why);
	assert(!r == !*why.text);
	return r;
}

static int open_at(const char *address, uint64_t probe_usec)
{
	return open_on("", address, probe_usec);
}

static void begin(uint64_t probe_usec)
{
	have("192.0.2.1", "");
	assert(open_at("any", probe_usec) == 0);
}

static void end(void)
{
	endpoint = endpoint_free(endpoint);
	event_base_free(base);
	fabric_end();
}

/* Everything that is due now. */
static void run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct fabric_peer *connect_to(const char *address, uint8_t rnr_retries)
{
	struct wire_connect c = { .magic = htole32(WIRE_MAGIC),
				  .version = htole16(WIRE_VERSION),
				  .rights = htole16(WIRE_RIGHT_READ),
				  .region = htole64(REGION) };
	struct fabric_peer *p = fabric_connect(address, &c, rnr_retries);

	if (!p)
		return NULL;
	run();
	assert(fabric_is_accepted(p));
	fabric_establish(p);
	run();
	return p;
}

static struct fabric_peer *connect_with(uint8_t rnr_retries)
{
	struct fabric_peer *p = connect_to(endpoint_address(endpoint), rnr_retries);

	assert(p);
	return p;
}

/* As many ticks as it takes for every peer's turn. */
static void probe(void)
{
	for (int i = 0; i < TURNS; i++)
		peers_on_probe(-1, 0, endpoint);
	run();
}

/* What a peer asked for is said in the accept; with 0 a page fault would end its connection. */
static void test_patience(void)
{
	begin(USEC_PER_SEC);
	assert(fabric_rnr_retries(connect_with(3)) == 3);
	assert(fabric_rnr_retries(connect_with(7)) == 7);
	assert(fabric_rnr_retries(connect_with(0)) == 7);
	end();
}

/*
 * How long a peer is tried that does not acknowledge is what the settings say: the queue pair has it.
 */
static void test_gives_up(void)
{
	const struct endpoint_patience usual = patience;
	const struct ibv_qp_attr *qp;

	begin(USEC_PER_SEC);
	qp = fabric_attributes(connect_with(7));
	assert(qp->timeout == FABRIC_ACK_TIMEOUT && qp->retry_cnt == 6 && qp->rnr_retry == 7);
	patience =
		(struct endpoint_patience){ .rnr_timer = timers_rnr_code(1000),
					    .rnr_retries = 3,
					    .retries = 2,
					    .ack_timeout = timers_ack_code(500 * USEC_PER_MSEC) };
	qp = fabric_attributes(connect_with(7));
	assert(qp->retry_cnt == 2 && qp->rnr_retry == 3);
	/* 537 ms, the first that is not shorter; and 1.28 ms */
	assert(qp->timeout == 17 && qp->min_rnr_timer == 14);
	patience = usual;
	end();
}

/* An adapter that acknowledges is that of a peer, however long its process says nothing. */
static void test_stopped(void)
{
	struct fabric_peer *p;

	begin(USEC_PER_SEC);
	p = connect_with(7);
	for (int i = 0; i < 100; i++) {
		probe();
		assert(fabric_posted(p, IBV_WR_RDMA_WRITE) == 1);
		assert(fabric_posted(p, IBV_WR_SEND) == 0);
		fabric_complete(p, IBV_WC_SUCCESS);
		run();
		probe(); /* heard of just now */
		assert(fabric_posted(p, IBV_WR_RDMA_WRITE) == 0);
	}
	assert(heard.joined == 1 && !heard.left);
	end();
}

/* One is asked once, whatever the time that the answer takes: that it is late proves nothing. */
static void test_late(void)
{
	struct fabric_peer *p;

	begin(USEC_PER_SEC);
	p = connect_with(7);
	for (int i = 0; i < 100; i++)
		probe();
	assert(fabric_posted(p, IBV_WR_RDMA_WRITE) == 1 && !heard.left);
	fabric_complete(p, IBV_WC_SUCCESS);
	run();
	assert(!heard.left);
	end();
}

/* What proves it is that the transport gave up; it is told before anybody wants anything. */
static void test_dead(void)
{
	struct fabric_peer *dead, *other;

	begin(USEC_PER_SEC);
	dead = connect_with(7);
	other = connect_with(7);
	probe();
	fabric_complete(dead, IBV_WC_RETRY_EXC_ERR);
	fabric_complete(other, IBV_WC_SUCCESS);
	run();
	assert(heard.left == 1 && heard.why == PEER_LEFT_SILENT);
	end();
	assert(heard.left == 1 && !heard.abandoned);
}

/* A message under way has to be acknowledged itself. */
static void test_message_under_way(void)
{
	const struct wire_message asked = { .type = WIRE_REVOCATION_ASKED, .revocation = 1 };
	struct fabric_peer *p;

	begin(USEC_PER_SEC);
	p = connect_with(7);
	endpoint_tell(endpoint, REGION, &asked);
	probe();
	assert(fabric_posted(p, IBV_WR_SEND) == 1 && !fabric_posted(p, IBV_WR_RDMA_WRITE));
	fabric_complete(p, IBV_WC_RETRY_EXC_ERR);
	run();
	assert(heard.left == 1 && heard.why == PEER_LEFT_SILENT);
	end();
}

/* The other reasons are told apart from it. */
static void test_reasons(void)
{
	static const struct {
		enum ibv_wc_status status;
		enum peer_left why;
	} table[] = { { IBV_WC_RNR_RETRY_EXC_ERR, PEER_LEFT_DEAF },
		      { IBV_WC_REM_ACCESS_ERR, PEER_LEFT_ITSELF },
		      { IBV_WC_WR_FLUSH_ERR, PEER_LEFT_ITSELF } };
	const struct wire_message nonsense = { .magic = 1 };
	struct fabric_peer *p;

	begin(USEC_PER_SEC);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		p = connect_with(7);
		probe();
		fabric_complete(p, table[i].status);
		run();
		assert(heard.left == i + 1 && heard.why == table[i].why);
	}
	p = connect_with(7);
	fabric_send(p, &nonsense, sizeof(nonsense));
	run();
	assert(heard.why == PEER_LEFT_UNRULY);
	p = connect_with(7);
	endpoint_cut(endpoint, REGION, 5);
	assert(heard.why == PEER_LEFT_LATE);
	p = connect_with(7);
	endpoint_cut(endpoint, REGION, 0);
	assert(heard.why == PEER_LEFT_CLOSED && heard.left == heard.joined);
	end();
}

/* In one interval each peer is asked once, and never all of them at a time. */
static void test_spread(void)
{
	struct fabric_peer *p[16];
	unsigned int before = 0, most = 0, n;

	begin(USEC_PER_SEC);
	for (size_t i = 0; i < 16; i++)
		p[i] = connect_with(7);
	for (int i = 0; i < TURNS; i++) {
		peers_on_probe(-1, 0, endpoint);
		n = 0;
		for (size_t j = 0; j < 16; j++)
			n += fabric_posted(p[j], IBV_WR_RDMA_WRITE);
		most = n - before > most ? n - before : most;
		before = n;
	}
	assert(before == 16 && most == 2);
	end();
}

/* The timer does it, as often as was asked for; 0: never. */
static void test_timer(void)
{
	struct fabric_peer *p;

	begin(8 * USEC_PER_MSEC);
	p = connect_with(7);
	while (!fabric_posted(p, IBV_WR_RDMA_WRITE))
		event_base_loop(base, EVLOOP_ONCE);
	end();
	begin(0);
	p = connect_with(7);
	assert(!evtimer_pending(endpoint->probe_event, NULL));
	end();
}

/*
 * A device that is taken away is told of once, however often it is said; its peers are over. What
 * the kernel leaves readable for ever is not looked at again.
 */
static void test_device_goes(bool fatal)
{
	struct wire_connect c = { .magic = htole32(WIRE_MAGIC),
				  .version = htole16(WIRE_VERSION),
				  .rights = htole16(WIRE_RIGHT_READ),
				  .region = htole64(REGION) };

	begin(USEC_PER_SEC);
	connect_with(7);
	fabric_connect(endpoint_address(endpoint), &c, 7);
	run();
	fabric_remove(fatal);
	run();
	assert(heard.device_gone == 1);
	assert(heard.left == 1 && heard.why == PEER_LEFT_CLOSED && heard.abandoned == 1);
	end();
	assert(heard.device_gone == 1 && heard.left == 1 && heard.abandoned == 1);
}

/* Where peers can connect, as "ADDRESS:PORT ADDRESS:PORT ". */
static const char *places(void)
{
	struct wire_place at[LISTEN_ADDRESSES_MAX];
	static char text[256];
	size_t n = endpoint_places(endpoint, at), used = 0;

	*text = 0;
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s:%u ", at[i].address,
					 (unsigned int)at[i].port);
	return text;
}

static void look(void)
{
	endpoint_look_at_addresses(endpoint);
	run();
}

/* An address that goes away is said, once; the peers stay; it is there again when it is. */
static void test_address_goes(void)
{
	have("192.0.2.1", "");
	assert(open_at("192.0.2.1", 0) == 0);
	assert(!strcmp(places(), "192.0.2.1:1000 ") && !*endpoint_trouble(endpoint));
	connect_with(7);
	look();
	assert(!heard.addresses);
	have("", "");
	look();
	look();
	assert(heard.addresses == 1 && !*places() && !heard.left);
	assert(!strcmp(endpoint_trouble(endpoint),
		       "no peer can connect: 192.0.2.1: No interface that is up has this address"));
	assert(!strcmp(endpoint_address(endpoint), "192.0.2.1"));
	have("192.0.2.1", "");
	look();
	assert(heard.addresses == 2 && !*endpoint_trouble(endpoint));
	assert(!strcmp(places(), "192.0.2.1:1000 ") && connect_to("192.0.2.1", 7));
	end();
}

/* While it is away it is looked at again and again: the kernel may have told before it was ready. */
static void test_address_is_awaited(void)
{
	have("192.0.2.1", "");
	assert(open_at("192.0.2.1", 0) == 0);
	have("", "");
	look();
	have("192.0.2.1", "");
	while (heard.addresses < 2)
		event_base_loop(base, EVLOOP_ONCE);
	assert(!*endpoint_trouble(endpoint));
	end();
}

static struct event *deadline;

static void on_deadline(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
	assert(!"the look was put off");
}

/*
 * News without a pause do not put the look off, nor does a ticket. What counts is the order of two
 * timers of one loop, of which the other one is ten times as long.
 */
static void test_news(void)
{
	const struct timeval longer = { .tv_sec = 1 };

	have("192.0.2.1", "");
	assert(open_at("192.0.2.1", 0) == 0);
	deadline = evtimer_new(base, on_deadline, NULL);
	for (unsigned int i = 1; i < 4; i++) {
		fabric_news();
		run();
		evtimer_add(deadline, &longer);
		have(i % 2 ? "" : "192.0.2.1", "");
		while (heard.addresses < i) {
			fabric_news();
			event_base_loop(base, EVLOOP_ONCE);
		}
	}
	event_free(deadline);
	end();
}

/* Nor does a ticket that is made in between, when something is the matter already. */
static void test_news_and_tickets(void)
{
	const struct timeval longer = { .tv_sec = 1 };

	have("192.0.2.1", "");
	assert(open_at("192.0.2.1", 0) == 0);
	have("", "");
	look();
	assert(heard.addresses == 1);
	deadline = evtimer_new(base, on_deadline, NULL);
	fabric_news();
	run();
	evtimer_add(deadline, &longer);
	look();
	have("192.0.2.1", "");
	while (heard.addresses < 2)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(deadline);
	end();
}

/* Found for "any": tickets name another one instead, and nothing is the matter. */
static void test_any_moves(void)
{
	have("192.0.2.1", "192.0.2.9");
	assert(open_at("any", 0) == 0 && !strcmp(places(), "192.0.2.1:1000 "));
	have("192.0.2.9", "");
	look();
	assert(!strcmp(places(), "192.0.2.9:1000 ") && !*endpoint_trouble(endpoint));
	assert(!heard.addresses);
	have("", "");
	look();
	assert(!*places() && heard.addresses == 1);
	assert(!strcmp(endpoint_trouble(endpoint),
		       "no peer can connect: 192.0.2.9: No interface that is up has this address"));
	have("192.0.2.7", "");
	look();
	assert(!strcmp(places(), "192.0.2.7:1000 ") && heard.addresses == 2);
	end();
}

/* One that comes back is listened on as before, whichever tickets name now. */
static void test_any_keeps(void)
{
	static const char *const found[] = { "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5" };

	have("192.0.2.1", "192.0.2.9");
	assert(open_at("any", 0) == 0);
	have("192.0.2.9", "");
	look();
	have("192.0.2.9", "192.0.2.1");
	look();
	assert(!strcmp(places(), "192.0.2.9:1000 ") && connect_to("192.0.2.1", 7));
	have("192.0.2.1", "");
	look();
	assert(!strcmp(places(), "192.0.2.1:1000 ") && fabric.listening == 2);
	assert(connect_to("192.0.2.1", 7) && !heard.addresses);
	end();

	/* of many that come and go, the last few */
	have("192.0.2.1", "");
	assert(open_at("any", 0) == 0);
	for (size_t i = 0; i < 4; i++) {
		have(found[i], "");
		look();
		assert(!strncmp(places(), found[i], strlen(found[i])));
	}
	assert(fabric.listening == LISTEN_ADDRESSES_MAX && !heard.addresses);
	have("192.0.2.3", "");
	assert(connect_to("192.0.2.3", 7) && !connect_to("192.0.2.1", 7));
	end();
}

/* All of the setting, in its order; one that is missing does not keep the others from it. */
static void test_several(void)
{
	have("192.0.2.1", "2001:db8::1");
	assert(open_at("2001:db8::1,192.0.2.1", 0) == 0);
	assert(!strcmp(places(), "2001:db8::1:1001 192.0.2.1:1000 "));
	assert(connect_to("192.0.2.1", 7) && connect_to("2001:db8::1", 7));
	have("192.0.2.1", "");
	look();
	assert(!strcmp(places(), "192.0.2.1:1000 ") && heard.addresses == 1 && !heard.left);
	assert(!strcmp(endpoint_trouble(endpoint),
		       "some addresses cannot be reached: 2001:db8::1: No interface that is up "
		       "has this address"));
	assert(!strcmp(endpoint_address(endpoint), "192.0.2.1") && endpoint_port(endpoint) == 1000);
	have("192.0.2.1", "2001:db8::1");
	look();
	assert(!strcmp(places(), "2001:db8::1:1001 192.0.2.1:1000 ") && heard.addresses == 2);
	end();

	/* not there at the beginning */
	have("192.0.2.1", "");
	assert(open_at("2001:db8::1,192.0.2.1", 0) == 0 && fabric.listening == 1);
	assert(!strcmp(places(), "192.0.2.1:1000 ") && *endpoint_trouble(endpoint));
	have("192.0.2.1", "2001:db8::1");
	look();
	assert(!strcmp(places(), "2001:db8::1:1001 192.0.2.1:1000 ") && fabric.listening == 2);
	assert(heard.addresses == 1 && !*endpoint_trouble(endpoint));
	end();
}

static void refuse_all(const char *address)
{
	assert(open_at(address, 0) == -EADDRNOTAVAIL && !fabric.listening);
	event_base_free(base);
	fabric_end();
}

static void test_none(void)
{
	have("192.0.2.1", "");
	refuse_all("192.0.2.2");
	refuse_all("192.0.2.2,192.0.2.3");
	refuse_all("192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5");
}

/* The machine's two addresses are those of two devices, in this order. */
static void have_two_devices(const char *first, const char *second)
{
	have(first, second);
	fabric.of_second[1] = true;
}

static void expect_device(const char *device, const char *wanted)
{
	assert(!strcmp(endpoint_device(endpoint), device) && !strcmp(places(), wanted));
	assert(!*endpoint_trouble(endpoint) && fabric.listening == 1);
}

/* Each keeper takes the addresses of its device, and misses none of the other's. */
static void test_two_devices(void)
{
	static const char both[] = "192.0.2.1,198.51.100.1";

	have_two_devices("192.0.2.1", "198.51.100.1");
	assert(open_at(both, 0) == 0);
	expect_device("fake0", "192.0.2.1:1000 ");
	assert(connect_to("192.0.2.1", 7) && !connect_to("198.51.100.1", 7));
	have_two_devices("192.0.2.1", "");
	look();
	expect_device("fake0", "192.0.2.1:1000 ");
	have_two_devices("192.0.2.1", "198.51.100.1");
	look();
	assert(!heard.addresses);
	end();

	assert(open_at("198.51.100.1,192.0.2.1", 0) == 0);
	expect_device("fake1", "198.51.100.1:1001 ");
	end();
	assert(open_on("fake1", both, 0) == 0);
	expect_device("fake1", "198.51.100.1:1001 ");
	end();
	assert(open_on("fake1", "any", 0) == 0);
	expect_device("fake1", "198.51.100.1:1001 ");
	end();
	assert(open_on("fake0", both, 0) == 0);
	expect_device("fake0", "192.0.2.1:1000 ");
	/* an address can move to this device, and is missed from then on */
	fabric.of_second[1] = false;
	look();
	assert(!strcmp(places(), "192.0.2.1:1000 198.51.100.1:1001 ") && !heard.addresses);
	have("192.0.2.1", "");
	look();
	assert(heard.addresses == 1 &&
	       strstr(endpoint_trouble(endpoint), "198.51.100.1: No inter"));
	end();
}

static void refuse_device(const char *device, const char *address, int error, const char *says)
{
	assert(open_on(device, address, 0) == error && strstr(why.text, says));
	event_base_free(base);
	fabric_end();
}

static void test_wrong_device(void)
{
	have_two_devices("192.0.2.1", "198.51.100.1");
	refuse_device("fake2", "192.0.2.1,198.51.100.1", -EADDRNOTAVAIL,
		      "It is of RDMA device fake0, and this session uses fake2");
	refuse_device("fake1", "192.0.2.1,192.0.2.2", -EADDRNOTAVAIL, "RDMA cannot listen there");
	refuse_device("fake2", "any", -ENXIO, "and this session uses fake2");
}

int main(void)
{
	test_two_devices();
	test_wrong_device();
	test_address_goes();
	test_address_is_awaited();
	test_any_moves();
	test_any_keeps();
	test_news();
	test_news_and_tickets();
	test_several();
	test_none();
	test_patience();
	test_gives_up();
	test_stopped();
	test_late();
	test_dead();
	test_message_under_way();
	test_reasons();
	test_spread();
	test_timer();
	test_device_goes(false);
	test_device_goes(true);
	return 0;
}
