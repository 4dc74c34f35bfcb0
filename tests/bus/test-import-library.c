// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-import-library.c - rdmareg_import() from end to end: library, bus, daemon, keeper, and back
 * with a descriptor and handles, which the library hands to libibverbs. Keeper and libibverbs are
 * played (fakes/verbs.c, as one with import): no adapter that has it was at hand.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/fakes/verbs.h"
#include "client/include/rdmareg.h"
#include "harness.h"

static struct world world;

static struct rdmareg_region *begin(const char *settings, struct rdmareg **ret_context)
{
	struct rdmareg_region *region;
	int fd = make_memfd(8192);

	world_begin(&world, settings);
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	check(rdmareg_open(NULL, ret_context) == 0);
	check(rdmareg_register(*ret_context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, NULL, &region) ==
	      0);
	close(fd);
	return region;
}

static void end(struct rdmareg_region *region, struct rdmareg *context)
{
	check(rdmareg_release(region) == 0);
	rdmareg_region_free(region);
	rdmareg_close(context);
	world_end(&world);
}

static void test_whole(void)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_imported *i = NULL;
	struct rdmareg_region *region;
	struct rdmareg *context;
	struct stat st;

	region = begin("[keepers]\nimport = on\n", &context);
	check(rdmareg_region_get_info(region, &info) == 0);
	/* the handle means another registration by now, says its key */
	check(rdmareg_import(region, NULL, &i) == -ESTALE && !i);
	fake.imported_rkey = info.rkey;
	for (int n = 0; n < 3; n++) {
		check(rdmareg_import(region, NULL, &i) == 0);
		/*
		 * what the keeper's adapter says of itself (fakes/hca.c), and nothing of another's
		 */
		check(fstat(i->context->cmd_fd, &st) == 0 && st.st_rdev == makedev(1, 3));
		check(i->pd->handle == 7 && i->mr->handle == info.rkey && i->mr->rkey == info.rkey);
		check(i->address == info.address && i->length == info.length &&
		      i->generation == info.generation);
		check(fake.contexts == 1 && fake.imported_pds == 1 && fake.imported_mrs == 1);
		rdmareg_import_free(i);
		check(!fake.contexts && !fake.imported_pds && !fake.imported_mrs);
	}
	/* a driver that refuses leaves nothing behind */
	fake.fail[CALL_IMPORT_MR] = ENOENT;
	fake.fail_times[CALL_IMPORT_MR] = 1;
	i = NULL;
	check(rdmareg_import(region, NULL, &i) == -ENOENT && !i);
	check(!fake.contexts && !fake.imported_pds && !fake.imported_mrs);
	end(region, context);
}

static void test_off(void)
{
	struct rdmareg_imported *i = NULL;
	struct rdmareg_region *region;
	struct rdmareg *context;

	region = begin("", &context);
	check(rdmareg_import(region, NULL, &i) == -EACCES && !i);
	check(strstr(rdmareg_last_error(), "import = on"));
	end(region, context);
}

int main(void)
{
	verbs_fake_begin(true);
	test_whole();
	test_off();
	verbs_fake_end();
	return 0;
}
