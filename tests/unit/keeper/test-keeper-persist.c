// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-persist.c - peers that want what they wrote on the medium: what each is told, with a
 * keeper whose peers are made up and whose files are real.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "keeper-rig.h"

#define LENGTH (4 * MIB)

/* The table of bad ranges, and a peer that asks again afterwards. */
static void test_ranges(uint64_t id, unsigned int good)
{
	static const struct {
		uint64_t offset, length;
	} bad[] = { { 0, 0 },	       { LENGTH, 0 },
		    { LENGTH, 1 },     { 0, LENGTH + 1 },
		    { LENGTH - 1, 2 }, { UINT64_MAX, 1 },
		    { 1, UINT64_MAX }, { UINT64_MAX, UINT64_MAX } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		must(persist(id, bad[i].offset, bad[i].length) == WIRE_SYNC_RANGE);
	must(persist(id, 0, LENGTH) == good && persist(id, LENGTH - 1, 1) == good);
}

static void test_memory(void)
{
	int fd = make_file(LENGTH);
	uint64_t id = make_region_of(fd, LENGTH);

	test_ranges(id, WIRE_SYNC_VOLATILE);
	must(client_release(&k, id) == 0);
	close(fd);
}

/*
 * While a range is being taken nothing is promised; when it is given back what was written before
 * can be asked for again.
 */
static void test_revocation(uint64_t id)
{
	uint64_t revocation;

	tell("break", id, "truncate 2097152");
	revocation = client_event(&k, KEEPER_REVOCATION, id).revocation.revocation;
	must(persist(id, 0, MIB) == WIRE_SYNC_REVOKED);
	must(persist(id, LENGTH, 1) == WIRE_SYNC_RANGE);
	tell("peer-ack", id, "");
	client_event(&k, KEEPER_PEER_ACK, id);
	must(client_consent(&k, id, revocation) == 0);
	client_event(&k, KEEPER_SETTLED, id);
	must(persist(id, 0, MIB) == WIRE_SYNC_DURABLE);
}

static void test_disk(void)
{
	int fd = make_disk_file(LENGTH);
	struct statfs s;
	uint64_t id;

	must(fstatfs(fd, &s) == 0);
	id = make_region_of(fd, LENGTH);
	if (s.f_type == TMPFS_MAGIC) {
		test_ranges(id, WIRE_SYNC_VOLATILE);
	} else {
		test_ranges(id, WIRE_SYNC_DURABLE);
		test_revocation(id);
		/* many at once: one write-back may serve several, and each is answered */
		for (uint64_t request = 1; request <= 100; request++)
			ask_to_persist(id, request, 0, MIB);
		for (uint64_t request = 100; request >= 1; request--)
			must(persisted(id, request) == WIRE_SYNC_DURABLE);
		/* who leaves is not answered, and does not disturb */
		ask_to_persist(id, 101, 0, MIB);
		tell("peer-leave", id, "");
		client_event(&k, KEEPER_PEER_LEFT, id);
		must(client_export(&k, id, RW, 0, NULL) == 0);
		join(id);
		must(persist(id, 0, MIB) == WIRE_SYNC_DURABLE);
		ask_to_persist(id, 102, 0, MIB); /* and the region ends under it */
	}
	must(client_release(&k, id) == 0);
	close(fd);
}

int main(int argc, char *argv[])
{
	rig_init(argc, argv);
	rig_run(rig_usual, "s.1", test_memory, test_disk);
	rig_end();
	return 0;
}
