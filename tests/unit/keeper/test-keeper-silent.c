// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-silent.c - files whose storage does not answer, registered, written back and
 * released, with a keeper whose adapters are fakes and whose storage falls silent when it is told
 * to (fakes/storage.h). Each time a region of another file goes on as if nothing were the matter.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-rig.h"
#include "util/macros.h"

#define LENGTH MIB
#define LEFT_BEHIND_MAX 16

static const char *const arguments[] = {
	"--session", "s.1", "--max-regions", "64", "--storage-stall-msec", "1000", NULL
};

static uint64_t healthy;

static void silence(int fd, bool silent)
{
	struct stat st;

	must(fstat(fd, &st) == 0);
	tell(silent ? "silent" : "answers", st.st_ino, "now");
	/* until it is heard: the keeper reads one thing after another */
	persist(healthy, 0, LENGTH);
}

static uint64_t begin_register(int fd, uint64_t *ret_id)
{
	struct keeper_message m = { .type = KEEPER_REGISTER,
				    .region = ++rig_last,
				    .info = region_of(LENGTH, SHORT, POLICY_YIELD) };

	m.info.warm_mode = WARM_READ;
	*ret_id = rig_last;
	return client_send(&k, &m, fd);
}

static uint64_t begin_sync(uint64_t id, uint64_t limit_usec)
{
	struct keeper_message m = { .type = KEEPER_SYNC,
				    .region = id,
				    .demand.limit_usec = limit_usec };

	return client_send(&k, &m, -1);
}

static uint64_t make_on(int fd)
{
	uint64_t id, operation = begin_register(fd, &id);

	must(client_answer(&k, operation).type == KEEPER_REGION);
	return id;
}

/* Calls and peers of the region of another file, and a region more. */
static void others_go_on(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd);

	must(persist(healthy, 0, LENGTH) <= WIRE_SYNC_VOLATILE);
	must(client_answer(&k, begin_sync(healthy, LONG)).done.error == 0);
	client_event(&k, KEEPER_SETTLED, healthy);
	join(healthy); /* the one before did not acknowledge */
	must(client_prefetch(&k, healthy, 0, LENGTH, false) == 0);
	tell("break", healthy, "fallocate");
	client_event(&k, KEEPER_SETTLED, healthy);
	join(healthy);
	must(client_answer(&k, begin_sync(id, LONG)).done.error == 0);
	must(client_release(&k, id) == 0);
	close(fd);
}

static unsigned int n_rig_listed(void)
{
	struct keeper_message m;
	unsigned int n = list(&m);

	return n - 1; /* the healthy one's peer */
}

static void test_registering(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id, operation;
	struct keeper_message m;

	silence(fd, true);
	operation = begin_register(fd, &id);
	others_go_on();
	m = client_answer(&k, operation);
	must(m.type == KEEPER_DONE && m.done.error == -ETIME &&
	     strstr(m.done.text, "does not answer"));
	must(n_rig_listed() == 1);
	others_go_on();
	silence(fd, false);
	id = make_on(fd);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * The answer comes within a second although the file cannot be let go; and it is let go when its
 * storage answers.
 */
static void test_releasing(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd);

	silence(fd, true);
	must(client_release(&k, id) == 0);
	must(n_rig_listed() == 1 && client_release(&k, id) == -ENOENT);
	others_go_on();
	silence(fd, false);
	others_go_on();
	close(fd);
}

static void test_writing_back(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd), peer, operation;
	struct statfs fs;

	must(fstatfs(fd, &fs) == 0);
	if (fs.f_type == TMPFS_MAGIC) { /* nothing is written back there */
		close(fd);
		return;
	}
	must(client_export(&k, id, RW, 0, NULL) == 0);
	peer = join(id);
	silence(fd, true);
	ask_to_persist(id, 1, 0, LENGTH);
	operation = begin_sync(id, SHORT);
	others_go_on();
	must(client_answer(&k, operation).done.error == -ETIME);
	must(client_release(&k, id) == 0);
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.peer == peer);
	others_go_on();
	silence(fd, false);
	close(fd);
}

