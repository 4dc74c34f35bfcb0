// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-look.c - what becomes of a region's file while it is registered is noticed, told, and
 * known to the next daemon: with a whole keeper whose adapters are fakes, and files of a real
 * filesystem.
 *
 *   test-keeper-look KEEPER-FAKE
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "keeper-rig.h"

#define LENGTH MIB

static char place[4096]; /* of all files here, as the kernel names it */

static const char *at(const char *name)
{
	static char path[2][sizeof(place) + 64];
	static unsigned int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", place, name);
	return path[turn];
}

static int make_named(const char *name)
{
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && ftruncate(fd, LENGTH) == 0);
	return fd;
}

static struct keeper_region look(uint64_t region)
{
	struct keeper_message m;

	must(list(&m) == 2 && m.region == region); /* and its peer */
	return m.info;
}

static void await(uint64_t region, enum path_state state, const char *now)
{
	struct keeper_message m = client_event(&k, KEEPER_MODE, region);

	must(m.info.path_state == state && !strcmp(m.info.path_now, now));
	await_path_told(region, state);
}

static void end(uint64_t region, int fd)
{
	must(client_release(&k, region) == 0);
	close(fd);
}

/* How every checkpoint is written. */
static void test_replaced(void)
{
	int fd = make_named("a"), other;
	uint64_t id = make_region_of(fd, LENGTH);
	struct keeper_region r = look(id);

	must(r.path_state == PATH_THERE && !strcmp(r.path_now, at("a")) &&
	     !strcmp(r.path, at("a")));
	other = make_named("a.new");
	must(rename(at("a.new"), at("a")) == 0);
	await(id, PATH_DELETED, "");
	must(client_connect(&k) && client_hello(&k, NULL) == 0); /* the next daemon */
	r = look(id);
	must(r.path_state == PATH_DELETED && !*r.path_now && !strcmp(r.path, at("a")) &&
	     r.state == REGION_LIVE);
	must(unlink(at("a")) == 0);
	close(other);
	end(id, fd);
}

static void test_unlinked(void)
{
	int fd = make_named("a");
	uint64_t id = make_region_of(fd, LENGTH);

	must(link(at("a"), at("b")) ==
	     0); /* that it has another name does not put it at this one */
	must(unlink(at("a")) == 0);
	await(id, PATH_DELETED, "");
	must(unlink(at("b")) == 0);
	end(id, fd);
}

static void test_moved(void)
{
	int fd;
	uint64_t id;

	must(mkdir(at("folder"), 0700) == 0);
	fd = make_named("folder/a");
	id = make_region_of(fd, LENGTH);
	must(rename(at("folder/a"), at("folder/b")) == 0);
	await(id, PATH_MOVED, at("folder/b"));
	must(rename(at("folder/b"), at("folder/a")) == 0);
	await(id, PATH_THERE, at("folder/a"));
	must(rename(at("folder"), at("other")) == 0); /* nothing happened to the file itself */
	await(id, PATH_MOVED, at("other/a"));
	must(unlink(at("other/a")) == 0);
	await(id, PATH_DELETED, "");
	must(rmdir(at("other")) == 0);
	end(id, fd);
}

/* What has no name cannot lose it. */
static void test_nameless(void)
{
	int fd = make_file(LENGTH);
	uint64_t id = make_region_of(fd, LENGTH);

	must(look(id).path_state == PATH_UNKNOWN && !*look(id).path_now);
	end(id, fd);
	fd = make_named("a");
	must(unlink(at("a")) == 0);
	id = make_region_of(fd, LENGTH);
	must(look(id).path_state == PATH_UNKNOWN);
	end(id, fd);
}

static struct keeper_region await_bypass(uint64_t region, uint64_t n)
{
	struct keeper_message m;

	do
		m = client_event(&k, KEEPER_MODE, region);
	while (m.info.bypasses < n);
	must(m.info.bypasses == n);
	return m.info;
}

/*
 * Until a has been looked at three times: for longer than what is gone is taken for the last
 * revocation's, and what a look began is over. It is b afterwards.
 */
static void await_rounds(uint64_t region)
{
	static const char *const names[] = { "a", "c", "d", "b" };

	for (size_t i = 1; i < 4; i++) {
		must(rename(at(names[i - 1]), at(names[i])) == 0);
		while (strcmp(client_event(&k, KEEPER_MODE, region).info.path_now, at(names[i])) !=
		       0)
			;
	}
}

