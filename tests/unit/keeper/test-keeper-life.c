// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-life.c - a whole keeper with fake adapters: daemons that come, go, and talk nonsense,
 * and how it ends.
 *
 *   test-keeper-life KEEPER-FAKE
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "keeper-rig.h"

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
	for (int i = 0; i < 1000000 && (fstat(fd, &st) || st.st_size != 8192); i++) {
		must(client_connect(&k)); /* daemons come and go meanwhile */
		must(client_hello(&k, NULL) == 0);
	}
	must(st.st_size == 8192);
	do /* until it has settled */
		must(list(&m) >= 1 && m.type == KEEPER_REGION && m.region == id);
	while (m.info.state != REGION_LIVE);
	must(m.info.valid_length == 8192 && m.info.length == 4 * MIB &&
	     m.info.policy == POLICY_YIELD);
	must(!m.info.revocation && !strncmp(m.info.ticket, WIRE_TICKET_SCHEME, 10) &&
	     m.info.grace_usec == SHORT);
	must(client_release(&k, id) == 0);
	close(fd);

	id = make_region(&fd, LONG, POLICY_HOLD);
	join(id);
	tell("break", id, "truncate 8192");
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	must(list(&m) == 2 && m.info.state == REGION_DRAINING && m.info.revocation == 1 &&
	     m.info.revocation_deadline_usec && m.info.revocation_cause == CAUSE_TRUNCATE);
	must(client_consent(&k, id, 1) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * A daemon that asked for the end of a region is gone when it comes: its successor, which found the
 * region, hears of it all the same.
 */
static void test_orphaned_release(void)
{
	struct keeper_message m = { .type = KEEPER_RELEASE };
	uint64_t id;
	int fd;

	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	m.region = id;
	m.demand.grace_usec = LONG;
	client_send(&k, &m, -1);
	client_event(&k, KEEPER_REVOCATION, id);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	must(list(&m) == 2 && m.info.state == REGION_DRAINING);
	must(client_consent(&k, id, m.info.revocation) == 0);
	client_event(&k, KEEPER_GONE, id);
	must(list(&m) == 0);
	close(fd);
}

/* There is room for so many more regions: at the latest when the last orphans are gone, which are on their way out. */
static void fits(int fd, int count)
{
	struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD);
	uint64_t ids[4];
	int r;

	for (int i = 0; i < count; i++) {
		do
			r = client_register(&k, ids[i] = ++rig_last, fd, &what, NULL);
		while (r == -EDQUOT);
		must(r == 0);
	}
	for (int i = 0; i < count; i++)
		must(client_release(&k, ids[i]) == 0);
}

/* Whoever asked for it is gone before it is there: nobody would ever release it. */
static void test_orphaned_registration(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = ++rig_last };
	int fd = make_file(MIB);

	m.info = region_of(MIB, LONG, POLICY_YIELD);
	for (int i = 0; i < 50; i++) {
		m.region = ++rig_last;
		client_send(&k, &m, fd);
		must(client_connect(&k) && client_hello(&k, NULL) == 0);
	}
	/* an answer that was already sent makes a region that stays; the others must make room */
	while (list(&m))
		must(m.type == KEEPER_REGION && client_release(&k, m.region) <= 0);
	/* as many as it takes in all, at the same time: not one orphan is left */
	fits(fd, 4);
	close(fd);
}

/* The same of one that is there, and is brought in before its daemon hears of it. */
static void test_orphaned_warming(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER };
	struct keeper_region what = region_of(MIB, LONG, POLICY_YIELD);
	int fd, other_fd = make_file(MIB), r;
	uint64_t id = make_region(&fd, LONG, POLICY_YIELD);

	tell("chunks", id, "0");
	join(id); /* the line before was obeyed */
	m.region = ++rig_last;
	m.info = what;
	m.info.warm = 1;
	client_send(&k, &m, other_fd);
	do
		r = client_export(&k, m.region, RW, 0, NULL);
	while (r == -EBUSY);
	must(r == 0);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	tell("chunks", id, "all");
	/* with the first, as many as it takes in all */
	fits(other_fd, 3);
	must(client_release(&k, id) == 0);
	close(fd);
	close(other_fd);
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

static bool is_damaged(uint64_t region)
{
	struct keeper_message m = { .type = KEEPER_LIST };
	uint64_t operation = client_send(&k, &m, -1);
	bool damaged = false;

	for (;;) {
		m = client_answer(&k, operation);
		if (m.type == KEEPER_DONE)
			return damaged;
		if (m.region == region && m.type == KEEPER_REGION)
			damaged = m.info.damage[0];
	}
}

