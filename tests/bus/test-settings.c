// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-settings.c - the settings file: what is documented is what there is and what it defaults to; each
 * error names file and line; a daemon that is told to read a bad file goes on as before.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arbiter/settings.h"
#include "harness.h"

static char directory[64];

static void path_of(const char *name, char out[static 256])
{
	snprintf(out, 256, "%s/%s", directory, name);
}

static void write_text(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	path_of(name, path);
	f = fopen(path, "we");
	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_file(const char *name)
{
	char path[256];

	path_of(name, path);
	check(unlink(path) == 0);
}

static int load(struct settings *s, char *error, size_t size)
{
	char path[256];

	path_of("rdmaregd.conf", path);
	memset(s, 0xa5, sizeof(*s));
	return settings_load(path, 0, s, error, size);
}

/* The documented file with every key in force gives the defaults, and has every key. */
static void test_documented(void)
{
	struct settings defaults, documented;
	char line[512], error[600];
	size_t keys = 0;
	FILE *in = fopen(getenv("RDMAREG_CONFIG"), "re"), *out;
	char path[256];

	path_of("rdmaregd.conf", path);
	out = fopen(path, "we");
	check(in && out);
	while (fgets(line, sizeof(line), in)) {
		bool is_key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && strstr(line, " = ");

		keys += is_key;
		check(fputs(line + is_key, out) >= 0);
	}
	fclose(in);
	check(fclose(out) == 0);
	check(keys == settings_count());
	if (load(&documented, error, sizeof(error)) < 0)
		check_text(error, "");
	settings_default(&defaults);
	check(!memcmp(&defaults, &documented, sizeof(defaults)));
	remove_file("rdmaregd.conf");
	check(load(&documented, error, sizeof(error)) == 0 &&
	      !memcmp(&defaults, &documented, sizeof(defaults)));
}

/* @text as the file: refused, with this line number and these words; nothing is touched. */
static void refuse(const char *file, const char *text, int line, const char *mentions)
{
	struct settings s, untouched;
	char error[600] = "", start[300];

	memset(&untouched, 0xa5, sizeof(untouched));
	write_text(file, text);
	check(load(&s, error, sizeof(error)) < 0);
	check(!memcmp(&s, &untouched, sizeof(s)));
	if (line)
		snprintf(start, sizeof(start), "%s/%s:%d: ", directory, file, line);
	else
		snprintf(start, sizeof(start), "%s/", directory);
	if (strncmp(error, start, strlen(start)) || !strstr(error, mentions))
		check_text(error, mentions);
	remove_file(file);
}

static void test_errors(void)
{
	char text[1024], path[256];

	refuse("rdmaregd.conf", "[limits]\nkeepers = 0\n", 2, "from 1 to 65536");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 65537\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\nkeepers = -1\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 99999999999999999999999\n", 2, "keepers");
	refuse("rdmaregd.conf", "[limits]\n\n; x\nkeepers = 12x\n", 4, "'12x'");
	refuse("rdmaregd.conf", "[limits]\nkeepers =\n", 2, "''");
	refuse("rdmaregd.conf", "[limits]\nkeepers = 1K\n", 2, "'1K'");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 1P\n", 2, "K, M, G or T");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 99999999T\n", 2, "bytes_per_tenant");
	refuse("rdmaregd.conf", "[limits]\nbytes_per_tenant = 1KK\n", 2, "bytes_per_tenant");
	refuse("rdmaregd.conf", "[daemon]\nlog_level = loud\n", 2, "warning notice");
	refuse("rdmaregd.conf", "[keepers]\nspawn = yes\n", 2, "auto direct systemd");
	refuse("rdmaregd.conf", "[keepers]\ngroup = a b\n", 2, "without blanks");
	refuse("rdmaregd.conf", "[keepers]\nkeepers = 3\n", 2, "[limits], not [keepers]");
	refuse("rdmaregd.conf", "keepers = 3\n", 1, "[limits], not []");
	refuse("rdmaregd.conf", "[limit]\nfoo = 3\n", 2, "no key 'foo'");
	refuse("rdmaregd.conf", "[limits]\nkeepers 3\n", 2, "neither");
	refuse("rdmaregd.conf", "[limits\nkeepers = 3\n", 1, "neither");
	refuse("rdmaregd.conf", "[limits]\nfoo = 1\nkeepers 3\n", 2, "no key 'foo'");
	refuse("rdmaregd.conf", "[limits]\nkeepers 3\nfoo = 1\n", 2, "neither");
	refuse("rdmaregd.conf", "[regions]\ngrace_msec = 10\nmax_grace_msec = 9\n", 0, "must not exceed");
	memset(text, 'x', sizeof(text));
	memcpy(text, "[limits]\n", 9);
	text[sizeof(text) - 1] = 0;
	refuse("rdmaregd.conf", text, 2, "longer than");

	path_of("conf.d", path);
	check(mkdir(path, 0755) == 0);
	refuse("conf.d/10.conf", "[limits]\nkeepers = x\n", 2, "'x'");
	path_of("rdmaregd.conf", path);
	check(mkdir(path, 0755) == 0);
	{
		struct settings s;
		char error[600];

		check(load(&s, error, sizeof(error)) < 0 && strstr(error, "cannot be read"));
		check(rmdir(path) == 0);
		check(settings_load(path, 1, &s, error, sizeof(error)) < 0 && strstr(error, "No such file"));
	}
}

