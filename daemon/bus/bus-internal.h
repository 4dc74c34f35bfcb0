/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bus-internal.h - what the files of bus/ share among themselves. */
#ifndef RDMAREG_BUS_INTERNAL_H
#define RDMAREG_BUS_INTERNAL_H

#include "bus/bus.h"
#include "bus/ended.h"
#include "bus/intake.h"
#include "names.h"
#include "region-properties.h"
#include "util/offload.h"
#include "util/time-share.h"

/* All clients of one uid. */
struct client_user {
	uint32_t uid;
	uint32_t pending; /* calls that wait */
	uint32_t clients;
	uint32_t subscribers;
	uint32_t joins;
	uint32_t unread;	/* signals: reading.c */
	struct time_share time; /* admission.c: of the daemon's */
	struct bus *bus;
	TAILQ_HEAD(, listing) listings;	  /* listing.c: those it asked for, oldest first */
	TAILQ_ENTRY(client_user) of_ring; /* bus.listing_users */
};

/* Whose call is being handled, and for which region: what the members of a region's vtable get. */
struct found {
	struct region_view view;
	struct bus *bus;
	struct client *client;
};

struct found_job {
	struct bus *bus;
	struct job *job;
};

/* Whose call is being handled, and for which session, which need not be there. */
struct found_session {
	struct bus *bus;
	struct client *client;
	uint32_t uid;
	char name[TENANT_SESSION_MAX];
	struct session_view view; /* but for methods of the interface, which look for themselves */
};

struct bus {
	sd_bus *connection;
	struct intake *intake;
	struct offload *offload;
	int in_fd; /* the connection's */
	int out_fd;
	bool owns_descriptors;
	int asked;	/* at the start: 1: not answered, 0, or an error */
	uint32_t owner; /* the process that has our name */
	sd_bus_slot *lost_match;
	const struct bus_handlers *handlers;
	void *userdata;
	struct bus_limits limits;
	sd_bus_slot *gone_match;
	sd_bus_slot *admission;
	struct client_user
		*caller; /* whose call is being handled; NULL: not known yet, or not limited */
	void *clients;	 /* tsearch(3) trees: by name, */
	void *users;	 /* by uid */
	uint64_t next_client;
	uint32_t expected;	   /* marks whose clients the bus was asked for */
	uint64_t questions;	   /* asked of polkit so far */
	uint64_t signals;	   /* told so far; each goes to many */
	sd_bus_slot *listing;	   /* the bus is asked who is there; NULL: not now */
	uint64_t listings;	   /* so far */
	uint64_t listing_client;   /* the newest client when it was asked, */
	uint64_t listing_received; /* what had been received, */
	uint64_t listing_usec;	   /* and when; later when it was answered */
	uint64_t checked_received; /* @listing_received, of the last one that was answered */
	LIST_HEAD(, client) lost;
	LIST_HEAD(, client) subscribers;
	struct news news; /* changes that are to be told */
	TAILQ_HEAD(, client_user)
	listing_users; /* who waits for a list; whose turn is next is first */
	struct found found;
	struct found_job found_job;
	struct found_session found_session;
	struct ended ended;
	bool history_due; /* somebody is to be told of what is new in the history */
};

/* --- message.c */

#define REGION_PATH_MAX 64
void region_path(uint64_t id, char out[static REGION_PATH_MAX]);
/*
 * The bus itself says so. A match for its name does not tell: anybody may send a signal of any path
 * and interface to one connection, and sd-bus takes a unique name for any well-known one.
 */
bool is_from_bus(sd_bus_message *m);
/* Answers @m at once with @f. For the end of a method handler. */
int reply_failure(sd_bus_message *m, const struct failure *f);
/*
 * Answers a request that was refused (positive) or that cannot be answered in full (negative:
 * sd-bus does it).
 */
int refuse(sd_bus_message *m, int r, const struct failure *f);
/* The end of a method that is answered at once, without a value. */
int reply_plain(sd_bus_message *m, int r, const struct failure *f);
/* An entry of an a{sv}, around its value. */
int entry_open(sd_bus_message *m, const char *key, const char *type);
int entry_close(sd_bus_message *m);

/* --- clients.c */

/*
 * The sender of @m. -ENOENT: the sender is gone, do not answer.
 */
