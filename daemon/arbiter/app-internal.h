/* SPDX-License-Identifier: GPL-2.0-or-later */
/* app-internal.h - what the app-*.c files share. */
#ifndef RDMAREG_APP_INTERNAL_H
#define RDMAREG_APP_INTERNAL_H

#include "arbiter/app.h"
#include "arbiter/gate-link.h"
#include "proxy/pool.h"
#include "arbiter/loop.h"
#include "proxy/record.h"
#include "proxy/slice.h"
#include "arbiter/region-table.h"
#include "arbiter/runtime.h"
#include "arbiter/takers.h"
#include "bus/bus.h"
#include "core/registry.h"
#include "history/history.h"
#include "metrics/scrape.h"
#include "arbiter/standing-record.h"
#include "util/log-limit.h"
#include "util/offload.h"

/* Nothing new is registered: app-drain.c. */
struct drain {
	bool on;
	uint32_t uid;	     /* who asked for it */
	uint64_t since_usec; /* CLOCK_REALTIME */
	char reason[DRAIN_REASON_MAX];
};

/* What of others app-standing.c needs. */
struct standing_ops {
	/* Releases one that cannot be recorded. */
	void (*give_up)(struct app *a, struct region *r);
	/* As app_ending_hold() and app_ending_let_go(). */
	void (*hold)(struct ending *g);
	void (*let_go)(struct ending *g, const char *trouble);
};

/* Regions that are made again after a reboot or a loss: app-standing.c. */
struct standings {
	int directory;	   /* negative: there is none, as */
	char trouble[256]; /* says */
	TAILQ_HEAD(, standing) all;
	uint64_t last_number;
	STAILQ_HEAD(, standing_job) jobs;
	struct standing_job *running; /* a thread is in it, */
	bool silent;		      /* and the disk does not answer */
	struct event *turn;	      /* the next one begins, or who waits has waited enough */
	struct event *again;	      /* some are to be made again */
	char start_trouble[480];      /* their unit cannot be started, and why; "": it could */
	const struct standing_ops *ops;
	struct log_limit log;
};

struct app {
	const struct app_options *options;
	struct settings settings;
	struct drain drain;
	struct standings standing;
	uint64_t started_usec; /* CLOCK_REALTIME, and */
	uint64_t started_boottime_usec;
	uint64_t reload_failed_usec; /* CLOCK_REALTIME; 0: the last one did not */
	char reload_failure[FAILURE_TEXT_MAX];
	bool gate_begun;		     /* rdmareg-gate was started, and is there */
	char gate_trouble[FAILURE_TEXT_MAX]; /* it ended, and why; "": it did not since it was */
	uint32_t reloads;		     /* under way */
	uint64_t reloads_begun;
	uint64_t reload_in_force; /* which of them; 0: none */
	bool reload_due;	  /* a signal came while too many were under way */
	struct runtime runtime;
	bool runtime_is_open;
	struct loop *loop;
	bool cannot_spawn; /* why the loop was stopped */
	struct offload *offload;
	struct bus *bus;
	struct pool *keepers;
	struct registry *registry;
	struct metrics *metrics;
	struct scrape *scrape; /* its reader */
	struct region_table *table;
	struct history *history;
	uint64_t history_since_usec; /* CLOCK_REALTIME */
	uint64_t crashes;	     /* of this and earlier daemons, since boot */
	bool serving; /* the keepers of an earlier daemon came through: the bus is read */
	struct gate_link *gate;
	uint64_t claims; /* the last key */
	LIST_HEAD(, gating) gatings;
	LIST_HEAD(, region_entry) claimed;
	struct takers takers; /* as of the last look */
	struct event *takers_timer;
	bool takers_busy; /* somebody looks; and */
	bool takers_due;  /* has to look again */
	uint64_t
		demands; /* the last number; begins with the time, so no two daemons use the same */
	LIST_HEAD(, passage) passages;
	LIST_HEAD(, crowd) crowds;
	uint64_t
		/* nothing is logged of them until then; who is refused may try for ever */
		refusals_quiet_usec;
	uint64_t refusals_unsaid;
	LIST_HEAD(, revoke) revokes;
	LIST_HEAD(, eviction) evictions;
	LIST_HEAD(, evicting) evicting; /* of them, those that have not taken down all */
	LIST_HEAD(, replacement) replacements;
	LIST_HEAD(, ending) endings;
	struct slices *slices;
	struct cgroup_watch *cgroups; /* NULL: the kernel has none for us */
	LIST_HEAD(, client) watched;  /* whose cgroups they are */
	struct event *frozen_more;    /* some of them have more regions than were looked at */
	TAILQ_HEAD(, region_entry)
	unlooked; /* whose holders were asked just now */
	struct event *frozen_look;
	TAILQ_HEAD(, region_entry) unsettled; /* app-terms.c's */
	struct event *terms_turn;	      /* when they are looked at */
	uint64_t last_job;
	LIST_HEAD(, dax_grant) dax_grants;
	struct jobs jobs; /* that can be seen, by number */
	struct event *signals[4];
	struct event *watchdog;
	struct event *status; /* due soon: tell the service manager how many there are */
	struct event *orphans_end;
};

