// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * good-tenant.c - a user of the product who does nothing special, over and over, and notes how long
 * each round took and whether it failed. What hostile programs do beside it must not make it fail.
 *
 *   good-tenant owner FILE SECONDS     registers FILE, finds it in the list, exports it, releases
 *   it good-tenant peer TICKET SECONDS    writes 64 KiB at a place chosen at random and reads them
 *   back good-tenant reader FILE SECONDS    reads a page of FILE at a place chosen at random, as
 *   any program does
 *
 * Ends after SECONDS, or at SIGTERM, after a whole round. Prints one line: rounds, failures,
 * median, p99 and longest round in microseconds; each failure with its words on standard error.
 * Exits 1 when a round failed, or when there was none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rdmareg.h>

#define PAGE 4096u
#define TRANSFER (64u << 10)
#define ROUNDS_MAX 1000000u
#define COMPLAINTS_MAX 10u

static volatile sig_atomic_t ended;
static uint64_t *rounds;
static size_t n_rounds, n_failed;

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool failed(const char *what)
{
	if (n_failed < COMPLAINTS_MAX)
		fprintf(stderr, "good-tenant: %s: %s\n", what, rdmareg_last_error());
	return false;
}

/* --- the owner */

struct owner {
	struct rdmareg *connection;
	int fd;
};

static bool find_in_list(struct rdmareg *c, uint64_t id)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *l;
	bool found = false;

	if (rdmareg_list(c, NULL, &l) < 0)
		return failed("list");
	while (!found && rdmareg_list_next(l, &info) > 0)
		found = info.id == id;
	rdmareg_list_free(l);
	return found || failed("the list lacks the region");
}

static bool owner_round(void *userdata)
{
	const struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = 1 };
	struct owner *o = userdata;
	struct rdmareg_region *r;
	char *ticket = NULL;
	bool good;

	if (rdmareg_register(o->connection, o->fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &r) <
	    0)
		return failed("register");
	good = find_in_list(o->connection, rdmareg_region_id(r));
	if (good && rdmareg_export(r, NULL, &ticket) < 0)
		good = failed("export");
	free(ticket);
	if (rdmareg_release(r) < 0)
		good = failed("release");
	rdmareg_region_free(r);
	return good;
}

/* --- the peer */

struct peer {
	struct rdmareg_peer *peer;
	uint64_t length;
	unsigned char out[TRANSFER], in[TRANSFER];
};

static bool peer_round(void *userdata)
{
	struct peer *p = userdata;
	uint64_t offset = (uint64_t)rand() % (p->length / TRANSFER) * TRANSFER;

	for (size_t i = 0; i < TRANSFER; i += PAGE)
		memset(p->out + i, rand() & 255, PAGE);
	if (rdmareg_peer_write(p->peer, p->out, TRANSFER, offset) != TRANSFER)
		return failed("write");
	if (rdmareg_peer_read(p->peer, p->in, TRANSFER, offset) != TRANSFER)
		return failed("read");
	if (!memcmp(p->out, p->in, TRANSFER))
		return true;
	fprintf(stderr, "good-tenant: other bytes than were written, at %llu\n",
		(unsigned long long)offset);
	return false;
}

/* --- the reader */

struct reader {
	int fd;
	uint64_t pages;
};

static bool reader_round(void *userdata)
{
	struct reader *r = userdata;
	char page[PAGE];

	if (pread(r->fd, page, sizeof(page), (off_t)((uint64_t)rand() % r->pages * PAGE)) ==
	    sizeof(page))
		return true;
	fprintf(stderr, "good-tenant: pread: %s\n", strerror(errno));
	return false;
}

/* --- both */

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static void go_on(bool (*round)(void *userdata), void *userdata, unsigned int seconds)
{
	uint64_t now = now_usec(), end = now + seconds * 1000000ull;

	while (!ended && now < end && n_rounds < ROUNDS_MAX) {
		uint64_t begun = now;

		n_failed += !round(userdata);
		now = now_usec();
		rounds[n_rounds++] = now - begun;
	}
}

static int by_length(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int report(void)
{
	if (n_rounds)
		qsort(rounds, n_rounds, sizeof(*rounds), by_length);
	printf("%zu %zu %llu %llu %llu\n", n_rounds, n_failed,
	       n_rounds ? (unsigned long long)rounds[n_rounds / 2] : 0,
	       n_rounds ? (unsigned long long)rounds[n_rounds * 99 / 100] : 0,
	       n_rounds ? (unsigned long long)rounds[n_rounds - 1] : 0);
	return n_failed || !n_rounds;
}

static int be_owner(const char *file, unsigned int seconds)
{
	struct owner o = { .fd = open(file, O_RDWR | O_CLOEXEC) };

	if (o.fd < 0 || rdmareg_open(NULL, &o.connection) < 0) {
		fprintf(stderr, "good-tenant: cannot begin: %s\n",
			o.fd < 0 ? strerror(errno) : rdmareg_last_error());
		return 1;
	}
	go_on(owner_round, &o, seconds);
	rdmareg_close(o.connection);
	return report();
}

static int be_peer(const char *ticket, unsigned int seconds)
{
	const struct rdmareg_peer_options options = { .size = sizeof(options),
						      .on_revocation =
							      RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	static struct peer p;

	if (rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ_WRITE, &options, &p.peer) < 0 ||
	    rdmareg_peer_get_info(p.peer, &info) < 0 || info.valid_length < TRANSFER) {
		fprintf(stderr, "good-tenant: cannot connect: %s\n", rdmareg_last_error());
		return 1;
	}
	p.length = info.valid_length;
	go_on(peer_round, &p, seconds);
	rdmareg_peer_close(p.peer);
	return report();
}

static int be_reader(const char *file, unsigned int seconds)
{
	struct reader r = { .fd = open(file, O_RDONLY | O_CLOEXEC) };
	struct stat st;

	if (r.fd < 0 || fstat(r.fd, &st) < 0 || st.st_size < (off_t)PAGE) {
		fprintf(stderr, "good-tenant: cannot read %s\n", file);
		return 1;
	}
	r.pages = (uint64_t)st.st_size / PAGE;
	go_on(reader_round, &r, seconds);
	return report();
}

int main(int argc, char *argv[])
{
	const struct sigaction on_end = { .sa_handler = on_term };
	unsigned int seconds = argc == 4 ? (unsigned int)atoi(argv[3]) : 0;

	rounds = calloc(ROUNDS_MAX, sizeof(*rounds));
	if (!seconds || !rounds) {
		fprintf(stderr,
			"usage: good-tenant owner|reader FILE SECONDS, good-tenant peer TICKET SECONDS\n");
		return 2;
	}
	sigaction(SIGTERM, &on_end, NULL);
	if (!strcmp(argv[1], "owner"))
		return be_owner(argv[2], seconds);
	if (!strcmp(argv[1], "reader"))
		return be_reader(argv[2], seconds);
	return be_peer(argv[2], seconds);
}
