/* SPDX-License-Identifier: GPL-2.0-or-later */
/* app-internal.h - what the app-*.c files share. */
#ifndef RDMAREG_APP_INTERNAL_H
#define RDMAREG_APP_INTERNAL_H

#include "arbiter/app.h"
#include "arbiter/keepers.h"
#include "arbiter/loop.h"
#include "arbiter/region-table.h"
#include "arbiter/runtime.h"
#include "bus/bus.h"
#include "core/registry.h"

struct app {
	const struct app_options *options;
	struct settings settings;
	struct runtime runtime;
	bool runtime_is_open;
	struct loop *loop;
	struct bus *bus;
	struct keepers *keepers;
	struct registry *registry;
	struct region_table *table;
	bool serving; /* the keepers of an earlier daemon came through: the bus is read */
	struct event *signals[4];
	struct event *watchdog;
	struct event *status; /* due soon: tell the service manager how many there are */
	struct event *orphans_end;
};

/* --- app-effects.c */

/* Takes one event for region @r, which may be gone afterwards, and carries out what follows. */
void app_step(struct app *a, struct region *r, const struct region_event *e);
void app_step_plain(struct app *a, struct region *r, enum region_event_type type);
/* What the bus shows of a region. */
bool app_view(struct app *a, const struct region *r, struct region_view *ret);
void app_set_status(struct app *a);

/* --- app-bus.c, app-keepers.c */

extern const struct bus_handlers app_bus_handlers;
extern const struct keepers_handlers app_keepers_handlers;

/* A region that the core knows gets its entry; on failure the core forgets it again. */
int app_add_entry(struct app *a, struct region *r, struct keeper *k, struct client *holder,
		  struct region_entry **ret);
/* @client becomes a holder of the region, to be asked before it is taken away. -ENOMEM. */
int app_add_holder(struct app *a, struct region *r, enum holder_kind kind, uint64_t id);

/* What a keeper says of a region it has, for the table and for the core. */
void app_take_texts(struct region_entry *e, const struct keeper_region *info);
struct region_event app_event_of_info(enum region_event_type type, const struct keeper_region *info);
/* The region a keeper speaks of. NULL without a complaint: we do not know it. */
struct region *app_region_of(struct app *a, struct keeper *k, uint64_t id, const char **ret_complaint);
/* NULL, or the complaint. */
const char *app_join_peer(struct app *a, struct keeper *k, struct region *r, uint64_t peer);

/* --- app-adopt.c: see struct keepers_handlers; @userdata of all is the app */

const char *app_keeper_opened(void *userdata, struct keeper *k);
const char *app_keeper_listed(void *userdata, struct keeper *k, const struct keeper_message *m);
void app_keepers_adopted(void *userdata, bool all);

/* The tenant's keeper is not there and it has no region: forget it. */
void app_drop_tenant(struct app *a, uint32_t tenant);

#endif
