// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * settings.c - see settings.h. One table says what there is: section, key, form, bounds and
 * default. Reading is looking up; nothing else knows a key's name.
 */
#include "arbiter/settings.h"

#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <ini.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "arbiter/settings-check.h"
#include "rdmareg-timers.h"
#include "util/cleanup.h"
#include "util/macros.h"

enum key_form {
	KEY_NUMBER,
	KEY_BYTES, /* a number with an optional suffix K, M, G or T */
	KEY_WORD,  /* one of a list; its index */
	KEY_TEXT,
};

struct key {
	const char *section;
	const char *name;
	const char *value; /* default, as it would be written */
	enum key_form kind;
	size_t offset;
	uint64_t min; /* KEY_TEXT: unused */
	uint64_t max; /* KEY_TEXT: bytes with the terminating zero */
	const char *const *words;
	settings_check_t *form; /* KEY_TEXT: what the text must be; NULL: anything */
	settings_check_t *
		/* and what must be there; NULL: that is not to be known before it is used */
		machine;
};

static const char *const log_level_words[] = { "emerg",	 "alert", "crit",  "error", "warning",
					       "notice", "info",  "debug", NULL };
static const char *const import_words[] = { "off", "on", NULL };
static const char *const warm_words[] = { "off", "read", "adaptive", "write",
					  NULL }; /* WARM_MODE_NAMES */
static const char *const metrics_words[] = { "off", "root", "everybody", NULL };
static const char *const pre_content_words[] = { "off", "auto", NULL };
static const char *const spawn_words[] = { "auto", "direct", "systemd", NULL };

#define MEMBER(m) .name = #m, .offset = offsetof(struct settings, m)
#define WATCHDOG_MIN_MSEC 100
#define FILE_MAX_BYTES (UINT32_C(1) << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

#define NUMBER(s, m, v, low, high) \
	{ .section = s, MEMBER(m), .value = v, .kind = KEY_NUMBER, .min = low, .max = high }
#define BYTES(s, m, v, low, high) \
	{ .section = s, MEMBER(m), .value = v, .kind = KEY_BYTES, .min = low, .max = high }
#define WORD(s, m, v, list) { .section = s, MEMBER(m), .value = v, .kind = KEY_WORD, .words = list }
#define TEXT(s, m, v, text_form, text_machine)      \
	{ .section = s,                             \
	  MEMBER(m),                                \
	  .value = v,                               \
	  .kind = KEY_TEXT,                         \
	  .max = sizeof(((struct settings *)0)->m), \
	  .form = text_form,                        \
	  .machine = text_machine }

