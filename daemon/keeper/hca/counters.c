// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counters.c - see hca/counters.h: libmnl.
 *
 * The kernel numbers protection domains upwards, so the highest number among those of our process is
 * the one that was allocated last. Which number a memory region has says its domain, which has no
 * other: several may be registered at once, and finish in any order.
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

/* What is read of an entry, of a region or of a domain. */
struct entry {
	uint32_t number;
	uint32_t domain;
	uint32_t pid;
	uint32_t rkey;
	uint64_t length;
};

static int parse_u32(const struct nlattr *a, uint32_t *ret)
{
	if (!valid(a, MNL_TYPE_U32))
		return -EBADMSG;
	*ret = mnl_attr_get_u32(a);
	return 0;
}

/* @ret: as it is where the kernel says nothing */
static int parse_entry(const struct nlattr *entry, struct entry *ret)
{
	const struct nlattr *a;
	int r = 0;

	mnl_attr_for_each_nested(a, entry) {
		switch (mnl_attr_get_type(a)) {
		case RDMA_NLDEV_ATTR_RES_MRN:
			r = parse_u32(a, &ret->number);
			break;
		case RDMA_NLDEV_ATTR_RES_PDN:
			r = parse_u32(a, &ret->domain);
			break;
		case RDMA_NLDEV_ATTR_RES_PID:
			r = parse_u32(a, &ret->pid);
			break;
		case RDMA_NLDEV_ATTR_RES_RKEY:
			r = parse_u32(a, &ret->rkey);
			break;
		case RDMA_NLDEV_ATTR_RES_MRLEN:
			if (!valid(a, MNL_TYPE_U64))
				return -EBADMSG;
			ret->length = mnl_attr_get_u64(a);
			break;
		default:
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

enum subject { DOMAIN, REGION, FAULTS };

/* Its number, if it is one of ours that is like @wanted, of whom a domain has the process alone. */
static uint32_t match(enum subject about, const struct entry *e,
		      const struct counters_region *wanted)
{
	if (e->pid != wanted->pid)
		return 0;
	if (about == DOMAIN)
		return e->domain;
	return e->domain == wanted->domain && e->length == wanted->length && e->rkey == wanted->rkey
		       ? e->number
		       : 0;
}

/* The highest one. */
static int parse_list(const struct nlmsghdr *message, enum subject about,
		      const struct counters_region *wanted, uint32_t *ret_number)
{
	const uint16_t type = about == DOMAIN ? RDMA_NLDEV_ATTR_RES_PD : RDMA_NLDEV_ATTR_RES_MR;
	const struct nlattr *table, *entry;
	uint32_t best = *ret_number, number;
	int r;

	mnl_attr_for_each(table, message, 0) {
		if (mnl_attr_get_type(table) != type)
			continue;
		mnl_attr_for_each_nested(entry, table) {
			struct entry e = { .rkey = wanted->rkey };

			r = parse_entry(entry, &e);
			if (r < 0)
				return r;
			number = match(about, &e, wanted);
			best = number > best ? number : best;
		}
	}
	*ret_number = best;
	return 0;
}

int counters_parse_regions(const struct nlmsghdr *message, const struct counters_region *wanted,
			   uint32_t *ret_number)
{
	return parse_list(message, REGION, wanted, ret_number);
}

int counters_parse_domains(const struct nlmsghdr *message, uint32_t pid, uint32_t *ret_number)
{
	return parse_list(message, DOMAIN, &(struct counters_region){ .pid = pid }, ret_number);
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
	enum subject about;
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
	if (q->about == FAULTS)
		q->error = counters_parse_faults(message, &q->faults);
	else
		q->error = parse_list(message, q->about, q->wanted, &q->number);
	return q->error < 0 ? MNL_CB_ERROR : q->about == FAULTS ? MNL_CB_STOP : MNL_CB_OK;
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

/* In a list of all. */
static int find(struct counters *c, enum subject about, const struct counters_region *wanted,
		uint32_t *ret_number)
{
	int command = about == REGION ? RDMA_NLDEV_CMD_RES_MR_GET : RDMA_NLDEV_CMD_RES_PD_GET;
	struct question q = { .about = about, .wanted = wanted };
	char space[256] __attribute__((aligned(8)));
	int r = ask(c, new_request(c, space, command, NLM_F_DUMP), &q);

	if (r < 0)
		return r;
	if (!q.number)
		return -ENOENT;
	*ret_number = q.number;
	return 0;
}

int counters_find_domain(struct counters *c, uint32_t pid, uint32_t *ret_number)
{
	return find(c, DOMAIN, &(struct counters_region){ .pid = pid }, ret_number);
}

int counters_find(struct counters *c, const struct counters_region *wanted, uint32_t *ret_number)
{
	return find(c, REGION, wanted, ret_number);
}

int counters_read(struct counters *c, uint32_t number, uint64_t *ret_faults)
{
	char space[256] __attribute__((aligned(8)));
	struct nlmsghdr *m = new_request(c, space, RDMA_NLDEV_CMD_STAT_GET, 0);
	struct question q = { .about = FAULTS };
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
