// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hca.c - hca.h without an adapter, for tests: every registration succeeds and gets a made-up key.
 * Prefetching does what it would do to the file's pages, so that a range beyond the end of the file
 * fails as it does with an adapter.
 */
#include "hca.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "rdmareg-wire.h"
#include "storage.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

struct hca {
	atomic_uint keys;
};

struct hca_mr {
	uint32_t rkey;
	bool write;
};

static atomic_int register_error, prefetch_error, count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t allowed = PTHREAD_COND_INITIALIZER;
static bool hang_next, hangs; /* under @lock */
static atomic_bool taken_away;
static int chunks = -1; /* may still be prefetched; under @lock */

void hca_fake_fail_register(int error)
{
	register_error = error;
}

void hca_fake_fail_prefetch(int error)
{
	prefetch_error = error;
}

void hca_fake_allow_chunks(int n)
{
	pthread_mutex_lock(&lock);
	chunks = n;
	pthread_cond_broadcast(&allowed);
	pthread_mutex_unlock(&lock);
}

void hca_fake_hang_prefetch(bool hang)
{
	pthread_mutex_lock(&lock);
	hang_next = hang;
	if (!hang)
		hangs = false;
	pthread_cond_broadcast(&allowed);
	pthread_mutex_unlock(&lock);
}

static void wait_for_chunk(void)
{
	bool hung;

	pthread_mutex_lock(&lock);
	hung = hang_next;
	hangs |= hang_next;
	hang_next = false;
	while (hung && hangs)
		pthread_cond_wait(&allowed, &lock);
	while (!chunks)
		pthread_cond_wait(&allowed, &lock);
	if (chunks > 0)
		chunks--;
	pthread_mutex_unlock(&lock);
}

void hca_fake_take_away(void)
{
	taken_away = true;
}

int hca_fake_count(void)
{
	return count;
}

int hca_check(struct ibv_context *context, struct failure *why)
{
	(void)context;
	(void)why;
	return 0;
}

int hca_new(struct hca **ret, struct ibv_context *context, uint8_t port)
{
	(void)context;
	(void)port;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct hca *hca_free(struct hca *h)
{
	free(h);
	return NULL;
}

void hca_probe(const struct hca *h, struct quirks *ret)
{
	(void)h;
	*ret = (struct quirks){ .alignment = 1, .minimum_mtu = 1 };
	for (enum check c = 0; c < _CHECK_MAX; c++)
		ret->verdict[c] = VERDICT_OK;
}

void hca_forbid_atomics(struct hca *h)
{
	(void)h;
}

int hca_mtu(const struct hca *h, uint32_t *ret_bytes)
{
	(void)h;
	*ret_bytes = 4096;
	return 0;
}

unsigned int hca_flush_access(uint8_t flush)
{
	(void)flush;
	return 0;
}

uint8_t hca_flush(const struct hca *h)
{
	(void)h;
	return WIRE_FLUSH_GLOBAL | WIRE_FLUSH_PERSISTENT;
}

#pragma weak storage_fake_examined_here /* the keeper with the real module has real storage */

int hca_register(struct hca *h, uint64_t address, uint64_t length, bool write, uint8_t flush,
		 struct hca_mr **ret)
{
	int error = atomic_exchange(&register_error, 0);
	struct hca_mr *mr;

	(void)address;
	(void)length;
	(void)flush;
	if (storage_fake_examined_here && !storage_fake_examined_here()) {
		fprintf(stderr, "fake: another thread was woken to register a file\n");
		abort();
	}
	if (error)
		return error;
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return -ENOMEM;
	count++;
	mr->rkey = 0x1000 + 0x101 * ++h->keys;
	mr->write = write;
	*ret = mr;
	return 0;
}

int hca_deregister(struct hca_mr *mr)
{
	if (taken_away)
		return -EIO;
	free(mr);
	count--;
	return 0;
}

uint32_t hca_mr_rkey(const struct hca_mr *mr)
{
	return mr->rkey;
}

struct ibv_pd *hca_mr_pd(const struct hca_mr *mr)
{
	(void)mr;
	return NULL;
}

/* RDMAREG_FAKE_FAULTS: an adapter that counts, and has got so far. */
uint32_t hca_mr_counter(const struct hca_mr *mr)
{
	return getenv("RDMAREG_FAKE_FAULTS") ? mr->rkey : 0;
}

int hca_read_faults(struct hca *h, uint32_t counter, uint64_t *ret_faults)
{
	const char *faults = getenv("RDMAREG_FAKE_FAULTS");

	(void)h;
	if (!faults || !counter)
		return -ENODATA;
	*ret_faults = strtoull(faults, NULL, 10);
	return 0;
}

/* Something that is a character device, as an adapter is, and that an importer finds to be none. */
int hca_mr_import(struct hca_mr *mr, struct hca_import *ret)
{
	static int fd = -1;

	if (getenv("RDMAREG_FAKE_NO_IMPORT"))
		return -EOPNOTSUPP;
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = (struct hca_import){ .command_fd = fd, .pd_handle = 7, .mr_handle = mr->rkey };
	return 0;
}

int hca_prefetch(struct hca_mr *mr, uint64_t address, uint64_t length, bool write)
{
	int error = atomic_exchange(&prefetch_error, 0);

	wait_for_chunk();
	if (error)
		return error;
	if (write && !mr->write)
		return -EINVAL;
	return madvise((void *)(uintptr_t)address, length,
		       write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) < 0
		       ? -EFAULT
		       : 0;
}