static const struct key keys[] = {
	WORD("daemon", log_level, "info", log_level_words),
	NUMBER("daemon", adopt_timeout_msec, "5000", 1, 60000),
	NUMBER("daemon", orphan_grace_sec, "30", 0, 86400),
	WORD("daemon", metrics, "root", metrics_words),
	WORD("keepers", spawn, "auto", spawn_words),
	TEXT("keepers", group, "rdmareg", NULL, machine_groups),
	TEXT("keepers", keeper_uids, "60706-61183", form_uids, NULL),
	TEXT("keepers", slice, "rdmareg-%u.slice", form_slice, NULL),
	TEXT("keepers", listen_address, "any", form_address, NULL),
	NUMBER("keepers", port, "0", 0, 65535),
	BYTES("keepers", memlock_bytes, "16M", 65536, UINT64_MAX),
	NUMBER("keepers", idle_exit_sec, "30", 0, 86400),
	NUMBER("keepers", timeout_msec, "10000", 10, 600000),
	NUMBER("keepers", timeout_msec_per_gib, "10000", 0, 600000),
	NUMBER("keepers", deadline_margin_msec, "500", 10, 60000),
	NUMBER("keepers", alignment, "0", 0, 1 << 30),
	NUMBER("keepers", minimum_mtu, "0", 0, 4096),
	TEXT("keepers", quirks_directory, CACHEDIR, form_directory, machine_directory),
	NUMBER("keepers", rnr_timer_usec, "640", 10, TIMERS_RNR_MAX_USEC),
	NUMBER("keepers", rnr_retries, "7", 0, 7),
	NUMBER("keepers", retries, "6", 0, 6),
	NUMBER("keepers", ack_timeout_msec, "0", 0, 60000),
	NUMBER("keepers", peer_probe_sec, "5", 0, 3600),
	WORD("keepers", import, "off", import_words),
	NUMBER("regions", grace_msec, "1000", 0, 10000),
	NUMBER("regions", max_grace_msec, "10000", 0, 10000),
	NUMBER("regions", reader_grace_msec, "1000", 0, 10000),
	NUMBER("regions", revoke_limit_sec, "60", 1, 3600),
	WORD("pre-content", pre_content, "auto", pre_content_words),
	NUMBER("pre-content", pre_content_files, "4096", 1, 65536),
	NUMBER("pre-content", pre_content_waiters, "1024", 4, 65536),
	NUMBER("pre-content", watchdog_msec, "5000", 0, 60000),
	WORD("warm", warm_mode, "adaptive", warm_words),
	BYTES("warm", warm_bytes_per_sec, "1G", UINT64_C(2) << 20, UINT64_C(1) << 50),
	NUMBER("warm", memory_stall_msec, "100", 0, 2000),
	NUMBER("limits", regions_per_tenant, "1024", 1, 65536),
	BYTES("limits", bytes_per_tenant, "16T", 4096, UINT64_MAX),
	BYTES("limits", dax_bytes_per_tenant, "0", 0, UINT64_MAX),
	NUMBER("limits", regions_per_client, "1024", 1, 65536),
	NUMBER("limits", joins_per_client, "1024", 1, 65536),
	NUMBER("limits", joins_per_uid, "4096", 1, 1 << 20),
	NUMBER("limits", revokes_per_client, "64", 1, 4096),
	NUMBER("limits", jobs_per_client, "64", 1, 1024),
	NUMBER("limits", tenants_per_uid, "16", 1, 4096),
	NUMBER("limits", keepers, "256", 1, 4096),
	NUMBER("limits", sessions_max, "256", 0, 4096),
	NUMBER("limits", standing_per_uid, "64", 0, 4096),
	NUMBER("limits", pending_calls_per_client, "256", 1, 65536),
	NUMBER("limits", pending_calls_per_uid, "1024", 1, 65536),
	NUMBER("limits", subscribers_per_uid, "64", 1, 65536),
	NUMBER("limits", tickets_per_region, "64", 1, 4096),
	NUMBER("limits", peers_per_tenant, "1024", 1, 16384),
};
#define N_KEYS ARRAY_SIZE(keys)

/* Where each key was set last, in the order in which they were; line 0: nowhere. */
struct origins {
	unsigned int n;
	struct origin {
		unsigned int at;
		int line;
		char file[256];
	} key[N_KEYS];
};

/* What one file's parsing needs and finds. */
struct parse {
	FILE *file; /* all of it, in memory */
	const char *path;
	struct origins *origins;
	struct settings *settings;
	bool thorough; /* ask the machine, too */
	char *raw;     /* of getline(3) */
	size_t raw_size;
	int read;   /* lines so far */
	int line;   /* from 1: where the one that is looked at begins */
	int failed; /* line of the first error that we found, or 0 */
	int error;  /* of reading */
	struct failure failure;
	const struct settings_critic *critic;
};

static uint64_t *number_of(struct settings *s, const struct key *k)
{
	return (uint64_t *)((char *)s + k->offset);
}

