// SPDX-License-Identifier: GPL-2.0-or-later
/* warm.c - see warm.h. */
#include "keeper/warm/warm.h"

#include <errno.h>
#include <string.h>

void warm_init(struct warm *w, const struct warm_blocks *blocks, uint64_t bytes_per_sec)
{
	*w = (struct warm){ .blocks = *blocks, .bytes_per_sec = bytes_per_sec };
}

bool warm_is_for_writing(const struct warm *w)
{
	return w->blocks.mode == WARM_WRITE && w->blocks.can_write;
}

bool warm_is_for_writing_if_dirty(const struct warm *w)
{
	return w->blocks.mode == WARM_ADAPTIVE && w->blocks.can_write;
}

int warm_add_request(struct warm *w, const struct warm_request *request)
{
	if (w->n_requests == WARM_REQUESTS_MAX)
		return -EBUSY;
	w->request[w->n_requests] = *request;
	w->request[w->n_requests++].begin = request->start;
	return 0;
}

void warm_add_pass(struct warm *w, uint64_t end)
{
	if (w->blocks.mode == WARM_OFF)
		return;
	w->pass = (struct warm_range){ 0, end };
	warm_blocks_clear(&w->blocks);
}

/*
 * Cuts a chunk off the front of [*start, end); chunks end at multiples of their size, as huge pages
 * do.
 */
static bool cut(struct warm *w, enum warm_source source, uint64_t *start, uint64_t end,
		uint64_t limit, bool write, bool write_if_dirty)
{
	uint64_t stop;

	if (end > limit)
		end = limit;
	if (*start >= end)
		return false;
	stop = *start - *start % WARM_CHUNK_BYTES + WARM_CHUNK_BYTES;
	if (stop > end)
		stop = end;
	w->chunk = (struct warm_chunk){ .offset = *start,
					.length = stop - *start,
					.write = write,
					.write_if_dirty = write_if_dirty };
	w->out = source;
	*start = stop;
	return true;
}

static void refill(struct warm *w, uint64_t now)
{
	uint64_t passed = now - w->filled_usec, fresh;

	if (passed > 1000000)
		passed = 1000000;
	fresh = w->bytes_per_sec / 1000 * passed / 1000;
	if (!fresh)
		return;
	w->filled_usec = now;
	w->tokens += fresh;
	if (w->tokens > w->bytes_per_sec)
		w->tokens = w->bytes_per_sec;
}

static bool next_block(struct warm *w, uint64_t limit, uint64_t now, uint64_t *ret_wait_usec)
{
	uint64_t start, end;
	bool write;

	if (!warm_blocks_peek(&w->blocks, limit, now, &start, &end, &write, ret_wait_usec))
		return false;
	refill(w, now);
	if (w->tokens < end - start) {
		*ret_wait_usec = (end - start - w->tokens) * 1000 / (w->bytes_per_sec / 1000) + 1;
		return false;
	}
	w->tokens -= end - start;
	w->chunk = (struct warm_chunk){ .offset = start, .length = end - start, .write = write };
	w->chunk.sampled = warm_blocks_take(&w->blocks, start, end, write, &w->chunk.before);
	w->out = WARM_REWARM;
	return true;
}

/*
 * Requests are served in order: a chunk that is out for a request is always out for the first one.
 */
static bool is_finished(const struct warm *w, unsigned int i)
{
	const struct warm_request *q = &w->request[i];

	return q->start >= q->end && (i > 0 || w->out != WARM_REQUEST || w->out_is_stale);
}

static bool next_of_request(struct warm *w, uint64_t limit)
{
	struct warm_request *q = &w->request[0];

	if (!w->n_requests || is_finished(w, 0))
		return false;
	if (cut(w, WARM_REQUEST, &q->start, q->end, limit, q->write, q->write_if_dirty))
		return true;
	q->start = q->end; /* what is left of it is beyond the end of the file */
	return false;
}

bool warm_next(struct warm *w, uint64_t limit, uint64_t now, struct warm_chunk *ret,
	       uint64_t *ret_wait_usec)
{
	*ret_wait_usec = 0;
	if (w->out != WARM_NOTHING)
		return false;
	if (!next_of_request(w, limit)) {
		if (w->short_of_memory)
			return false;
		if (!cut(w, WARM_PASS, &w->pass.start, w->pass.end, limit, warm_is_for_writing(w),
			 warm_is_for_writing_if_dirty(w)) &&
		    !next_block(w, limit, now, ret_wait_usec))
			return false;
	}
	w->out_is_stale = false;
	*ret = w->chunk;
	return true;
}

void warm_sampled(struct warm *w, const struct warm_sample *sample)
{
	if (w->out == WARM_REWARM && !w->out_is_stale)
		warm_blocks_sampled(&w->blocks, w->chunk.offset, sample);
}

void warm_done(struct warm *w, int error)
{
	if (error && !w->out_is_stale) {
		if (w->out == WARM_REQUEST) {
			w->request[0].error = error;
			w->request[0].start = w->request[0].end;
		} else if (w->out == WARM_PASS) {
			w->pass = (struct warm_range){ 0, 0 };
		}
	}
	w->out = WARM_NOTHING;
}

bool warm_take_finished(struct warm *w, struct warm_request *ret)
{
	for (unsigned int i = 0; i < w->n_requests; i++) {
		if (!is_finished(w, i))
			continue;
		*ret = w->request[i];
		w->n_requests--;
		memmove(&w->request[i], &w->request[i + 1],
			(w->n_requests - i) * sizeof(*w->request));
		return true;
	}
	return false;
}

void warm_cancel(struct warm *w, int error)
{
	for (unsigned int i = 0; i < w->n_requests; i++) {
		w->request[i].start = w->request[i].end;
		w->request[i].error = error;
	}
	w->pass = (struct warm_range){ 0, 0 };
	warm_blocks_clear(&w->blocks);
	w->out_is_stale = true;
}
