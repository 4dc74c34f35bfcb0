// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-metrics.c - what is counted of regions, at the one place where they take steps, and what the
 * page asks for.
 *
 * What always holds: a region is in the gauges from its entry to its last effect, as it was after
 * its last step or change of mode; counters of regions that are gone, and of regions that an
 * earlier daemon had, stay in the totals as far as this daemon saw them rise.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/replace-file.h"

#define SCRAPE_PATIENCE_USEC (30 * USEC_PER_SEC)

/* Adds or takes away what the region was last seen as. */
static void put(struct app *a, const struct region_measure *v, bool add)
{
	void (*change)(struct metrics *, enum metric, uint64_t, unsigned int, unsigned int,
		       unsigned int) = add ? metrics_add : metrics_take;

	change(a->metrics, METRIC_REGIONS, 1, v->state, v->mode, 0);
	change(a->metrics, METRIC_REGION_BYTES, v->bytes, 0, 0, 0);
	change(a->metrics, METRIC_DEGRADED, v->degraded, 0, 0, 0);
	change(a->metrics, METRIC_REVOKING, v->revoking, 0, 0, 0);
	change(a->metrics, METRIC_HOLDERS, v->clients, METRIC_CLIENT, 0, 0);
	change(a->metrics, METRIC_HOLDERS, v->peers, METRIC_PEER, 0, 0);
}

static void add_risen(struct app *a, enum metric id, uint64_t *last, uint64_t now)
{
	if (now == UINT64_MAX) /* nobody can know */
		return;
	if (now > *last)
		metrics_add(a->metrics, id, now - *last, 0, 0, 0);
	*last = now;
}

static void add_counters(struct app *a, struct region_entry *e)
{
	struct region_counters *last = &e->measure.counters;
	const struct region_counters *now = &e->text.counters;

	add_risen(a, METRIC_INVALIDATIONS, &last->invalidations, now->invalidations);
	add_risen(a, METRIC_WRITEBACKS, &last->writebacks, now->writebacks);
	add_risen(a, METRIC_REMOVALS, &last->removals, now->removals);
	add_risen(a, METRIC_FAULTS, &last->faults, now->faults);
	add_risen(a, METRIC_WARMED, &last->bytes_warmed, now->bytes_warmed);
	add_risen(a, METRIC_REDIRTIED, &last->bytes_redirtied, now->bytes_redirtied);
	add_risen(a, METRIC_BYPASSES, &e->measure.bypasses, e->text.bypasses);
}

void app_measure(struct app *a, const struct region *r, struct region_entry *e)
{
	struct region_measure *v = &e->measure;

	if (v->over)
		return;
	if (v->counted) {
		put(a, v, false);
	} else if (!e->registering) { /* an earlier daemon's: what it has counted is not news */
		v->counters = e->text.counters;
		v->bypasses = e->text.bypasses;
	}
	v->counted = true;
	v->state = r->state;
	v->mode = r->mode;
	v->bytes = r->length;
	v->degraded = e->text.degraded != NULL;
	v->revoking = r->revoking;
	v->clients = r->clients;
	v->peers = r->peers;
	put(a, v, true);
	add_counters(a, e);
}

void app_measure_begin(struct app *a, const struct region *r, struct region_entry *e)
{
	e->measure.since_usec = now_monotonic_usec();
	app_measure(a, r, e);
}

static uint64_t since(uint64_t then_usec)
{
	uint64_t now = now_monotonic_usec();

	return then_usec && then_usec < now ? now - then_usec : 0;
}

static const struct holder *find_asked(struct app *a, const struct region *r, enum holder_kind kind,
				       uint64_t id)
{
	for (uint32_t i = r->holders; i; i = registry_holder(a->registry, i)->next) {
		const struct holder *h = registry_holder(a->registry, i);

		if (h->kind == kind && h->id == id)
			return h->asked == r->revocation ? h : NULL;
	}
	return NULL;
}

static unsigned int holder_label(enum holder_kind kind)
{
	return kind == HOLDER_PEER ? METRIC_PEER : METRIC_CLIENT;
}

static void count_fence(struct app *a, const struct region *r, const struct region_entry *e)
{
	uint64_t free_usec = e->measure.free_usec;

	/* nobody said that all had answered: the keeper waited until the deadline */
	if (!free_usec && r->deadline_usec < now_monotonic_usec())
		free_usec = r->deadline_usec;
	metrics_observe(a->metrics, METRIC_FENCE, since(free_usec), 0);
	for (uint32_t i = r->holders; i; i = registry_holder(a->registry, i)->next) {
		const struct holder *h = registry_holder(a->registry, i);

		if (h->kind == HOLDER_CLIENT && h->asked == r->revocation)
			metrics_count(a->metrics, METRIC_LATE, METRIC_CLIENT);
	}
}

