// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-status.c - what there is, what the kernel and the adapters offer, and what needs somebody.
 *
 * What always holds: the exit status says whether something needs somebody; each problem is one
 * line: what, cause, command. rdmaregd tells its own, and those of adapters, keepers and regions
 * are taken from the lists that have them, so everybody sees what is his.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "model.h"
#include "screen.h"

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

static const char *text_of(json_object *o, const char *key)
{
	json_object *v = json_object_object_get(o, key);

	return v ? json_object_get_string(v) : "";
}

static uint64_t number_of(json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
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

/* Of a network interface of this machine; peers come there. */
static void add_addresses(json_object *o, const char *netdev)
{
	json_object *all = json_object_new_array();
	struct ifaddrs *list = NULL;
	char text[INET6_ADDRSTRLEN];

	if (*netdev && getifaddrs(&list) < 0)
		list = NULL;
	for (struct ifaddrs *a = list; a; a = a->ifa_next) {
		const void *address;

		if (!a->ifa_addr || strcmp(a->ifa_name, netdev) != 0)
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			address =
				&((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
		else if (a->ifa_addr->sa_family == AF_INET6)
			address = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)
					   ->sin6_addr;
		else
			continue;
		if (inet_ntop(a->ifa_addr->sa_family, address, text, sizeof(text)))
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

static int take_regions(struct rdmareg *context, json_object *problems)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo), .brief = 1 };
	struct rdmareg_region_info i = { .size = sizeof(i) };
	struct rdmareg_list *regions = NULL;
	struct degraded d = { .n = 0 };
	int r = rdmareg_list(context, &lo, &regions);

	while (r >= 0 && (r = rdmareg_list_next(regions, &i)) > 0)
		if (*i.degraded)
			note_degraded(&d, &i);
	rdmareg_list_free(regions);
	tell_degraded(&d, problems);
	for (size_t n = 0; n < d.n; n++)
		free(d.why[n]);
	return r;
}

static void print_machine(FILE *to, json_object *o)
{
	bool whole = json_object_get_boolean(json_object_object_get(o, "whole"));
	char a[FORMAT_BYTES];

	fprintf(to, "rdmaregd %s, up %s, Linux %s\n", text_of(o, "version"),
		format_time(a, number_of(o, "uptime_usec") / 1000000 * 1000000),
		text_of(o, "kernel"));
	fprintf(to, "%-12s %s%s%s\n", "module",
		json_object_get_boolean(json_object_object_get(o, "module"))
			? "loaded: layout leases on XFS, exact events"
			: "not loaded: no layout leases",
		*text_of(o, "module_version") ? ", version " : "", text_of(o, "module_version"));
	fprintf(to, "%-12s %s%s%s\n", "pre-content", text_of(o, "pre_content"),
		*text_of(o, "pre_content_reason") ? ": " : "", text_of(o, "pre_content_reason"));
	fprintf(to, "%-12s %" PRIu64 ", with %s in all, in %" PRIu64 " session%s%s\n", "regions",
		number_of(o, "regions"), format_size(a, number_of(o, "bytes")),
		number_of(o, "tenants"), PLURAL(number_of(o, "tenants")), whole ? "" : " of yours");
	if (json_object_get_boolean(json_object_object_get(o, "draining")))
		fprintf(to, "%-12s by uid %" PRIu64 ": %s\n", "drained", number_of(o, "drain_uid"),
			*text_of(o, "drain_reason") ? text_of(o, "drain_reason")
						    : "no reason was given");
}

/* One whose name says bytes is a size. @of: who has come furthest of those that have it each. */
static void print_limit(FILE *to, const char *label, json_object *row)
{
	bool bytes = !strncmp(text_of(row, "setting"), "bytes", 5);
	char use[FORMAT_BYTES], limit[FORMAT_BYTES];

	if (bytes) {
		format_size(use, number_of(row, "use"));
		format_size(limit, number_of(row, "limit"));
	} else {
		snprintf(use, sizeof(use), "%" PRIu64, number_of(row, "use"));
		snprintf(limit, sizeof(limit), "%" PRIu64, number_of(row, "limit"));
	}
	fprintf(to, "%-12s %s: %s of %s%s%s%s\n", label, text_of(row, "setting"), use, limit,
		*text_of(row, "of") ? " (most: " : "", text_of(row, "of"),
		*text_of(row, "of") ? ")" : "");
}

static void print_lists(FILE *to, json_object *o)
{
	json_object *list = json_object_object_get(o, "adapters"), *addresses;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		fprintf(to, "%-12s %s, %s", i ? "" : "adapters", text_of(row, "name"),
			text_of(row, "mode"));
		if (*text_of(row, "netdev"))
			fprintf(to, ", %s", text_of(row, "netdev"));
		addresses = json_object_object_get(row, "addresses");
		for (size_t n = 0; addresses && n < json_object_array_length(addresses); n++)
			fprintf(to, " %s",
				json_object_get_string(json_object_array_get_idx(addresses, n)));
		fprintf(to, ", %s, quirks: %s\n",
			*text_of(row, "abilities") ? text_of(row, "abilities") : "not tested",
			text_of(row, "quirks"));
	}
	list = json_object_object_get(o, "keeper_list");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		fprintf(to,
			"%-12s %s, %s, process %" PRIu64 "%s%s%s%s, protocol %" PRIu64 ", %" PRIu64
			" region%s, %" PRIu64 " peer%s\n",
			i ? "" : "keepers", text_of(row, "name"), text_of(row, "state"),
			number_of(row, "pid"), *text_of(row, "unit") ? ", " : "",
			text_of(row, "unit"), *text_of(row, "device") ? ", " : "",
			text_of(row, "device"), number_of(row, "version"),
			number_of(row, "regions"), PLURAL(number_of(row, "regions")),
			number_of(row, "peers"), PLURAL(number_of(row, "peers")));
	}
	list = json_object_object_get(o, "limits");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		print_limit(to, i ? "" : "limits", row);
	}
}

