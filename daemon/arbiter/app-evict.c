// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-evict.c - Evict: regions taken down because an administrator wants their filesystem or their
 * place; what is under way is in app-eviction.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/*
 * Those above limits, as region_table_list_on() has those of a filesystem. All are walked, since
 * limits of every tenant may have changed; only an administrator asks for it. -ENOMEM
 */
static int list_excess(struct app *a, uint64_t **ret_ids, size_t *ret_n)
{
	uint64_t *ids = calloc(registry_count(a->registry) + 1, sizeof(*ids));
	size_t n = 0;

	if (!ids)
		return -ENOMEM;
	registry_mark_excess(a->registry);
	for (const struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id))
		if (r->excess)
			ids[n++] = r->id;
	*ret_ids = ids;
	*ret_n = n;
	return 0;
}

static void describe_eviction(struct eviction *v, const struct evict_request *q,
			      const struct client *c)
{
	v->by = (struct caller){ c->pid, c->uid };
	if (q->above_limits)
		snprintf(v->what, sizeof(v->what), "limits enforced");
	else
		snprintf(v->what, sizeof(v->what), "%s %u:%u evicted (%s)", q->type,
			 major(q->on.device), minor(q->on.device), q->path);
}

int app_evict(void *userdata, struct client *c, const struct evict_request *q, struct call *call,
	      struct failure *ret)
{
	struct region_event event = { .type = REGION_RELEASE_WANTED,
				      .cause = q->above_limits ? CAUSE_QUOTA : CAUSE_UNMOUNT,
				      .grace_usec = q->has_grace ? q->grace_usec : UINT64_MAX,
				      .now_usec = now_monotonic_usec() };
	struct eviction *v = calloc(1, sizeof(*v));
	_cleanup_(freep) uint64_t *ids = NULL;
	struct app *a = userdata;
	size_t n = 0;

	if (!v || (q->above_limits ? list_excess(a, &ids, &n)
				   : region_table_list_on(a->table, &q->on, &ids, &n)) < 0) {
		free(v);
		return failure_from_errno(ret, "evicting", -ENOMEM, "");
	}
	v->call = call;
	v->whole = !q->above_limits;
	v->on = q->on;
	describe_eviction(v, q, c);
	LIST_INSERT_HEAD(&a->evictions, v, evictions);
	v->left = 1; /* ours, until all were told */
	for (size_t i = 0; i < n; i++) {
		struct region_entry *e = region_table_find(a->table, ids[i]);
		struct region *r = registry_find(a->registry, ids[i]);

		if (!e || !r) /* gone with one before it */
			continue;
		if (region_entry_await_release(e, NULL, v) < 0) {
			log_error("region %" PRIu64 ": no memory to wait for its end", r->id);
			continue;
		}
		app_note_end(r, e, q->above_limits ? END_OVER_LIMIT : END_EVICTED);
		if (!r->close_wanted || q->has_grace)
			app_note_caller(e, c);
		v->regions++;
		v->left++;
		if (e->late_release)
			app_release_late(e, "its keeper has not answered");
		else
			app_step(a, r, &event);
	}
	app_eviction_step(v, false);
	return 0;
}
