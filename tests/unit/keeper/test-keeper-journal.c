// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-journal.c - what a keeper with fake adapters says of a revocation in its own journal: nothing while the daemon reads and
 * answers, which says it itself, and everything that nobody else may ever say.
 *
 *   test-keeper-journal KEEPER-FAKE
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "keeper-rig.h"

#define LISTS \
	80 /* whose answers fill the socket, and are fewer than stop the keeper from reading */

static int journal;

/* How many lines of a file have @text. */
static unsigned int lines_with(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	unsigned int n = 0;
	char line[1024];

	must(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

/* Whether the journal has "region ID: @text". */
static bool says(uint64_t id, const char *text)
{
	char path[32], line[160];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", journal);
	snprintf(line, sizeof(line), "region %" PRIu64 ": %s", id, text);
	return lines_with(path, line);
}

/* All that the journal has of the region is written then. */
static void end(uint64_t id, int fd)
{
	struct keeper_message m;

	must(client_release(&k, id) == 0);
	while (!says(id, "gone"))
		list(&m);
	close(fd);
}

static void test_answered(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("break", id, "fallocate");
	must(client_consent(&k, id,
			    client_event(&k, KEEPER_REVOCATION, id).revocation.revocation) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	end(id, fd);
	must(!says(id, "revocation 1") && !says(id, "blocks given back"));

	/* nobody is given time there, so nobody answers */
	id = make_region(&fd, LONG, POLICY_FOLLOW);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_SETTLED, id);
	end(id, fd);
	must(!says(id, "revocation 1") && !says(id, "blocks given back"));
}

/* Maybe there is a daemon that hangs: it may be killed before it reads what it was told. */
static void test_unanswered(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	join(id);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_SETTLED, id);
	end(id, fd);
	must(says(id, "blocks given back, 1 peers cut off"));
}

static void test_taken(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_REVOCATION, id);
	tell("expire", id, "now");
	client_event(&k, KEEPER_SETTLED, id);
	end(id, fd);
	must(says(id, "blocks given back by the kernel's deadline"));
}

/* Until the keeper has done what it was told, and what it was asked before it does @wanted, unless it is NULL. */
static void await_terms(uint64_t id, const char *wanted)
{
	char path[160], line[64];
	unsigned int before;

	snprintf(path, sizeof(path), "%s/%u-s.1.terms", getenv("RDMAREG_FAKE_DIR"),
		 (unsigned int)getuid());
	snprintf(line, sizeof(line), "%" PRIu64 " %s", id, wanted ? wanted : "");
	do {
		before = lines_with(path, "");
		tell("terms", id, "now");
		while (lines_with(path, "") == before)
			;
	} while (!lines_with(path, line));
}

/* The daemon is connected, and so much waits for it that it cannot have read it. */
static void test_unread(void)
{
	struct keeper_message all = { .type = KEEPER_LIST }, m = { .type = KEEPER_CONFIGURE,
								   .info.policy = POLICY_FOLLOW,
								   .info.grace_usec = 4711 };
	uint64_t id, operation = 0;
	struct stat st = { 0 };
	int fd;

	id = m.region = make_region(&fd, LONG, POLICY_FOLLOW);
	join(id);
	for (int i = 0; i < LISTS; i++)
		operation = client_send(&k, &all, -1);
	client_send(&k, &m, -1);
	await_terms(id, "0 4711");
	tell("break", id, "truncate 8192");
	do
		await_terms(id, NULL);
	while (fstat(fd, &st) < 0 || st.st_size != 8192);
	do
		m = client_answer(&k, operation);
	while (m.type != KEEPER_DONE);
	client_event(&k, KEEPER_SETTLED, id);
	end(id, fd);
	must(says(id, "revocation 1 (truncate)") && says(id, "blocks given back"));
}

int main(int argc, char *argv[])
{
	int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	rig_init(argc, argv);
	journal = memfd_create("journal", MFD_CLOEXEC);
	must(own >= 0 && journal >= 0 && fcntl(journal, F_SETFL, O_APPEND) == 0);
	must(dup2(journal, STDERR_FILENO) >= 0);
	rig_start(rig_usual, "s.1");
	must(dup2(own, STDERR_FILENO) >= 0);
	test_answered();
	test_unanswered();
	test_taken();
	test_unread();
	rig_stop();
	rig_end();
	return 0;
}
