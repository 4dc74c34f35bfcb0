/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-words.h - the enumerations of librdmareg. Part of rdmareg.h.
 *
 * What always holds: each enumeration has 0 for "not said" or "a word this version of the library
 * does not know". The functions give the word that D-Bus, JSON and manual pages use, e.g.
 * "layout-lease", and "unknown" for 0 and for what is no member. Static strings.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_WORDS_H
#define RDMAREG_WORDS_H

#ifdef __cplusplus
extern "C" {
#endif

enum rdmareg_access {
	RDMAREG_ACCESS_UNKNOWN,
	RDMAREG_ACCESS_READ,	   /* "r" */
	RDMAREG_ACCESS_READ_WRITE, /* "rw" */
};

enum rdmareg_state {
	RDMAREG_STATE_UNKNOWN,
	RDMAREG_STATE_REGISTERING, /* being mapped and registered */
	RDMAREG_STATE_LIVE,	   /* peers can reach it */
	RDMAREG_STATE_WARMING,	   /* live, a prefetch that somebody asked for is under way */
	/* blocks are needed back: holders were asked and the deadline runs */
	RDMAREG_STATE_DRAINING,
	RDMAREG_STATE_FENCED,  /* unreachable while the filesystem works */
	RDMAREG_STATE_CLOSING, /* being taken down */
};

/* Why a region is gone. */
enum rdmareg_end {
	RDMAREG_END_UNKNOWN,
	RDMAREG_END_RELEASED, /* by its owner, or by root */
	/* it was not detached, and the connection that registered it ended */
	RDMAREG_END_DISCONNECTED,
	RDMAREG_END_EVICTED,	/* rdmareg_evict() */
	RDMAREG_END_OVER_LIMIT, /* rdmareg_enforce_limits() */
	/* the process that served it could not keep it; the journal says why */
	RDMAREG_END_GIVEN_UP,
	/* the process that served it ended before anybody released it: register anew */
	RDMAREG_END_LOST,
	RDMAREG_END_SESSION, /* rdmareg_session_release() */
	/* it was not detached, and its connection did not come back after a restart of rdmaregd */
	RDMAREG_END_EXPIRED,
};

/* What happened to a region. */
enum rdmareg_history_kind {
	RDMAREG_HISTORY_UNKNOWN,
	RDMAREG_HISTORY_REGISTERED, /* by whom */
	RDMAREG_HISTORY_ADOPTED,    /* it was there when rdmaregd began */
	RDMAREG_HISTORY_EXPORTED,   /* a ticket was made */
	RDMAREG_HISTORY_CAME,	    /* a holder: client or peer */
	RDMAREG_HISTORY_WENT,
	RDMAREG_HISTORY_ASKED,	    /* a revocation began: by whom, and for what */
	RDMAREG_HISTORY_ANSWERED,   /* a holder acknowledged */
	RDMAREG_HISTORY_UNANSWERED, /* a holder had not when the region was fenced */
	RDMAREG_HISTORY_FENCED,
	RDMAREG_HISTORY_GIVEN_BACK, /* whoever asked goes on */
	RDMAREG_HISTORY_SETTLED,
	RDMAREG_HISTORY_WARMED,	  /* what was asked to be prefetched is */
	RDMAREG_HISTORY_DEGRADED, /* text: what is not promised any more, and why */
	RDMAREG_HISTORY_SOUND,	  /* it is degraded no more */
	RDMAREG_HISTORY_ENDING,	  /* it is to be taken down: by whom, and why */
	RDMAREG_HISTORY_REMOVED,  /* end, text: why */
	/* another keeper has it, with new keys: keeper_before, keeper */
	RDMAREG_HISTORY_REPLACED,
};

/* What is promised when a filesystem needs blocks back. */
enum rdmareg_arbitration {
	RDMAREG_ARBITRATION_UNKNOWN,
	RDMAREG_ARBITRATION_NONE,	  /* translations are correct; holders are not notified */
	RDMAREG_ARBITRATION_NOTIFY_ONLY,  /* holders are notified afterwards */
	RDMAREG_ARBITRATION_LAYOUT_LEASE, /* holders are notified before; bounded wait */
	/*
	 * the same, with the range; the operation can be refused; others' I/O on the file is slower
	 */
	RDMAREG_ARBITRATION_PRE_CONTENT,
};

/* Which mechanisms a region may use. */
enum rdmareg_arbitrate {
	RDMAREG_ARBITRATE_UNKNOWN,
	RDMAREG_ARBITRATE_AUTO, /* those that slow no other program down */
	/*
	 * pre-content where the kernel has it, although it makes every read and write of the file
	 * slower
	 */
	RDMAREG_ARBITRATE_PRE_CONTENT,
};

enum rdmareg_policy {
	RDMAREG_POLICY_UNKNOWN,
	RDMAREG_POLICY_FOLLOW, /* no grace: holders are notified afterwards */
	RDMAREG_POLICY_YIELD,  /* ask, wait at most the grace, fence, give back */
	/* pre-content: refuse; layout-lease: wait the longest grace; else no effect */
	RDMAREG_POLICY_HOLD,
};

/* Why blocks are needed back. */
enum rdmareg_cause {
	RDMAREG_CAUSED_BY_UNKNOWN, /* the module could not tell */
	RDMAREG_CAUSED_BY_TRUNCATE,
	RDMAREG_CAUSED_BY_FALLOCATE,	 /* punch, zero, collapse, insert */
	RDMAREG_CAUSED_BY_CLONE,	 /* reflink, deduplication, exchange-range */
	RDMAREG_CAUSED_BY_OPEN_TRUNCATE, /* open(2) with O_TRUNC */
	RDMAREG_CAUSED_BY_WRITE,	 /* a write that could not be told apart from the others */
	RDMAREG_CAUSED_BY_RELEASE,	 /* the owner releases the region, or is gone */
	RDMAREG_CAUSED_BY_ADMINISTRATOR, /* rdmareg_revoke() */
	RDMAREG_CAUSED_BY_UNMOUNT,	 /* rdmareg_evict() */
	RDMAREG_CAUSED_BY_SYNC,		 /* rdmareg_sync() */
	RDMAREG_CAUSED_BY_QUOTA,	 /* rdmareg_enforce_limits() */
};

/* How a revocation ended. */
enum rdmareg_outcome {
	RDMAREG_OUTCOME_UNKNOWN,
	RDMAREG_OUTCOME_RESTORED,  /* same length, same keys */
	RDMAREG_OUTCOME_TRUNCATED, /* the file is shorter: see valid_length */
	RDMAREG_OUTCOME_GONE,	   /* the region is no more */
};

/* Whether a region's file still is where it was registered from. */
enum rdmareg_path_state {
	/* it had no name when it was registered, or the keeper does not check */
	RDMAREG_PATH_UNKNOWN,
	RDMAREG_PATH_THERE,
	RDMAREG_PATH_MOVED,   /* it was renamed, or a folder on its path was */
	RDMAREG_PATH_DELETED, /* it was unlinked, or another file was renamed over it */
};

/* What a holder of a region is to it. */
enum rdmareg_holder_kind {
	RDMAREG_HOLDER_UNKNOWN,
	RDMAREG_HOLDER_OWNER,  /* registered it, over a connection that still is there */
	RDMAREG_HOLDER_CLIENT, /* joined it */
	RDMAREG_HOLDER_PEER,   /* reaches it from another machine */
	/* the region has no holder: it is detached, and nobody uses it now */
	RDMAREG_HOLDER_NONE,
};

/* State of a job. */
enum rdmareg_job_state {
	RDMAREG_JOB_UNKNOWN,
	RDMAREG_JOB_RUNNING,
	RDMAREG_JOB_DONE,
	RDMAREG_JOB_FAILED,
	RDMAREG_JOB_CANCELLED,
};

/* State of a session that was created. */
enum rdmareg_session_state {
	RDMAREG_SESSION_UNKNOWN,
	RDMAREG_SESSION_ACTIVE,	  /* regions can be registered into it */
	RDMAREG_SESSION_DRAINING, /* no more; those that it has stay */
	RDMAREG_SESSION_ENDED,	  /* being released: gone with the last of its regions */
};

/* What became of a region of a session that was released. */
enum rdmareg_release_outcome {
	RDMAREG_RELEASE_UNKNOWN,
	RDMAREG_RELEASE_RELEASED, /* nothing of it is left */
	/* not yet: its holders have their grace, or its keeper has not answered */
	RDMAREG_RELEASE_LATE,
	RDMAREG_RELEASE_GONE, /* its keeper ended meanwhile, and the region with it */
};

/* Where data is after rdmareg_sync(). */
enum rdmareg_durable {
	RDMAREG_DURABLE_UNKNOWN,
	RDMAREG_DURABLE_NOTHING, /* in memory, which is all that tmpfs and memfd have */
	RDMAREG_DURABLE_STORAGE, /* where fsync(2) puts it */
};

/* What the keeper does about translations that writeback invalidated: docs/warm.md. */
enum rdmareg_warm_mode {
	RDMAREG_WARM_UNKNOWN,
	RDMAREG_WARM_OFF, /* nothing: the next access faults */
	/* brought back for reading: dirties nothing, the next write faults */
	RDMAREG_WARM_READ,
	/* for writing where peers demonstrably write all the time, else for reading */
	RDMAREG_WARM_ADAPTIVE,
	/* for writing, from registration on: no fault, and writeback writes it again for ever */
	RDMAREG_WARM_WRITE,
};

/*
 * What a completed remote write is worth after a power cut. The kind of memory decides, not what an
 * adapter claims.
 */
enum rdmareg_durability {
	RDMAREG_DURABILITY_UNKNOWN,
	RDMAREG_DURABILITY_VOLATILE, /* nothing: tmpfs, memfd, hugetlbfs */
	/* on storage when it was written back: rdmareg_peer_persist(), Sync */
	RDMAREG_DURABILITY_PAGE_CACHE,
	/* DAX that needs a Sync: no MAP_SYNC there, or an adapter without FLUSH */
	RDMAREG_DURABILITY_SYNC,
	RDMAREG_DURABILITY_FLUSH, /* on the medium after an RDMA FLUSH for persistence */
};

/*
 * rdmareg_access_name, _state_name, _arbitration_name, _arbitrate_name, _policy_name, _cause_name,
 * _outcome_name, _holder_kind_name, _durable_name, _durability_name, _warm_mode_name,
 * _job_state_name, _end_name, _path_state_name, _session_state_name, _release_outcome_name: the
 * word for a member.
 */
const char *rdmareg_access_name(enum rdmareg_access access);
const char *rdmareg_state_name(enum rdmareg_state state);
const char *rdmareg_arbitration_name(enum rdmareg_arbitration mode);
const char *rdmareg_arbitrate_name(enum rdmareg_arbitrate choice);
const char *rdmareg_policy_name(enum rdmareg_policy policy);
const char *rdmareg_cause_name(enum rdmareg_cause cause);
const char *rdmareg_outcome_name(enum rdmareg_outcome outcome);
const char *rdmareg_holder_kind_name(enum rdmareg_holder_kind kind);
const char *rdmareg_durable_name(enum rdmareg_durable durable);
const char *rdmareg_durability_name(enum rdmareg_durability durability);
const char *rdmareg_warm_mode_name(enum rdmareg_warm_mode mode);
const char *rdmareg_job_state_name(enum rdmareg_job_state state);
const char *rdmareg_history_kind_name(enum rdmareg_history_kind kind);
const char *rdmareg_end_name(enum rdmareg_end end);
const char *rdmareg_path_state_name(enum rdmareg_path_state state);
const char *rdmareg_session_state_name(enum rdmareg_session_state state);
const char *rdmareg_release_outcome_name(enum rdmareg_release_outcome outcome);

/*
 * The way back: the member for a word, 0 for NULL and for a word that is none of them.
 */
enum rdmareg_access rdmareg_access_from_name(const char *name);
enum rdmareg_state rdmareg_state_from_name(const char *name);
enum rdmareg_policy rdmareg_policy_from_name(const char *name);
enum rdmareg_arbitrate rdmareg_arbitrate_from_name(const char *name);
enum rdmareg_warm_mode rdmareg_warm_mode_from_name(const char *name);
enum rdmareg_session_state rdmareg_session_state_from_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif
