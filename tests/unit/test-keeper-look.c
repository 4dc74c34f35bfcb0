// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-look.c - what becomes of a region's file while it is registered is noticed, told, and known to the next daemon: with a whole keeper
 * whose adapters are fakes, and files of a real filesystem.
 *
 *   test-keeper-look KEEPER-FAKE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The region's peer is there too. */
static uint64_t make_on(int fd)
{
	struct keeper_region what = region_of(LENGTH, LONG, POLICY_YIELD), info;

	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(client_export(&k, rig_last, RW, 0, NULL) == 0);
	join(rig_last);
	return rig_last;
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
	uint64_t id = make_on(fd);
	struct keeper_region r = look(id);

	must(r.path_state == PATH_THERE && !strcmp(r.path_now, at("a")) && !strcmp(r.path, at("a")));
	other = make_named("a.new");
	must(rename(at("a.new"), at("a")) == 0);
	await(id, PATH_DELETED, "");
	must(client_connect(&k) && client_hello(&k, NULL) == 0); /* the next daemon */
	r = look(id);
	must(r.path_state == PATH_DELETED && !*r.path_now && !strcmp(r.path, at("a")) && r.state == REGION_LIVE);
	must(unlink(at("a")) == 0);
	close(other);
	end(id, fd);
}

static void test_unlinked(void)
{
	int fd = make_named("a");
	uint64_t id = make_on(fd);

	must(link(at("a"), at("b")) == 0); /* that it has another name does not put it at this one */
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
	id = make_on(fd);
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
	uint64_t id = make_on(fd);

	must(look(id).path_state == PATH_UNKNOWN && !*look(id).path_now);
	end(id, fd);
	fd = make_named("a");
	must(unlink(at("a")) == 0);
	id = make_on(fd);
	must(look(id).path_state == PATH_UNKNOWN);
	end(id, fd);
}

int main(int argc, char *argv[])
{
	char template[] = "test-keeper-look.XXXXXX";

	if (argc != 2)
		return 2;
	/* in the working directory: /tmp may be in memory */
	must(mkdtemp(template) && realpath(template, place));
	rig_init(argv[1]);
	rig_start(rig_usual, "s.1");
	test_replaced();
	test_unlinked();
	test_moved();
	test_nameless();
	rig_stop();
	rig_end();
	must(rmdir(place) == 0);
	return 0;
}
