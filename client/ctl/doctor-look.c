// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor-look.c - see doctor.h: what /proc/locks, /sys, rdma(8), systemctl(1), the runtime directory
 * and the settings show.
 *
 * What always holds: nothing is changed, and no file of a user is touched. What only root sees is
 * noted as not seen by others; what root does not see either makes the look incomplete.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config.h"
#include "doctor-look.h"
#include "format.h"
#include "machine.h"
#include "program.h"
#include "proto/rdmareg-uapi.h"

#define TOTALS "/sys/class/misc/rdmareg/totals/"
#define POLICY "/org.rdmareg.Registry1.conf"

/* Where the machine's files are; elsewhere only where this program is none of the system's. */
static const char *root(void)
{
	const char *given = secure_getenv("RDMAREG_DOCTOR_ROOT");

	return given ? given : "";
}

static void make_path(char path[static 512], const char *format, va_list args)
{
	int n = snprintf(path, 512, "%s", root());

	vsnprintf(path + n, 512 - (size_t)n, format, args);
}

FILE *look_open_file(const char *format, ...)
{
	char path[512];
	va_list args;

	va_start(args, format);
	make_path(path, format, args);
	va_end(args);
	return fopen(path, "re");
}

DIR *look_open_folder(const char *format, ...)
{
	char path[512];
	va_list args;

	va_start(args, format);
	make_path(path, format, args);
	va_end(args);
	return opendir(path);
}

bool look_for_number(const char *path, const char *key, unsigned int behind, uint64_t *ret)
{
	FILE *f = look_open_file("%s", path);
	char line[256], *at = NULL, *end;
	uint64_t number;

	while (f && !at && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			at = line + strlen(key);
	if (f)
		fclose(f);
	for (; at; at = end) {
		number = strtoull(at, &end, 10);
		if (end == at)
			break;
		if (behind--)
			continue;
		*ret = number;
		return true;
	}
	return false;
}

/* False: there is no such file, or no number in it. */
static bool read_number(const char *path, uint64_t *ret)
{
	return look_for_number(path, "", 0, ret);
}

struct doctor_keeper *look_keeper_of(struct doctor_facts *t, uint64_t pid)
{
	for (size_t i = 0; pid && i < t->n_keepers; i++)
		if (t->keepers[i].process.pid == pid)
			return &t->keepers[i];
	return NULL;
}

/* "12: LAYOUT ACTIVE    READ 4711 fe:10:131 0 EOF"; older kernels say LEASE. */
static void look_at_leases(struct doctor_facts *t)
{
	FILE *f = look_open_file("/proc/locks");
	char line[256], kind[16];
	uint64_t pid;

	t->have_locks = f;
	if (!f) {
		t->incomplete = true;
		doctor_unseen(t, "layout leases: /proc/locks: %s", strerror(errno));
	}
	while (f && fgets(line, sizeof(line), f)) {
		struct doctor_keeper *k;

		if (sscanf(line, "%*u: %15s %*s %*s %" SCNu64, kind, &pid) != 2 ||
		    (strcmp(kind, "LAYOUT") != 0 && strcmp(kind, "LEASE") != 0))
			continue;
		k = look_keeper_of(t, pid);
		if (k)
			k->leases++;
	}
	if (f)
		fclose(f);
}

/* What a program prints. NULL: it failed, as @ret_how says. */
static char *read_output(const struct doctor_facts *t, const char *const words[],
			 const char **ret_how)
{
	uint64_t part = program_now_usec() + t->part_usec;
	char *text;
	int r = program_read(words, STDOUT_FILENO, part < t->until_usec ? part : t->until_usec,
			     &text);

	*ret_how = r == -ETIMEDOUT ? "has not come to an end in time" : "fails";
	if (!r)
		return text;
	free(text);
	return NULL;
}

/* The same of JSON. */
static json_object *read_json(const struct doctor_facts *t, const char *const words[],
			      const char **ret_how)
{
	char *text = read_output(t, words, ret_how);
	json_object *o;

	if (!text)
		return NULL;
	/* where there is nothing, older ones print nothing */
	o = text[0] && text[1] ? json_tokener_parse(text) : json_object_new_array();
	free(text);
	return o;
}

/* Which process a thread is of; the number itself where that is not known. */
static uint64_t process_of(uint64_t thread)
{
	uint64_t process = thread;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/status", thread);
	look_for_number(path, "Tgid:", 0, &process);
	return process;
}

static void look_at_resources(struct doctor_facts *t)
{
	static const char *const kinds[_DOCTOR_RESOURCE_MAX] = { "mr", "pd", "qp", "cm_id" };
	DIR *d = look_open_folder("/sys/class/infiniband");

	t->have_resources = !d;
	if (!d)
		return; /* no adapter, and nothing on it */
	closedir(d);
	for (size_t i = 0; i < _DOCTOR_RESOURCE_MAX; i++) {
		const char *const words[] = { "rdma", "-j", "resource", "show", kinds[i], NULL };
		const char *how;
		json_object *rows = read_json(t, words, &how);

		if (!rows || !json_object_is_type(rows, json_type_array)) {
			json_object_put(rows);
			t->incomplete = true;
			doctor_unseen(t,
				      "what is registered on adapters: rdma resource show %s "
				      "%s (Debian has it in iproute2)",
				      kinds[i], how);
			return;
		}
		for (size_t n = 0; n < json_object_array_length(rows); n++) {
			json_object *row = json_object_array_get_idx(rows, n);
			uint64_t maker = json_object_get_uint64(json_object_object_get(row, "pid"));
			struct doctor_keeper *k =
				maker ? look_keeper_of(t, process_of(maker)) : NULL;

			if (k)
				k->resources[i]++;
		}
		json_object_put(rows);
	}
	t->have_resources = true;
}

static void look_at_module(struct doctor_facts *t)
{
	struct rdmareg_query query = { .abi = 0 };
	int fd;

	t->module = read_number(TOTALS "ranges", &t->ranges) &&
		    read_number(TOTALS "layouts", &t->layouts) &&
		    read_number(TOTALS "openers", &t->openers);
	if (!t->module || *root())
		return;
	if (!t->root) {
		doctor_unseen(t, "whether the module fits: only root can ask it");
		return;
	}
	fd = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RDMAREG_QUERY, &query) < 0) {
		t->incomplete = true;
		doctor_unseen(t, "whether the module fits: " RDMAREG_DEVICE ": %s",
			      strerror(errno));
	} else {
		t->abi = query.abi;
		t->wanted_abi = RDMAREG_ABI;
	}
	if (fd >= 0)
		close(fd);
}

