// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check-placement.c - is data put where it belongs? Inside a page, and when a page takes several
 * packets.
 *
 * soft-RoCE up to Linux 7.3 serves any address at the start of its page and reports success
 * (drivers/infiniband/sw/rxe/rxe_odp.c). Other adapters may have faults of their own, so each
 * alignment and each packet size is tried, from small to large; what counts is from where on all
 * are right.
 */
#include <errno.h>
#include <string.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"

#define PAGES 3
#define SHORT 40 /* fits any packet */

/* Is @length of what was sent at @offset, and everything else zero? */
static bool is_only_there(const struct rig *r, const struct rig_memory *m, size_t offset,
			  size_t length)
{
	if (memcmp(m->at + offset, r->local, length) != 0)
		return false;
	for (size_t i = 0; i < m->length; i++)
		if (m->at[i] && (i < offset || i >= offset + length))
			return false;
	return true;
}

/* 0: right, 1: wrong, or what went wrong with trying. */
static int try_write(struct rig *r, struct rig_memory *m, const struct rig_path *path,
		     size_t offset, size_t length)
{
	int status;

	memset(m->at, 0, m->length);
	for (size_t i = 0; i < length; i++) /* nothing of it zero */
		r->local[i] = (unsigned char)(1 + (i * 7 + i / 251) % 255);
	status = rig_transfer(r, path, IBV_WR_RDMA_WRITE, (uintptr_t)m->at + offset, m->mr->rkey,
			      (uint32_t)length);
	if (status != IBV_WC_SUCCESS)
		return status < 0 ? status : -EREMOTEIO;
	return is_only_there(r, m, offset, length) ? 0 : 1;
}

static int try_read(struct rig *r, struct rig_memory *m, const struct rig_path *path, size_t offset,
		    size_t length)
{
	int status;

	rig_pattern(m->at, m->length, 3);
	memset(r->local, 0, 2 * r->page);
	status = rig_transfer(r, path, IBV_WR_RDMA_READ, (uintptr_t)m->at + offset, m->mr->rkey,
			      (uint32_t)length);
	if (status != IBV_WC_SUCCESS)
		return status < 0 ? status : -EREMOTEIO;
	return memcmp(r->local, m->at + offset, length) == 0 ? 0 : 1;
}

static int try_both(struct rig *r, struct rig_memory *m, const struct rig_path *path, size_t offset,
		    size_t length)
{
	int w = try_write(r, m, path, offset, length), rd;

	if (w < 0)
		return w;
	rd = try_read(r, m, path, offset, length);
	return rd < 0 ? rd : w | rd;
}

/* At an odd multiple of @alignment, and, where that can be, over the end of a page. */
static int try_alignment(struct rig *r, struct rig_memory *m, size_t alignment)
{
	int status = try_both(r, m, NULL, alignment, SHORT);

	if (status || alignment > SHORT / 2)
		return status;
	return try_both(r, m, NULL, r->page - alignment, SHORT);
}

void check_alignment(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	uint32_t right_from = 1;
	int status = rig_map(r, &m, NULL, PAGES, RIG_RIGHTS);

	(void)s;
	for (uint32_t a = 1; status == 0 && a <= r->page; a *= 2) {
		status = try_alignment(r, &m, a);
		if (status == 1) {
			right_from = 2 * a;
			status = 0;
		}
	}
	rig_unmap(r, &m);
	if (status < 0) {
		finding_set(f, VERDICT_NOT_RUN, "reading and writing fails: %s", strerror(-status));
		return;
	}
	f->value = right_from;
	if (right_from == 1)
		finding_set(f, VERDICT_OK, "reads and writes are right at any address");
	else if (right_from <= r->page)
		finding_set(
			f, VERDICT_QUIRK,
			"data is misplaced at addresses that are no multiple of %u: peers are held to those",
			right_from);
	else
		finding_set(f, VERDICT_FAILED, "data is misplaced even at the start of a page");
}

void check_mtu(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	uint32_t active = 128u << r->attr.active_mtu, right_from = 256;
	int status = rig_map(r, &m, NULL, PAGES, RIG_RIGHTS);

	(void)s;
	for (enum ibv_mtu mtu = IBV_MTU_256; status == 0 && mtu <= r->attr.active_mtu; mtu++) {
		struct rig_path path = { .mtu = mtu };

		status = try_both(r, &m, &path, r->page, r->page);
		if (status == 1) {
			right_from = 2 * (128u << mtu);
			status = 0;
		}
	}
	rig_unmap(r, &m);
	if (status < 0) {
		finding_set(f, VERDICT_NOT_RUN, "reading and writing fails: %s", strerror(-status));
	} else if (right_from == 256) {
		f->value = 1;
		finding_set(f, VERDICT_OK,
			    "reads and writes of several packets are right, of any size up to %u",
			    active);
	} else if (right_from <= active) {
		f->value = right_from;
		finding_set(
			f, VERDICT_QUIRK,
			"data is misplaced when packets are smaller than %u bytes: paths below that MTU are refused",
			right_from);
	} else if (active < 4096) {
		f->value = 4096;
		f->passing = true;
		finding_set(
			f, VERDICT_FAILED,
			"data is misplaced with the port's MTU of %u bytes, and larger ones cannot be tried: raise the "
			"interface's MTU to 4200 or more, and test again",
			active);
	} else {
		finding_set(f, VERDICT_FAILED, "data is misplaced whatever the packet size");
	}
}