/* --- app.c */

/* They have changed. */
void app_apply_settings(struct app *a);

/* --- app-reload.c; the first is of struct bus_handlers */

int app_reload(void *userdata, struct call *call, struct failure *ret);
void app_reload_by_signal(struct app *a);

/* --- app-drain.c; the first is of struct bus_handlers */

int app_drain(void *userdata, struct client *c, const struct drain_request *q, struct call *call,
	      struct failure *ret);
/* BUS_E_REFUSED: nothing new is to be made. */
int app_check_drain(const struct app *a, struct failure *f);
/* As an earlier daemon had it. */
void app_load_drain(struct app *a);

/* --- app-standing.c; the first three are of struct bus_handlers */

bool app_view_next_standing(void *userdata, uint64_t after, struct standing_view *ret);
int app_find_standing(void *userdata, uint32_t uid, const char *session, const char *name,
		      struct register_request *ret, struct failure *f);
int app_remove_standing(void *userdata, uint32_t uid, const char *session, const char *name,
			struct call *call, struct failure *f);
/* BUS_E_REFUSED: it cannot be recorded, or is not what was recorded. */
int app_check_standing(struct app *a, const struct register_request *q, struct failure *f);
/* It is not made again, for this reason. */
void app_standing_refused(struct app *a, const struct register_request *q, const struct failure *f);
/* A keeper is about to be asked for it; -ENOMEM. And it is not. */
int app_standing_begin(struct app *a, const struct region *r, struct region_entry *e,
		       const struct register_request *q);
void app_standing_cancel(struct app *a, struct region_entry *e);
/* True: @call is answered when its record is on disk. */
bool app_standing_registered(struct app *a, struct region_entry *e, struct call *call);
void app_standing_ended(struct app *a, struct region_entry *e);
void app_standing_changed(struct app *a, const struct region *r, const struct region_entry *e);
/* An earlier daemon's. */
void app_standing_adopted(struct app *a, const struct region *r, struct region_entry *e,
			  const char *name);
/* It is not to be made again. */
void app_standing_drop(struct app *a, struct standing *s);
/* Nor are those of this session that are not there; the session's end waits for the disk. */
void app_standing_end_session(struct app *a, uint32_t uid, const char *session, struct ending *g);
void app_load_standing(struct app *a, const struct standing_ops *ops);
/* The keepers' regions are known: what is missing is to be made again. */
void app_start_standing(struct app *a);
/* The daemon ends: calls are answered; and there are no others. */
void app_stop_standing(struct app *a);
void app_free_standing(struct app *a);
/* How many are not there, of this user; @uid: NULL: of all. */
uint32_t app_count_missing(const struct app *a, const uint32_t *uid);

/* --- app-status.c, of struct bus_handlers */

void app_view_status(void *userdata, uint32_t uid, struct status_view *ret);

/* A line that a tenant, or its keeper, may cause as often as it likes. */
#define app_log(keeper, priority, ...) \
	app_log_about(keeper, priority, LOG_FIELDS(.tenant = proxy_name(keeper)), __VA_ARGS__)
