// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * progress.c - how far requests to prefetch are, and giving one up; see warm.h.
 *
 * What always holds: a request that is given up still ends exactly once, and never before its last
 * chunk is back.
 */
#include <errno.h>

#include "keeper/warm/warm.h"

bool warm_progress(struct warm *w, struct warm_request *ret, uint64_t *ret_done,
		   uint64_t *ret_total)
{
	struct warm_request *q = &w->request[0];
	uint64_t done;

	if (!w->n_requests || q->error)
		return false;
	done = q->start - q->begin;
	if (w->out == WARM_REQUEST && !w->out_is_stale)
		done -= w->chunk.length;
	if (done <= q->told ||
	    q->start >= q->end) /* with its last chunk it ends, which is told otherwise */
		return false;
	q->told = done;
	*ret = *q;
	*ret_done = done;
	*ret_total = q->end - q->begin;
	return true;
}

void warm_cancel_request(struct warm *w, uint64_t connection, uint64_t operation)
{
	for (unsigned int i = 0; i < w->n_requests; i++) {
		struct warm_request *q = &w->request[i];

		if (q->connection != connection || (operation && q->operation != operation))
			continue;
		q->start = q->end;
		if (!q->error)
			q->error = -ECANCELED;
	}
}
