// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * register.c - how a region comes to be: its file examined and mapped, watched, registered with the
 * adapter, prefetched if that was asked for, and then announced.
 *
 * One thread examines, maps and registers: nobody can reach the memory region before it is
 * announced, and what changes until then the adapter is told by the kernel. With direct access
 * another one registers, since blocks are looked at after the watch is set and before the file is
 * registered.
 *
 * What always holds: watches stand before the file's size is read, so no change of it is missed; a
 * region that cannot be completed leaves nothing. A file whose storage is silent is waited for by a
 * thread of its own: whoever registers it is told after storage_stall_msec, and what the thread has
 * is taken down when it comes back (region/end.c).
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/system/durability.h"
#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/watch.h"
#include "rdmareg-wire.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/text.h"

/*
 * The kernel module refuses a lease for 50 ms after the file was taken from somebody, so that who
 * took it is not met by the next one.
 */
#define WATCH_RETRY_USEC (20 * USEC_PER_MSEC)
#define WATCH_TRIES 20u

/* What the thread that opens a file is given, and what it finds. */
struct kregion_opening {
	int fd;
	uint64_t offset;
	uint64_t length;
	bool write;
	struct hca *hca;
	bool mapped; /* what it waits for is the adapter; read by the loop meanwhile */
	struct mapping *mapping;
	enum region_durability durability;
	uint8_t flush; /* WIRE_FLUSH_*, that peers may use */
	struct hca_mr *mr;
	int register_error; /* of the adapter */
	int error;
	struct failure why;
};

#define of_job(j) container_of(j, struct kregion, job)

/* What a write is worth: an adapter would grant more than the memory keeps. */
static enum region_durability judge_durability(const struct mapping *m, bool flush)
{
	return durability_of(m->fd, &(struct durability_facts){
					    .memory_only = m->memory,
					    .device_dax = m->device_bytes != 0,
					    .dax = m->direct,
					    .synchronous = m->synchronous,
					    .flush = flush,
				    });
}

/* In a thread that may never come back: it has nothing but @opening. */
static void run_open(struct job *job)
{
	struct kregion_opening *o = of_job(job)->opening;

	o->error = mapping_new(&o->mapping, &o->fd, o->offset, o->length, o->write, &o->why);
	closep(&o->fd); /* this can wait as well */
	o->fd = -1;
	if (o->error)
		return;
	o->durability = judge_durability(o->mapping, hca_flush(o->hca) & WIRE_FLUSH_PERSISTENT);
	o->flush = hca_flush(o->hca) &
		   (o->durability == DURABILITY_FLUSH ? WIRE_FLUSH_GLOBAL | WIRE_FLUSH_PERSISTENT
						      : WIRE_FLUSH_GLOBAL);
	__atomic_store_n(&o->mapped, true, __ATOMIC_RELAXED);
	if (!o->mapping->direct)
		o->register_error = hca_register(o->hca, o->mapping->address, o->mapping->length,
						 o->mapping->write, o->flush, &o->mr);
}

/* In a thread. */
static void run_register(struct job *job)
{
	struct kregion *r = of_job(job);

	kregion_look_at_blocks(r);
	if (r->mr)
		return;
	r->job_error = hca_register(r->keeper->hca, r->mapping->address, r->mapping->length,
				    r->mapping->write, r->flush, &r->mr);
}

static void submit_register(struct kregion *r);
static void watch(struct kregion *r);

static void give_up(struct kregion *r, int error, const struct failure *why)
{
	tell_done(r->keeper, &r->registration, r->id, error, why);
	r->registration = (struct operation){ 0 };
	r->phase = KREGION_ENDING;
	kregion_end(r);
}

