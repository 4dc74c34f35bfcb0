// SPDX-License-Identifier: GPL-2.0-or-later
/* keeper-rig.c - see keeper-rig.h. */
#include "keeper-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static const char *keeper_program;
static char directory[] = "/tmp/test-keeper.XXXXXX";
static char rig_synced[128];
struct client k;
int rig_control = -1;
uint64_t rig_last;
unsigned int rig_place;

const char *const rig_usual[] = {
	"--session",   "s.1", "--max-regions", "4",    "--max-tickets",		 "2",
	"--max-peers", "3",   "--alignment",   "4096", "--deadline-margin-msec", "5000",
	NULL
};

void rig_init(int argc, char *const argv[])
{
	if (argc != 2)
		exit(2);
	keeper_program = argv[1];
	must(mkdtemp(directory));
	setenv("RDMAREG_FAKE_DIR", directory, 1);
	setenv("TMPDIR", directory, 1);
	signal(SIGPIPE, SIG_IGN);
}

void rig_end(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	must(system(command) == 0);
}

void rig_start_only(const char *const *arguments)
{
	client_start(&k, keeper_program, arguments, (uid_t)-1);
}

void rig_start(const char *const *arguments, const char *session)
{
	char path[96];

	rig_start_only(arguments);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	snprintf(path, sizeof(path), "%s/%u-%s", directory, (unsigned int)getuid(), session);
	snprintf(rig_synced, sizeof(rig_synced), "%s.synced", path);
	rig_control = open(path, O_WRONLY | O_CLOEXEC);
	must(rig_control >= 0);
}

void rig_stop(void)
{
	close(rig_control);
	must(client_stop(&k) == 0);
}

void rig_run_tests(const char *const *arguments, const char *session, rig_test *const *tests)
{
	rig_start(arguments, session);
	while (*tests)
		(*tests++)();
	rig_stop();
}

void tell(const char *verb, uint64_t region, const char *rest)
{
	dprintf(rig_control, "%s %llu %s\n", verb, (unsigned long long)region, rest);
}

int make_file(uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

int make_disk_file(uint64_t size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%.40s.XXXXXX", program_invocation_short_name);
	fd = mkostemp(path, O_CLOEXEC);
	must(fd >= 0 && unlink(path) == 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

struct keeper_region region_of(uint64_t length, uint64_t grace_usec, enum region_policy policy)
{
	return (struct keeper_region){ .length = length,
				       .grace_usec = grace_usec,
				       .access = ACCESS_READ_WRITE,
				       .policy = (uint8_t)policy,
				       .warm = 1 };
}

uint64_t make_region(int *ret_fd, uint64_t grace_usec, enum region_policy policy)
{
	struct keeper_region what = region_of(4 * MIB, grace_usec, policy), info;

	*ret_fd = make_file(4 * MIB);
	must(client_register(&k, ++rig_last, *ret_fd, &what, &info) == 0);
	must(info.valid_length == 4 * MIB && info.mode == ARBITRATION_LAYOUT_LEASE &&
	     info.state == REGION_LIVE);
	must(info.translation_bytes == 2 * MIB && info.bytes_warmed == 4 * MIB && info.rkey &&
	     info.generation && info.address % PAGE == 0);
	must(client_export(&k, rig_last, RW, 0, NULL) == 0);
	return rig_last;
}

uint64_t make_region_of(int fd, uint64_t length)
{
	struct keeper_region what = region_of(length, LONG, POLICY_YIELD), info;

	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(client_export(&k, rig_last, RW, 0, NULL) == 0);
	join(rig_last);
	return rig_last;
}

struct keeper_region rig_listed(uint64_t id)
{
	struct keeper_message m = { .type = KEEPER_LIST };
	uint64_t operation = client_send(&k, &m, -1);
	struct keeper_region found = { 0 };

	for (m = client_answer(&k, operation); m.type != KEEPER_DONE;
	     m = client_answer(&k, operation))
		if (m.type == KEEPER_REGION && m.region == id)
			found = m.info;
	return found;
}

static void ask_about(const char *verb, uint64_t region, uint64_t request, uint64_t offset,
		      uint64_t length)
{
	char rest[80];

	snprintf(rest, sizeof(rest), "%llu %llu %llu", (unsigned long long)request,
		 (unsigned long long)offset, (unsigned long long)length);
	tell(verb, region, rest);
}

void ask_to_persist(uint64_t region, uint64_t request, uint64_t offset, uint64_t length)
{
	ask_about("peer-sync", region, request, offset, length);
}

void ask_why(uint64_t region, uint64_t request, uint64_t offset, uint64_t length)
{
	ask_about("peer-ask", region, request, offset, length);
}

/*
 * The first line of that region and request, of that outcome unless @any. Each look at the file is
 * a question to the keeper, so this does not spin for nothing; the test's own time limit ends it.
 */
static unsigned int await_line(uint64_t region, uint64_t request, bool any, unsigned int wanted)
{
	unsigned long long at, peer, what;
	struct keeper_message m;
	unsigned int outcome;
	FILE *f;

	for (;;) {
		list(&m);
		f = fopen(rig_synced, "re");
		must(f);
		for (rig_place = 0;
		     fscanf(f, "%llu %llu %llu %u\n", &at, &peer, &what, &outcome) == 4;
		     rig_place++)
			if (at == region && what == request && (any || outcome == wanted)) {
				fclose(f);
				return outcome;
			}
		fclose(f);
	}
}

unsigned int persisted(uint64_t region, uint64_t request)
{
	return await_line(region, request, true, 0);
}

void await_path_told(uint64_t region, enum path_state state)
{
	await_line(region, 0, false, state);
}

unsigned int persist(uint64_t region, uint64_t offset, uint64_t length)
{
	static uint64_t request = 1000;

	ask_to_persist(region, ++request, offset, length);
	return persisted(region, request);
}

unsigned int explain(uint64_t region, uint64_t offset, uint64_t length)
{
	static uint64_t request = 100000;

	ask_why(region, ++request, offset, length);
	return persisted(region, request);
}

uint64_t join(uint64_t region)
{
	tell("peer-join", region, "rw");
	return client_event(&k, KEEPER_PEER_JOINED, region).peer.peer;
}

unsigned int list(struct keeper_message *first)
{
	struct keeper_message m = { .type = KEEPER_LIST };
	uint64_t operation = client_send(&k, &m, -1);
	unsigned int n = 0;

	for (;;) {
		m = client_answer(&k, operation);
		if (m.type == KEEPER_DONE)
			return n;
		if (n++ == 0)
			*first = m;
	}
}
