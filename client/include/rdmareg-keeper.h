/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-keeper.h - the processes of rdmaregd that have the regions. Part of rdmareg.h.
 *
 * What always holds: the list is a picture of the moment it was asked for; root sees every user's
 * keepers, others their own user's.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_KEEPER_H
#define RDMAREG_KEEPER_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_keepers; /* a walk over keepers */

/* Strings are never NULL, and valid until the walk is freed. */
struct rdmareg_keeper {
	size_t size;
	const char *name; /* "1000-default-1"; it stays when rdmaregd is restarted */
	const char *session;
	const char
		/*
		 * "driven": rdmaregd and it work together; "starting"; "stuck": it does not answer,
		 * or says what cannot be; "foreign": it speaks no version of the keeper protocol
		 * that rdmaregd speaks; "ending". More may come
		 */
		*state;
	const char *trouble; /* why it is stuck or foreign, and what to do; "": it is not */
	const char *unit;    /* of systemd; "": none */
	const char *device;  /* RDMA adapter; "": none, or not known */
	const char *address; /* at which peers reach it; likewise */
	const char *program; /* version of rdmareg that its process runs; "": not known */
	uint64_t bytes;	     /* of its regions together */
	uint64_t since_usec; /* when its process started; 0: not known */
	uint32_t uid;	     /* whose regions it has */
	uint32_t pid;	     /* 0: not known yet */
	uint32_t runs_as;    /* user id of its process; UINT32_MAX: not known */
	uint32_t regions;
	uint32_t peers;	   /* of a foreign one 0: not known */
	uint32_t version;  /* of the keeper protocol, that is spoken with it; 0: none */
	uint32_t min, max; /* versions that it speaks; 0: not known */
	uint32_t attempts; /* how often it was connected to since it was last driven */
	uint8_t current;   /* 1: @program is that of rdmaregd */
	uint8_t reserved[3];
};

struct rdmareg_keepers_options {
	size_t size;
	const char *session; /* only this session's; NULL: any */
	const char *state;   /* only those in this state; NULL: any */
	uint32_t uid;	     /* with has_uid: only this user's */
	uint8_t has_uid;     /* 1: @uid counts */
	uint8_t reserved[3];
};

/*
 * rdmareg_list_keepers: ask for the keepers. @options: NULL: all that this user may see.
 * @ret: freed with rdmareg_keepers_free(). EINVAL: a session or state that cannot be.
 */
int rdmareg_list_keepers(struct rdmareg *c, const struct rdmareg_keepers_options *options,
			 struct rdmareg_keepers **ret);

/* rdmareg_keepers_next: 1 and the next one in @keeper (size set by the caller), or 0 at the end. */
int rdmareg_keepers_next(struct rdmareg_keepers *l, struct rdmareg_keeper *keeper);
struct rdmareg_keepers *rdmareg_keepers_free(struct rdmareg_keepers *l);

struct rdmareg_replace_options {
	size_t size;
	uint64_t
		/* shorter than the regions' own, or RDMAREG_NO_GRACE. Default: each region's own */
		grace_usec;
};

/*
 * rdmareg_replace_keeper: have the regions of a keeper made anew in another process, which runs the
 * program and has the settings of now. Blocks until that is done.
 * @name: as in struct rdmareg_keeper. @ret_regions: how many were made anew. May be NULL.
 *
 * To those who use such a region it is a revocation with cause administrator: owners and those who
 * joined are asked, peers are cut off. The state becomes registering, then live again, and the
 * revocation has settled, with outcome restored. Handles, number, name, policy and grace stay; rkey,
 * generation and address are others, and the ticket is gone: the owner calls rdmareg_export() again,
 * and peers connect with the new ticket. A region that cannot be made anew ends with
 * RDMAREG_END_GIVEN_UP.
 *
 * EINVAL: there is no such keeper. EIO: it cannot be replaced, for instance as it is foreign, and
 * nothing was done; or some of its regions were not made anew. EBUSY: it is being replaced, or a
 * region is being registered. EDQUOT: port of rdmaregd.conf is set, and it has more than 256
 * regions. ETIME: it has not released all its regions yet. EACCES: this user is not root and has no
 * polkit authorization org.rdmareg.Registry1.evict.
 */
int rdmareg_replace_keeper(struct rdmareg *c, const char *name,
			   const struct rdmareg_replace_options *options, uint32_t *ret_regions);

#ifdef __cplusplus
}
#endif

#endif