static uint64_t begin_prefetch(uint64_t id)
{
	struct keeper_message m = { .type = KEEPER_PREFETCH, .region = id, .range.length = LENGTH };

	return client_send(&k, &m, -1);
}

/*
 * A region whose prefetch has not ended within the bound: it is said, nobody waits for it, and its
 * peer is cut off.
 */
static uint64_t make_stuck(int fd)
{
	uint64_t id = make_on(fd), peer, operation;
	struct keeper_message m;

	must(client_export(&k, id, RW, 0, NULL) == 0);
	peer = join(id);
	tell("hang", 0, "next");
	operation = begin_prefetch(id);
	m = client_answer(&k, operation);
	must(m.done.error == -ETIME && strstr(m.done.text, "does not answer"));
	m = client_event(&k, KEEPER_MODE, id);
	must(strstr(m.info.stuck, "memory has not ended within 2 s"));
	must(client_event(&k, KEEPER_FENCED, id).revocation.late == 1);
	must(client_event(&k, KEEPER_PEER_LEFT, id).peer.peer == peer);
	return id;
}

/*
 * A prefetch that does not end: the region is fenced, takers go on at once, its file is left alone,
 * and it comes back when it ends.
 */
static void test_stuck(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t second = make_on(fd), id = make_stuck(fd), late, warmed;
	struct keeper_region r = rig_listed(id);
	struct keeper_message m;

	warmed = r.bytes_warmed;
	must(r.state == REGION_FENCED && r.stuck[0] && rig_listed(second).state == REGION_LIVE);
	tell("break", id, "fallocate");
	must(client_event(&k, KEEPER_GIVEN_BACK, id).revocation.late == 0);
	/* nothing more is begun on the file */
	m = client_answer(&k, begin_prefetch(second));
	must(m.done.error == -ETIME && strstr(m.done.text, "has not ended"));
	m = client_answer(&k, begin_prefetch(id));
	must(m.done.error == -ETIME && strstr(m.done.text, "has not ended"));
	m = client_answer(&k, begin_register(fd, &late));
	must(m.type == KEEPER_DONE && m.done.error == -ETIME &&
	     strstr(m.done.text, "has not ended"));
	others_go_on();
	tell("hang", 0, "end");
	must(!client_event(&k, KEEPER_MODE, id).info.stuck[0]);
	client_event(&k, KEEPER_SETTLED, id);
	r = rig_listed(id);
	must(r.state == REGION_LIVE && !r.stuck[0]);
	/* not warmed unasked, until asked has succeeded */
	must(client_prefetch(&k, id, 0, PAGE, false) == 0 &&
	     rig_listed(id).bytes_warmed == warmed + PAGE);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_SETTLED, id);
	do {
		client_event(&k, KEEPER_INVALIDATED, id);
	} while (rig_listed(id).bytes_warmed == warmed + PAGE);
	must(client_prefetch(&k, id, 0, LENGTH, false) == 0 &&
	     client_prefetch(&k, second, 0, LENGTH, false) == 0);
	late = make_on(fd);
	must(client_release(&k, id) == 0 && client_release(&k, second) == 0 &&
	     client_release(&k, late) == 0);
	close(fd);
}

/* What asks the storage which blocks there are is such a step as well. */
static void test_stuck_blocks(void)
{
	int fd = make_disk_file(LENGTH);
	struct keeper_message m;
	struct statfs fs;
	uint64_t id;

	must(fstatfs(fd, &fs) == 0 &&
	     fchmod(fd, S_ISUID | 0600) == 0); /* for the fakes: with direct access */
	id = make_on(fd);
	if (fs.f_type != TMPFS_MAGIC) { /* it has none */
		silence(fd, true);
		tell("clear", id, "0 4096");
		do {
			m = client_event(&k, KEEPER_MODE, id);
		} while (!m.info.stuck[0]);
		must(strstr(m.info.stuck, "its blocks"));
		client_event(&k, KEEPER_FENCED, id);
		others_go_on();
		silence(fd, false);
		do {
			m = client_event(&k, KEEPER_MODE, id);
		} while (m.info.stuck[0]);
		client_event(&k, KEEPER_SETTLED, id);
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

static void punch_at(int fd, uint64_t id, uint64_t at)
{
	char range[64];

	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, PAGE) == 0);
	snprintf(range, sizeof(range), "%" PRIu64 " %" PRIu64, at, at + PAGE);
	tell("clear", id, range);
}

