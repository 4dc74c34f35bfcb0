/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * region.h - one region as its keeper holds it: the guard and everything the guard decides about.
 *
 *   register -> [thread: file, memory region] -> held (guard) -> [guard: TEARDOWN] ->
 *   [worker: deregister] -> [worker: file] -> freed
 *
 * With direct access a thread of its own makes the memory region, when the blocks were looked at.
 *
 * What always holds:
 *   1. The guard decides; region/hands.c carries its effects out, in order, and reports back.
 *      Nothing else fences, unfences or gives back.
 *   2. The mapping outlives the memory region, and the watches outlive both but for the last
 *      moment.
 *   3. A region whose registration nobody was told of (the daemon went away meanwhile) is taken
 *      down again.
 *   4. While a job of the region is with the worker, nothing of the region is freed.
 *   5. A region that ends is answered for when it is gone, or fenced and without peers and still
 *      not gone after a second: what is left of it then is left behind (@left_behind), counted, and
 *      taken down when the storage lets it.
 */
#ifndef RDMAREG_KEEPER_KREGION_H
#define RDMAREG_KEEPER_KREGION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/guard.h"
#include "counters.h"
#include "keeper/endpoint/endpoint.h"
#include "keeper/system/extents-replaceable.h"
#include "keeper/session.h"
#include "keeper/ticket.h"
#include "keeper/warm/warm.h"
#include "keeper/worker.h"
#include "rdmareg-uapi.h"

struct event;
struct hca_mr;
struct keeper;
struct mapping;

enum kregion_phase {
	KREGION_REGISTERING, /* the worker opens or registers, or the file cannot be watched yet */
	KREGION_HELD,	     /* the guard decides */
	KREGION_ENDING,	     /* the guard is dead; freeing */
};

#define KREGION_INBOX 16
#define KREGION_PATH_MAX 4096
#define KREGION_DEMANDS_MAX 4096 /* at once: more than the daemon lets wait */

/* What KEEPER_INVALIDATED will say. */
struct kregion_folded {
	uint64_t start;
	uint64_t end;
	uint32_t causes;
	bool waiting; /* for its time to come */
	bool untold;  /* its time is here, but the daemon does not read: in keeper.untold */
	uint64_t last_usec;
};

/* Somebody waits for a demand, or has been granted it. */
struct kregion_demand {
	uint64_t demand; /* 0: free; the keeper's own (a sync) have bit 63 set */
	uint64_t place;	 /* the guard's number of it: its own, or one that it shares */
	uint64_t start;
	uint64_t end;
	struct operation op;
	uint32_t pid; /* who wants it, as the daemon knows */
	bool answered;
};

/* Writing back, with the peers kept out meanwhile. */
struct kregion_sync {
	struct job job;
	struct operation op;
	uint64_t demand; /* 0: none is under way */
	uint64_t limit_usec;
	int error;
};

/* Blocks that others' writes replace: region/blocks.c. */
struct kregion_replaced {
	struct job job;
	struct event *timer;
	bool wanted;		 /* the guard waits for the look */
	int arm_error;		 /* and then hears this */
	uint64_t submitted_usec; /* @job */
	struct replaceable found;
	bool leased;		 /* the job's: there was a lease when it was submitted */
	struct replaceable seen; /* the job's; @found when it is done */
	/* armed, or a lease came, since it was submitted: it may have looked before that */
	bool again;
	/* what others took away, and nothing was done about it yet; start >= end: nothing */
	uint64_t clear_start;
	uint64_t clear_end;
	uint64_t drop_start; /* the job's */
	uint64_t drop_end;
	bool dropped;
	uint64_t own_clears; /* of @job: not reported yet */
	/* a lease came after it was opened, and what was mapped until then may still be */
	bool late;
	bool drop_all; /* the job's, for that */
	enum region_blocks told;
};

/* Peers that want what they wrote on the medium: region/persist.c. */
struct kregion_persist_waiter;
struct kregion_persist {
	struct job job;
	int error;
	struct kregion_persist_waiter *waiters;
};