int client_of_message(struct bus *b, sd_bus_message *m, struct client **ret);
/* NULL: nobody has made a client of this connection. */
struct client *client_find(struct bus *b, const char *name);
/* @c: NULL if the connection is gone */
typedef void client_known_t(void *userdata, const struct client *c);
/*
 * Makes a client of this connection, as soon as the bus has told whose it is. @ret: unreferenced,
 * nobody is called any more
 */
int client_ask(struct bus *b, const char *name, client_known_t *known, void *userdata,
	       sd_bus_slot **ret);
int client_subscribe(struct bus *b, struct client *c, struct failure *ret_failure);
/*
 * Where process @pid is, if it still is the one that began then. False: it is gone, or hidden from
 * us.
 */
bool process_cgroup(uint32_t pid, uint64_t began, char *ret_cgroup, size_t cgroup_size);
/* @installed: called once, with the answer to it */
int clients_watch(struct bus *b, sd_bus_message_handler_t installed);
void clients_clear(struct bus *b);
/* Ends clients whose end the bus did not tell. Returns when there is something to do again. */
uint64_t clients_work(struct bus *b);

static inline bool client_may_see(const struct client *c, const struct tenant *t)
{
	return c->uid == 0 || c->uid == t->uid;
}

/* --- reading.c */

/* False: it does not read what it was sent before; that is counted. */
bool client_may_be_sent(struct client *c);
/* One signal was. */
void client_was_sent(struct bus *b, struct client *c);
/* Before it is freed. */
void client_stop_reading(struct client *c);

/* --- admission.c */

int admission_watch(struct bus *b);
/* --- calls.c */

/* Keeps @m to be answered later. BUS_E_REFUSED: too many wait already. */
int call_new(struct bus *b, struct client *c, sd_bus_message *m, struct call **ret,
	     struct failure *ret_failure);
/* Nobody waits for the answer any more. */
void call_abandon(struct call *c);
/*
 * The same, for one of several things that a call asks for. Its answer is told instead of sent:
 * @took, with the region that was registered or why not; then, as when it is dropped, @over.
 */
struct part_of {
	void *userdata; /* NULL: it is a call of its own */
	size_t index;
	void (*took)(void *userdata, size_t index, uint64_t region, const struct failure *f);
	void (*over)(void *userdata);
};
/* @b: NULL: it undoes what the call did, and is not bounded. */
int call_new_part(struct bus *b, struct client *c, sd_bus_message *m, const struct part_of *part,
		  struct call **ret, struct failure *ret_failure);
/* NULL: gone. */
struct client *call_client(const struct call *c);
/* What call_reply_region() says of the region; none: all, by their names. */
struct property_choice;
void call_choose(struct call *c, const struct property_choice *chosen);
/* The begun answer to a call whose client is there. */
int call_new_reply(const struct call *c, sd_bus_message **ret);
/*
 * Sends @reply, as built with result @r, frees both, and the call. A reply that cannot be made
 * becomes an error, so nobody hangs.
 */
void call_finish(struct call *c, sd_bus_message *reply, int r);
/* Frees it unanswered: its client is going. */
void call_drop(struct call *c);
/* Sender, flags and number of the call, nothing of its contents; NULL: its client is gone. */
sd_bus_message *call_message(const struct call *c);
/* Until @q is answered nobody else knows the call. NULL: not any more. */
struct question;
void call_wait_for(struct call *c, struct question *q);
/* The end of a method whose call was taken, or refused. */
int end_call(struct call *call, int r, const struct failure *f);

struct examination;

/* --- gathering.c: regions that are registered with one call */

/*
 * -ENOMEM, or as call_new(). What is begun with gathering_part() before gathering_start() is
 * answered after it, all together.
 */
struct gathering;
/* @chosen: what the answer says of each; none: all, by their names */
int gathering_new(struct bus *b, struct client *c, sd_bus_message *m, size_t n, bool atomic,
		  const struct property_choice *chosen, struct gathering **ret,
		  struct failure *ret_failure);
/* The @index-th: looked at, and registered by @x. */
void gathering_part(struct gathering *g, sd_bus_message *m, struct client *c, size_t index,
		    int token, const struct examination *x);
void gathering_start(struct gathering *g);

/* --- options.c */

/*
 * One key that a method's a{sv} may have. @type: 's' or 'o', 't', 'u' or 'b'; @value points to const
 * char *, uint64_t, uint32_t, bool.
 */
struct option {
	const char *name;
	char type;
	void *value; /* as sd-bus has the type, but 'b': a bool; 'a': a struct property_choice */
	bool *ret_given; /* may be NULL */
};

