// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dax-devices.c - device-dax devices made and destroyed. What always holds: the descriptor handed
 * out is the caller's own, and closed on exec.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "bus.h"
#include "error.h"
#include "options.h"

_public_ int rdmareg_dax_create(struct rdmareg *c, uint64_t bytes,
				const struct rdmareg_dax_options *options, int *ret_fd,
				char **ret_path, uint64_t *ret_bytes)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_dax_options o;
	const char *path;
	uint64_t given;
	int fd, r;
	char *copy;

	NEED(c);
	NEED(ret_fd);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	r = context_new_call(c, 0, "CreateDaxDevice", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ut", o.has_region ? o.region : UINT32_MAX, bytes);
	options_open(m, &r);
	if (o.detached)
		option_append(m, &r, "detached", "b", 1);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "making a device of %" PRIu64 " bytes", bytes);
	r = context_call(c, take_pointer(m), c->work_timeout_usec, &reply,
			 "making a device of %" PRIu64 " bytes", bytes);
	if (r < 0)
		return r;
	if (sd_bus_message_read(reply, "sth", &path, &given, &fd) <= 0)
		return fail(
			EBADMSG,
			"making a device: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return fail(errno, "making a device: its descriptor cannot be kept: %m");
	copy = ret_path ? strdup(path) : NULL;
	if (ret_path && !copy) {
		close(fd);
		return fail(ENOMEM, "making a device: out of memory");
	}
	*ret_fd = fd;
	if (ret_path)
		*ret_path = copy;
	if (ret_bytes)
		*ret_bytes = given;
	return 0;
}

_public_ int rdmareg_dax_destroy(struct rdmareg *c, const char *path)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	NEED(c);
	NEED(path);
	r = context_new_call(c, 0, "DestroyDaxDevice", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "s", path);
	if (r < 0)
		return fail_bus(NULL, r, "destroying device %s", path);
	return context_call(c, take_pointer(m), c->work_timeout_usec, NULL, "destroying device %s",
			    path);
}
