// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-record.c - the record of a keeper: what was written is found again however the writer ended,
 * and a file that is cut short or full of garbage is within its bounds, or refused.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/record.h"

static char path[64];

static struct record_keeper about(uint32_t regions)
{
	return (struct record_keeper){
		.uid = 7, .session = "s", .instance = 3, .regions = regions, .peers = 5
	};
}

static struct record_region region(uint64_t id)
{
	return (struct record_region){ .id = id,
				       .device = id + 1,
				       .inode = id + 2,
				       .length = 4096 * id,
				       .terms = { .grace_usec = id, .policy = POLICY_YIELD },
				       .access = ACCESS_READ_WRITE,
				       .owner = "o",
				       .uuid = { id + 3, id + 4 },
				       .born_nsec = id + 5,
				       .name = "n",
				       .path = "/p" };
}

static struct record *make(uint32_t slots)
{
	struct record_keeper k = about(slots);
	struct record *r;

	unlink(path);
	assert(record_new(&r, path, &k) == 0);
	return r;
}

static struct record *again(struct record *r)
{
	record_free(r);
	assert(record_open(&r, path) == 0);
	return r;
}

static void test_kept(void)
{
	struct record_keeper now = {
		.pid = 12, .runs_as = 34, .unit = "u", .cgroup = "/c", .invocation = "i"
	};
	const struct record_terms terms = {
		.grace_usec = 99, .policy = POLICY_HOLD, .gated = 1, .gate_asked = 1, .warm = 2
	};
	struct record *r = make(300);
	struct record_region g;
	uint32_t slot[300], s;

	assert(record_new(&r, path, &now) == -EEXIST);
	record_identify(r, &now);
	for (uint32_t i = 0; i < 300; i++) {
		g = region(i + 1);
		assert(record_add(r, &g, &slot[i]) == 0);
	}
	g = region(301);
	assert(record_add(r, &g, &s) == -ENOBUFS);
	record_set_terms(r, slot[4], &terms);
	record_remove(r, slot[5]);
	r = again(r);
	assert(record_keeper(r)->uid == 7 && record_keeper(r)->instance == 3 &&
	       record_keeper(r)->pid == 12 && record_keeper(r)->runs_as == 34 &&
	       record_keeper(r)->peers == 5);
	assert(!strcmp(record_keeper(r)->unit, "u") && !strcmp(record_keeper(r)->cgroup, "/c"));
	for (uint64_t id = 300; id > 1; id--) {
		if (id == 6) {
			assert(!record_claim(r, id, &g, &s));
			continue;
		}
		assert(record_claim(r, id, &g, &s) && g.id == id && g.inode == id + 2 &&
		       g.length == 4096 * id && g.uuid[0] == id + 3 && g.uuid[1] == id + 4 &&
		       g.born_nsec == id + 5 && !strcmp(g.name, "n"));
		assert(!record_claim(r, id, &g, &s)); /* once */
		assert(g.terms.grace_usec == (id == 5 ? 99 : id) && g.terms.gated == (id == 5) &&
		       g.terms.gate_asked == (id == 5) && g.terms.warm == (id == 5 ? 2 : 0));
	}
	assert(!record_claim(r, 0, &g, &s) && !record_claim(r, 301, &g, &s) &&
	       !record_claim(r, UINT64_MAX, &g, &s));
	record_end_claims(r); /* 1 was not claimed */
	r = again(r);
	assert(!record_claim(r, 1, &g, &s) && record_claim(r, 2, &g, &s));
	g = region(1000);
	assert(record_add(r, &g, &s) == 0 &&
	       record_add(r, &(struct record_region){ .id = 1001 }, &s) == 0);
	assert(record_add(r, &g, &s) == -ENOBUFS);
	record_free(r);
}

/* The writer is killed at any moment: what was added is there, and what is there is whole. */
/* A claim that is found false is taken out at once, and the others are found all the same. */
static void test_some_removed(void)
{
	struct record *r = make(16);
	struct record_region g;
	uint32_t s;

	for (uint64_t id = 1; id <= 7; id++) {
		g = region(id);
		assert(record_add(r, &g, &s) == 0);
	}
	r = again(r);
	assert(record_claim(r, 4, &g, &s));
	record_remove(r, s);
	for (uint64_t id = 1; id <= 7; id++)
		assert(record_claim(r, id, &g, &s) == (id != 4));
	record_end_claims(r);
	record_free(r);
}

