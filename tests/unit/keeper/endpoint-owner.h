/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint-owner.h - who owns an endpoint in a test: hears of its peers, and counts. Whom it admits,
 * and what else it is asked, is the test's. What always holds: all of it is used by whoever has it.
 */
#ifndef RDMAREG_TESTS_ENDPOINT_OWNER_H
#define RDMAREG_TESTS_ENDPOINT_OWNER_H

#include "keeper/endpoint/endpoint.h"

static struct {
	unsigned int joined, left, abandoned, acknowledged, addresses, synced, device_gone;
	enum peer_left why;
} heard;

static int on_check_device(void *userdata, struct ibv_context *context, struct failure *why)
{
	(void)userdata, (void)context, (void)why;
	return 0;
}

static void on_joined(void *userdata, const struct endpoint_peer *p)
{
	(void)userdata, (void)p;
	heard.joined++;
}

static void on_left(void *userdata, const struct endpoint_peer *p, enum peer_left why)
{
	(void)userdata, (void)p;
	heard.left++;
	heard.why = why;
}

static void on_abandoned(void *userdata, const struct endpoint_peer *p)
{
	(void)userdata, (void)p;
	heard.abandoned++;
}

static void on_acknowledged(void *userdata, const struct endpoint_peer *p, uint64_t revocation)
{
	(void)userdata, (void)p, (void)revocation;
	heard.acknowledged++;
}

static void on_closed(void *userdata, uint64_t region)
{
	(void)userdata, (void)region;
}

static void on_addresses_changed(void *userdata)
{
	(void)userdata;
	heard.addresses++;
}

static void on_device_gone(void *userdata)
{
	(void)userdata;
	heard.device_gone++;
}

/* Those of struct endpoint_ops. */
#define ENDPOINT_OWNER                                                                   \
	.check_device = on_check_device, .joined = on_joined, .left = on_left,           \
	.abandoned = on_abandoned, .acknowledged = on_acknowledged, .closed = on_closed, \
	.device_gone = on_device_gone, .addresses_changed = on_addresses_changed

#endif
