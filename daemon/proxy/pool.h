/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - the proxies of all keepers: keepers are found after a restart, started when needed,
 * asked, and their proxies removed when they have ended.
 *
 * What always holds:
 *   - Every operation is answered exactly once, by the keeper, or by us: -ECHILD it cannot be
 *     started, -EPIPE its process has ended; and, of a keeper that lives, -ENOTCONN the connection
 *     was lost before it answered, -EPROTO it cannot be talked to, -ETIMEDOUT it is late. One that
 *     is late is answered once more when the keeper does, so that nothing is left over of what
 *     nobody expects any more.
 *   - Only a keeper whose process has ended is gone, with what it held. Whatever else happens, its
 *     regions stay: one that is late is waited for, one that closes the connection is connected to
 *     again and lists what it has, one that says what cannot be, or speaks no version of ours, is
 *     left alone and tried again, less and less often. Three are ended: one that we started and
 *     that does not get ready while nothing can be in it; one that holds nothing and may have been
 *     started with earlier settings, or is foreign; and one that proxy_end() names.
 *   - No handler but limits() is called from inside pool_have(), pool_get(), proxy_request() or
 *     pool_adopt(): only from the event loop, and from pool_stop(), which answers what is open.
 *   - A keeper can speak for its own tenant only; what it says of others is a complaint.
 *
 * What may be said of a keeper, also together. A tenant's next region may go to one that is
 * resting, and to none of the others:
 *
 *   resting    it holds nothing: we let go of the connection, and it exits after a while
 *   superseded its regions are made anew in another one, or were; it ends when it holds nothing
 *   retired    it held nothing, and may have earlier settings or is foreign: told to end (SIGTERM),
 *              and killed if it does not
 *   silent     it was not ready within timeout_msec; it is waited for
 *   late       it has not answered all that it was asked in time; its answers are still taken
 *   estranged  it cannot be talked to: it said what cannot be, or speaks no version of ours. It is
 *              left alone (phase STRANGE) and tried again, and stays estranged until it is ready
 *   foreign    estranged, since it speaks no version of ours, and there is a record of its regions
 */
#ifndef RDMAREG_POOL_H
#define RDMAREG_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "arbiter/settings.h"
#include "core/registry.h"
#include "keeper-protocol.h"
#include "keeper-state.h"
#include "util/log-limit.h"
#include "util/offload.h"

struct spawner;
struct pool;
struct proxy;
struct record;
struct region_entry; /* never looked into here */

/* How an operation ended. Borrowed. */
struct answer {
	enum keeper_type type; /* of the request */
	uint64_t region;
	void *context;	  /* as given with the request */
	int error;	  /* 0, or negative */
	const char *text; /* the keeper's words, or ours; clean; never NULL */
	bool pending; /* we answer for the keeper, whose own answer may come: then it is @late */
	bool late;    /* it was answered with -ETIMEDOUT before, for the keeper; @context is NULL */
	int *fd; /* KEEPER_FILE, KEEPER_IMPORT: the descriptor, or -1; who keeps it sets it to -1 */
	/* KEEPER_REGION, KEEPER_TICKET or KEEPER_DONE; NULL if we answer for it */
	const struct keeper_message *message;
};

/*
 * Those that return text return NULL, or a complaint about what the keeper said: the connection is
 * then closed.
 */
struct pool_handlers {
	/*
	 * What a keeper of this tenant is started with; true: in the slice of its session, false: in
	 * its user's. Only tells, and is called at any time.
	 */
	bool (*limits)(void *userdata, uint32_t uid, const char *session,
		       struct session_limits *ret);
	/*
	 * Who listens there is known to be ours: before it is asked anything. @start:
	 * process_start(), or 0.
	 */
	void (*known)(void *userdata, pid_t pid, uint64_t start);
	/* It greeted us and is one of ours; before its list. */
	const char *(*opened)(void *userdata, struct proxy *k);
	/*
	 * It is asked to list all that it holds: when it greeted us, and whenever something may
	 * have been missed.
	 */
	void (*list_begins)(void *userdata, struct proxy *k);
	/* KEEPER_REGION and KEEPER_PEER of its list. */
	const char *(*listed)(void *userdata, struct proxy *k, const struct keeper_message *m);
	/* It has listed everything. */
	void (*list_done)(void *userdata, struct proxy *k);
	const char *(*told)(void *userdata, struct proxy *k, const struct keeper_message *m);
	const char *(*answered)(void *userdata, struct proxy *k, const struct answer *a);
	/* An operation under way has come further. @type, @context: of the request. */
	void (*progressed)(void *userdata, enum keeper_type type, void *context,
			   const struct keeper_progress *p);
	/*
	 * It cannot be talked to: proxy_trouble() says why. Called anew whenever that is found
	 * again. What a foreign one holds is known from its record alone: proxy_is_foreign().
	 */
	void (*estranged)(void *userdata, struct proxy *k);
	/*
	 * Its keeper has ended, nothing comes from it any more; the proxy is freed afterwards. Its
	 * operations were answered before. @why: for people.
	 */
	void (*gone)(void *userdata, struct proxy *k, const char *why);
	/*
	 * All that pool_adopt() found came through, or will not; or the time for it is over (@all
	 * false).
	 */
	void (*adopted)(void *userdata, bool all);
};

