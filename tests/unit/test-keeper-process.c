// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-process.c - a whole keeper, with adapter and kernel played by fakes (main-fake.c), through its socket: registrations good and
 * bad, revocations of every course, daemons that come and go, and how it ends.
 *
 *   test-keeper-process KEEPER-FAKE
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-client.h"
#include "rdmareg-uapi.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)
#define LONG UINT64_C(20000000)
#define SHORT UINT64_C(30000)

static const char *program;
static char directory[] = "/tmp/test-keeper.XXXXXX";
static struct client k;
static int control = -1;
static uint64_t last;

static const char *const usual[] = { "--session", "s.1", "--max-regions", "4", "--max-tickets", "2", "--max-peers", "3",
				     "--alignment", "4096", "--deadline-margin-msec", "5000", NULL };

static void start(const char *const *arguments, const char *session)
{
	char path[128];

	client_start(&k, program, arguments, (uid_t)-1);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	snprintf(path, sizeof(path), "%s/%u-%s", directory, (unsigned int)getuid(), session);
	control = open(path, O_WRONLY | O_CLOEXEC);
	must(control >= 0);
}

static void stop(void)
{
	close(control);
	must(client_stop(&k) == 0);
}

static void tell(const char *verb, uint64_t region, const char *rest)
{
	dprintf(control, "%s %llu %s\n", verb, (unsigned long long)region, rest);
}

static int make_file(uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static struct keeper_region region_of(uint64_t length, uint64_t grace_usec, enum region_policy policy)
{
	return (struct keeper_region){ .length = length, .grace_usec = grace_usec, .access = ACCESS_READ_WRITE,
				       .policy = (uint8_t)policy, .warm = 1 };
}

/* A region of 4 MiB with a ticket; its number. */
static uint64_t make_region(int *ret_fd, uint64_t grace_usec, enum region_policy policy)
{
	struct keeper_region what = region_of(4 * MIB, grace_usec, policy), info;

	*ret_fd = make_file(4 * MIB);
	must(client_register(&k, ++last, *ret_fd, &what, &info) == 0);
	must(info.valid_length == 4 * MIB && info.mode == ARBITRATION_LAYOUT_LEASE && info.state == REGION_LIVE);
	must(info.bytes_warmed == 4 * MIB && info.rkey && info.generation && info.address % PAGE == 0);
	must(client_export(&k, last, RW, 0, NULL) == 0);
	return last;
}

static uint64_t join(uint64_t region)
{
	tell("peer-join", region, "rw");
	return client_event(&k, KEEPER_PEER_JOINED, region).peer.peer;
}

static void test_refusals(void)
{
	struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD), info;
	int fd = make_file(MIB), directory_fd = open("/tmp", O_RDONLY | O_CLOEXEC), read_only;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	must(client_register(&k, 1, directory_fd, &what, NULL) == -EBADF);
	must(client_register(&k, 1, read_only, &what, NULL) == -EACCES);
	what.offset = MIB;
	must(client_register(&k, 1, fd, &what, NULL) == -ERANGE);
	what.offset = UINT64_MAX - PAGE + 1;
	must(client_register(&k, 1, fd, &what, NULL) == -ERANGE);
	what.offset = 0;
	what.length = 0;
	must(client_register(&k, 1, fd, &what, NULL) == -ERANGE);
	what.length = MIB;
	must(client_register(&k, 1, fd, &what, &info) == 0 && strstr(info.path, "memfd:test"));
	must(client_register(&k, 1, fd, &what, NULL) == -EEXIST);
	for (uint64_t id = 2; id <= 4; id++)
		must(client_register(&k, id, fd, &what, NULL) == 0);
	must(client_register(&k, 5, fd, &what, NULL) == -EDQUOT);
	must(client_release(&k, 3) == 0 && client_release(&k, 3) == -ENOENT);
	what.access = ACCESS_READ;
	must(client_register(&k, 5, read_only, &what, NULL) == 0);

	must(client_export(&k, 5, RW, 0, NULL) == -EACCES);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == 0);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == 0);
	must(client_export(&k, 5, WIRE_RIGHT_READ, 0, NULL) == -EDQUOT);
	must(client_export(&k, 77, WIRE_RIGHT_READ, 0, NULL) == -ENOENT);
	must(client_prefetch(&k, 5, 0, 0, true) == -EACCES);
	must(client_prefetch(&k, 5, 0, MIB, false) == 0);
	must(client_prefetch(&k, 5, MIB, 1, false) == -ERANGE);
	must(client_prefetch(&k, 5, PAGE, UINT64_MAX, false) == -ERANGE);
	must(client_consent(&k, 5, 0) == -ESTALE && client_consent(&k, 5, 1) == -ESTALE);
	must(!client_has_event(&k, KEEPER_GONE, 1));
	for (uint64_t id = 1; id <= 5; id++)
		must(client_release(&k, id) == (id == 3 ? -ENOENT : 0));
	must(!client_has_event(&k, KEEPER_GONE, 1)); /* what was asked for is answered, not announced */
	close(fd);
	close(read_only);
	close(directory_fd);
	last = 100;
}

