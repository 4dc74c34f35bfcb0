/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.h - the D-Bus side of the daemon: who is calling, what was asked, how it is answered, who is
 * told what.
 *
 * The bus knows nothing of keepers and decides nothing about regions. It checks what can be checked
 * without knowing more than the caller sent, asks the handlers (the application) for everything
 * else, and shows what they tell.
 *
 * What always holds:
 *   - A caller sees and names only regions of its own uid; root all. What is not the caller's does
 *     not exist for it.
 *   - Nothing is broadcast: every signal has a destination that may see the region.
 *   - A call is answered exactly once, or its caller is gone. Calls that wait are counted and
 *     bounded, per client and per uid.
 *   - No text reaches the bus that was not made fit for it (util/text.h).
 */
#ifndef RDMAREG_BUS_H
#define RDMAREG_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-bus.h>

#include "bus/errors.h"
#include "bus/identity.h"
#include "bus/news.h"
#include "core/region.h"
#include "core/registry.h"
#include "counters.h"
#include "history/history.h"
#include "keeper-state.h"
#include "util/time-share.h"

struct bus;
struct event_base;
struct offload;
struct region_entry; /* never looked into here */
struct call;	     /* a method call that is answered later */

struct revoke; /* likewise */

enum job_state {
	JOB_RUNNING,
	JOB_DONE,
	JOB_FAILED,
	JOB_CANCELLED,
};

/*
 * A prefetch. Belongs to the application, which keeps the list; the bus shows those that have a
 * number, which have a client.
 */
struct job {
	uint64_t number; /* 0: nobody sees it */
	struct client *client;
	struct call *call; /* that waits for it, if nobody sees it; or NULL */
	uint64_t region;
	uint64_t operation; /* of the keeper */
	uint64_t done;	    /* bytes */
	uint64_t total;
	uint64_t told_usec;
	enum job_state state;
	bool cancelled;	    /* its keeper was asked to */
	struct failure why; /* JOB_FAILED */
	TAILQ_ENTRY(job) jobs;
};
TAILQ_HEAD(jobs, job);

/*
 * A client that uses a region it does not own. Belongs to the application, which keeps both lists.
 */
struct join {
	struct client *client;
	uint64_t region;
	uint64_t acknowledged; /* the last revocation */
	LIST_ENTRY(join) of_region;
	LIST_ENTRY(join) of_client;
};
LIST_HEAD(joins, join);

/* Somebody on the bus who called us. Lives until its connection ends. */
struct client {
	uint64_t number; /* never used twice; the core's name for it */
	uint32_t uid;
	uint32_t pid; /* for the log and FindHolders */
	bool subscribed;
	bool follows; /* is told of what is new in the history */
	bool manages; /* it called GetManagedObjects: a subscriber is then sent InterfacesAdded */
	uint64_t history_seen; /* the newest event it was told of, */
	uint64_t history_told; /* when, */
	uint64_t history_news; /* and the newest that it may know of */
	struct asker asker;    /* client_asker(): the process, as of @asker_usec */
	uint64_t asker_usec;
	uint64_t began; /* when process @pid started, as its stat file has it; 0: unknown */
	uint64_t told;	/* the last signal it was sent */
	uint64_t signals_sent;
	uint64_t signals_asked;		   /* those before the last Ping */
	uint64_t signals_read;		   /* those before the last Ping that it answered */
	uint64_t signals_lost;		   /* not sent since, because it did not read */
	sd_bus_slot *ping;		   /* under way; NULL: none */
	LIST_HEAD(, region_entry) regions; /* the application's: those it registered */
	LIST_HEAD(, join) joins;     /* the application's: those it uses without owning them */
	LIST_HEAD(, revoke) revokes; /* the application's: what it keeps closed */
	struct client_user *user;
	int cgroup_watch;	    /* the application's: of its cgroup; 0: none, */
	uint32_t cgroup_looks;	    /* how often it is still looked at, */
	bool cgroup_more;	    /* and for some of its regions in a later turn, */
	LIST_ENTRY(client) watched; /* among those that are */
	uint32_t jobs;		    /* the application's, running and over */
	uint32_t joined;	    /* how many @joins there are */
	uint32_t pending;	    /* calls that wait */
	LIST_HEAD(, call) calls;
	LIST_ENTRY(client) subscribers;
	uint64_t listed; /* by the bus, in the answer of this number */
	bool lost;	 /* the bus does not have it any more, and its end was not told */
	LIST_ENTRY(client) of_lost;
	char name[]; /* unique bus name */
};

