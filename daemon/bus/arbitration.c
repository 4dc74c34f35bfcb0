// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * arbitration.c - the methods of both interfaces that are about who uses a region and who wants it: Join, Leave, Configure, Revoke, Restore, Sync,
 * FindHolders, Evict.
 *
 * What always holds: a descriptor names a file or a filesystem here and gives no other right; nothing of another tenant is shown.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <systemd/sd-login.h>

#include "bus/bus-internal.h"
#include "util/text.h"

static int refuse(sd_bus_message *m, int r, const struct failure *f)
{
	return r < 0 ? r : reply_failure(m, f);
}

static int reply_empty(sd_bus_message *m, int r, const struct failure *f)
{
	return r ? reply_failure(m, f) : sd_bus_reply_method_return(m, NULL);
}

int arbitration_read(const char *word, bool *ret_pre_content, struct failure *f)
{
	static const char *const words[] = { "auto", "pre-content" };
	uint8_t index;
	int r = option_word("arbitration", word, words, 2, &index, f);

	if (r == 0)
		*ret_pre_content = index;
	return r;
}

int method_join(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;

	(void)error;
	return reply_empty(m, b->handlers->join(b->userdata, found->client, found->view.region->id, &f), &f);
}

int method_leave(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;

	(void)error;
	return reply_empty(m, b->handlers->leave(b->userdata, found->client, found->view.region->id, &f), &f);
}

int method_restore(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	uint64_t revocation;
	struct failure f;
	int r;

	(void)error;
	r = sd_bus_message_read(m, "t", &revocation);
	if (r < 0)
		return r;
	r = b->handlers->restore(b->userdata, found->client, found->view.region->id, revocation, &f);
	return reply_empty(m, r, &f);
}

int method_configure(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct configure_request q = { 0 };
	const char *policy = NULL, *arbitration = NULL;
	const struct option known[] = {
		{ "policy", 's', &policy, NULL },
		{ "grace_usec", 't', &q.grace_usec, &q.has_grace },
		{ "arbitration", 's', &arbitration, NULL },
	};
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	uint8_t word;
	int r;

	(void)error;
	r = options_read(m, known, 3, &f);
	if (r == 0 && policy) {
		r = option_word("policy", policy, region_policy_names, _REGION_POLICY_MAX, &word, &f);
		q.has_policy = true;
		q.policy = word;
	}
	if (r == 0 && arbitration) {
		q.has_pre_content = true;
		r = arbitration_read(arbitration, &q.pre_content, &f);
	}
	if (r)
		return refuse(m, r, &f);
	q.owns_file = found->client->uid == 0 || found->client->uid == found->view.text->file_uid;
	r = region_call_begin(m, found, &call);
	if (r)
		return r;
	return region_call_end(call,
			       b->handlers->configure(b->userdata, found->view.region->id, &q, call, &f), &f);
}

int method_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct revoke_request q = { 0 };
	const struct option known[] = {
		{ "grace_usec", 't', &q.grace_usec, &q.has_grace },
		{ "offset", 't', &q.offset, NULL },
		{ "length", 't', &q.length, NULL },
		{ "for_usec", 't', &q.limit_usec, NULL },
	};
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = options_read(m, known, 4, &f);
	if (r)
		return refuse(m, r, &f);
	r = region_call_begin(m, found, &call);
	if (r)
		return r;
	r = b->handlers->revoke(b->userdata, found->client, found->view.region->id, &q, call, &f);
	return region_call_end(call, r, &f);
}

int method_sync(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct revoke_request q = { 0 };
	const struct option known[] = {
		{ "grace_usec", 't', &q.grace_usec, &q.has_grace },
		{ "limit_usec", 't', &q.limit_usec, NULL },
	};
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = options_read(m, known, 2, &f);
	if (r)
		return refuse(m, r, &f);
	r = region_call_begin(m, found, &call);
	if (r)
		return r;
	return region_call_end(call, b->handlers->sync(b->userdata, found->view.region->id, &q, call, &f),
			       &f);
}

/* Where FindHolders writes to, and for whom. */
struct list {
	sd_bus_message *reply;
	const struct client *c;
	int r;
};

static int append_local(sd_bus_message *reply, const struct client *c)
{
	char *cgroup = NULL;
	int r = sd_bus_message_append(reply, "{sv}", "pid", "u", c->pid);

	if (r >= 0 && sd_pid_get_cgroup((pid_t)c->pid, &cgroup) >= 0)
		r = sd_bus_message_append(reply, "{sv}", "cgroup", "s", cgroup);
	free(cgroup);
	return r;
}

static int append_peer(sd_bus_message *reply, const struct holder_view *h)
{
	return sd_bus_message_append(reply, "{sv}{sv}", "address", "s", h->address, "access", "s",
				     region_access_names[h->access]);
}

static int append_asked(sd_bus_message *reply, const struct holder_view *h)
{
	const struct region *r = h->region.region;

	return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "revocation", "t", h->asked, "cause", "s",
				     revocation_cause_names[r->cause], "offset", "t", r->revocation_offset,
				     "length", "t", r->revocation_length, "deadline_usec", "t",
				     r->deadline_usec);
}

static void add_holder(void *userdata, const struct holder_view *h)
{
	struct list *l = userdata;
	int r = l->r;

	if (!client_may_see(l->c, h->region.tenant))
		return;
	if (r >= 0)
		r = sd_bus_message_open_container(l->reply, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(l->reply, "{sv}{sv}{sv}{sv}", "region", "t", h->region.region->id,
					  "kind", "s", h->kind, "uid", "u", h->region.tenant->uid, "session",
					  "s", h->region.tenant->session);
	if (r >= 0 && h->client)
		r = append_local(l->reply, h->client);
	if (r >= 0 && h->address)
		r = append_peer(l->reply, h);
	if (r >= 0 && h->since_usec)
		r = sd_bus_message_append(l->reply, "{sv}", "since_usec", "t", h->since_usec);
	if (r >= 0 && h->asked)
		r = append_asked(l->reply, h);
	if (r >= 0)
		r = sd_bus_message_close_container(l->reply);
	l->r = r;
}

int method_find_holders(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	struct list l = { 0 };
	struct bus *b = userdata;
	struct failure f;
	struct client *c;
	struct stat st;
	int fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))) {
		failure_set(
			&f, RDMAREG_ERROR_INVALID_FILE,
			"the descriptor is neither a regular file nor device-dax: only those are registered");
		return reply_failure(m, &f);
	}
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	if (r >= 0) {
		l = (struct list){ .reply = reply, .c = c };
		b->handlers->find_holders(b->userdata, st.st_dev, st.st_ino, add_holder, &l);
		r = l.r;
	}
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

int method_evict(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	uint64_t grace_usec = 0;
	bool has_grace = false;
	const struct option known[] = { { "grace_usec", 't', &grace_usec, &has_grace } };
	struct client *c;
	struct failure f;
	struct call *call;
	struct stat st;
	int fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &fd);
	if (r < 0)
		return r;
	r = options_read(m, known, 1, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid) {
		failure_set(&f, RDMAREG_ERROR_ACCESS_DENIED,
			    "only root takes down other users' regions; release your own instead");
		return reply_failure(m, &f);
	}
	if (fstat(fd, &st) < 0) {
		failure_set(&f, RDMAREG_ERROR_INVALID_FILE, "the descriptor cannot be examined: %s",
			    strerror(errno));
		return reply_failure(m, &f);
	}
	r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	return region_call_end(
		call, b->handlers->evict(b->userdata, st.st_dev, has_grace, grace_usec, call, &f), &f);
}
