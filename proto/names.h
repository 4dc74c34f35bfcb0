/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names.h - every name that crosses a process boundary, spelled once: bus names, object paths,
 * D-Bus errors, and the words for states, modes, policies and causes. D-Bus, JSON, journal and man
 * pages all use these words.
 *
 * No logic, no includes. Enumerations start at 0 and end with _<NAME>_MAX; the string tables below
 * follow their order.
 */
#ifndef RDMAREG_NAMES_H
#define RDMAREG_NAMES_H

#define RDMAREG_BUS_NAME "org.rdmareg.Registry1"
#define RDMAREG_MANAGER_PATH "/org/rdmareg/Registry1"
#define RDMAREG_REGION_PREFIX "/org/rdmareg/Registry1/region"
#define RDMAREG_JOB_PREFIX "/org/rdmareg/Registry1/job"
#define RDMAREG_SESSION_PREFIX "/org/rdmareg/Registry1/session"
#define RDMAREG_MANAGER_INTERFACE "org.rdmareg.Registry1.Manager"
#define RDMAREG_REGION_INTERFACE "org.rdmareg.Registry1.Region"
#define RDMAREG_JOB_INTERFACE "org.rdmareg.Registry1.Job"
#define RDMAREG_SESSION_INTERFACE "org.rdmareg.Registry1.Session"

/* What the name of a session or a region is made of. */
#define RDMAREG_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* polkit actions: systemd/org.rdmareg.Registry1.policy */
#define RDMAREG_ACTION_HOLD "org.rdmareg.Registry1.hold"
#define RDMAREG_ACTION_EVICT "org.rdmareg.Registry1.evict"
#define RDMAREG_ACTION_ENFORCE "org.rdmareg.Registry1.enforce-limits"
#define RDMAREG_ACTION_DAX "org.rdmareg.Registry1.dax"
#define RDMAREG_ACTION_DRAIN "org.rdmareg.Registry1.drain"
#define RDMAREG_ACTION_RELOAD "org.rdmareg.Registry1.reload"
#define RDMAREG_ACTION_SESSIONS "org.rdmareg.Registry1.sessions"

/* D-Bus errors. Each is documented, with its causes, in the interface XML beside this file. */
#define RDMAREG_ERROR_PREFIX "org.rdmareg.Registry1.Error."
#define RDMAREG_ERROR_INVALID_FILE \
	RDMAREG_ERROR_PREFIX "InvalidFile" /* not something a region can be made of */
#define RDMAREG_ERROR_INVALID_RANGE \
	RDMAREG_ERROR_PREFIX "InvalidRange" /* unaligned, empty, overflowing, beyond end of file */
#define RDMAREG_ERROR_INVALID_OPTION RDMAREG_ERROR_PREFIX "InvalidOption"
#define RDMAREG_ERROR_ACCESS_DENIED RDMAREG_ERROR_PREFIX "AccessDenied"
#define RDMAREG_ERROR_LIMIT_EXCEEDED RDMAREG_ERROR_PREFIX "LimitExceeded"
#define RDMAREG_ERROR_NO_SUCH_REGION RDMAREG_ERROR_PREFIX "NoSuchRegion"
#define RDMAREG_ERROR_NO_SUCH_JOB RDMAREG_ERROR_PREFIX "NoSuchJob"
#define RDMAREG_ERROR_NAME_TAKEN \
	RDMAREG_ERROR_PREFIX "NameTaken" /* another one in the session has that name */
#define RDMAREG_ERROR_NO_SUCH_REVOCATION RDMAREG_ERROR_PREFIX "NoSuchRevocation"
#define RDMAREG_ERROR_NO_SUCH_SESSION RDMAREG_ERROR_PREFIX "NoSuchSession"
#define RDMAREG_ERROR_SESSION_EXISTS \
	RDMAREG_ERROR_PREFIX "SessionExists" /* created before, with other limits */
#define RDMAREG_ERROR_NO_ADAPTER \
	RDMAREG_ERROR_PREFIX "NoAdapter" /* no RDMA device with on-demand paging */
#define RDMAREG_ERROR_BUSY \
	RDMAREG_ERROR_PREFIX "Busy" /* the region is not in a state that allows it */
#define RDMAREG_ERROR_TIMEOUT \
	RDMAREG_ERROR_PREFIX  \
	"Timeout" /* bounded, and the bound was met; the message says what holds now */
#define RDMAREG_ERROR_NOT_SUPPORTED \
	RDMAREG_ERROR_PREFIX        \
	"NotSupported" /* by the adapter, or by a keeper of an older package; see the message */
#define RDMAREG_ERROR_KEEPER_LOST RDMAREG_ERROR_PREFIX "KeeperLost"
#define RDMAREG_ERROR_FAILED RDMAREG_ERROR_PREFIX "Failed"

