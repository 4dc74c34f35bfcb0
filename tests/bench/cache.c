// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cache.c - see cache.h.
 *
 * One connection of SOCK_SEQPACKET to each process, one answer to each order. A process ends when
 * the other end is closed.
 */
#include "cache.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "pass.h"
#include "watches.h"

const char *const cache_names[_CACHE_MAX] = {
	[CACHE_MEMHOOKS] = "libfabric, memhooks",
	[CACHE_USERFAULTFD] = "libfabric, userfaultfd",
	[CACHE_WATCHES] = "libfabric, watches",
	[CACHE_ODP] = "libfabric, memhooks, ODP",
};

enum verb { LISTEN, MAP, UNMAP, REGISTER, CLOSE, ADMIT, DISMISS };

struct order {
	enum verb verb;
	size_t length;
};

struct answer {
	int error;
	uint16_t port;
	uint64_t at;
	uint64_t key;
	double usec;
};

/* --- the process */

static enum cache_kind own_kind;
static struct fabric_node own;
static struct fabric_link peer;
static struct fid_mr *mr;
static char *map;
static size_t map_length;

static void choose_kind(enum cache_kind kind)
{
	own_kind = kind;
	setenv("FI_PROVIDER", "verbs", 1); /* the others look for adapters that are not there */
	if (kind == CACHE_WATCHES) {
		unsetenv("FI_MR_CACHE_MONITOR"); /* it would take the place of ours */
		watches_start();
		return;
	}
	setenv("FI_MR_CACHE_MONITOR", kind == CACHE_USERFAULTFD ? "userfaultfd" : "memhooks", 1);
	if (kind == CACHE_ODP)
		setenv("FI_VERBS_USE_ODP", "1", 1);
}

static void do_map(const int *fds, size_t n, size_t length)
{
	map_length = length;
	map = mmap(NULL, length, PROT_READ | PROT_WRITE,
		   MAP_POPULATE | (n ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), n ? fds[0] : -1,
		   0);
	if (map == MAP_FAILED)
		die("cache: mmap");
}

/* What is dead is taken down by the next search, which is to be none that is timed. */
static void do_unmap(void)
{
	static char other[PAGE] __attribute__((aligned(4096)));
	struct fid_mr *none;

	munmap(map, map_length);
	if (own_kind == CACHE_WATCHES)
		watches_sweep();
	if (!fabric_register(&own, other, PAGE, &none))
		fi_close(&none->fid);
}

static void do_register(struct answer *ret)
{
	double start = now_usec();

	ret->error = fabric_register(&own, map, map_length, &mr);
	ret->usec = now_usec() - start;
	ret->at = (uintptr_t)map;
	ret->key = ret->error ? 0 : fi_mr_key(mr);
}

static struct answer take_order(const struct order *order, const char *address, const int *fds,
				size_t n)
{
	struct answer answer = { 0 };

	switch (order->verb) {
	case LISTEN:
		answer.port = fabric_listen(&own, address);
		break;
	case MAP:
		do_map(fds, n, order->length);
		break;
	case UNMAP:
		do_unmap();
		break;
	case REGISTER:
		do_register(&answer);
		break;
	case CLOSE:
		fi_close(&mr->fid);
		break;
	case DISMISS:
		fabric_close(&peer);
		break;
	case ADMIT: /* when the answer is out */
		break;
	}
	return answer;
}

static _Noreturn void serve(int orders, enum cache_kind kind, const char *address)
{
	int fds[PASS_MAX];
	struct order order;
	size_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	choose_kind(kind);
	while (pass_receive(orders, &order, sizeof(order), fds, &n) == sizeof(order)) {
		struct answer answer = take_order(&order, address, fds, n);

		if (n)
			close(fds[0]);
		if (!pass_send(orders, &answer, sizeof(answer), NULL, 0))
			break;
		if (order.verb == ADMIT)
			fabric_accept(&own, &peer);
	}
	_exit(0);
}

/* --- who gives the orders, and is the peer */

static struct answer ask(struct cache *c, enum verb verb, size_t length, const int *fds, size_t n)
{
	struct order order = { .verb = verb, .length = length };
	struct answer answer;
	int none[PASS_MAX];

	if (!pass_send(c->orders, &order, sizeof(order), fds, n) ||
	    pass_receive(c->orders, &answer, sizeof(answer), none, &n) != sizeof(answer))
		die("a process with a cache has gone");
	return answer;
}

void cache_start(struct cache *c, enum cache_kind kind, const char *address)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	fflush(stdout);
	*c = (struct cache){ .process = fork(), .orders = pair[0], .address = address };
	if (c->process < 0)
		die("fork");
	if (!c->process) {
		close(pair[0]);
		serve(pair[1], kind, address);
	}
	close(pair[1]);
	c->port = ask(c, LISTEN, 0, NULL, 0).port;
}

void cache_map(struct cache *c, int fd, size_t length)
{
	ask(c, MAP, length, &fd, fd >= 0);
}

void cache_unmap(struct cache *c)
{
	ask(c, UNMAP, 0, NULL, 0);
}

int cache_register(struct cache *c)
{
	struct answer answer = ask(c, REGISTER, 0, NULL, 0);

	c->at = answer.at;
	c->key = answer.key;
	c->usec = answer.usec;
	return answer.error;
}

void cache_close(struct cache *c)
{
	ask(c, CLOSE, 0, NULL, 0);
}

void cache_connect(struct cache *c)
{
	setenv("FI_PROVIDER", "verbs", 1);
	setenv("FI_MR_CACHE_MONITOR", "disabled", 1); /* a peer has nothing to cache */
	ask(c, ADMIT, 0, NULL, 0);
	fabric_connect(&c->node, c->address, c->port, &c->link);
}

bool cache_write(struct cache *c, size_t offset)
{
	return fabric_write(&c->link, c->at + offset, c->key);
}

void cache_disconnect(struct cache *c)
{
	fabric_close(&c->link);
	ask(c, DISMISS, 0, NULL, 0);
}
