/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.h - what a test in the same process sees of fakes/peer.c. What always holds: counts only
 * rise.
 */
#ifndef RDMAREG_TEST_PEER_FAKE_H
#define RDMAREG_TEST_PEER_FAKE_H

#define FAKE_PEER_RAILS 4

struct fake_peer {
	unsigned int accesses[FAKE_PEER_RAILS]; /* READs and WRITEs over each rail */
	unsigned int asked, acknowledged;	/* revocations */
	unsigned int tried[FAKE_PEER_RAILS];	/* requests for a connection */
};
extern struct fake_peer fake_peer;

#endif