/**
 * pool_new
 * @offload: closes what goes to keepers, and what comes from them
 * @spawner: makes those that systemd does not
 * @directory: where their sockets lie
 * @program: absolute path of rdmareg-keeper
 * @connection: of the machine's systemd; NULL: keepers are always started directly
 * @settings: borrowed; read anew at each use
 */
int pool_new(struct pool **ret, struct event_base *base, struct offload *offload,
	     struct spawner *spawner, sd_bus *connection, const char *directory,
	     const char *program, const struct settings *settings,
	     const struct pool_handlers *handlers, void *userdata);
/*
 * What is started from now on has them, and so has whoever holds nothing, from the next region on.
 */
void pool_settings_changed(struct pool *ks);
/* The same of one tenant's limits. */
void pool_limits_changed(struct pool *ks, uint32_t uid, const char *session);
/* log_level() is another one: keepers follow. */
void pool_log_level_changed(struct pool *ks);
/* Answers all operations with -ESHUTDOWN and takes no more. */
void pool_stop(struct pool *ks);
/* Leaves the processes alone. Nobody may hold a proxy any more. */
struct pool *pool_free(struct pool *ks);

/*
 * Calls with each bus_client_mark() in the records of keepers that an earlier daemon left in
 * @directory.
 */
void pool_each_owner(const char *directory, void (*call)(void *userdata, const char *mark),
		     void *userdata);

/* Starts to look for those that an earlier daemon left. Negative: the directory cannot be read. */
int pool_adopt(struct pool *ks);

/* Keepers that can be talked to. */
uint32_t pool_count(const struct pool *ks);

/* The tenant's session has ended: its keepers end as soon as they hold nothing. */
void pool_session_is_over(struct pool *ks, uint32_t uid, const char *session);
/* Of a session that was created: there is a keeper of it, or may be, in the slice of this name. */
bool pool_uses_slice(const struct pool *ks, const char *name);
/* By systemd: spawn of the settings. */
bool pool_spawns_units(const struct pool *ks);
/* Peers that are connected to the tenant's keepers. */
uint32_t pool_peers(const struct pool *ks, uint32_t uid, const char *session);
/* How many user ids there are for keepers to run under. */
uint32_t pool_ids(const struct pool *ks);

/* There is a proxy of this tenant, of use or not. */
bool pool_have(const struct pool *ks, uint32_t uid, const char *session);
/*
 * Finds the proxy, or makes it and starts a keeper. -ENOMEM, -ENOSPC: no room for its record; -EBUSY: too many earlier ones
 * are stuck.
 */
int pool_get(struct pool *ks, uint32_t uid, const char *session, struct proxy **ret);

/* What the application remembers with a proxy, of its keeper. */
struct proxy_note {
	uint32_t tenant; /* index in the registry */
	bool has_tenant;
	uint32_t regions; /* it holds, as far as we were told */
	uint64_t bytes;	  /* of these regions */
	uint32_t peers;
	struct log_limit log; /* lines that the tenant, or its keeper, causes */
	uint32_t
		/* regions that it will be asked for: it is wanted though it has no work yet */
		expected;
	uint32_t dropped; /* claims that were not believed */
	/* all that a foreign one holds is known, from its record or from before */
	bool from_record;
	uint32_t unknown; /* regions that it was asked to release, since nobody knows them */
	/*
	 * it has listed everything once: what it lists from now on and we do not know is none of
	 * ours
	 */
	bool listed;
	LIST_HEAD(, region_entry) list;
};
struct proxy_note *proxy_note(struct proxy *k);

