// SPDX-License-Identifier: GPL-2.0-or-later
/* addresses.c - see endpoint/addresses.h. */
#include "keeper/endpoint/addresses.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/endpoint/listener.h"
#include "keeper/endpoint/peers.h"
#include "util/clock.h"
#include "util/log.h"

#define NEWS_USEC (100 * USEC_PER_MSEC) /* much can change at a time */
#define RETRY_USEC (2 * USEC_PER_SEC)
#define READS_MAX 64

struct place {
	struct rdma_cm_id *id; /* NULL: not listened on, @why */
	bool there;	       /* and the machine has the address */
	bool elsewhere;	       /* it was another device's when it was last seen: not ours to miss */
	struct failure why;    /* if it is not there */
	char address[64];      /* numeric */
};

struct addresses {
	struct endpoint *endpoint;
	const char *device;	     /* the only one that is wanted; empty: any */
	struct ibv_context *context; /* NULL: not chosen yet */
	uint8_t device_port;
	bool any;	/* nobody asked for these: they were found, one after the other */
	size_t current; /* @any: the one that tickets name */
	uint16_t port;	/* asked for */
	struct place place[LISTEN_ADDRESSES_MAX];
	size_t n;
	struct mnl_socket *news; /* NULL: the kernel does not tell */
	struct event *news_event;
	struct event *look_event;
	bool look_is_near; /* news came: what comes next does not put it off */
	char trouble[200];
};

/* Do tickets name it, if it is there? */
static bool is_named(const struct addresses *a, size_t i)
{
	return !a->any || i == a->current;
}

/* The first one from @i on that tickets name and peers can connect to; @a->n: none. */
static size_t find_there(const struct addresses *a, size_t i)
{
	while (i < a->n && !(a->place[i].there && is_named(a, i)))
		i++;
	return i;
}

/* -EXDEV: it is another one's. */
static int on_check_device(void *userdata, struct ibv_context *context, struct failure *why)
{
	const char *name = ibv_get_device_name(context->device);
	const struct addresses *a = userdata;

	if (a->context && context != a->context)
		return fail(why, -EXDEV, "It is of RDMA device %.63s, and this keeper uses %.63s",
			    name, ibv_get_device_name(a->context->device));
	if (a->context)
		return 0;
	if (*a->device && strcmp(a->device, name) != 0)
		return fail(why, -EXDEV, "It is of RDMA device %.63s, and this session uses %.63s",
			    name, a->device);
	return a->endpoint->ops->check_device(a->endpoint->userdata, context, why);
}

static const struct endpoint_ops our_device = { .check_device = on_check_device };

static void note_place(struct place *p)
{
	getnameinfo(rdma_get_local_addr(p->id), sizeof(struct sockaddr_storage), p->address,
		    sizeof(p->address), NULL, 0, NI_NUMERICHOST);
}

static void find_another(struct addresses *a)
{
	struct rdma_cm_id *new;
	struct failure why;
	struct place *p;

	for (size_t i = 0; i < a->n; i++)
		if (a->place[i].there) {
			a->current = i;
			return;
		}
	if (listener_new(&new, a->endpoint->channel, "any", a->port, &our_device, a, &why) < 0)
		return;
	a->current = a->n < LISTEN_ADDRESSES_MAX ? a->n++ : (a->current + 1) % LISTEN_ADDRESSES_MAX;
	p = &a->place[a->current];
	if (p->id)
		rdma_destroy_id(p->id);
	*p = (struct place){ .id = new, .there = true };
	note_place(p);
}

/*
 * The address that was found for "any" is gone: tickets name another one of the same device. It is
 * still listened on, so that tickets of before are good again when it is back; the last few are.
 */
static void move(struct addresses *a)
{
	char gone[sizeof(a->place[0].address)];
	size_t was = a->current;

	memcpy(gone, a->place[was].address, sizeof(gone));
	find_another(a);
	if (a->current == was)
		return;
	log_warning(
		"listening on %s port %u instead of %s, RDMA device %s; tickets that name %s work when it is back",
		a->place[a->current].address,
		(unsigned int)be16toh(rdma_get_src_port(a->place[a->current].id)), gone,
		ibv_get_device_name(a->context->device), gone);
}

static int listen_on(struct addresses *a, struct place *p)
{
	int r = listener_new(&p->id, a->endpoint->channel, a->any ? "any" : p->address, a->port,
			     &our_device, a, &p->why);

	p->elsewhere = r == -EXDEV || (r < 0 && p->elsewhere);
	if (r < 0)
		return r;
	if (!a->context) {
		a->context = p->id->verbs;
		a->device_port = p->id->port_num;
	}
	note_place(p);
	return 0;
}

static void look_at(struct addresses *a, struct place *p)
{
	p->there = false;
	if (!p->id && listen_on(a, p) < 0)
		return;
	p->there = listener_is_reachable(p->id);
	if (!p->there)
		fail(&p->why, 0, "No interface that is up has this address");
}

static void describe(struct addresses *a)
{
	bool none = find_there(a, 0) == a->n;
	size_t n = 0;

	a->trouble[0] = 0;
	for (size_t i = 0; i < a->n && n < sizeof(a->trouble); i++) {
		const struct place *p = &a->place[i];

		if (!p->there && !p->elsewhere && is_named(a, i))
			n += (size_t)snprintf(a->trouble + n, sizeof(a->trouble) - n, "%s%s: %s",
					      n	     ? "; "
					      : none ? "no peer can connect: "
						     : "some addresses cannot be reached: ",
					      p->address, p->why.text);
	}
}

static void look_later(struct addresses *a, uint64_t usec)
{
	struct timeval tv = timeval_from_usec(usec);

	evtimer_add(a->look_event, &tv);
}