/* Peers whose accesses failed and who want to know why: region/explain.c. */
struct kregion_question;
struct kregion_explain {
	struct job job;
	int error;
	uint64_t failed_at;
	uint64_t began_usec;		    /* @job */
	struct kregion_question *questions; /* the first is being looked into */
	struct event *timer;		    /* from the first question on */
};

/* What is known of the region's file beside its length: region/look.c. */
struct kregion_blocks;
struct kregion_look {
	/*
	 * as the kernel told it when it was registered; NULL: it had none, or one that is too long
	 */
	char *path;
	uint8_t path_state; /* enum path_state */
	char path_now[256]; /* for people, may be cut */

	struct job job;		       /* reads @found, and compares it with @extents */
	struct kregion_blocks *blocks; /* the job's, or what it found last; NULL: it never began */
	bool cleared;		       /* pages were taken away since it began last */
	/* and the file became shorter; without a revocation if the guard's number still is */
	bool shrunk;
	uint64_t shrunk_revocation;
	uint64_t whole_usec;	/* until when it was at least as long */
	uint64_t length_usec;	/* the last look at its length; 0: there was none */
	uint64_t promised_usec; /* since when whoever takes blocks has to ask; 0: nobody has to */
	uint64_t settled_usec;	/* the last revocation; 0: there was none */
	bool wanted;
	uint64_t wanted_usec;	       /* since when it is wanted, or busy */
	TAILQ_ENTRY(kregion) of_looks; /* wanted, or busy */
	bool soon;		       /* it does not wait for its turn in the round */
	uint64_t soon_usec;	       /* when that was last so */
	TAILQ_ENTRY(kregion) of_soon;
	uint64_t bypasses; /* how often blocks were gone that no revocation covered */
	/* of the last one, bytes from the start of the region; [start, end) */
	uint64_t bypass_start;
	uint64_t bypass_end;
	char bypass[KEEPER_TEXT_MAX]; /* the same for people */
};

/* What a region waits for that is not a step of its own: region/steps.c. */
enum kregion_wait {
	KREGION_WAITS_FOR_NOTHING,
	KREGION_WAITS_FOR_LOOK,	  /* who takes blocks and asks nobody is not noticed meanwhile */
	KREGION_WAITS_FOR_THREAD, /* other files have all that look at blocks; it is closed */
};

/* A step on its memory or blocks that does not end: region/stuck.c. */
struct kregion_stuck {
	struct event *timer;
	uint64_t since_usec; /* when it began; 0: nothing is known to be stuck */
	uint64_t seen_usec;  /* the beginning of one that was over its time once: looked at again */
	enum kregion_wait wait; /* what @text is about if nothing is stuck */
	uint64_t demand;	/* that keeps peers out meanwhile; 0: none yet */
	/* bringing pages in did not end, and has not succeeded since: it is not begun unasked */
	bool unwarmed;
	char text[KEEPER_TEXT_MAX];
};

/* What the kernel watches for it: watch.c. */
struct kregion_watching {
	uint32_t range_slot;
	uint32_t layout_slot;
	bool ask_writes; /* its watch asks for writes, too */
	/* the file can have a layout lease, and has none: it is tried again */
	bool unleased;
	int lease_error;	   /* why */
	uint64_t lease_pause_usec; /* before the next try */
	uint32_t deadline_msec;	   /* the kernel's */
	/* the guard's break ids are the slot's plus this: a new slot counts from 1 again */
	uint32_t break_base;
	struct rdmareg_report early; /* a break before there was a guard */
	bool has_early;
	struct event *timer; /* until the file can be watched, or has the lease that it can have */
	unsigned int tries;
};

