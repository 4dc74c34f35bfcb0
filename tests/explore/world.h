/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a file, the regions of it, and everybody around them, as plain data that can be copied.
 *
 * The guards, the regions and the demands are the real machines (daemon/core). Models are: the
 * file's layout leases with the kernel's own deadline, each tenant's keeper with what it has under
 * way (keeper.c), the daemon (daemon.c), the messages between them, local holders, remote peers,
 * and whoever waits at the gate (actions.c). Whatever can happen next is a step; world_act() does
 * it, and notes in world_violation what must not be.
 *
 * What always holds: time stands still. When a timer fires, the times of its guard are shifted back
 * instead, so that worlds which differ by their age alone are alike; what two keepers' clocks did
 * to each other is not known to either, so every order of their timers is tried.
 */
#ifndef RDMAREG_EXPLORE_WORLD_H
#define RDMAREG_EXPLORE_WORLD_H

#include "core/demand.h"
#include "core/guard.h"
#include "core/region.h"
#include "core/registry.h"
#include "set.h"

enum { REGIONS = 3, HOLDERS = 4, DEMANDS = 2, PAGES = 2, ALL_PAGES = 3 };
#define NOW 100000000u
#define GRACE_USEC 5000000u /* of a region */
#define SOON_USEC 2000000u  /* of a release that is in more of a hurry */

/* The registry as far as region.c needs it: a pool of holders, as plain data. */
struct registry {
	struct holder holders[HOLDERS];
	uint32_t free_holder;
};

/* What a world begins with, and how much may happen in one history. */
struct setup {
	const char *name;
	enum region_policy policy[REGIONS];
	uint8_t regions;
	uint8_t holders;
	struct {
		enum holder_kind kind;
		uint8_t region;
	} holder[HOLDERS];
	uint8_t demands; /* each can come once, at any time */
	struct {
		uint8_t start, end; /* pages */
		uint64_t grace_usec, limit_usec;
	} demand[DEMANDS];
	bool crowded; /* all of a region share one place of its guard */
	uint8_t breaks, truncates, releases, leaves;
	uint8_t replaces; /* the region is made anew by another keeper */
	uint8_t misses;	  /* the daemon does not read, and events are dropped */
	uint8_t mishaps;  /* failures, deaths, deadlines that are met too late */
	uint8_t lag;	  /* messages that the daemon, or a keeper, is behind at most */
	/* what a keeper begins is done before anything else happens, as it is in rdmareg-keeper */
	bool at_once;
	bool large; /* not for every test run */
};
extern const struct setup *world_setup;

enum lease { LEASE_NONE, LEASE_ARMED, LEASE_BREAKING, LEASE_RELEASED, LEASE_EXPIRED };
#define STRANGER 0xff /* a breaker that nobody announced */

/* What a keeper has begun and not completed. */
enum { OP_FENCE = 1, OP_DESTROY = 2, OP_RELEASE = 4, OP_ARM = 8, OP_REFRESH = 16 };

enum message_type {
	TELL_REVOKED = 1,
	TELL_FENCED,
	TELL_SETTLED,
	TELL_RELEASED,
	TELL_ACKED, /* @who */
	TELL_LEFT,  /* @who */
	TELL_DEMAND,
	TELL_RESYNC,
	TELL_REGION, /* in a list: @value is the state, @revocation the one that runs */
	TELL_PEER,   /* in a list: @who, @revocation: asked and not acknowledged */
	TELL_LIST_DONE,
	ASK_CONSENT,
	ASK_RELEASE,
	ASK_RELEASE_KINDLY,
	ASK_RELEASE_SOON,
	ASK_DEMAND,
	ASK_OVER,
	ASK_LIST,
};

struct message {
	uint8_t type;
	uint8_t who; /* holder or demand */
	uint8_t revocation;
	uint8_t value; /* outcome, or whether a demand failed, or whether the end was asked for */
	uint8_t valid_length;
};

#define QUEUE 16
struct queue {
	uint8_t n;
	struct message item[QUEUE];
};

/* A demand as a keeper knows it. */
enum { NO_PART, PART_OPEN, PART_GRANTED };
struct part {
	uint8_t state;
	uint8_t place;		/* the guard's number of it, which it may share */
	uint64_t deadline_usec; /* that it was promised */
};

/*
 * One region: its lease, its tenant's keeper, what the daemon knows of it, and what they say to
 * each other.
 */
struct site {
	uint8_t lease, break_id, breaker;
	bool report_pending;
	bool keeper_up, torn_down, mr_alive;
	bool release_asked; /* by this daemon: the end is an answer */
	bool missed;	    /* events are dropped, until a resync is told */
	uint8_t under_way;
	uint8_t fenced_pages;
	uint8_t asked_pages; /* in this chain of revocations */
	bool fresh;	     /* holders were let in again, and no time has passed since */
	uint64_t timer_at;   /* 0: none */
	uint64_t
		/* the deadline that holders were given first, while a question is open */
		promised_usec;
	uint64_t
		/* by when whoever released it wants it, the most urgent of them; 0: nobody did */
		close_usec;
	uint64_t broken_usec; /* since when the breaker waits */
	struct guard guard;
	struct part part[DEMANDS];
	struct region region;
	bool removed;
	bool listed;	  /* in the list that is under way */
	bool replacing;	  /* the keeper was asked to let go of it, for another one to have it; */
	bool anew;	  /* which was asked for it */
	uint64_t consent; /* the last revocation that this daemon consented to */
	struct queue to_daemon, to_keeper;
};