/*
 * What is mounted and unmounted as one. What stat(2) calls a device may be a part of it only: each
 * subvolume of a btrfs has a number of its own, and @uuid, which is 0 elsewhere, in common with the
 * others.
 */
struct filesystem {
	uint64_t device; /* st_dev */
	uint64_t uuid[2];
};

static inline bool filesystem_is_same(const struct filesystem *a, const struct filesystem *b)
{
	if ((a->uuid[0] || a->uuid[1]) && (b->uuid[0] || b->uuid[1]))
		return a->uuid[0] == b->uuid[0] && a->uuid[1] == b->uuid[1];
	return a->device == b->device;
}

/* Everything of a region that is not the core's business. */
struct region_text {
	char *name; /* NULL: it has none */
	char *path;
	char *mode_reason;
	char *ticket;
	struct region_counters counters;
	uint64_t translation_bytes;
	char *degraded;	    /* NULL: nothing is */
	char *path_now;	    /* where it was moved to; else NULL */
	uint8_t path_state; /* enum path_state */
	uint64_t bypasses;
	char *last_bypass; /* NULL: there was none */
	uint8_t warm_mode; /* enum warm_mode */
	bool refuses;
	bool detached;
	uint8_t durability; /* enum region_durability */
	uint32_t file_uid;  /* owner of the file when it was registered */
	uint64_t device;    /* st_dev, st_ino of the file */
	uint64_t inode;
	uint64_t
		/*
		 * stx_btime of statx(2): another file may have got the number since; 0: not known
		 */
		born_nsec;
	uint64_t uuid[2]; /* as in struct filesystem */
};

/* A region as it is shown. Borrowed: valid until the next event is handled. */
struct region_view {
	const struct region *region;
	const struct tenant *tenant;
	const struct region_text *text;
	bool standing;		   /* its record is on disk */
	struct client *owner;	   /* told of what happens to it; NULL: nobody */
	const struct joins *joins; /* told too; NULL: none */
	struct region_news *news;
	const struct asker *asker; /* of the revocation; NULL: not known */
	/* to whom it is shown: who that is follows from it. NULL: nothing of other users */
	const struct client *reader;
};

/* A session that was created, as it is shown. Borrowed, as a region's. */
struct session_view {
	const struct tenant *tenant;
	struct session_limits limits; /* in force */
	uint32_t peers;
	uint64_t memory; /* what its keepers use now; 0: not known */
};

struct manager_view {
	uint32_t keepers;
	uint32_t regions;
	uint64_t grace_usec;
	uint64_t max_grace_usec;
	uint32_t max_regions_per_tenant;
	uint64_t max_bytes_per_tenant;
	uint64_t revoke_limit_usec;
	bool draining;
	const char *drain_reason;    /* borrowed */
	uint64_t history_since_usec; /* CLOCK_REALTIME */
	uint64_t history_oldest_usec;
};

#define REGION_NAME_MAX 65 /* bytes, with the terminating zero */

/* Checked as far as the caller's message goes; text and descriptor are borrowed from it. */
struct register_request {
	int fd;
	uint32_t uid; /* whose region it is to be; another's than the caller's: it is authorized */
	uint64_t offset;
	uint64_t length; /* rounded up to pages; the range does not overflow */
	enum region_access access;
	enum region_policy policy;
	uint64_t grace_usec;
	bool has_grace;
	bool detached;
	bool warm;
	bool has_warm_mode;
	enum warm_mode warm_mode;
	bool pre_content;      /* arbitration "pre-content", or policy hold */
	bool asks_pre_content; /* the first of these */
	bool owns_file;	       /* @uid is root, the file's owner, or authorized to hold it */
	uint32_t file_uid;
	bool in_memory; /* the file, which is known before it is looked at */
	struct filesystem on;
	uint64_t inode;	     /* st_ino */
	uint64_t born_nsec;  /* as in struct region_text */
	uint32_t filesystem; /* if @pre_content: f_type of statfs(2) */
	const char *session;
	const char *name;	       /* unlike any other of the tenant; "": none */
	const char *path;	       /* clean */
	bool standing;		       /* it is to be made again after a reboot or a loss */
	bool all_or_none;	       /* it is released again if another one fails */
	bool restores;		       /* it is one that was recorded, and is made again now */
	struct file_identity identity; /* if it is one of both */
};

