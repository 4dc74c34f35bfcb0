// SPDX-License-Identifier: GPL-2.0-or-later
/* options.c - see options.h. */
#include "keeper/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdmareg-timers.h"
#include "util/log.h"

enum {
	OPT_SESSION,
	OPT_LISTEN_ADDRESS,
	OPT_PORT,
	OPT_DAEMON_UID,
	OPT_TENANT_UID,
	OPT_MAX_REGIONS,
	OPT_MAX_PEERS,
	OPT_MAX_TICKETS,
	OPT_DEADLINE_MARGIN,
	OPT_ALIGNMENT,
	OPT_MINIMUM_MTU,
	OPT_IDLE_EXIT,
	OPT_QUIRKS,
	OPT_RNR_TIMER,
	OPT_RNR_RETRIES,
	OPT_RETRIES,
	OPT_ACK_TIMEOUT,
	OPT_WARM_BYTES,
	OPT_MEMORY_STALL,
	OPT_STORAGE_STALL,
	_OPT_MAX,
};

static const struct option table[] = {
	[OPT_SESSION] = { "session", required_argument, NULL, OPT_SESSION },
	[OPT_LISTEN_ADDRESS] = { "listen-address", required_argument, NULL, OPT_LISTEN_ADDRESS },
	[OPT_PORT] = { "port", required_argument, NULL, OPT_PORT },
	[OPT_DAEMON_UID] = { "daemon-uid", required_argument, NULL, OPT_DAEMON_UID },
	[OPT_TENANT_UID] = { "tenant-uid", required_argument, NULL, OPT_TENANT_UID },
	[OPT_MAX_REGIONS] = { "max-regions", required_argument, NULL, OPT_MAX_REGIONS },
	[OPT_MAX_PEERS] = { "max-peers", required_argument, NULL, OPT_MAX_PEERS },
	[OPT_MAX_TICKETS] = { "max-tickets", required_argument, NULL, OPT_MAX_TICKETS },
	[OPT_DEADLINE_MARGIN] = { "deadline-margin-msec", required_argument, NULL,
				  OPT_DEADLINE_MARGIN },
	[OPT_ALIGNMENT] = { "alignment", required_argument, NULL, OPT_ALIGNMENT },
	[OPT_MINIMUM_MTU] = { "minimum-mtu", required_argument, NULL, OPT_MINIMUM_MTU },
	[OPT_IDLE_EXIT] = { "idle-exit-sec", required_argument, NULL, OPT_IDLE_EXIT },
	[OPT_QUIRKS] = { "quirks-directory", required_argument, NULL, OPT_QUIRKS },
	[OPT_RNR_TIMER] = { "rnr-timer-usec", required_argument, NULL, OPT_RNR_TIMER },
	[OPT_RNR_RETRIES] = { "rnr-retries", required_argument, NULL, OPT_RNR_RETRIES },
	[OPT_RETRIES] = { "retries", required_argument, NULL, OPT_RETRIES },
	[OPT_ACK_TIMEOUT] = { "ack-timeout-msec", required_argument, NULL, OPT_ACK_TIMEOUT },
	[OPT_WARM_BYTES] = { "warm-bytes-per-sec", required_argument, NULL, OPT_WARM_BYTES },
	[OPT_MEMORY_STALL] = { "memory-stall-msec", required_argument, NULL, OPT_MEMORY_STALL },
	[OPT_STORAGE_STALL] = { "storage-stall-msec", required_argument, NULL, OPT_STORAGE_STALL },
	[_OPT_MAX] = { NULL, 0, NULL, 0 },
};

static const struct {
	uint64_t least, most;
} bound[_OPT_MAX] = {
	[OPT_PORT] = { 0, UINT16_MAX },
	[OPT_DAEMON_UID] = { 0, UINT32_MAX - 1 },
	[OPT_TENANT_UID] = { 0, UINT32_MAX - 1 },
	[OPT_MAX_REGIONS] = { 1, 65536 },
	[OPT_MAX_PEERS] = { 1, 65536 },
	[OPT_MAX_TICKETS] = { 1, 4096 },
	[OPT_DEADLINE_MARGIN] = { 10, 60000 },
	[OPT_ALIGNMENT] = { 0, UINT32_C(1) << 30 },
	[OPT_MINIMUM_MTU] = { 0, 4096 },
	[OPT_IDLE_EXIT] = { 0, 86400 },
	[OPT_RNR_TIMER] = { 10, TIMERS_RNR_MAX_USEC },
	[OPT_RNR_RETRIES] = { 0, 7 },
	[OPT_RETRIES] = { 0, 6 }, /* 7 means for ever to some adapters */
	[OPT_ACK_TIMEOUT] = { 0, 60000 },
	[OPT_WARM_BYTES] = { UINT64_C(2) << 20, UINT64_C(1) << 50 },
	[OPT_MEMORY_STALL] = { 0, 2000 },
	[OPT_STORAGE_STALL] = { 5, 300000 },
};