/* The same with fields; the first is the tenant. */
#define app_log_about(keeper, priority, fields, ...)                                        \
	log_limited_about(&proxy_note(keeper)->log, "keeper", proxy_name(keeper), priority, \
			  fields, __VA_ARGS__)

/* --- app-region.c */

/* What the bus shows of a region. */
bool app_view(struct app *a, const struct region *r, struct region_view *ret);
void app_set_status(struct app *a);
/* Its holders are looked at, or it ends: they are not to be any more (app_skip_frozen()). */
void app_forget_look(struct app *a, struct region_entry *e);
/* A region that the core knows gets its entry; on failure the core forgets it again. */
int app_add_entry(struct app *a, struct region *r, struct proxy *k, struct client *owner,
		  struct region_entry **ret);
/*
 * What callers may be refused for; 0, or BUS_E_REFUSED. app_check_kept(): it is being released.
 * app_check_range(): a @length of 0 means to the end.
 */
int app_check_kept(const struct region *r, struct failure *f);
int app_check_live(const struct region *r, struct failure *f);
int app_check_range(const struct region *r, uint64_t offset, uint64_t length, struct failure *f);
/* @c asks for a revocation; NULL: nobody does, it comes by itself. */
void app_note_caller(struct region_entry *e, struct client *c);
/*
 * Why it is about to end; the first that made it counts. So a region that was being released when
 * its keeper ended, by itself or by our hand, was released and not lost: nobody wanted to keep it.
 */
void app_note_end(const struct region *r, struct region_entry *e, enum region_end why);
/* The tenant's keeper is not there and it has no region: forget it. */
void app_drop_tenant(struct app *a, uint32_t tenant);
int app_send_over(struct region_entry *e, uint64_t demand);

/* --- app-mode.c */

/* What the keeper says of the region's mode. */
void app_take_mode(struct app *a, struct region *r, struct region_entry *e,
		   const struct keeper_region *info);
/* Work out and publish what is promised. */
void app_mode_changed(struct app *a, struct region *r, struct region_entry *e);
/* The same, and told only if something has changed. */
void app_look_at_mode(struct app *a, struct region *r, struct region_entry *e);
/* The same, and nobody is told. */
void app_work_out_mode(struct app *a, struct region *r, struct region_entry *e);
void app_ungate(struct app *a, struct region *r, struct region_entry *e);
/* It is marked, or was meant to be. */
bool app_wants_gate(const struct region_entry *e);
/* The same without the change under way. */
bool app_promises_gate(const struct region_entry *e);
/*
 * Its policy refuses what others do to the file: until its end is asked for, since from then on its
 * keeper may stand still, and nobody else could end that.
 */
static inline bool app_refuses(const struct region *r)
{
	return r->policy == POLICY_HOLD && !r->close_wanted;
}
struct gate_link_claim app_claim_of(const struct app *a, const struct region *r,
				    const struct region_entry *e);
/* 0: none. */
void app_set_claim(struct app *a, struct region_entry *e, uint64_t claim);
/*
 * Through descriptors that @pid (negative: not known) opened before the file was marked a punch is
 * not seen.
 */
void app_note_gap(struct region_entry *e, pid_t pid);
/* Why there is no claim, and what passes it. */
void app_forget_gate(struct region_entry *e);

/* --- app-effects.c */

/* Takes one event for region @r, which may be gone afterwards, and carries out what follows. */
void app_step(struct app *a, struct region *r, const struct region_event *e);
void app_step_plain(struct app *a, struct region *r, enum region_event_type type);
/*
 * Who waits for the end of a region is told that its keeper has not come to it yet, and waits no
 * longer.
 */
void app_release_late(struct region_entry *e, const char *text);
/* It is taken down: its holders are asked, and have the region's grace. */
void app_want_release(struct app *a, struct region *r, enum region_end why, struct client *by,
		      uint64_t grace_usec);
/* A region of it is to be released, and it cannot be asked to. */
void app_keeper_end_if_unwanted(struct app *a, struct proxy *k);