struct prefetch_request {
	uint64_t offset;
	uint64_t length;
	bool write;
};

struct export_request {
	bool has_access;
	enum region_access access;
	uint64_t expires_usec; /* from now; 0: never */
	uint32_t uses;
};

struct configure_request {
	bool has_policy;
	bool has_grace;
	bool has_pre_content;
	bool pre_content;
	bool owns_file; /* as in register_request */
	bool has_warm_mode;
	enum warm_mode warm_mode;
	enum region_policy policy;
	uint32_t uid; /* who asks */
	uint64_t grace_usec;
};

/* Revoke and Sync. */
struct revoke_request {
	bool has_grace;
	uint64_t grace_usec;
	uint64_t offset;     /* Revoke: inside the region */
	uint64_t length;     /* Revoke: 0: to the end */
	uint64_t limit_usec; /* for_usec, limit_usec; 0: the longest */
};

/* One device, for ListDevices. Texts are borrowed. */
struct device_view {
	const char *kind;
	const char *name;
	const char *path;
	const char *mode;
	const char *unusable; /* NULL: it can be used */
	uint64_t size;
	uint64_t available;
	uint64_t alignment;
	uint32_t dax_region;
	int node; /* -1: none */
	bool dynamic;
	/* NULL, but of adapters */
	const char *driver;
	const char *firmware;
	const char *netdev;
	uint64_t mtu;
	const char *abilities;
	const char *quirks;
};

#define DRAIN_REASON_MAX 257 /* with the terminating zero */

/* Drain and Undrain. */
struct drain_request {
	bool on;
	char reason[DRAIN_REASON_MAX]; /* clean; "": none was given */
};

/* One keeper, for ListKeepers. Texts are borrowed. */
struct keeper_view {
	uint64_t number; /* rises from one to the next */
	uint32_t uid;
	const char *session;
	uint32_t instance;
	uint32_t pid;	  /* 0: it is not known yet */
	uint32_t runs_as; /* UINT32_MAX: not known */
	const char *unit; /* "": none, here and below */
	const char *device;
	const char *address;
	const char *program;			    /* version of rdmareg */
	uint32_t version, version_min, version_max; /* 0: none, not known */
	enum keeper_state state;
	const char *trouble;
	uint32_t attempts;
	uint32_t regions, peers;
	uint64_t bytes;
	uint64_t since_usec; /* CLOCK_MONOTONIC; 0: not known */
};

#define STANDING_WHY_MAX 400

/* A region that is made again after a reboot or a loss, for ListStanding. Texts are borrowed. */
struct standing_view {
	uint64_t number; /* rises from one to the next */
	uint32_t uid;
	const char *session;
	const char *name;
	const char *path;
	uint64_t offset;
	uint64_t length;
	enum region_access access;
	uint64_t region;     /* 0: it is not there now */
	bool waits_for_user; /* it is not made again without being asked for */
	const char *why;     /* why it is not there, and what comes next; "": nothing is known */
};

/* ReplaceKeeper. */
struct replace_request {
	char keeper[KEEPER_NAME_MAX];
	bool has_grace;
	uint64_t grace_usec;
};

#define STATUS_PROBLEMS_MAX 16
#define STATUS_LIMITS_MAX 12

/* Something that needs somebody. */
struct status_problem {
	const char *what;
	const char *command;
	char cause[FAILURE_TEXT_MAX + 64];
};