/* Prefetching: warm.c carries out what the engine decides. */
struct kregion_warming {
	struct warm engine;
	struct job job; /* for @chunk, with its outcome: */
	struct warm_chunk chunk;
	int error;
	struct warm_sample sample; /* without pages if it could not be seen */
	int cause;		   /* why, as far as can be found out; 0: unknown */
	uint64_t failed_at;	   /* the first page of the chunk that cannot be had */
	struct event *timer;
	struct event *stall_timer;
	/* storage has not answered for the chunk that is out, and who waited was told */
	bool stalled;
	uint64_t progress_usec; /* when the daemon was last told how far a prefetch is */
	bool unsupported;
	bool capped; /* by the memory cgroup, and that was said */
	bool first;  /* prefetch everything before answering the registration */
};

/* demand.c */
struct kregion_demands {
	struct kregion_demand *item;
	size_t n; /* places for them */
};

/* Memory that is known to be lost: keeper-poison.c. */
struct kregion_damage {
	uint64_t start;
	uint64_t end;		    /* 0: nothing */
	char text[KEEPER_TEXT_MAX]; /* the same for people, with the cause; "" */
};

/* report.c */
struct kregion_reporting {
	struct kregion_folded folded;
	struct event *timer;
	TAILQ_ENTRY(kregion) of_untold;
};

/* end.c */
struct kregion_ending {
	bool begun;		 /* kregion_end() was called */
	bool left_behind;	 /* told that it is over, and something of it is still under way */
	bool destroying;	 /* kregion_destroy_mr() is under way */
	bool quiet;		 /* fenced for good, on its way out */
	struct event *go_on;	 /* a worker has given a job back */
	struct mapping *mapping; /* the worker's, which frees it */
	struct operation *release; /* each with a shorter grace than those before */
	size_t n_releases;
};

struct kregion {
	struct keeper *keeper;
	struct kregion *next; /* in its bucket */
	uint64_t id;
	enum kregion_phase phase;
	uint8_t access;
	bool detached;
	/* the daemon guards the file with pre-content events; remembered for the next daemon */
	bool gated;
	uint8_t mode;
	uint8_t durability; /* enum region_durability */
	uint8_t flush;	    /* WIRE_FLUSH_* its peers may ask for */
	char mode_reason[KEEPER_TEXT_MAX];
	char path[256];
	uint64_t storage; /* the key of its jobs */
	char ticket_text[WIRE_TICKET_MAX];
	struct tickets tickets;
	struct mapping *mapping;
	struct hca_mr *mr;
	uint32_t rkey;
	uint32_t generation;
	uint32_t generation_before; /* in another keeper; 0: it was in none */
	uint64_t revocation_before;

	struct guard guard;
	struct guard_event inbox[KREGION_INBOX];
	unsigned int n_inbox;
	bool stepping;
	void (*step)(struct kregion *r); /* takes what is in the inbox; may free it */
	struct event *timer;
	uint64_t timer_at_usec;
	uint32_t cut;	    /* peers cut off by the last fence */
	uint64_t consented; /* revocation that waits only for peers that came in the middle of it */
	bool unanswered;    /* there was time for the last question, and no consent so far */
	struct kregion_watching watching;
	struct kregion_replaced replaced;
	struct kregion_warming warming;
	struct kregion_demands demands;
	struct kregion_sync sync;
	struct kregion_persist persist;
	struct kregion_explain explain;
	struct kregion_look look;
	struct kregion_stuck stuck;
	struct kregion_damage damage;
	struct kregion_reporting report;
	struct kregion_ending ending;
	struct region_counters counters;
	int storage_error; /* of the last write-back that failed; never forgotten */
	uint32_t breaker_pid;

	struct operation registration;	 /* to be answered; connection 0: answered */
	bool announced;			 /* the daemon was told that it is there */
	bool close_wanted;		 /* before there was a guard */
	struct kregion_opening *opening; /* the worker's, or NULL */
	/* registering, ending: then who waits is told, whatever is under way */
	struct event *patience_timer;
	struct job job; /* opening, registering, deregistering, closing */
	int job_error;
};

/**
 * kregion_register - begin; the operation is answered later, or now if it fails
 * @fd: taken over on success; nothing is done with it that could wait
 */
int kregion_register(struct keeper *k, const struct operation *op, const struct keeper_message *m,
		     int *fd);