static void take_runtime_file(struct doctor_facts *t, const char *name)
{
	const char *dot = strrchr(name, '.');
	struct doctor_text *file;

	for (size_t i = 0; dot && i < t->n_keepers; i++) {
		struct doctor_keeper *k = &t->keepers[i];

		if (strncmp(k->name, name, (size_t)(dot - name)) != 0 || k->name[dot - name])
			continue;
		k->socket = k->socket || !strcmp(dot, ".sock");
		k->record = k->record || !strcmp(dot, ".record");
		return;
	}
	file = doctor_grow(&t->files, &t->n_files, sizeof(*file));
	snprintf(file->text, sizeof(file->text), RUNDIR "/keepers/%.200s", name);
}

static void look_at_runtime(struct doctor_facts *t)
{
	DIR *d = look_open_folder(RUNDIR "/keepers");
	struct dirent *entry;

	t->have_runtime = d || errno == ENOENT; /* then there are none */
	if (!d && errno != ENOENT) {
		t->incomplete = t->incomplete || t->root;
		doctor_unseen(t, "files of keepers: " RUNDIR "/keepers: %s", strerror(errno));
	}
	while (d && (entry = readdir(d)))
		if (*entry->d_name != '.')
			take_runtime_file(t, entry->d_name);
	if (d)
		closedir(d);
}