/* Everybody answers: the fence goes up at once and costs nobody his connection. */
static void test_consent(void)
{
	struct keeper_message m;
	uint64_t id, peer;
	struct stat st;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	peer = join(id);
	tell("break", id, "truncate 1048576");
	m = client_event(&k, KEEPER_REVOCATION, id);
	must(m.revocation.revocation == 1 && m.revocation.cause == CAUSE_TRUNCATE && m.revocation.length == 4 * MIB);
	must(client_prefetch(&k, id, 0, 0, false) == -EBUSY);
	must(client_consent(&k, id, 2) == -ESTALE);
	tell("peer-ack", id, "");
	m = client_event(&k, KEEPER_PEER_ACK, id);
	must(m.peer.peer == peer && m.peer.revocation == 1);
	must(fstat(fd, &st) == 0 && st.st_size == 4 * (off_t)MIB); /* nothing is given back before */
	must(client_consent(&k, id, 1) == 0);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	must(client_event(&k, KEEPER_GIVEN_BACK, id).revocation.late == 0);
	m = client_event(&k, KEEPER_SETTLED, id);
	must(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == MIB && m.revocation.generation == 1);
	must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_consent(&k, id, 1) == -ESTALE);

	tell("break", id, "fallocate"); /* the next one, by somebody else */
	must(client_event(&k, KEEPER_REVOCATION, id).revocation.revocation == 2);
	must(client_consent(&k, id, 2) == 0);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 1); /* consent, but this peer had not answered */
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1);
	must(client_event(&k, KEEPER_SETTLED, id).revocation.outcome == OUTCOME_RESTORED);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Nobody answers: the grace, then the fence. */
static void test_deadline(void)
{
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	join(id);
	join(id);
	tell("break", id, "truncate 0");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 2);
	m = client_event(&k, KEEPER_SETTLED, id);
	must(m.revocation.outcome == OUTCOME_TRUNCATED && m.revocation.valid_length == 0);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_follow(void)
{
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_FOLLOW);
	join(id);
	tell("break", id, "clone");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(!client_has_event(&k, KEEPER_PEER_LEFT, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Released in the middle of a revocation: fenced, given back, and gone. */
static void test_release_while_asked(void)
{
	struct stat st;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("break", id, "truncate 4096");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_release(&k, id) == 0);
	must(fstat(fd, &st) == 0 && st.st_size == 4096);
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 1);
	must(client_release(&k, id) == -ENOENT);
	close(fd);
}