void app_measure_event(struct app *a, const struct region *r, const struct region_entry *e,
		       const struct region_event *v)
{
	bool is_current = r->state == REGION_DRAINING && v->revocation == r->revocation;

	switch (v->type) {
	case REGION_REGISTER_FAILED:
		metrics_count(a->metrics, METRIC_REGISTRATIONS, REGISTRATION_FAILED);
		break;
	case REGION_HOLDER_ACKED:
		if (is_current && find_asked(a, r, v->kind, v->holder))
			metrics_observe(a->metrics, METRIC_ANSWER, since(e->measure.asked_usec),
					holder_label(v->kind));
		break;
	case REGION_WAS_FENCED:
		if (is_current)
			count_fence(a, r, e);
		break;
	default:
		break;
	}
}

static void count_end(struct app *a, struct region_entry *e)
{
	if (e->announced)
		metrics_count(a->metrics, METRIC_ENDS, e->end);
	if (e->measure.counted)
		put(a, &e->measure, false);
	e->measure.counted = false;
	e->measure.over = true;
}

void app_measure_effects(struct app *a, const struct region *r, struct region_entry *e,
			 const struct region_effects *effects)
{
	for (size_t i = 0; i < effects->n; i++) {
		const struct region_effect *f = &effects->item[i];

		switch (f->type) {
		case REGION_TELL_ADDED:
			if (!e->registering)
				break;
			metrics_count(a->metrics, METRIC_REGISTRATIONS, REGISTRATION_DONE);
			metrics_observe(a->metrics, METRIC_REGISTRATION,
					since(e->measure.since_usec), 0);
			break;
		case REGION_ASK_CLIENTS:
			e->measure.asked_usec = now_monotonic_usec();
			e->measure.free_usec = 0;
			break;
		case REGION_SEND_CONSENT:
			e->measure.free_usec = now_monotonic_usec();
			break;
		case REGION_TELL_SETTLED:
			metrics_add(a->metrics, METRIC_REVOCATIONS, 1, r->cause, f->outcome,
				    r->mode);
			break;
		case REGION_REMOVE:
			count_end(a, e);
			break;
		default:
			break;
		}
	}
}

void app_measure_given_back(struct app *a, const struct region_entry *e, bool by_kernel)
{
	metrics_observe(a->metrics, METRIC_WAIT, since(e->measure.asked_usec), ARBITER_LEASE);
	if (by_kernel)
		metrics_count(a->metrics, METRIC_DEADLINES, ARBITER_LEASE);
}

void app_count_refusal(struct app *a, enum registry_refusal why)
{
	static const enum metric_limit limits[] = {
		[REGISTRY_E_REGIONS_PER_TENANT] = LIMIT_REGIONS_PER_TENANT,
		[REGISTRY_E_BYTES_PER_TENANT] = LIMIT_BYTES_PER_TENANT,
		[REGISTRY_E_REGIONS_PER_CLIENT] = LIMIT_REGIONS_PER_CLIENT,
		[REGISTRY_E_TENANTS_PER_UID] = LIMIT_TENANTS_PER_UID,
		[REGISTRY_E_TENANTS] = LIMIT_KEEPERS,
		[REGISTRY_E_EXISTS] = _METRIC_LIMIT_MAX,
		[REGISTRY_E_REGIONS_PER_SESSION] = LIMIT_SESSION_REGIONS,
		[REGISTRY_E_BYTES_PER_SESSION] = LIMIT_SESSION_BYTES,
		[REGISTRY_E_SESSION_DRAINS] = _METRIC_LIMIT_MAX,
		[REGISTRY_E_SESSION_ENDS] = _METRIC_LIMIT_MAX,
		[REGISTRY_E_SESSIONS] = LIMIT_SESSIONS,
		[REGISTRY_E_IDS] = LIMIT_KEEPER_UIDS,
	};

	metrics_count(a->metrics, METRIC_REFUSALS, limits[why]);
}

