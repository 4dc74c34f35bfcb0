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

int method_find_holders(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct holder_list l = { 0 };
	struct bus *b = userdata;
	uint64_t device, inode;
	struct client *c;
	struct failure f;
	int fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &fd);
	if (r < 0)
		return r;
	r = descriptor_find_file(fd, &device, &inode, &f);
	if (r)
		return refuse(m, r, &f);
	l.result = sd_bus_message_new_method_return(m, &l.reply);
	if (l.result >= 0)
		l.result = sd_bus_message_open_container(l.reply, 'a', "a{sv}");
	if (l.result >= 0)
		b->handlers->find_holders(b->userdata, c->uid, device, inode, add_holder, &l);
	if (l.result >= 0)
		l.result = sd_bus_message_close_container(l.reply);
	if (l.result >= 0)
		l.result = sd_bus_send(NULL, l.reply, NULL);
	sd_bus_message_unref(l.reply);
	return l.result;
}

/* Until now the descriptor has kept the filesystem mounted, and its number from being another one's. */
static int evict_authorized(struct bus *b, struct client *c, int fd, const void *request, struct call *call,
			    struct failure *ret)
{
	(void)c;
	closep(&fd);
	return b->handlers->evict(b->userdata, request, call, ret);
}

/*
 * The message closes its descriptor after the answer was sent, and who then unmounts would find the
 * filesystem in use: let it be a descriptor of something else.
 */
static void let_go(struct bus *b, int fd)
{
	dup3(sd_bus_get_fd(b->connection), fd, O_CLOEXEC);
}

static int ask_to_evict(struct bus *b, sd_bus_message *m, int fd, const struct evict_request *q,
			struct call *call, struct failure *f)
{
	char path[DESCRIPTOR_PATH_MAX] = "";
	const struct authorization a = {
		.action = q->above_limits ? ACTION_ENFORCE : ACTION_EVICT,
		.then = evict_authorized,
		.fd = fd,
		.path = path,
		.request = q,
		.request_size = sizeof(*q),
	};

	if (fd >= 0)
		descriptor_path(fd, path);
	return authorize(b, m, &a, call, f);
}

int method_evict(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct evict_request q = { 0 };
	const struct option known[] = { { "grace_usec", 't', &q.grace_usec, &q.has_grace } };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int fd, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &fd);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	if (r == 0)
		r = descriptor_find_device(fd, &q.device, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0)
		return end_call(call, ask_to_evict(b, m, fd, &q, call, &f), &f);
	let_go(b, fd);
	return end_call(call, b->handlers->evict(b->userdata, &q, call, &f), &f);
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
		return end_call(call, ask_to_evict(b, m, -1, &q, call, &f), &f);
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
		return end_call(call, authorize(b, m, &a, call, &f), &f);
	return end_call(call, b->handlers->reload(b->userdata, call, &f), &f);
}
