/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * warm.h - what of a region is to be prefetched next.
 *
 * Three sources, in this order: what the daemon asked for (each answered when done), one pass over
 * everything after the region opened again, and blocks whose translations writeback took away
 * (warm/blocks.h). The last is metered by a token bucket, so that a file that is written back all
 * the time cannot keep the keeper busy. While memory is short (@short_of_memory) the last two wait.
 *
 * What always holds: at most one chunk is out at a time, no chunk is longer than WARM_CHUNK_BYTES
 * or reaches beyond the valid length (rounded up to a page), and a request ends exactly once.
 *
 * Pure: no I/O, no clock.
 */
#ifndef RDMAREG_KEEPER_WARM_H
#define RDMAREG_KEEPER_WARM_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/warm/blocks.h"

#define WARM_CHUNK_BYTES WARM_BLOCK_BYTES
#define WARM_REQUESTS_MAX 16
#define WARM_BYTES_PER_SEC \
	(UINT64_C(1) << 30) /* default: of re-warming after writeback, per region */

struct warm_chunk {
	uint64_t offset;
	uint64_t length;
	bool write;
	bool write_if_dirty; /* for writing, too, if storage is to be written all of it anyway */
	bool sampled;	     /* it is to be said what it holds: warm_sampled() */
	/* if it still holds that, it is to be brought in for reading: warm_block_is_same() */
	struct warm_sample before;
};

struct warm_request {
	uint64_t start; /* what is left of it */
	uint64_t end;
	bool write, write_if_dirty;
	uint64_t connection; /* whom to answer: the keeper's own affair */
	uint64_t operation;
	int error;
	uint64_t begin; /* where it started: what of it is done is counted from here */
	uint64_t told;	/* bytes last reported as done */
};

struct warm_range {
	uint64_t start;
	uint64_t end; /* start >= end: nothing */
};

enum warm_source {
	WARM_NOTHING,
	WARM_REQUEST,
	WARM_PASS,
	WARM_REWARM,
};

struct warm {
	bool short_of_memory; /* requests are always served, nothing else */
	enum warm_source out; /* where the chunk that is out came from */
	bool out_is_stale;    /* its source was cancelled */
	struct warm_chunk chunk;
	struct warm_request request[WARM_REQUESTS_MAX];
	unsigned int n_requests;
	struct warm_range pass;
	struct warm_blocks blocks;
	uint64_t bytes_per_sec;
	uint64_t tokens;
	uint64_t filled_usec;
};

/* @blocks: taken over. @bytes_per_sec: at least WARM_CHUNK_BYTES. */
void warm_init(struct warm *w, const struct warm_blocks *blocks, uint64_t bytes_per_sec);

/*
 * Everything that is brought in unasked, the first time included, is for writing: mode "write", and
 * the region's access allows it.
 */
bool warm_is_for_writing(const struct warm *w);

/*
 * Likewise where it costs storage nothing: mode "adaptive". A page that peers have not written is
 * written back no more often for it, and the first write of it does not fault.
 */
bool warm_is_for_writing_if_dirty(const struct warm *w);

/* -EBUSY: too many waiting. */
int warm_add_request(struct warm *w, const struct warm_request *request);

/*
 * Everything up to @end once, in the background, unless the mode is off; replaces a pass under way.
 */
void warm_add_pass(struct warm *w, uint64_t end);

/**
 * warm_next - take out the next chunk
 * @limit: valid length rounded up to a page
 * @ret_wait_usec: set when it returns false and there will be something after that time; else 0
 *
 * False also while a chunk is out.
 */
bool warm_next(struct warm *w, uint64_t limit, uint64_t now_usec, struct warm_chunk *ret,
	       uint64_t *ret_wait_usec);

/*
 * What the chunk that is out held, without pages if that could not be seen. Before warm_done(), if
 * the chunk wants it.
 */
void warm_sampled(struct warm *w, const struct warm_sample *sample);

/**
 * warm_done - the chunk that was out came back
 * @error: ends a request (with that error) or a pass; a failed re-warm is simply over
 */
void warm_done(struct warm *w, int error);

/*
 * Takes a finished request out, true if there was one. Call until false after warm_done() and
 * warm_next().
 */
bool warm_take_finished(struct warm *w, struct warm_request *ret);

/*
 * Drop everything that waits: every request ends with @error. A chunk that is out comes back
 * without effect.
 */
void warm_cancel(struct warm *w, int error);

/*
 * warm/progress.c: how far requests are, and giving one up.
 *
 * warm_progress: true if the request being served has come further by a chunk or more since the
 * last time, and is not at its end; a chunk that is out does not count. @ret_done, @ret_total:
 * bytes. The caller sees to it that it is not asked too often.
 */
bool warm_progress(struct warm *w, struct warm_request *ret, uint64_t *ret_done,
		   uint64_t *ret_total);

/*
 * Requests of @connection with this operation number (0: all of that connection) end with
 * -ECANCELED: those that wait at once, the one whose chunk is out when it is back. What nobody
 * knows is no error.
 */
void warm_cancel_request(struct warm *w, uint64_t connection, uint64_t operation);

#endif
