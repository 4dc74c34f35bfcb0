/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim.h - a world in which the product's core runs for some virtual seconds: two tenants' keepers,
 * the daemon, files whose blocks move, peers that write, and everything that goes wrong. One seed
 * is one world, always the same.
 *
 * The machines are the real ones (daemon/core). Around them are models: the filesystem with its
 * layout leases and its gate (fs.c, lease.c), the adapter with its translations (adapter.c), the
 * keepers (keeper*.c), the daemon (daemon*.c), the peers and local clients (holders.c). What must
 * not be is looked for by those who would suffer from it, in the blocks themselves, and reported
 * with sim_require(); check.c looks at the whole.
 *
 * Whatever happens is an event in one queue, ordered by virtual time. Each belongs to a process, or
 * to the world; a process that died takes its events with it, one that is stalled gets them late.
 */
#ifndef RDMAREG_SIM_H
#define RDMAREG_SIM_H

#include "core/demand.h"
#include "core/guard.h"
#include "core/region.h"
#include "core/registry.h"

#define MSEC 1000u
#define SEC 1000000u
#define PAGE 4096u

enum {
	TENANTS = 2,
	FILES = 3,
	FILE_PAGES = 16,
	BLOCKS = 64,
	REGIONS = 8,
	PEERS = 3,
	CLIENTS = 4,
	OPS = 4
};
/* A daemon that begins anew may be asked for regions before it hears of those there are. */
enum { ENTRIES = 2 * REGIONS };

/*
 * The longest that one step of anybody who works takes, and what a demand may need beyond its
 * deadline: some steps in a row.
 */
#define DELAY_MAX (5 * MSEC)
#define EPSILON (15 * DELAY_MAX)
/* The kernel waits so much longer than the grace, as the gate does. */
#define MARGIN (2 * EPSILON)
/* For passages whose end we no longer hear of. */
#define DEMAND_LIMIT (30 * SEC)

struct sim;
struct event;
typedef void (*sim_run)(struct sim *s, const struct event *e);

struct process {
	const char *name;
	bool up;
	uint32_t epoch; /* one more with each death */
	uint64_t stalled_until;
	uint64_t trouble; /* it was dead or stalled until then */
	uint64_t last_at; /* of what is on its way to it: messages do not overtake each other */
};

/* What a region was made of. */
struct spec {
	uint8_t tenant, file, first, pages; /* pages of the file */
	uint8_t policy, owner;		    /* a client */
	bool watched, gated;
	uint64_t grace_usec;
};

enum message_type {
	TELL_EVENT, /* keeper to daemon */
	TELL_DEMAND,
	TELL_SYNC,
	TELL_LISTED,
	/*
	 * events were dropped, since the daemon did not read: it is to have everything listed again
	 */
	TELL_RESYNC,
	TELL_GONE,   /* the keeper is */
	ASK_CONNECT, /* daemon to keeper */
	ASK_LIST,
	ASK_REGISTER,
	ASK_RELEASE,
	ASK_CONSENT,
	ASK_DEMAND,
	ASK_OVER,
	ASK_SYNC,
};

struct message {
	enum message_type type;
	int error;
	uint8_t tenant;
	bool answer;	     /* to something that was asked: it is never dropped */
	uint32_t connection; /* to a keeper: the life of the daemon that sent it */
	uint64_t region;
	uint64_t demand; /* also a revocation (ASK_CONSENT) */
	uint64_t start, end;
	uint64_t grace_usec, limit_usec;
	uint32_t pid;
	enum revocation_cause cause;
	struct spec spec;
	struct region_event event;
};

struct event {
	uint64_t at, order;
	struct process *process; /* NULL: the world's */
	uint32_t epoch;
	sim_run run;
	uint64_t a, b;
	struct message m;
};

/* filesystem */

enum op_kind { OP_TRUNCATE, OP_PUNCH, OP_CLONE, OP_EXTEND, _OP_MAX };
enum op_stage { OP_AT_GATE, OP_AT_LEASES, OP_AT_WORK };

