// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-dax.c - a device-dax device for a command, or detached, and its end. What always holds: the
 * command gets the device as descriptor RDMAREG_DAX_FD; the device ends with the command, unless
 * something still has it open or mapped, and then with that.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "ctl.h"
#include "format.h"

struct options {
	const char *region;
};

static const struct option_spec specs[] = {
	{ "region", ARG_TEXT, offsetof(struct options, region), "N",
	  "in this DAX region (any with room)" },
	{ NULL },
};

static void print_device(const struct ctl *ctl, const char *path, uint64_t bytes)
{
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "path", json_object_new_string(path));
		json_object_object_add(j, "bytes", json_object_new_uint64(bytes));
		ctl_print_json(j);
	} else {
		puts(path);
	}
}

static _Noreturn void become(char **command, int fd, const char *path)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	setenv("RDMAREG_DAX_FD", number, 1);
	setenv("RDMAREG_DAX_PATH", path, 1);
	fcntl(fd, F_SETFD, 0);
	execvp(command[0], command);
	_exit(ctl_error(errno == ENOENT ? 127 : 126, "%s: %s", command[0], strerror(errno)));
}

static int run_command(char **command, int fd, const char *path)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		become(command, fd, path);
	close(fd);
	if (child < 0)
		return ctl_error(EXIT_FAILED, "starting %s: %s", command[0], strerror(errno));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_create(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_dax_options d = { .size = sizeof(d), .detached = n == 1 };
	_cleanup_(text_cleanup) char *path = NULL;
	uint64_t bytes, number = 0;
	struct rdmareg *context;
	int fd, r;

	if (parse_size(arguments[0], &bytes) < 0 || !bytes)
		return ctl_error(EXIT_USAGE, "%s is no size above 0; write it like 64M",
				 arguments[0]);
	if (o->region && (parse_number(o->region, &number) < 0 || number >= UINT32_MAX))
		return ctl_error(EXIT_USAGE,
				 "%s is not the number of a region; see: rdmaregctl devices",
				 o->region);
	d.has_region = o->region != NULL;
	d.region = (uint32_t)number;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = rdmareg_dax_create(context, bytes, &d, &fd, &path, &bytes);
	agent_end(); /* the terminal is the command's from now on */
	if (r < 0)
		return ctl_failed(r);
	if (n > 1)
		return run_command(arguments + 1, fd, path);
	close(fd);
	print_device(ctl, path, bytes);
	return EXIT_OK;
}

static int run_destroy(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct rdmareg *context;
	int r;

	(void)options, (void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_dax_destroy(context, arguments[0]);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

const struct verb verb_dax_create = { "dax-create",
				      "SIZE [-- COMMAND...]",
				      "create a device in a dynamic DAX region",
				      specs,
				      1,
				      1024,
				      run_create };
const struct verb verb_dax_destroy = { "dax-destroy", "PATH", "destroy such a device", NULL, 1, 1,
				       run_destroy };