static int parse_number(const struct key *k, const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGT";
	uint64_t v = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -ERANGE;
	if (*text && k->kind == KEY_BYTES) {
		const char *suffix = strchr(suffixes, *text++);

		if (!suffix)
			return -EINVAL;
		for (const char *p = suffixes; p <= suffix; p++)
			if (__builtin_mul_overflow(v, 1024u, &v))
				return -ERANGE;
	}
	if (*text)
		return -EINVAL;
	if (v < k->min || v > k->max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int parse_word(const struct key *k, const char *text, uint64_t *ret)
{
	for (uint64_t i = 0; k->words[i]; i++) {
		if (!strcmp(k->words[i], text)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_text(const struct key *k, const char *text, char *ret)
{
	if (strlen(text) >= k->max)
		return -ERANGE;
	for (const char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p))
			return -EINVAL;
	strcpy(ret, text);
	return 0;
}

static int set_key(struct settings *s, const struct key *k, const char *text)
{
	switch (k->kind) {
	case KEY_NUMBER:
	case KEY_BYTES:
		return parse_number(k, text, number_of(s, k));
	case KEY_WORD:
		return parse_word(k, text, number_of(s, k));
	case KEY_TEXT:
		return parse_text(k, text, (char *)s + k->offset);
	}
	return -EINVAL;
}

void settings_keeper_uids(const struct settings *s, uint32_t *ret_first, uint32_t *ret_last)
{
	/* form_uids() has seen it */
	sscanf(s->keeper_uids, "%" SCNu32 "-%" SCNu32, ret_first, ret_last);
}

void settings_default(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < N_KEYS; i++)
		set_key(s, &keys[i], keys[i].value);
}

size_t settings_count(void)
{
	return N_KEYS;
}

const char *settings_key(size_t i, const char **ret_section)
{
	if (i >= N_KEYS)
		return NULL;
	*ret_section = keys[i].section;
	return keys[i].name;
}

/* What would have been right, for the message. */
static void describe(const struct key *k, char *out, size_t size)
{
	size_t n = 0;

	switch (k->kind) {
	case KEY_NUMBER:
	case KEY_BYTES:
		snprintf(out, size, "a whole number from %llu to %llu%s",
			 (unsigned long long)k->min, (unsigned long long)k->max,
			 k->kind == KEY_BYTES ? ", or with K, M, G or T" : "");
		break;
	case KEY_WORD:
		n = (size_t)snprintf(out, size, "one of");
		for (const char *const *w = k->words; *w && n < size; w++)
			n += (size_t)snprintf(out + n, size - n, " %s", *w);
		break;
	case KEY_TEXT:
		snprintf(out, size, "at most %llu characters without blanks",
			 (unsigned long long)k->max - 1);
		break;
	}
}

/* Something is wrong with the line that is read. */
static void blame_line(struct parse *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void blame_line(struct parse *p, const char *format, ...)
{
	struct failure matter, whole;
	va_list args;

	va_start(args, format);
	fail_va(&matter, -EINVAL, format, args);
	va_end(args);
	if (p->critic) {
		fail(&whole, -EINVAL, "%s:%d: %s", p->path, p->line, matter.text);
		p->critic->tell(p->critic->userdata, whole.text);
	}
	if (p->failed)
		return;
	p->failed = p->line;
	p->failure = matter;
}

/*
 * One line of the file, without the blanks around it. False: there is none. A byte 0 would hide what
 * is behind it.
 */
static bool read_line(struct parse *p, char **ret)
{
	char *text, *end;
	ssize_t n;

	n = getline(&p->raw, &p->raw_size, p->file);
	if (n < 0) {
		if (!feof(p->file))
			p->error = errno;
		return false;
	}
	text = p->raw;
	p->read++;
	if (memchr(text, 0, (size_t)n)) {
		p->line = p->read;
		blame_line(p, "it has a byte 0");
	}
	if (p->read == 1 && !strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
		text += strlen(BYTE_ORDER_MARK);
	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = 0;
	*ret = text;
	return true;
}

/* The line goes on in the next one. */
static bool ends_with_backslash(const char *text)
{
	size_t n = strlen(text), backslashes = 0;

	while (backslashes < n && text[n - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 != 0;
}

/* What would be one for inih, or is meant to be one; to systemd it is a part of the value. */
static bool has_comment(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((*p == '#' || *p == ';') && p > value && isspace((unsigned char)p[-1]))
			return true;
	return false;
}

/*
 * As systemd reads its files: what inih would take otherwise, or not at all, is refused here, so
 * that it finds nothing wrong itself: it does not tell lines that were put together.
 */
static void judge_line(struct parse *p, char *text)
{
	size_t n = strlen(text), key = strcspn(text, "=:");
	const char *value = text + key + 1;

	if (strspn(text, " ") == n)
		return;
	if (*text == '[' && strchr(text, ']') == text + n - 1)
		return;
	if (*text == '[' && strchr(text, ']')) {
		blame_line(p, "a section is [NAME] and nothing behind it");
	} else if (text[key] != '=') {
		blame_line(p, "neither a [section], nor KEY = VALUE, nor a comment");
	} else if (has_comment(value)) {
		blame_line(p, "'%.60s' is not valid for %.*s: a comment is on a line of its own",
			   value + strspn(value, " \t"), (int)strcspn(text, " \t="), text);
	} else {
		return;
	}
	*text = 0;
}

/*
 * inih's callbacks. It gets each line put together, with what belongs to it: a backslash at the end
 * becomes a blank and the next line follows; comments in between are left out.
 */
static char *on_line(char *text, int size, void *userdata)
{
	struct parse *p = userdata;
	bool more = false, is_long = false;
	size_t used = 0;
	char *part;

	*text = 0;
	do {
		size_t n;

		if (!read_line(p, &part)) {
			if (!more)
				return NULL;
			break; /* the file ends in the middle */
		}
		if (!more)
			p->line = p->read;
		if (*part == '#' || *part == ';') {
			if (more)
				continue;
			return text;
		}
		more = ends_with_backslash(part);
		n = strlen(part);
		if (more)
			part[n - 1] = ' ';
		if (used + n + 1 > (size_t)size) {
			is_long = true;
			continue;
		}
		memcpy(text + used, part, n + 1);
		used += n;
	} while (more);
	if (is_long) {
		blame_line(p, "the line is longer than %d characters", size - 1);
		*text = 0;
	}
	judge_line(p, text);
	return text;
}

static void note_origin(struct parse *p, size_t key)
{
	struct origin *o = &p->origins->key[key];

	o->at = ++p->origins->n;
	o->line = p->line;
	snprintf(o->file, sizeof(o->file), "%s", p->path);
}

static const struct origin *origin_of(const struct origins *o, const char *name)
{
	size_t i = 0;

	while (strcmp(keys[i].name, name))
		i++;
	return &o->key[i];
}

/*
 * What is wrong with one value, or with two together: the one that was set later is what made it
 * so.
 */
static int refuse(const struct origins *origins, const char *one, const char *other,
		  struct failure *why, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
static int refuse(const struct origins *origins, const char *one, const char *other,
		  struct failure *why, const char *format, ...)
{
	const struct origin *a = origin_of(origins, one), *b = origin_of(origins, other);
	const struct origin *later = a->at > b->at ? a : b;
	struct failure matter;
	va_list args;

	va_start(args, format);
	fail_va(&matter, -EINVAL, format, args);
	va_end(args);
	return fail(why, -EINVAL, "%s:%d: %s", later->file, later->line, matter.text);
}

static int on_key(void *userdata, const char *section, const char *name, const char *value)
{
	struct parse *p = userdata;
	const struct key *near = NULL;
	char form[256];

	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, name))
			continue;
		near = &keys[i];
		if (strcmp(keys[i].section, section))
			continue;
		if (set_key(p->settings, near, value) < 0) {
			describe(near, form, sizeof(form));
		} else {
			const char *must = near->form ? near->form(value) : NULL;

			if (!must && p->thorough && near->machine)
				must = near->machine(value);
			if (!must) {
				note_origin(p, i);
				return 1;
			}
			snprintf(form, sizeof(form), "%s", must);
		}
		blame_line(p, "'%.60s' is not valid for %s: it must be %s", value, name, form);
		return 0;
	}
	if (near)
		blame_line(p, "key '%s' belongs into section [%s], not [%.40s]", name,
			   near->section, section);
	else
		blame_line(p, "there is no key '%.60s' in section [%.40s]", name, section);
	return 0;
}

/*
 * The file's bytes, which the caller frees. What is there may be a pipe that nobody writes to: only
 * @patient reads it, which is in a thread that nobody waits for without end. -EFBIG: there are more
 * than a file of settings has.
 */
static int read_bytes(const char *path, bool patient, char **ret, size_t *ret_n)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (patient ? 0 : O_NONBLOCK);
	_cleanup_(closep) int fd = open(path, flags);
	_cleanup_(freep) char *bytes = malloc(FILE_MAX_BYTES + 1);
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!bytes)
		return -ENOMEM;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!patient && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return -ESPIPE;
	while (n <= FILE_MAX_BYTES) {
		ssize_t got = read(fd, bytes + n, FILE_MAX_BYTES + 1 - n);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	if (n > FILE_MAX_BYTES)
		return -EFBIG;
	*ret = steal_pointer(bytes);
	*ret_n = n;
	return 0;
}

static int refuse_file(const char *path, int error, const struct settings_critic *critic,
		       struct failure *why)
{
	if (error == -EFBIG)
		fail(why, error, "%s: cannot be read: it has more than %u bytes", path,
		     FILE_MAX_BYTES);
	else if (error == -ESPIPE)
		fail(why, error, "%s: cannot be read: it is a pipe or a socket, not a file", path);
	else
		fail(why, error, "%s: cannot be read: %s", path, strerror(-error));
	if (critic && error != -ENOENT)
		critic->tell(critic->userdata, why->text);
	return error;
}

static int load_file(const char *path, struct settings *s, struct origins *origins,
		     const struct settings_critic *critic, bool thorough, struct failure *why)
{
	struct parse p = { .path = path,
			   .origins = origins,
			   .settings = s,
			   .critic = critic,
			   .thorough = thorough };
	_cleanup_(freep) char *bytes = NULL;
	size_t n = 0;
	int r = read_bytes(path, thorough && !critic, &bytes, &n);

	if (r < 0)
		return refuse_file(path, r, critic, why);
	p.file = fmemopen(bytes, n, "r");
	if (!p.file)
		return refuse_file(path, -errno, critic, why);
	r = ini_parse_stream(on_line, &p, on_key, &p);
	free(p.raw);
	fclose(p.file);
	if (r < 0 || p.error)
		return refuse_file(path, r < 0 ? -ENOMEM : -p.error, critic, why);
	if (r == 0 && !p.failed)
		return 0;
	return fail(why, -EINVAL, "%s:%d: %s", path, p.failed ? p.failed : r,
		    p.failed ? p.failure.text : "it cannot be read");
}

/* All of them are read, so that each error is told; the first one counts. */
static int load_directory(const char *file, struct settings *s, struct origins *origins,
			  const struct settings_critic *critic, bool thorough, struct failure *why)
{
	char copy[PATH_MAX], pattern[PATH_MAX + 16];
	glob_t found = { 0 };
	int r = 0;

	snprintf(copy, sizeof(copy), "%s", file);
	snprintf(pattern, sizeof(pattern), "%s/conf.d/*.conf", dirname(copy));
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && (r >= 0 || critic); i++) {
			struct failure other;
			int one = load_file(found.gl_pathv[i], s, origins, critic, thorough,
					    r < 0 ? &other : why);

			r = r < 0 ? r : one;
		}
	globfree(&found);
	return r;
}

/*
 * What is by default, and nobody has set, can be of no use here. That is no error: who does without
 * it, as with spawn=direct, has nothing to set.
 */
static void judge_defaults(const struct settings *s, const struct origins *origins,
			   const char *file, const struct settings_critic *critic)
{
	struct failure one;

	for (size_t i = 0; i < N_KEYS; i++) {
		const struct key *k = &keys[i];
		const char *text = (const char *)s + k->offset;
		const char *must = k->machine && !origins->key[i].line ? k->machine(text) : NULL;

		if (!must)
			continue;
		fail(&one, -EINVAL, "%s: note: '%s', the default of %s, is not %s", file, text,
		     k->name, must);
		critic->note(critic->userdata, one.text);
	}
}

/* @critic: NULL, or who is told of each error, and who is told of defaults that do not suit. */
static int load(const char *file, int must_exist, const struct settings_critic *critic,
		bool thorough, struct settings *ret, struct origins *origins, struct failure *why)
{
	struct failure other;
	struct settings s;
	int r, more;

	settings_default(&s);
	r = load_file(file, &s, origins, critic, thorough, why);
	if (r == -ENOENT && !must_exist)
		r = 0;
	if (r < 0 && !critic)
		return r;
	more = load_directory(file, &s, origins, critic, thorough, r < 0 ? &other : why);
	if (critic)
		judge_defaults(&s, origins, file, critic);
	if (r < 0 || more < 0)
		return r < 0 ? r : more;
	if (s.grace_msec > s.max_grace_msec)
		return refuse(origins, "grace_msec", "max_grace_msec", why,
			      "grace_msec (%llu) must not exceed max_grace_msec (%llu)",
			      (unsigned long long)s.grace_msec,
			      (unsigned long long)s.max_grace_msec);
	if (s.alignment & (s.alignment - 1))
		return refuse(
			origins, "alignment", "alignment", why,
			"alignment (%llu) must be 0 or a power of two: peers refuse any other",
			(unsigned long long)s.alignment);
	if (s.watchdog_msec && s.watchdog_msec < WATCHDOG_MIN_MSEC)
		return refuse(
			origins, "watchdog_msec", "watchdog_msec", why,
			"watchdog_msec (%llu) must be 0 or at least %d: on a busy machine a process can wait that long for a processor",
			(unsigned long long)s.watchdog_msec, WATCHDOG_MIN_MSEC);
	*ret = s;
	return 0;
}

int settings_load(const char *file, int must_exist, struct settings *ret, struct failure *why)
{
	struct origins origins = { 0 };

	return load(file, must_exist, NULL, false, ret, &origins, why);
}

/* As it would be written. */
static void print_value(const struct settings *s, const struct key *k, char *out, size_t size)
{
	static const char suffixes[] = "KMGT";
	uint64_t v = k->kind == KEY_TEXT ? 0 : *number_of((struct settings *)(uintptr_t)s, k);
	size_t suffix = 0;

	switch (k->kind) {
	case KEY_TEXT:
		snprintf(out, size, "%s", (const char *)s + k->offset);
		return;
	case KEY_WORD:
		snprintf(out, size, "%s", k->words[v]);
		return;
	case KEY_BYTES:
		while (v && v % 1024 == 0 && suffix < sizeof(suffixes) - 1) {
			v /= 1024;
			suffix++;
		}
		break;
	case KEY_NUMBER:
		break;
	}
	if (suffix)
		snprintf(out, size, "%llu%c", (unsigned long long)v, suffixes[suffix - 1]);
	else
		snprintf(out, size, "%llu", (unsigned long long)v);
}

int settings_each(const char *file, int must_exist, settings_told_t *tell, void *userdata,
		  struct failure *why)
{
	struct origins origins = { 0 };
	struct settings s;
	char value[512];
	int r = load(file, must_exist, NULL, false, &s, &origins, why);

	if (r < 0)
		return r;
	for (size_t i = 0; i < N_KEYS; i++) {
		const struct origin *o = &origins.key[i];

		print_value(&s, &keys[i], value, sizeof(value));
		tell(userdata, keys[i].section, keys[i].name, value, o->line ? o->file : NULL,
		     o->line);
	}
	return 0;
}

int settings_check(const char *file, int must_exist, const struct settings_critic *critic,
		   struct settings *ret, struct failure *why)
{
	struct origins origins = { 0 };
	struct settings s;
	struct failure matter;
	int r = load(file, must_exist, critic, true, &s, &origins, why);

	if (r < 0)
		return r;
	r = machine_deadline(s.max_grace_msec + s.deadline_margin_msec, &matter);
	if (r == 0)
		*ret = s;
	else if (origin_of(&origins, "max_grace_msec")->at ||
		 origin_of(&origins, "deadline_margin_msec")->at)
		refuse(&origins, "max_grace_msec", "deadline_margin_msec", why, "%s", matter.text);
	else /* by default it is so */
		fail(why, r, "%s: %s", file, matter.text);
	return r;
}