struct status_limit {
	const char *setting;
	uint64_t limit;
	uint64_t use;
	/* whose use that is, who has come furthest; "": of all together */
	char of[TENANT_SESSION_MAX + 32];
};

/* GetStatus. What is counted is the caller's; of all if @whole. Texts are clean. */
struct status_view {
	uint64_t started_usec; /* CLOCK_REALTIME */
	uint64_t uptime_usec;
	char kernel[65];
	bool module; /* is loaded */
	char module_version[32];
	const char *pre_content; /* "off", "absent", "idle", "active", "failing" */
	char pre_content_reason[FAILURE_TEXT_MAX];
	bool whole;
	uint32_t tenants;
	uint32_t sessions; /* of them: that were created */
	uint32_t regions;
	uint64_t bytes;
	bool draining;
	const char *drain_reason;
	uint32_t drain_uid;
	uint64_t drain_since_usec; /* CLOCK_REALTIME */
	/* of these only if @whole */
	uint32_t keepers;
	uint32_t keepers_estranged;
	uint64_t reload_failed_usec; /* CLOCK_REALTIME; 0: the last one did not */
	const char *reload_failure;
	size_t n_limits;
	struct status_limit limits[STATUS_LIMITS_MAX];
	size_t n_problems;
	struct status_problem problems[STATUS_PROBLEMS_MAX];
};

/* CreateDaxDevice. */
struct dax_request {
	uint32_t region; /* UINT32_MAX: any */
	uint64_t size;	 /* not 0 */
	bool detached;
};

/* One holder of one region, for FindHolders. Texts are borrowed. */
struct holder_view {
	const char *kind;	   /* "owner", "client", "peer" or "none" */
	struct client *client;	   /* owner and client; the bus adds pid and cgroup */
	const char *address;	   /* peer */
	enum region_access access; /* peer */
	uint64_t since_usec;
	uint64_t
		/*
		 * revocation it has not acknowledged; 0: none. Cause, range and deadline are the
		 * region's
		 */
		asked;
};

#define DESCRIPTOR_PATH_MAX 256
#define FILESYSTEM_TYPE_MAX 32

/* CreateSession and the methods of a session. */
struct session_request {
	uint32_t uid;
	char name[TENANT_SESSION_MAX];
	struct session_limits limits;
	bool has_regions; /* which of them were given: SetLimits */
	bool has_bytes;
	bool has_peers;
	bool has_tickets;
	bool has_memory;
	bool has_grace; /* Release */
	bool has_limit;
	uint64_t grace_usec;
	uint64_t limit_usec;
};

/* One region of a session that was released. The text is borrowed. */
struct session_end {
	uint64_t region;
	enum session_outcome outcome;
	const char *text;
};

/* Which regions are to be taken down, whoever has them. */
struct evict_request {
	/* those that tenants have above their limits; else all that are @on one */
	bool above_limits;
	struct filesystem on;
	bool has_grace;
	uint64_t grace_usec;
	/*
	 * for people, unless @above_limits: what is @on called, and what the caller's descriptor
	 * was opened as
	 */
	char type[FILESYSTEM_TYPE_MAX];
	char path[DESCRIPTOR_PATH_MAX];
};

/*
 * Those that take a call answer it with call_reply() or call_fail(), now or later, and return 0; or
 * they fill the failure and return BUS_E_REFUSED, and leave the call alone.
 */
/* Which limit a call met, of those that the bus itself looks after. */
enum bus_refusal {
	BUS_PENDING_PER_CLIENT,
	BUS_PENDING_PER_UID,
	BUS_SUBSCRIBERS_PER_UID,
	BUS_TIME,
};

