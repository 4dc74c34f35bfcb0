// SPDX-License-Identifier: GPL-2.0-or-later
/* takers.c - see takers.h. */
#include "arbiter/takers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define FILE_BYTES_MAX (1u << 20)
#define PROCESSES_MAX 16384
#define NAMESPACES_MAX 256
#define SHOWN_MAX 3
#define PATH_KEPT 256 /* struct keeper_region */

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int add(struct takers *t, enum taker_kind kind, const char *path, const char *name)
{
	struct taker *item;

	if (t->n == TAKERS_MAX) {
		t->cut = true;
		return 0;
	}
	item = reallocarray(t->item, t->n + 1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	t->item = item;
	item[t->n] = (struct taker){ .kind = kind, .path = strdup(path), .name = strdup(name) };
	t->n++;
	return item[t->n - 1].path && item[t->n - 1].name ? 0 : -ENOMEM;
}

/* All of a file, or as much as is looked at; NULL: it cannot be read. */
static char *read_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(freep) char *text = fd < 0 ? NULL : malloc(FILE_BYTES_MAX + 1);
	size_t used = 0;
	ssize_t n = 0;

	if (!text)
		return NULL;
	while (used < FILE_BYTES_MAX && (n = read(fd, text + used, FILE_BYTES_MAX - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return NULL;
	text[used] = 0;
	return steal_pointer(text);
}

static char *read_line(const char *path)
{
	char *text = read_file(path);

	if (text)
		text[strcspn(text, "\n")] = 0;
	return text;
}

/* \040 and the like, as the kernel writes blanks in tables. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' &&
		    isdigit((unsigned char)from[2]) && isdigit((unsigned char)from[3])) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
}

/* For each entry of a folder whose name begins with @prefix: the first line of @file in it. */
static int find_named(struct takers *t, const char *folder, const char *prefix, const char *file,
		      enum taker_kind kind)
{
	_cleanup_(closedirp) DIR *d = opendir(folder);
	struct dirent *e;
	int r = 0;

	while (r == 0 && d && (e = readdir(d))) {
		_cleanup_(freep) char *line = NULL;
		char path[1024];

		if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", folder, e->d_name, file);
		line = read_line(path);
		if (line && line[0] == '/')
			r = add(t, kind, line, e->d_name);
	}
	return r;
}

/* In what LIO says of a backend, which is for people: "... File: PATH  Size: N ..." */
static int take_target(struct takers *t, const char *folder, const char *name)
{
	_cleanup_(freep) char *text = NULL;
	char path[1600], *file, *end = NULL;

	snprintf(path, sizeof(path), "%s/%s/info", folder, name);
	text = read_file(path);
	file = text ? strstr(text, "File: /") : NULL;
	if (!file)
		return 0;
	file += strlen("File: ");
	for (char *c = file; (c = strstr(c, "  Size: ")); c++)
		end = c;
	if (!end)
		return 0;
	*end = 0;
	return add(t, TAKER_TARGET, file, name);
}

/* What the kernel has open, whatever somebody wrote to udev_path, as rtslib and targetcli do. */
static int find_open_targets(struct takers *t, const char *folder)
{
	_cleanup_(closedirp) DIR *d = opendir(folder);
	struct dirent *e;
	int r = 0;

	while (r == 0 && d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = take_target(t, folder, e->d_name);
	return r;
}

/* LIO's backends in files: TYPE_N/NAME. */
static int find_targets(struct takers *t, const char *folder)
{
	_cleanup_(closedirp) DIR *d = opendir(folder);
	struct dirent *e;
	int r = 0;

	while (r == 0 && d && (e = readdir(d))) {
		char path[1300];

		if (strncmp(e->d_name, "fileio_", strlen("fileio_")) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		r = find_named(t, path, "", "udev_path", TAKER_TARGET);
		if (r == 0)
			r = find_open_targets(t, path);
	}
	return r;
}

/*
 * nvmet's namespaces in files: SUBSYSTEM/namespaces/NUMBER. One that is not enabled has nothing
 * open, and is named all the same.
 */
static int find_nvmet(struct takers *t, const char *folder)
{
	_cleanup_(closedirp) DIR *d = opendir(folder);
	struct dirent *e;
	int r = 0;

	while (r == 0 && d && (e = readdir(d))) {
		char path[1300];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/namespaces", folder, e->d_name);
		r = find_named(t, path, "", "device_path", TAKER_NVMET);
	}
	return r;
}

/* Calls @take for each line of a file; there is none if the file cannot be read. */
static int each_line(struct takers *t, const char *path, int (*take)(struct takers *t, char *line))
{
	_cleanup_(freep) char *text = read_file(path);
	char *rest = text, *line;
	int r = 0;

	while (r == 0 && rest && (line = strsep(&rest, "\n")))
		r = take(t, line);
	return r;
}

static int take_swap(struct takers *t, char *line)
{
	char name[1024], kind[32];

	if (line[0] != '/' || sscanf(line, "%1023s %31s", name, kind) != 2 ||
	    strcmp(kind, "file") != 0)
		return 0;
	unescape(name);
	return add(t, TAKER_SWAP, name, "");
}

/*
 * What is exported: of the kernel, which knows what somebody has mounted, or of exportfs(8), which
 * knows all of it.
 */
static int take_export(struct takers *t, char *line)
{
	line[strcspn(line, " \t")] = 0;
	if (line[0] != '/')
		return 0;
	unescape(line);
	return add(t, TAKER_NFS, line, "");
}

/* In the configuration of the SMB server: "path = FOLDER" of a share. */
static int take_share(struct takers *t, char *line)
{
	char *end;

	line += strspn(line, " \t");
	if (strncmp(line, "path", strlen("path")) != 0)
		return 0;
	line += strlen("path");
	line += strspn(line, " \t");
	if (*line++ != '=')
		return 0;
	line += strspn(line, " \t");
	end = line + strlen(line);
	while (end > line && isspace((unsigned char)end[-1]))
		*--end = 0;
	return line[0] == '/' ? add(t, TAKER_SMB, line, "") : 0;
}

/* The value of an option of a mount, which is changed for it. */
static char *option_of(char *options, const char *key)
{
	char *one;

	while ((one = strsep(&options, ",")))
		if (!strncmp(one, key, strlen(key)))
			return one + strlen(key);
	return NULL;
}

/* Of a mountinfo. */
static int take_overlay(struct takers *t, char *line)
{
	char *kind = strstr(line, " - overlay "), *mounted = NULL, *upper;

	if (!kind)
		return 0;
	*kind = 0;
	for (int i = 0; i < 5 && line; i++)
		mounted = strsep(&line, " ");
	upper = strchr(kind + strlen(" - overlay "), ' '); /* behind the source */
	upper = upper ? option_of(upper + 1, "upperdir=") : NULL;
	if (!upper || !mounted)
		return 0;
	unescape(upper);
	unescape(mounted);
	return add(t, TAKER_OVERLAY, upper, mounted);
}

static bool is_seen(char seen[][32], unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(seen[i], name))
			return true;
	return false;
}

/* Containers have mounts of their own: one process of each such namespace is asked. */
static int find_all_overlays(struct takers *t, const char *root)
{
	char path[1024], seen[NAMESPACES_MAX][32];
	_cleanup_(closedirp) DIR *d = NULL;
	unsigned int n = 0;
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "%s/proc", root);
	d = opendir(path);
	for (unsigned int i = 0; r == 0 && d && (e = readdir(d)); i++) {
		char space[32] = "";

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		t->cut |= n == NAMESPACES_MAX || i >= PROCESSES_MAX;
		if (t->cut)
			break;
		snprintf(path, sizeof(path), "%s/proc/%s/ns/mnt", root, e->d_name);
		if (readlink(path, space, sizeof(space) - 1) <= 0 || is_seen(seen, n, space))
			continue;
		memcpy(seen[n++], space, sizeof(space));
		snprintf(path, sizeof(path), "%s/proc/%s/mountinfo", root, e->d_name);
		r = each_line(t, path, take_overlay);
	}
	return r;
}

static int find_server(struct takers *t, const char *root)
{
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%s/proc/1/net/rpc/nfsd.export/content", root);
	if (access(path, F_OK) < 0)
		return 0; /* no NFS server */
	r = each_line(t, path, take_export);
	snprintf(path, sizeof(path), "%s/var/lib/nfs/etab", root);
	return r < 0 ? r : each_line(t, path, take_export);
}

/* The kernel says whether its SMB server runs, and ksmbd.mountd was told what it shares. */
static int find_shares(struct takers *t, const char *root)
{
	_cleanup_(freep) char *state = NULL;
	char path[1024];

	snprintf(path, sizeof(path), "%s/sys/class/ksmbd-control/stats", root);
	state = read_line(path);
	if (!state || !strstr(state, " running "))
		return 0;
	snprintf(path, sizeof(path), "%s/etc/ksmbd/ksmbd.conf", root);
	return each_line(t, path, take_share);
}

static int find_past_the_gate(struct takers *t, const char *root)
{
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%s/sys/block", root);
	r = find_named(t, path, "loop", "loop/backing_file", TAKER_LOOP);
	snprintf(path, sizeof(path), "%s/sys/kernel/config/target/core", root);
	if (r == 0)
		r = find_targets(t, path);
	snprintf(path, sizeof(path), "%s/sys/kernel/config/nvmet/subsystems", root);
	if (r == 0)
		r = find_nvmet(t, path);
	if (r == 0)
		r = find_server(t, root);
	if (r == 0)
		r = find_shares(t, root);
	if (r == 0)
		r = find_all_overlays(t, root);
	return r;
}

int takers_find(struct takers *ret, const char *root, bool all)
{
	struct takers t = { 0 };
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%s/proc/swaps", root);
	r = each_line(&t, path, take_swap);
	if (r == 0 && all)
		r = find_past_the_gate(&t, root);
	if (r < 0) {
		takers_deinit(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void takers_deinit(struct takers *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->item[i].path);
		free(t->item[i].name);
	}
	free(t->item);
	*t = (struct takers){ 0 };
}

/* It is @folder, or lies in it. */
static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	while (n && folder[n - 1] == '/')
		n--;
	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

static bool has(const struct taker *t, const char *path)
{
	switch (t->kind) {
	case TAKER_NFS:
	case TAKER_SMB:
	case TAKER_OVERLAY:
		return is_below(path, t->path);
	default:
		return !strcmp(path, t->path);
	}
}

static void say(const struct taker *t, char *text, size_t size)
{
	switch (t->kind) {
	case TAKER_LOOP:
		snprintf(text, size,
			 "%.40s has the file as its image: what is discarded there passes unseen",
			 t->name);
		break;
	case TAKER_TARGET:
		snprintf(
			text, size,
			"the storage target %.60s has the file as its image: what its initiators unmap passes unseen",
			t->name);
		break;
	case TAKER_NVMET:
		snprintf(
			text, size,
			"the storage target nvmet has the file as the image of namespace %.20s: what its initiators unmap passes "
			"unseen, if it had the file before it was watched",
			t->name);
		break;
	case TAKER_SWAP:
		snprintf(text, size, "the kernel swaps to the file, past the filesystem");
		break;
	case TAKER_NFS:
		snprintf(
			text, size,
			"the NFS server exports %.120s: what its clients truncate passes unseen, and what they punch in a file "
			"that they had open before it was watched",
			t->path);
		break;
	case TAKER_SMB:
		snprintf(
			text, size,
			"the SMB server shares %.120s: what its clients punch or clone in a file that they had open before it was "
			"watched passes unseen",
			t->path);
		break;
	case TAKER_OVERLAY:
		snprintf(
			text, size,
			"the file belongs to the overlay mounted on %.120s: what is truncated there passes unseen",
			t->name);
		break;
	}
}

/* Containers show one overlay many times. */
static bool is_said(const struct takers *t, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (t->item[k].kind == t->item[i].kind && !strcmp(t->item[k].path, t->item[i].path))
			return true;
	return false;
}

/* As a region's path is kept: cut, and with a question mark for what is not shown. */
static bool is_not_told_by_name(const char *path)
{
	return strlen(path) >= PATH_KEPT - 1 || strchr(path, '?');
}

void takers_describe(const struct takers *t, const char *path, bool all, char *text, size_t size)
{
	unsigned int n = 0;
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; i < t->n && used < size; i++) {
		char one[300];

		if ((!all && t->item[i].kind != TAKER_SWAP) || !has(&t->item[i], path) ||
		    is_said(t, i) || n++ >= SHOWN_MAX)
			continue;
		say(&t->item[i], one, sizeof(one));
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "; " : "", one);
	}
	if (n > SHOWN_MAX && used < size)
		used += (size_t)snprintf(text + used, size - used, "; and %u more like these",
					 n - SHOWN_MAX);
	if (all && t->cut && used < size)
		used += (size_t)snprintf(
			text + used, size - used,
			"%smore processes or mount namespaces are on this machine than are looked "
			"through, so an overlay to whose upper files it belongs may not have been found",
			used ? "; " : "");
	if (t->n && !n && is_not_told_by_name(path) && used < size)
		snprintf(
			text + used, size - used,
			"%swhether it is swap%s cannot be told: its name is too long, or has bytes "
			"that are not shown",
			used ? "; " : "", all ? ", or a loop device's image," : "");
}

static const struct taker *next_swap(const struct takers *t, size_t *i)
{
	while (*i < t->n && t->item[*i].kind != TAKER_SWAP)
		++*i;
	return *i < t->n ? &t->item[(*i)++] : NULL;
}

bool takers_same_swap(const struct takers *a, const struct takers *b)
{
	const struct taker *one, *other;
	size_t i = 0, k = 0;

	do {
		one = next_swap(a, &i);
		other = next_swap(b, &k);
	} while (one && other && !strcmp(one->path, other->path));
	return !one && !other;
}