static void look(struct addresses *a)
{
	char before[sizeof(a->trouble)];

	if (a->endpoint->removed)
		return;
	memcpy(before, a->trouble, sizeof(before));
	for (size_t i = 0; i < a->n; i++)
		look_at(a, &a->place[i]);
	if (a->any && !a->place[a->current].there)
		move(a);
	describe(a);
	if (*a->trouble && !a->look_is_near)
		look_later(a, RETRY_USEC);
	if (strcmp(before, a->trouble) != 0)
		a->endpoint->ops->addresses_changed(a->endpoint->userdata);
}

static void on_look(evutil_socket_t fd, short what, void *userdata)
{
	struct addresses *a = userdata;

	(void)fd;
	(void)what;
	a->look_is_near = false;
	look(a);
}

/* What changed is not read: all of it is looked at. Nor does it matter if something was dropped. */
static void on_news(evutil_socket_t fd, short what, void *userdata)
{
	struct addresses *a = userdata;
	char buffer[4096];
	int n = READS_MAX;

	(void)fd;
	(void)what;
	while (n-- && (mnl_socket_recvfrom(a->news, buffer, sizeof(buffer)) > 0 ||
		       errno == ENOBUFS || errno == ENOSPC))
		;
	if (!a->look_is_near)
		look_later(a, NEWS_USEC);
	a->look_is_near = true;
}

static int listen_for_news(struct addresses *a, struct event_base *base)
{
	a->look_event = evtimer_new(base, on_look, a);
	if (!a->look_event)
		return -ENOMEM;
	a->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!a->news ||
	    mnl_socket_bind(a->news, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID) < 0) {
		log_warning("changes of addresses are noticed at the next ticket only: %m");
		return 0;
	}
	a->news_event =
		event_new(base, mnl_socket_get_fd(a->news), EV_READ | EV_PERSIST, on_news, a);
	return a->news_event && event_add(a->news_event, NULL) == 0 ? 0 : -ENOMEM;
}

/* The addresses of the setting, as far as there are places. */
static int read_places(struct addresses *a, const char *text, struct failure *why)
{
	static const char between[] = LISTEN_ADDRESSES_BETWEEN;

	for (text += strspn(text, between); *text; text += strspn(text, between)) {
		size_t n = strcspn(text, between);

		if (a->n == LISTEN_ADDRESSES_MAX || n >= sizeof(a->place[0].address))
			return fail(why, -EADDRNOTAVAIL,
				    "At most %d numeric addresses can be listened on",
				    LISTEN_ADDRESSES_MAX);
		memcpy(a->place[a->n++].address, text, n);
		text += n;
	}
	return 0;
}

/* None can be listened on: the first one that is not known to be another device's, or the first. */
static const struct place *find_blamed(const struct addresses *a)
{
	size_t i = 0;

	while (i < a->n && a->place[i].elsewhere)
		i++;
	return &a->place[i < a->n ? i : 0];
}

int addresses_new(struct addresses **ret, struct endpoint *e, struct event_base *base,
		  const struct endpoint_options *o, struct failure *why)
{
	struct addresses *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->endpoint = e;
	a->any = strcmp(o->address, "any") == 0;
	a->device = o->device ? o->device : "";
	a->port = o->port;
	r = read_places(a, o->address, why);
	if (r == 0)
		r = listen_for_news(a, base);
	for (size_t i = 0; r == 0 && i < a->n; i++) {
		a->place[i].there = listen_on(a, &a->place[i]) == 0;
	}
	if (r == 0 && !a->context) {
		*why = find_blamed(a)->why;
		r = why->code == -EXDEV ? -EADDRNOTAVAIL : why->code;
	}
	if (r < 0) {
		addresses_free(a);
		return r;
	}
	describe(a);
	if (*a->trouble)
		look_later(a, RETRY_USEC);
	*ret = a;
	return 0;
}

struct addresses *addresses_free(struct addresses *a)
{
	if (!a)
		return NULL;
	if (a->news_event)
		event_free(a->news_event);
	if (a->look_event)
		event_free(a->look_event);
	if (a->news)
		mnl_socket_close(a->news);
	for (size_t i = 0; i < a->n; i++)
		if (a->place[i].id)
			rdma_destroy_id(a->place[i].id);
	free(a);
	return NULL;
}

struct ibv_context *addresses_context(const struct addresses *a)
{
	return a->context;
}

uint8_t addresses_device_port(const struct addresses *a)
{
	return a->device_port;
}

void endpoint_look_at_addresses(struct endpoint *e)
{
	look(e->addresses);
}

const char *endpoint_trouble(const struct endpoint *e)
{
	return e->addresses->trouble;
}

size_t endpoint_places(const struct endpoint *e, struct wire_place out[LISTEN_ADDRESSES_MAX])
{
	const struct addresses *a = e->addresses;
	size_t n = 0;

	for (size_t i = find_there(a, 0); i < a->n; i = find_there(a, i + 1)) {
		memcpy(out[n].address, a->place[i].address, sizeof(out[n].address));
		out[n++].port = be16toh(rdma_get_src_port(a->place[i].id));
	}
	return n;
}

/* The first that peers can connect to, or could. */
static const struct place *first_place(const struct endpoint *e)
{
	const struct addresses *a = e->addresses;
	size_t i = find_there(a, 0);

	for (size_t j = 0; i == a->n && j < a->n; j++)
		if (a->place[j].id && is_named(a, j))
			i = j;
	return &a->place[i];
}

const char *endpoint_address(const struct endpoint *e)
{
	return first_place(e)->address;
}

uint16_t endpoint_port(const struct endpoint *e)
{
	return be16toh(rdma_get_src_port(first_place(e)->id));
}