struct bus_handlers {
	void (*view_manager)(void *userdata, struct manager_view *ret);
	/* False: there is none of this number. */
	bool (*view_region)(void *userdata, uint64_t id, struct region_view *ret);
	/*
	 * The one with the smallest number above @id that @uid may see, in a session of that name
	 * (NULL: in any), found without walking over others.
	 */
	bool (*view_next)(void *userdata, uint32_t uid, const char *session, uint64_t id,
			  struct region_view *ret);
	/* That of the tenant with this name. */
	bool (*view_named)(void *userdata, uint32_t uid, const char *session, const char *name,
			   struct region_view *ret);
	/* 0: @q's descriptor is taken over. */
	int (*register_region)(void *userdata, struct client *c, const struct register_request *q,
			       struct call *call, struct failure *ret);
	int (*prefetch)(void *userdata, uint64_t id, const struct prefetch_request *q,
			struct call *call, struct failure *ret);
	/* The job is made now, or refused. */
	int (*start_prefetch)(void *userdata, struct client *c, uint64_t id,
			      const struct prefetch_request *q, uint64_t *ret_number,
			      struct failure *ret);
	/* NULL: none that can be seen. */
	struct job *(*find_job)(void *userdata, uint64_t number);
	/* In the order of their numbers; @last NULL: the first. */
	struct job *(*next_job)(void *userdata, struct job *last);
	/* Idempotent. */
	int (*cancel_job)(void *userdata, struct job *j, struct failure *ret);
	int (*export)(void *userdata, uint64_t id, const struct export_request *q,
		      struct call *call, struct failure *ret);
	int (*import)(void *userdata, uint64_t id, struct call *call, struct failure *ret);
	/* @grace_usec: UINT64_MAX: the region's own */
	int (*release)(void *userdata, struct client *c, uint64_t id, uint64_t grace_usec,
		       struct call *call, struct failure *ret);
	int (*acknowledge)(void *userdata, struct client *c, uint64_t id, uint64_t revocation,
			   struct failure *ret);
	/* Idempotent. */
	int (*join)(void *userdata, struct client *c, uint64_t id, struct failure *ret);
	int (*leave)(void *userdata, struct client *c, uint64_t id, struct failure *ret);
	int (*configure)(void *userdata, uint64_t id, const struct configure_request *q,
			 struct call *call, struct failure *ret);
	int (*revoke)(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
		      struct call *call, struct failure *ret);
	int (*restore)(void *userdata, struct client *c, uint64_t id, uint64_t revocation,
		       struct failure *ret);
	int (*sync)(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
		    struct call *call, struct failure *ret);
	/* @add is called for each device; on a refusal, for none. */
	int (*list_devices)(void *userdata, void (*add)(void *to, const struct device_view *v),
			    void *to, struct failure *ret);
	/* The first behind number @after, of this user; @uid: NULL: of all. False: there is none. */
	bool (*view_next_keeper)(void *userdata, const uint32_t *uid, uint64_t after,
				 struct keeper_view *ret);
	/* The caller is authorized. */
	int (*replace_keeper)(void *userdata, struct client *c, const struct replace_request *q,
			      struct call *call, struct failure *ret);
	/* The first behind number @after. False: there is none. */
	bool (*view_next_standing)(void *userdata, uint64_t after, struct standing_view *ret);
	/* Fills what a standing region that is not there was registered with. */
	int (*find_standing)(void *userdata, uint32_t uid, const char *session, const char *name,
			     struct register_request *ret, struct failure *ret_failure);
	int (*remove_standing)(void *userdata, uint32_t uid, const char *session, const char *name,
			       struct call *call, struct failure *ret);
	/* May @c have so much more without being authorized? */
	bool (*dax_is_within_limit)(void *userdata, const struct client *c, uint64_t size);
	int (*create_dax)(void *userdata, struct client *c, const struct dax_request *q,
			  struct call *call, struct failure *ret);
	int (*destroy_dax)(void *userdata, struct client *c, const char *path, struct call *call,
			   struct failure *ret);
	/*
	 * The one with the smallest number above @id that is of this file, whoever has it, found
	 * without walking over the file's others.
	 */
	bool (*view_next_of_file)(void *userdata, uint64_t device, uint64_t inode, uint64_t id,
				  struct region_view *ret);
	/* Calls @add for each holder of the region, and with kind "none" if it has none. */
	void (*each_holder)(void *userdata, uint64_t id,
			    void (*add)(void *to, const struct holder_view *h), void *to);
	const struct history *(*history)(void *userdata);
	void (*count_refusal)(void *userdata, enum bus_refusal why);
	/* The caller is authorized. */
	int (*evict)(void *userdata, struct client *c, const struct evict_request *q,
		     struct call *call, struct failure *ret);
	/*
	 * The caller is authorized. Refused: the settings in force stay, and the failure names the
	 * line.
	 */
	int (*reload)(void *userdata, struct call *call, struct failure *ret);
	/* log_level() is another one. */
	void (*log_level_changed)(void *userdata);
	/* As @uid may see it. */
	void (*view_status)(void *userdata, uint32_t uid, struct status_view *ret);
	/* The caller is authorized. */
	int (*drain)(void *userdata, struct client *c, const struct drain_request *q,
		     struct call *call, struct failure *ret);
	/* False: no such session was created. */
	bool (*view_session)(void *userdata, uint32_t uid, const char *name,
			     struct session_view *ret);
	/* The first behind this one; @uid: NULL: of all users; @name: NULL: the first of all. */
	bool (*view_next_session)(void *userdata, const uint32_t *uid, uint32_t after_uid,
				  const char *after_name, struct session_view *ret);
	/* The caller of these is authorized; the last three of a session that is there. */
	int (*create_session)(void *userdata, struct client *c, const struct session_request *q,
			      struct call *call, struct failure *ret);
	int (*release_session)(void *userdata, struct client *c, const struct session_request *q,
			       struct call *call, struct failure *ret);
	int (*drain_session)(void *userdata, const struct session_request *q, struct call *call,
			     struct failure *ret);
	int (*limit_session)(void *userdata, const struct session_request *q, struct call *call,
			     struct failure *ret);
	/* The connection ended; the client is freed afterwards. Its calls are dead already. */
	void (*client_gone)(void *userdata, struct client *c);
	/* Another process has the name now. */
	void (*name_lost)(void *userdata);
};