static void print_problems(FILE *to, json_object *problems)
{
	size_t n = json_object_array_length(problems);

	if (!n)
		fputs("all is well\n", to);
	for (size_t i = 0; i < n; i++) {
		json_object *p = json_object_array_get_idx(problems, i);

		fprintf(to, "! %s; %s; %s\n", text_of(p, "what"), text_of(p, "cause"),
			text_of(p, "command"));
	}
}

/* In lines of so many characters: what is longer goes on below, behind as many blanks. */
static void print_folded(const char *text, size_t columns, size_t indent)
{
	size_t width = 0;

	for (const char *word = text; *word;) {
		size_t n = strcspn(word + (*word == ' '), " ") + (*word == ' ');

		if (width && width + n > columns) {
			printf("\n%*s", (int)indent, "");
			width = indent;
			while (*word == ' ') {
				word++;
				n -= n > 0;
			}
		}
		fwrite(word, 1, n, stdout);
		width += n;
		word += n;
	}
	putchar('\n');
}

/* A script gets a line for each thing; a person one that fits the terminal. */
static void print_text(char *text)
{
	bool fold = isatty(STDOUT_FILENO);
	unsigned int columns = 0, lines;
	char *line;

	if (fold)
		screen_size(&columns, &lines);
	while ((line = strsep(&text, "\n")) && (*line || text))
		if (fold)
			print_folded(line, columns, *line == '!' ? 2 : 13);
		else
			puts(line);
}

static void print_all(json_object *o, json_object *problems)
{
	_cleanup_(text_cleanup) char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to) {
		ctl_error(EXIT_FAILED, "out of memory");
		return;
	}
	print_machine(to, o);
	print_lists(to, o);
	print_problems(to, problems);
	fclose(to);
	if (text)
		print_text(text);
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	json_object *o, *problems;
	struct rdmareg *context;
	int r, status;

	(void)options, (void)arguments, (void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	o = json_object_new_object();
	r = take_status(context, o);
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
		r = take_regions(context, problems);
	status = json_object_array_length(problems) ? EXIT_ATTENTION : EXIT_OK;
	if (r < 0) {
		status = ctl_failed(r);
	} else if (ctl->json) {
		ctl_print_json(json_object_get(o));
	} else {
		print_all(o, problems);
	}
	json_object_put(o);
	return status;
}

const struct verb verb_status = { "status", "", "show what there is, and what needs somebody",
				  NULL,	    0,	0,
				  run };
