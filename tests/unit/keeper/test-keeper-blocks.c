// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-blocks.c - a whole keeper with fake adapters, and files with direct access whose
 * blocks are shared with another file, or not, or come to be (fakes/storage.h): when are writes by
 * others asked?
 *
 *   test-keeper-blocks KEEPER-FAKE
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "keeper-rig.h"

#define DIRECT (S_ISUID | 0600)
#define SHARED (S_ISUID | S_ISGID | 0600)

static uint64_t begin(mode_t mode, int *ret_fd)
{
	struct keeper_region what = region_of(MIB, SHORT, POLICY_YIELD), info;

	*ret_fd = make_file(MIB);
	must(fchmod(*ret_fd, mode) == 0);
	must(client_register(&k, ++rig_last, *ret_fd, &what, &info) == 0);
	must(info.mode == ARBITRATION_LAYOUT_LEASE && info.state == REGION_LIVE);
	return rig_last;
}

static struct keeper_message listed(uint64_t id)
{
	struct keeper_message m = { .type = KEEPER_LIST }, found = { 0 };
	uint64_t operation = client_send(&k, &m, -1);

	do {
		m = client_answer(&k, operation);
		if (m.type == KEEPER_REGION && m.region == id)
			found = m;
	} while (m.type != KEEPER_DONE);
	must(found.region == id);
	return found;
}

static void end(uint64_t id, int fd)
{
	must(client_release(&k, id) == 0);
	close(fd);
}

/* What is asked first when somebody writes and then somebody truncates to the length it has. */
static unsigned int asked(uint64_t id)
{
	struct keeper_message m;

	tell("break", id, "write");
	tell("break", id, "fallocate");
	m = client_event(&k, KEEPER_REVOCATION, id);
	client_event(&k, KEEPER_SETTLED, id);
	return m.revocation.cause;
}

static void clone_it(uint64_t id)
{
	tell("break", id, "clone");
	must(client_event(&k, KEEPER_REVOCATION, id).revocation.cause == CAUSE_CLONE);
	client_event(&k, KEEPER_SETTLED, id);
}

static void test_plain(void)
{
	uint64_t id;
	int fd;

	id = begin(DIRECT, &fd);
	must(asked(id) == CAUSE_FALLOCATE);
	must(asked(id) == CAUSE_FALLOCATE);
	end(id, fd);
	/* without direct access a write replaces nothing that is mapped */
	id = begin(SHARED & ~(mode_t)S_ISUID, &fd);
	must(asked(id) == CAUSE_FALLOCATE);
	end(id, fd);
}

/* From the beginning, until none is shared any more. */
static void test_shared(void)
{
	uint64_t id;
	int fd;

	id = begin(SHARED, &fd);
	must(asked(id) == CAUSE_WRITE);
	must(asked(id) == CAUSE_WRITE);
	must(fchmod(fd, DIRECT) == 0);
	must(asked(id) == CAUSE_WRITE); /* nobody knows yet */
	must(asked(id) == CAUSE_FALLOCATE);
	end(id, fd);
}

/* By a clone that is made while the region lives. */
static void test_cloned(void)
{
	uint64_t id;
	int fd;

	id = begin(DIRECT, &fd);
	must(asked(id) == CAUSE_FALLOCATE);
	must(fchmod(fd, SHARED) == 0);
	clone_it(id);
	must(asked(id) == CAUSE_WRITE);
	end(id, fd);
}

/*
 * Somebody is in the middle of a write(2): nobody is let in before that is over, and it can be
 * released all the same.
 */
