// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * quirks.c - see quirks.h: names, judgement, and what the system says of a device. Reading and
 * writing the file: quirks-file.c.
 */
#include "selftest/quirks.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "selftest/read-line.h"
#include "util/cleanup.h"
#include "util/macros.h"

static const struct {
	const char *name;
	bool needed;
} checks[_CHECK_MAX] = {
	[CHECK_ALIGNMENT] = { "alignment", true },
	[CHECK_MTU] = { "mtu", true },
	[CHECK_RIGHTS] = { "rights", true },
	[CHECK_FENCE] = { "fence", true },
	[CHECK_WRITEBACK] = { "writeback", false }, /* can only be tried with a file on storage */
	[CHECK_TRUNCATE] = { "truncate", true },
	[CHECK_RNR] = { "rnr", true },
	[CHECK_SILENCE] = { "silence", true },
	[CHECK_ADVISE] = { "advise", false },
	[CHECK_ATOMICS] = { "atomics", false },
	[CHECK_FLUSH] = { "flush", false },
	[CHECK_WINDOWS] = { "windows", false },
	[CHECK_BOUNDS] = { "bounds", false },
	[CHECK_DC] = { "dc", false },
	[CHECK_KEYS] = { "keys", false },
};

static const char *const verdicts[_VERDICT_MAX] = {
	[VERDICT_NOT_RUN] = "not-run",
	[VERDICT_OK] = "ok",
	[VERDICT_QUIRK] = "quirk",
	[VERDICT_FAILED] = "failed",
	[VERDICT_NOT_SUPPORTED] = "not-supported",
};

const char *check_name(enum check c)
{
	return c < _CHECK_MAX ? checks[c].name : NULL;
}

const char *verdict_name(enum verdict v)
{
	return v < _VERDICT_MAX ? verdicts[v] : NULL;
}

bool check_is_needed(enum check c)
{
	return c < _CHECK_MAX && checks[c].needed;
}

void quirks_init(struct quirks *q)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	*q = (struct quirks){ .alignment = page, .minimum_mtu = 4096 };
}

bool quirks_are_usable(const struct quirks *q, enum check *ret_first)
{
	for (enum check c = 0; c < _CHECK_MAX; c++) {
		bool passed = q->verdict[c] == VERDICT_OK || q->verdict[c] == VERDICT_QUIRK;

		if (passed || (!checks[c].needed && q->verdict[c] != VERDICT_FAILED))
			continue;
		*ret_first = c;
		return false;
	}
	return true;
}

bool quirks_enforce_rights(const struct quirks *q)
{
	return q->verdict[CHECK_RIGHTS] == VERDICT_OK;
}

void quirks_describe(const struct quirks *q, char *out, size_t size)
{
	const struct {
		bool holds;
		const char *text;
	} all[] = {
		{ !quirks_enforce_rights(q), "rights of queue pairs not enforced" },
		{ q->verdict[CHECK_ADVISE] != VERDICT_OK, "no prefetching" },
		{ q->verdict[CHECK_ATOMICS] == VERDICT_QUIRK, "atomics wrong" },
		{ q->verdict[CHECK_FLUSH] == VERDICT_QUIRK, "flush wrong" },
		{ q->verdict[CHECK_WINDOWS] == VERDICT_QUIRK, "memory windows not revocable" },
		{ q->verdict[CHECK_BOUNDS] == VERDICT_QUIRK, "memory windows not bounded" },
	};
	size_t n = 0;

	*out = 0;
	if (q->alignment > 1)
		n = (size_t)snprintf(out, size, "addresses multiples of %u", q->alignment);
	if (q->minimum_mtu > 1 && n < size)
		n += (size_t)snprintf(out + n, size - n, "%spath MTU %u or more", n ? ", " : "",
				      q->minimum_mtu);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].holds && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
					      all[i].text);
	if (!n)
		snprintf(out, size, "none");
}

/* One word: what cannot stand in the file becomes '-'. */
static void make_word(char *text)
{
	for (char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == ';' || *p == '#')
			*p = '-';
	if (!*text)
		strcpy(text, "none");
}

void read_line(const char *path, char *out, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* A driver without a device below it is software, and as old as the kernel. */
static void find_driver(const char *device, char *out, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX], version[64] = "";
	const char *name = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/device/driver/module", device);
	n = readlink(path, link, sizeof(link) - 1);
	if (n > 0) {
		link[n] = 0;
		name = strrchr(link, '/');
		snprintf(path, sizeof(path), "%s/device/driver/module/srcversion", device);
		read_line(path, version, sizeof(version));
	}
	if (name)
		snprintf(out, size, "%.31s%s%.31s", name + 1, *version ? "-" : "", version);
	else
		snprintf(out, size, "software");
}

int quirks_identify(const char *sysfs, const char *device, struct quirks_identity *ret)
{
	struct quirks_identity id = { "" };
	char path[512], file[600];
	struct utsname u;

	if (!*device || strchr(device, '/') || *device == '.' ||
	    strlen(device) >= sizeof(id.device))
		return -ENODEV;
	snprintf(path, sizeof(path), "%.300s/%s", sysfs, device);
	if (access(path, F_OK) < 0)
		return -ENODEV;
	if (uname(&u) < 0)
		return -errno;
	snprintf(id.device, sizeof(id.device), "%s", device);
	find_driver(path, id.driver, sizeof(id.driver));
	snprintf(file, sizeof(file), "%s/fw_ver", path);
	read_line(file, id.firmware, sizeof(id.firmware));
	snprintf(id.kernel, sizeof(id.kernel), "%s", u.release);
	snprintf(id.build, sizeof(id.build), "%s", u.version);
	make_word(id.device);
	make_word(id.driver);
	make_word(id.firmware);
	make_word(id.kernel);
	make_word(id.build);
	*ret = id;
	return 0;
}