static void on_patience(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;
	struct failure why;

	(void)fd;
	(void)what;
	if (r->phase == KREGION_ENDING) {
		kregion_leave_behind(r, "its storage");
		return;
	}
	if (r->phase != KREGION_REGISTERING)
		return;
	if (r->mapping || __atomic_load_n(&r->opening->mapped, __ATOMIC_RELAXED))
		fail(&why, -ETIME, "The adapter does not register it%s; it had %" PRIu32 " ms",
		     r->mapping && r->mapping->direct
			     ? ", or somebody is in the middle of a write(2) to the file"
			     : "",
		     r->keeper->options->storage_stall_msec);
	else if (r->job.busy && !job_began(&r->job))
		fail(&why, -ETIME,
		     "Other files of the same storage keep all threads: it is silent, or somebody is in "
		     "the middle of a write(2) to them; this one had %" PRIu32 " ms",
		     r->keeper->options->storage_stall_msec);
	else
		fail(&why, -ETIME, "The file's storage does not answer; it had %" PRIu32 " ms",
		     r->keeper->options->storage_stall_msec);
	log_warning("region %" PRIu64 ": %s: %s", r->id, r->path[0] ? r->path : "?", why.text);
	give_up(r, -ETIME, &why);
}

/*
 * Its blocks call for a watch that asks for more: that is set up, and then what began before it is
 * waited for.
 */
static bool is_watched_anew(struct kregion *r)
{
	int more = kregion_follow_blocks(r);

	if (more > 0) {
		submit_register(r);
	} else if (more < 0) {
		/*
		 * somebody waits for the blocks already, and nobody can be asked yet: he goes on,
		 * and it is watched when he is done
		 */
		kregion_unwatch(r);
		r->watching.has_early = false;
		r->watching.ask_writes = true;
		watch(r);
	}
	return more;
}

static void done_register(struct job *job)
{
	struct kregion *r = of_job(job);
	uint64_t valid_length = 0;
	int error = r->job_error;
	struct failure why;

	if (r->phase == KREGION_ENDING) { /* given up */
		kregion_continue(r);
		return;
	}
	kregion_take_look(r);
	if (!error && is_watched_anew(r))
		return;
	evtimer_del(r->patience_timer);
	if (!error)
		error = mapping_valid_length(r->mapping, &valid_length);
	if (error) {
		fail(&why, error, "The adapter refused to register it: %s", strerror(-error));
		give_up(r, error, &why);
		return;
	}
	r->rkey = hca_mr_rkey(r->mr);
	r->generation = r->generation_before + 1;
	/* policy and grace were put there by kregion_register() */
	guard_init(&r->guard, r->guard.policy, r->guard.grace_usec, r->mapping->length,
		   valid_length, r->watching.layout_slot != WATCH_NO_SLOT);
	r->guard.revocation = r->revocation_before;
	r->phase = KREGION_HELD;
	keeper_count_faults(r->keeper, r);
	kregion_begin_looking(r);
	kregion_await_lease(r);
	if (r->close_wanted || !session_is_waiting(r->keeper->session, &r->registration)) {
		kregion_close(r, CAUSE_RELEASE, 0);
		return;
	}
	if (r->warming.first) {
		/* connection 0: the registration itself is what waits for it */
		warm_add_request(
			&r->warming.engine,
			&(struct warm_request){ .end = r->mapping->length,
						.write = warm_is_for_writing(&r->warming.engine),
						.write_if_dirty = warm_is_for_writing_if_dirty(
							&r->warming.engine) });
		kregion_warm(r);
	} else {
		tell_registered(r);
	}
	if (r->watching.has_early) {
		r->watching.has_early = false;
		kregion_on_layout(r, &r->watching.early);
	}
}

/* One that is not held yet is looked at when it is. */
void kregion_drop_orphan(struct kregion *r)
{
	if (r->phase == KREGION_HELD && r->registration.connection &&
	    !session_is_waiting(r->keeper->session, &r->registration))
		kregion_close(r, CAUSE_RELEASE, 0);
}

static void remember_path(struct kregion *r, int fd)
{
	char path[KREGION_PATH_MAX];

	if (!kregion_read_path(fd, path))
		return;
	text_clean(r->path, sizeof(r->path), path, strlen(path));
	r->look.path = strdup(path);
}

static void submit_register(struct kregion *r)
{
	if (!r->mapping->direct) { /* who opened it did */
		done_register(&r->job);
		return;
	}
	r->job = (struct job){
		.run = run_register, .done = done_register, .urgent = true, .key = r->storage
	};
	kregion_prepare_look(r);
	worker_submit(r->keeper->worker, &r->job);
}