struct op {
	uint64_t id; /* 0: free; also its process number */
	enum op_kind kind;
	enum op_stage stage;
	uint8_t file, start, end; /* pages */
	bool passage;		  /* the gate wants to know when it is over */
	/*
	 * region in that slot that gave its consent in this way, and so must stay out of the range
	 * until the operation is over
	 */
	uint64_t by_lease[REGIONS], by_gate[REGIONS];
};

struct file {
	uint8_t size;		  /* pages */
	int8_t block[FILE_PAGES]; /* -1: none */
	uint64_t worker;	  /* operation that is changing it now */
};

enum lease { LEASE_NONE, LEASE_ARMED, LEASE_BREAKING, LEASE_RELEASED, LEASE_EXPIRED };

/* keepers */

enum habit { HABIT_GOOD, HABIT_SLOW, HABIT_SILENT, HABIT_LIAR, _HABIT_MAX };

struct peer {
	uint64_t number; /* 0: free */
	bool up;
	enum habit habit;
	/* what the keeper knows */
	uint64_t asked, cleared;
	/* what the peer knows */
	bool quiet;
	uint64_t heard; /* the newest question that reached it */
	uint64_t valid_length;
	uint64_t asked_at, time_left;
	uint64_t last_at;
};

#define KDEMANDS (2 * GUARD_DEMANDS_MAX) /* more than a guard has places for */
struct kdemand {
	uint64_t number; /* 0: free */
	uint64_t place;	 /* the guard's number of it, which it may share */
	bool granted, answered, sync;
	uint32_t pid;
	uint64_t began, deadline, limit_usec;
	uint64_t start, end;
};

struct kregion {
	uint64_t id; /* 0: free */
	struct spec spec;
	struct guard guard;
	bool held; /* registered, the guard runs */
	bool torn;
	/* adapter */
	bool mr;
	bool fenced[FILE_PAGES];
	int8_t translation[FILE_PAGES]; /* block, or -1 */
	uint32_t working; /* operations of the guard under way: bits of enum guard_effect_type */
	/* layout lease */
	enum lease lease;
	uint32_t break_id;
	uint64_t break_deadline;
	uint32_t breaker;
	uint64_t timer_at;
	uint64_t timer_order; /* which of the timers set is the current one */
	struct kdemand demand[KDEMANDS];
	bool crowded; /* some shared a place: what is asked for need not be anybody's own wish */
	struct peer peer[PEERS];
	uint64_t released_on; /* connection + 1: its end is the answer to a release */
	bool may_end;	      /* somebody let go, or something failed that leaves no other way */
	uint64_t close_deadline;
	uint64_t told_length;
};

/* daemon */

struct holding {
	enum holder_kind kind;
	uint64_t id;
	uint64_t asked; /* and neither answered nor left */
	bool listed;
};

#define HOLDINGS 64
struct entry {
	uint64_t id;
	struct spec spec;
	uint64_t consented; /* newest revocation that consent was sent for */
	bool listed;
	uint32_t n;
	struct holding holding[HOLDINGS];
};

#define REVOKES (2 * GUARD_DEMANDS_MAX)
struct passage {
	uint64_t op; /* 0: free */
	uint64_t demand;
	uint64_t began;
	struct demand core;
	bool answered, failed;
	uint32_t n;
	uint64_t part[REGIONS];
	uint8_t tenant[REGIONS];
	bool done[REGIONS];
};

struct revoke {
	uint64_t demand; /* 0: free */
	uint64_t region;
	uint8_t tenant;
};

struct daemon {
	struct process process;
	struct registry *registry;
	struct entry entry[ENTRIES];
	struct passage passage[OPS];
	struct revoke revoke[REVOKES];
	bool linked[TENANTS];  /* to a keeper that may have died without our having heard of it */
	bool listed[TENANTS];  /* once, since: the next list is about what was missed */
	bool listing[TENANTS]; /* again */
	bool stale[TENANTS];   /* more was missed meanwhile */
};

