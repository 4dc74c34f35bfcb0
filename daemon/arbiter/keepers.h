/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keepers.h - all keepers: found after a restart, started when needed, asked, and removed.
 *
 * What always holds:
 *   - Every operation is answered exactly once, by the keeper, or by us: -ECHILD it cannot be started, -EPIPE
 *     its process has ended; and, of a keeper that lives, -ENOTCONN the connection was lost before it answered,
 *     -EPROTO it cannot be talked to, -ETIMEDOUT it is late. One that is late is answered once more when the
 *     keeper does, so that nothing is left over of what nobody expects any more.
 *   - Only a keeper whose process has ended is gone, with what it held. Whatever else happens, its
 *     regions stay: one that is late is waited for, one that closes the connection is connected to
 *     again and lists what it has, one that says what cannot be, or speaks no version of ours, is
 *     left alone and tried again, less and less often. Three are ended: one that we started and
 *     that does not get ready while nothing can be in it; one that holds nothing and may have been
 *     started with earlier settings, or is foreign; and one that keeper_end() names.
 *   - No handler is called from inside keepers_have(), keepers_get(), keeper_request() or keepers_adopt():
 *     only from the event loop, and from keepers_stop(), which answers what is open.
 *   - A keeper can speak for its own tenant only; what it says of others is a complaint.
 *
 * What may be said of one, also together. A tenant's next region goes to none of the last five:
 *
 *   resting    it holds nothing: we let go of the connection, and it exits after a while
 *   retired    it held nothing, and may have earlier settings or is foreign: told to end (SIGTERM), and killed
 *              if it does not
 *   silent     it was not ready within timeout_msec; it is waited for
 *   late       it has not answered all that it was asked in time; its answers are still taken
 *   estranged  it cannot be talked to: it said what cannot be, or speaks no version of ours. It is
 *              left alone (phase STRANGE) and tried again, and stays estranged until it is ready
 *   foreign    estranged, since it speaks no version of ours, and there is a record of its regions
 */
#ifndef RDMAREG_KEEPERS_H
#define RDMAREG_KEEPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "arbiter/settings.h"
#include "keeper-protocol.h"
#include "util/log-limit.h"
#include "util/offload.h"

struct spawner;
struct keepers;
struct keeper;
struct record;
struct region_entry; /* never looked into here */

/* How an operation ended. Borrowed. */
struct answer {
	enum keeper_type type; /* of the request */
	uint64_t region;
	void *context;	  /* as given with the request */
	int error;	  /* 0, or negative */
	const char *text; /* the keeper's words, or ours; clean; never NULL */
	bool late;	  /* it was answered with -ETIMEDOUT before, for the keeper; @context is NULL */
	int *fd;	  /* KEEPER_FILE, KEEPER_IMPORT: the descriptor, or -1; who keeps it sets it to -1 */
	/* KEEPER_REGION, KEEPER_TICKET or KEEPER_DONE; NULL if we answer for it */
	const struct keeper_message *message;
};

/* Those that return text return NULL, or a complaint about what the keeper said: the connection is then closed. */
struct keepers_handlers {
	/* Who listens there is known to be ours: before it is asked anything. @start: process_start(), or 0. */
	void (*known)(void *userdata, pid_t pid, uint64_t start);
	/* It greeted us and is one of ours; before its list. */
	const char *(*opened)(void *userdata, struct keeper *k);
	/* It is asked to list all that it holds: when it greeted us, and whenever something may have been missed. */
	void (*list_begins)(void *userdata, struct keeper *k);
	/* KEEPER_REGION and KEEPER_PEER of its list. */
	const char *(*listed)(void *userdata, struct keeper *k, const struct keeper_message *m);
	/* It has listed everything. */
	void (*list_done)(void *userdata, struct keeper *k);
	const char *(*told)(void *userdata, struct keeper *k, const struct keeper_message *m);
	const char *(*answered)(void *userdata, struct keeper *k, const struct answer *a);
	/* An operation under way has come further. @type, @context: of the request. */
	void (*progressed)(void *userdata, enum keeper_type type, void *context,
			   const struct keeper_progress *p);
	/*
	 * It cannot be talked to: keeper_trouble() says why. Called anew whenever that is found again. What a
	 * foreign one holds is known from its record alone: keeper_is_foreign().
	 */
	void (*estranged)(void *userdata, struct keeper *k);
	/* Nothing comes from it any more; it is freed afterwards. Its operations were answered before. */
	void (*gone)(void *userdata, struct keeper *k);
	/* All that keepers_adopt() found came through, or will not; or the time for it is over (@all false). */
	void (*adopted)(void *userdata, bool all);
};