void app_count_bus_refusal(void *userdata, enum bus_refusal why)
{
	static const enum metric_limit limits[] = {
		[BUS_PENDING_PER_CLIENT] = LIMIT_PENDING_PER_CLIENT,
		[BUS_PENDING_PER_UID] = LIMIT_PENDING_PER_UID,
		[BUS_SUBSCRIBERS_PER_UID] = LIMIT_SUBSCRIBERS_PER_UID,
		[BUS_TIME] = LIMIT_TIME,
	};
	struct app *a = userdata;

	metrics_count(a->metrics, METRIC_REFUSALS, limits[why]);
}

#define ENDS "ends"
#define ENDS_MAX 64

static void write_ends(const struct app *a, const char *what)
{
	char text[ENDS_MAX];
	int n = snprintf(text, sizeof(text), "%" PRIu64 " %s\n", a->crashes, what);
	int r = replace_file(a->runtime.directory, ENDS, ENDS ".new", 0600, text, (size_t)n);

	if (r < 0)
		log_warning("how rdmaregd ends cannot be recorded: %s", strerror(-r));
}

void app_record_start(struct app *a)
{
	_cleanup_(closep) int fd =
		openat(a->runtime.directory, ENDS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[ENDS_MAX] = "", word[9] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (n > 0 && sscanf(text, "%" SCNu64 " %8s", &a->crashes, word) == 2)
		a->crashes += strcmp(word, "running") == 0;
	metrics_add(a->metrics, METRIC_CRASHES, a->crashes, 0, 0, 0);
	write_ends(a, "running");
}

void app_record_end(struct app *a)
{
	write_ends(a, "ended");
}

static void refresh(void *userdata)
{
	struct app *a = userdata;

	metrics_set(a->metrics, METRIC_DRAINING, a->drain.on, 0);
	metrics_set(a->metrics, METRIC_MISSING, app_count_missing(a, NULL), 0);
	metrics_set(a->metrics, METRIC_TENANTS, registry_count_tenants(a->registry), 0);
	metrics_set(a->metrics, METRIC_KEEPERS, pool_count_in(a->keepers, KEEPER_DRIVEN),
		    KEEPERS_READY);
	metrics_set(a->metrics, METRIC_KEEPERS, app_count_estranged(a), KEEPERS_ESTRANGED);
	metrics_set(a->metrics, METRIC_WAITING, app_count_passages(a), 0);
}

static bool next_region(void *userdata, uint64_t after, struct region_sample *ret)
{
	struct app *a = userdata;
	const struct region *r = registry_after(a->registry, after);
	const struct region_entry *e = r ? region_table_find(a->table, r->id) : NULL;
	const struct tenant *t;

	if (!e)
		return false;
	t = registry_tenant(a->registry, r->tenant);
	*ret = (struct region_sample){
		.id = r->id,
		.uid = t->uid,
		.session = t->session,
		.value = {
			[REGION_METRIC_LENGTH] = r->length,
			[REGION_METRIC_PEERS] = r->peers,
			[REGION_METRIC_IS_DEGRADED] = e->text.degraded != NULL,
			[REGION_METRIC_OF_INVALIDATIONS] = e->text.counters.invalidations,
			[REGION_METRIC_OF_WRITEBACKS] = e->text.counters.writebacks,
			[REGION_METRIC_OF_REMOVALS] = e->text.counters.removals,
			[REGION_METRIC_OF_FAULTS] = e->text.counters.faults,
			[REGION_METRIC_OF_WARMED] = e->text.counters.bytes_warmed,
			[REGION_METRIC_OF_REDIRTIED] = e->text.counters.bytes_redirtied,
		},
	};
	return true;
}

int app_make_metrics(struct app *a)
{
	struct page_source source = { .next_region = next_region, .userdata = a };
	int r = metrics_new(&a->metrics);

	if (r < 0)
		return r;
	metrics_set(a->metrics, METRIC_BUILD, 1, 0);
	metrics_set(a->metrics, METRIC_START, now_realtime_usec() / USEC_PER_SEC, 0);
	source.metrics = a->metrics;
	return scrape_new(&a->scrape, loop_base(a->loop), a->metrics, &source, refresh,
			  SCRAPE_PATIENCE_USEC);
}

void app_serve_metrics(struct app *a)
{
	char path[RUNTIME_PATH_MAX + 16];
	int r;

	if (!a->scrape)
		return;
	snprintf(path, sizeof(path), "%s/metrics", a->options->runtime_directory);
	r = scrape_serve(a->scrape, path, (enum scrape_for)a->settings.metrics);
	if (r < 0)
		log_error("%s: metrics cannot be read there: %s", path, strerror(-r));
}

void app_free_metrics(struct app *a)
{
	scrape_free(a->scrape);
	metrics_free(a->metrics);
}