struct client {
	uint64_t number; /* 0: away */
	enum habit habit;
};

/* How rough a world is, in per cent. */
struct weather {
	uint32_t crashes, stalls, misses, failures, bad_holders;
};

#define TRACE 40
struct sim {
	uint64_t seed, now, step, next;
	uint64_t rng[2];
	bool quiet; /* nothing new begins */
	struct weather weather;
	struct event *heap;
	size_t n_heap, n_allocated;
	struct file file[FILES];
	uint8_t owner[BLOCKS]; /* file + 1; 0: free */
	struct op op[OPS];
	struct process keeper[TENANTS];
	bool connected[TENANTS];
	uint32_t connection[TENANTS]; /* the newest */
	bool missed[TENANTS];	      /* events are dropped until a resync can be said */
	struct kregion region[REGIONS];
	struct daemon daemon;
	struct client client[CLIENTS];
	uint64_t counted[8];
	const char *violation;
	bool verbose;
	char trace[TRACE][160];
	uint64_t traced;
};

/* queue.c */
uint64_t sim_random(struct sim *s);
uint64_t sim_below(struct sim *s, uint64_t n);
bool sim_chance(struct sim *s, uint32_t percent);
/* How long one step takes. */
uint64_t sim_delay(struct sim *s);
void sim_at(struct sim *s, struct process *p, uint64_t at, sim_run run, uint64_t a, uint64_t b);
/* After one step's time. */
void sim_soon(struct sim *s, struct process *p, sim_run run, uint64_t a, uint64_t b);
/* The same, with what it brings. */
void sim_answer(struct sim *s, struct process *p, sim_run run, uint64_t a, uint64_t b,
		const struct message *m);
void sim_later(struct sim *s, struct process *p, uint64_t at, sim_run run, uint64_t a, uint64_t b,
	       const struct message *m);
/* In order with everything else that was sent to @to. */
void sim_send(struct sim *s, struct process *to, sim_run run, const struct message *m);
bool sim_next(struct sim *s, uint64_t until);
void sim_kill(struct sim *s, struct process *p);
/*
 * What that keeper has said and the daemon has not read, from @at on: events are dropped, answers
 * are not.
 */
