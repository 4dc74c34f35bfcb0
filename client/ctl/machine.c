// SPDX-License-Identifier: GPL-2.0-or-later
/* machine.c - see machine.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "model.h"

#define DEGRADED_MAX 8 /* kinds that are told of; the rest is counted */

/* Regions that are degraded for the same reason. */
struct degraded {
	char *why[DEGRADED_MAX];
	uint64_t first[DEGRADED_MAX], regions[DEGRADED_MAX];
	size_t n;
	uint64_t others;
};

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_problem(json_object *all, const char *what, const char *cause, const char *command)
{
	json_object *o = json_object_new_object();

	add_text(o, "what", what);
	add_text(o, "cause", cause);
	add_text(o, "command", command);
	json_object_array_add(all, o);
}

/* The list's entry that the value is of; it and its list are made when they are missing. */
static json_object *place_of(json_object *status, const struct rdmareg_status_value *v)
{
	json_object *list, *entry;

	if (!*v->list)
		return status;
	list = json_object_object_get(status, v->list);
	if (!list) {
		list = json_object_new_array();
		json_object_object_add(status, v->list, list);
	}
	entry = json_object_array_get_idx(list, v->entry);
	if (!entry) {
		entry = json_object_new_object();
		json_object_array_put_idx(list, v->entry, entry);
	}
	return entry;
}

static int take_status(struct rdmareg *context, json_object *o)
{
	struct rdmareg_status_value v = { .size = sizeof(v) };
	struct rdmareg_status *s = NULL;
	int r = rdmareg_get_status(context, &s);

	while (r >= 0 && (r = rdmareg_status_next(s, &v)) > 0) {
		json_object *value = v.type == 's'   ? json_object_new_string(v.text)
				     : v.type == 'b' ? json_object_new_boolean(v.number != 0)
						     : json_object_new_uint64(v.number);

		json_object_object_add(place_of(o, &v), v.key, value);
	}
	rdmareg_status_free(s);
	return r;
}

const void *machine_address_of(const struct sockaddr *a)
{
	if (a && a->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)a)->sin_addr;
	if (a && a->sa_family == AF_INET6)
		return &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
	return NULL;
}

/* Of a network interface of this machine; peers come there. */
static void add_addresses(json_object *o, const char *netdev)
{
	json_object *all = json_object_new_array();
	struct ifaddrs *list = NULL;
	char text[INET6_ADDRSTRLEN];

	if (*netdev && getifaddrs(&list) < 0)
		list = NULL;
	for (struct ifaddrs *a = list; a; a = a->ifa_next) {
		const void *address = machine_address_of(a->ifa_addr);

		if (address && !strcmp(a->ifa_name, netdev) &&
		    inet_ntop(a->ifa_addr->sa_family, address, text, sizeof(text)))
			json_object_array_add(all, json_object_new_string(text));
	}
	if (list)
		freeifaddrs(list);
	json_object_object_add(o, "addresses", all);
}

static int take_adapters(struct rdmareg *context, json_object *o, json_object *problems)
{
	struct rdmareg_device d = { .size = sizeof(d) };
	json_object *all = json_object_new_array();
	struct rdmareg_devices *devices = NULL;
	char what[128], command[128];
	uint64_t usable = 0;
	int r = rdmareg_list_devices(context, &devices);

	while (r >= 0 && (r = rdmareg_devices_next(devices, &d)) > 0) {
		json_object *row;

		if (strcmp(d.kind, "adapter") != 0)
			continue;
		row = model_device(&d);
		add_addresses(row, d.netdev);
		json_object_array_add(all, row);
		usable += !*d.unusable;
		if (!*d.unusable)
			continue;
		snprintf(what, sizeof(what), "adapter %.60s cannot be used", d.name);
		snprintf(command, sizeof(command), "rdmaregctl selftest %.60s", d.name);
		add_problem(problems, what, d.unusable, command);
	}
	rdmareg_devices_free(devices);
	if (r >= 0 && !usable)
		add_problem(problems, "no RDMA adapter can be used: nothing new can be registered",
			    "this machine has none with a port that is up and a passed self-test",
			    "rdma link");
	json_object_object_add(o, "adapters", all);
	return r;
}

