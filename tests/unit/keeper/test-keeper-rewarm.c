// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-rewarm.c - a region in mode adaptive whose file is written and written back, with a
 * keeper whose adapters are fakes: what the keeper sees of the file's contents counts.
 *
 * A round here is a write of the whole file, by a program in the place of a peer, then its
 * writeback. How many rounds the keeper makes of what it hears is up to the machine; so it is played
 * until it went well for long enough, and only what can never be is wrong.
 *
 * And what is prefetched at registration: for writing only what is to be written back anyway. Pages
 * that are mapped for writing change the time of a file's last change, by which that is seen here.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "keeper-rig.h"
#include "keeper/system/mapping.h"
#include "util/macros.h"

#define LENGTH (2 * MIB)
#define ROUND_NSEC 260000000 /* longer than a burst can last */
#define MOST_ROUNDS 200

static const char *const arguments[] = { "--session", "s.1", NULL };
static char bytes[LENGTH];
static uint64_t id;
static int fd, timer;

static void write_file(char content)
{
	memset(bytes, content, LENGTH);
	assert(pwrite(fd, bytes, LENGTH, 0) == LENGTH);
}

/* The file is written back; true if what there is of it is brought back for writing. */
static bool is_dirtied(uint64_t length)
{
	struct keeper_region before = rig_listed(id), after;
	uint64_t rounds;

	assert(read(timer, &rounds, sizeof(rounds)) == sizeof(rounds));
	tell("writeback", id, "0 2097152");
	do {
		client_event(&k, KEEPER_INVALIDATED, id);
		after = rig_listed(id);
	} while (after.bytes_warmed == before.bytes_warmed);
	must(after.bytes_warmed == before.bytes_warmed + length);
	must(after.bytes_redirtied == before.bytes_redirtied ||
	     after.bytes_redirtied == before.bytes_redirtied + length);
	return after.bytes_redirtied != before.bytes_redirtied;
}

/* Rounds in a row, each with other contents, until so many were brought back for writing. */
static void write_for_long(unsigned int rounds, char step)
{
	unsigned int in_a_row = 0;
	char content = 'a';

	for (int i = 0; in_a_row < rounds; i++) {
		must(i < MOST_ROUNDS);
		write_file(content);
		content = (char)(content + step);
		in_a_row = is_dirtied(LENGTH) ? in_a_row + 1 : 0;
	}
}

/* One that nobody knows anything of yet. */
static void begin(void)
{
	struct keeper_region what = region_of(LENGTH, LONG, POLICY_YIELD), info;

	what.warm_mode = WARM_ADAPTIVE;
	if (id)
		must(client_release(&k, id) == 0);
	id = ++rig_last;
	must(client_register(&k, id, fd, &what, &info) == 0);
}

/* Who writes something else each time does not fault every few rounds, however long. */
static void test_changes(void)
{
	begin();
	write_for_long(8, 1);
	/* one round in which nothing is written is seen in that very round */
	must(!is_dirtied(LENGTH));
}

/* A page that changes is not the block, whatever the filesystem makes of it. */
static void test_page_changes(void)
{
	begin();
	write_for_long(4, 1);
	for (char i = 0; i < 4; i++) {
		assert(pwrite(fd, &i, 1, 0) == 1);
		must(!is_dirtied(LENGTH));
	}
}

/* Nothing can be seen of a file that became shorter, and nobody dies of it. */
static void test_unseen(void)
{
	begin();
	write_for_long(4, 1);
	write_file('z');
	assert(ftruncate(fd, (off_t)MIB) == 0);
	must(!is_dirtied(MIB));
	assert(ftruncate(fd, (off_t)LENGTH) == 0);
	must(!is_dirtied(LENGTH));
}

/* The same bytes again and again prove nothing. */
static void test_same(void)
{
	begin();
	for (int i = 0; i < 6; i++) {
		write_file('s');
		must(!is_dirtied(LENGTH));
	}
}

/* The kernel and this filesystem tell which pages are dirty. */
static bool dirty_is_told(int file, uint64_t length)
{
	struct mapping m = { .fd = file, .length = length };

	return mapping_is_dirty(&m, 0, length);
}

static void test_dirty(void)
{
	static const struct timespec past[2] = { { .tv_sec = 946684800 }, { .tv_sec = 946684800 } };
	static const struct {
		enum warm_mode mode;
		bool dirty; /* all of it, or all but the last page */
		bool changed;
	} table[] = {
		{ WARM_ADAPTIVE, true, true },
		{ WARM_ADAPTIVE, false, false },
		{ WARM_READ, true, false },
		{ WARM_OFF, true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct keeper_region what = region_of(LENGTH, LONG, POLICY_YIELD), info;
		int file = make_disk_file(LENGTH);
		struct stat st;

		what.warm_mode = table[i].mode;
		/* page by page: what is written at once is dirty as a whole from then on */
		for (size_t at = 0; at < LENGTH; at += PAGE)
			assert(pwrite(file, bytes, PAGE, (off_t)at) == (ssize_t)PAGE);
		assert(fdatasync(file) == 0);
		assert(!dirty_is_told(file, LENGTH));
		assert(pwrite(file, bytes, LENGTH - (table[i].dirty ? 0 : PAGE), 0) > 0);
		assert(futimens(file, past) == 0);
		if (table[i].dirty && !dirty_is_told(file, LENGTH)) {
			printf("# not told here which pages are dirty\n");
			close(file);
			continue;
		}
		must(client_register(&k, ++rig_last, file, &what, &info) == 0);
		assert(fstat(file, &st) == 0);
		must((st.st_mtim.tv_sec != past[0].tv_sec) == table[i].changed);
		must(client_release(&k, rig_last) == 0);
		close(file);
	}
}

int main(int argc, char *argv[])
{
	const struct itimerspec round = { { 0, ROUND_NSEC }, { 0, ROUND_NSEC } };

	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	assert(timer >= 0 && timerfd_settime(timer, 0, &round, NULL) == 0);
	rig_init(argc, argv);
	rig_start(arguments, "s.1");
	fd = make_disk_file(LENGTH);
	test_changes();
	test_page_changes();
	test_unseen();
	test_same();
	test_dirty();
	must(client_release(&k, id) == 0);
	close(fd);
	close(timer);
	rig_stop();
	rig_end();
	return 0;
}