/* Where a region stands. */
enum region_state {
	REGION_REGISTERING, /* the keeper maps and registers it */
	REGION_LIVE,	    /* peers can reach it */
	REGION_WARMING,	    /* live, a prefetch that somebody asked for is under way */
	REGION_DRAINING,    /* blocks are wanted back; holders were asked, the deadline runs */
	REGION_FENCED,	    /* unreachable; the filesystem has or gets its blocks */
	REGION_CLOSING,	    /* being taken down */
	_REGION_STATE_MAX,
};
#define REGION_STATE_NAMES { "registering", "live", "warming", "draining", "fenced", "closing" }

/* Why a region is no more. */
enum region_end {
	END_RELEASED,	  /* by its owner, or by root */
	END_DISCONNECTED, /* it was not detached, and the connection that registered it ended */
	END_EVICTED,	  /* its filesystem was to be unmounted */
	END_OVER_LIMIT,	  /* a limit was enforced */
	END_GIVEN_UP,	  /* its keeper could not keep it */
	END_LOST,	  /* its keeper ended, and nobody had released it */
	END_SESSION,	  /* its session was released */
	/* it was not detached, and its connection did not come back after a restart of rdmaregd */
	END_EXPIRED,
	_REGION_END_MAX,
};
#define REGION_END_NAMES                                             \
	{ "released", "disconnected", "evicted",       "over-limit", \
	  "given-up", "lost",	      "session-ended", "expired" }

/* What can be promised when a filesystem wants blocks back: see docs/arbitration.md. */
enum arbitration_mode {
	ARBITRATION_NONE,	  /* correct translations only: no module */
	ARBITRATION_NOTIFY_ONLY,  /* exact events after the fact */
	ARBITRATION_LAYOUT_LEASE, /* notice before, bounded wait */
	/*
	 * notice before, with the range, bounded wait, can refuse; ordinary I/O on the file is
	 * dearer
	 */
	ARBITRATION_PRE_CONTENT,
	_ARBITRATION_MODE_MAX,
};
#define ARBITRATION_MODE_NAMES { "none", "notify-only", "layout-lease", "pre-content" }

enum region_policy {
	POLICY_FOLLOW, /* no grace: holders are told afterwards */
	POLICY_YIELD,  /* ask, wait at most the grace, fence, give back */
	POLICY_HOLD, /* pre-content: refuse; layout-lease: wait the longest grace; else no effect */
	_REGION_POLICY_MAX,
};
#define REGION_POLICY_NAMES { "follow", "yield", "hold" }

enum region_access {
	ACCESS_READ,
	ACCESS_READ_WRITE,
	_REGION_ACCESS_MAX,
};
#define REGION_ACCESS_NAMES { "r", "rw" }

/* What is done about translations that the kernel took away: docs/warm.md. */
enum warm_mode {
	WARM_OFF,      /* nothing unless asked (Prefetch) */
	WARM_READ,     /* brought back for reading: dirties nothing */
	WARM_ADAPTIVE, /* for writing where writes keep coming, for reading elsewhere */
	WARM_WRITE,    /* for writing everywhere: dirties what it touches */
	_WARM_MODE_MAX,
};
#define WARM_MODE_NAMES { "off", "read", "adaptive", "write" }

/*
 * What a completed remote write is worth after a power cut: a property of the memory, never of what
 * an adapter grants.
 */
enum region_durability {
	DURABILITY_VOLATILE,   /* lost: memfd, tmpfs, hugetlbfs */
	DURABILITY_PAGE_CACHE, /* lost; on storage after Sync, or when the kernel writes back */
	/* on the medium after Sync: DAX without MAP_SYNC, or with an adapter without FLUSH */
	DURABILITY_SYNC,
	/* on the medium after an RDMA FLUSH for persistence: device-dax, DAX with MAP_SYNC */
	DURABILITY_FLUSH,
	_REGION_DURABILITY_MAX,
};
#define REGION_DURABILITY_NAMES { "volatile", "page-cache", "sync", "flush" }

/*
 * Blocks of a file with direct access that another program's write(2) replaces while peers may have
 * them mapped.
 */
enum region_blocks {
	REGION_BLOCKS_FINE, /* none, or peers are held off meanwhile */
	/* XFS without a layout lease: shared with a copy (reflink), now or at some time */
	REGION_BLOCKS_SHARED,
	REGION_BLOCKS_UNWRITTEN, /* ext4: allocated and never written */
	_REGION_BLOCKS_MAX,
};