/* Somebody whom no lease shows makes the file shorter, with or without a sign that pages went. */
static void test_shortened(void)
{
	int fd = make_named("a");
	uint64_t id = make_region_of(fd, LENGTH);
	struct keeper_region r;
	struct keeper_message m;

	must(!look(id).bypasses && !*look(id).bypass);
	must(ftruncate(fd, LENGTH / 2) == 0);
	r = await_bypass(id, 1);
	must(strstr(r.bypass, "became shorter, 524288 bytes") &&
	     r.mode == ARBITRATION_LAYOUT_LEASE);
	must(ftruncate(fd, LENGTH) == 0); /* growing takes nothing */
	must(ftruncate(fd, LENGTH / 4) == 0);
	tell("clear", id, "262144 1048576");
	await_bypass(id, 2);
	must(client_connect(&k) && client_hello(&k, NULL) == 0);
	must(look(id).bypasses == 2 && look(id).valid_length == LENGTH / 4);

	/* one that asks is none */
	tell("break", id, "truncate 8192");
	m = client_event(&k, KEEPER_REVOCATION, id);
	must(client_consent(&k, id, m.revocation.revocation) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(ftruncate(fd, 4096) == 0); /* by whom that let go on, who comes to it only now */
	tell("clear", id, "4096 8192");
	await_rounds(id);
	join(id); /* the one before did not acknowledge */
	must(look(id).bypasses == 2);
	must(unlink(at("b")) == 0);
	end(id, fd);
}

static bool says_extents(void)
{
	struct statfs fs;

	must(statfs(place, &fs) == 0);
	return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC ||
	       fs.f_type == BTRFS_SUPER_MAGIC;
}

static void fill(int fd)
{
	char block[4096] = "data";

	for (off_t o = 0; o < (off_t)LENGTH; o += (off_t)sizeof(block))
		must(pwrite(fd, block, sizeof(block), o) == (ssize_t)sizeof(block));
}

/* A hole where there were blocks. */
static void test_punched(void)
{
	struct keeper_region r;
	uint64_t id;
	int fd;

	if (!says_extents())
		return;
	fd = make_named("a");
	fill(fd);
	id = make_region_of(fd, LENGTH);
	must(fsync(fd) == 0);
	client_answer(&k, client_send(&k,
				      &(struct keeper_message){ .type = KEEPER_SYNC,
								.region = id,
								.demand.limit_usec = LONG },
				      -1)); /* a revocation: the file is looked at anew after it */
	client_event(&k, KEEPER_SETTLED, id);
	await_rounds(id);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 131072) == 0);
	tell("clear", id, "65536 196608");
	r = await_bypass(id, 1);
	must(strstr(r.bypass, "131072 bytes of blocks between 65536 and 196608"));
	must(unlink(at("b")) == 0);
	end(id, fd);
}

/* How often the keeper's journal has @text. */
static unsigned int journal_has(const char *text)
{
	FILE *f = fopen(at("journal"), "re");
	char line[1024];
	unsigned int n = 0;

	must(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

/*
 * What is taken while the region has no lease, and found when it has one again, was not taken past
 * it: the journal does not say that somebody should have been asked.
 */
static void test_taken_without_lease(void)
{
	struct keeper_message m = { .type = KEEPER_CONFIGURE,
				    .info.policy = POLICY_YIELD,
				    .info.grace_usec = LONG };
	int fd = make_named("a");

	must(fchmod(fd, 01600) == 0); /* no lease, until the daemon changes the region */
	m.region = make_region_of(fd, LENGTH);
	must(look(m.region).mode == ARBITRATION_NOTIFY_ONLY);
	must(ftruncate(fd, LENGTH / 2) == 0);
	must(fchmod(fd, 0600) == 0);
	must(client_call(&k, &m, -1).done.error == 0);
	must(look(m.region).mode == ARBITRATION_LAYOUT_LEASE);
	await_bypass(m.region, 1);
	while (!journal_has("became shorter"))
		look(m.region);
	must(!journal_has("nobody was asked"));
	must(unlink(at("a")) == 0);
	end(m.region, fd);
}

static void test_taken_past_lease(void)
{
	int fd = make_named("a");
	uint64_t id = make_region_of(fd, LENGTH);

	must(ftruncate(fd, LENGTH / 2) == 0);
	await_bypass(id, 1);
	while (!journal_has("nobody was asked"))
		look(id);
	must(unlink(at("a")) == 0);
	end(id, fd);
}

/* With a keeper whose journal is read. */
static void run_with_journal(void)
{
	int journal = open(at("journal"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
	    own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	must(journal >= 0 && own >= 0 && dup2(journal, STDERR_FILENO) >= 0);
	rig_start(rig_usual, "s.1");
	must(dup2(own, STDERR_FILENO) >= 0);
	test_taken_without_lease();
	test_taken_past_lease();
	rig_stop();
	close(journal);
	close(own);
	must(unlink(at("journal")) == 0);
}

int main(int argc, char *argv[])
{
	char template[] = "test-keeper-look.XXXXXX";

	/* in the working directory: /tmp may be in memory */
	must(mkdtemp(template) && realpath(template, place));
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_replaced, test_unlinked, test_moved, test_nameless,
		test_shortened, test_punched);
	run_with_journal();
	rig_end();
	must(rmdir(place) == 0);
	return 0;
}