struct bus_limits {
	uint32_t pending_per_client;
	uint32_t pending_per_uid;
	uint32_t subscribers_per_uid;
};

/**
 * bus_new - connects, and puts the objects there; acquires no name
 * @address: D-Bus address of a bus on this machine ("unix:path=...")
 * @offload: for what callers pass
 *
 * -EINVAL: no such address. Waits for the socket, so it is for the start only.
 */
int bus_new(struct bus **ret, struct event_base *base, const char *address, struct offload *offload,
	    const struct bus_handlers *handlers, void *userdata);
struct bus *bus_free(struct bus *b);
void bus_freep(struct bus **b);

/*
 * These two wait for the bus, so they are for the start only; -ETIMEDOUT. The first until it
 * answers, and until all that bus_expect() began is known. The second takes the name; a predecessor
 * that was killed and whose process does not end keeps the connection, but not the name. -EEXIST:
 * another daemon serves this bus.
 */
int bus_settle(struct bus *b);
int bus_acquire_name(struct bus *b);
/* Its process, for people: as it was a second ago at the most, or when it was last seen. */
const struct asker *client_asker(struct client *c);
/*
 * What is done because of a client, and not in a call of it, is charged to its user nevertheless.
 * False: that one has no time left; root always has.
 */
bool client_has_time(struct client *c);
void client_charge(struct client *c, const struct time_span *began);
/* How many joins all clients of this one's uid have, and one more or less of them. */
uint32_t client_user_joins(const struct client *c);
void client_count_join(struct client *c, int32_t more);
void bus_set_limits(struct bus *b, const struct bus_limits *limits);

/* What the user with most of each has; @only: NULL, or of this user alone. */
struct bus_use {
	uint32_t n, uid;
};
struct bus_uses {
	struct bus_use pending, subscribers, joins;
};
void bus_most_used(struct bus *b, const uint32_t *only, struct bus_uses *ret);
sd_bus *bus_connection(struct bus *b);
/* sd_bus_process(), with the time charged to the caller. */
int bus_process(struct bus *b);
/*
 * A small piece of what is done in pieces, for once in each turn of the loop. Returns when it wants
 * to be called again: 0 at once, UINT64_MAX not at all, else the monotonic time.
 */