static void test_configure(void)
{
	struct keeper_message m = { .type = KEEPER_CONFIGURE };
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	m.region = id;
	m.info.policy = POLICY_HOLD;
	m.info.grace_usec = LONG; /* longer than the kernel would wait now: watched anew */
	must(client_call(&k, &m, -1).done.error == 0);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_REVOCATION, id);
	m = (struct keeper_message){ .type = KEEPER_CONFIGURE, .region = id };
	must(client_call(&k, &m, -1).done.error == -EBUSY);
	must(!client_has_event(&k, KEEPER_FENCED, id));
	must(client_consent(&k, id, 1) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	tell("break", id, "fallocate"); /* the new watch works a second time too */
	must(client_event(&k, KEEPER_REVOCATION, id).revocation.revocation == 2);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_reports(void)
{
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	must(ftruncate(fd, (off_t)MIB) == 0);
	tell("clear", id, "1048576 4194304");
	m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.valid_length != MIB || !m.invalidated.causes)
		m = client_event(&k, KEEPER_INVALIDATED, id);
	must(m.invalidated.invalidations == 1 && (m.invalidated.causes & RDMAREG_CAUSE_CLEAR));
	for (int i = 0; i < 1000; i++)
		tell("writeback", id, "0 4096");
	do
		m = client_event(&k, KEEPER_INVALIDATED, id);
	while (m.invalidated.writebacks != 1000);
	must(k.n_events < 20); /* folded */
	must(client_release(&k, id) == 0);
	close(fd);
}

static unsigned int list(struct keeper_message *first)
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

/* The daemon is gone, a revocation runs its course; the next daemon finds what there is. */
static void test_without_daemon(void)
{
	struct keeper_message m;
	struct stat st = { 0 };
	uint64_t id;
	int fd;

	id = make_region(&fd, SHORT, POLICY_YIELD);
	join(id);
	client_disconnect(&k);
	tell("break", id, "truncate 8192");
	for (int i = 0; i < 1000 && (fstat(fd, &st) || st.st_size != 8192); i++) {
		must(client_connect(&k)); /* daemons come and go meanwhile */
		must(client_hello(&k, NULL) == 0);
	}
	must(st.st_size == 8192);
	do /* until it has settled */
		must(list(&m) >= 1 && m.type == KEEPER_REGION && m.region == id);
	while (m.info.state != REGION_LIVE);
	must(m.info.valid_length == 8192 && m.info.length == 4 * MIB && m.info.policy == POLICY_YIELD);
	must(!m.info.revocation && !strncmp(m.info.ticket, WIRE_TICKET_SCHEME, 10) && m.info.grace_usec == SHORT);
	must(client_release(&k, id) == 0);
	close(fd);

	id = make_region(&fd, LONG, POLICY_HOLD);
	join(id);
	tell("break", id, "truncate 8192");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	must(list(&m) == 2 && m.info.state == REGION_DRAINING && m.info.revocation == 1 && m.info.revocation_deadline_usec &&
	     m.info.revocation_cause == CAUSE_TRUNCATE);
	must(client_consent(&k, id, 1) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Whoever asked for it is gone before it is there: nobody would ever release it. */
static void test_orphaned_registration(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = ++last };
	int fd = make_file(MIB);

	m.info = region_of(MIB, LONG, POLICY_YIELD);
	for (int i = 0; i < 50; i++) {
		m.region = ++last;
		client_send(&k, &m, fd);
		must(client_connect(&k) && client_hello(&k, NULL) == 0);
	}
	/* an answer that was already sent makes a region that stays; the others must make room */
	while (list(&m))
		must(m.type == KEEPER_REGION && client_release(&k, m.region) <= 0);
	for (int i = 0; i < 4; i++) {
		int fd2, r;
		struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD);

		do
			r = client_register(&k, ++last, fd, &what, NULL);
		while (r == -EDQUOT); /* the last orphans are on their way out */
		must(r == 0 && client_release(&k, last) == 0);
		fd2 = make_file(MIB);
		close(fd2);
	}
	close(fd);
}

/* A registration and its release at once. */
static void test_release_while_registering(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER }, released = { .type = KEEPER_RELEASE };
	int fd = make_file(4 * MIB);

	for (int i = 0; i < 50; i++) {
		uint64_t registering, releasing;

		m.type = KEEPER_REGISTER;
		m.region = released.region = ++last;
		m.info = region_of(4 * MIB, LONG, POLICY_YIELD);
		registering = client_send(&k, &m, fd);
		releasing = client_send(&k, &released, -1);
		m = client_answer(&k, registering);
		must(m.type == KEEPER_REGION || m.done.error == -ECANCELED);
		m = client_answer(&k, releasing);
		must(m.type == KEEPER_DONE && m.done.error == 0);
	}
	must(list(&m) == 0 && !client_has_event(&k, KEEPER_GONE, last));
	close(fd);
}