/**
 * keepers_new
 * @offload: closes what goes to keepers, and what comes from them
 * @spawner: makes those that systemd does not
 * @directory: where their sockets lie
 * @program: absolute path of rdmareg-keeper
 * @connection: of the machine's systemd; NULL: keepers are always started directly
 * @settings: borrowed; read anew at each use
 */
int keepers_new(struct keepers **ret, struct event_base *base, struct offload *offload,
		struct spawner *spawner, sd_bus *connection, const char *directory, const char *program,
		const struct settings *settings, const struct keepers_handlers *handlers, void *userdata);
/* What is started from now on has them, and so has whoever holds nothing, from the next region on. */
void keepers_settings_changed(struct keepers *ks);
/* Answers all operations with -ESHUTDOWN and takes no more. */
void keepers_stop(struct keepers *ks);
/* Leaves the processes alone. Nobody may hold a keeper any more. */
struct keepers *keepers_free(struct keepers *ks);

/* Calls with each bus_client_mark() in the records of keepers that an earlier daemon left in @directory. */
void keepers_each_owner(const char *directory, void (*call)(void *userdata, const char *mark),
			void *userdata);

/* Starts to look for those that an earlier daemon left. Negative: the directory cannot be read. */
int keepers_adopt(struct keepers *ks);

/* Keepers that can be talked to. */
uint32_t keepers_count(const struct keepers *ks);

/* There is one of this tenant, of use or not. */
bool keepers_have(const struct keepers *ks, uint32_t uid, const char *session);
/* Finds it, or starts it. -ENOMEM, -ENOSPC: no room for its record; -EBUSY: too many earlier ones are stuck. */
int keepers_get(struct keepers *ks, uint32_t uid, const char *session, struct keeper **ret);

/* What the application remembers with a keeper. */
struct keeper_note {
	uint32_t tenant; /* index in the registry */
	bool has_tenant;
	uint32_t regions; /* it holds, as far as we were told */
	uint32_t peers;
	struct log_limit log; /* lines that the tenant, or its keeper, causes */
	uint32_t expected; /* regions that it will be asked for: it is wanted though it has no work yet */
	uint32_t dropped; /* claims that were not believed */
	bool from_record; /* all that a foreign one holds is known, from its record or from before */
	uint32_t unknown; /* regions in the list that is under way */
	bool listed; /* it has listed everything once: what it lists from now on and we do not know is none of ours */
	LIST_HEAD(, region_entry) list;
};
struct keeper_note *keeper_note(struct keeper *k);
/* What is known of it and of its regions; NULL: it is not ours to talk to. */
struct record *keeper_record(const struct keeper *k);
/* Operations that it has not answered. */
uint32_t keeper_asked(const struct keeper *k);
/* True: this process is a keeper of ours. */
bool keepers_have_pid(struct keepers *ks, pid_t pid);
/* Calls with each process that known() was called for and that is still the keeper. */
void keepers_each_process(struct keepers *ks, void (*call)(void *userdata, pid_t pid, uint64_t start),
			  void *userdata);
/* For log lines and messages: "UID/SESSION". */
const char *keeper_name(const struct keeper *k);
uint32_t keeper_uid(const struct keeper *k);
const char *keeper_session(const struct keeper *k);
/* Why it cannot be talked to, and what to do; "": it can. */
const char *keeper_trouble(const struct keeper *k);
/* It speaks no version of the protocol that we do; whose process it is, is known, and there is a record. */
bool keeper_is_foreign(const struct keeper *k);
/* Ends a foreign one's process. All that it holds is to be released: it can be asked for nothing less. */
void keeper_end(struct keeper *k);
/* Keepers that are left alone. */
uint32_t keepers_count_estranged(const struct keepers *ks);

/**
 * keeper_request - ask
 * @m: type, region and body; copied
 * @fd: -1, or a descriptor that goes along; duplicated
 * @extra_msec: besides the ordinary time a keeper has to answer; counted anew from each progress it reports
 * @context: comes back with the answer
 *
 * Nothing was asked and there will be no answer: -ENOMEM, -EMFILE; -EPIPE: the keeper is just being
 * removed; -EPROTO: it cannot be talked to, see keeper_trouble(); -ETIMEDOUT: it has answered too
 * little of what it was asked before.
 */
int keeper_request(struct keeper *k, const struct keeper_message *m, int fd, uint64_t extra_msec,
		   void *context);
/* The same, and with which number, by which KEEPER_CANCEL names it. */
int keeper_request_number(struct keeper *k, const struct keeper_message *m, int fd, uint64_t extra_msec,
			  void *context, uint64_t *ret_number);

#endif
