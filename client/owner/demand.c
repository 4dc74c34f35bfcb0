// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * demand.c - wanting blocks back on purpose: revoke and restore, sync, evict, enforce limits; and
 * reload. What always holds: these calls wait as long as holders and storage may take, so the
 * context's work timeout bounds them, not the bus's.
 */
#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "fields.h"
#include "options.h"
#include "region.h"

static int call_slowly(struct rdmareg_region *region, sd_bus_message **m,
		       sd_bus_message **ret_reply, const char *what)
{
	return context_call(region->context, take_pointer(*m), region->context->work_timeout_usec,
			    ret_reply, "%s region %" PRIu64, what, region->id);
}

_public_ int rdmareg_revoke(struct rdmareg_region *region,
			    const struct rdmareg_revoke_options *options, uint64_t *ret_revocation)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_revoke_options o;
	uint64_t revocation;
	int r;

	NEED(region);
	NEED(ret_revocation); /* without its number it could not be restored */
	r = struct_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (o.length > UINT64_MAX - o.offset)
		return fail(ERANGE,
			    "revoking %" PRIu64 " bytes at %" PRIu64 " of region %" PRIu64
			    ": the range overflows",
			    o.length, o.offset, region->id);
	r = context_new_call(region->context, region->id, "Revoke", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	option_append_grace(m, &r, o.grace_usec);
	if (o.offset)
		option_append(m, &r, "offset", "t", o.offset);
	if (o.length)
		option_append(m, &r, "length", "t", o.length);
	option_append_time(m, &r, "for_usec", o.for_usec);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "revoking region %" PRIu64, region->id);
	r = call_slowly(region, &m, &reply, "revoking");
	if (r < 0)
		return r;
	if (sd_bus_message_read_basic(reply, 't', &revocation) <= 0)
		return fail(EBADMSG,
			    "revoking region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    region->id);
	*ret_revocation = revocation;
	return 0;
}

_public_ int rdmareg_restore(struct rdmareg_region *region, uint64_t revocation)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	NEED(region);
	r = context_new_call(region->context, region->id, "Restore", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "t", revocation);
	if (r < 0)
		return fail_bus(NULL, r, "ending the revoke of region %" PRIu64, region->id);
	return call_slowly(region, &m, NULL, "ending the revoke of");
}

static const struct field sync_fields[] = {
	FIELD_INTO(struct rdmareg_sync_result, "revocation", FIELD_U64, revocation),
	FIELD_INTO(struct rdmareg_sync_result, "valid_length", FIELD_U64, valid_length),
	FIELD_WORD_INTO(struct rdmareg_sync_result, "durable", WORDS_DURABLE, durable),
};

_public_ int rdmareg_sync(struct rdmareg_region *region, const struct rdmareg_sync_options *options,
			  struct rdmareg_sync_result *result)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_sync_result read = { 0 };
	struct rdmareg_sync_options o;
	int r;

	NEED(region);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_out_check(result);
	if (r < 0)
		return r;
	r = context_new_call(region->context, region->id, "Sync", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	option_append_grace(m, &r, o.grace_usec);
	option_append_time(m, &r, "limit_usec", o.limit_usec);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "syncing region %" PRIu64, region->id);
	r = call_slowly(region, &m, &reply, "syncing");
	if (r < 0)
		return r;
	/* A daemon that cannot say where the data is has not said that it is anywhere. */
	if (fields_read(reply, sync_fields, ARRAY_SIZE(sync_fields), &read) < 0 || !read.durable)
		return fail(EBADMSG,
			    "syncing region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    region->id);
	return struct_out(result, &read, sizeof(read));
}

/* Evict of a descriptor's filesystem, or EnforceLimits with none. */
static int take_down(struct rdmareg *c, const char *method, int fd,
		     const struct rdmareg_evict_options *options, const char *what,
		     uint32_t *ret_regions)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_evict_options o;
	uint32_t regions;
	int r;

	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = context_new_call(c, 0, method, &m);
	if (r < 0)
		return r;
	if (fd >= 0)
		r = sd_bus_message_append(m, "h", fd);
	options_open(m, &r);
	option_append_grace(m, &r, o.grace_usec);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "%s", what);
	r = context_call(c, take_pointer(m), c->work_timeout_usec, &reply, "%s", what);
	if (r < 0)
		return r;
	if (sd_bus_message_read_basic(reply, 'u', &regions) <= 0)
		return fail(EBADMSG, "%s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    what);
	if (ret_regions)
		*ret_regions = regions;
	return 0;
}

_public_ int rdmareg_evict(struct rdmareg *c, int fd, const struct rdmareg_evict_options *options,
			   uint32_t *ret_regions)
{
	char name[FD_NAME_BYTES], what[FD_NAME_BYTES + 40];

	NEED(c);
	snprintf(what, sizeof(what), "evicting the filesystem of %s", fd_name(fd, name));
	if (fd < 0)
		return fail(EBADF, "%s: it is not an open file", what);
	return take_down(c, "Evict", fd, options, what, ret_regions);
}

_public_ int rdmareg_enforce_limits(struct rdmareg *c, const struct rdmareg_evict_options *options,
				    uint32_t *ret_regions)
{
	NEED(c);
	return take_down(c, "EnforceLimits", -1, options, "enforcing the limits", ret_regions);
}

_public_ int rdmareg_reload(struct rdmareg *c)
{
	sd_bus_message *m;
	int r;

	NEED(c);
	r = context_new_call(c, 0, "Reload", &m);
	if (r < 0)
		return r;
	return context_call(c, m, c->work_timeout_usec, NULL, "reading the settings again");
}