/* One keeper, as it is shown. Texts are borrowed until the next event is handled. */
struct proxy_view {
	uint64_t number; /* of the proxy: in the order in which they were made, from 1 */
	uint32_t uid;
	const char *session;
	uint32_t instance;
	pid_t pid;		   /* 0: it is not known yet */
	uint32_t runs_as;	   /* UINT32_MAX: not known */
	const char *unit;	   /* "": none */
	const char *device;	   /* "": not known, or none */
	const char *address;	   /* of its listener; likewise */
	const char *program;	   /* version of rdmareg that it is of; "": not known */
	uint32_t version;	   /* that is spoken; 0: none */
	struct keeper_versions of; /* that it speaks; 0: not known */
	enum keeper_state state;
	const char *trouble; /* why it is stuck or foreign, and what to do; "": it is not */
	uint32_t attempts;   /* connections that were begun since it was last ready */
	uint32_t regions, peers;
	uint64_t bytes;
	uint64_t started; /* process_start(); 0: not known */
};
/* The one with the smallest number above @after, of this user (NULL: of any). False: none is. */
bool pool_view_next(const struct pool *ks, const uint32_t *uid, uint64_t after,
		    struct proxy_view *ret);
/* What is known of it and of its regions; NULL: it is not ours to talk to. */
struct record *proxy_record(const struct proxy *k);
/* Operations that it has not answered. */
uint32_t proxy_asked(const struct proxy *k);
/* True: this process is a keeper of ours. */
bool pool_have_pid(struct pool *ks, pid_t pid);
/* Calls with each process that known() was called for and that is still the keeper. */
void pool_each_process(struct pool *ks, void (*call)(void *userdata, pid_t pid, uint64_t start),
		       void *userdata);
/* For log lines and messages: "UID/SESSION". */
const char *proxy_name(const struct proxy *k);
uint32_t proxy_uid(const struct proxy *k);
const char *proxy_session(const struct proxy *k);
/* Why it cannot be talked to, and what to do; "": it can. */
const char *proxy_trouble(const struct proxy *k);
/*
 * It speaks no version of the protocol that we do; whose process it is, is known, and there is a
 * record.
 */
bool proxy_is_foreign(const struct proxy *k);
/* What it was asked is answered, and gone() comes next. */
bool proxy_is_gone(const struct proxy *k);
/*
 * Ends a foreign one's process. All that it holds is to be released: it can be asked for nothing
 * less.
 */
void proxy_end(struct proxy *k);
/* What tells several of a tenant apart: N of its name, "UID-SESSION-N". */
uint32_t proxy_instance(const struct proxy *k);
/* The one of this name. NULL: there is none. */
struct proxy *pool_find(struct pool *ks, const char *name);
/* NULL, or why its regions cannot be made anew in another one of its tenant. */
const char *pool_check_replaceable(const struct proxy *k);
/* It gets no region any more, and ends when it holds nothing; or @on false: that was not to be. */
void pool_supersede(struct proxy *k, bool on);
/* As pool_view_next() has it. */
uint32_t pool_count_in(const struct pool *ks, enum keeper_state state);

/**
 * proxy_request - ask
 * @m: type, region and body; copied
 * @fd: -1, or a descriptor that goes along; taken over, unless nothing was asked
 * @extra_msec: besides the ordinary time a keeper has to answer; counted anew from each progress it
 *              reports
 * @context: comes back with the answer
 *
 * Nothing was asked and there will be no answer: -ENOMEM, -EMFILE; -EPIPE: the proxy is just being
 * removed; -EPROTO: it cannot be talked to, see proxy_trouble(); -ETIMEDOUT: it has answered too
 * little of what it was asked before.
 */
int proxy_request(struct proxy *k, const struct keeper_message *m, int fd, uint64_t extra_msec,
		  void *context);
/* It was asked to release that region, and has not answered. It looks at all that it was asked. */
bool proxy_is_releasing(const struct proxy *k, uint64_t region);
/* The same as proxy_request(), and with which number, by which KEEPER_CANCEL names it. */
int proxy_request_number(struct proxy *k, const struct keeper_message *m, int fd,
			 uint64_t extra_msec, void *context, uint64_t *ret_number);

#endif