static void test_order(void)
{
	struct settings s;
	char error[600], path[256];

	write_text("rdmaregd.conf", "[limits]\nkeepers = 1\nregions_per_tenant = 1\ntenants_per_uid=1\n");
	write_text("conf.d/10.conf", "[limits]\nkeepers = 2 ; comment\nregions_per_tenant = 2\n");
	write_text("conf.d/20.conf", "# comment\n[limits]\nkeepers = 3\nbytes_per_tenant = 2G\n");
	write_text("conf.d/30.conf.bak", "nonsense");
	check(load(&s, error, sizeof(error)) == 0);
	check(s.keepers == 3 && s.regions_per_tenant == 2 && s.tenants_per_uid == 1 &&
	      s.bytes_per_tenant == 2ull << 30);
	remove_file("rdmaregd.conf");
	remove_file("conf.d/10.conf");
	remove_file("conf.d/20.conf");
	remove_file("conf.d/30.conf.bak");
	path_of("conf.d", path);
	check(rmdir(path) == 0);
}

/* The daemon: a good file counts at once, a bad one changes nothing. */
static void test_reload(void)
{
	struct world w;
	sd_bus *b;

	world_begin(&w, "[limits]\nregions_per_tenant = 11\n");
	b = connect_client(&w);
	check(get_manager_number(b, "MaxRegionsPerTenant") == 11);
	world_write_settings(&w, "[limits]\nregions_per_tenant = 12\n");
	check(kill(w.daemon, SIGHUP) == 0);
	until(get_manager_number(b, "MaxRegionsPerTenant") == 12);
	world_write_settings(&w, "[regions]\ngrace_msec = 1\n[limits]\nregions_per_tenant = many\n");
	check(kill(w.daemon, SIGHUP) == 0);
	until(world_log_contains(&w, "rdmaregd.conf:10: 'many' is no value"));
	check(get_manager_number(b, "MaxRegionsPerTenant") == 12 &&
	      get_manager_number(b, "GraceUSec") == 1000000);
	disconnect(b);
	world_end(&w);
}

int main(void)
{
	strcpy(directory, "/tmp/rdmareg-settings-XXXXXX");
	check(mkdtemp(directory));
	test_documented();
	test_errors();
	test_order();
	check(rmdir(directory) == 0);
	test_reload();
	return 0;
}