/* The same of an event that a holder brought: at most one of the two. */
struct of_holder {
	const struct keeper_peer *peer;
	struct client *client;
	bool frozen; /* the client did not answer, it cannot */
};
void app_step_of(struct app *a, struct region *r, const struct region_event *e,
		 struct of_holder of);

/* --- app-history.c */

/* What a region was before a step. */
struct history_moment {
	uint32_t pending;
	uint32_t peers;
	uint32_t clients;
	uint32_t prefetches;
	uint8_t state;
};

/* It is known whose it is and of what file; and it is no more. */
void app_history_begin(struct app *a, const struct region *r, struct region_entry *e);
void app_history_end(struct app *a, struct region_entry *e);
/* Before a step, and after it, before its effects are carried out. */
void app_history_look(struct app *a, const struct region *r, struct region_entry *e,
		      const struct region_event *event, struct history_moment *ret);
void app_history_note(struct app *a, const struct region *r, struct region_entry *e,
		      const struct region_event *event, struct of_holder of,
		      const struct history_moment *before, const struct region_effects *effects);
/* @forced: by the kernel or the gate, at the last deadline. */
void app_history_note_given_back(struct app *a, const struct region *r, struct region_entry *e,
				 uint64_t revocation, bool forced);
/* For the line that says it is settled: who asked, who waited and for how long, who did not answer. */
#define HISTORY_SUM_MAX 320
const char *app_history_sum(const struct region_entry *e, uint64_t revocation,
			    char out[static HISTORY_SUM_MAX]);
void app_history_note_exported(struct app *a, const struct region *r, struct region_entry *e);
/* The tenant's keeper with the number @before had it, another one has it now. */
void app_history_note_replaced(struct app *a, const struct region *r, struct region_entry *e,
			       uint32_t before);
/* If it says something else than the last time. */
void app_history_note_degraded(struct app *a, const struct region *r, struct region_entry *e);
/* Of struct bus_handlers. */
const struct history *app_history(void *userdata);

/* --- app-bus.c, app-keepers.c */

extern const struct bus_handlers app_bus_handlers;
extern const struct pool_handlers app_keepers_handlers;
/* Of a region that nobody waits for. 0, or as proxy_request(). */
int app_ask_for_release(struct proxy *k, uint64_t region);
/* Why what a keeper did that is replaced is of no use. */
#define APP_ANOTHER_KEEPER "another keeper has the region by now"

/* --- app-info.c */

/* What a keeper says of a region it has, for the table and for the core. */
void app_take_texts(struct region_entry *e, const struct keeper_region *info);
/* Of its file, which is one of these texts. True: something has changed. */
bool app_take_file(struct region_entry *e, const struct keeper_region *info);
/* It has: whoever listens hears of it. */
void app_file_changed(struct app *a, const struct region *r);
struct region_event app_event_of_info(enum region_event_type type,
				      const struct keeper_region *info);
/* The region a keeper speaks of. NULL without a complaint: we do not know it. */
struct region *app_region_of(struct app *a, struct proxy *k, uint64_t id,
			     const char **ret_complaint);
/* NULL, or the complaint. */
const char *app_join_peer(struct app *a, struct proxy *k, struct region *r,
			  const struct keeper_peer *peer);
/* The same of one that is in a list, and may be known. */
const char *app_list_peer(struct app *a, struct proxy *k, struct region *r,
			  const struct keeper_peer *peer);
void app_step_peer(struct app *a, struct proxy *k, struct region *r, enum region_event_type type,
		   const struct keeper_peer *peer);
void app_drop_peer(struct app *a, struct proxy *k, struct region *r, uint64_t peer);

/* --- app-record.c */

/* Before its keeper is asked for the region. -ENOBUFS: the keeper was started for fewer. */
int app_record(struct app *a, const struct region *r, struct region_entry *e, bool gated);
/* The region is no more. */
void app_forget_record(struct region_entry *e);
/* Policy and grace have changed. @gated: its file is to be marked. */
void app_record_terms(const struct region *r, struct region_entry *e, bool gated);

/* --- app-devices.c, of struct bus_handlers */

