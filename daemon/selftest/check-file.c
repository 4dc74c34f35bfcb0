// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check-file.c - does the adapter follow what happens to a file? Fence, writeback, truncate.
 *
 * Accesses are short and at the start of a page, so that faults of placement do not show here too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"
#include "util/cleanup.h"

#define PAGES 4
#define BYTES 200

static uint64_t page_address(const struct rig *r, const struct rig_memory *m, size_t page)
{
	return (uintptr_t)m->at + page * r->page;
}

/* One WRITE of @seed's bytes to the start of a page. */
static int put(struct rig *r, struct rig_memory *m, size_t page, unsigned int seed)
{
	rig_pattern(r->local, BYTES, seed);
	return rig_transfer(r, NULL, IBV_WR_RDMA_WRITE, page_address(r, m, page), m->mr->rkey,
			    BYTES);
}

static int get(struct rig *r, struct rig_memory *m, size_t page)
{
	memset(r->local, 0, BYTES);
	return rig_transfer(r, NULL, IBV_WR_RDMA_READ, page_address(r, m, page), m->mr->rkey,
			    BYTES);
}

/* Has the file, read as a file, @seed's bytes there? */
static bool file_has(const struct rig *r, int fd, size_t page, unsigned int seed)
{
	unsigned char want[BYTES], got[BYTES];

	rig_pattern(want, BYTES, seed);
	return pread(fd, got, BYTES, (off_t)(page * r->page)) == BYTES && !memcmp(want, got, BYTES);
}

static bool begin(const struct selftest *s, struct rig *r, struct rig_memory *m, struct finding *f)
{
	int status = rig_map(r, m, s->directory, PAGES, RIG_RIGHTS);

	if (status == 0)
		return true;
	finding_set(f, VERDICT_NOT_RUN, "a file %s%s cannot be registered: %s",
		    s->directory ? "in " : "in memory", s->directory ? s->directory : "",
		    strerror(-status));
	return false;
}

/* Fenced: nothing gets in or out, and what is beside it stays reachable. */
static void try_fenced(struct rig *r, struct rig_memory *m, struct finding *f)
{
	int status = put(r, m, 1, 2);

	if (status == IBV_WC_SUCCESS || !file_has(r, m->fd, 1, 1))
		finding_set(f, VERDICT_FAILED, "a write to a fenced page %s",
			    status == IBV_WC_SUCCESS ? "was not refused"
						     : "was refused, and landed");
	else if (get(r, m, 1) == IBV_WC_SUCCESS)
		finding_set(f, VERDICT_FAILED, "a read of a fenced page was not refused");
	else if ((status = put(r, m, 0, 3)) != IBV_WC_SUCCESS)
		finding_set(f, VERDICT_FAILED, "fencing one page made another unreachable: %s",
			    rig_status(status));
	else
		f->verdict = VERDICT_OK;
}

void check_fence(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	int status;

	if (!begin(s, r, &m, f))
		return;
	status = put(r, &m, 1, 1);
	if (status != IBV_WC_SUCCESS) {
		finding_set(f, VERDICT_FAILED, "a write before any fence fails: %s",
			    rig_status(status));
	} else if (mprotect(m.at + r->page, r->page, PROT_NONE) < 0) {
		finding_set(f, VERDICT_NOT_RUN, "mprotect: %s", strerror(errno));
	} else {
		try_fenced(r, &m, f);
		mprotect(m.at + r->page, r->page, PROT_READ | PROT_WRITE);
	}
	if (f->verdict == VERDICT_OK) {
		status = put(r, &m, 1, 4);
		if (status != IBV_WC_SUCCESS || !file_has(r, m.fd, 1, 4))
			finding_set(f, VERDICT_FAILED,
				    "after the fence the same rkey does not work: %s",
				    rig_status(status));
		else
			finding_set(
				f, VERDICT_OK,
				"a fenced page is unreachable, its neighbours are not; lifted, the same rkey works");
	}
	rig_unmap(r, &m);
}

/* As storage has it, where the filesystem can be asked past its cache. */
static bool storage_has(const struct rig *r, const struct rig_memory *m, size_t page,
			unsigned int seed)
{
	_cleanup_(freep) unsigned char *block = aligned_alloc(r->page, r->page);
	unsigned char want[BYTES];
	char path[64];
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fd);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || !block ||
	    pread(fd, block, r->page, (off_t)(page * r->page)) != (ssize_t)r->page)
		return file_has(r, m->fd, page, seed);
	rig_pattern(want, BYTES, seed);
	return memcmp(block, want, BYTES) == 0;
}

void check_writeback(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	int status = 0;

	if (!begin(s, r, &m, f))
		return;
	if (!m.on_storage) {
		rig_unmap(r, &m);
		finding_set(f, VERDICT_NOT_RUN, "takes a file on storage: --directory");
		return;
	}
	finding_set(f, VERDICT_OK,
		    "bytes written before and after an fsync are on storage after the next");
	for (unsigned int round = 1; round <= 3 && f->verdict == VERDICT_OK; round++) {
		status = put(r, &m, 2, round);
		if (status != IBV_WC_SUCCESS)
			finding_set(f, VERDICT_FAILED, "write number %u, after an fsync, fails: %s",
				    round, rig_status(status));
		else if (fsync(m.fd) < 0)
			finding_set(f, VERDICT_NOT_RUN, "fsync: %s", strerror(errno));
		else if (!storage_has(r, &m, 2, round))
			finding_set(f, VERDICT_FAILED,
				    "the bytes of write number %u did not reach storage", round);
	}
	rig_unmap(r, &m);
}

static void try_truncated(struct rig *r, struct rig_memory *m, struct finding *f)
{
	off_t size = (off_t)(2 * r->page);

	if (put(r, m, 3, 2) == IBV_WC_SUCCESS || get(r, m, 3) == IBV_WC_SUCCESS)
		finding_set(f, VERDICT_FAILED, "pages beyond the new end of a file stay reachable");
	else if (put(r, m, 0, 3) != IBV_WC_SUCCESS || !file_has(r, m->fd, 0, 3))
		finding_set(f, VERDICT_FAILED,
			    "truncating a file made what is left of it unreachable");
	else if (lseek(m->fd, 0, SEEK_END) != size)
		finding_set(f, VERDICT_FAILED, "an access beyond the end made the file longer");
	else if (ftruncate(m->fd, (off_t)m->length) < 0)
		finding_set(f, VERDICT_NOT_RUN, "ftruncate: %s", strerror(errno));
	else if (put(r, m, 3, 4) != IBV_WC_SUCCESS || !file_has(r, m->fd, 3, 4))
		finding_set(f, VERDICT_FAILED,
			    "what a file gained again is served from pages it lost");
	else
		finding_set(
			f, VERDICT_OK,
			"nothing beyond the end of a truncated file is reachable; longer again, all of it is");
}

void check_truncate(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	int status;

	if (!begin(s, r, &m, f))
		return;
	status = put(r, &m, 3, 1);
	if (status != IBV_WC_SUCCESS)
		finding_set(f, VERDICT_FAILED, "a write before the truncate fails: %s",
			    rig_status(status));
	else if (ftruncate(m.fd, (off_t)(2 * r->page)) < 0)
		finding_set(f, VERDICT_NOT_RUN, "ftruncate: %s", strerror(errno));
	else
		try_truncated(r, &m, f);
	rig_unmap(r, &m);
}
