/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-owner.h - owner side: a context, and regions as their owner handles them. Part of
 * rdmareg.h.
 *
 * What always holds: a region lives in rdmaregd and its keeper; a handle is what one context knows
 * of it.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_OWNER_H
#define RDMAREG_OWNER_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_open_options {
	size_t size;
	/*
	 * longest wait for register, prefetch, configure, release, revoke, restore, sync, evict,
	 * reload, making and destroying DAX devices, and creating, limiting and releasing sessions
	 * (rdmareg_session_release() says when longer); default 10 minutes
	 */
	uint64_t work_timeout_usec;
	/*
	 * 1: polkit may ask this user for a password where a request takes more than ownership, if
	 * an agent is there to ask: for programs with somebody in front of them. The request waits
	 * meanwhile
	 */
	uint8_t interactive;
	uint8_t reserved[7];
	uint64_t timeout_usec; /* longest wait for other calls, and for the bus; default 25 s */
};

/*
 * rdmareg_open: a private connection to the system bus. The bus is $RDMAREG_BUS_ADDRESS, else
 * $DBUS_SYSTEM_BUS_ADDRESS, else the standard one; neither variable counts in a set-user-id
 * program. rdmaregd need not run yet: the first request starts it.
 * @ret: freed with rdmareg_close().
 *
 * ENOENT, ECONNREFUSED: no bus at that address. EACCES: the bus does not know this user. ETIMEDOUT:
 * the bus does not answer. Others as listed at rdmareg_last_error_name().
 */
int rdmareg_open(const struct rdmareg_open_options *options, struct rdmareg **ret);

/*
 * rdmareg_close: ends the connection, and with it every region that was registered through it and
 * is not detached. All region handles and lists of the context are freed.
 */
struct rdmareg *rdmareg_close(struct rdmareg *c);

/* For every grace_usec: do not wait for holders at all. 0 is the default, as everywhere. */
#define RDMAREG_NO_GRACE UINT64_MAX

struct rdmareg_register_options {
	size_t size;
	/*
	 * how long a revocation waits for holders, or RDMAREG_NO_GRACE; bounded by the
	 * administrator. Default: the daemon's GraceUSec
	 */
	uint64_t grace_usec;
	const char *session;	    /* tenant session, [A-Za-z0-9_.-]{1,48}; default "default" */
	enum rdmareg_policy policy; /* default yield */
	/*
	 * default auto. PRE_CONTENT is a request: where the kernel has no such events, the region
	 * is registered all the same, and arbitration_mode and degraded say what it got. hold
	 * implies it
	 */
	enum rdmareg_arbitrate arbitration;
	/* default: the daemon's, which is adaptive unless configured */
	enum rdmareg_warm_mode warm_mode;
	uint8_t detached; /* 1: outlives the context, until released */
	/* 1: return before the pages are prefetched; the first accesses then fault */
	uint8_t no_warm;
	/*
	 * 1: for @uid, whose the region then is, with that user's limits: for launchers, such as a
	 * batch scheduler. root, or polkit's authorization org.rdmareg.Registry1.sessions; who has
	 * that and is not root has to set @detached, and does not see the region afterwards
	 */
	uint8_t for_uid;
	/*
	 * 1: made again after a reboot or a loss, until it is released: rdmareg-standing.h. With
	 * detached and name; of a regular file with a name
	 */
	uint8_t standing;
	uint32_t uid;
	uint32_t reserved2;
	/* [A-Za-z0-9_.-]{1,64}, unlike that of any other region of the session; default: none */
	const char *name;
};

