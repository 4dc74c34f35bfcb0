/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy.h - one proxy: the daemon's side of one keeper. For the files of this folder.
 *
 * The keeper is a process; the proxy is the daemon's object for it; the link is the connection
 * between the two (link.h). A proxy is there before its keeper listens, and stays while a lost
 * connection is made again. In comments of this folder "it" is the keeper, unless something else
 * has just been named.
 */
#ifndef RDMAREG_PROXY_H
#define RDMAREG_PROXY_H

#include <sys/queue.h>

#include "proxy/link.h"
#include "proxy/spawn.h"
#include "proxy/pool.h"
#include "proxy/record.h"
#include "core/registry.h"

/* Of the connection to a keeper. */
enum proxy_phase {
	PHASE_CONNECTING, /* no keeper listens yet; tried again by timer */
	PHASE_GREETING,	  /* HELLO is sent */
	PHASE_LISTING,	  /* LIST is sent */
	PHASE_READY,
	/* the keeper has no regions: the connection is closed, and the process exits after a while */
	PHASE_RESTING,
	/* the keeper said what cannot be, or is not ours: left alone, tried again now and then */
	PHASE_STRANGE,
};

struct operation {
	struct proxy *keeper;
	uint64_t number;
	struct keeper_message message;
	int fd; /* ours, until it was sent */
	uint64_t timeout_msec;
	uint64_t progress; /* bytes */
	void *context;
	bool sent;
	bool late;
	struct event *timer; /* runs from when it could be sent */
	TAILQ_ENTRY(operation) operations;
};

struct proxy {
	struct pool *set;
	uint64_t number; /* its place among all that there were */
	uint32_t uid;
	char session[TENANT_SESSION_MAX];
	char name[TENANT_SESSION_MAX + 12];
	struct session_limits limits; /* its keeper's, if it is started now */
	uint32_t instance;	      /* proxy/instance.c */
	char *path;		      /* of the keeper's socket */
	char *record_path;
	struct record *record; /* NULL: the keeper was found, and has none */
	enum proxy_phase phase;
	bool found;  /* its keeper was, by pool_adopt(), which waits for it */
	bool ours;   /* its keeper was started by this daemon */
	bool rested; /* and not ready since: it may have ended, holding nothing */
	bool silent; /* it has had its time to get ready */
	bool late_told;
	/* it holds nothing, and has other settings or an id that is needed: it was told to end */
	bool retired;
	uint64_t
		/* pool.settings_at when it was started; 0: it was found, so that is not known */
		settings_at;
	bool spawned;	 /* since the last time somebody listened */
	bool starting;	 /* counted in pool.starting */
	bool awaits_id;	 /* and all are in use, but one is about to be free */
	uint64_t queued; /* its place among those that wait to be started; 0: it does not */
	bool superseded; /* its tenant's regions go to another one */
	bool over;	 /* its session has ended: it ends when it holds nothing */
	bool unwanted;	 /* its process was ended because all that it has is to be released */
	bool dying;
	bool estranged; /* it became strange, and was not ready since */
	struct link *link;
	struct spawn_unit *unit;
	struct spawned *process; /* spawn=direct */
	uint32_t runs_as;	 /* likewise: the id that was chosen for it */
	pid_t pid; /* who listens, as the kernel says; a keeper's own word for it is not believed */
	uint64_t started; /* process_start() of that one; 0: not known */
	int pidfd;
	struct event *ended;	/* on pidfd */
	struct event *retry;	/* next attempt to connect */
	struct event *patience; /* until it must be ready */
	struct event *rest;	/* until we let go of it, while it holds nothing */
	struct event *retiring; /* until it is killed, since it was told to end */
	struct event *flush;	/* what is unsent is sent, when nothing else is to be done */
	unsigned int attempt;
	uint32_t attempts; /* connections begun since it was ready */
	int log_level;	   /* that it was told last on this connection; while it is ready */
	uint64_t list_operation;
	bool listing; /* again, while it is ready */
	bool stale;   /* and it has to list once more after that */
	uint64_t resyncs;
	uint32_t late; /* operations */
	uint64_t ready_usec;
	unsigned int complaints;
	unsigned int rebuffs; /* connections in a row that it ended before it said a word */
	char mismatch[200];   /* why no version is spoken; "": one is, or nothing is known */
	char trouble[600];
	struct keeper_welcome welcome;
	struct proxy_note note;
	TAILQ_HEAD(operations, operation) operations; /* oldest first */
	struct operation *unsent; /* the first that was not sent; all after it were not */
	uint32_t asked;		  /* how many they are */
	void *by_number;	  /* tsearch(3) tree of the same */
	uint32_t descriptors_due; /* of them: those whose answer may bring a descriptor */
	LIST_ENTRY(proxy) keepers;
};

