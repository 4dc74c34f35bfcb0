// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-command.c - the command line that the daemon starts a keeper with: whatever a setting
 * may be, the keeper takes it; and each of the keeper's options is given.
 */
#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/settings.h"
#include "keeper/options.h"
#include "proxy/spawn.h"

static char directory[] = "/tmp/keeper-command-XXXXXX";

/* As the whole of rdmaregd.conf. */
static int load(const char *section, const char *key, const char *value, struct settings *ret,
		struct failure *why)
{
	char path[64];
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "%s/rdmaregd.conf", directory);
	f = fopen(path, "we");
	assert(f);
	fprintf(f, "[%s]\n%s = %s\n", section, key, value);
	assert(fclose(f) == 0);
	r = settings_load(path, 1, ret, why);
	assert(unlink(path) == 0);
	return r;
}

static struct session_limits limits_of(const struct settings *s)
{
	return (struct session_limits){ .regions = (uint32_t)s->regions_per_tenant,
					.peers = (uint32_t)s->peers_per_tenant,
					.tickets = (uint32_t)s->tickets_per_region };
}

static int parse(const struct settings *s, struct keeper_options *ret)
{
	const struct session_limits limits = limits_of(s);
	const struct spawn_request q = { .settings = s,
					 .program = "/keeper",
					 .uid = 1000,
					 .session = "s.1",
					 .limits = &limits };
	char **argv = spawn_command(&q);
	int argc = 0, r;

	assert(argv);
	while (argv[argc])
		argc++;
	assert(argc == 1 + 2 * (int)KEEPER_OPTION_COUNT);
	r = options_parse(ret, argc, argv);
	assert(r < 0 || !strcmp(ret->session, "s.1"));
	/* their texts are in it */
	ret->session = ret->listen_address = ret->device = ret->quirks_directory = NULL;
	free(argv);
	return r;
}

/* What a key may be, by the message that refuses more. False: it is no number. */
static bool find_bounds(const char *section, const char *key, char least[24], char most[24])
{
	static const char too_much[] = "99999999999999999999999", word[] = "must be a whole number";
	struct settings s;
	struct failure why;
	const char *at;

	if (load(section, key, too_much, &s, &why) == 0)
		return false;
	at = strstr(why.text, word);
	return at && sscanf(at + strlen(word), " from %23[0-9] to %23[0-9]", least, most) == 2;
}

/* Some settings only go together with others: what is refused is not what is looked for. */
static void test_bounds(void)
{
	unsigned int tried = 0;
	const char *section;

	for (size_t i = 0; i < settings_count(); i++) {
		const char *key = settings_key(i, &section);
		char bound[2][24];

		if (!find_bounds(section, key, bound[0], bound[1]))
			continue;
		for (int n = 0; n < 2; n++) {
			struct keeper_options o;
			struct settings s;
			struct failure why;

			if (load(section, key, bound[n], &s, &why) < 0)
				continue;
			if (parse(&s, &o) < 0)
				fprintf(stderr, "%s = %s\n", key, bound[n]);
			assert(parse(&s, &o) == 0);
			tried++;
		}
	}
	assert(tried > 50);
}

/* None is forgotten where the settings become options. */
static void test_complete(void)
{
	struct keeper_options o;
	struct spawn_request q = { .program = "/keeper", .uid = 1000, .session = "s.1" };
	struct session_limits limits;
	struct settings s;
	char **argv;

	settings_default(&s);
	assert(parse(&s, &o) == 0 && o.tenant_uid == 1000 && o.daemon_uid == geteuid());
	memset(&s, 1, sizeof(s));
	strcpy(s.listen_address, "a");
	strcpy(s.quirks_directory, "q");
	limits = limits_of(&s);
	q.settings = &s;
	q.limits = &limits;
	argv = spawn_command(&q);
	assert(argv && !strcmp(argv[0], "/keeper"));
	for (size_t i = 0; i < KEEPER_OPTION_COUNT; i++) {
		const char *name = keeper_option_list[i].name;

		assert(!strncmp(argv[1 + 2 * i], "--", 2) && !strcmp(argv[1 + 2 * i] + 2, name));
		if (strcmp(name, "daemon-uid") != 0)
			assert(strcmp(argv[2 + 2 * i], "0") != 0);
	}
	free(argv);
}

static void test_list(void)
{
	for (size_t i = 0; i < KEEPER_OPTION_COUNT; i++) {
		const struct keeper_option *w = &keeper_option_list[i];

		assert(strlen(w->name) <= 32 && *w->help);
		assert(w->size ? w->least <= w->number && w->number <= w->most : w->text != NULL);
		for (size_t k = 0; k < i; k++)
			assert(strcmp(w->name, keeper_option_list[k].name) != 0);
	}
}

int main(void)
{
	assert(mkdtemp(directory));
	test_list();
	test_bounds();
	test_complete();
	assert(rmdir(directory) == 0);
	return 0;
}