/*
 * rdmareg_register: make a range of a file reachable. Blocks until it is, and until all of it is
 * prefetched unless no_warm is set (see work_timeout_usec).
 * @fd: a regular file, memfd or device-dax descriptor; it is duplicated, the caller may close it.
 * 	It is the authority: READ_WRITE needs one opened O_RDWR.
 * @offset: a multiple of the page size. @length: bytes; 0: to the end of the file as it is now.
 * 	Rounded up to the page size. It may lead beyond the end of a file (not of a device-dax) as
 * 	it is now: peers reach valid_length, and more of it when the file grows.
 * @ret: a handle, freed with rdmareg_region_free(). The region itself ends with rdmareg_release(),
 * 	or with the context unless detached.
 *
 * EBADF: not such a file, O_PATH, O_WRONLY. ERANGE: unaligned, empty, overflowing, at or beyond the
 * end of the file. EACCES: READ_WRITE of a descriptor not open for writing; @uid without the right.
 * EINVAL: an option or @access. ENOTUNIQ: a region of the session has that name. EDQUOT: a limit of
 * the tenant. EBUSY: the session drains or ends, or too much is under way. ETIME: the storage or the
 * keeper has not answered in time. EOPNOTSUPP: this rdmaregd, keeper or kernel cannot do it. EIO: it
 * failed otherwise, as the sentence says. ENODEV: no RDMA device with on-demand paging has an
 * address on this machine. EOWNERDEAD: the tenant's keeper died while doing it.
 */
int rdmareg_register(struct rdmareg *c, int fd, uint64_t offset, uint64_t length,
		     enum rdmareg_access access, const struct rdmareg_register_options *options,
		     struct rdmareg_region **ret);

/* One of several. Part of an array, so it never gets longer. */
struct rdmareg_register_request {
	int fd;
	enum rdmareg_access access;
	uint64_t offset;
	uint64_t length;
	const struct rdmareg_register_options *options; /* NULL: the defaults */
};

/*
 * rdmareg_register_many: the same for several at a time: the bus passes 16 descriptors with one
 * call, and four calls are under way together. The pages are prefetched side by side.
 * @requests: each as the arguments of rdmareg_register(); @n: how many, at least 1, at most 65536.
 * @atomic: 1: all or none: if one fails, those that were registered are released before this
 * 	returns; if the process ends meanwhile, detached ones that were registered already stay.
 * 	A standing one does not take the place of one that is not there (ENOTUNIQ).
 * 	0: each for itself.
 * @ret: room for @n handles; NULL for those that were not registered. Filled on failure as well, unless
 * 	the arguments are wrong.
 * @ret_errors: NULL, or room for @n: 0, or a negative errno as of rdmareg_register(); after an
 * 	atomic request that failed the same one for all.
 *
 * 0: all were registered. Else the first error, in the order of @requests, for which
 * rdmareg_last_error() has the words.
 */
int rdmareg_register_many(struct rdmareg *c, const struct rdmareg_register_request *requests,
			  size_t n, int atomic, struct rdmareg_region **ret, int *ret_errors);

/*
 * rdmareg_lookup: a handle for a region that exists, e.g. a detached one of an earlier process.
 * @ret as in rdmareg_register(). ENOENT: no such region, or not this user's.
 */
int rdmareg_lookup(struct rdmareg *c, uint64_t id, struct rdmareg_region **ret);

/*
 * rdmareg_lookup_name: the same by name.
 * @uid: whose region it is; (uint32_t)-1: the calling process's effective user. @session: NULL: "default".
 * ENOENT: no such region, or not this user's. EINVAL: no name of a session or region.
 */
int rdmareg_lookup_name(struct rdmareg *c, uint32_t uid, const char *session, const char *name,
			struct rdmareg_region **ret);

/*
 * The revocation in progress; id 0: none. When another demand needs a larger range or is more
 * urgent, one with a higher id, a range that covers both, and a deadline no later takes its place:
 * only the newest counts, and only the newest is settled. Part of other structures, so it never
 * gets longer; what is reserved is 0.
 */
struct rdmareg_revocation {
	uint64_t id;
	uint64_t offset; /* the range asked for, bytes from the start of the region */
	uint64_t length;
	uint64_t deadline_usec; /* then the range becomes unreachable, acknowledged or not */
	enum rdmareg_cause cause;
	uint32_t reserved0;
	uint64_t reserved[3];
};

/*
 * Strings are never NULL. They belong to the region (or list) they were read from: valid until its
 * next refresh, next or free.
 */
