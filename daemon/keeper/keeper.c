// SPDX-License-Identifier: GPL-2.0-or-later
/* keeper.c - see keeper.h: the table of regions, the adapters' lives, and when to end. */
#include "keeper/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/hca/hca.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/system/poison.h"
#include "keeper/system/pressure.h"
#include "keeper/system/watch.h"
#include "keeper/worker.h"
#include "util/clock.h"
#include "util/log.h"

#define STOP_USEC (10 * USEC_PER_SEC)
#define EVENTS_MAX 1024 /* that wait for a daemon which does not read */

struct closing {
	struct job job; /* first */
	int fd;
	LIST_ENTRY(closing) closings;
};

static void run_close(struct job *job)
{
	close(((struct closing *)job)->fd);
}

static void done_close(struct job *job)
{
	LIST_REMOVE((struct closing *)job, closings);
	free(job);
}

void keeper_close_file(struct keeper *k, int fd)
{
	struct closing *c = malloc(sizeof(*c));

	if (!c) {
		log_error("descriptor %d stays open: out of memory", fd);
		return;
	}
	*c = (struct closing){
		.job = { .run = run_close, .done = done_close, .key = mapping_storage(fd) },
		.fd = fd
	};
	LIST_INSERT_HEAD(&k->closings, c, closings);
	worker_submit(k->files, &c->job);
}

bool keeper_is_stuck(struct keeper *k)
{
	return k->n_left_behind || !worker_is_idle(k->files);
}

void keeper_stop(struct keeper *k)
{
	struct timeval tv = timeval_from_usec(STOP_USEC);
	struct kregion *next;

	if (k->stopping)
		return;
	log_info("stopping: %" PRIu32 " regions to take down", k->n_regions);
	k->stopping = true;
	evtimer_add(k->stop_event, &tv);
	for (struct kregion *r = keeper_next(k, NULL); r; r = next) {
		next = keeper_next(k, r);
		kregion_close(r, CAUSE_RELEASE, 0);
	}
	keeper_look_for_idleness(k);
}

static void on_idle(evutil_socket_t fd, short what, void *userdata)
{
	struct keeper *k = userdata;

	(void)fd;
	(void)what;
	log_info("nothing to hold and no daemon: leaving");
	event_base_loopbreak(k->base);
}

static void on_stop(evutil_socket_t fd, short what, void *userdata)
{
	struct keeper *k = userdata;

	(void)fd;
	(void)what;
	log_error("%" PRIu32 " regions could not be taken down in time: the kernel will",
		  k->n_regions);
	_exit(EXIT_FAILURE);
}

static void on_session_changed(void *userdata, bool connected)
{
	struct keeper *k = userdata;
	struct kregion *next;

	log_debug("daemon %s", connected ? "connected" : "gone");
	for (struct kregion *r = connected ? NULL : keeper_next(k, NULL); r; r = next) {
		next = keeper_next(k, r);
		kregion_drop_prefetches(r);
		kregion_drop_demands(r);
		kregion_drop_orphan(r);
	}
	keeper_look_for_idleness(k);
}

static void on_range(void *userdata, const struct rdmareg_report *report)
{
	struct kregion *r = keeper_find(userdata, report->cookie);

	if (r)
		kregion_on_range(r, report);
}

static void on_layout(void *userdata, const struct rdmareg_report *report)
{
	struct kregion *r = keeper_find(userdata, report->cookie);

	if (r)
		kregion_on_layout(r, report);
}

static void on_session_flushed(void *userdata)
{
	kregion_tell_waiting(userdata);
}

static void on_close_file(void *userdata, int fd)
{
	keeper_close_file(userdata, fd);
}

static const struct session_ops session_ops = { .request = keeper_request,
						.changed = on_session_changed,
						.flushed = on_session_flushed,
						.close_file = on_close_file };
static const struct watch_ops watch_ops = { .range = on_range, .layout = on_layout };

/*
 * What is known of the device, or else what can be found out quickly. What the administrator says
 * goes before both.
 */
static int learn_quirks(struct keeper *k)
{
	const struct keeper_options *o = k->options;
	const char *device = endpoint_device(k->endpoint);
	struct failure why;
	char known[300];
	enum check c;
	int r;

	r = quirks_load(QUIRKS_SYSFS, o->quirks_directory, device, &k->quirks, &why);
	if (r == 0) {
		if (!quirks_are_usable(&k->quirks, &c))
			return fail(
				&k->no_adapter, -EOPNOTSUPP,
				"RDMA device %.60s has failed its self-test (%s); see: rdmaregctl "
				"selftest %.60s",
				device, check_name(c), device);
		quirks_describe(&k->quirks, known, sizeof(known));
		log_info("RDMA device %s: quirks known from its self-test: %s", device, known);
	} else {
		log_write(r == -ENOENT	 ? LOG_INFO
			  : r == -ESTALE ? LOG_NOTICE
					 : LOG_WARNING,
			  "%s; trying out what is needed most. All of it: rdmaregctl selftest %s",
			  why.text, device);
		hca_probe(k->hca, &k->quirks);
	}
	if (k->quirks.verdict[CHECK_ATOMICS] == VERDICT_QUIRK)
		hca_forbid_atomics(k->hca);
	k->alignment = o->alignment ? o->alignment : k->quirks.alignment;
	k->minimum_mtu = o->minimum_mtu ? o->minimum_mtu : k->quirks.minimum_mtu;
	return 0;
}

