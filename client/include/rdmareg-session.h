/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-session.h - owner side: sessions that are made on purpose, for launchers such as a batch
 * scheduler: a session of a user, with limits of its own, that ends as a whole. Part of rdmareg.h.
 *
 * What always holds: a session is named by a user and a name, there are no handles, and it does not
 * end with the context that created it. Its user may see it and register into it (`session` in
 * struct rdmareg_register_options). Only root, and users with the polkit authorization
 * org.rdmareg.Registry1.sessions, can create, drain and release it and change its limits.
 *
 * A session that nobody created, because somebody registered with its name, is none of these: it is
 * only a name that divides a user's regions.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_SESSION_H
#define RDMAREG_SESSION_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_sessions; /* a walk over sessions */
struct rdmareg_released; /* what became of the regions of a session that was released */

/*
 * As a limit, of a number or of bytes: back to the administrator's setting (rdmaregd.conf(5)).
 */
#define RDMAREG_LIMIT_DEFAULT UINT32_MAX
#define RDMAREG_BYTES_DEFAULT UINT64_MAX

/*
 * What a session may have. 0: when it is created, what the administrator set; when limits are
 * changed, as it is.
 */
struct rdmareg_session_limits {
	size_t size;
	uint64_t bytes; /* registered, of all its regions together; at least 4096 */
	/*
	 * of its keepers together, with the pages that they prefetch or that peers fault in; at
	 * least 32 MiB. There is no setting for it: by default only MemoryMax= of the user's slice
	 * and of rdmareg.slice bound the keepers, and neither is set as shipped
	 */
	uint64_t memory_bytes;
	uint32_t regions;
	uint32_t peers;	  /* of each of its keepers, of which there is one as a rule */
	uint32_t tickets; /* of each region */
	uint32_t reserved;
	/*
	 * when it is created: the RDMA device that its keepers use, which never changes; NULL: that
	 * of the first listen_address of rdmaregd.conf(5) that can be used. The device need not be
	 * there yet: registering says if it is missing. When limits are changed: NULL
	 */
	const char *device;
};

/*
 * rdmareg_session_create: create a session of user @uid.
 * @name: [A-Za-z0-9_.-]{1,48}. If the user has regions in a session of that name already, it
 * 	becomes the one that is created, with them.
 * @limits: NULL: the administrator's.
 *
 * Creating it again with the same limits is no error, and changes nothing, also while it drains:
 * look at its state. EEXIST: it has other limits or another device, or they were changed since; the
 * sentence says which; or a device was given, and there are regions in a session of that name. EBUSY:
 * it is being released: create it when that is over. EINVAL: @name, a limit, a device that cannot be
 * called so, or no user has that @uid. EACCES: not root, and not authorized. EDQUOT: sessions_max of rdmaregd.conf,
 * or no user id is left for a keeper. ETIME: the user database does not answer. EIO: it cannot be
 * recorded, or systemd refuses its slice.
 */
int rdmareg_session_create(struct rdmareg *c, uint32_t uid, const char *name,
			   const struct rdmareg_session_limits *limits);

struct rdmareg_session_info {
	size_t size;
	uint64_t bytes;		 /* registered now */
	uint64_t memory_current; /* bytes, as in the limits; 0: nothing, or not known */
	uint64_t created_usec;	 /* CLOCK_REALTIME */
	uint32_t uid;
	enum rdmareg_session_state state;
	uint32_t regions; /* now */
	uint32_t peers;	  /* remote connections now */
	/* the limits in force: its own, or the administrator's */
	uint64_t max_bytes;
	uint64_t max_memory_bytes; /* 0: none */
	uint32_t max_regions;
	uint32_t max_peers;
	uint32_t max_tickets;
	uint32_t reserved;
	char name[56];	 /* ends with a zero */
	char device[64]; /* that it was created with; "": none */
};

/*
 * rdmareg_session_get: ask for a session. @info: size set by the caller.
 * ENXIO: nobody created it, it is gone, or this user may not see it. EINVAL: @name.
 */