int app_list_devices(void *userdata, void (*add)(void *to, const struct device_view *v), void *to,
		     struct failure *ret);

/* --- app-keeper-list.c */

/* Keepers that are stuck or foreign. */
uint32_t app_count_estranged(const struct app *a);

/* Of struct bus_handlers. */
bool app_view_next_keeper(void *userdata, const uint32_t *uid, uint64_t after,
			  struct keeper_view *ret);

/* --- app-replace.c; the first is of struct bus_handlers */

int app_replace_keeper(void *userdata, struct client *c, const struct replace_request *q,
		       struct call *call, struct failure *ret);
/* Its keeper was asked to let go of it, for this and for nobody else. */
bool app_move_is_releasing(const struct region *r, const struct region_entry *e);
/* True: the region is on its way to another keeper, so this is not its end. */
bool app_move_released(struct app *a, struct region *r, struct region_entry *e);
/* True: likewise, and who waits for all of them is told. */
bool app_move_is_late(struct region_entry *e);
/* No keeper has it, and none is asked for it yet. */
bool app_move_awaits(const struct region_entry *e);
/* The other keeper has answered; 0: it has the region. */
void app_move_ended(struct region_entry *e, int error, const char *text);
/* It ends. */
void app_move_dropped(struct app *a, struct region_entry *e);
/* False: these are answers for somebody else. */
bool app_move_file_answered(struct app *a, const struct answer *n);
bool app_replacement_answered(struct app *a, const struct answer *n);
/* Its keeper has ended: those whose files we have go on. */
void app_keeper_left_moves(struct app *a, struct proxy *k);
void app_stop_replacements(struct app *a);

/* --- app-dax.c; the first three are of struct bus_handlers */

bool app_dax_is_within_limit(void *userdata, const struct client *c, uint64_t size);
int app_create_dax(void *userdata, struct client *c, const struct dax_request *q, struct call *call,
		   struct failure *ret);
int app_destroy_dax(void *userdata, struct client *c, const char *path, struct call *call,
		    struct failure *ret);
void app_drop_dax(struct app *a, const struct client *c);
/* Those that an earlier daemon made. */
void app_adopt_dax(struct app *a);
/* Whose they are. */
void app_each_dax_owner(struct app *a, void (*call)(void *userdata, const char *mark),
			void *userdata);
void app_free_dax(struct app *a);

/* --- app-holder-list.c, of struct bus_handlers */

void app_each_holder(void *userdata, uint64_t id,
		     void (*add)(void *to, const struct holder_view *h), void *to);

/* --- app-holders.c; the first three are of struct bus_handlers */

int app_join(void *userdata, struct client *c, uint64_t id, struct failure *ret);
int app_leave(void *userdata, struct client *c, uint64_t id, struct failure *ret);
bool app_view_next_of_file(void *userdata, uint64_t device, uint64_t inode, uint64_t id,
			   struct region_view *ret);
/*
 * The client or peer with the number @id becomes a holder of the region, to be asked before it is
 * taken away. -ENOMEM.
 */
int app_add_client(struct app *a, struct region *r, struct client *c);
/* @client is a holder no more; who lets go need not be asked. */
void app_drop_client(struct app *a, struct region *r, struct client *c);
void app_drop_joins(struct app *a, struct client *c);
void app_note_peer(struct region_entry *e, const struct keeper_peer *peer);
void app_forget_peer(struct region_entry *e, uint64_t peer);

/* --- app-frozen.c */

void app_watch_frozen(struct app *a);
/*
 * Holders were asked just now: soon they are looked at, and those that cannot answer, then or
 * later, are not waited for.
 */
void app_skip_frozen(struct app *a, struct region_entry *e);
void app_forget_frozen(struct app *a, struct client *c);

/* --- app-revokes.c; the first three are of struct bus_handlers */

int app_revoke(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
	       struct call *call, struct failure *ret);
int app_restore(void *userdata, struct client *c, uint64_t id, uint64_t revocation,
		struct failure *ret);
int app_sync(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
	     struct call *call, struct failure *ret);