static void test_writer_that_hangs(void)
{
	struct keeper_message m;
	struct stat st;
	uint64_t id;
	int fd;

	id = begin(DIRECT, &fd);
	must(fstat(fd, &st) == 0);
	tell("silent", st.st_ino, "now");
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_FENCED, id);
	client_event(&k, KEEPER_GIVEN_BACK, id);
	for (int i = 0; i < 100; i++) {
		must(list(&m) == 1 && m.info.state == REGION_FENCED);
		must(!client_has_event(&k, KEEPER_SETTLED, id));
	}
	tell("answers", st.st_ino, "now");
	client_event(&k, KEEPER_SETTLED, id);
	must(asked(id) == CAUSE_FALLOCATE);

	tell("silent", st.st_ino, "now");
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_FENCED, id);
	client_event(&k, KEEPER_GIVEN_BACK, id);
	must(client_release(&k, id) == 0);
	tell("answers", st.st_ino, "now");
	close(fd);
}

/*
 * He stays there: that is said, and nobody is let in before he has left, since a page could be
 * mapped that he replaces.
 */
static void writer_stays(bool refused)
{
	struct keeper_message m;
	struct stat st;
	uint64_t id;
	int fd;

	id = begin(SHARED, &fd);
	must(fstat(fd, &st) == 0);
	tell("silent", st.st_ino, "now");
	tell("break", id, "write");
	client_event(&k, KEEPER_FENCED, id);
	if (refused) /* no lease can be had, since the writer is the breaker and in his call */
		must(fchmod(fd, SHARED & ~S_IRUSR) == 0);
	do
		m = client_event(&k, KEEPER_MODE, id);
	while (!strstr(m.info.stuck, "write(2)"));
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE);
	must(list(&m) == 1 && m.info.state == REGION_FENCED);
	must(!client_has_event(&k, KEEPER_SETTLED, id));
	must(fchmod(fd, SHARED) == 0);
	tell("answers", st.st_ino, "now");
	do
		m = client_event(&k, KEEPER_MODE, id);
	while (*m.info.stuck);
	do
		must(list(&m) == 1);
	while (m.info.state != REGION_LIVE);
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE);
	end(id, fd);
}

static void test_writer_that_stays(void)
{
	writer_stays(false);
	writer_stays(true);
}

static void await_live(uint64_t id)
{
	struct keeper_message m;

	do {
		m = listed(id);
	} while (m.info.state != REGION_LIVE);
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE && !*m.info.stuck);
}

/*
 * Four files whose looks do not end have all threads: a fifth one is closed for as long, and says
 * so, though nothing is the matter with it. A sixth cannot be registered, and hears why.
 */
static void test_no_thread_left(void)
{
	struct keeper_region what = region_of(MIB, SHORT, POLICY_YIELD);
	struct keeper_message m = { .type = KEEPER_REGISTER, .info = what };
	struct stat st[5];
	uint64_t id[5];
	int fd[5], sixth = make_file(MIB);

	for (size_t i = 0; i < 5; i++) {
		id[i] = begin(SHARED, &fd[i]);
		must(fstat(fd[i], &st[i]) == 0);
	}
	for (size_t i = 0; i < 5; i++) {
		if (i < 4)
			tell("silent", st[i].st_ino, "now");
		tell("break", id[i], "write");
		client_event(&k, KEEPER_FENCED, id[i]);
	}
	m.region = ++rig_last;
	m = client_call(&k, &m, sixth);
	must(m.done.error == -ETIME && strstr(m.done.text, "Other files of the same storage"));
	do
		m = client_event(&k, KEEPER_MODE, id[4]);
	while (!strstr(m.info.stuck, "looks at other files do not end"));
	tell("answers", st[0].st_ino, "now");
	do
		m = client_event(&k, KEEPER_MODE, id[4]);
	while (*m.info.stuck);
	for (size_t i = 1; i < 4; i++)
		tell("answers", st[i].st_ino, "now");
	for (size_t i = 0; i < 5; i++) {
		await_live(id[i]);
		end(id[i], fd[i]);
	}
	close(sixth);
}

/*
 * Nobody could be asked, and then somebody can: for writes as well until the blocks were looked at.
 */