int rdmareg_session_get(struct rdmareg *c, uint32_t uid, const char *name,
			struct rdmareg_session_info *info);

/*
 * rdmareg_session_drain: nothing more can be registered into it; what is registered stays. It
 * cannot be taken back. Doing it again is no error. EBUSY: it is being released. EIO: it cannot be
 * recorded. ENXIO, EACCES, EINVAL: as above.
 */
int rdmareg_session_drain(struct rdmareg *c, uint32_t uid, const char *name);

/*
 * rdmareg_session_set_limits: change those limits that are not 0. They count for what comes: what
 * the session has above a lower limit stays. EBUSY: it is being released. EINVAL: a limit, or none
 * was given, or a device. EIO: they cannot be recorded, or systemd refuses the memory limit; it stays as it was.
 * ENXIO, EACCES: as above.
 */
int rdmareg_session_set_limits(struct rdmareg *c, uint32_t uid, const char *name,
			       const struct rdmareg_session_limits *limits);

/* For limit_usec: begin it, and do not wait. */
#define RDMAREG_NO_WAIT UINT64_MAX

struct rdmareg_session_release_options {
	size_t size;
	/*
	 * how long holders have at most, shorter than the regions' own, or RDMAREG_NO_GRACE. All
	 * are asked at the same time. Default: each region's own
	 */
	uint64_t grace_usec;
	/*
	 * how long the call takes at most, an hour at most, or RDMAREG_NO_WAIT. Default: the
	 * longest grace that the administrator allows, and what keepers have to answer
	 */
	uint64_t limit_usec;
};

/*
 * rdmareg_session_release: end the session, and with it all its regions at the same time. Blocks
 * until all are gone, or the limit is over; what is late then goes on ending. The limit binds a
 * daemon that answers; else the call ends with ETIMEDOUT after work_timeout_usec, or 25 s after the
 * limit if that is later.
 * @ret: NULL, or what became of each region; freed with rdmareg_released_free(), also after the
 * 	context.
 *
 * Releasing it again while it ends is no error. ENXIO: nobody created it, or it is gone: for who
 * cleans up, that is success. EDQUOT: too many calls of this user wait for an answer. EIO:
 * rdmaregd is being stopped, and its successor goes on with the release. EACCES, EINVAL: as above.
 */
int rdmareg_session_release(struct rdmareg *c, uint32_t uid, const char *name,
			    const struct rdmareg_session_release_options *options,
			    struct rdmareg_released **ret);

/* One region of them. */
struct rdmareg_released_region {
	size_t size;
	uint64_t region;
	const char *text; /* what is to be said about it, or ""; valid until freed */
	enum rdmareg_release_outcome outcome;
	uint32_t reserved;
};

/* rdmareg_released_next: 1 and the next one in @region, or 0 at the end. */
int rdmareg_released_next(struct rdmareg_released *l, struct rdmareg_released_region *region);
struct rdmareg_released *rdmareg_released_free(struct rdmareg_released *l);

struct rdmareg_sessions_options {
	size_t size;
	enum rdmareg_session_state state; /* only those in this state */
	uint32_t uid;			  /* with has_uid: only this user's */
	uint32_t page;			  /* how many to fetch at once, 1 to 4096; default 256 */
	uint8_t has_uid;		  /* 1: uid counts, also 0 */
	uint8_t reserved[3];
};

/*
 * rdmareg_list_sessions: begin a walk over the created sessions that this user may see, by
 * ascending uid and name. As with rdmareg_list() it is no snapshot, and none is met twice.
 * @ret: freed with rdmareg_sessions_free(), or with the context. EINVAL: an option.
 */
int rdmareg_list_sessions(struct rdmareg *c, const struct rdmareg_sessions_options *options,
			  struct rdmareg_sessions **ret);

/* rdmareg_sessions_next: 1 and the next session in @info, or 0 at the end. */
int rdmareg_sessions_next(struct rdmareg_sessions *l, struct rdmareg_session_info *info);
struct rdmareg_sessions *rdmareg_sessions_free(struct rdmareg_sessions *l);

#ifdef __cplusplus
}
#endif

#endif