static void punch(int fd, uint64_t id)
{
	punch_at(fd, id, 0);
}

static void fill(int fd)
{
	static char data[LENGTH];

	memset(data, 'x', sizeof(data));
	must(pwrite(fd, data, sizeof(data), 0) == (ssize_t)sizeof(data) && fsync(fd) == 0);
}

/* What is gone before a file was looked at for the first time nobody misses. */
static void await_looked_at(int fd, uint64_t id)
{
	for (uint64_t at = LENGTH - PAGE; !rig_listed(id).bypasses; at -= PAGE) {
		must(at > 0);
		punch_at(fd, id, at);
		others_go_on();
	}
}

/*
 * The look at a file's blocks does not end, since somebody is in the middle of a long write(2), say:
 * nobody is kept out for that. That nothing is noticed there is said, and other files of the same
 * storage are looked at.
 */
static void test_blind(void)
{
	int fd = make_disk_file(LENGTH), other_fd = make_disk_file(LENGTH);
	uint64_t id, other, n;
	struct keeper_message m;
	struct statfs fs;

	must(fstatfs(fd, &fs) == 0);
	fill(fd);
	fill(other_fd);
	id = make_on(fd);
	other = make_on(other_fd);
	if (fs.f_type != TMPFS_MAGIC) { /* it shows no blocks */
		await_looked_at(fd, id);
		await_looked_at(other_fd, other);
		n = rig_listed(other).bypasses;
		silence(fd, true);
		punch(fd, id);
		do {
			m = client_event(&k, KEEPER_MODE, id);
		} while (!m.info.stuck[0]);
		must(strstr(m.info.stuck, "has not been read for 2 s"));
		must(rig_listed(id).state == REGION_LIVE);
		must(client_prefetch(&k, id, PAGE, PAGE, false) == 0);
		punch(other_fd, other);
		do {
			m = client_event(&k, KEEPER_MODE, other);
		} while (m.info.bypasses <= n);
		others_go_on();
		silence(fd, false);
		do {
			m = client_event(&k, KEEPER_MODE, id);
		} while (m.info.stuck[0]);
	}
	must(client_release(&k, id) == 0 && client_release(&k, other) == 0);
	close(other_fd);
	close(fd);
}

static void await_stuck(uint64_t id, bool stuck)
{
	struct keeper_message m;

	do {
		m = client_event(&k, KEEPER_MODE, id);
	} while (!m.info.stuck[0] == stuck);
}

/*
 * A look that waited for its storage is not done after all, since a revocation came: then it is not
 * said any more that it is waited for.
 */
static void test_blind_no_more(void)
{
	struct keeper_message m = { .type = KEEPER_DEMAND,
				    .demand = { .demand = 1,
						.length = PAGE,
						.grace_usec = SHORT,
						.cause = CAUSE_ADMINISTRATOR } };
	uint64_t id[3];
	int fd[3];
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = make_disk_file(LENGTH);
		must(pwrite(fd[i], "x", 1, 0) == 1 && fsync(fd[i]) == 0);
		id[i] = make_on(fd[i]);
	}
	must(fstatfs(fd[0], &fs) == 0);
	/* the third is looked at when the second is given up, which comes later than its own bound */
	for (size_t i = 0; fs.f_type != TMPFS_MAGIC && i < ARRAY_SIZE(fd); i++) {
		if (i < 2)
			silence(fd[i], true);
		punch(fd[i], id[i]);
	}
	if (fs.f_type != TMPFS_MAGIC) {
		await_stuck(id[2], true);
		m.region = id[2];
		must(client_call(&k, &m, -1).done.error == 0);
		silence(fd[0], false);
		silence(fd[1], false);
		await_stuck(id[2], false);
		must(rig_listed(id[2]).state == REGION_FENCED);
		m.type = KEEPER_OVER;
		must(client_call(&k, &m, -1).done.error == 0);
		client_event(&k, KEEPER_SETTLED, id[2]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		must(client_release(&k, id[i]) == 0);
		close(fd[i]);
	}
}

