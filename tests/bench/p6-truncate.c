// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p6-truncate.c - figure P6: what somebody who truncates a file waits longer because it is
 * registered and its holders acknowledge, each as soon as it hears of it (so their own time is
 * none).
 *
 *   p6-truncate PLACE ARBITRATION... [--quick]     pairs of them; ARBITRATION as in the option,
 *   auto or pre-content
 *
 * Each round truncates a file without registration and one with: first the owner alone holds it,
 * then the owner and a peer on node b. The unit is a D-Bus round trip of the same round (ping.h).
 * Where layout leases ask, what an owner costs is compared with that of two processes that do no
 * more than any must (least.h).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "client/include/rdmareg.h"
#include "least.h"
#include "ping.h"

#define LENGTH (4 * MIB)

/* A holder: a thread that waits for its descriptor or for the end. */
struct holder {
	pthread_t thread;
	int end;
	struct rdmareg *context;
	const char *ticket;
	struct rdmareg_peer *peer;
	pthread_barrier_t *ready;
};

static _Noreturn void fail(void)
{
	errno = 0;
	die(rdmareg_last_error());
}

static void *owner_thread(void *argument)
{
	struct holder *h = argument;
	struct pollfd item[2] = { { rdmareg_get_fd(h->context), POLLIN, 0 },
				  { h->end, POLLIN, 0 } };
	struct rdmareg_event event = { .size = sizeof(event) };

	while (poll(item, 2, -1) >= 0 && !item[1].revents) {
		if (rdmareg_dispatch(h->context) < 0)
			fail();
		while (rdmareg_next_event(h->context, &event) > 0)
			if (event.type == RDMAREG_EVENT_REVOCATION_REQUESTED)
				rdmareg_acknowledge(h->context, event.region, event.revocation.id);
	}
	return NULL;
}

static void *peer_thread(void *argument)
{
	struct rdmareg_peer_options options = { .size = sizeof(options),
						.on_revocation = RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_peer_event event = { .size = sizeof(event) };
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	struct holder *h = argument;
	struct pollfd item[2] = { { .events = POLLIN }, { h->end, POLLIN, 0 } };

	go_to_peer();
	if (rdmareg_peer_connect(h->ticket, RDMAREG_ACCESS_READ_WRITE, &options, &h->peer) < 0)
		fail();
	pthread_barrier_wait(h->ready);
	item[0].fd = rdmareg_peer_get_fd(h->peer);
	while (poll(item, 2, -1) >= 0 && !item[1].revents) {
		rdmareg_peer_dispatch(h->peer); /* acknowledges */
		while (rdmareg_peer_next_event(h->peer, &event) > 0)
			;
	}
	if (rdmareg_peer_get_info(h->peer, &info) < 0 || !info.connected)
		die("a peer that acknowledges was cut off");
	rdmareg_peer_close(h->peer);
	return NULL;
}

static void holder_end(struct holder *h)
{
	if (eventfd_write(h->end, 1) || pthread_join(h->thread, NULL))
		die("thread");
	close(h->end);
}

static double truncate_usec(int fd)
{
	double start = now_usec();

	if (ftruncate(fd, (off_t)LENGTH / 2))
		die("ftruncate");
	return now_usec() - start;
}

/* Until the keeper knows of the peer: its side of the handshake ends later than ours. */
static void await_peer(struct rdmareg_region *region)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };

	do {
		if (rdmareg_region_refresh(region) < 0 ||
		    rdmareg_region_get_info(region, &info) < 0)
			fail();
	} while (!info.peers);
}