/*
 * Where a setting is to blame, it is named with its value: whoever reads this has not set it,
 * mostly.
 */
static int blame_setting(struct keeper *k, int error)
{
	const struct failure was = k->no_adapter;
	const struct keeper_options *o = k->options;

	if (error == -EADDRINUSE)
		return fail(&k->no_adapter, error, "port = %u in rdmaregd.conf: %s",
			    (unsigned int)o->port, was.text);
	if ((error == -EADDRNOTAVAIL || error == -EOPNOTSUPP) &&
	    strcmp(o->listen_address, "any") != 0)
		return fail(&k->no_adapter, error, "listen_address = %s in rdmaregd.conf: %s",
			    o->listen_address, was.text);
	return error;
}

static int open_endpoint(struct keeper *k)
{
	const struct keeper_options *o = k->options;
	int r;

	r = endpoint_new(&k->endpoint, k->base,
			 &(struct endpoint_options){
				 .address = o->listen_address,
				 .device = o->device,
				 .port = o->port,
				 .max_peers = o->max_peers,
				 .probe_usec = o->peer_probe_sec * USEC_PER_SEC,
			 },
			 &keeper_endpoint_ops, k, &k->no_adapter);
	if (r < 0)
		return blame_setting(k, r);
	r = hca_new(&k->hca, endpoint_context(k->endpoint), endpoint_device_port(k->endpoint));
	if (r < 0) {
		fail(&k->no_adapter, r, "RDMA device %s cannot be used",
		     endpoint_device(k->endpoint));
		k->endpoint = endpoint_free(k->endpoint);
		return r;
	}
	r = learn_quirks(k);
	if (r < 0) {
		k->hca = hca_free(k->hca);
		k->endpoint = endpoint_free(k->endpoint);
		return r;
	}
	if (k->alignment > 1 || k->minimum_mtu > 1)
		log_notice(
			"RDMA device %s: peers are held to offsets that are multiples of %" PRIu32
			" and a path MTU of %" PRIu32 " or more, so that no data is misplaced",
			endpoint_device(k->endpoint), k->alignment, k->minimum_mtu);
	log_info("queue pairs of peers: RNR timer %" PRIu32 " us, %u RNR retries%s, %u retries",
		 o->rnr_timer_usec, (unsigned int)o->rnr_retries,
		 o->rnr_retries == 7 ? " (for ever)" : "", (unsigned int)o->retries);
	log_info("listening on %s port %u, RDMA device %s", endpoint_address(k->endpoint),
		 (unsigned int)endpoint_port(k->endpoint), endpoint_device(k->endpoint));
	return 0;
}

int keeper_open_adapters(struct keeper *k)
{
	int r;

	if (!k->watch)
		watch_new(&k->watch, k->base, &watch_ops, k, &k->no_module);
	if (k->endpoint)
		return 0;
	r = open_endpoint(k);
	/* a wrong setting is no lack of an adapter */
	return r == -EADDRNOTAVAIL || r == -EADDRINUSE ? r : r < 0 ? -ENXIO : 0;
}

int keeper_new(struct keeper **ret, struct event_base *base, int fd,
	       const struct keeper_options *options)
{
	_cleanup_(keeper_freep) struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->options = options;
	k->base = base;
	TAILQ_INIT(&k->untold);
	k->idle_event = evtimer_new(base, on_idle, k);
	k->stop_event = evtimer_new(base, on_stop, k);
	if (!k->idle_event || !k->stop_event || keeper_init_limits(k) < 0)
		return -ENOMEM;
	r = keeper_watch_poison(k);
	if (r == 0)
		r = worker_new(&k->worker, base);
	if (r == 0)
		r = worker_new(&k->warm_worker, base);
	if (r == 0)
		r = worker_new(&k->sync_worker, base);
	if (r == 0)
		r = worker_new(&k->files, base);
	if (r < 0)
		return r;
	r = session_new(&k->session, base, fd, options->daemon_uid, EVENTS_MAX, &session_ops, k);
	if (r < 0)
		return r;
	keeper_watch_memory(k);
	if (keeper_open_adapters(k) < 0)
		log_warning("%s", k->no_adapter.text);
	if (!k->watch)
		log_notice("%s: regions will have no arbitration", k->no_module.text);
	keeper_look_for_idleness(k);
	*ret = steal_pointer(k);
	return 0;
}

/* Those that no thread came to, or whose end nobody was told. */
static void free_closings(struct keeper *k)
{
	struct closing *c;

	while ((c = LIST_FIRST(&k->closings))) {
		LIST_REMOVE(c, closings);
		free(c);
	}
}

struct keeper *keeper_free(struct keeper *k)
{
	if (!k)
		return NULL;
	session_free(k->session);
	pressure_free(k->pressure);
	poison_free(k->poison);
	worker_free(k->worker);
	worker_free(k->warm_worker);
	worker_free(k->sync_worker);
	worker_free(k->files);
	free_closings(k);
	keeper_free_faults(k);
	keeper_free_looks(k);
	hca_free(k->hca);
	endpoint_free(k->endpoint);
	watch_free(k->watch);
	if (k->idle_event)
		event_free(k->idle_event);
	if (k->stop_event)
		event_free(k->stop_event);
	keeper_free_limits(k);
	free(k);
	return NULL;
}
