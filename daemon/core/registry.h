/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.h - all tenants, regions and holders of the daemon, and what each tenant may have.
 *
 * A container without opinions: it finds, counts and charges; what happens to a region is decided
 * in region.h. Memory is only allocated in registry_new(), registry_add_*() and
 * registry_reserve_holder(), never while a region takes a step.
 *
 * What always holds:
 *   - A region is charged to its tenant from registry_add_region() to registry_remove_region(),
 *     nowhere else.
 *   - A tenant's charge never exceeds the limits; a request that would is refused before anything
 *     is allocated.
 *   - Region numbers are never given twice in one registry.
 *   - A session that was created is charged to nobody: it has no part in tenants_per_uid and
 *     tenants, and limits of its own. It stays without regions, until registry_end_session().
 *
 * Pointers to regions stay valid until that region is removed; a tenant index for the registry's
 * life.
 */
#ifndef RDMAREG_REGISTRY_H
#define RDMAREG_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/region.h"
#include "names.h"

#define TENANT_SESSION_MAX 49			  /* bytes, with the terminating zero */
#define KEEPER_NAME_MAX (TENANT_SESSION_MAX + 24) /* likewise: "UID-SESSION-N" */

struct registry_limits {
	uint32_t regions_per_tenant;
	uint64_t bytes_per_tenant;
	uint32_t regions_per_client;
	uint32_t tenants_per_uid;
	uint32_t tenants;
	uint32_t sessions; /* that were created */
	uint32_t ids;	   /* that keepers can run under: tenants of both kinds */
};

/*
 * What one session that was created has of its own: limits, 0: as every tenant has them, and of
 * memory: none; and the device that its keepers use, which never changes.
 */
struct session_limits {
	uint32_t regions;
	uint64_t bytes;
	uint32_t peers;
	uint32_t tickets;	      /* of each region */
	uint64_t memory;	      /* bytes of its keepers' memory cgroup */
	char device[RDMA_DEVICE_MAX]; /* empty: as every tenant's */
};

enum tenant_kind {
	TENANT_PLAIN,	/* there because it has regions */
	TENANT_SESSION, /* it was created */
	TENANT_OVER,	/* it was, and has ended; only a keeper may be left */
};

struct tenant {
	uint32_t uid;
	uint32_t regions;
	uint64_t bytes;
	uint32_t kept_regions; /* counted by registry_mark_excess() */
	uint64_t kept_bytes;
	bool used;
	uint8_t kind;		   /* enum tenant_kind */
	uint8_t state;		   /* enum session_state, of TENANT_SESSION */
	struct session_limits own; /* likewise */
	uint64_t created_usec;	   /* likewise; CLOCK_REALTIME */
	char session[TENANT_SESSION_MAX];
};

/* Why something was refused; positive, and the caller must handle each. (Negative: an errno.) */
enum registry_refusal {
	REGISTRY_E_REGIONS_PER_TENANT = 1,
	REGISTRY_E_BYTES_PER_TENANT,
	REGISTRY_E_REGIONS_PER_CLIENT,
	REGISTRY_E_TENANTS_PER_UID,
	REGISTRY_E_TENANTS,
	REGISTRY_E_EXISTS,
	REGISTRY_E_REGIONS_PER_SESSION, /* the session's own limit */
	REGISTRY_E_BYTES_PER_SESSION,
	REGISTRY_E_SESSION_DRAINS,
	REGISTRY_E_SESSION_ENDS,
	REGISTRY_E_SESSIONS,
	REGISTRY_E_IDS,
};

struct registry;

/* A session or a region can be called so: 1 to @size - 1 of A-Z a-z 0-9 _ . - */
bool tenant_name_is_sound(const char *name, size_t size);

/* -ENOMEM */
int registry_new(struct registry **ret, const struct registry_limits *limits);
struct registry *registry_free(struct registry *r);
void registry_freep(struct registry **r);

/* New limits apply to what comes; what is there stays. */
void registry_set_limits(struct registry *r, const struct registry_limits *limits);
const struct registry_limits *registry_limits(const struct registry *r);

/* Numbers below @next are never given: what an earlier daemon gave out. */
void registry_set_next_id(struct registry *r, uint64_t next);
uint64_t registry_next_id(const struct registry *r);