/* Why blocks are wanted back. The first six match enum rdmareg_operation of rdmareg-uapi.h. */
enum revocation_cause {
	CAUSE_UNKNOWN,
	CAUSE_TRUNCATE,
	CAUSE_FALLOCATE,
	CAUSE_CLONE,
	CAUSE_OPEN_TRUNCATE,
	CAUSE_WRITE,
	CAUSE_RELEASE,	     /* the owner lets go, or is gone */
	CAUSE_ADMINISTRATOR, /* Region.Revoke */
	CAUSE_UNMOUNT,	     /* Manager.Evict */
	CAUSE_SYNC,	     /* Region.Sync: writers stand still while data is written back */
	CAUSE_QUOTA,	     /* Manager.EnforceLimits */
	_REVOCATION_CAUSE_MAX,
};
#define REVOCATION_CAUSE_NAMES                                                        \
	{ "unknown", "truncate",      "fallocate", "clone", "open-truncate", "write", \
	  "release", "administrator", "unmount",   "sync",  "quota" }

/* Whether a region's file still is where it was registered from. */
enum path_state {
	PATH_UNKNOWN, /* it had no name when it was registered, or nobody looks */
	PATH_THERE,
	PATH_MOVED,   /* it was renamed, or a folder on its way was */
	PATH_DELETED, /* it was unlinked, or another file was renamed over it */
	_PATH_STATE_MAX,
};
#define PATH_STATE_NAMES { "unknown", "there", "moved", "deleted" }

/* Where a session that was created stands. */
enum session_state {
	SESSION_ACTIVE,
	SESSION_DRAINING, /* nothing new is registered in it */
	SESSION_ENDED,	  /* its regions are taken down; it is gone with the last of them */
	_SESSION_STATE_MAX,
};
#define SESSION_STATE_NAMES { "active", "draining", "ended" }

/* How a region of a session that was released ended. */
enum session_outcome {
	SESSION_RELEASED,
	SESSION_LATE, /* not yet: it is gone when its keeper has answered */
	SESSION_GONE, /* its keeper ended meanwhile, and the region with it */
	_SESSION_OUTCOME_MAX,
};
#define SESSION_OUTCOME_NAMES { "released", "late", "gone" }

/* What happened to a region: an event of its history. */
enum history_kind {
	HISTORY_REGISTERED, /* by whom */
	HISTORY_ADOPTED,    /* an earlier daemon had it */
	HISTORY_EXPORTED,   /* a ticket was made */
	HISTORY_CAME,	    /* a client or a peer, that is asked from now on */
	HISTORY_WENT,
	HISTORY_ASKED,	    /* a revocation began: holders were asked, and by whom it came */
	HISTORY_ANSWERED,   /* a holder acknowledged */
	HISTORY_UNANSWERED, /* a holder had not when the region was fenced */
	HISTORY_FENCED,
	HISTORY_GIVEN_BACK, /* whoever asked goes on */
	HISTORY_SETTLED,
	HISTORY_WARMED, /* what was asked to be prefetched is */
	HISTORY_DEGRADED,
	HISTORY_SOUND,	/* it is degraded no more */
	HISTORY_ENDING, /* it is to be taken down, and by whom */
	HISTORY_REMOVED,
	HISTORY_REPLACED, /* another keeper has it, with new keys */
	_HISTORY_KIND_MAX,
};
#define HISTORY_KIND_NAMES                                                           \
	{ "registered", "adopted",    "exported", "came",	"went",	   "asked",  \
	  "answered",	"unanswered", "fenced",	  "given-back", "settled", "warmed", \
	  "degraded",	"sound",      "ending",	  "removed",	"replaced" }

/* The name of an RDMA device, of A-Z a-z 0-9 _ . -; bytes, with the terminating zero. */
#define RDMA_DEVICE_MAX 64

/* listen_address: so many addresses, and what may stand between them. */
#define LISTEN_ADDRESSES_MAX 4
#define LISTEN_ADDRESSES_BETWEEN ","

/* Why a peer is none any more. */
enum peer_left {
	PEER_LEFT_ITSELF, /* it said goodbye, or one of its accesses failed */
	PEER_LEFT_SILENT, /* its adapter acknowledged nothing, however often the packet was sent */
	/* these were cut off: */
	PEER_LEFT_DEAF,
	PEER_LEFT_UNRULY,
	PEER_LEFT_LATE,
	PEER_LEFT_CLOSED, /* the region ends, or another keeper gets it */
	_PEER_LEFT_MAX,
};
#define PEER_LEFT_WORDS                           \
	{ "",                                     \
	  "its adapter does not answer any more", \
	  "it does not take its messages",        \
	  "it does not speak the protocol",       \
	  "it did not acknowledge in time",       \
	  "the region was closed" }

/* How a revocation ended. */
enum revocation_outcome {
	OUTCOME_RESTORED,  /* same length as before, same keys */
	OUTCOME_TRUNCATED, /* the file is shorter: see valid_length */
	OUTCOME_GONE,	   /* the region is no more */
	_REVOCATION_OUTCOME_MAX,
};
#define REVOCATION_OUTCOME_NAMES { "restored", "truncated", "gone" }

#endif
