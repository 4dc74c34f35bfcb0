// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-files.c - what is asked of files, filesystems, tenants or the settings rather than of a region:
 * Manager.FindHolders, Evict, EnforceLimits and Reload. A descriptor says which file; how it was opened does not matter, since nothing is read.
 *
 * What always holds: a caller learns of its own regions only, and nobody but root and those whom polkit
 * knows takes down what is not his.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "bus/authorize.h"
#include "util/cleanup.h"

/* A list that is being made. */
struct holder_list {
	sd_bus_message *reply;
	int result;
};

static int append_string(sd_bus_message *m, const char *key, const char *value)
{
	return sd_bus_message_append(m, "{sv}", key, "s", value);
}

static int append_number(sd_bus_message *m, const char *key, uint64_t value)
{
	return sd_bus_message_append(m, "{sv}", key, "t", value);
}

static int append_process(sd_bus_message *m, const struct client *c)
{
	char cgroup[PATH_MAX];
	int r;

	if (!client_process(c, cgroup, sizeof(cgroup)))
		return 0; /* somebody has inherited the connection */
	r = sd_bus_message_append(m, "{sv}", "pid", "u", c->pid);
	return r < 0 ? r : append_string(m, "cgroup", cgroup);
}

static int append_peer(sd_bus_message *m, const struct holder_view *h)
{
	int r = append_string(m, "address", h->address);

	return r < 0 ? r : append_string(m, "access", region_access_names[h->access]);
}

static int append_asked(sd_bus_message *m, const struct holder_view *h)
{
	const struct region *r = h->region.region;
	int e = append_number(m, "revocation", h->asked);

	if (e >= 0)
		e = append_string(m, "cause", revocation_cause_names[r->cause]);
	if (e >= 0)
		e = append_number(m, "offset", r->revocation_offset);
	if (e >= 0)
		e = append_number(m, "length", r->revocation_length);
	return e < 0 ? e : append_number(m, "deadline_usec", r->deadline_usec);
}

static int append_holder(sd_bus_message *m, const struct holder_view *h)
{
	const struct tenant *t = h->region.tenant;
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = append_number(m, "region", h->region.region->id);
	if (r >= 0)
		r = append_string(m, "kind", h->kind);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "uid", "u", t->uid);
	if (r >= 0)
		r = append_string(m, "session", t->session);
	if (r >= 0 && h->client)
		r = append_process(m, h->client);
	if (r >= 0 && h->address)
		r = append_peer(m, h);
	if (r >= 0 && h->since_usec)
		r = append_number(m, "since_usec", h->since_usec);
	if (r >= 0 && h->asked)
		r = append_asked(m, h);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void add_holder(void *to, const struct holder_view *h)
{
	struct holder_list *l = to;

	if (l->result >= 0)
		l->result = append_holder(l->reply, h);
}

/* What a descriptor is of. */
struct found_file {
	uint64_t device;
	uint64_t inode;
};

static int look_for_file(void *request, int *fd, uint32_t uid, struct failure *f)
{
	struct found_file *file = request;

	(void)uid;
	return descriptor_find_file(*fd, &file->device, &file->inode, f);
}

static int list_holders(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
			struct failure *f)
{
	const struct found_file *file = request;
	struct holder_list l = { 0 };

	(void)fd, (void)f;
	l.result = call_new_reply(call, &l.reply);
	if (l.result >= 0)
		l.result = sd_bus_message_open_container(l.reply, 'a', "a{sv}");
	if (l.result >= 0)
		b->handlers->find_holders(b->userdata, c->uid, file->device, file->inode, add_holder, &l);
	if (l.result >= 0)
		l.result = sd_bus_message_close_container(l.reply);
	call_finish(call, l.reply, l.result);
	return 0;
}

int method_find_holders(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct found_file file = { 0 };
	const struct examination x = { look_for_file, list_holders, "its holders are not known", &file,
				       sizeof(file) };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int token, fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &token);
	if (r >= 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	r = claim(b, token, c, &fd, &f);
	return end_call(call, r ? r : examine(b, fd, &x, call, &f), &f);
}

/* An eviction and, for people, what its descriptor was opened as. */
struct eviction_request {
	struct evict_request request;
	char path[DESCRIPTOR_PATH_MAX];
};

static int evict(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
		 struct failure *f)
{
	(void)c, (void)fd;
	return b->handlers->evict(b->userdata, request, call, f);
}

/*
 * The descriptor is closed before the answer: who then unmounts must not find the filesystem in use.
 */
static int look_away(void *request, int *fd, uint32_t uid, struct failure *f)
{
	(void)request, (void)uid, (void)f;
	close(steal_fd(fd));
	return 0;
}

/* Until now the descriptor has kept the filesystem mounted, and its number from being another one's. */
static int evict_authorized(struct bus *b, struct client *c, int fd, const void *request, struct call *call,
			    struct failure *f)
{
	const struct examination x = { look_away, evict, "nothing was evicted", request,
				       sizeof(struct evict_request) };

	(void)c;
	return fd < 0 ? b->handlers->evict(b->userdata, request, call, f) : examine(b, fd, &x, call, f);
}

static int ask_to_evict(struct bus *b, const struct evict_request *q, const char *path, int fd,
			struct call *call, struct failure *f)
{
	const struct authorization a = {
		.action = q->above_limits ? ACTION_ENFORCE : ACTION_EVICT,
		.then = evict_authorized,
		.fd = fd,
		.path = path,
		.request = q,
		.request_size = sizeof(*q),
	};

	return authorize(b, &a, call, f);
}

static int look_for_filesystem(void *request, int *fd, uint32_t uid, struct failure *f)
{
	struct eviction_request *q = request;
	int r = descriptor_find_filesystem(*fd, &q->request.on, f);

	if (r)
		return r;
	descriptor_path(*fd, q->path);
	return uid == 0 ? look_away(request, fd, uid, f) : 0;
}

static int evict_examined(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
			  struct failure *f)
{
	const struct eviction_request *q = request;
	int r;

	if (c->uid == 0)
		return b->handlers->evict(b->userdata, &q->request, call, f);
	r = ask_to_evict(b, &q->request, q->path, *fd, call, f);
	if (r == 0)
		*fd = -1;
	return r;
}

int method_evict(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct eviction_request q = { 0 };
	const struct option known[] = {
		{ "grace_usec", 't', &q.request.grace_usec, &q.request.has_grace }
	};
	const struct examination x = { look_for_filesystem, evict_examined, "nothing was evicted", &q, sizeof(q) };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int token, fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &token);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	r = claim(b, token, c, &fd, &f);
	return end_call(call, r ? r : examine(b, fd, &x, call, &f), &f);
}

int method_enforce_limits(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct evict_request q = { .above_limits = true };
	const struct option known[] = { { "grace_usec", 't', &q.grace_usec, &q.has_grace } };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0)
		return end_call(call, ask_to_evict(b, &q, "", -1, call, &f), &f);
	return end_call(call, b->handlers->evict(b->userdata, &q, call, &f), &f);
}

static int reload_authorized(struct bus *b, struct client *c, int fd, const void *request, struct call *call,
			     struct failure *ret)
{
	(void)c, (void)fd, (void)request;
	return b->handlers->reload(b->userdata, call, ret);
}

/* Who runs the daemon could as well send it a signal. */
int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct authorization a = {
		.action = ACTION_RELOAD, .then = reload_authorized, .fd = -1, .path = "", .request = ""
	};
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0 && c->uid != geteuid())
		return end_call(call, authorize(b, &a, call, &f), &f);
	return end_call(call, b->handlers->reload(b->userdata, call, &f), &f);
}