static double registered_usec(const char *place, enum rdmareg_arbitrate arbitration, bool with_peer)
{
	struct rdmareg_register_options options = { .size = sizeof(options),
						    .grace_usec = 5000000,
						    .arbitration = arbitration };
	struct holder owner = { .end = eventfd(0, EFD_CLOEXEC) },
		      peer = { .end = eventfd(0, EFD_CLOEXEC) };
	int fd = new_file(place, LENGTH, ZEROED);
	struct rdmareg_region *region;
	pthread_barrier_t ready;
	char *ticket = NULL;
	double took;

	if (rdmareg_open(NULL, &owner.context) < 0 ||
	    rdmareg_register(owner.context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options,
			     &region) < 0 ||
	    rdmareg_export(region, NULL, &ticket) < 0)
		fail();
	if (with_peer) {
		pthread_barrier_init(&ready, NULL, 2);
		peer.ticket = ticket;
		peer.ready = &ready;
		if (pthread_create(&peer.thread, NULL, peer_thread, &peer))
			die("thread");
		pthread_barrier_wait(&ready);
		await_peer(
			/* who connects while a revocation begins may not be asked at all */
			region);
	}
	if (pthread_create(&owner.thread, NULL, owner_thread, &owner))
		die("thread");
	took = truncate_usec(fd);
	if (with_peer)
		holder_end(&peer);
	holder_end(&owner);
	if (rdmareg_release(region) < 0)
		fail();
	rdmareg_region_free(region);
	rdmareg_close(owner.context);
	free(ticket);
	close(fd);
	return took;
}

static double unregistered_usec(const char *place)
{
	int fd = new_file(place, LENGTH, ZEROED);
	double took = truncate_usec(fd);

	close(fd);
	return took;
}

/* Negative: nobody is asked on that filesystem. */
static double least_usec(const char *place, enum least_way way)
{
	int fd = new_file(place, LENGTH, ZEROED);
	double took = least_hold(way, fd) ? truncate_usec(fd) : -1;

	least_release();
	close(fd);
	return took;
}

static void print_least(const char *subject, const struct samples *ours,
			const struct samples least[_LEAST_WAYS])
{
	static const char *const measures[_LEAST_WAYS] = {
		[LEAST_KEEPER] = "the same with a bare keeper that asks by itself",
		[LEAST_SERVICE] = "the same with a bare service and keeper",
	};

	for (int w = 0; w < _LEAST_WAYS; w++)
		row(subject, measures[w], &least[w], "round trips", NULL);
	row_ratio(subject, "rdmaregd / a bare service and keeper, both beyond one without", ours,
		  &least[LEAST_SERVICE], NULL);
}

static void measure(const char *place, const char *arbitration, bool with_peer)
{
	enum rdmareg_arbitrate wish = strcmp(arbitration, "pre-content")
					      ? RDMAREG_ARBITRATE_AUTO
					      : RDMAREG_ARBITRATE_PRE_CONTENT;
	struct samples without = { 0 }, more = { 0 }, least[_LEAST_WAYS] = { 0 };
	int rounds = (int)bench_rounds(15);
	bool compared = !with_peer && wish == RDMAREG_ARBITRATE_AUTO;
	char subject[96];

	for (int i = 0; i < rounds; i++) {
		double plain = unregistered_usec(place);
		double with = registered_usec(place, wish, with_peer), unit = ping_usec();

		samples_add(&without, plain / unit);
		samples_add(&more, (with - plain) / unit);
		for (int w = 0; w < _LEAST_WAYS && compared; w++) {
			double took = least_usec(place, (enum least_way)w);

			compared = took >= 0;
			samples_add(&least[w], (took - plain) / unit);
		}
	}
	snprintf(subject, sizeof(subject), "%s, %s, %s", place_name(place), arbitration,
		 with_peer ? "owner and peer" : "owner");
	row(subject, "truncate, beyond one without registration, in D-Bus round trips", &more,
	    "round trips", with_peer ? "<= 3.5" : "<= 2.5");
	row(subject, "truncate without registration, in D-Bus round trips", &without, "round trips",
	    NULL);
	if (compared)
		print_least(subject, &more, least);
	samples_clear(&without);
	samples_clear(&more);
	for (int w = 0; w < _LEAST_WAYS; w++)
		samples_clear(&least[w]);
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P6");
	if (argc < 3 || argc % 2 == 0) {
		fprintf(stderr, "usage: p6-truncate PLACE ARBITRATION... [--quick]\n");
		return 2;
	}
	least_start(NULL);
	for (int i = 1; i < argc; i += 2) {
		measure(argv[i], argv[i + 1], false);
		measure(argv[i], argv[i + 1], true);
	}
	return 0;
}