static void look_at_units(struct doctor_facts *t)
{
	static const char *const words[] = { "systemctl", "--no-pager", "--no-legend", "--plain",
					     "--all",	  "list-units", "rdmareg*",    NULL };
	DIR *systemd = look_open_folder("/run/systemd/system");
	char *text, *rest, *line;
	const char *how;

	if (!systemd)
		return;
	closedir(systemd);
	text = rest = read_output(t, words, &how);
	while ((line = strsep(&rest, "\n"))) {
		struct doctor_unit u = { 0 }, *it;

		if (sscanf(line, "%255s %*s %15s", u.name, u.active) != 2)
			continue;
		it = doctor_grow(&t->units, &t->n_units, sizeof(*it));
		*it = u;
	}
	if (!text) {
		t->incomplete = true;
		doctor_unseen(t, "units: systemctl %s", how);
	}
	free(text);
}

static bool machine_has(const char *address)
{
	unsigned char wanted[sizeof(struct in6_addr)];
	struct ifaddrs *list = NULL;
	char copy[INET6_ADDRSTRLEN];
	bool found = false;
	int family;

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(address, "%"), address);
	family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, copy, wanted) != 1 || getifaddrs(&list) < 0)
		return true; /* whether that can be is rdmaregd's to say */
	for (struct ifaddrs *a = list; a && !found; a = a->ifa_next) {
		const void *p = machine_address_of(a->ifa_addr);

		found = p && a->ifa_addr->sa_family == family &&
			!memcmp(p, wanted, family == AF_INET ? 4 : 16);
	}
	freeifaddrs(list);
	return found;
}

static void take_addresses(struct doctor_facts *t, char *value)
{
	struct doctor_text *missing;
	char *one;

	while ((one = strsep(&value, ",")))
		if (*one && strcmp(one, "any") != 0 && !machine_has(one)) {
			missing = doctor_grow(&t->addresses, &t->n_addresses, sizeof(*missing));
			snprintf(missing->text, sizeof(missing->text), "%s", one);
		}
}

/* As the files have them now, which is what the next keeper gets after a reload. */
static void look_at_settings(struct doctor_facts *t)
{
	const char *const words[] = { program_daemon(), "--show-config", NULL };
	const char *how;
	char *text = read_output(t, words, &how), *lines = text, *line;

	while ((line = strsep(&lines, "\n"))) {
		char *rest = line, *section = strsep(&rest, "\t"), *name = strsep(&rest, "\t"),
		     *value = strsep(&rest, "\t");

		(void)section;
		if (!value)
			continue;
		if (!strcmp(name, "regions_per_tenant"))
			t->regions_per_tenant = strtoull(value, NULL, 10);
		else if (!strcmp(name, "peers_per_tenant"))
			t->peers_per_tenant = strtoull(value, NULL, 10);
		else if (!strcmp(name, "memlock_bytes"))
			parse_size(value, &t->memlock_bytes);
		else if (!strcmp(name, "keeper_uids"))
			sscanf(value, "%" SCNu32 "-%" SCNu32, &t->keeper_uid_first,
			       &t->keeper_uid_last);
		else if (!strcmp(name, "listen_address"))
			take_addresses(t, value);
	}
	t->have_settings = text;
	if (!t->have_settings) {
		t->incomplete = t->incomplete || t->root;
		doctor_unseen(t, "settings: %s --show-config %s", program_daemon(), how);
	}
	free(text);
	read_number("/proc/sys/vm/max_map_count", &t->max_map_count);
}

/* Is the bus' policy for rdmaregd in this folder? */
static bool is_allowed_by(const char *folder)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s" POLICY, root(), folder);
	return !access(path, F_OK);
}

void doctor_look(struct doctor_facts *t)
{
	/* it is the system bus's; another one has its own */
	t->no_bus_policy = !secure_getenv("RDMAREG_BUS_ADDRESS") &&
			   !is_allowed_by("/usr/share/dbus-1/system.d") &&
			   !is_allowed_by("/usr/local/share/dbus-1/system.d") &&
			   !is_allowed_by("/etc/dbus-1/system.d");
	look_at_processes(t);
	look_at_leases(t);
	look_at_resources(t);
	look_at_module(t);
	look_at_runtime(t);
	look_at_units(t);
	look_at_settings(t);
	if (!t->root)
		doctor_unseen(t, "keepers and regions of other users: only root can");
}