/* A daemon is gone: if it registered @r and was not told, nobody knows of it, and it is taken down. */
void kregion_drop_orphan(struct kregion *r);

/*
 * Begin to take it down; every operation added with kregion_add_release() is answered at the end.
 */
void kregion_close(struct kregion *r, enum revocation_cause cause, uint64_t grace_usec);
int kregion_add_release(struct kregion *r, const struct operation *op);

/* region/inbox.c: an event for the guard. @now_usec 0: now. The region may be gone afterwards. */
void kregion_feed(struct kregion *r, struct guard_event e);

/* A layout report of the kernel. */
void kregion_on_layout(struct kregion *r, const struct rdmareg_report *report);

/* region/range.c: a range report of the kernel. */
void kregion_on_range(struct kregion *r, const struct rdmareg_report *report);

/* region/report.c: something happened to these bytes; start == end: the counters alone. */
void kregion_fold(struct kregion *r, uint64_t start, uint64_t end, uint32_t causes);
int kregion_init_report(struct kregion *r);
/*
 * The daemon reads again: regions are told in the order in which they began to wait, as many as it
 * takes.
 */
void kregion_tell_waiting(struct keeper *k);
void kregion_end_report(struct kregion *r);
/* Counters went on without an event of the kernel: the daemon hears of it, as of events. */
void kregion_tell_counters(struct kregion *r);

/* Look at the file's size again and, if it changed and no revocation runs, tell everybody. */
void kregion_restat(struct kregion *r);

/* -EBUSY in the middle of a revocation; else what watching anew says. */
int kregion_configure(struct kregion *r, enum region_policy policy, uint64_t grace_usec,
		      struct failure *why);

/* region/state.c: it has a layout lease; what its blocks make of it. */
bool kregion_is_leased(const struct kregion *r);
enum region_blocks kregion_blocks_trouble(const struct kregion *r);
/* A revocation is under way that peers have been, or are to be, told of; 0: none. */
uint64_t kregion_revocation(const struct kregion *r);

/* Peers may be admitted. */
bool kregion_is_open_to_peers(const struct kregion *r);

/* A peer is up: it hears what it missed while it was connecting. */
void kregion_peer_joined(struct kregion *r, const struct endpoint_peer *p);

/*
 * Those that the daemon knew of when it was asked have acknowledged. Peers that were connecting
 * then are not among them: the fence waits for them as well, until the deadline; to be looked at
 * again whenever one of them has answered or is gone. May free the region.
 */
void kregion_consent(struct kregion *r, uint64_t revocation);
void kregion_look_at_consent(struct kregion *r);

/*
 * The region is being fenced because the deadline came, and nobody but such peers had to answer
 * yet.
 */
bool kregion_waited_in_vain(const struct kregion *r);

int kregion_init_timer(struct kregion *r);

/*
 * region/end.c: the guard is dead, or there never was one: free everything, step by step, as jobs
 * come back.
 */
void kregion_end(struct kregion *r);

/* It ends and is not gone yet, because of @what: whoever waits for its end is told now. */
void kregion_leave_behind(struct kregion *r, const char *what);
void kregion_free_events(struct kregion *r);
int kregion_init_end(struct kregion *r);

/* The fence cannot be put up: take the memory region itself away, then GUARD_DESTROY_DONE. */
void kregion_destroy_mr(struct kregion *r);

/*
 * region/inbox.c: the worker has given a job back; what waited for it goes on soon, from the loop.
 */
void kregion_continue(struct kregion *r);

/**
 * kregion_watch - region/watch.c: have the kernel watch it; decides @mode
 * @grace_usec: in, out: shortened to what the kernel's longest deadline leaves
 * @last: it is not tried again before the region is registered: a lease that somebody is in the way
 *        of is missing then
 *
 * -EBUSY: somebody is changing the file right now, and it is not the last attempt. That nothing can
 * be watched is no error, but a mode.
 */
