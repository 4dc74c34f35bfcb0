// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * buffer.c - pinned memory of this side: the peer's own, through which transfers are copied, and
 * that of the program.
 */
#include "buffer.h"

#include <sys/mman.h>

#include "error.h"
#include "util.h"

uint32_t buffer_chunk_unit(const struct rdmareg_peer *p)
{
	return p->remote.alignment > 4096 ? p->remote.alignment : 4096;
}

/*
 * Our own memory is pinned on first use. A tight RLIMIT_MEMLOCK makes transfers slower, not
 * impossible.
 */
int buffer_prepare(struct rdmareg_peer *p)
{
	size_t unit = buffer_chunk_unit(p), bytes = p->options.buffer_bytes;

	if (p->bounce_mr)
		return 0;
	if (bytes > 1u << 30)
		bytes = 1u << 30;
	bytes = bytes / unit * unit;
	if (!bytes)
		bytes = unit;
	for (;; bytes = bytes / 2 / unit * unit) {
		if (!bytes)
			return fail(
				ENOMEM,
				"pinning %zu bytes for transfers: %s; raise RLIMIT_MEMLOCK (ulimit -l)",
				unit, strerror(ENOMEM));
		p->bounce = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		if (p->bounce == MAP_FAILED) {
			p->bounce = NULL;
			continue;
		}
		/*
		 * A child must not turn our pages into its own copies while the adapter uses them.
		 */
		madvise(p->bounce, bytes, MADV_DONTFORK);
		p->bounce_mr = ibv_reg_mr(p->pd, p->bounce, bytes, IBV_ACCESS_LOCAL_WRITE);
		if (p->bounce_mr)
			break;
		munmap(p->bounce, bytes);
		p->bounce = NULL;
		if (errno != ENOMEM)
			return fail(errno, "registering %zu bytes for transfers: %s", bytes,
				    strerror(errno));
	}
	p->bounce_bytes = bytes;
	return 0;
}

void buffer_free_all(struct rdmareg_peer *p)
{
	while (p->buffers)
		rdmareg_buffer_free(p->buffers);
	if (p->bounce_mr)
		ibv_dereg_mr(p->bounce_mr);
	if (p->bounce)
		munmap(p->bounce, p->bounce_bytes);
	p->bounce_mr = NULL;
	p->bounce = NULL;
}

_public_ int rdmareg_peer_register_buffer(struct rdmareg_peer *p, void *memory, size_t length,
					  int writable, struct rdmareg_buffer **ret)
{
	struct rdmareg_buffer *b;

	NEED(p);
	NEED(ret);
	if (p->end.code)
		return peer_fail_ended(p);
	if (!memory || !length)
		return fail(EINVAL, "registering a buffer: it is empty");
	b = calloc(1, sizeof(*b));
	if (!b)
		return fail(ENOMEM, "registering a buffer: out of memory");
	b->mr = ibv_reg_mr(p->pd, memory, length, writable ? IBV_ACCESS_LOCAL_WRITE : 0);
	if (!b->mr) {
		int error = errno;

		free(b);
		return fail(error,
			    "registering a buffer of %zu bytes: %s; is it mapped%s, and "
			    "RLIMIT_MEMLOCK large enough?",
			    length, strerror(error), writable ? " writable" : "");
	}
	b->peer = p;
	b->memory = memory;
	b->length = length;
	b->writable = writable;
	b->next = p->buffers;
	p->buffers = b;
	*ret = b;
	return 0;
}

_public_ struct rdmareg_buffer *rdmareg_buffer_free(struct rdmareg_buffer *b)
{
	struct rdmareg_buffer **p;

	if (!b)
		return NULL;
	for (p = &b->peer->buffers; *p; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			break;
		}
	ibv_dereg_mr(b->mr);
	free(b);
	return NULL;
}