struct pool {
	struct event_base *base;
	struct offload *offload;
	struct spawner *spawner;
	sd_bus *connection;
	const char *program;
	const struct settings *settings;
	const struct pool_handlers *handlers;
	void *userdata;
	char *directory;
	uint64_t last_number;
	uint64_t next_operation;
	uint64_t next_queued;
	uint64_t settings_at;  /* counts changes of the settings, from 1 */
	unsigned int starting; /* processes that were started and are not ready yet */
	uint32_t ready;
	uint32_t waiting;	   /* found ones that have not come through yet */
	struct event *all_through; /* adopted(true) is due */
	struct event *out_of_time; /* adopted(false) is due */
	bool adopted;
	LIST_HEAD(, proxy) keepers;
};

/* --- pool.c */

/* One of that tenant was told to end and has not yet. */
bool pool_one_retires(const struct pool *ks, uint32_t uid, const char *session);
/*
 * Of keepers that hold nothing one is told to end, unless one ends already. False: there is none.
 */
bool pool_make_room(struct pool *ks);

/* --- proxy.c */

/* @instance: of one that was found; 0: a new one. */
int proxy_new(struct proxy **ret, struct pool *ks, uint32_t uid, const char *session,
	      uint32_t instance);
struct proxy *proxy_free(struct proxy *k);
/*
 * Connects, and starts the process if nobody listens; also again for one that rests or is strange.
 */
void proxy_begin(struct proxy *k);
/*
 * Its process has ended, or never came to anything: answers everything with @error, tells that it
 * is gone, frees it.
 */
void proxy_remove(struct proxy *k, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * It holds nothing, and never gets anything any more: tells it to end, and sees to it. False: that
 * cannot be done.
 */
bool proxy_retire(struct proxy *k);
/* One that is ready logs what this daemon does, log_level(), from now on. */
void proxy_tell_log_level(struct proxy *k);
/* Nobody has anything in it, and nothing is asked of it. */
bool proxy_is_idle(const struct proxy *k);
/* Its process has. False also where nobody can tell. */
bool proxy_has_ended(const struct proxy *k);
/* A found one came through, or will not. */
void proxy_came_through(struct proxy *k);

/* --- proxy/instance.c */

/* The number of a process to be started, and its record. -EBUSY: too many are stuck. */
int proxy_instance_new(struct proxy *k);
/* One that was found. No record, or one that is of no use, is no error. */
int proxy_instance_find(struct proxy *k, uint32_t instance);
/* Its number is taken after all: the next one. */
int proxy_instance_next(struct proxy *k);
/* Nothing of it shall be left in the directory. */
void proxy_instance_forget(struct proxy *k);
/* Its process was asked for and is not known yet. */
bool proxy_instance_awaited(const struct proxy *k);
/* NULL, or why the process that listens is not the keeper that was started. */
const char *proxy_instance_check(const struct proxy *k, pid_t pid, uid_t uid);

/* --- proxy/end.c */

/* How its process ended, which it has, and where more is to be read. */
void proxy_describe_end(const struct proxy *k, struct failure *ret);
/* The same of one that held nothing, of which an end by itself needs no explanation. */
void proxy_describe_idle_end(const struct proxy *k, struct failure *ret);

/* --- proxy/start.c */

#define NO_ID "every user id of keeper_uids in rdmaregd.conf is in use"

/* Starts the process. 0: now wait until it listens. @why: filled on failure. */
int proxy_start(struct proxy *k, struct failure *why);
/* Forgets all that watches over the starting. */
void proxy_start_over(struct proxy *k);
/* Tells when the process ends. False: that cannot be told. */
bool proxy_watch_end(struct proxy *k);

/* --- proxy/operations.c */

void proxy_flush(struct proxy *k);
/* Takes an answer. NULL, or the complaint. */
const char *proxy_answer(struct proxy *k, const struct keeper_message *m, int *fd);
/* One that is under way has come further; of others it says nothing new. */
void proxy_progressed(struct proxy *k, const struct keeper_progress *p);
/* It is not answered in time: whoever asked is told, but its answer is still waited for. */
void proxy_be_late(struct operation *o);
void proxy_all_late(struct proxy *k);
/* They are answered soon after all: whoever waits goes on waiting, as long as a keeper has. */
void proxy_wait_anew(struct proxy *k);
/*
 * Nothing is known to come of what is under way: all are answered with @error, but what is to be
 * released stays.
 */
void proxy_drop_operations(struct proxy *k, int error, const char *text);
/*
 * The connection is another one: what may be asked twice is, the rest is answered with -ENOTCONN.
 */
void proxy_ask_again(struct proxy *k);
/* Has it list again what it holds: something may have been missed. */
void proxy_list_again(struct proxy *k);
/* Answers all with @error. */
void proxy_answer_all(struct proxy *k, int error, const char *text);

/* proxy/view.c: what is the matter with one that is neither estranged nor ending; NULL: nothing. */
const char *proxy_why_stuck(const struct proxy *k);

/* proxy/selftest.c: have the device that it uses tested, if nothing current is known of that. */
void proxy_refresh_quirks(struct proxy *k);

#endif