static int parse_number(int which, const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || v < bound[which].least ||
	    v > bound[which].most) {
		log_error("--%s: \"%s\" is not a number between %" PRIu64 " and %" PRIu64,
			  table[which].name, text, bound[which].least, bound[which].most);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_session(const char *text, const char **ret)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(text);

	if (n < 1 || n > 48 || strspn(text, allowed) != n) {
		log_error("--session: \"%.60s\" is not 1 to 48 of [A-Za-z0-9_.-]", text);
		return -EINVAL;
	}
	*ret = text;
	return 0;
}

int options_parse(struct options *ret, int argc, char *argv[])
{
	struct options o = {
		.session = "default",
		.listen_address = "any",
		.daemon_uid = 0,
		.tenant_uid = getuid(),
		.max_regions = 1024,
		.max_peers = 1024,
		.max_tickets = 64,
		.deadline_margin_msec = 500,
		.warm_bytes_per_sec = UINT64_C(1) << 30,
		.memory_stall_msec = 100,
		.storage_stall_msec = 5000,
		.idle_exit_usec = 10 * UINT64_C(1000000),
		.quirks_directory = "",
		.rnr_timer_usec = 640,
		.rnr_retries = 7,
		.retries = 6,
	};
	int which, r = 0;

	optind = 1;
	while ((which = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		uint64_t v = 0;

		if (which >= _OPT_MAX)
			return -EINVAL; /* getopt has said what is wrong */
		if (which == OPT_SESSION)
			r = parse_session(optarg, &o.session);
		else if (which != OPT_LISTEN_ADDRESS && which != OPT_QUIRKS)
			r = parse_number(which, optarg, &v);
		if (r < 0)
			return r;
		switch (which) {
		case OPT_LISTEN_ADDRESS:
			o.listen_address = optarg;
			break;
		case OPT_PORT:
			o.port = (uint16_t)v;
			break;
		case OPT_DAEMON_UID:
			o.daemon_uid = (uid_t)v;
			break;
		case OPT_TENANT_UID:
			o.tenant_uid = (uid_t)v;
			break;
		case OPT_MAX_REGIONS:
			o.max_regions = (uint32_t)v;
			break;
		case OPT_MAX_PEERS:
			o.max_peers = (uint32_t)v;
			break;
		case OPT_MAX_TICKETS:
			o.max_tickets = (uint32_t)v;
			break;
		case OPT_DEADLINE_MARGIN:
			o.deadline_margin_msec = (uint32_t)v;
			break;
		case OPT_ALIGNMENT:
			o.alignment = (uint32_t)v;
			break;
		case OPT_MINIMUM_MTU:
			o.minimum_mtu = (uint32_t)v;
			break;
		case OPT_IDLE_EXIT:
			o.idle_exit_usec = v * UINT64_C(1000000);
			break;
		case OPT_QUIRKS:
			o.quirks_directory = optarg;
			break;
		case OPT_RNR_TIMER:
			o.rnr_timer_usec = (uint32_t)v;
			break;
		case OPT_RNR_RETRIES:
			o.rnr_retries = (uint8_t)v;
			break;
		case OPT_RETRIES:
			o.retries = (uint8_t)v;
			break;
		case OPT_ACK_TIMEOUT:
			o.ack_timeout_msec = (uint32_t)v;
			break;
		case OPT_WARM_BYTES:
			o.warm_bytes_per_sec = v;
			break;
		case OPT_MEMORY_STALL:
			o.memory_stall_msec = (uint32_t)v;
			break;
		case OPT_STORAGE_STALL:
			o.storage_stall_msec = (uint32_t)v;
			break;
		default:
			break;
		}
	}
	if (optind != argc) {
		log_error("unexpected argument \"%.60s\"", argv[optind]);
		return -EINVAL;
	}
	*ret = o;
	return 0;
}
