/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * whole.h - the daemon and its keepers, whole, in one simulated machine: what they are started and
 * called by, and what must hold.
 *
 * The product's own code runs from the socket between the two (daemon/proxy/, keeper/session.c) up
 * to what the bus asks of the arbiter, and down to what a keeper asks of its adapter and the
 * module. Played are libc's part of it (os.h), the making of processes (spawn.c), the bus (bus.h of
 * the daemon, in bus.c), and by tests/fakes/ the adapter, the peers and the module.
 */
#ifndef RDMAREG_SIM_WHOLE_H
#define RDMAREG_SIM_WHOLE_H

#include <sys/queue.h>

#include "os.h"

struct client;

/* Seconds of this world: things happen, then nothing new does, then everything is released. */
#define BUSY_USEC (12 * USEC_PER_SEC)
#define CALM_USEC (20 * USEC_PER_SEC)
#define END_USEC (20 * USEC_PER_SEC)

/* As rdmaregd.conf of this world has it. */
#define TIMEOUT_MSEC 2000
#define GRACE_MSEC 500
#define MAX_GRACE_MSEC 1000
#define REVOKE_LIMIT_SEC 2
#define IDLE_EXIT_SEC 2

/* --- main.c: what happens later */

typedef void (*act)(uint64_t a, uint64_t b);
void world_at(uint64_t after_usec, act what, uint64_t a, uint64_t b);
/* What was counted, for the sum that a run prints. */
enum counted {
	COUNT_CALLS,
	COUNT_REGISTERED,
	COUNT_BREAKS,
	COUNT_STOPS,
	COUNT_CUTS,
	COUNT_KILLS,
	COUNT_DAEMONS,
	COUNT_RESYNCS,
	COUNT_LATE,
	COUNT_SKEWED,
	COUNT_LIES,
	COUNT_REPLACED,
	COUNT_MOVED,
	COUNT_EVICTED,
	COUNT_SESSIONS,
	COUNT_SESSION_ENDS,
	_COUNT_MAX,
};
extern uint64_t counted[_COUNT_MAX];

/* --- hooks of the operating system */

bool whole_wants_turn(const struct process *p);
void whole_before_turn(struct process *p);
/* @leaves: its loop was broken off, which is how a keeper ends. */
void whole_after_turn(struct process *p, bool leaves);
void whole_signalled(struct process *p, int number);
/*
 * Of a packet on its way; it may be made another one, of @room bytes at most. *ret_before: one that
 * arrives before it, or of size 0.
 */
enum os_fate whole_packet_sent(const struct process *from, const struct process *to, char *packet,
			       size_t *size, size_t room, struct os_packet *ret_before);
/* How late one is that comes late. */
uint64_t lies_later(void);
void whole_connected(struct process *keeper);
/* A warning, or worse, of the process whose code runs. */
void whole_logged(const char *text);

/* --- daemon.c, and keepers.c, which cannot see each other's headers */

/* A region as either side knows it. */
struct facts {
	uint64_t id;
	bool settled; /* it is there, and nothing is under way */
	uint64_t valid_length;
	uint64_t grace_usec;
	uint64_t writebacks;
	uint64_t filesystem;
	uint32_t policy;
	uint32_t warm_mode;
	uint32_t peers;
	pid_t keeper;
};

extern struct process *the_daemon; /* NULL: there is none */
void daemon_start(uint64_t a, uint64_t b);
/* It ends as on SIGTERM, or is killed. */
void daemon_end(bool kill);
/* The region with the smallest number above @after. False: there is none. */
bool daemon_next(uint64_t after, struct facts *ret);
/* Which keeper's it is. */
pid_t daemon_keeper_of(uint64_t region);
/* How that one is called on the bus. */
void daemon_keeper_name(uint64_t region, char *out, size_t size);
/* What else it has: keepers, requests that they have not answered, tenants. */
void daemon_count(uint32_t *ret_proxies, uint32_t *ret_asked, uint32_t *ret_tenants);

/* This one executes its program, when its turn comes. */
void keeper_begin(struct process *p, int socket, const char *const *argv, uint64_t after_usec);
void keeper_kill(struct process *p);
/* At the end of a turn in which its loop was broken off. */
void keeper_leaves(struct process *p);
void keeper_told_to_end(struct process *p);
/* Its region of this number, or (@id 0) the first behind @ret. False: it has none. */
bool keeper_facts(const struct process *p, uint64_t id, struct facts *ret);
uint32_t keeper_count(const struct process *p);
/* It has regions that it was not asked to release. */
uint64_t keeper_has(const struct process *p);
/* Peers come and go, layouts are broken, pages written back. @stormy: many */
void keeper_happens(bool stormy);
void keeper_watch(void);
struct process *pick_keeper(void);
int keeper_memory_regions(void);

