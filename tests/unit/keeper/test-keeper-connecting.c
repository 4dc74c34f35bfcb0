// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-connecting.c - a whole keeper with fake adapters: peers whose connection is half open
 * when a revocation begins. Each is told when it is up, and is waited for like any other, until the
 * grace ends and no longer.
 *
 *   test-keeper-connecting KEEPER-FAKE
 */
#include "keeper-rig.h"

static void half_open(uint64_t region)
{
	tell("peer-connect", region, "rw");
	explain(region, 0, 0); /* whatever is said: the line before was obeyed */
}

static uint64_t establish(uint64_t region)
{
	tell("peer-establish", region, "");
	return client_event(&k, KEEPER_PEER_JOINED, region).peer.peer;
}

static uint64_t revocation(uint64_t region)
{
	return client_event(&k, KEEPER_REVOCATION, region).revocation.revocation;
}

/* What a peer that is up was asked and has not acknowledged. */
static uint64_t asked_of(uint64_t peer)
{
	struct keeper_message m = { .type = KEEPER_LIST };
	uint64_t operation = client_send(&k, &m, -1), asked = UINT64_MAX;

	for (;;) {
		m = client_answer(&k, operation);
		if (m.type == KEEPER_DONE)
			return asked;
		if (m.type == KEEPER_PEER && m.peer.peer == peer)
			asked = m.peer.revocation;
	}
}

/*
 * The daemon knows nobody who has to be asked, and says so: the fence waits for the peer all the
 * same.
 */
static void test_waits(void)
{
	uint64_t id, peer;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	half_open(id);
	tell("break", id, "fallocate");
	must(revocation(id) == 1 && client_consent(&k, id, 1) == 0);
	must(!client_has_event(&k, KEEPER_FENCED, id)); /* it would have come before the answer */
	peer = establish(id);
	must(asked_of(peer) == 1 && !client_has_event(&k, KEEPER_FENCED, id));
	tell("peer-ack", id, "");
	must(client_event(&k, KEEPER_PEER_ACK, id).peer.peer == peer);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(asked_of(peer) == 0 && !client_has_event(&k, KEEPER_PEER_LEFT, id));
	tell("peer-leave", id, "");
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 0);

	/*
	 * up before the consent, which is about others: the daemon heard of it after the question
	 */
	half_open(id);
	tell("break", id, "fallocate");
	must(revocation(id) == 2);
	establish(id);
	must(client_consent(&k, id, 2) == 0);
	must(!client_has_event(&k, KEEPER_FENCED, id));
	tell("peer-ack", id, "");
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

/* One that gives up, half open or up, is waited for no longer. */
static void test_leaves(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	for (uint64_t round = 1; round <= 2; round++) {
		half_open(id);
		tell("break", id, "fallocate");
		must(revocation(id) == round && client_consent(&k, id, round) == 0);
		must(!client_has_event(&k, KEEPER_FENCED, id));
		if (round == 2)
			establish(id);
		tell("peer-leave", id, "");
		must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
		client_event(&k, KEEPER_SETTLED, id);
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * One that says nothing more is given up at the end of the grace. Its use of the ticket counts if
 * it alone was waited for, or one ticket could hold up every revocation. One that is up by then is
 * cut off.
 */
static void test_silent(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, 20 * SHORT, POLICY_YIELD);
	must(client_export(&k, id, RW, 2, NULL) == 0);
	for (uint64_t round = 1; round <= 2; round++) {
		half_open(id);
		tell("break", id, "truncate 4096");
		must(revocation(id) == round);
		if (round == 2)
			must(client_consent(&k, id, round) == 0);
		must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
		client_event(&k, KEEPER_SETTLED, id);
		must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	}
	join(id);
	half_open(id); /* used up: refused */
	tell("peer-establish", id, "");
	explain(id, 0, 0);
	must(!client_has_event(&k, KEEPER_PEER_JOINED, id));
	must(client_release(&k, id) == 0);
	close(fd);

	id = make_region(&fd, 20 * SHORT, POLICY_YIELD);
	half_open(id);
	tell("break", id, "truncate 4096");
	must(revocation(id) == 1);
	establish(id);
	client_consent(&k, id, 1);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 1);
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* A region that ends cuts everybody off: nothing is gained by waiting. */
static void test_ends(void)
{
	struct keeper_message m = { .type = KEEPER_RELEASE, .demand.grace_usec = LONG };
	uint64_t id, operation;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	half_open(id);
	m.region = id;
	operation = client_send(&k, &m, -1);
	must(revocation(id) == 1 && client_consent(&k, id, 1) == 0);
	must(client_answer(&k, operation).done.error == 0);
	close(fd);
}

/*
 * Nobody is cut off under the policy follow: who is up only behind the fence hears of it, as those
 * did that were up before.
 */
static void test_behind_fence(void)
{
	struct keeper_message m = {
		.type = KEEPER_DEMAND,
		.demand = { .demand = 1, .length = MIB, .cause = CAUSE_ADMINISTRATOR }
	};
	uint64_t id, peer;
	int fd;

	id = make_region(&fd, LONG, POLICY_FOLLOW);
	half_open(id);
	m.region = id;
	must(client_call(&k, &m, -1).done.error == 0);
	peer = establish(id);
	must(asked_of(peer) == 1);
	m = (struct keeper_message){ .type = KEEPER_OVER, .region = id, .demand.demand = 1 };
	must(client_call(&k, &m, -1).done.error == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(asked_of(peer) == 0 && !client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * Somebody punches holes in a loop, and in a loop somebody connects, writes, leaves: both get on,
 * however they meet.
 */
static void test_loops(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	for (uint64_t round = 1; round <= 20; round++) {
		half_open(id);
		tell("break", id, "fallocate");
		must(revocation(id) == round);
		if (round & 1) { /* is told in the accept, and not waited for */
			half_open(id);
			establish(id);
		}
		must(client_consent(&k, id, round) == 0 &&
		     !client_has_event(&k, KEEPER_FENCED, id));
		establish(id);
		tell("peer-ack", id, "");
		must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
		if (!(round & 1))
			half_open(id);
		client_event(&k, KEEPER_SETTLED, id);
		if (!(round & 1))
			establish(id);
		must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
		tell("peer-leave", id, "");
		for (int i = 0; i < 2; i++)
			must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 0);
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

int main(int argc, char *argv[])
{
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_waits, test_leaves, test_silent, test_ends,
		test_behind_fence, test_loops);
	rig_end();
	return 0;
}
