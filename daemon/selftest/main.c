// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - rdmareg-selftest: tests RDMA devices, prints what was found, and, as root, keeps it for
 * rdmaregd.
 *
 * Exit status: 0 every device that was asked about can be used, 1 one cannot, 2 wrong usage, 4 a
 * device may not be opened, 77 there is no device.
 */
#include "config.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/print.h"
#include "selftest/supervise.h"
#include "util/clock.h"
#include "util/output.h"
#include "util/program.h"

#define CHECK_USEC (45 * USEC_PER_SEC)
#define EXIT_USAGE 2
#define EXIT_DENIED 4
#define EXIT_NO_DEVICE 77

static struct kernel_faults faults;

struct choices {
	const char *directory;
	const char *cache;
	bool json, no_legend, no_save, if_stale;
};

#define AT(member) offsetof(struct choices, member)

static const struct program_option options[] = {
	{ "directory", 0, OPTION_TEXT, AT(directory), "DIR",
	  "make the files for it there; - : in memory (default /var/tmp)" },
	{ "cache", 0, OPTION_TEXT, AT(cache), "DIR",
	  "keep the findings there, as root (default " CACHEDIR ")" },
	{ "no-save", 0, OPTION_FLAG, AT(no_save), NULL, "do not keep them" },
	{ "if-stale", 0, OPTION_FLAG, AT(if_stale), NULL,
	  "only devices of which nothing current is known" },
	{ "json", 0, OPTION_FLAG, AT(json), NULL, "print JSON, a line for each device" },
	{ "no-legend", 0, OPTION_FLAG, AT(no_legend), NULL, "print no headings" },
	{ NULL },
};

static const struct program program = {
	"rdmareg-selftest", "[DEVICE...]",
	"Finds out whether RDMA devices can be used by rdmaregd, and what they must be held to. "
	"Default: all devices.",
	options
};

static void save(const struct choices *o, const struct report *r)
{
	int error;

	if (o->no_save || r->failure.code)
		return;
	if (!report_is_lasting(r)) {
		fprintf(stderr,
			"rdmareg-selftest: %s: not kept, since not everything could be tried\n",
			r->quirks.of.device);
		return;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "rdmareg-selftest: %s: not kept for rdmaregd: that requires root\n",
			r->quirks.of.device);
		return;
	}
	error = quirks_save(o->cache, &r->quirks);
	if (error < 0)
		fprintf(stderr, "rdmareg-selftest: %s: cannot be kept in %s: %s\n",
			r->quirks.of.device, o->cache, strerror(-error));
}

/* What the kernel is known for, as far as this machine has it. */
static void find_faults(const struct choices *o)
{
	struct stat st;

	if (stat(o->directory, &st) == 0)
		faults.tried_on = st.st_dev;
	faults.n = fsdax_list("/proc/self/mounts", "/sys", faults.item, FSDAX_MAX);
}

static bool is_known(const struct choices *o, const char *device)
{
	struct quirks known;
	struct failure why;

	if (quirks_load(QUIRKS_SYSFS, o->cache, device, &known, &why) == 0)
		return true;
	fprintf(stderr, "rdmareg-selftest: %s\n", why.text);
	return false;
}

static int test(const struct choices *o, const char *device)
{
	struct quirks_identity id;
	struct report r;
	char why[300];
	int error;

	if (o->if_stale && is_known(o, device))
		return EXIT_SUCCESS;
	supervise(device, strcmp(o->directory, "-") ? o->directory : NULL, CHECK_USEC, &r);
	if (quirks_identify(QUIRKS_SYSFS, device, &id) < 0) {
		fprintf(stderr, "rdmareg-selftest: there is no RDMA device %.60s; see: rdma link\n",
			device);
		return EXIT_NO_DEVICE;
	}
	r.quirks.of = id;
	if (r.replaced.verdict != VERDICT_NOT_RUN)
		faults.tried = r.replaced;
	error = o->json ? print_json(&r, &faults) : print_table(&r, !o->no_legend);
	fflush(stdout);
	if (error < 0)
		fprintf(stderr, "rdmareg-selftest: printing: %s\n", strerror(-error));
	save(o, &r);
	if (r.failure.code == -EACCES || r.failure.code == -EPERM)
		fprintf(stderr,
			"rdmareg-selftest: %s: it requires root, or the right to open the device\n",
			device);
	if (r.failure.code == -EACCES || r.failure.code == -EPERM)
		return EXIT_DENIED;
	return report_is_good(&r, why, sizeof(why)) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int test_all(const struct choices *o)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	int worst = EXIT_SUCCESS;

	if (!list || !list[0]) {
		fprintf(stderr,
			"rdmareg-selftest: this machine has no RDMA device; see: rdma link\n");
		worst = EXIT_NO_DEVICE;
	}
	for (size_t i = 0; list && list[i]; i++) {
		int status = test(o, ibv_get_device_name(list[i]));

		worst = status > worst ? status : worst;
	}
	if (list)
		ibv_free_device_list(list);
	return worst;
}

static int run(int argc, char *argv[])
{
	struct choices o = { .directory = "/var/tmp", .cache = CACHEDIR };
	int first, worst, r = program_parse(&program, &o, argc, argv, &first);

	if (r)
		return r == PROGRAM_E_TOLD ? EXIT_SUCCESS : EXIT_USAGE;
	find_faults(&o);
	worst = first == argc ? test_all(&o) : EXIT_SUCCESS;
	for (int i = first; i < argc; i++) {
		int status = test(&o, argv[i]);

		worst = status > worst ? status : worst;
	}
	if (!o.json && !o.no_legend)
		print_faults(&faults);
	return worst;
}

int main(int argc, char *argv[])
{
	return output_end(program.name, run(argc, argv));
}