/*
 * Reads a{sv}. BUS_E_REFUSED: a key is unknown or has another type; negative: the message is
 * broken.
 */
int options_read(sd_bus_message *m, const struct option *known, size_t n,
		 struct failure *ret_failure);
/* Index of @word in @names; BUS_E_REFUSED with a message that lists them. */
int option_word(const char *key, const char *word, const char *const *names, size_t n, uint8_t *ret,
		struct failure *ret_failure);

/* --- examine.c: what callers pass is looked at in a thread, or found to be in memory */

/*
 * What is to be found out about a descriptor, and what for. @look runs in a thread: it uses its
 * arguments only, and may close the descriptor and set it to -1. @then is called on the loop after
 * it looked and refused nothing, while the call's client is there; a descriptor it keeps it sets to
 * -1. @look_in_memory: the same on the loop, of a file in memory; it waits for nothing. NULL: such a
 * file is looked at in a thread, too.
 */
struct examination {
	int (*look)(void *request, int *fd, uint32_t uid, struct failure *ret);
	int (*then)(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
		    struct failure *ret);
	const char *nothing_done; /* if it takes too long: "nothing was registered" */
	const void *request;	  /* copied */
	size_t request_size;
	const uint32_t
		*on_behalf; /* whose it counts as while it is looked at; NULL: the caller's */
	int (*look_in_memory)(void *request, int *fd, uint32_t uid, struct failure *ret);
};

/*
 * Looks at @fd. @call waits, and is answered in any case if this returns 0; the descriptor is taken
 * over in any case. BUS_E_REFUSED: too many of the caller's descriptors do not answer.
 */
int examine(struct bus *b, int fd, const struct examination *x, struct call *call,
	    struct failure *ret_failure);
/*
 * @m, whose arguments were read, becomes a call that waits until the descriptor behind @token was
 * looked at. What a method returns; the call is refused if too many wait, if the descriptor was not
 * taken from the bus, or if too many of the caller's do not answer.
 */
int examine_call(struct bus *b, sd_bus_message *m, struct client *c, int token,
		 const struct examination *x);
/* The same for a call that waits already, while @m is being handled. BUS_E_REFUSED */
int examine_token(struct bus *b, sd_bus_message *m, struct client *c, int token,
		  const struct examination *x, struct call *call, struct failure *ret_failure);

/* --- descriptor.c: all of it but the first may wait for the descriptor's filesystem */

/*
 * A file of tmpfs or hugetlbfs, a memfd: its status is in the kernel's memory alone, so nothing that
 * is asked of it waits. Asks no filesystem whose file it is.
 */
bool descriptor_is_in_memory(int fd);

/*
 * Checks and fills fd, offset, length, path, what the file is and owns_file. @path: q->path will
 * point to it.
 */
int descriptor_check(struct register_request *q, int fd, uint64_t offset, uint64_t length,
		     uint32_t uid, char path[static DESCRIPTOR_PATH_MAX],
		     struct failure *ret_failure);
/*
 * How much there is, and in which units it can be mapped: pages, or the alignment of a device-dax.
 */
struct extent {
	uint64_t size;
	uint64_t alignment;
	bool is_device;
};
/*
 * Checks offset and length, and completes the length: 0 is the rest; of a file it is rounded up to
 * pages.
 */
int descriptor_check_range(struct register_request *q, const struct extent *file,
			   struct failure *ret_failure);
/* The file, if a region could be made of it. */
int descriptor_find_file(int fd, uint64_t *ret_device, uint64_t *ret_inode,
			 struct failure *ret_failure);
/* The filesystem that anything is on. */
int descriptor_find_filesystem(int fd, struct filesystem *ret, struct failure *ret_failure);
/* What it is called: "xfs"; "filesystem" if it is mounted nowhere that can be seen. */
void filesystem_type(const struct filesystem *on, char out[static FILESYSTEM_TYPE_MAX]);
/* What it was opened as, for people; empty if unknown. */
void descriptor_path(int fd, char out[static DESCRIPTOR_PATH_MAX]);

/* --- properties.c */

/* Which change tells of a property of the list; 0: none does. */
#define TOLD_CONST BUS_CHANGED_NEVER
#define TOLD_QUIET 0u
#define TOLD_STATE REGION_CHANGED_STATE
#define TOLD_LENGTH REGION_CHANGED_LENGTH
#define TOLD_KEYS REGION_CHANGED_KEYS
#define TOLD_REVOCATION REGION_CHANGED_REVOCATION
#define TOLD_PEERS REGION_CHANGED_PEERS
#define TOLD_TICKET BUS_CHANGED_TICKET
#define TOLD_ARBITRATION BUS_CHANGED_ARBITRATION
#define TOLD_FILE BUS_CHANGED_FILE

