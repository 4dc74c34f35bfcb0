// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counting-peer.c - a remote peer that writes rising numbers all over a region, reads each back, and
 * knows how many were acknowledged: so that what is in the file afterwards shows whether one was lost.
 *
 *   counting-peer use TICKET FIRST
 *	Number N goes to the start of page N of the region, modulo the region's pages, from N = FIRST on, until SIGTERM, or until an
 *	operation fails. Prints "LAST asked ASKED STATUS": the last number that was written and read back, how often the host asked for
 *	the region meanwhile, and 0 or the error that ended it.
 *   counting-peer check FILE LAST
 *	Each page of FILE has the number that it must have if all numbers from 1 to LAST were written, or a later one.
 *
 * Exits 0: stopped, or all there. 1: an operation failed, or numbers are missing. 2: it could not begin.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rdmareg.h>

#define PAGE 4096u

static volatile sig_atomic_t stopped;
static unsigned int asked;

static void on_term(int number)
{
	(void)number;
	stopped = 1;
}

static void on_event(const struct rdmareg_peer_event *event, void *userdata)
{
	(void)userdata;
	asked += event->type == RDMAREG_PEER_EVENT_ASKED;
}

/* 0, or why it is not there. A signal only shortens an operation: nothing of it is counted. */
static int write_and_read(struct rdmareg_peer *p, uint64_t number, uint64_t at)
{
	uint64_t back = 0;
	int64_t n = rdmareg_peer_write(p, &number, sizeof(number), at);

	if (n == (int64_t)sizeof(number))
		n = rdmareg_peer_read(p, &back, sizeof(back), at);
	if (n != (int64_t)sizeof(number))
		return n < 0 ? (int)n : -EINTR;
	return back == number ? 0 : -EILSEQ;
}

static int use(const char *ticket, uint64_t number)
{
	const struct rdmareg_peer_options options = { .size = sizeof(options),
						      .on_event = on_event,
						      .on_revocation =
							      RDMAREG_ON_REVOCATION_YIELD };
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	struct sigaction action = { .sa_handler = on_term };
	struct rdmareg_peer *p;
	int r = rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ_WRITE, &options, &p);

	if (r < 0 || rdmareg_peer_get_info(p, &info) < 0 || sigaction(SIGTERM, &action, NULL) < 0) {
		fprintf(stderr, "counting-peer: %s\n", rdmareg_last_error());
		return 2;
	}
	for (; r == 0 && !stopped; number += r == 0)
		r = write_and_read(p, number, number % (info.valid_length / PAGE) * PAGE);
	if (stopped && r == -EINTR)
		r = 0;
	printf("%" PRIu64 " asked %u %d\n", number - 1, asked, r);
	if (r)
		fprintf(stderr, "counting-peer: %s\n", rdmareg_last_error());
	rdmareg_peer_close(p);
	return r != 0;
}

static int check(const char *path, uint64_t last)
{
	uint64_t pages, missing = 0, there;
	FILE *f = fopen(path, "re");

	if (!f || fseek(f, 0, SEEK_END)) {
		perror(path);
		return 2;
	}
	pages = (uint64_t)ftell(f) / PAGE;
	for (uint64_t n = last; n > 0 && n + pages > last; n--) {
		if (fseek(f, (long)(n % pages * PAGE), SEEK_SET) ||
		    fread(&there, sizeof(there), 1, f) != 1 || there < n ||
		    there % pages != n % pages) {
			fprintf(stderr, "number %" PRIu64 " is not in %s\n", n, path);
			missing++;
		}
	}
	fclose(f);
	return missing != 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "use"))
		return use(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv[2], strtoull(argv[3], NULL, 10));
	fprintf(stderr, "usage: counting-peer use TICKET FIRST | check FILE LAST\n");
	return 2;
}
