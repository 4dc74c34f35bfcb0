/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-demand.h - owner side: revoking on request, as a filesystem does: to keep peers out of a
 * range for a while, for good, or as long as writing the file back takes. Part of rdmareg.h.
 *
 * What always holds: holders are asked first and have their grace, and no range stays closed longer
 * than was requested, or than the administrator allows, whatever happens to the program that
 * requested it.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_DEMAND_H
#define RDMAREG_DEMAND_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_revoke_options {
	size_t size;
	/*
	 * how long to wait for holders, at most the daemon's MaxGraceUSec, or RDMAREG_NO_GRACE.
	 * Default: the region's own
	 */
	uint64_t grace_usec;
	uint64_t offset; /* the range, bytes from the start of the region; widened to pages */
	uint64_t length; /* 0: to the end */
	/*
	 * given back after this time at the latest. Default and maximum: the daemon's
	 * RevokeLimitUSec
	 */
	uint64_t for_usec;
};

/*
 * rdmareg_revoke: revoke a range as a filesystem does that needs blocks: holders are asked and have
 * their grace, then no peer can reach the range until rdmareg_restore(), the end of this context,
 * for_usec, or the end of rdmaregd, whichever is first. Blocks until no peer can reach it (see
 * work_timeout_usec).
 * @ret_revocation: for rdmareg_restore(). Its settling is an event, for subscribers and holders.
 *
 * ERANGE: outside the region. EINVAL: a time longer than the administrator allows. EDQUOT: this
 * context keeps as many regions closed as it may, or others do with this one. EBUSY: it is being
 * registered or taken down.
 */
int rdmareg_revoke(struct rdmareg_region *r, const struct rdmareg_revoke_options *options,
		   uint64_t *ret_revocation);

/*
 * rdmareg_restore: the revocation of this context's rdmareg_revoke() is over. Peers are let in
 * again when nobody else wants the range. ESTALE: not this context's, or over already: its time was
 * up, or rdmaregd was restarted.
 */
int rdmareg_restore(struct rdmareg_region *r, uint64_t revocation);

struct rdmareg_sync_options {
	size_t size;
	uint64_t grace_usec; /* as in rdmareg_revoke_options */
	/*
	 * at most so long without access for peers. Default and maximum: the daemon's
	 * RevokeLimitUSec
	 */
	uint64_t limit_usec;
};

struct rdmareg_sync_result {
	size_t size;
	uint64_t revocation;   /* its number */
	uint64_t valid_length; /* bytes of the region that the file backed then */
	enum rdmareg_durable durable;
	uint32_t reserved;
};

/*
 * rdmareg_sync: a point in time at which the file on storage is what peers had written: holders are
 * asked, peers are kept out, the file is written back (fsync(2)), peers are let in. Blocks until
 * done.
 * @result: size set by the caller.
 *
 * ETIME: the storage took longer than limit_usec. Peers were let in before it was done, so there
 * was no such point. EIO: fsync(2) failed; the message says why. Others as rdmareg_revoke().
 */
int rdmareg_sync(struct rdmareg_region *r, const struct rdmareg_sync_options *options,
		 struct rdmareg_sync_result *result);

struct rdmareg_evict_options {
	size_t size;
	uint64_t
		/* shorter than the regions' own, or RDMAREG_NO_GRACE. Default: each region's own */
		grace_usec;
};

/*
 * rdmareg_evict: take down every region whose file is on one filesystem (on btrfs: on any of its
 * subvolumes), of all tenants, so that it can be unmounted. Holders are asked, with cause unmount.
 * Blocks until rdmaregd and its keepers hold nothing of it or, where storage hangs, until a second
 * after its regions were fenced and without peers.
 * @fd: anything on that filesystem, opened in any way, usually the mount point with O_PATH; to be
 *      closed
 * before the unmounting, as every other descriptor. @ret_regions: how many there were. May be NULL.
 *
 * EACCES: this user is not root and has no polkit authorization org.rdmareg.Registry1.evict.
 */
int rdmareg_evict(struct rdmareg *c, int fd, const struct rdmareg_evict_options *options,
		  uint32_t *ret_regions);

/*
 * rdmareg_enforce_limits: take down what tenants have above the limits of rdmaregd.conf, after
 * those were lowered; the oldest regions of each are kept, as long as they fit. Holders are asked,
 * with cause quota. Blocks until nothing of them is left. @ret_regions: how many there were. May be
 * NULL.
 *
 * EACCES: this user is not root and has no polkit authorization
 * org.rdmareg.Registry1.enforce-limits.
 */
int rdmareg_enforce_limits(struct rdmareg *c, const struct rdmareg_evict_options *options,
			   uint32_t *ret_regions);

/*
 * rdmareg_reload: have rdmaregd read its settings again; what they change counts for what comes
 * after it.
 *
 * EIO: they have an error, which the message names with file and line, and stay as they were; or a
 * reload that began later ended first, and what that one read is in force. EDQUOT: 16 reloads are
 * under way. EACCES: this user is not root (nor the one rdmaregd runs as) and has no polkit
 * authorization org.rdmareg.Registry1.reload.
 */
int rdmareg_reload(struct rdmareg *c);

#ifdef __cplusplus
}
#endif

#endif