struct rdmareg_region_info {
	size_t size;
	uint64_t id;
	enum rdmareg_state state;
	enum rdmareg_arbitration arbitration_mode;
	const char *arbitration_reason; /* why the region has this mode and not a better one */
	const char *degraded; /* which guarantees of the mode do not hold, and why; "": all hold */
	enum rdmareg_policy policy;
	enum rdmareg_access access;
	uint64_t grace_usec;
	const char *path;      /* of the file when it was registered, for people; "" if unknown */
	uint64_t offset;       /* into the file */
	uint64_t length;       /* registered */
	uint64_t valid_length; /* backed by the file now */
	uint64_t address;      /* of the first byte, as one-sided operations name it */
	uint32_t rkey;
	uint32_t generation; /* another one: rkey and address are, too (rdmareg_replace_keeper) */
	uint32_t uid;
	uint32_t peers;	  /* remote connections now */
	uint32_t clients; /* local holders now, the owner included */
	uint8_t detached;
	/* 1: others' truncate, fallocate, reflink and O_TRUNC fail with ETXTBSY now (hold) */
	uint8_t refuses;
	uint8_t reserved[2];
	const char *session;
	const char *ticket;		    /* the newest; "" when not exported */
	uint64_t invalidations, writebacks; /* events the kernel reported since registration */
	uint64_t removals;		    /* those of the invalidations that took pages away */
	uint64_t bytes_warmed;		    /* prefetched by the keeper, asked for or not */
	/* those of bytes_warmed that were dirtied by it, unasked: writeback writes them again */
	uint64_t bytes_redirtied;
	/*
	 * accesses for which the adapter had to fault pages in; UINT64_MAX: it does not count (all
	 * but mlx5)
	 */
	uint64_t faults;
	struct rdmareg_revocation revocation;
	/*
	 * the largest page that one translation can cover, as the range lies in the file; 0: not
	 * known. At least the system's page size, 2 MiB or more where whole huge pages lie inside
	 * the range
	 */
	uint64_t translation_bytes;
	/* what a completed remote write is worth; VOLATILE while registering */
	enum rdmareg_durability durability;
	enum rdmareg_warm_mode warm_mode;
	/* is the file still where it was registered from? The region serves it wherever it is */
	enum rdmareg_path_state path_state;
	uint32_t reserved2;
	const char *path_now; /* where the file is now; "" if nowhere, or unknown */
	/*
	 * how often the file had become shorter, or blocks of the region were gone, without a
	 * revocation
	 */
	uint64_t bypasses;
	const char *last_bypass; /* what was gone the last time; "" */
	const char *name;	 /* unlike any other of the session; "": none */
	uint8_t standing;	 /* 1: made again after a reboot or a loss: rdmareg-standing.h */
	uint8_t reserved3[7];
};

/* rdmareg_region_id: for events and other processes. Cannot fail; 0 for NULL. */
uint64_t rdmareg_region_id(const struct rdmareg_region *r);

/*
 * rdmareg_region_get_info: what the last answer about this region said; asks nobody. @info: size
 * set by the caller.
 */
int rdmareg_region_get_info(struct rdmareg_region *r, struct rdmareg_region_info *info);

/* rdmareg_region_refresh: ask again. ENOENT: the region is gone. */
int rdmareg_region_refresh(struct rdmareg_region *r);

/* rdmareg_region_free: forget the handle; the region stays. */
struct rdmareg_region *rdmareg_region_free(struct rdmareg_region *r);

struct rdmareg_list_options {
	size_t size;
	const char *session;	  /* only this session's */
	uint64_t after;		  /* only ids above this one */
	enum rdmareg_state state; /* only those in this state */
	uint32_t page;		  /* how many to fetch at once, 1 to 4096; default 256 */
	/*
	 * 1: only what identifies a region and says how it is: id, state, arbitration_mode, refuses,
	 * degraded, policy, access, path, path_state, length, valid_length, uid, session, name, peers
	 * and clients. The other members are 0, "" or unknown. Costs the daemon
	 * an eighth of the instructions
	 */
	uint8_t brief;
	uint8_t reserved[7];
};