uint64_t bus_work(struct bus *b);
/* What the connection reads from, and writes to: two descriptors. */
void bus_descriptors(const struct bus *b, int *ret_in, int *ret_out);
/* Whether messages are taken from the bus. */
void bus_set_reading(struct bus *b, bool on);

/*
 * Names this bus and one of its connections for all time: "BUSID:1.42". False: too long for @size.
 */
bool bus_client_mark(struct bus *b, const struct client *c, char *out, size_t size);
/*
 * Asks for the client with this mark, so that it is known after bus_settle() if it still is there.
 * -ENOENT, -EINVAL: as below.
 */
int bus_expect(struct bus *b, const char *mark);
/* The client with this mark. -ENOENT: it is gone, or was not asked for; -EINVAL: no mark. */
int bus_client_by_mark(struct bus *b, const char *mark, struct client **ret);

/*
 * Answer and free. The variant fits the method: nothing, (tooa{sv} of) a new region, or a ticket.
 */
void call_reply(struct call *c);
void call_reply_region(struct call *c, const struct region_view *v);
void call_reply_ticket(struct call *c, const char *ticket);
/* Import: "ha{sv}"; the descriptor is duplicated */
void call_reply_import(struct call *c, int fd, uint32_t pd_handle, uint32_t mr_handle,
		       const struct region *r);
void call_reply_number(struct call *c, uint64_t number);			/* "t": Revoke */
void call_reply_count(struct call *c, uint32_t count);				/* "u": Evict */
void call_reply_dax(struct call *c, const char *path, uint64_t size, int fd);	/* @fd: borrowed */
void call_reply_session(struct call *c, uint32_t uid, const char *name);	/* "o" */
void call_reply_ends(struct call *c, const struct session_end *ends, size_t n); /* "a(tss)" */
void call_reply_sync(struct call *c, const char *durable, uint64_t revocation,
		     uint64_t valid_length);
void call_fail(struct call *c, const struct failure *f);

extern const char *const region_state_names[_REGION_STATE_MAX];
extern const char *const region_end_names[_REGION_END_MAX];
extern const char *const path_state_names[_PATH_STATE_MAX];
extern const char *const revocation_cause_names[_REVOCATION_CAUSE_MAX];

/*
 * Signals: to the view's owner, its joins, and the subscribers that may see the region, to each
 * once.
 */
#define BUS_CHANGED_TICKET (1u << 16) /* beside REGION_CHANGED_* */
#define BUS_CHANGED_ARBITRATION \
	(1u << 17) /* ArbitrationMode, ArbitrationReason, Degraded, Refuses, Policy, GraceUSec */
#define BUS_CHANGED_FILE (1u << 18)  /* PathState, PathNow, Bypasses, LastBypass */
#define BUS_CHANGED_NEVER (1u << 31) /* no change: of a property that has none */
/*
 * At once, or together with what changes meanwhile if the region's last change was told just now:
 * who listens sees the latest values, not each of them. Changes are told before any other signal of
 * the region.
 */
void bus_tell_changed(struct bus *b, const struct region_view *v, uint32_t changed);
void bus_tell_asked(struct bus *b, const struct region_view *v);
void bus_tell_settled(struct bus *b, const struct region_view *v, uint64_t revocation,
		      enum revocation_outcome outcome);
/*
 * There is an event of this number of a region of @t: HistoryAdded to who follows and may see it,
 * at once, or together with later ones if it was told just now.
 */
void bus_tell_history(struct bus *b, const struct tenant *t, uint64_t number);
void bus_tell_added(struct bus *b, const struct region_view *v);
/* @more: what else is known of the reason, for people; or "" */
void bus_tell_removed(struct bus *b, const struct region_view *v, enum region_end why,
		      const char *more);
/*
 * Of a session, to the subscribers that may see it; it was created, is gone, or its state or limits
 * are others.
 */
void bus_tell_session_added(struct bus *b, const struct tenant *t);
void bus_tell_session_removed(struct bus *b, const struct tenant *t, const char *reason);
void bus_tell_session_changed(struct bus *b, const struct session_view *v);
/* It has come further, or is over: to the connection that began it. */
void bus_tell_job(struct bus *b, const struct job *j);

#endif
