// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counters.c - see hca/counters.h: libmnl.
 *
 * The kernel numbers memory regions upwards, and the worker alone registers, so the highest number
 * among those of our process and of the right length is the one that was registered last.
 */
#include "keeper/hca/counters.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <rdma/rdma_netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define TIMEOUT_SEC 1
#define NAME_FAULTS "page_faults"

struct counters {
	struct mnl_socket *socket;
	uint32_t device;
	uint32_t sequence;
};

/* The attribute @type of a list that @type is valid for, or NULL. */
static const struct nlattr *valid(const struct nlattr *a, enum mnl_attr_data_type type)
{
	return mnl_attr_validate(a, type) < 0 ? NULL : a;
}

static int parse_region(const struct nlattr *entry, const struct counters_region *wanted,
			uint32_t *best)
{
	uint32_t number = 0, pid = 0, rkey = wanted->rkey;
	uint64_t length = 0;
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, entry) {
		switch (mnl_attr_get_type(a)) {
		case RDMA_NLDEV_ATTR_RES_MRN:
			if (!valid(a, MNL_TYPE_U32))
				return -EBADMSG;
			number = mnl_attr_get_u32(a);
			break;
		case RDMA_NLDEV_ATTR_RES_PID:
			if (!valid(a, MNL_TYPE_U32))
				return -EBADMSG;
			pid = mnl_attr_get_u32(a);
			break;
		case RDMA_NLDEV_ATTR_RES_RKEY:
			if (!valid(a, MNL_TYPE_U32))
				return -EBADMSG;
			rkey = mnl_attr_get_u32(a);
			break;
		case RDMA_NLDEV_ATTR_RES_MRLEN:
			if (!valid(a, MNL_TYPE_U64))
				return -EBADMSG;
			length = mnl_attr_get_u64(a);
			break;
		default:
			break;
		}
	}
	if (pid == wanted->pid && length == wanted->length && rkey == wanted->rkey &&
	    number > *best)
		*best = number;
	return 0;
}

int counters_parse_regions(const struct nlmsghdr *message, const struct counters_region *wanted,
			   uint32_t *ret_number)
{
	const struct nlattr *table, *entry;
	uint32_t best = *ret_number;
	int r;

	mnl_attr_for_each(table, message, 0) {
		if (mnl_attr_get_type(table) != RDMA_NLDEV_ATTR_RES_MR)
			continue;
		mnl_attr_for_each_nested(entry, table) {
			r = parse_region(entry, wanted, &best);
			if (r < 0)
				return r;
		}
	}
	*ret_number = best;
	return 0;
}

/* One counter: its value if it is the one we want. */
static int parse_counter(const struct nlattr *entry, bool *found, uint64_t *ret)
{
	const struct nlattr *a, *name = NULL, *value = NULL;

	mnl_attr_for_each_nested(a, entry) {
		if (mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_NAME)
			name = valid(a, MNL_TYPE_NUL_STRING);
		else if (mnl_attr_get_type(a) == RDMA_NLDEV_ATTR_STAT_HWCOUNTER_ENTRY_VALUE)
			value = valid(a, MNL_TYPE_U64);
	}
	if (!name || !value)
		return -EBADMSG;
	if (strcmp(mnl_attr_get_str(name), NAME_FAULTS) == 0) {
		*ret = mnl_attr_get_u64(value);
		*found = true;
	}
	return 0;
}

int counters_parse_faults(const struct nlmsghdr *message, uint64_t *ret_faults)
{
	const struct nlattr *table, *entry;
	uint64_t faults = 0;
	bool found = false;
	int r;

	mnl_attr_for_each(table, message, 0) {
		if (mnl_attr_get_type(table) != RDMA_NLDEV_ATTR_STAT_HWCOUNTERS)
			continue;
		mnl_attr_for_each_nested(entry, table) {
			r = parse_counter(entry, &found, &faults);
			if (r < 0)
				return r;
		}
	}
	if (!found)
		return -ENODATA;
	*ret_faults = faults;
	return 0;
}

/* What a reply's callback is to do; @error: what it found. */
struct question {
	const struct counters_region *wanted; /* NULL: faults */
	uint32_t number;
	uint64_t faults;
	bool answered;
	int error;
};

static int on_message(const struct nlmsghdr *message, void *userdata)
{
	struct question *q = userdata;

	q->answered = true;
	q->error = q->wanted ? counters_parse_regions(message, q->wanted, &q->number)
			     : counters_parse_faults(message, &q->faults);
	return q->error < 0 ? MNL_CB_ERROR : q->wanted ? MNL_CB_OK : MNL_CB_STOP;
}

static struct nlmsghdr *new_request(struct counters *c, char *space, int command, uint16_t flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(space);

	m->nlmsg_type = (uint16_t)RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlmsg_seq = ++c->sequence;
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_DEV_INDEX, c->device);
	return m;
}

static int ask(struct counters *c, const struct nlmsghdr *request, struct question *q)
{
	unsigned int port = mnl_socket_get_portid(c->socket);
	char answer[32768] __attribute__((aligned(8)));
	int more = MNL_CB_OK;
	ssize_t n;

	if (mnl_socket_sendto(c->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (more == MNL_CB_OK) {
		n = mnl_socket_recvfrom(c->socket, answer, sizeof(answer));
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		errno = 0;
		more = mnl_cb_run(answer, (size_t)n, c->sequence, port, on_message, q);
		if (more == MNL_CB_ERROR && q->error)
			return q->error;
		if (more == MNL_CB_ERROR)
			return errno ? -errno : -EBADMSG;
	}
	return 0;
}

int counters_find(struct counters *c, const struct counters_region *wanted, uint32_t *ret_number)
{
	char space[256] __attribute__((aligned(8)));
	struct question q = { .wanted = wanted };
	int r = ask(c, new_request(c, space, RDMA_NLDEV_CMD_RES_MR_GET, NLM_F_DUMP), &q);

	if (r < 0)
		return r;
	if (!q.number)
		return -ENOENT;
	*ret_number = q.number;
	return 0;
}

int counters_read(struct counters *c, uint32_t number, uint64_t *ret_faults)
{
	char space[256] __attribute__((aligned(8)));
	struct nlmsghdr *m = new_request(c, space, RDMA_NLDEV_CMD_STAT_GET, 0);
	struct question q = { 0 };
	int r;

	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_STAT_RES, RDMA_NLDEV_ATTR_RES_MR);
	mnl_attr_put_u32(m, RDMA_NLDEV_ATTR_RES_MRN, number);
	r = ask(c, m, &q);
	if (r < 0)
		return r;
	if (!q.answered)
		return -EBADMSG;
	*ret_faults = q.faults;
	return 0;
}

int counters_new(struct counters **ret, uint32_t device)
{
	_cleanup_(counters_freep) struct counters *c = calloc(1, sizeof(*c));
	const struct timeval timeout = { .tv_sec = TIMEOUT_SEC };

	if (!c)
		return -ENOMEM;
	c->device = device;
	c->socket = mnl_socket_open2(NETLINK_RDMA, SOCK_CLOEXEC);
	if (!c->socket)
		return -errno;
	if (mnl_socket_bind(c->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(c->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		return -errno;
	*ret = steal_pointer(c);
	return 0;
}

struct counters *counters_free(struct counters *c)
{
	if (!c)
		return NULL;
	if (c->socket)
		mnl_socket_close(c->socket);
	free(c);
	return NULL;
}
