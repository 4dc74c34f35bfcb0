// SPDX-License-Identifier: GPL-2.0-or-later
/* adapters.c - see adapters.h. */
#include "selftest/adapters.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/read-line.h"
#include "util/cleanup.h"
#include "util/macros.h"

#define PORTS_MAX 8

/* "4: ACTIVE" -> "active", "Ethernet" -> "ethernet" */
static void lower_word(char *text)
{
	char *colon = strchr(text, ':'), *from = colon ? colon + 1 : text, *to = text;

	while (*from == ' ')
		from++;
	while (*from)
		*to++ = (char)tolower((unsigned char)*from++);
	*to = 0;
}

static void read_word(const char *port, const char *name, char *out, size_t size)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", port, name);
	read_line(path, out, size);
	lower_word(out);
}

static void look_at_netdev(const char *sysfs, const char *port, struct adapter *a)
{
	char path[600], text[16];

	snprintf(path, sizeof(path), "%s/gid_attrs/ndevs/0", port);
	read_line(path, a->netdev, sizeof(a->netdev));
	if (!*a->netdev || strchr(a->netdev, '/'))
		return;
	snprintf(path, sizeof(path), "%.300s/class/net/%s/mtu", sysfs, a->netdev);
	read_line(path, text, sizeof(text));
	a->mtu = (uint32_t)strtoul(text, NULL, 10);
}

/* The first port that is up, else the first. */
static void look_at_ports(const char *sysfs, struct adapter *a)
{
	char port[512], first[512] = "";

	for (unsigned int i = 1; i <= PORTS_MAX; i++) {
		snprintf(port, sizeof(port), "%.300s/class/infiniband/%s/ports/%u", sysfs,
			 a->of.device, i);
		read_word(port, "state", a->state, sizeof(a->state));
		if (!*a->state)
			break;
		if (!*first)
			strcpy(first, port);
		if (strcmp(a->state, "active") != 0)
			continue;
		strcpy(first, port);
		break;
	}
	if (!*first)
		return;
	read_word(first, "state", a->state, sizeof(a->state));
	read_word(first, "link_layer", a->link, sizeof(a->link));
	look_at_netdev(sysfs, first, a);
}

static void list_abilities(const struct quirks *q, char *out, size_t size)
{
	static const struct {
		enum check check;
		const char *word;
	} words[] = {
		{ CHECK_FENCE, "on-demand paging" }, { CHECK_ADVISE, "prefetch" },
		{ CHECK_ATOMICS, "atomics" },	     { CHECK_FLUSH, "flush" },
		{ CHECK_WINDOWS, "memory windows" }, { CHECK_DC, "paging over DC" },
		{ CHECK_KEYS, "indirect keys" },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && n < size; i++)
		if (q->verdict[words[i].check] == VERDICT_OK)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
					      words[i].word);
}

static void look_at_quirks(const char *sysfs, const char *directory, struct adapter *a)
{
	enum check failed = CHECK_ALIGNMENT;
	struct quirks q;
	struct failure why;
	char path[512];

	snprintf(path, sizeof(path), "%.300s/class/infiniband", sysfs);
	if (quirks_load(path, directory, a->of.device, &q, &why) < 0) {
		snprintf(a->quirks, sizeof(a->quirks), "unknown: %.229s", why.text);
		return;
	}
	list_abilities(&q, a->abilities, sizeof(a->abilities));
	quirks_describe(&q, a->quirks, sizeof(a->quirks));
	if (!quirks_are_usable(&q, &failed))
		snprintf(a->unusable, sizeof(a->unusable),
			 "its self-test did not pass %s: rdmaregctl selftest %s tells more",
			 check_name(failed), a->of.device);
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int adapters_list(const char *sysfs, const char *directory,
		  void (*add)(void *to, const struct adapter *a), void *to)
{
	struct dirent **names = NULL;
	char path[512];
	int n;

	snprintf(path, sizeof(path), "%.300s/class/infiniband", sysfs);
	n = scandir(path, &names, is_visible, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct adapter a = { .state = "" };

		if (i < ADAPTERS_MAX && quirks_identify(path, names[i]->d_name, &a.of) == 0) {
			look_at_ports(sysfs, &a);
			look_at_quirks(sysfs, directory, &a);
			if (!*a.unusable && strcmp(a.state, "active") != 0)
				snprintf(
					a.unusable, sizeof(a.unusable),
					"no port of it is up: bring its network interface or link up");
			add(to, &a);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}
