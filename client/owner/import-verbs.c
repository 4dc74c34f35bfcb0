// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * import-verbs.c - see import-verbs.h.
 *
 * The descriptor came from a process of the region's user, by way of rdmaregd. libibverbs looks
 * whether it is a verbs device; that the handles mean the region we asked for shows in the key.
 */
#include "import-verbs.h"

#include <inttypes.h>

#include "error.h"
#include "util.h"
#include "verbs-import.h"

_public_ struct rdmareg_imported *rdmareg_import_free(struct rdmareg_imported *i)
{
	if (!i)
		return NULL;
	if (i->mr)
		ibv_unimport_mr(i->mr);
	if (i->pd)
		ibv_unimport_pd(i->pd);
	if (i->context)
		ibv_close_device(i->context);
	free(i);
	return NULL;
}

DEFINE_CLEANUP(struct rdmareg_imported, rdmareg_import_free)

int import_open(uint64_t region, int fd, const struct import_handles *h,
		struct rdmareg_imported **ret)
{
	_cleanup_(rdmareg_import_free_cleanup) struct rdmareg_imported *i = calloc(1, sizeof(*i));
	int r;

	if (!i)
		return fail(ENOMEM, "importing region %" PRIu64 ": out of memory", region);
	r = verbs_import_context(fd, &i->context);
	if (r == -EOPNOTSUPP)
		return fail(r,
			    "importing region %" PRIu64
			    ": the adapter's driver has no import in this process's rdma-core; "
			    "map the file and use a ticket",
			    region);
	if (r == -ENODEV)
		return fail(r,
			    "importing region %" PRIu64
			    ": this process does not see the adapter; is /dev/infiniband "
			    "missing in its container?",
			    region);
	if (r < 0)
		return fail(r, "importing region %" PRIu64 ": its adapter's context: %s", region,
			    strerror(-r));
	errno = 0;
	i->pd = ibv_import_pd(i->context, h->pd_handle);
	if (!i->pd)
		return fail(errno, "importing region %" PRIu64 ": its protection domain: %s",
			    region, strerror(errno ? errno : EIO));
	errno = 0;
	i->mr = ibv_import_mr(i->pd, h->mr_handle);
	if (!i->mr)
		return fail(errno, "importing region %" PRIu64 ": its memory region: %s", region,
			    strerror(errno ? errno : EIO));
	if (i->mr->rkey != h->rkey || i->mr->length < h->length)
		return fail(ESTALE,
			    "importing region %" PRIu64
			    ": it was registered anew meanwhile; refresh it and try again",
			    region);
	i->address = h->address;
	i->length = h->length;
	i->generation = h->generation;
	*ret = take_pointer(i);
	return 0;
}