void app_revoke_answered(struct app *a, const struct answer *n);
void app_sync_answered(struct app *a, const struct answer *n);
void app_drop_revokes(struct app *a, struct client *c);

/* --- app-revoke.c */

/* The region is settled, or gone: nobody keeps it closed any more. */
void app_end_revokes(struct app *a, uint64_t region);
void app_free_revokes(struct app *a);

/* --- app-eviction.c */

/* One region of it is gone, or (@late) its keeper has not answered in time. */
void app_eviction_step(struct eviction *v, bool late);
/* Everything of this filesystem is being taken down. */
bool app_is_evicting(const struct app *a, const struct filesystem *on);

/* --- app-evict.c; the first is of struct bus_handlers */

int app_evict(void *userdata, struct client *c, const struct evict_request *q, struct call *call,
	      struct failure *ret);
/* One was taken over that is @on this. */
void app_evict_adopted(struct app *a, struct region *r, struct region_entry *e,
		       const struct filesystem *on);
/* Before the regions are. */
void app_free_evicting(struct app *a);

/* --- app-sessions.c; the first five are of struct bus_handlers */

bool app_view_session(void *userdata, uint32_t uid, const char *name, struct session_view *ret);
bool app_view_next_session(void *userdata, const uint32_t *uid, uint32_t after_uid,
			   const char *after_name, struct session_view *ret);
int app_create_session(void *userdata, struct client *c, const struct session_request *q,
		       struct call *call, struct failure *ret);
int app_drain_session(void *userdata, const struct session_request *q, struct call *call,
		      struct failure *ret);
int app_limit_session(void *userdata, const struct session_request *q, struct call *call,
		      struct failure *ret);
/* What is in force for a tenant of either kind. */
void app_session_limits(const struct app *a, const struct tenant *t, struct session_limits *ret);
/* Recorded, done and told, or refused. Only ever onwards. */
int app_set_session_state(struct app *a, uint32_t tenant, enum session_state state,
			  struct failure *f);
/* Release has begun, recorded or not. */
void app_session_ends(struct app *a, uint32_t tenant);
/* It was released, and has no regions any more. */
void app_session_is_over(struct app *a, uint32_t tenant);
/* Those that an earlier daemon recorded: before its keepers are looked for. */
void app_load_sessions(struct app *a);

/* --- app-slices.c */

/*
 * Has the slice of a session with the limit that it has now. @done: as of slices_want()
 */
int app_want_slice(struct app *a, const struct tenant *t, slice_done_t *done, void *userdata);
/* Those of all sessions, as the settings have it now, and none else. */
void app_want_slices(struct app *a);
/* The same at the start, when an earlier daemon may have left some. */
void app_find_slices(struct app *a);
/* The session has ended. */
void app_unwant_slice(struct app *a, const struct tenant *t);
/* A keeper has ended, maybe the last that was in a slice. */
void app_sweep_slices(struct app *a);
uint64_t app_slice_memory(const struct app *a, const struct tenant *t);

/* --- app-ending.c, of struct bus_handlers */

int app_release_session(void *userdata, struct client *c, const struct session_request *q,
			struct call *call, struct failure *ret);
/* The region has ended, which @text says in words. */
void app_ending_step(struct ending *g, uint64_t region, enum session_outcome outcome,
		     const char *text);
/* Its keeper is late with that, for which the ending waits all the same. */
void app_ending_note(struct ending *g, uint64_t region, const char *text);
/*
 * It waits for one more thing, and does not any more. @trouble: why who asked for it does not hear
 * that it went well; NULL: it did.
 */
void app_ending_hold(struct ending *g);
void app_ending_let_go(struct ending *g, const char *trouble);
/* A region of the tenant is no more. */
void app_session_lost_region(struct app *a, uint32_t tenant);
/* If it was being released: what came to it meanwhile is released, too. */
void app_go_on_ending(struct app *a, uint32_t tenant);
/* Those whose end an earlier daemon began. */
void app_end_sessions(struct app *a);
void app_free_endings(struct app *a);

/* --- app-jobs.c; the first five are of struct bus_handlers */

