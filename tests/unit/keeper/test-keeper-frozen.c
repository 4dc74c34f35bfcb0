// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-frozen.c - a region whose filesystem is frozen, as for a snapshot, with a keeper whose
 * adapters are fakes and whose storage is played (fakes/storage.h): that keeper ends when it makes
 * a page writable meanwhile.
 */
#undef NDEBUG
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <errno.h>
#include <linux/magic.h>

#include "keeper-rig.h"

#define LENGTH MIB
#define SKIP 77

static const char *const arguments[] = {
	"--session", "s.1", "--max-regions", "64", "--storage-stall-msec", "1000", NULL
};

static uint64_t other; /* a region of another file of that filesystem */

static uint64_t make_on(int fd)
{
	struct keeper_region what = region_of(LENGTH, SHORT, POLICY_YIELD), info;

	what.warm_mode = WARM_READ;
	must(client_register(&k, ++rig_last, fd, &what, &info) == 0);
	must(client_export(&k, rig_last, RW, 0, NULL) == 0);
	return rig_last;
}

static void freeze(int fd, const char *verb)
{
	struct stat st;

	must(fstat(fd, &st) == 0);
	tell(verb, st.st_ino, "now");
}

static uint64_t begin_prefetch(uint64_t id, bool write)
{
	struct keeper_message m = { .type = KEEPER_PREFETCH,
				    .region = id,
				    .range = { .length = LENGTH, .write = write } };

	return client_send(&k, &m, -1);
}

static void other_goes_on(void)
{
	must(client_prefetch(&k, other, 0, LENGTH, false) == 0);
	tell("break", other, "fallocate");
	client_event(&k, KEEPER_SETTLED, other);
}

/* One whose prefetch does not end is given up; so would be whichever began one before. */
static void another_is_given_up(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd), operation;

	tell("hang", 0, "next");
	operation = begin_prefetch(id, false);
	must(client_answer(&k, operation).done.error == -ETIME);
	must(client_event(&k, KEEPER_MODE, id).info.stuck[0]);
	tell("hang", 0, "end");
	must(!client_event(&k, KEEPER_MODE, id).info.stuck[0]);
	client_event(&k, KEEPER_SETTLED, id);
	must(client_release(&k, id) == 0);
	close(fd);
}

static void frozen(uint64_t operation)
{
	struct keeper_message m = client_answer(&k, operation);

	must(m.done.error == -ETIME && strstr(m.done.text, "takes no writes"));
}

/* A prefetch for writing waits, and is told so; nothing else does, and nobody is kept out. */
static void test_prefetch(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd), operation;
	struct keeper_region r;

	join(id);
	freeze(fd, "freeze");
	operation = begin_prefetch(id, true);
	other_goes_on();
	frozen(operation);
	frozen(begin_prefetch(id, false)); /* behind it */
	another_is_given_up();
	r = rig_listed(id);
	must(r.state == REGION_LIVE && !r.stuck[0]);
	tell("break", id, "fallocate");
	client_event(&k, KEEPER_SETTLED, id);
	other_goes_on();
	freeze(fd, "thaw");
	do { /* until the thread is back */
		operation = begin_prefetch(id, true);
	} while (client_answer(&k, operation).done.error == -ETIME);
	must(client_release(&k, id) == 0);
	close(fd);
}

/* Nor are pages touched for a peer that asks why it could not write. */
static void test_explain(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd);

	for (int i = 0; i < 2; i++)
		join(id);
	tell("peer-leave", id, "");
	client_event(&k, KEEPER_PEER_LEFT, id);
	client_event(&k, KEEPER_PEER_LEFT, id);
	freeze(fd, "freeze");
	must(explain(id, 0, PAGE) == WIRE_CAUSE_SILENT);
	other_goes_on();
	another_is_given_up();
	must(rig_listed(id).state == REGION_LIVE && !rig_listed(id).stuck[0]);
	freeze(fd, "thaw");
	while (explain(id, 0, PAGE) == WIRE_CAUSE_SILENT) { /* until the thread is back */
		join(id);
		tell("peer-leave", id, "");
		client_event(&k, KEEPER_PEER_LEFT, id);
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

/* It is released meanwhile: at once for who asks, and registered anew. */
static void test_release(void)
{
	int fd = make_disk_file(LENGTH);
	uint64_t id = make_on(fd), operation;

	freeze(fd, "freeze");
	operation = begin_prefetch(id, true);
	frozen(operation);
	must(client_release(&k, id) == 0);
	other_goes_on();
	id = make_on(fd);
	freeze(fd, "thaw");
	must(client_prefetch(&k, id, 0, LENGTH, true) == 0);
	must(client_release(&k, id) == 0);
	close(fd);
}

int main(int argc, char *argv[])
{
	struct statfs fs;
	int fd = -1;

	rig_init(argc, argv);
	fd = make_disk_file(LENGTH);
	must(fstatfs(fd, &fs) == 0);
	if (fs.f_type == TMPFS_MAGIC) /* it cannot be frozen */
		return SKIP;
	rig_start(arguments, "s.1");
	other = make_on(fd);
	test_prefetch();
	test_explain();
	test_release();
	close(fd);
	rig_stop();
	rig_end();
	return 0;
}