extern const char *const warm_mode_names[_WARM_MODE_MAX];
extern const char *const region_policy_names[_REGION_POLICY_MAX];
extern const char *const region_access_names[_REGION_ACCESS_MAX];
extern const char *const revocation_outcome_names[_REVOCATION_OUTCOME_MAX];

/* One property's value, for a vtable entry of that name. @userdata: struct found. */
int property_get(sd_bus *connection, const char *path, const char *interface, const char *property,
		 sd_bus_message *reply, void *userdata, sd_bus_error *error);
/* a{sv} of those that @changed names; all if it is UINT32_MAX. */
int properties_append(sd_bus_message *m, const struct region_view *v, uint32_t changed);

#define PROPERTY_CHOICE_MAX 48

/* Some properties, none of them twice. */
struct property_choice {
	unsigned int n;
	uint8_t property[PROPERTY_CHOICE_MAX];
	char type[PROPERTY_CHOICE_MAX + sizeof(PROPERTY_TYPE_REVOCATION)]; /* of all in a row */
};

/* From an "as". BUS_E_REFUSED: as @f says */
int properties_choose(sd_bus_message *m, struct property_choice *ret, struct failure *f);
/* A structure of their values. */
int properties_append_chosen(sd_bus_message *m, const struct region_view *v,
			     const struct property_choice *c);
/* A dictionary with that structure as its only entry, "Values"; none chosen: all by their names. */
int properties_append_values(sd_bus_message *m, const struct region_view *v,
			     const struct property_choice *c);

/* --- manager-register.c */

