// SPDX-License-Identifier: GPL-2.0-or-later
/* listener.c - see endpoint/listener.h. */
#include "keeper/endpoint/listener.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 64
#define NODES "/dev/infiniband/"
#define VERBS "/sys/class/infiniband_verbs"

static void destroy_idp(struct rdma_cm_id **id)
{
	if (*id)
		rdma_destroy_id(*id);
}

static void freeifaddrsp(struct ifaddrs **a)
{
	if (*a)
		freeifaddrs(*a);
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

static int try_address(struct rdma_cm_id **ret, struct rdma_event_channel *channel,
		       struct sockaddr_storage *address, uint16_t port,
		       const struct endpoint_ops *ops, void *userdata, struct failure *why)
{
	_cleanup_(destroy_idp) struct rdma_cm_id *id = NULL;
	int r;

	set_port(address, port);
	if (rdma_create_id(channel, &id, NULL, RDMA_PS_TCP) < 0)
		return fail(why, -errno,
			    "The RDMA connection manager cannot be used: %m (is rdma_ucm loaded?)");
	if (rdma_bind_addr(id, (struct sockaddr *)address) < 0)
		return fail(why, errno == EADDRINUSE ? -EADDRINUSE : -EADDRNOTAVAIL,
			    "RDMA cannot listen there: %m");
	if (!id->verbs)
		return fail(why, -EADDRNOTAVAIL, "No RDMA device has this address");
	r = ops->check_device(userdata, id->verbs, why);
	if (r < 0)
		return r;
	if (rdma_listen(id, BACKLOG) < 0)
		return fail(why, -errno, "RDMA cannot listen there: %m");
	*ret = steal_pointer(id);
	return 0;
}

static int try_named(struct rdma_cm_id **ret, struct rdma_event_channel *channel,
		     const char *address, uint16_t port, const struct endpoint_ops *ops,
		     void *userdata, struct failure *why)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found;
	struct sockaddr_storage a = { 0 };

	if (getaddrinfo(address, NULL, &hints, &found))
		return fail(why, -EADDRNOTAVAIL, "It is not a numeric address");
	memcpy(&a, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return try_address(ret, channel, &a, port, ops, userdata, why);
}

static bool is_usable(const struct ifaddrs *i, int family)
{
	if (!i->ifa_addr || i->ifa_addr->sa_family != family)
		return false;
	if (!(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
		return false;
	/* a ticket cannot carry the scope that a link-local address needs */
	return family != AF_INET6 ||
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr);
}

/* 0, or why it cannot be opened. */
static int try_node(const char *name)
{
	char path[sizeof(NODES) + NAME_MAX];
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), NODES "%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static bool is_forbidden(int error)
{
	return error == -EACCES || error == -EPERM;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int refuse_node(const char *name, struct failure *why)
{
	return fail(
		why, -EACCES,
		"User %u may not open " NODES
		"%.40s: its permissions (udev, group rdma) or DeviceAllow= of the keeper's unit forbid it",
		(unsigned int)getuid(), name);
}

int listener_check_nodes(struct failure *why)
{
	_cleanup_(closedirp) DIR *d = opendir(VERBS);
	char forbidden[NAME_MAX + 1] = "";
	const struct dirent *entry;

	if (is_forbidden(try_node("rdma_cm")))
		return refuse_node("rdma_cm", why);
	while (d && (entry = readdir(d))) {
		int error;

		if (strncmp(entry->d_name, "uverbs", 6) != 0)
			continue;
		error = try_node(entry->d_name);
		if (!error) /* one that may be used is enough */
			return 0;
		if (is_forbidden(error))
			snprintf(forbidden, sizeof(forbidden), "%s", entry->d_name);
	}
	return forbidden[0] ? refuse_node(forbidden, why) : 0;
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
				  &((const struct sockaddr_in6 *)b)->sin6_addr);
}

bool listener_is_reachable(struct rdma_cm_id *id)
{
	const struct sockaddr *own = rdma_get_local_addr(id);
	_cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return true; /* nothing better is known */
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_flags & IFF_UP) && is_same_address(i->ifa_addr, own))
			return true;
	return false;
}

int listener_new(struct rdma_cm_id **ret, struct rdma_event_channel *channel, const char *address,
		 uint16_t port, const struct endpoint_ops *ops, void *userdata, struct failure *why)
{
	static const int families[] = { AF_INET, AF_INET6 };
	_cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;
	struct failure best = { 0 }, last = { 0 };
	struct sockaddr_storage a;
	int r;

	if (strcmp(address, "any") != 0)
		return try_named(ret, channel, address, port, ops, userdata, why);
	if (getifaddrs(&all) < 0)
		return fail(why, -errno, "The network interfaces cannot be listed: %m");
	for (size_t f = 0; f < 2; f++)
		for (struct ifaddrs *i = all; i; i = i->ifa_next) {
			if (!is_usable(i, families[f]))
				continue;
			memset(&a, 0, sizeof(a));
			memcpy(&a, i->ifa_addr,
			       families[f] == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_in6));
			r = try_address(ret, channel, &a, port, ops, userdata, &last);
			if (r == 0)
				return 0;
			/* that a device is there but unfit says more than that there is none */
			if (!best.text[0] || r == -EOPNOTSUPP)
				best = last;
		}
	return fail(why, -ENXIO, "No RDMA device with on-demand paging has an address here%s%.120s",
		    best.text[0] ? "; last tried: " : "", best.text);
}