static void test_killed(void)
{
	int pipe_fds[2];
	uint64_t told = 0, n;
	struct record_region g;
	struct record *r;
	uint32_t s;
	pid_t pid;

	unlink(path);
	assert(pipe(pipe_fds) == 0);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		r = make(65536);
		for (n = 1;; n++) {
			g = region(n);
			if (record_add(r, &g, &s) < 0 ||
			    write(pipe_fds[1], &n, sizeof(n)) != sizeof(n))
				_exit(1);
			if (n > 100)
				record_remove(r, s);
		}
	}
	close(pipe_fds[1]);
	while (told < 5000)
		assert(read(pipe_fds[0], &told, sizeof(told)) == sizeof(told));
	assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	close(pipe_fds[0]);
	assert(record_open(&r, path) == 0);
	for (n = 1; n <= 100; n++)
		assert(record_claim(r, n, &g, &s) && g.device == n + 1 && g.length == 4096 * n);
	record_free(r);
}

static void test_cut(void)
{
	struct record *r = make(64);
	struct record_region g;
	struct stat st;
	uint32_t s;

	for (uint64_t id = 1; id <= 64; id++) {
		g = region(id);
		assert(record_add(r, &g, &s) == 0);
	}
	record_free(r);
	assert(stat(path, &st) == 0);
	for (off_t size = st.st_size; size >= 0; size -= 512) {
		uint64_t found = 0;

		assert(truncate(path, size) == 0);
		if (size < 4096) {
			assert(record_open(&r, path) == -EINVAL);
			continue;
		}
		assert(record_open(&r, path) == 0);
		for (uint64_t id = 1; id <= 64; id++)
			found += record_claim(r, id, &g, &s);
		assert(found == (uint64_t)(size - 4096) / ((uint64_t)(st.st_size - 4096) / 64));
		record_end_claims(r);
		g = region(100);
		assert(record_add(r, &g, &s) == (found == 64 ? -ENOBUFS : 0));
		if (found < 64)
			record_remove(r, s);
		record_free(r);
	}
	assert(unlink(path) == 0 && record_open(&r, path) == -ENOENT);
	assert(symlink("/dev/zero", path) == 0 && record_open(&r, path) == -ELOOP);
	assert(unlink(path) == 0 && mkdir(path, 0700) == 0 && record_open(&r, path) == -EISDIR);
	assert(rmdir(path) == 0);
}

/*
 * Every byte of it may be anything: nothing outside is touched, and what is found is in its
 * enumerations.
 */
static void test_garbage(void)
{
	static unsigned char sound[65536], bytes[65536];
	unsigned int seed = 1;
	struct record *r = make(8);
	struct record_region g;
	size_t size;
	uint32_t s;
	int fd;

	for (uint64_t id = 1; id <= 8; id++) {
		g = region(id);
		assert(record_add(r, &g, &s) == 0);
	}
	record_free(r);
	fd = open(path, O_RDWR);
	size = (size_t)read(fd, sound, sizeof(sound));
	assert(fd >= 0 && size > 4096 && size < sizeof(sound));
	for (int round = 0; round < 3000; round++) {
		memcpy(bytes, sound, size);
		for (int n = rand_r(&seed) % 20; n >= 0;
		     n--) /* mostly the slots: a head is refused at once */
			bytes[(round % 8 ? 4096 : 0) + (size_t)rand_r(&seed) % (size - 4096)] =
				(unsigned char)rand_r(&seed);
		assert(pwrite(fd, bytes, size, 0) == (ssize_t)size &&
		       ftruncate(fd, (off_t)size) == 0);
		if (record_open(&r, path) < 0)
			continue;
		for (uint64_t id = 0; id <= 9; id++)
			if (record_claim(r, id, &g, &s))
				assert(g.id == id && g.access < _REGION_ACCESS_MAX &&
				       g.terms.policy < _REGION_POLICY_MAX && g.terms.gated <= 1 &&
				       memchr(g.path, 0, sizeof(g.path)) &&
				       memchr(g.owner, 0, sizeof(g.owner)));
		record_end_claims(r);
		g = region(77);
		if (record_add(r, &g, &s) == 0)
			record_remove(r, s);
		record_free(r);
	}
	/* a number that is there twice is nobody's */
	memcpy(bytes, sound, size);
	memcpy(bytes + 4096, bytes + 4096 + (size - 4096) / 8, (size - 4096) / 8);
	assert(pwrite(fd, bytes, size, 0) == (ssize_t)size);
	assert(record_open(&r, path) == 0);
	assert(!record_claim(r, 1, &g, &s) && !record_claim(r, 2, &g, &s) &&
	       record_claim(r, 3, &g, &s));
	record_free(r);
	close(fd);
}