/* --- lies.c */

#define LIAR_UID 1002 /* of the tenants whose keepers lie */

bool lies_are_of(uint32_t uid);
bool lies_are_about(uint64_t region);

/* --- versions.c */

void versions_choose(struct process *keeper);

/* --- spawn.c */

struct process *process_of(pid_t pid);

/* --- calls.c: connections, which outlive a daemon, and their calls */

#define CONNECTIONS 6

struct connection {
	char name[16];
	uint32_t uid;
	uint32_t pid;
	bool up;
	struct client *client; /* as this daemon knows it; NULL: it does not */
};
extern struct connection connections[CONNECTIONS];

enum call_kind {
	CALL_REGISTER,
	CALL_EXPORT,
	CALL_RELEASE,
	CALL_CONFIGURE,
	CALL_REVOKE,
	CALL_RESTORE,
	CALL_SYNC,
	CALL_PREFETCH,
	CALL_JOIN,
	CALL_LEAVE,
	CALL_ACKNOWLEDGE,
	CALL_REPLACE, /* the keeper that has the region */
	CALL_EVICT,
	CALL_CREATE_SESSION,
	CALL_LIMIT_SESSION,
	CALL_DRAIN_SESSION,
	CALL_RELEASE_SESSION,
	_CALL_MAX,
};

/* Waits with the bus until the daemon takes it. */
struct request {
	enum call_kind kind;
	struct connection *by;
	uint64_t region;
	uint64_t
		number; /* of a revocation; of CALL_REGISTER: pages; of those of a session: which */
	uint32_t how;	/* any bits */
	STAILQ_ENTRY(request) requests;
};

void bus_ask(const struct request *q);
bool bus_has_requests(void);
void bus_take(void);
void connection_end(struct connection *c);
/* Calls that are not answered. */
uint32_t bus_open_calls(void);
/* Each that waits too long is a violation. */
void bus_check_calls(void);
/* The daemon is gone, and everybody who waited for it heard that from the bus. */
void bus_lost(void);

/* What the daemon tells of a region. */
struct told {
	uint64_t region;
	uint32_t uid;
	const char *session;
	const char *owner; /* NULL: it is detached, "": it left */
	uint64_t filesystem;
	pid_t keeper; /* that has it now */
	bool moves;   /* it is made anew, and no keeper has it */
	uint32_t generation;
	uint64_t revocation;
};
enum why {
	WHY_RELEASED,
	WHY_GIVEN_UP,
	WHY_DISCONNECTED,
	WHY_LOST,
	WHY_EVICTED,
	WHY_SESSION,
};

/* --- administer.c: what administrators ask for */

#define FILESYSTEMS 3 /* that files of users are on, numbered from 1 */
#define SESSIONS 5    /* that are created, and numbered */

/* It ends because they asked for that. */
bool administrators_end(const struct told *t, enum why why);
/* It was taken from that keeper to be made anew in another one. */
bool administrators_move(const struct told *t, pid_t keeper);
/* The daemon has a region, since it was registered or adopted. */
void administrators_know(const struct told *t);
/* Sessions are there, as they were made, or are not. */
void check_sessions(void);
/* Root releases those that there are. */
void administrators_release_all(void);

/* --- happen.c */

void happen_begin(void);
/* Nothing new happens, and nothing fails any more. */
void happen_stop(void);
/* Root releases all regions that there are. */
void happen_release_all(void);
void happen_later(const struct request *q, uint64_t usec);
void happen_added(const struct told *t);
/* Whatever it is that has changed. */
void happen_changed(const struct told *t);
void happen_removed(const struct told *t, enum why why, const char *text);
/* @c: NULL: it is gone */
void happen_asked(struct connection *c, uint64_t region, uint64_t revocation);
/* Somebody asked for its end. */
void happen_release_wanted(uint64_t region);

/* --- check.c */

/* Somebody waits for blocks of this region of the keeper whose code runs. */
void check_break(uint64_t region);
void check_given_back(uint64_t region, bool at_deadline);
void check_always(void);
/* Nothing is under way: daemon and keepers agree. */
void check_agreed(void);
/* Everything was released: nothing is left. */
void check_empty(void);

#endif
