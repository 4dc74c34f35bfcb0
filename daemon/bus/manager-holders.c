// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-holders.c - Manager.FindHolders: who uses a file. A descriptor says which; how it was
 * opened does not matter, since nothing is read.
 *
 * The holders of one region are noted all at once, which is quick, and told of in slices
 * (listing.c), which is not: a region can have 16,000, and where a process is, /proc has to be
 * asked. What always holds: a caller learns of its own regions only; what is told of one region is
 * as it was at one time.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* One holder of the region that is told of. */
struct holder_note {
	struct holder_view view; /* but for what it borrows */
	uint32_t pid;		 /* 0: no client */
	uint64_t began;
	char address[64]; /* empty: no peer */
};

/* What a descriptor is of. */
struct found_file {
	uint64_t device;
	uint64_t inode;
};

/* What FindHolders was asked for, and how far it is. */
struct holder_listing {
	struct listing listing;
	struct found_file file;
	struct region region; /* the last that was noted; its number is 0 before the first */
	struct tenant tenant; /* whose it is */
	struct asker asker;   /* of its revocation */
	struct holder_note *notes;
	size_t n_notes;
	size_t room;
	size_t told; /* of the notes */
	bool no_memory;
};

static int append_string(sd_bus_message *m, const char *key, const char *value)
{
	return sd_bus_message_append(m, "{sv}", key, "s", value);
}

static int append_number(sd_bus_message *m, const char *key, uint64_t value)
{
	return sd_bus_message_append(m, "{sv}", key, "t", value);
}

static int append_process(sd_bus_message *m, const struct holder_note *n)
{
	char cgroup[PATH_MAX];
	int r;

	if (!process_cgroup(n->pid, n->began, cgroup, sizeof(cgroup)))
		return 0; /* somebody has inherited the connection */
	r = sd_bus_message_append(m, "{sv}", "pid", "u", n->pid);
	return r < 0 ? r : append_string(m, "cgroup", cgroup);
}

static int append_peer(sd_bus_message *m, const struct holder_note *n)
{
	int r = append_string(m, "address", n->address);

	return r < 0 ? r : append_string(m, "access", region_access_names[n->view.access]);
}

static int append_asked(sd_bus_message *m, const struct holder_listing *l,
			const struct holder_note *n, uint32_t uid)
{
	const struct region *r = &l->region;
	int e = append_number(m, "revocation", n->view.asked);

	if (e >= 0)
		e = append_string(m, "cause", revocation_cause_names[r->cause]);
	if (e >= 0)
		e = append_number(m, "offset", r->revocation_offset);
	if (e >= 0)
		e = append_number(m, "length", r->revocation_length);
	if (e >= 0)
		e = append_number(m, "deadline_usec", r->deadline_usec);
	return e < 0 ? e : append_asker(m, "asker_", &l->asker, uid);
}

static int append_holder(sd_bus_message *m, const struct holder_listing *l,
			 const struct holder_note *n, uint32_t uid)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = append_number(m, "region", l->region.id);
	if (r >= 0)
		r = append_string(m, "kind", n->view.kind);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "uid", "u", l->tenant.uid);
	if (r >= 0)
		r = append_string(m, "session", l->tenant.session);
	if (r >= 0 && n->pid)
		r = append_process(m, n);
	if (r >= 0 && *n->address)
		r = append_peer(m, n);
	if (r >= 0 && n->view.since_usec)
		r = append_number(m, "since_usec", n->view.since_usec);
	if (r >= 0 && n->view.asked)
		r = append_asked(m, l, n, uid);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static bool make_room(struct holder_listing *l)
{
	size_t room = l->room ? 2 * l->room : 16;
	void *p;

	if (l->n_notes < l->room)
		return true;
	p = realloc(l->notes, room * sizeof(*l->notes));
	if (!p)
		return false;
	l->notes = p;
	l->room = room;
	return true;
}

static void note_holder(void *to, const struct holder_view *h)
{
	struct holder_listing *l = to;
	struct holder_note *n;

	if (l->no_memory || !make_room(l)) {
		l->no_memory = true;
		return;
	}
	n = &l->notes[l->n_notes++];
	n->view = *h;
	n->view.client = NULL;
	n->view.address = NULL;
	n->pid = h->client ? h->client->pid : 0;
	n->began = h->client ? h->client->began : 0;
	snprintf(n->address, sizeof(n->address), "%s", h->address ? h->address : "");
}

/* The holders of the next region. 0: there is none. */
static int note_region(struct bus *b, struct holder_listing *l, uint32_t uid)
{
	struct region_view v;

	if (!b->handlers->view_next_of_file(b->userdata, l->file.device, l->file.inode,
					    l->region.id, &v))
		return 0;
	l->region = *v.region;
	l->tenant = *v.tenant;
	l->asker = *v.asker;
	l->n_notes = l->told = 0;
	if (uid == 0 || uid == v.tenant->uid)
		b->handlers->each_holder(b->userdata, v.region->id, note_holder, l);
	return l->no_memory ? -ENOMEM : 1;
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct holder_listing *l = (struct holder_listing *)listing;
	int r = 1;

	while (r > 0 && now_monotonic_usec() < until_usec) {
		if (l->told == l->n_notes) {
			r = note_region(b, l, uid);
			continue;
		}
		r = append_holder(listing->reply, l, &l->notes[l->told++], uid);
		r = r < 0 ? r : 1;
	}
	return r;
}

static void free_listing(struct listing *listing)
{
	struct holder_listing *l = (struct holder_listing *)listing;

	free(l->notes);
	free(l);
}

static const struct listing_kind holders = { .item = "a{sv}", .look = look, .free = free_listing };

static int look_for_file(void *request, int *fd, uint32_t uid, struct failure *f)
{
	struct found_file *file = request;

	(void)uid;
	return descriptor_find_file(*fd, &file->device, &file->inode, f);
}

static int list_holders(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
			struct failure *f)
{
	struct holder_listing *l = calloc(1, sizeof(*l));

	(void)fd;
	if (!l)
		return failure_from_errno(f, "finding the holders", -ENOMEM, "");
	l->listing.kind = &holders;
	l->listing.call = call;
	l->file = *(const struct found_file *)request;
	listing_begin(b, c->user, &l->listing);
	return 0;
}

int method_find_holders(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct found_file file = { 0 };
	const struct examination x = { look_for_file, list_holders, "its holders are not known",
				       &file, sizeof(file) };
	struct bus *b = userdata;
	struct client *c;
	int token, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &token);
	return r < 0 ? r : examine_call(b, m, c, token, &x);
}