int app_prefetch(void *userdata, uint64_t id, const struct prefetch_request *q, struct call *call,
		 struct failure *ret);
int app_start_prefetch(void *userdata, struct client *c, uint64_t id,
		       const struct prefetch_request *q, uint64_t *ret_number, struct failure *ret);
struct job *app_find_job(void *userdata, uint64_t number);
struct job *app_next_job(void *userdata, struct job *last);
int app_cancel_job(void *userdata, struct job *j, struct failure *ret);
void app_drop_jobs(struct app *a, struct client *c);
/* Those that are over; the others are freed when they are answered. */
void app_free_jobs(struct app *a);
void app_prefetch_progressed(struct app *a, struct job *j, const struct keeper_progress *p);
void app_prefetch_answered(struct app *a, struct proxy *k, const struct answer *n);

/* --- app-configure.c */

int app_configure(void *userdata, uint64_t id, const struct configure_request *q, struct call *call,
		  struct failure *ret);
void app_configure_answered(struct app *a, const struct proxy *k, const struct answer *n);
/* The file that is to be marked. */
void app_change_file_answered(struct app *a, const struct answer *n);
/* Those that wait for their turn; the one under way goes on. */
void app_refuse_changes(struct region_entry *e, const struct failure *why);
/* The same of all regions, at the end. */
void app_free_changes(struct app *a);
/* How long a revocation waits: what was asked for, within what the administrator allows. */
int app_choose_grace(const struct app *a, enum region_policy policy, bool owns_file,
		     bool reads_only, bool has_grace, uint64_t grace_usec, uint64_t *ret,
		     struct failure *f);
/* May this caller have everybody's I/O on the file gated? */
int app_check_gate(enum region_access access, bool owns_file, struct failure *f);

/* --- app-terms.c */

/* What its keeper goes by when a region is to be revoked, and between. */
struct terms {
	uint64_t grace_usec;
	enum region_policy policy;
	enum warm_mode warm_mode;
	bool gated;
};
/* Asks the keeper to go by @t; @context: of the answer. 0, or as proxy_request(). */
int app_ask_terms(const struct region *r, struct region_entry *e, const struct terms *t,
		  void *context);
/* It may go by others than what the daemon has: it is asked until it does not. */
void app_settle_terms(struct app *a, const struct region *r, struct region_entry *e);
/* After what the daemon has was changed by it. */
void app_terms_answered(struct app *a, const struct proxy *k, const struct answer *n);
/* Of this keeper nothing is expected any more. */
void app_forget_terms(struct app *a, struct region_entry *e);
int app_watch_terms(struct app *a);
void app_free_terms(struct app *a);

/* --- app-look.c */

/* @error: 0, or why nothing is known; -ETIMEDOUT: its filesystem did not answer */
struct file_facts {
	int error;
	int flags; /* F_GETFL */
	uint64_t device;
	uint64_t inode;
	uint64_t born_nsec; /* as in struct region_text */
	uint32_t uid;
	uint32_t mode;
	uint32_t filesystem; /* f_type of statfs(2) */
};
/* One that keeps @fd sets it to -1. With an @error there is none: a thread may be at it still. */
typedef void app_looked_t(struct app *a, void *context, const struct file_facts *facts, int *fd);
/* @fd: taken over; @done is called once, maybe at once. */
void app_look(struct app *a, int fd, uint32_t uid, app_looked_t *done, void *context);
/* The same of what lies at @path now, which is not opened: the descriptor is an O_PATH one. */
void app_look_at(struct app *a, const char *path, uint32_t uid, app_looked_t *done, void *context);
/* NULL, or why it is not, or not known to be, the file that was registered. */
const char *file_complaint(const struct file_facts *file, const struct region_entry *e);

/* --- app-metrics.c */

int app_make_metrics(struct app *a);
/* Lets them be read as the settings say. */
void app_serve_metrics(struct app *a);
void app_free_metrics(struct app *a);
/* The region was registered just now: its keeper is asked. */
void app_measure_begin(struct app *a, const struct region *r, struct region_entry *e);
/* It may have changed. */
void app_measure(struct app *a, const struct region *r, struct region_entry *e);
/* Before it takes this step, and before what follows from it is carried out. */
void app_measure_event(struct app *a, const struct region *r, const struct region_entry *e,
		       const struct region_event *v);