/*
 * What registers looks whether the file is stuck, and so at the other regions there are: also at
 * one whose mapping a thread is taking down at that moment.
 */
static void register_beside_releases(void)
{
	int fd = make_file(LENGTH);
	uint64_t id = make_on(fd);

	for (int i = 0; i < 100; i++) {
		struct keeper_message m = { .type = KEEPER_RELEASE, .region = id };
		uint64_t released = client_send(&k, &m, -1), made = begin_register(fd, &id);

		must(client_answer(&k, released).done.error == 0);
		must(client_answer(&k, made).type == KEEPER_REGION);
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

/* It is released while it is stuck. */
static void test_stuck_release(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_stuck(fd), operation;
	struct keeper_message m;

	must(client_release(&k, id) == 0 && n_rig_listed() == 1);
	m = client_answer(&k, begin_register(fd, &id));
	must(m.done.error == -ETIME);
	register_beside_releases();
	others_go_on();
	tell("hang", 0, "end");
	do { /* until the thread is back */
		operation = begin_register(fd, &id);
		m = client_answer(&k, operation);
	} while (m.type == KEEPER_DONE);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * What is left behind is bounded, and who is refused hears which storage it is. Files that lie
 * elsewhere are not held up before that.
 */
static void test_bound(void)
{
	uint64_t id, operation[LEFT_BEHIND_MAX];
	int fd = make_disk_file(LENGTH), other = make_file(LENGTH);
	struct keeper_message m;

	silence(fd, true);
	for (size_t i = 0; i < LEFT_BEHIND_MAX; i++)
		operation[i] = begin_register(fd, &id);
	for (size_t i = 0; i < LEFT_BEHIND_MAX; i++)
		must(client_answer(&k, operation[i]).done.error == -ETIME);
	/*
	 * they are given up one after the other; until then there is room, though a busy machine
	 * may take its time
	 */
	do {
		operation[0] = begin_register(other, &id);
		m = client_answer(&k, operation[0]);
		if (m.type == KEEPER_REGION)
			must(client_release(&k, id) == 0);
	} while (m.type == KEEPER_REGION || m.done.error == -ETIME);
	must(m.done.error == -EDQUOT && strstr(m.done.text, "test-keeper-silent"));
	must(client_prefetch(&k, healthy, 0, LENGTH, false) == 0);
	silence(fd, false);
	do {
		operation[0] = begin_register(other, &id);
		m = client_answer(&k, operation[0]);
	} while (m.type != KEEPER_REGION);
	must(client_release(&k, id) == 0);
	close(fd);
	close(other);
}

/* It ends in order, but for what nobody can end. */
static void test_stopping(void)
{
	int fd = make_disk_file(LENGTH), status;
	uint64_t id = make_on(fd);

	silence(fd, true);
	must(client_release(&k, id) == 0);
	kill(k.pid, SIGTERM);
	client_event(&k, KEEPER_GONE, healthy);
	must(client_is_closed(&k));
	must(waitpid(k.pid, &status, 0) == k.pid && status == 0);
	client_disconnect(&k);
	close(rig_control);
	close(fd);
}

int main(int argc, char *argv[])
{
	int fd = -1;

	rig_init(argc, argv);
	rig_start(arguments, "s.1");
	fd = make_disk_file(LENGTH);
	healthy = make_on(fd);
	must(client_export(&k, healthy, RW, 0, NULL) == 0);
	join(healthy);
	test_registering();
	test_releasing();
	test_writing_back();
	test_stuck();
	test_stuck_blocks();
	test_blind();
	test_blind_no_more();
	test_stuck_release();
	test_bound();
	test_stopping();
	close(fd);
	rig_end();
	return 0;
}
