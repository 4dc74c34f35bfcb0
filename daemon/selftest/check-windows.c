// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check-windows.c - type 2 memory windows on demand-paged memory. rdmaregd relies on none of this:
 * each region has a protection domain of its own, and queue pairs have rights. It is found out and
 * shown, for those who would.
 */
#include <errno.h>
#include <string.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"

#define PAGES 3
#define BYTES 64

struct window {
	struct rig_memory memory;
	struct ibv_mw *mw; /* on page 1 */
};

static int execute(struct rig *r, struct ibv_send_wr *wr)
{
	return rig_execute(r, r->far[0], wr, 0, 0);
}

/* The window's owner is `far`, which must be connected, and stay so. */
static int bind(struct rig *r, struct window *w)
{
	uint32_t rkey = ibv_inc_rkey(w->mw->rkey);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = { .mw = w->mw,
			     .rkey = rkey,
			     .bind_info = { .mr = w->memory.mr,
					    .addr = (uintptr_t)w->memory.at + r->page,
					    .length = r->page,
					    .mw_access_flags = IBV_ACCESS_REMOTE_WRITE } },
	};
	int status = execute(r, &wr);

	if (status == IBV_WC_SUCCESS)
		w->mw->rkey = rkey; /* the provider's own idea of it may be one behind */
	return status;
}

static int put(struct rig *r, struct window *w, unsigned int pair, size_t page)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.wr.rdma = { .remote_addr = (uintptr_t)w->memory.at + page * r->page,
			     .rkey = w->mw->rkey },
	};

	rig_pattern(r->local, BYTES, (unsigned int)page);
	return rig_execute(r, r->near[pair], &wr, BYTES, 0);
}

static bool landed(const struct rig *r, const struct window *w, size_t page)
{
	return memcmp(w->memory.at + page * r->page, r->local, BYTES) == 0;
}

/* Memory, and a window on its middle page; false: @f says why not. */
static bool begin(struct rig *r, struct window *w, struct finding *f)
{
	static const unsigned int type_2 =
		IBV_DEVICE_MEM_WINDOW_TYPE_2A | IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	struct ibv_device_attr_ex attr = { 0 };
	int status;

	*w = (struct window){ .memory.fd = -1 };
	if (ibv_query_device_ex(r->context, NULL, &attr) ||
	    !(attr.orig_attr.device_cap_flags & type_2)) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "the device has no type 2 windows");
		return false;
	}
	w->mw = ibv_alloc_mw(r->pd, IBV_MW_TYPE_2);
	status = w->mw ? rig_map(r, &w->memory, NULL, PAGES, RIG_RIGHTS | IBV_ACCESS_MW_BIND)
		       : -errno;
	if (status == 0)
		status = rig_connect(r, 0, NULL);
	if (status == 0)
		status = rig_connect(r, 1, NULL);
	if (status == 0)
		status = bind(r, w);
	if (status == 0)
		return true;
	finding_set(f, VERDICT_NOT_SUPPORTED, "none can be bound to demand-paged memory: %s",
		    rig_status(status));
	return false;
}

static void end(struct rig *r, struct window *w)
{
	if (w->mw)
		ibv_dealloc_mw(w->mw);
	rig_unmap(r, &w->memory);
}

static void try_window(struct rig *r, struct window *w, struct finding *f)
{
	struct ibv_send_wr invalidate = { .opcode = IBV_WR_LOCAL_INV,
					  .invalidate_rkey = w->mw->rkey };
	int status = put(r, w, 0, 1);

	if (status != IBV_WC_SUCCESS || !landed(r, w, 1)) {
		finding_set(f, VERDICT_QUIRK, "a write through one fails: %s", rig_status(status));
		return;
	}
	if (put(r, w, 1, 1) == IBV_WC_SUCCESS) {
		finding_set(f, VERDICT_QUIRK,
			    "any queue pair may use one, not only the one it was bound for");
		return;
	}
	status = execute(r, &invalidate);
	if (status != IBV_WC_SUCCESS)
		finding_set(f, VERDICT_QUIRK, "revoking one fails: %s", rig_status(status));
	else if (put(r, w, 0, 1) == IBV_WC_SUCCESS)
		finding_set(f, VERDICT_QUIRK, "one that was revoked lets writes through");
	else
		finding_set(f, VERDICT_OK, "bound, used, refused to another queue pair, revoked");
}

void check_windows(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct window w;

	(void)s;
	if (begin(r, &w, f))
		try_window(r, &w, f);
	end(r, &w);
}

void check_bounds(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct window w;
	int status;

	(void)s;
	if (begin(r, &w, f)) {
		status = put(r, &w, 0, 2);
		if (landed(r, &w, 2))
			finding_set(
				f, VERDICT_QUIRK,
				"a write beyond a window, inside its memory region, lands: nothing relies on windows");
		else if (status == IBV_WC_SUCCESS)
			finding_set(f, VERDICT_QUIRK,
				    "a write beyond a window is lost, and reported as success");
		else
			finding_set(f, VERDICT_OK, "a write beyond a window is refused");
	}
	end(r, &w);
}