void app_measure_effects(struct app *a, const struct region *r, struct region_entry *e,
			 const struct region_effects *effects);
/* The filesystem has its blocks. @by_kernel: at its deadline. */
void app_measure_given_back(struct app *a, const struct region_entry *e, bool by_kernel);
void app_count_refusal(struct app *a, enum registry_refusal why);
/* Of struct bus_handlers. */
void app_count_bus_refusal(void *userdata, enum bus_refusal why);
/*
 * The file "ends" in the runtime directory knows how often rdmaregd ended unasked: app_record_start()
 * counts a daemon that left no word, app_record_end() leaves it.
 */
void app_record_start(struct app *a);
void app_record_end(struct app *a);

/* --- app-import.c */

int app_import(void *userdata, uint64_t id, struct call *call, struct failure *ret);
void app_import_answered(struct app *a, const struct answer *n);

/* --- app-demands.c */

void app_passage_wanted(void *userdata, const struct gate_message *m);
void app_passage_expired(void *userdata, uint64_t number);
void app_passage_over(void *userdata, uint64_t number);
void app_passage_refused(void *userdata, const struct gate_message *m);
/* The gate is gone: everybody went on. */
void app_passages_lost(struct app *a);
/* Those that wait. */
uint32_t app_count_passages(const struct app *a);
/* False: it is the answer to no demand of a passage. */
bool app_demand_answered(struct app *a, const struct answer *n);
void app_free_passages(struct app *a);

/* --- app-gate.c */

extern const struct gate_link_ops app_gate_ops;
void app_keeper_known(void *userdata, pid_t pid, uint64_t start);
/* The region may be gone. */
typedef void app_gated_t(struct app *a, uint64_t region, void *context);
/*
 * Guard the region's file. What comes of it is in the entry's texts; nobody is told. False: it is
 * known already, and @done is not called. True: @done is called once it is known, or @drop if the
 * daemon ends before.
 */
bool app_gate(struct app *a, struct region *r, struct region_entry *e, int fd, uint32_t filesystem,
	      app_gated_t *done, void (*drop)(void *context), void *context);
void app_free_gatings(struct app *a);
/* Answered by app_change_file_answered(), or app_regate_answered() if @context is NULL. */
int app_ask_for_file(struct region_entry *e, void *context);
/* Have its file marked, as it was before: the keeper has it, or it lies where it did. */
void app_regate(struct app *a, struct region_entry *e);
void app_regate_answered(struct app *a, const struct answer *n);
/*
 * As app_gate(), when it is known what @fd is: taken over. @context NULL: it is marked as it was
 * before, if that is still wanted then. @done is called in any case. -ENOMEM: nothing is called.
 */
int app_gate_with(struct app *a, struct region_entry *e, int fd, app_gated_t *done,
		  void (*drop)(void *context), void *context);

/* --- app-takers.c */

int app_watch_takers(struct app *a);
/*
 * A file is marked that was not: who else has it? Whoever is told of its region hears of the
 * answer.
 */
void app_look_for_takers(struct app *a);
/* There is a region: files that are swap are looked for now and then. */
void app_expect_takers(struct app *a);
void app_free_takers(struct app *a);

/* --- app-adopt.c: see struct pool_handlers; @userdata of all is the app */

const char *app_keeper_opened(void *userdata, struct proxy *k);
const char *app_keeper_listed(void *userdata, struct proxy *k, const struct keeper_message *m);
void app_keeper_list_done(void *userdata, struct proxy *k);
void app_keeper_estranged(void *userdata, struct proxy *k);
void app_keepers_adopted(void *userdata, bool all);

/* --- app-reconcile.c: see struct pool_handlers */

void app_list_begins(void *userdata, struct proxy *k);
const char *app_listed(void *userdata, struct proxy *k, const struct keeper_message *m);
void app_list_done(void *userdata, struct proxy *k);

#endif
