/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keepers-internal.h - what keepers.c, keeper.c and keeper-operations.c share. */
#ifndef RDMAREG_KEEPERS_INTERNAL_H
#define RDMAREG_KEEPERS_INTERNAL_H

#include <sys/queue.h>

#include "arbiter/keeper-link.h"
#include "arbiter/keeper-spawn.h"
#include "arbiter/keepers.h"
#include "arbiter/record.h"
#include "core/registry.h"

enum keeper_phase {
	PHASE_CONNECTING, /* nobody listens yet; tried again by timer */
	PHASE_GREETING,	  /* HELLO is sent */
	PHASE_LISTING,	  /* LIST is sent */
	PHASE_READY,
	PHASE_RESTING, /* it holds nothing: we let go of it, and it exits when it is idle long enough */
	PHASE_STRANGE, /* it said what cannot be, or is not ours: left alone, and tried again now and then */
};

struct operation {
	struct keeper *keeper;
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

struct keeper {
	struct keepers *set;
	uint32_t uid;
	char session[TENANT_SESSION_MAX];
	char name[TENANT_SESSION_MAX + 12];
	uint32_t instance; /* keeper-instance.c */
	char *path;	   /* of its socket */
	char *record_path;
	struct record *record; /* NULL: of a found one that there is none of */
	enum keeper_phase phase;
	bool found;  /* by keepers_adopt(), which waits for it */
	bool ours;   /* started by us */
	bool rested; /* and not ready since: it may have ended, holding nothing */
	bool silent; /* it has had its time to get ready */
	bool late_told;
	bool retired; /* it holds nothing, and has other settings or an id that is needed: it was told to end */
	uint64_t settings_at; /* keepers.settings_at when it was started; 0: found, it is not known */
	bool spawned; /* since the last time somebody listened */
	bool starting; /* counted in keepers.starting */
	bool awaits_id; /* and all are in use, but one is about to be free */
	uint64_t queued; /* its place among those that wait to be started; 0: it does not */
	bool unwanted; /* its process was ended because all that it has is to be released */
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
	unsigned int attempt;
	uint64_t list_operation;
	bool listing; /* again, while it is ready */
	bool stale;   /* and it has to list once more after that */
	uint64_t resyncs;
	uint32_t late; /* operations */
	uint64_t ready_usec;
	unsigned int complaints;
	unsigned int rebuffs; /* connections in a row that it ended before it said a word */
	char mismatch[200]; /* why no version is spoken; "": one is, or nothing is known */
	char trouble[600];
	struct keeper_welcome welcome;
	struct keeper_note note;
	TAILQ_HEAD(operations, operation) operations; /* oldest first */
	struct operation *unsent;		      /* the first that was not sent; all after it were not */
	uint32_t asked;				      /* how many they are */
	void *by_number;			      /* tsearch(3) tree of the same */
	uint32_t descriptors_due;		      /* of them: those whose answer may bring a descriptor */
	LIST_ENTRY(keeper) keepers;
};

struct keepers {
	struct event_base *base;
	struct offload *offload;
	struct spawner *spawner;
	sd_bus *connection;
	const char *program;
	const struct settings *settings;
	const struct keepers_handlers *handlers;
	void *userdata;
	char *directory;
	uint64_t next_operation;
	uint64_t next_queued;
	uint64_t settings_at; /* counts changes of the settings, from 1 */
	unsigned int starting; /* processes that were started and are not ready yet */
	uint32_t ready;
	uint32_t waiting;	   /* found ones that have not come through yet */
	struct event *all_through; /* adopted(true) is due */
	struct event *out_of_time; /* adopted(false) is due */
	bool adopted;
	LIST_HEAD(, keeper) keepers;
};

/* --- keepers.c */

/* One of that tenant was told to end and has not yet. */
bool keepers_one_retires(const struct keepers *ks, uint32_t uid, const char *session);
/* Of keepers that hold nothing one is told to end, unless one ends already. False: there is none. */
bool keepers_make_room(struct keepers *ks);

/* --- keeper.c */

/* @instance: of one that was found; 0: a new one. */
int keeper_new(struct keeper **ret, struct keepers *ks, uint32_t uid, const char *session, uint32_t instance);
struct keeper *keeper_free(struct keeper *k);
/* Connects, and starts the process if nobody listens; also again for one that rests or is strange. */
void keeper_begin(struct keeper *k);
/* Its process has ended, or never came to anything: answers everything with @error, tells that it is gone, frees it. */
void keeper_remove(struct keeper *k, int error, const char *why);
/* It holds nothing, and never gets anything any more: tells it to end, and sees to it. False: that cannot be done. */
bool keeper_retire(struct keeper *k);
/* Nobody has anything in it, and nothing is asked of it. */
bool keeper_is_idle(const struct keeper *k);
/* Its process has. False also where nobody can tell. */
bool keeper_has_ended(const struct keeper *k);
/* A found one came through, or will not. */
void keeper_came_through(struct keeper *k);

/* --- keeper-instance.c */

/* The number of a process to be started, and its record. -EBUSY: too many are stuck. */
int keeper_instance_new(struct keeper *k);
/* One that was found. No record, or one that is of no use, is no error. */
int keeper_instance_find(struct keeper *k, uint32_t instance);
/* Its number is taken after all: the next one. */
int keeper_instance_next(struct keeper *k);
/* Nothing of it shall be left in the directory. */
void keeper_instance_forget(struct keeper *k);
/* Its process was asked for and is not known yet. */
bool keeper_instance_awaited(const struct keeper *k);
/* NULL, or why the process that listens is not the keeper that was started. */
const char *keeper_instance_check(const struct keeper *k, pid_t pid, uid_t uid);

/* --- keeper-end.c */

/* How its process ended, which it has, and where more is to be read. */
void keeper_describe_end(const struct keeper *k, char *out, size_t size);
/* The same of one that held nothing, of which an end by itself needs no explanation. */
void keeper_describe_idle_end(const struct keeper *k, char *out, size_t size);

/* --- keeper-start.c */

#define NO_ID "every user id of keeper_uids in rdmaregd.conf is in use"

/* Starts the process. 0: now wait until it listens. @ret_why: on failure. */
int keeper_start(struct keeper *k, const char **ret_why);
/* Forgets all that watches over the starting. */
void keeper_start_over(struct keeper *k);
/* Tells when the process ends. False: that cannot be told. */
bool keeper_watch_end(struct keeper *k);

/* --- keeper-operations.c */

void keeper_flush(struct keeper *k);
/* Takes an answer. NULL, or the complaint. */
const char *keeper_answer(struct keeper *k, const struct keeper_message *m, int *fd);
/* One that is under way has come further; of others it says nothing new. */
void keeper_progressed(struct keeper *k, const struct keeper_progress *p);
/* It is not answered in time: whoever asked is told, but its answer is still waited for. */
void keeper_be_late(struct operation *o);
void keeper_all_late(struct keeper *k);
/* They are answered soon after all: whoever waits goes on waiting, as long as a keeper has. */
void keeper_wait_anew(struct keeper *k);
/* Nothing is known to come of what is under way: all are answered with @error, but what is to be released stays. */
void keeper_drop_operations(struct keeper *k, int error, const char *text);
/* The connection is another one: what may be asked twice is, the rest is answered with -ENOTCONN. */
void keeper_ask_again(struct keeper *k);
/* Has it list again what it holds: something may have been missed. */
void keeper_list_again(struct keeper *k);
/* Answers all with @error. */
void keeper_answer_all(struct keeper *k, int error, const char *text);

/* keeper-selftest.c: have the device that it uses tested, if nothing current is known of that. */
void keeper_refresh_quirks(struct keeper *k);

#endif
