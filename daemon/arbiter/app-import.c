// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-import.c - a keeper's adapter context given to a program of its tenant: Region.Import.
 *
 * What always holds: nobody gets a context unless the administrator has switched import on, and
 * only who may see the region (the tenant's own user, and root) asks here at all. The descriptor is
 * passed on and not kept.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"

int app_import(void *userdata, uint64_t id, struct call *call, struct failure *ret)
{
	const struct keeper_message m = { .type = KEEPER_IMPORT, .region = id };
	struct app *a = userdata;
	const struct region *r = registry_find(a->registry, id);
	const struct region_entry *e = region_table_find(a->table, id);
	int error;

	if (!a->settings.import)
		return failure_set(
			ret, RDMAREG_ERROR_ACCESS_DENIED,
			"region %" PRIu64
			" cannot be imported: import is off here. Map the file and use a ticket, or have the "
			"administrator set import = on in rdmaregd.conf",
			id);
	if (r->state == REGION_REGISTERING || r->state == REGION_CLOSING)
		return failure_set(ret, RDMAREG_ERROR_BUSY,
				   "region %" PRIu64 " is %s and cannot be imported now", id,
				   region_state_names[r->state]);
	error = proxy_request(e->keeper, &m, -1, 0, call);
	return error < 0 ? failure_from_errno(ret, "importing the region", error,
					      proxy_trouble(e->keeper))
			 : 0;
}

/* An answer whose descriptor is being looked at. */
struct import {
	struct call *call;
	uint64_t region;
	uint32_t generation; /* of its memory region, which ends with its keeper */
	uint32_t pd_handle;
	uint32_t mr_handle;
};

/*
 * A verbs device is a character device; what else a keeper may say, its user could have opened
 * himself.
 */
static void on_looked(struct app *a, void *context, const struct file_facts *facts, int *fd)
{
	_cleanup_(freep) struct import *i = context;
	const struct region *r = registry_find(a->registry, i->region);
	bool is_former = r && (r->generation != i->generation || r->state == REGION_REGISTERING);
	struct failure f;

	if (r && !is_former && !facts->error && S_ISCHR(facts->mode)) {
		call_reply_import(i->call, *fd, i->pd_handle, i->mr_handle, r);
		return;
	}
	if (!r || is_former)
		failure_from_errno(&f, "importing the region", r ? -EBUSY : -ENOENT,
				   r ? APP_ANOTHER_KEEPER : "");
	else
		failure_set(&f, RDMAREG_ERROR_FAILED,
			    "importing region %" PRIu64
			    " failed: its keeper gave no device (see the journal)",
			    i->region);
	call_fail(i->call, &f);
}

void app_import_answered(struct app *a, const struct answer *n)
{
	const struct region_entry *e = region_table_find(a->table, n->region);
	struct import *i = n->error || n->late || !e ? NULL : calloc(1, sizeof(*i));
	struct failure f;

	if (n->late)
		return;
	if (i) {
		*i = (struct import){ .call = n->context,
				      .region = n->region,
				      .generation = registry_find(a->registry, e->id)->generation,
				      .pd_handle = n->message->done.import.pd_handle,
				      .mr_handle = n->message->done.import.mr_handle };
		app_look(a, steal_fd(n->fd), proxy_uid(e->keeper), on_looked, i);
		return;
	}
	if (n->error == -EOPNOTSUPP)
		failure_set(&f, RDMAREG_ERROR_NOT_SUPPORTED,
			    "importing region %" PRIu64
			    " failed: %s. Map the file and use a ticket instead",
			    n->region, n->text);
	else
		failure_from_errno(&f, "importing the region",
				   n->error ? n->error
				   : e	    ? -ENOMEM
					    : -ENOENT,
				   n->text);
	call_fail(n->context, &f);
}