int kregion_watch(struct kregion *r, uint64_t *grace_usec, bool last);
void kregion_unwatch(struct kregion *r);
int kregion_rearm(struct kregion *r);
/* It asks for writes now, or does not any more. */
void kregion_reason_changed(struct kregion *r);
/*
 * region/blocks.c: GUARD_ARM; GUARD_ARM_DONE follows, at once or after a look at the blocks.
 *
 * kregion_look_at_blocks: in a worker; waits for whoever is in write(2) of the file.
 * kregion_prepare_look, kregion_take_look: in the loop, before it is submitted and when it is done.
 * kregion_follow_blocks: makes the watch fit what was found; 1: look again, since it asks for
 * writes only now; -EAGAIN: it cannot be changed, the file is being broken.
 */
void kregion_arm(struct kregion *r);
void kregion_look_at_blocks(struct kregion *r);
void kregion_prepare_look(struct kregion *r);
void kregion_take_look(struct kregion *r);
int kregion_follow_blocks(struct kregion *r);
int kregion_init_blocks(struct kregion *r);
/*
 * Others took pages away; how many of a report's removals were the keeper's own; it is open again.
 */
void kregion_blocks_cleared(struct kregion *r, uint64_t start, uint64_t end);
uint64_t kregion_own_clears(struct kregion *r, const struct rdmareg_report *report);
void kregion_drop_blocks(struct kregion *r);
/* It is held and open, and has the lease that was missing. */
void kregion_lease_came(struct kregion *r);
/*
 * It is fenced: pages whose blocks are about to be replaced are not kept mapped behind the fence.
 */
void kregion_let_go(struct kregion *r, uint64_t start, uint64_t end);
/* Nobody looks any more. False: the worker is still at it. */
bool kregion_end_blocks(struct kregion *r);
/*
 * After each step of its guard: if that gave its lease up, that is said, and it is tried again
 * later.
 */
void kregion_look_at_lease(struct kregion *r);
/* It is held and open: tries to get the lease that is missing, if one is; later again. */
void kregion_try_lease(struct kregion *r);
/* It is held now: if a lease is missing it is tried again later, with growing pauses. */
void kregion_await_lease(struct kregion *r);

/*
 * region/steps.c: a job of the region that touches its memory, or asks for its blocks, was given to
 * a worker; it came back.
 */
void kregion_step_began(struct kregion *r);
void kregion_step_ended(struct kregion *r);
/*
 * In such a job, before it writes to the memory: mapping_await_writable(). The time of that is not
 * the step's: a filesystem can be frozen for as long as its administrator likes.
 */
void kregion_await_writable(const struct kregion *r, struct job *job);
/*
 * Such a job of this region, or of another one of the same file, does not end: nothing more is
 * begun there.
 */
bool kregion_file_is_stuck(const struct kregion *r);
/* Nothing is stuck any more, or the region goes. */
void kregion_forget_stuck(struct kregion *r);
bool kregion_is_of_same_file(const struct kregion *a, const struct kregion *b);
/*
 * Until the look at its blocks is wanted, or under way, for longer than it may take; 0: it is.
 * UINT64_MAX: there is none.
 */
uint64_t kregion_look_left_usec(const struct kregion *r);
/*
 * Of the steps on its memory that a thread is in, the one that began first, in words; NULL: there is
 * none. @ret_any: one is under way, or waits for a thread.
 */
const char *kregion_oldest_step(const struct kregion *r, uint64_t *ret_began, bool *ret_any);
/* What it waits for too long already; @ret_left_usec: until there may be more, or UINT64_MAX. */
enum kregion_wait kregion_wait(const struct kregion *r, uint64_t *ret_left_usec);
/* The guard took a step. */
void kregion_note_step(struct kregion *r);
/* So long that look may take. */
uint64_t kregion_look_bound_usec(const struct kregion *r);
/* So long a step may take. */
uint64_t kregion_step_bound_usec(const struct kregion *r);
void kregion_look_at_steps_in(struct kregion *r, uint64_t usec);

/* region/stuck.c */
int kregion_init_stuck(struct kregion *r);

