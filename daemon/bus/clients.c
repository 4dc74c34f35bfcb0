// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clients.c - who is on the bus. A client is made when a connection calls for the first time and ends when
 * the bus says that the connection did; unique names are never used twice, so a name always means the same
 * client.
 *
 * One match tells of every connection that ends. It is in place before the first client is made, and a
 * client is only made of a connection that still answered for its uid, so no end is missed.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-login.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

static int compare_users(const void *a, const void *b)
{
	const struct client_user *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int compare_clients(const void *a, const void *b)
{
	return strcmp(((const struct client *)a)->name, ((const struct client *)b)->name);
}

static struct client_user *get_user(struct bus *b, uint32_t uid)
{
	struct client_user key = { .uid = uid }, *u, **node = tfind(&key, &b->users, compare_users);

	if (node)
		return *node;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	TAILQ_INIT(&u->listings);
	if (!tsearch(u, &b->users, compare_users)) {
		free(u);
		return NULL;
	}
	return u;
}

static void drop_user(struct bus *b, struct client_user *u)
{
	if (u->clients)
		return;
	tdelete(u, &b->users, compare_users);
	free(u);
}

static struct client *find_client(struct bus *b, const char *name)
{
	union {
		struct client client;
		char space[sizeof(struct client) + 256];
	} key;
	struct client **node;

	if (strlen(name) >= 256)
		return NULL;
	strcpy(key.client.name, name);
	node = tfind(&key.client, &b->clients, compare_clients);
	return node ? *node : NULL;
}

static void free_client(struct client *c)
{
	free(c);
}

DEFINE_FREEP(struct client, free_client)

/* When process @pid started, in the kernel's own unit; 0: there is none, or we may not know. */
static uint64_t process_start(uint32_t pid)
{
	char path[64], line[1024], *s;
	uint64_t began = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	f = pid ? fopen(path, "re") : NULL;
	if (!f)
		return 0;
	/* the 22nd field; the second, the program's name, may contain anything, but nothing after it a ')' */
	s = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (s)
		sscanf(s,
		       ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		       &began);
	fclose(f);
	return began;
}

bool client_process(const struct client *c, char *ret_cgroup, size_t cgroup_size)
{
	char *cgroup = NULL;
	bool there = sd_pid_get_cgroup((pid_t)c->pid, &cgroup) >= 0;

	/* looked at after the cgroup: its number was not given to another process before */
	there = there && c->began && process_start(c->pid) == c->began;
	if (there)
		text_clean(ret_cgroup, cgroup_size, cgroup, PATH_MAX);
	free(cgroup);
	return there;
}

static int add_client(struct bus *b, const char *name, sd_bus_creds *creds, struct client **ret)
{
	_cleanup_(free_clientp) struct client *c = NULL;
	uid_t uid;
	pid_t pid = 0;
	int r = sd_bus_creds_get_euid(creds, &uid);

	if (r < 0)
		return r;
	sd_bus_creds_get_pid(creds, &pid);
	c = calloc(1, sizeof(*c) + strlen(name) + 1);
	if (!c)
		return -ENOMEM;
	strcpy(c->name, name);
	c->number = ++b->next_client;
	c->uid = uid;
	c->pid = (uint32_t)pid;
	c->began = process_start(c->pid);
	LIST_INIT(&c->calls);
	LIST_INIT(&c->regions);
	LIST_INIT(&c->joins);
	LIST_INIT(&c->revokes);
	c->user = get_user(b, c->uid);
	if (!c->user)
		return -ENOMEM;
	if (!tsearch(c, &b->clients, compare_clients)) {
		drop_user(b, c->user);
		return -ENOMEM;
	}
	c->user->clients++;
	log_debug("client %s: uid %" PRIu32 " pid %" PRIu32, c->name, c->uid, c->pid);
	*ret = steal_pointer(c);
	return 0;
}

int client_of_message(struct bus *b, sd_bus_message *m, struct client **ret)
{
	const char *sender = sd_bus_message_get_sender(m);
	sd_bus_creds *creds = NULL;
	int r;

	if (!sender)
		return -ENOENT;
	*ret = find_client(b, sender);
	if (*ret)
		return 0;
	r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);
	if (r >= 0)
		r = add_client(b, sender, creds, ret);
	sd_bus_creds_unref(creds);
	return r;
}

/* Frees a client that is in no tree any more. */
static void end_client(struct bus *b, struct client *c)
{
	listings_drop(b, c);
	while (!LIST_EMPTY(&c->calls))
		call_abandon(LIST_FIRST(&c->calls));
	if (c->subscribed)
		LIST_REMOVE(c, subscribers);
	b->handlers->client_gone(b->userdata, c);
	c->user->clients--;
	drop_user(b, c->user);
	free_client(c);
}

static int on_name_gone(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *name;
	struct client *c;

	(void)error;
	if (sd_bus_message_read(m, "s", &name) < 0)
		return 0;
	c = find_client(b, name);
	if (!c)
		return 0;
	log_debug("client %s: gone", c->name);
	tdelete(c, &b->clients, compare_clients);
	end_client(b, c);
	return 0;
}

int clients_watch(struct bus *b)
{
	return sd_bus_add_match(b->connection, &b->gone_match,
				"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
				"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
				on_name_gone, b);
}

void clients_clear(struct bus *b)
{
	while (b->clients) {
		struct client *c = *(struct client **)b->clients;

		tdelete(c, &b->clients, compare_clients);
		end_client(b, c);
	}
}

void client_subscribe(struct bus *b, struct client *c)
{
	if (c->subscribed)
		return;
	c->subscribed = true;
	LIST_INSERT_HEAD(&b->subscribers, c, subscribers);
}

bool bus_client_mark(struct bus *b, const struct client *c, char *out, size_t size)
{
	sd_id128_t id;
	int n;

	if (sd_bus_get_bus_id(b->connection, &id) < 0)
		return false;
	n = snprintf(out, size, SD_ID128_FORMAT_STR "%s", SD_ID128_FORMAT_VAL(id), c->name);
	return n > 0 && (size_t)n < size;
}

int bus_client_by_mark(struct bus *b, const char *mark, struct client **ret)
{
	sd_bus_creds *creds = NULL;
	const char *name = strchr(mark, ':');
	char start[SD_ID128_STRING_MAX];
	sd_id128_t id;
	int r = sd_bus_get_bus_id(b->connection, &id);

	if (r < 0)
		return r;
	if (!name)
		return -EINVAL;
	sd_id128_to_string(id, start);
	if ((size_t)(name - mark) != strlen(start) || strncmp(mark, start, strlen(start)))
		return -ENOENT; /* another bus: its connections are all gone */
	*ret = find_client(b, name);
	if (*ret)
		return 0;
	r = sd_bus_get_name_creds(b->connection, name, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);
	if (r >= 0)
		r = add_client(b, name, creds, ret);
	sd_bus_creds_unref(creds);
	return r == -ENXIO ? -ENOENT : r;
}