static int take_keepers(struct rdmareg *context, json_object *o, json_object *problems)
{
	struct rdmareg_keeper k = { .size = sizeof(k) };
	json_object *all = json_object_new_array();
	struct rdmareg_keepers *keepers = NULL;
	char what[128];
	int r = rdmareg_list_keepers(context, NULL, &keepers);

	while (r >= 0 && (r = rdmareg_keepers_next(keepers, &k)) > 0) {
		json_object_array_add(all, model_keeper(&k));
		if (strcmp(k.state, "stuck") != 0 && strcmp(k.state, "foreign") != 0)
			continue;
		snprintf(what, sizeof(what), "keeper %.80s is %.10s", k.name, k.state);
		add_problem(problems, what, k.trouble, "rdmaregctl keeper list");
	}
	rdmareg_keepers_free(keepers);
	json_object_object_add(o, "keeper_list", all);
	/* an older rdmaregd cannot list them, which is no trouble of this machine */
	return r == -EOPNOTSUPP ? 0 : r;
}

static void note_degraded(struct degraded *d, const struct rdmareg_region_info *i)
{
	size_t at = 0;

	while (at < d->n && strcmp(d->why[at], i->degraded) != 0)
		at++;
	if (at == DEGRADED_MAX || (at == d->n && !(d->why[at] = strdup(i->degraded)))) {
		d->others++;
		return;
	}
	if (at == d->n) {
		d->first[at] = i->id;
		d->n++;
	}
	d->regions[at]++;
}

static void tell_degraded(const struct degraded *d, json_object *problems)
{
	char what[128], command[64];

	for (size_t i = 0; i < d->n; i++) {
		if (d->regions[i] == 1)
			snprintf(what, sizeof(what), "region %" PRIu64 " is degraded", d->first[i]);
		else
			snprintf(what, sizeof(what),
				 "%" PRIu64 " regions are degraded, the first is %" PRIu64,
				 d->regions[i], d->first[i]);
		snprintf(command, sizeof(command), "rdmaregctl show %" PRIu64, d->first[i]);
		add_problem(problems, what, d->why[i], command);
	}
	if (!d->others)
		return;
	snprintf(what, sizeof(what), "%" PRIu64 " more %s degraded", d->others,
		 d->others == 1 ? "region is" : "regions are");
	add_problem(problems, what, "for other reasons than these", "rdmaregctl list");
}

static int take_regions(struct rdmareg *context,
			int (*each)(const struct rdmareg_region_info *i, void *userdata),
			void *userdata, json_object *problems)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo), .brief = 1 };
	struct rdmareg_region_info i = { .size = sizeof(i) };
	struct rdmareg_list *regions = NULL;
	struct degraded d = { .n = 0 };
	int r = rdmareg_list(context, &lo, &regions);

	while (r >= 0 && (r = rdmareg_list_next(regions, &i)) > 0) {
		if (*i.degraded)
			note_degraded(&d, &i);
		r = each ? each(&i, userdata) : 0;
	}
	rdmareg_list_free(regions);
	tell_degraded(&d, problems);
	for (size_t n = 0; n < d.n; n++)
		free(d.why[n]);
	return r;
}

int machine_read(struct rdmareg *context,
		 int (*each)(const struct rdmareg_region_info *i, void *userdata), void *userdata,
		 json_object **ret)
{
	json_object *o = json_object_new_object(), *problems;
	int r = take_status(context, o);

	problems = json_object_object_get(o, "problems");
	if (!problems) {
		problems = json_object_new_array();
		json_object_object_add(o, "problems", problems);
	}
	if (r >= 0)
		r = take_adapters(context, o, problems);
	if (r >= 0)
		r = take_keepers(context, o, problems);
	if (r >= 0)
		r = take_regions(context, each, userdata, problems);
	if (r < 0)
		json_object_put(o);
	else
		*ret = o;
	return r < 0 ? r : 0;
}