/* region/warm.c: prefetching. */
void kregion_warm(struct kregion *r);
void kregion_stop_warming(struct kregion *r, int error);
int kregion_prefetch(struct kregion *r, const struct operation *op,
		     const struct keeper_range *range, struct failure *why);
void kregion_cancel_prefetch(struct kregion *r, const struct operation *op);
/* Those that a daemon wanted that is gone: nobody would hear of their end, or could cancel them. */
void kregion_drop_prefetches(struct kregion *r);
int kregion_init_warming(struct kregion *r, enum warm_mode mode);
void kregion_set_warm_mode(struct kregion *r, enum warm_mode mode);
/* After a range report: writeback, or reclaim. */
void kregion_warm_after(struct kregion *r, const struct rdmareg_report *report);
/*
 * How soon writebacks are to be told, once the kernel watches the range: as the blocks need it, or
 * now and then for the counters alone. Everything else is told at once.
 */
void kregion_pace(struct kregion *r);
/* keeper-memory.c: -EDQUOT: peers that fill it could have the keeper killed for lack of memory. */
int kregion_check_memory(struct keeper *k, const struct mapping *m, struct failure *why);

/*
 * region/demand.c: what is wanted through the daemon; each is answered when it is granted, or
 * nothing is left of the region.
 */
int kregion_demand(struct kregion *r, const struct operation *op, const struct keeper_demand *d,
		   struct failure *why);
void kregion_over(struct kregion *r, uint64_t demand);
/* The keeper's own wish that peers leave all of it, within its grace, until kregion_over(). */
int kregion_demand_own(struct kregion *r, uint64_t *ret_demand);
int kregion_sync(struct kregion *r, const struct operation *op, const struct keeper_demand *d,
		 struct failure *why);
/* All demands of a daemon are over: it is gone. */
void kregion_drop_demands(struct kregion *r);
/* After a step of the guard: some are granted, some over by their limit. */
void kregion_look_at_demands(struct kregion *r);
/* Nothing of the region is left. False: it is still being written back. */
bool kregion_end_demands(struct kregion *r);
/*
 * The range a breaker is known to want, if a demand of the same process was granted; else the whole
 * region.
 */
void kregion_range_of(const struct kregion *r, uint32_t pid, uint64_t *ret_start,
		      uint64_t *ret_end);

/* region/persist.c: a peer's WIRE_SYNC. */
void kregion_persist(struct kregion *r, const struct endpoint_peer *p,
		     const struct wire_message *m);
void kregion_persist_left(struct kregion *r, uint64_t peer);
void kregion_storage_failed(struct kregion *r, int error);
/* Nobody waits any more. False: the worker is still at it. */
bool kregion_end_persists(struct kregion *r);

/* region/explain.c: endpoint_explain() follows. */
void kregion_explain(struct kregion *r, const struct endpoint_question *q);
/* Nobody waits any more. False: the worker is still at it. */
bool kregion_end_explaining(struct kregion *r);

/* region/look.c: it is held now; from now on its file is looked at once a second. */
void kregion_begin_looking(struct kregion *r);
/* Pages were taken away, by whomever. */
void kregion_note_cleared(struct kregion *r);
/*
 * The file became shorter, and no revocation is under way: the reason for one may still be on its
 * way here.
 */
void kregion_note_shrunk(struct kregion *r);
/* Its mode may be another one, or the gate has it now, or no more. */
void kregion_note_promise(struct kregion *r);
/* False: the worker is still at it. */
bool kregion_end_looking(struct kregion *r);
void kregion_free_look(struct kregion *r);
/*
 * Where the kernel says that this file is; asks no filesystem. False: nowhere, or its name is too
 * long.
 */
bool kregion_read_path(int fd, char path[static KREGION_PATH_MAX]);

/*
 * keeper-poison.c: accesses to these bytes fail from now on, because of @cause; whoever uses the
 * region is told.
 */
void kregion_note_damage(struct kregion *r, uint64_t start, uint64_t end, const char *cause);

#endif