/* Memory that fails: it is told of the regions that have it, and all of them live on. */
static void test_poison(void)
{
	uint64_t hurt, sound;
	struct keeper_message m;
	int fd, other;

	hurt = make_region(&fd, SHORT, POLICY_YIELD);
	sound = make_region(&other, SHORT, POLICY_YIELD);
	must(kill(k.pid, SIGBUS) == 0); /* somebody's, of no page: changes nothing */
	tell("poison", hurt, "8192 12");
	m = client_event(&k, KEEPER_MODE, hurt);
	must(strstr(m.info.damage, "[8192, 12288)") && m.info.mode == ARBITRATION_LAYOUT_LEASE);
	tell("poison", hurt, "2097160 21"); /* a huge page, by an address in the middle of it */
	m = client_event(&k, KEEPER_MODE, hurt);
	must(strstr(m.info.damage, "[8192, 4194304)"));

	must(client_connect(&k) &&
	     client_hello(&k, NULL) == 0); /* the next daemon hears of it as well */
	must(is_damaged(hurt) && !is_damaged(sound));
	must(client_release(&k, hurt) == 0 && client_release(&k, sound) == 0);
	close(fd);
	close(other);
}

static void test_ends(void)
{
	static const char *const idle[] = { "--session", "idle", "--idle-exit-sec", "1", NULL };
	static const char *const nowhere[] = { "--session", "nowhere", "--listen-address",
					       "192.0.2.255", NULL };
	static const char *const bad[] = { "--max-peers", "0", NULL };
	struct keeper_region what = region_of(4 * MIB, LONG, POLICY_YIELD);
	struct keeper_welcome w;
	int fd, status;
	uint64_t id;

	/* told to end while holding, one of it being revoked */
	rig_start(rig_usual, "s.1");
	id = make_region(&fd, LONG, POLICY_YIELD);
	join(id);
	tell("break", id, "truncate 8192");
	client_event(&k, KEEPER_REVOCATION, id);
	kill(k.pid, SIGTERM);
	client_event(&k, KEEPER_GONE, id);
	must(client_is_closed(&k));
	rig_stop();
	close(fd);

	/* nothing to hold and nobody there */
	rig_start(idle, "idle");
	client_disconnect(&k);
	must(waitpid(k.pid, &status, 0) == k.pid && status == 0);
	close(rig_control);

	/* no adapter, no module: it lives and says so */
	setenv("RDMAREG_FAKE_NO_MODULE", "1", 1);
	rig_start_only(nowhere);
	must(client_connect(&k) && client_hello(&k, &w) == 0);
	must(w.port == 0 && w.no_adapter[0] && !w.has_module && !strcmp(w.session, "nowhere"));
	fd = make_file(4 * MIB);
	must(client_register(&k, 1, fd, &what, NULL) == -ENXIO);
	must(client_stop(&k) == 0);
	rig_start(rig_usual, "s.1");
	must(client_register(&k, 1, fd, &what, &what) == 0 && what.mode == ARBITRATION_NONE &&
	     what.mode_reason[0]);
	rig_stop();
	unsetenv("RDMAREG_FAKE_NO_MODULE");
	close(fd);

	rig_start_only(bad);
	must(waitpid(k.pid, &status, 0) == k.pid && WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

/*
 * The adapter is taken away under two regions with peers: each is told of, with its peers, and the
 * keeper ends in order. Also when the kernel lets go of what is registered before the keeper does.
 */
static void test_device_removed(const char *how)
{
	int fd[2], status;
	uint64_t id[2];

	rig_start(rig_usual, "s.1");
	for (int i = 0; i < 2; i++) {
		id[i] = make_region(&fd[i], LONG, POLICY_YIELD);
		join(id[i]);
	}
	tell("device", 0, how);
	for (int i = 0; i < 2; i++) {
		client_event(&k, KEEPER_PEER_LEFT, id[i]);
		client_event(&k, KEEPER_GONE, id[i]);
		close(fd[i]);
	}
	must(client_is_closed(&k));
	must(waitpid(k.pid, &status, 0) == k.pid && status == 0);
	close(rig_control);
}

int main(int argc, char *argv[])
{
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_without_daemon, test_orphaned_registration,
		test_orphaned_warming, test_orphaned_release, test_nonsense, test_poison);
	test_ends();
	test_device_removed("removed");
	test_device_removed("taken");
	rig_end();
	return 0;
}