static void test_peers(void)
{
	struct keeper_ticket t;
	struct keeper_message m;
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	for (int i = 0; i < 3; i++)
		join(id);
	tell("peer-join", id, "rw"); /* one too many: refused */
	must(list(&m) == 4);
	tell("peer-leave", id, "");
	for (int i = 0; i < 3; i++)
		must(client_event(&k, KEEPER_PEER_LEFT, id).peer.cut == 0);
	must(client_export(&k, id, WIRE_RIGHT_READ, 1, &t) == 0 && t.uses == 1 && strstr(t.text, "rdmareg://192.0.2.1:18515/"));
	tell("peer-join", id, "rw"); /* more than it allows */
	tell("peer-join", id, "r");
	client_event(&k, KEEPER_PEER_JOINED, id);
	tell("peer-join", id, "r"); /* used up */
	must(list(&m) == 2 && !client_has_event(&k, KEEPER_PEER_JOINED, id));
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_nonsense(void)
{
	struct keeper_message m = { .type = 4711 };
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	client_send(&k, &m, -1);
	must(client_is_closed(&k));
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	must(list(&m) == 1 && m.region == id); /* it harmed nothing */
	must(client_release(&k, id) == 0);
	close(fd);
}

static void test_ends(void)
{
	static const char *const idle[] = { "--session", "idle", "--idle-exit-sec", "1", NULL };
	static const char *const nowhere[] = { "--session", "nowhere", "--listen-address", "192.0.2.255", NULL };
	static const char *const bad[] = { "--max-peers", "0", NULL };
	struct keeper_region what = region_of(4 * MIB, LONG, POLICY_YIELD);
	struct keeper_welcome w;
	int fd, status;
	uint64_t id;

	/* told to end while holding, one of it being revoked */
	start(usual, "s.1");
	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("break", id, "truncate 8192");
	client_event(&k, KEEPER_REVOCATION, id);
	kill(k.pid, SIGTERM);
	client_event(&k, KEEPER_GONE, id);
	must(client_is_closed(&k));
	stop();
	close(fd);

	/* nothing to hold and nobody there */
	start(idle, "idle");
	client_disconnect(&k);
	must(waitpid(k.pid, &status, 0) == k.pid && status == 0);
	close(control);

	/* no adapter, no module: it lives and says so */
	setenv("RDMAREG_FAKE_NO_MODULE", "1", 1);
	client_start(&k, program, nowhere, (uid_t)-1);
	must(client_connect(&k) && client_hello(&k, &w) == 0);
	must(w.port == 0 && w.no_adapter[0] && !w.has_module && !strcmp(w.session, "nowhere"));
	fd = make_file(4 * MIB);
	must(client_register(&k, 1, fd, &what, NULL) == -ENXIO);
	must(client_stop(&k) == 0);
	start(usual, "s.1");
	must(client_register(&k, 1, fd, &what, &what) == 0 && what.mode == ARBITRATION_NONE && what.mode_reason[0]);
	stop();
	unsetenv("RDMAREG_FAKE_NO_MODULE");
	close(fd);

	client_start(&k, program, bad, (uid_t)-1);
	must(waitpid(k.pid, &status, 0) == k.pid && WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

int main(int argc, char *argv[])
{
	char path[160];

	if (argc != 2)
		return 2;
	program = argv[1];
	must(mkdtemp(directory));
	setenv("RDMAREG_FAKE_DIR", directory, 1);
	setenv("TMPDIR", directory, 1);
	signal(SIGPIPE, SIG_IGN);

	start(usual, "s.1");
	test_refusals();
	test_consent();
	test_deadline();
	test_follow();
	test_release_while_asked();
	test_configure();
	test_reports();
	test_without_daemon();
	test_orphaned_registration();
	test_release_while_registering();
	test_peers();
	test_nonsense();
	stop();
	test_ends();

	snprintf(path, sizeof(path), "rm -rf %s", directory);
	return system(path) ? 1 : 0;
}