/* A local client, or a remote peer. */
struct user {
	bool there;
	uint64_t asked; /* and not acknowledged; 0: nothing */
	uint64_t acked; /* a peer's last answer that came in time */
};

/* Somebody who wants a range of the file: he waits at the gate. */
enum stage {
	NOT_YET,
	AT_GATE,
	AT_WORK, /* the daemon let him through */
	LOOSE,	 /* his deadline, or the daemon's death, did */
	TURNED_AWAY,
	DONE,
};
struct waiter {
	uint8_t stage;
	bool known; /* to this daemon, until DEMAND_FREE */
	bool over_sent;
	bool failed;
	uint8_t parts;	    /* regions that were asked */
	uint8_t unanswered; /* of these */
	uint8_t limit_passed;
	struct demand core;
};

struct world {
	struct site site[REGIONS];
	struct user user[HOLDERS];
	struct waiter waiter[DEMANDS];
	struct registry registry;
	bool daemon_up;
	uint8_t file_length;
	uint8_t breaks_left, truncates_left, releases_left, leaves_left, misses_left, mishaps_left;
	uint8_t replaces_left;
};

enum action {
	REPORT,
	FENCE_OK,
	DESTROYED,
	RELEASED,
	ARM_OK,
	REFRESHED,
	TO_DAEMON,
	TO_KEEPER,
	CLIENT_ACKS,
	PEER_ACKS,
	WAITER_DONE,
	TIMER,
	BREAK,
	BREAK_BY_WAITER,
	KERNEL_DEADLINE,
	MISS,
	RESYNC,
	FILE_SHRINKS,
	DEMAND,
	RELEASE,
	RELEASE_KINDLY,
	RELEASE_SOON,
	HOLDER_LEAVES,
	FENCE_WIDE,
	FENCE_FAILS,
	ARM_AGAIN,
	ARM_FAILS,
	REFRESH_FAILS,
	DEMAND_FAILS,
	GATE_DEADLINE,
	WAITER_KILLED,
	BREAKER_KILLED,
	DAEMON_DIES,
	DAEMON_STARTS,
	KEEPER_DIES,
	REPLACE,
	MADE_ANEW,
	NOT_MADE_ANEW,
	_ACTION_MAX,
};

/*
 * What happens, and to which region, holder or demand. TO_DAEMON: the region, plus as many times the
 * number of regions as there are messages which it comes before: see queue_choices().
 */
struct step {
	uint8_t action;
	uint8_t who;
};

extern const char *const world_action_names[_ACTION_MAX];

/* What must not be, in words; NULL while all is well. Set once. */
extern const char *world_violation;

/* Note @what as the violation unless @ok. Returns @ok. */
bool world_require(bool ok, const char *what);

/* Registered, open regions with their holders, as @setup has them; it becomes world_setup. */
void world_init(struct world *w, const struct setup *setup);

/* How many regions, holders or demands an action can happen to. */
uint8_t world_count(enum action a);

/* Whoever is too far behind catches up before anything else happens: a search that keeps to it ends. */
bool world_may_happen(const struct world *w, struct step s);

/* Do it. Returns false, and changes nothing, if it cannot happen in this world. */
bool world_act(struct world *w, struct step s);

/* Every invariant that is about a world, not a step. */
void world_check_now(const struct world *w);

/*
 * Wishes: what has to come true in every history in which what happens by itself does happen
 * (futures.c), a bit for each. Those which have not:
 */
uint8_t world_open_wishes(const struct world *w);
/* Those of @open in which this step happens sooner or later, if it can. */
uint8_t world_hopes(const struct world *w, struct step s, uint8_t open);
/* In words, when nothing happens by itself any more and they are open. */
const char *world_disappointed(uint8_t open);

/* That each keeper by itself settles its break and grants its demands, in whatever order. */
void world_check_alone(const struct world *w);
/* The @nth step of a keeper that did not, when that was looked at last. False: there is none. */
bool world_next_alone(uint32_t nth, struct step *ret);
/* The same, and that each wish comes true in one history that begins here. */
void world_check_future(const struct world *w);
void world_forget_futures(void); /* of another setup */

/* Its timer runs for the filesystem: how long is nobody's business, so no time passes. */
bool world_lets_the_file_be(const struct site *s);

/*
 * 128 bits of everything that can make a difference to what follows: worlds with the same key are
 * alike. So are those which differ in nothing but who of those is who that the setup treats alike:
 * see world_symmetries().
 */
struct key world_key(const struct world *w);

/*
 * In how many ways regions, and holders, can change places in this setup so that it stays what it
 * is; 1: in none. world_init() finds them.
 */
uint32_t world_symmetries(void);
/* From now on worlds in which some have changed places are others: for world_key(). */
void world_tell_apart(bool apart);

#endif