static void watch(struct kregion *r)
{
	struct timeval tv = timeval_from_usec(WATCH_RETRY_USEC);
	bool last = r->watching.tries++ >= WATCH_TRIES || r->close_wanted;

	/* whoever changes the file may take his time: a region is not refused for that */
	if (kregion_watch(r, &r->guard.grace_usec, last) == -EBUSY)
		evtimer_add(r->watching.timer, &tv);
	else
		submit_register(r);
}

static void on_watch_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (r->phase == KREGION_HELD)
		kregion_try_lease(r);
	else
		watch(r);
}

static void done_open(struct job *job)
{
	struct kregion *r = of_job(job);
	struct kregion_opening *o = r->opening;
	struct failure why = o->why;
	int error = o->error;

	r->opening = NULL;
	r->mapping = o->mapping;
	r->durability = (uint8_t)o->durability;
	r->flush = o->flush;
	r->mr = o->mr;
	r->job_error = o->register_error;
	free(o);
	if (r->phase == KREGION_ENDING) { /* given up */
		kregion_continue(r);
		return;
	}
	if (!error && kregion_file_is_stuck(r))
		error = fail(&why, -ETIME,
			     "A step on the memory of another region of this file has not ended; "
			     "nothing more is begun on it until it does");
	if (!error)
		error = kregion_check_memory(r->keeper, r->mapping, &why);
	if (!error)
		error = kregion_init_warming(r, r->warming.engine.blocks.mode);
	if (error) {
		give_up(r, error, &why);
		return;
	}
	watch(r);
}

/* A region that nobody has heard of yet, and that has nothing. */
static struct kregion *free_unborn(struct kregion *r)
{
	kregion_free_events(r);
	free(r->opening);
	kregion_free_look(r);
	free(r);
	return NULL;
}
DEFINE_FREEP(struct kregion, free_unborn)

static int init_events(struct kregion *r)
{
	r->watching.timer = evtimer_new(r->keeper->base, on_watch_timer, r);
	r->patience_timer = evtimer_new(r->keeper->base, on_patience, r);
	if (!r->watching.timer || !r->patience_timer)
		return -ENOMEM;
	return kregion_init_timer(r) < 0 || kregion_init_report(r) < 0 ||
			       kregion_init_blocks(r) < 0 || kregion_init_stuck(r) < 0 ||
			       kregion_init_end(r) < 0
		       ? -ENOMEM
		       : 0;
}

int kregion_register(struct keeper *k, const struct operation *op, const struct keeper_message *m,
		     int *fd)
{
	const struct timeval patience =
		timeval_from_usec(k->options->storage_stall_msec * USEC_PER_MSEC);
	_cleanup_(free_unbornp) struct kregion *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->keeper = k;
	r->id = m->region;
	r->counters.faults = UINT64_MAX;
	r->watching.range_slot = r->watching.layout_slot = WATCH_NO_SLOT;
	r->access = m->info.access;
	r->detached = m->info.detached;
	r->gated = m->info.gated;
	r->generation_before = m->info.generation;
	r->revocation_before = m->info.revocation;
	kregion_note_promise(r);
	r->warming.first = m->info.warm;
	r->warming.engine.blocks.mode = (enum warm_mode)m->info.warm_mode;
	r->guard.policy = (enum region_policy)m->info.policy;
	r->guard.grace_usec = m->info.grace_usec;
	r->opening = calloc(1, sizeof(*r->opening));
	if (!r->opening || init_events(r) < 0)
		return -ENOMEM;
	tickets_init(&r->tickets, k->options->max_tickets);
	remember_path(r, *fd);
	r->registration = *op;
	r->storage = mapping_storage(*fd);
	*r->opening = (struct kregion_opening){
		.fd = steal_fd(fd),
		.offset = m->info.offset,
		.length = m->info.length,
		.write = r->access == ACCESS_READ_WRITE,
		.hca = k->hca,
	};
	r->job = (struct job){ .run = run_open, .done = done_open, .key = r->storage };
	evtimer_add(r->patience_timer, &patience);
	worker_submit(k->files, &r->job);
	keeper_add(k, steal_pointer(r));
	return 0;
}