/*
 * rdmareg_list: begin a walk over the regions this user may see, by ascending id. Pages are fetched
 * as the walk goes on, so it is no snapshot: a region that comes or goes meanwhile may or may not
 * be met; none is met twice. @ret: freed with rdmareg_list_free().
 */
int rdmareg_list(struct rdmareg *c, const struct rdmareg_list_options *options,
		 struct rdmareg_list **ret);

/* rdmareg_list_next: 1 and the next region in @info, or 0 at the end. */
int rdmareg_list_next(struct rdmareg_list *l, struct rdmareg_region_info *info);
struct rdmareg_list *rdmareg_list_free(struct rdmareg_list *l);

struct rdmareg_export_options {
	size_t size;
	uint64_t expires_usec;	    /* from now; nobody new is admitted after it. Default: never */
	enum rdmareg_access access; /* default: the region's own */
	uint32_t uses;		    /* how many connections it admits. Default: any number */
};

/*
 * rdmareg_export: make a ticket. Whoever has that line of text has the access: hand it over as you
 * would a password.
 * @ret_ticket: to be freed with free(3). EACCES: more access than the region has. ENODEV: the
 * 	region's device has no address now, or its MTU is too small. EDQUOT: too many tickets of one
 * 	region.
 */
int rdmareg_export(struct rdmareg_region *r, const struct rdmareg_export_options *options,
		   char **ret_ticket);

/*
 * rdmareg_prefetch: bring translations into the adapter so that the next accesses do not fault.
 * Blocks until done; rdmareg_start_prefetch() does not, and can be watched and given up.
 * @length: 0: to the end. @for_writing: 1 also prepares for writes, and dirties every page it
 * 	touches. ERANGE: outside the region. EBUSY: the region is not live.
 */
int rdmareg_prefetch(struct rdmareg_region *r, uint64_t offset, uint64_t length, int for_writing);

struct rdmareg_configure_options {
	size_t size;
	/*
	 * Zero members stay as they are, but a new policy without a grace_usec brings its own
	 * default.
	 */
	uint64_t grace_usec;
	enum rdmareg_policy policy;
	enum rdmareg_arbitrate arbitration;
	enum rdmareg_warm_mode warm_mode;
	uint32_t reserved;
};

/*
 * rdmareg_configure: change how the region is arbitrated, while it lives. EBUSY: a revocation is
 * under way, and goes on as it began: try again when it is settled. EACCES: hold of a file that is
 * not this user's, without the polkit authorization org.rdmareg.Registry1.hold. EINVAL: an option;
 * a grace longer than the administrator allows. Changes that others make at the same time are
 * carried out one after the other, and each keeps what it does not name. The handle's information is as before until
 * rdmareg_region_refresh().
 */
int rdmareg_configure(struct rdmareg_region *r, const struct rdmareg_configure_options *options);

/*
 * rdmareg_release: take the region down. Blocks until no peer can reach it and nothing of it is
 * left or, where its storage hangs, a second longer: the rest is then taken down later. The handle
 * stays, for rdmareg_region_free(). ENOENT: it is gone already.
 */
int rdmareg_release(struct rdmareg_region *r);

struct rdmareg_release_options {
	size_t size;
	/*
	 * how long holders have at most, shorter than the regions' own, or RDMAREG_NO_GRACE. Also
	 * of a region that is being released already. Default: each region's own
	 */
	uint64_t grace_usec;
};

/*
 * rdmareg_release_all: take several regions down at the same time, so that the graces of their
 * holders run beside each other. Blocks until all are gone, or could not be released. Needs no
 * handles.
 * @regions: numbers; @n: how many, at most 1048576. Those that come first are asked for first.
 * @done: NULL, or called once for each from within, as they end: @index of it in @regions, and 0 or
 *        a negative errno
 * 	as of rdmareg_release(), for which rdmareg_last_error() has the words. It must not use @c.
 *
 * What failed first, in the order of @regions, is returned; the others are released all the same.
 */
int rdmareg_release_all(struct rdmareg *c, const uint64_t *regions, size_t n,
			const struct rdmareg_release_options *options,
			void (*done)(size_t index, int error, void *userdata), void *userdata);

#ifdef __cplusplus
}
#endif

#endif