/**
 * registry_get_tenant - find or make the tenant (uid, session)
 * Returns 0, -ENOMEM, REGISTRY_E_TENANTS_PER_UID, REGISTRY_E_TENANTS, or REGISTRY_E_IDS: those that
 * are left are the ids of sessions that were created.
 */
int registry_get_tenant(struct registry *r, uint32_t uid, const char *session, uint32_t *ret_index);
const struct tenant *registry_tenant(const struct registry *r, uint32_t index);
/*
 * Forget a tenant without regions, unless it is a session that was created; its index may be given
 * to another one.
 */
void registry_drop_tenant(struct registry *r, uint32_t index);
/* Of both kinds. */
uint32_t registry_count_tenants(const struct registry *r);
/* False: there is none; it is not made. */
bool registry_find_tenant(const struct registry *r, uint32_t uid, const char *session,
			  uint32_t *ret_index);

/**
 * registry_create_session - make the tenant a session that was created, or the tenant with it
 * @ret_index: also with REGISTRY_E_EXISTS
 * Returns 0, -ENOMEM, REGISTRY_E_EXISTS (it was created before, and stays as it is),
 * REGISTRY_E_SESSIONS or REGISTRY_E_IDS.
 */
int registry_create_session(struct registry *r, uint32_t uid, const char *session,
			    const struct session_limits *own, uint64_t created_usec,
			    uint32_t *ret_index);
/* Counts for what comes, as new limits of all do. */
void registry_set_session_limits(struct registry *r, uint32_t index,
				 const struct session_limits *own);
/* Only ever onwards, from active to draining to ended: never to an earlier one. */
void registry_set_session_state(struct registry *r, uint32_t index, enum session_state state);
/* It is no session any more; regions that it has it goes on with as an ordinary tenant. */
void registry_end_session(struct registry *r, uint32_t index);
/*
 * The next session that was created, ordered by uid and name. @uid: NULL: of all users; @after:
 * NULL: the first. False: there is none.
 */
bool registry_next_session(const struct registry *r, const uint32_t *uid,
			   const struct tenant *after, uint32_t *ret_index);
/* What the tenant may have: its own limits where it has some. */
uint32_t registry_max_regions(const struct registry *r, const struct tenant *t);
uint64_t registry_max_bytes(const struct registry *r, const struct tenant *t);

/**
 * registry_add_region - charge and make a region in state REGION_REGISTERING
 * @id: 0: the next free number; else the number an earlier daemon gave it (REGISTRY_E_EXISTS if
 *      taken; limits are not applied to what
 *	already lives in a keeper)
 * @owner: client number, 0: detached
 * Returns 0, -ENOMEM, or one of enum registry_refusal.
 */
int registry_add_region(struct registry *r, uint32_t tenant, uint64_t owner, uint64_t length,
			uint64_t id, struct region **ret);
/* Frees its holders, its charge and itself. */
void registry_remove_region(struct registry *r, struct region *region);

struct region *registry_find(const struct registry *r, uint64_t id);
/* The region with the smallest id above @id, or NULL: pages of a list cost what they show. */
struct region *registry_after(const struct registry *r, uint64_t id);
/*
 * The same among those that are of a uid (NULL: any) and in a session of that name (NULL: any);
 * what others have costs nothing.
 */
struct region *registry_after_of(const struct registry *r, const uint32_t *uid, const char *session,
				 uint64_t id);
size_t registry_count(const struct registry *r);
/*
 * Marks the regions that tenants have above their limits: the oldest are kept, as long as they fit;
 * what is being taken down anyway does not count.
 */
void registry_mark_excess(struct registry *r);
uint32_t registry_client_regions(const struct registry *r, uint64_t client);

/* Make sure that the next REGION_HOLDER_JOINED finds a free holder. -ENOMEM. */
int registry_reserve_holder(struct registry *r);

/* For region.c and tests. */
struct holder *registry_holder(const struct registry *r, uint32_t index_plus_1);
uint32_t registry_take_holder(struct registry *r); /* index + 1; 0: none was reserved */
void registry_give_holder(struct registry *r, uint32_t index_plus_1);

#endif
