// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * try.c - what an adapter can do and does not say, found out by trying it once, when it is opened.
 *
 * What always holds: nothing that is tried touches anybody's memory but one page of our own, and
 * nothing of it is left afterwards.
 */
#include "keeper/hca/try.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/advise.h"
#include "verbs-import.h"

int hca_try_import(struct ibv_context *context)
{
	struct ibv_context *imported;
	struct ibv_pd *pd, *other;
	int r;

	pd = ibv_alloc_pd(context);
	if (!pd)
		return errno > 0 ? -errno : -ENOMEM;
	r = verbs_import_context(context->cmd_fd, &imported);
	if (r == 0) {
		errno = 0;
		other = ibv_import_pd(imported, pd->handle);
		if (other)
			ibv_unimport_pd(other);
		else
			r = errno > 0 ? -errno : -EIO;
		ibv_close_device(imported);
	}
	ibv_dealloc_pd(pd);
	return r;
}

static bool reads(struct ibv_pd *pd, void *page, size_t size, unsigned int more)
{
	struct ibv_mr *mr =
		ibv_reg_mr(pd, page, size, IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_READ | more);
	bool good;

	if (!mr)
		return false;
	good = advise_mr(mr, (uintptr_t)page, (uint32_t)size, false) == 0;
	ibv_dereg_mr(mr);
	return good;
}

/* Does it read with the right to write, and only with that? */
static bool wants_write(struct ibv_pd *pd, void *page, size_t size)
{
	return !reads(pd, page, size, 0) && reads(pd, page, size, IBV_ACCESS_LOCAL_WRITE) &&
	       !reads(pd, page, size, 0);
}

/* What it finds holds for all regions, so one call that fails for another reason must not decide it. */
unsigned int hca_try_read_access(struct ibv_context *context)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool found = false;

	for (int i = 0; i < 2 && !found && page != MAP_FAILED; i++) {
		struct ibv_pd *pd = ibv_alloc_pd(context);

		if (!pd)
			continue;
		found = wants_write(pd, page, size);
		ibv_dealloc_pd(pd);
	}
	if (page != MAP_FAILED)
		munmap(page, size);
	return found ? IBV_ACCESS_LOCAL_WRITE : 0;
}