static void late_lease(mode_t mode, enum revocation_cause cause)
{
	struct keeper_region what = region_of(MIB, SHORT, POLICY_YIELD), info;
	struct keeper_message m;
	int fd = make_file(MIB);

	must(fchmod(fd, mode | S_ISVTX) == 0);
	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(info.mode == ARBITRATION_NOTIFY_ONLY);
	must(fchmod(fd, mode) == 0);
	m = client_event(&k, KEEPER_MODE, rig_last);
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE && strstr(m.info.mode_reason, "write(2)"));
	if (cause != CAUSE_WRITE) {
		m = client_event(&k, KEEPER_MODE, rig_last);
		must(m.info.mode == ARBITRATION_LAYOUT_LEASE &&
		     !strstr(m.info.mode_reason, "write(2)"));
	}
	must(asked(rig_last) == cause);
	end(rig_last, fd);
}

static void test_late_lease(void)
{
	late_lease(DIRECT, CAUSE_FALLOCATE);
	late_lease(SHARED, CAUSE_WRITE);
}

/*
 * What was mapped before the lease came is dropped when nobody writes any more, whatever is under
 * way then: until that is done it is said.
 */
static void test_late_lease_and_writer(void)
{
	struct keeper_region what = region_of(MIB, SHORT, POLICY_YIELD), info;
	struct keeper_message m;
	int fd = make_file(MIB);
	struct stat st;

	must(fstat(fd, &st) == 0);
	must(fchmod(fd, DIRECT | S_ISVTX | S_IXUSR) == 0);
	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(info.mode == ARBITRATION_NOTIFY_ONLY && info.blocks == REGION_BLOCKS_UNWRITTEN);
	tell("silent", st.st_ino, "now");
	tell("clear", rig_last, "8192 12288");
	must(fchmod(fd, DIRECT | S_IXUSR) == 0);
	m = client_event(&k, KEEPER_MODE, rig_last);
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE && m.info.blocks == REGION_BLOCKS_UNWRITTEN);
	tell("answers", st.st_ino, "now");
	while (m.info.blocks != REGION_BLOCKS_FINE)
		m = client_event(&k, KEEPER_MODE, rig_last);
	must(m.info.mode == ARBITRATION_LAYOUT_LEASE);
	end(rig_last, fd);
}

/* Without a lease: it is said, until others' writes have made them ordinary ones. */
static void test_unwritten(void)
{
	struct keeper_region what = region_of(MIB, SHORT, POLICY_YIELD), info;
	struct keeper_message m;
	int fd = make_file(MIB);

	must(fchmod(fd, DIRECT | S_ISVTX | S_IXUSR) == 0);
	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(info.mode == ARBITRATION_NOTIFY_ONLY && info.blocks == REGION_BLOCKS_UNWRITTEN);
	must(fchmod(fd, DIRECT | S_ISVTX) == 0);
	tell("clear", rig_last, "0 4096");
	m = client_event(&k, KEEPER_MODE, rig_last);
	must(m.info.blocks == REGION_BLOCKS_FINE);
	must(fchmod(fd, DIRECT | S_ISVTX | S_IXUSR) == 0);
	tell("clear", rig_last, "8192 12288");
	m = client_event(&k, KEEPER_MODE, rig_last);
	must(m.info.blocks == REGION_BLOCKS_UNWRITTEN);
	end(rig_last, fd);
}

int main(int argc, char *argv[])
{
	static const char *const arguments[] = { "--session", "s.1", "--storage-stall-msec", "1000",
						 NULL };
	static const char *const impatient[] = { "--session", "s.2", "--storage-stall-msec", "200",
						 NULL };

	rig_init(argc, argv);
	rig_run(arguments, "s.1", test_plain, test_shared, test_cloned, test_writer_that_hangs,
		test_unwritten, test_late_lease, test_late_lease_and_writer);
	rig_run(impatient, "s.2", test_writer_that_stays, test_no_thread_left);
	rig_end();
	return 0;
}