/* Where they were when the first daemon wrote them. */
#define AT(s, member, place) \
	_Static_assert(offsetof(struct record_##s, member) == (place), #member " has to stay")
AT(keeper, uid, 0);
AT(keeper, session, 4);
AT(keeper, instance, 56);
AT(keeper, regions, 60);
AT(keeper, peers, 64);
AT(keeper, pid, 68);
AT(keeper, runs_as, 72);
AT(keeper, unit, 76);
AT(keeper, cgroup, 268);
AT(keeper, invocation, 780);
AT(region, id, 0);
AT(region, device, 8);
AT(region, inode, 16);
AT(region, offset, 24);
AT(region, length, 32);
AT(region, terms, 40);
AT(region, file_uid, 56);
AT(region, access, 60);
AT(region, detached, 61);
AT(region, owner, 64);
AT(region, path, 256);
AT(terms, policy, 8);
AT(terms, gated, 9);
AT(terms, warm, 11);

#define HEAD 4096
#define FIRST_SLOT_SIZE 560

/*
 * The file as a daemon had made it whose slots have another size; what is in longer ones is
 * anything.
 */
static void resize_slots(struct record *r, uint32_t slots, uint32_t size)
{
	static unsigned char from[HEAD + 64 * 4096], to[HEAD + 64 * 4096];
	uint32_t before;
	int fd;

	record_free(r);
	fd = open(path, O_RDWR);
	assert(fd >= 0 && read(fd, from, sizeof(from)) >= HEAD);
	memcpy(to, from, HEAD);
	memset(to + HEAD, 0xff, sizeof(to) - HEAD);
	memcpy(&before, from + 8, sizeof(before));
	for (uint32_t i = 0; i < slots; i++)
		memcpy(to + HEAD + i * size, from + HEAD + i * before,
		       before < size ? before : size);
	memcpy(to + 8, &size, sizeof(size));
	assert(ftruncate(fd, 0) == 0 &&
	       pwrite(fd, to, HEAD + slots * size, 0) == HEAD + slots * size);
	close(fd);
}

/* Of older and newer packages: the same regions are found, and others can be added. */
static void test_other_sizes(void)
{
	static const uint32_t good[] = { FIRST_SLOT_SIZE, 568, 640, 4096 },
			      bad[] = { 0, 8, 552, 564, 4104 };
	struct record_region g;
	struct record *r;
	uint32_t s;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		r = make(64);
		for (uint64_t id = 1; id <= 9; id++) {
			g = region(id);
			assert(record_add(r, &g, &s) == 0);
		}
		resize_slots(r, 64, good[i]);
		for (int turn = 0; turn < 2; turn++) {
			uint32_t at = 0;

			assert(record_open(&r, path) == 0);
			for (uint64_t id = 1; id <= 9; id++) {
				if (turn)
					assert(record_claim(r, id, &g, &s) &&
					       !record_claim(r, id, &g, &s));
				else
					assert(record_claim_next(r, &at, &g, &s));
				assert(g.id == id && g.inode == id + 2 && !strcmp(g.path, "/p") &&
				       g.terms.grace_usec == id);
				assert(g.born_nsec == (good[i] == FIRST_SLOT_SIZE ? 0 : id + 5));
				assert(!strcmp(g.name, good[i] < 640 ? "" : "n"));
			}
			assert(!record_claim_next(r, &at, &g, &s));
			record_remove(r, s);
			g = region(turn ? 20 : 9);
			if (good[i] < 640) { /* a name would not be there for the next daemon */
				assert(record_add(r, &g, &s) == -ENOSYS);
				*g.name = 0;
			}
			assert(record_add(r, &g, &s) == 0);
			record_free(r);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		resize_slots(make(64), 8, bad[i]);
		assert(record_open(&r, path) == -EINVAL);
	}
}

int main(void)
{
	snprintf(path, sizeof(path), "/tmp/test-record-%d", getpid());
	test_kept();
	test_some_removed();
	test_killed();
	test_cut();
	test_garbage();
	test_other_sizes();
	unlink(path);
	return 0;
}
