/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-holder.h - owner side: receiving and acknowledging revocations, for owners and for
 * programs that use a region without owning it; and listing holders. Part of rdmareg.h.
 *
 * What always holds: a revocation waits for a holder until it acknowledges or its grace is over,
 * whichever is first; a holder cannot delay anybody longer.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_HOLDER_H
#define RDMAREG_HOLDER_H

#ifdef __cplusplus
extern "C" {
#endif

#define RDMAREG_NO_UID UINT32_MAX

enum rdmareg_event_type {
	RDMAREG_EVENT_NONE,
	/*
	 * region, revocation: stop using the range, then rdmareg_acknowledge(). One that takes the
	 * place of an earlier one also takes the place of that one's event, if nobody took it yet
	 */
	RDMAREG_EVENT_REVOCATION_REQUESTED,
	/* region, revocation.id, outcome, valid_length: continue, up to valid_length */
	RDMAREG_EVENT_REVOCATION_SETTLED,
	RDMAREG_EVENT_REGION_ADDED, /* region (subscribers) */
	/*
	 * region, end: it is gone (subscribers and holders; a holder that is asked hears it as
	 * outcome gone first)
	 */
	RDMAREG_EVENT_REGION_REMOVED,
	/* region: rdmareg_region_refresh() tells what. Reported once however often it changed */
	RDMAREG_EVENT_REGION_CHANGED,
	/* rdmaregd stopped. Regions stay reachable and safe; nobody answers requests */
	RDMAREG_EVENT_DAEMON_LOST,
	/*
	 * it runs (again); the subscription and what was joined are renewed. Refresh every handle:
	 * regions are found again by their id, some may have ended (ENOENT)
	 */
	RDMAREG_EVENT_DAEMON_BACK,
	/* from the bus: this context can only be closed. Regions that are not detached end */
	RDMAREG_EVENT_DISCONNECTED,
	/* events were dropped because nobody took them: refresh what matters */
	RDMAREG_EVENT_OVERFLOW,
	/*
	 * region: it was joined, and rdmaregd, back after a restart, did not take this program as
	 * its holder again: nobody waits for it any more. Stop using the region, or rdmareg_join()
	 * and see why
	 */
	RDMAREG_EVENT_LEFT,
	/* job, region: it is over; rdmareg_job_get_info() tells how */
	RDMAREG_EVENT_JOB_FINISHED,
	/* session_uid, session: somebody created it (subscribers that may see it) */
	RDMAREG_EVENT_SESSION_ADDED,
	/*
	 * and session_state: its state or its limits are others; rdmareg_session_get() tells which.
	 * Reported once however often they changed, with the newest state
	 */
	RDMAREG_EVENT_SESSION_CHANGED,
	/* session_uid, session, end: it was released, and its last region is gone */
	RDMAREG_EVENT_SESSION_REMOVED,
	/* there is more in the history, for who follows it: rdmareg_get_history(). Told once */
	RDMAREG_EVENT_HISTORY_ADDED,
};

struct rdmareg_event {
	size_t size;
	enum rdmareg_event_type type;
	enum rdmareg_outcome outcome;
	uint64_t region;
	struct rdmareg_revocation revocation;
	uint64_t valid_length;
	uint64_t seen_usec; /* CLOCK_BOOTTIME, when the library saw it */
	uint64_t job;	    /* number of the job (struct rdmareg_job_info) */
	enum rdmareg_end end;
	uint32_t session_uid; /* with session */
	enum rdmareg_session_state session_state;
	uint32_t reserved;
	char session[56]; /* its name, which ends with a zero; "" when it is of none */
	/*
	 * REVOCATION_REQUESTED: the process behind it, as far as it is known: pid 0: it is not, or
	 * it is another user's, which only root sees
	 */
	uint32_t asker_pid;
	uint32_t asker_uid; /* RDMAREG_NO_UID: not known */
	uint32_t asker_other_user;
	uint32_t reserved2;
	char asker_comm[32]; /* its name, as ps(1) shows it */
	char asker_cgroup[128];
};

/*
 * rdmareg_subscribe: from now on events of every region and session this user may see; without it
 * only those of regions registered or joined through this context. Doing it again is no error.
 */
int rdmareg_subscribe(struct rdmareg *c);

/*
 * rdmareg_get_fd: polls readable (POLLIN) when rdmareg_dispatch() has something to do or an event
 * waits. The same descriptor for the life of the context, which owns it: wait on it, nothing else.
 * rdmareg_dispatch: process what has arrived, never blocks. rdmareg_next_event: 1 and the oldest
 * event, 0 if there is none. @event: size set by the caller.
 */
int rdmareg_get_fd(const struct rdmareg *c);
int rdmareg_dispatch(struct rdmareg *c);
int rdmareg_next_event(struct rdmareg *c, struct rdmareg_event *event);

/*
 * rdmareg_acknowledge: this program has nothing in flight in the region and starts nothing until
 * the revocation is settled. Twice is no error. ESTALE: over, not asked of this caller, or a newer
 * one took its place, whose event is on its way: nothing changed. ENOENT: no such region.
 */
int rdmareg_acknowledge(struct rdmareg *c, uint64_t region, uint64_t revocation);

/*
 * rdmareg_join: this program uses the region (it maps the file, for example) and becomes a holder
 * of it: it gets the region's events, and revocations wait until it acknowledges, for the grace at
 * most. Ends with rdmareg_leave(), the region or the context, not with the handle; survives a
 * restart of rdmaregd (see RDMAREG_EVENT_LEFT). Doing it again is no error; the owner is a holder
 * without it. EDQUOT: this connection has joined as many regions as allowed.
 */
int rdmareg_join(struct rdmareg_region *r);

/*
 * rdmareg_leave: cease to be a holder. Nobody waits for its acknowledgements any more. No error if
 * it never joined. EBUSY: the owner cannot leave: rdmareg_release() is its way. ENOENT: the region
 * is gone.
 */
int rdmareg_leave(struct rdmareg_region *r);

/*
 * One holder of one region. Strings are never NULL; they belong to the struct rdmareg_holders they
 * were read from.
 */
struct rdmareg_holder {
	size_t size;
	uint64_t region;
	enum rdmareg_holder_kind kind;
	uint32_t uid;		    /* of the tenant, with session */
	uint32_t pid;		    /* of an owner or client; else 0 */
	enum rdmareg_access access; /* of a peer */
	const char *session;
	/* of that process: its job, service or login shows there; else "" */
	const char *cgroup;
	const char *address; /* of a peer; else "" */
	uint64_t since_usec; /* when it became a holder, CLOCK_MONOTONIC */
	/* the revocation that it has not acknowledged; id 0: none */
	struct rdmareg_revocation asked;
	/* who is behind it, as in struct rdmareg_event; uid: RDMAREG_NO_UID: not known */
	uint32_t asker_pid;
	uint32_t asker_uid;
	const char *asker_comm;
	const char *asker_cgroup;
	uint8_t asker_other_user;
	uint8_t reserved[7];
};

/*
 * rdmareg_find_holders: list the holders of all regions of a file, as lsof(8) does for open files.
 * @fd: the file, opened in any way, also with O_PATH; nothing is read.
 * @ret: what was so when the answer was made; freed with rdmareg_holders_free(), also after the
 *       context.
 *
 * Only regions that this user may see. EBADF: not a file that can be registered.
 */
int rdmareg_find_holders(struct rdmareg *c, int fd, struct rdmareg_holders **ret);

/* rdmareg_holders_next: 1 and the next one in @holder, ascending by region, or 0 at the end. */
int rdmareg_holders_next(struct rdmareg_holders *h, struct rdmareg_holder *holder);
struct rdmareg_holders *rdmareg_holders_free(struct rdmareg_holders *h);

#ifdef __cplusplus
}
#endif

#endif