int method_register(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_register_many(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_restore_standing(sd_bus_message *m, void *userdata, sd_bus_error *error);
int read_warm_mode(const char *word, bool *ret_given, enum warm_mode *ret, struct failure *f);
/* The option "arbitration". *@ret_pre_content: it is "pre-content". */
int read_arbitration(const char *word, bool *ret_pre_content, struct failure *f);

/* --- listing.c */

/*
 * An array as an answer, on its way. Whoever makes one has it at the beginning of something larger.
 */
struct listing {
	const struct listing_kind *kind;
	struct call *call;
	sd_bus_message *reply; /* NULL: not begun */
	TAILQ_ENTRY(listing) of_user;
};

struct listing_kind {
	/* type of the array's items; NULL: @begin opens it, and @end closes it */
	const char *item;
	/* What stands before the array; NULL: nothing. */
	int (*begin)(struct bus *b, struct listing *l);
	int (*end)(struct listing *l);
	/* For listing_of(): of the larger thing, and what fills it from the call's options. */
	size_t size;
	int (*read)(sd_bus_message *m, struct listing *l, struct failure *f);
	const char *too_long; /* why it is refused, when @look says -E2BIG; NULL: it never does */
	/* Appends some, until @until_usec. 1: there is more to look at, 0: that was all. */
	int (*look)(struct bus *b, struct listing *l, uint32_t uid, uint64_t until_usec);
	void (*free)(struct listing *l);
};

/* Takes @l, with its call, over; it may be answered and freed on return. */
void listing_begin(struct bus *b, struct client_user *u, struct listing *l);
/* The whole of a method whose answer is a list. */
int listing_of(struct bus *b, sd_bus_message *m, const struct listing_kind *kind);
/* For a kind that has nothing else to free. */
void listing_free(struct listing *l);
/* One slice of one list. True: there is more to do. */
bool listings_work(struct bus *b);
void listings_drop(struct bus *b, struct client *c);

/* --- manager-list.c, manager-holders.c */

int method_list(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_properties(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_find_holders(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-objects.c */

/* For sd_bus_add_object(): GetManagedObjects. */
int on_manager_path(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* InterfacesAdded, or InterfacesRemoved. */
void objects_tell_region(struct bus *b, const struct region_view *v, bool added);
void objects_tell_session(struct bus *b, const struct tenant *t, bool added);

/* --- asker.c */

/*
 * Entries of an a{sv}: the process, as far as @uid may see it: pid (u), process_uid (u), comm (s),
 * cgroup (s), or other_user (b), each with @prefix before it. Nothing if it is not known.
 * UINT32_MAX: nobody's user.
 */
int append_asker(sd_bus_message *m, const char *prefix, const struct asker *a, uint32_t uid);

/* --- manager-history.c */

int method_get_history(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Tells who waits for it what is due. Returns when the next is. */
uint64_t history_work(struct bus *b);

/* --- manager-files.c */

int method_evict(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_enforce_limits(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-devices.c */

int method_list_devices(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-drain.c */

int method_drain_machine(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_undrain_machine(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-keepers.c */

int method_list_keepers(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_replace_keeper(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-standing.c */

/* In a thread: what a region that stands is made of, and its identity. */
int standing_look(struct register_request *q, int fd, const char *path, struct failure *f);
int method_list_standing(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_remove_standing(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-status.c */

int method_get_status(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager-dax.c */

int method_create_dax(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_destroy_dax(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- job.c */

extern const sd_bus_vtable job_vtable[];
int find_job(sd_bus *connection, const char *path, const char *interface, void *userdata,
	     void **ret_found, sd_bus_error *ret_error);
int enumerate_jobs(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		   sd_bus_error *ret_error);
int method_start_prefetch(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* The arguments of Prefetch and StartPrefetch. */
int read_prefetch(sd_bus_message *m, struct prefetch_request *q, struct failure *f);

/* --- session.c */

extern const sd_bus_vtable session_vtable[];
int find_session(sd_bus *connection, const char *path, const char *interface, void *userdata,
		 void **ret_found, sd_bus_error *ret_error);
int enumerate_sessions(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		       sd_bus_error *ret_error);
/* a{sv}: all; @changed: those that are signalled */
int session_append(sd_bus_message *m, const struct session_view *v, bool changed);
extern const char *const session_state_names[_SESSION_STATE_MAX];

/* --- session-path.c */

int check_session(const char *session, struct failure *f);
/* The same, and what a region is called in it. */
int check_reference(const char *session, const char *name, struct failure *f);
#define SESSION_PATH_MAX 200
void session_path(uint32_t uid, const char *name, char out[static SESSION_PATH_MAX]);
/* False: no session can be there. */
bool session_of_path(const char *path, uint32_t *ret_uid, char ret_name[static TENANT_SESSION_MAX]);

/* --- session-order.c: what takes an authorization of its own */

enum session_order_kind {
	ORDER_CREATE,
	ORDER_RELEASE,
	ORDER_DRAIN,
	ORDER_LIMIT,
};
/* The end of a method: does it, asks first, or refuses. */
int session_order(sd_bus_message *m, struct bus *b, struct client *c, enum session_order_kind kind,
		  const struct session_request *q);
/* Reads the limits in an a{sv}, and which were given; of one that is created the device, too. */
int session_read_options(sd_bus_message *m, bool creates, struct session_request *q,
			 struct failure *f);
int session_missing(struct failure *f, uint32_t uid, const char *name);

/* --- manager-session.c */

int method_create_session(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_get_session(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_sessions(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- bus.c */

/* What is sent about a region, or a tenant. */
typedef int build_t(sd_bus_message *m, const struct region_view *v, const void *arguments);
/* On the manager's path, to subscribers that called GetManagedObjects and may see the tenant. */
void bus_tell_managers(struct bus *b, const char *interface, const char *member, build_t *build,
		       const struct region_view *v, const void *arguments);
/* What is sent to subscribers that may see the tenant. */
typedef int build_tenant_t(sd_bus_message *m, const void *arguments);
void bus_tell_of_tenant(struct bus *b, const struct tenant *t, const char *path,
			const char *interface, const char *member, build_tenant_t *build,
			const void *arguments);

/* --- region-arbitrate.c: what changes what peers can reach */

int method_configure(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_restore(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_sync(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* --- manager.c, region.c */

extern const sd_bus_vtable log_control_vtable[];
extern const sd_bus_vtable manager_vtable[];
extern const sd_bus_vtable region_vtable[];
/*
 * For sd_bus_add_fallback_vtable(), sd_bus_add_node_enumerator(); both show a caller its own only.
 */
int find_region(sd_bus *connection, const char *path, const char *interface, void *userdata,
		void **ret_found, sd_bus_error *ret_error);
/*
 * Makes the call of a region's method to be answered later. 1: it was refused, and that was
 * answered.
 */
int begin_call(sd_bus_message *m, struct found *found, struct call **ret);
int enumerate_regions(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		      sd_bus_error *ret_error);

#endif