void sim_forget_events(struct sim *s, uint8_t tenant, uint64_t at);
void sim_stall(struct sim *s, struct process *p, uint64_t usec);
void sim_note(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_require(struct sim *s, bool ok, const char *what);

/* fs.c: operations on files */
void fs_init(struct sim *s);
void fs_begin(struct sim *s);
/* A lease of @file has changed: somebody may go on. */
void fs_kick(struct sim *s, uint8_t file);
/* The gate let it through; by the daemon's answer, or by itself. */
void fs_passed(struct sim *s, uint64_t op, const uint64_t *parts, uint32_t n);
/* It may not: the system call fails. */
void fs_refused(struct sim *s, uint64_t op);
/* No daemon, no gate. */
void fs_gate_gone(struct sim *s);
/* The demand behind a passage is over, whatever the operation does. */
void fs_demand_ended(struct sim *s, uint64_t region, uint32_t pid);
/* A region that can be watched no more promises nothing more. */
void fs_promise_ended(struct sim *s, const struct kregion *r);
int8_t fs_block_for(struct sim *s, uint8_t file, uint8_t page);
struct op *fs_op(struct sim *s, uint64_t id);

/* lease.c: what the kernel module does */
void lease_break(struct sim *s, struct kregion *r, const struct op *o);
int lease_arm(struct sim *s, struct kregion *r);
int lease_release(struct sim *s, struct kregion *r, uint32_t break_id);
void lease_drop(struct sim *s, struct kregion *r);

/* adapter.c */
bool adapter_reaches(const struct kregion *r, uint8_t start, uint8_t end); /* pages of the file */
void adapter_fence(struct kregion *r, uint64_t start, uint64_t end);	   /* bytes of the region */
void adapter_open(struct kregion *r);
void adapter_destroy(struct kregion *r);
/* The kernel itself takes pages away. */
void adapter_invalidate(struct sim *s, struct kregion *r, uint8_t start, uint8_t end);
/* One write of a peer: false: it failed, and the connection is broken. */
bool adapter_write(struct sim *s, struct kregion *r, uint8_t page);

/* keeper.c, keeper-talk.c */
struct kregion *keeper_find(struct sim *s, uint64_t id);
struct process *keeper_of(struct sim *s, const struct kregion *r);
void keeper_feed(struct sim *s, struct kregion *r, struct guard_event e);
void keeper_report(struct sim *s, const struct event *e);
/* It was torn down: answers, and the slot is free. */
void keeper_gone(struct sim *s, struct kregion *r);
uint64_t keeper_length(const struct sim *s, const struct kregion *r);
void keeper_tell(struct sim *s, struct kregion *r, enum region_event_type type, uint64_t revocation,
		 uint64_t holder, enum revocation_outcome outcome);
void keeper_say(struct sim *s, uint8_t tenant, const struct message *m);
void keeper_receive(struct sim *s, const struct event *e);
void keeper_look_at_demands(struct sim *s, struct kregion *r);
/* The daemon does not read for a while. */
void keeper_miss(struct sim *s, uint8_t tenant);
void keeper_connection_ended(struct sim *s, const struct event *e);
uint64_t keeper_revocation(const struct kregion *r);
enum region_state keeper_state(const struct kregion *r);
void keeper_range_of(const struct kregion *r, uint32_t pid, uint64_t *ret_start, uint64_t *ret_end);
void keeper_start(struct sim *s, uint8_t tenant);
void keeper_crash(struct sim *s, uint8_t tenant);
/* Does the keeper keep the time, if it is well? */
bool keeper_was_well(const struct sim *s, const struct kregion *r, uint64_t since);

/* daemon.c, daemon-demands.c */
void daemon_start(struct sim *s);
void daemon_crash(struct sim *s);
void daemon_receive(struct sim *s, const struct event *e);
struct entry *daemon_find(struct sim *s, uint64_t id);
void daemon_event(struct sim *s, struct entry *e, struct region_event event);
void daemon_ask(struct sim *s, const struct entry *e, struct message m);
void daemon_register(struct sim *s);
void daemon_release(struct sim *s, struct entry *e, enum revocation_cause cause,
		    uint64_t grace_usec);
void daemon_client_left(struct sim *s, uint8_t client);
bool daemon_guards(struct sim *s, uint8_t file);
void daemon_wanted(struct sim *s, const struct event *e);
void daemon_over(struct sim *s, const struct event *e);
void daemon_demand_answered(struct sim *s, const struct message *m);
void daemon_keeper_gone(struct sim *s, uint8_t tenant);
void daemon_revoke(struct sim *s, struct entry *e);
void daemon_sync(struct sim *s, struct entry *e);

/* holders.c */
void peer_begin(struct sim *s, struct kregion *r);
void peer_end(struct sim *s, struct kregion *r, struct peer *p, const char *why);
void peers_ask(struct sim *s, struct kregion *r);
void peers_settled(struct sim *s, struct kregion *r, uint64_t revocation);
void peers_cut(struct sim *s, struct kregion *r, uint64_t revocation);
void client_asked(struct sim *s, uint8_t client, uint64_t region, uint64_t revocation);

/* check.c */
void check_question(struct sim *s, const struct kregion *r, const struct guard *old);
void check_listed(struct sim *s, const struct entry *e, const struct region_event *v);
void check_stale(struct sim *s);
void check_step(struct sim *s);
void check_quiet(struct sim *s);
void check_empty(struct sim *s);

/* drive.c: one world from begin to end. False: see s->violation. */
bool sim_drive(struct sim *s, uint64_t seed, bool verbose);

#endif
