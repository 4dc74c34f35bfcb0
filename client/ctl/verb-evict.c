// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-evict.c - an administrator takes down regions, whoever has them: those of a filesystem that
 * is to be unmounted (evict), or those above the limits (enforce-limits). And reload, which has
 * those limits read. What always holds: when it ends, neither rdmaregd nor this program has
 * anything of them open.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "ctl.h"
#include "shown.h"

struct options {
	uint64_t grace_usec;
	bool containing;
};

static const struct option_spec specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

static const struct option_spec evict_specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ "containing", ARG_FLAG, offsetof(struct options, containing), NULL,
	  "the path may be any file or folder of the filesystem" },
	{ NULL },
};

/* What is mounted where a path is. */
struct mount {
	char device[24];
	char *point, *type, *source;
};

static void mount_cleanup(struct mount *m)
{
	free(m->point);
	free(m->type);
	free(m->source);
}

/* By the number that statx(2) gives: no server is asked. What is not found is "?". */
static void find_mount(uint64_t id, struct mount *ret)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned long long number;
	char *line = NULL;
	const char *rest;
	size_t room = 0;

	*ret = (struct mount){ .device = "?" };
	while (f && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%llu", &number) != 1 || number != id)
			continue;
		sscanf(line, "%*u %*u %23s %*s %ms", ret->device, &ret->point);
		if ((rest = strstr(line, " - ")))
			sscanf(rest, " - %ms %ms", &ret->type, &ret->source);
		break;
	}
	free(line);
	if (f)
		fclose(f);
	ret->point = ret->point ? ret->point : strdup("?");
	ret->type = ret->type ? ret->type : strdup("?");
	ret->source = ret->source ? ret->source : strdup("?");
}

/*
 * Whoever goes on to unmount means this path, not the filesystem that is there when it is not
 * mounted.
 */
static int check_mount(const char *path, int fd, bool containing, struct mount *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
		return ctl_error(EXIT_FAILED, "looking at %s: %s", path, strerror(errno));
	find_mount(st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0, ret);
	if (containing || (st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return EXIT_OK;
	return ctl_error(
		EXIT_USAGE,
		"%s is not a mount point: it lies on %s (%s), which is mounted at %s, and every region there "
		"would be taken down: give --containing if that is meant",
		path, ret->source, ret->type, ret->point);
}

/* @on: NULL: it was no filesystem's regions. */
static int print_count(const struct ctl *ctl, uint32_t regions, const struct mount *on)
{
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "regions", json_object_new_uint64(regions));
		if (on) {
			json_object_object_add(j, "filesystem", json_object_new_string(on->type));
			json_object_object_add(j, "source", json_object_new_string(on->source));
			json_object_object_add(j, "device", json_object_new_string(on->device));
			json_object_object_add(j, "mount_point", json_object_new_string(on->point));
		}
		ctl_print_json(j);
		return EXIT_OK;
	}
	if (on) {
		_cleanup_(text_cleanup) char *source = shown_copy(on->source);
		_cleanup_(text_cleanup) char *point = shown_copy(on->point);

		printf("%s (%s, %s) mounted at %s: ", source ? source : "?", on->type, on->device,
		       point ? point : "?");
	}
	printf("%" PRIu32 " region%s taken down\n", regions, regions == 1 ? "" : "s");
	return EXIT_OK;
}

static int run_evict(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_evict_options eo = { .size = sizeof(eo), .grace_usec = o->grace_usec };
	_cleanup_(mount_cleanup) struct mount on = { 0 };
	struct rdmareg *context;
	uint32_t regions = 0;
	int fd, r;

	(void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = ctl_open_path(arguments[0], &fd);
	if (r)
		return r;
	r = check_mount(arguments[0], fd, o->containing, &on);
	if (r) {
		close(fd);
		return r;
	}
	agent_begin();
	r = rdmareg_evict(context, fd, &eo, &regions);
	close(fd);
	return r < 0 ? ctl_failed(r) : print_count(ctl, regions, &on);
}

static int run_enforce(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_evict_options eo = { .size = sizeof(eo), .grace_usec = o->grace_usec };
	struct rdmareg *context;
	uint32_t regions = 0;
	int r;

	(void)arguments, (void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = rdmareg_enforce_limits(context, &eo, &regions);
	return r < 0 ? ctl_failed(r) : print_count(ctl, regions, NULL);
}

const struct verb verb_evict = {
	"evict", "MOUNTPOINT", "take down all regions of a filesystem", evict_specs, 1, 1, run_evict
};
const struct verb verb_enforce_limits = {
	"enforce-limits", "", "take down regions above the limits", specs, 0, 0, run_enforce
};

static int run_reload(struct ctl *ctl, const void *options, char **arguments, int n)
{
	(void)options, (void)arguments, (void)n;
	return ctl_request(ctl, rdmareg_reload);
}

const struct verb verb_reload = { "reload",  "", "have rdmaregd read its settings again",
				  NULL,	     0,	 0,
				  run_reload };
