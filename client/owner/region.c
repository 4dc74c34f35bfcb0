// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * region.c - regions as the owner handles them: register, look up, refresh, export, prefetch,
 * configure, release.
 *
 * What always holds: a handle is on its context's list from the moment it exists until it is freed;
 * it has read at least one answer, so its information is never empty; no call here changes it
 * except a complete new answer.
 */
#include <inttypes.h>
#include <stdio.h>

#include "region.h"

#include "error.h"
#include "options.h"

_public_ struct rdmareg_region *rdmareg_region_free(struct rdmareg_region *r)
{
	struct rdmareg_region **p;

	if (!r)
		return NULL;
	for (p = &r->context->regions; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	properties_clear(&r->properties);
	free(r);
	return NULL;
}

DEFINE_CLEANUP(struct rdmareg_region, rdmareg_region_free)

void regions_free_all(struct rdmareg *c)
{
	while (c->regions)
		rdmareg_region_free(c->regions);
}

int region_new(struct rdmareg *c, sd_bus_message *answer, struct rdmareg_region **ret)
{
	return region_new_as(c, false, answer, ret);
}

int region_new_as(struct rdmareg *c, bool values, sd_bus_message *answer,
		  struct rdmareg_region **ret)
{
	_cleanup_(rdmareg_region_free_cleanup) struct rdmareg_region *region =
		calloc(1, sizeof(*region));
	int r;

	if (!region)
		return fail(ENOMEM, "keeping a region: out of memory");
	region->context = c;
	region->next = c->regions;
	c->regions = region;
	r = values ? properties_read_values(&region->properties, answer)
		   : properties_read(&region->properties, answer);
	if (r < 0)
		return r;
	region->id = region->properties.info.id;
	*ret = take_pointer(region);
	return 0;
}

/* How a region is arbitrated: chosen when it is registered, or later. */
static int check_choices(const char *what, const char *which, enum rdmareg_policy policy,
			 enum rdmareg_arbitrate arbitration, enum rdmareg_warm_mode warm_mode)
{
	if ((unsigned int)policy > RDMAREG_POLICY_HOLD)
		return fail(EINVAL, "%s %s: invalid policy %d; valid: follow, yield, hold", what,
			    which, (int)policy);
	if ((unsigned int)arbitration > RDMAREG_ARBITRATE_PRE_CONTENT)
		return fail(EINVAL, "%s %s: invalid arbitration %d; valid: auto, pre-content", what,
			    which, (int)arbitration);
	if ((unsigned int)warm_mode > RDMAREG_WARM_WRITE)
		return fail(EINVAL,
			    "%s %s: invalid warm mode %d; valid: off, read, adaptive, write", what,
			    which, (int)warm_mode);
	return 0;
}

static void append_choices(sd_bus_message *m, int *r, enum rdmareg_policy policy,
			   uint64_t grace_usec, enum rdmareg_arbitrate arbitration,
			   enum rdmareg_warm_mode warm_mode)
{
	if (policy)
		option_append(m, r, "policy", "s", rdmareg_policy_name(policy));
	option_append_grace(m, r, grace_usec);
	if (arbitration)
		option_append(m, r, "arbitration", "s", rdmareg_arbitrate_name(arbitration));
	if (warm_mode)
		option_append(m, r, "warm_mode", "s", rdmareg_warm_mode_name(warm_mode));
}

/* What is wrong with a request before anybody is asked. @ret: its options. */
int region_check_request(const struct rdmareg_register_request *q,
			 struct rdmareg_register_options *ret, const char *name)
{
	int r = struct_in(ret, sizeof(*ret), q->options);

	if (r >= 0)
		r = struct_check_reserved(&ret->reserved2, sizeof(ret->reserved2));
	if (r < 0)
		return r;
	if (ret->standing > 1 || (ret->standing && !(ret->detached && ret->name)))
		return fail(EINVAL,
			    "registering %s: standing is 0, or 1 together with detached and a name",
			    name);
	if (ret->uid && !ret->for_uid)
		return fail(EINVAL, "registering %s: for uid %" PRIu32 ": set for_uid to 1 as well",
			    name, ret->uid);
	if (q->access != RDMAREG_ACCESS_READ && q->access != RDMAREG_ACCESS_READ_WRITE)
		return fail(EINVAL, "registering %s: the access is neither read nor read-write",
			    name);
	if (q->fd < 0)
		return fail(EBADF, "registering descriptor %d: it is not an open file", q->fd);
	return check_choices("registering", name, ret->policy, ret->arbitration, ret->warm_mode);
}

void region_append_request(sd_bus_message *m, int *r, const struct rdmareg_register_request *q,
			   const struct rdmareg_register_options *o, bool values)
{
	if (*r >= 0)
		*r = sd_bus_message_append(m, "htts", q->fd, q->offset, q->length,
					   rdmareg_access_name(q->access));
	options_open(m, r);
	append_choices(m, r, o->policy, o->grace_usec, o->arbitration, o->warm_mode);
	if (o->session)
		option_append(m, r, "session", "s", o->session);
	if (o->name)
		option_append(m, r, "name", "s", o->name);
	if (o->for_uid)
		option_append(m, r, "uid", "u", o->uid);
	if (o->detached)
		option_append(m, r, "detached", "b", 1);
	if (o->no_warm)
		option_append(m, r, "warm", "b", 0);
	if (o->standing)
		option_append(m, r, "standing", "b", 1);
	if (values)
		properties_append_option(m, r);
	options_close(m, r);
}

/* @values: without the names of properties, which an earlier rdmaregd refuses with -EINVAL. */
static int ask_to_register(struct rdmareg *c, const struct rdmareg_register_request *q,
			   const struct rdmareg_register_options *o, const char *name, bool values,
			   sd_bus_message **ret_reply)
{
	sd_bus_message *m = NULL;
	int r = context_new_call(c, 0, "RegisterRegion", &m);

	if (r < 0)
		return r;
	region_append_request(m, &r, q, o, values);
	if (r < 0) {
		sd_bus_message_unref(m);
		return fail_bus(NULL, r, "registering %s", name);
	}
	if (q->length)
		return context_call(c, m, c->work_timeout_usec, ret_reply,
				    "registering %" PRIu64 " bytes at offset %" PRIu64 " of %s",
				    q->length, q->offset, name);
	return context_call(c, m, c->work_timeout_usec, ret_reply,
			    "registering %s from offset %" PRIu64 " to its end", name, q->offset);
}

_public_ int rdmareg_register(struct rdmareg *c, int fd, uint64_t offset, uint64_t length,
			      enum rdmareg_access access,
			      const struct rdmareg_register_options *options,
			      struct rdmareg_region **ret)
{
	const struct rdmareg_register_request q = { fd, access, offset, length, options };
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	struct rdmareg_register_options o;
	char name[FD_NAME_BYTES];
	bool values;
	int r;

	NEED(c);
	NEED(ret);
	fd_name(fd, name);
	r = region_check_request(&q, &o, name);
	if (r < 0)
		return r;
	values = !c->by_names;
	r = ask_to_register(c, &q, &o, name, values, &reply);
	if (r == -EINVAL && values) { /* that option, or another one: then once more */
		values = false;
		r = ask_to_register(c, &q, &o, name, values, &reply);
		c->by_names = r >= 0;
	}
	if (r < 0)
		return r;
	r = sd_bus_message_skip(reply, "to");
	if (r < 0)
		return fail(EBADMSG,
			    "registering %s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    name);
	return region_new_as(c, values, reply, ret);
}

static int get_region(struct rdmareg *c, uint64_t id, sd_bus_message **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	int r;

	r = context_new_call(c, 0, "GetRegion", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "t", id);
	if (r < 0)
		return fail_bus(NULL, r, "looking up region %" PRIu64, id);
	r = context_call(c, take_pointer(m), 0, &reply, "looking up region %" PRIu64, id);
	if (r < 0)
		return r;
	if (sd_bus_message_skip(reply, "o") < 0)
		return fail(EBADMSG,
			    "looking up region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    id);
	*ret = take_pointer(reply);
	return 0;
}

_public_ int rdmareg_lookup(struct rdmareg *c, uint64_t id, struct rdmareg_region **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	int r;

	NEED(c);
	NEED(ret);
	r = get_region(c, id, &reply);
	if (r < 0)
		return r;
	return region_new(c, reply, ret);
}

_public_ int rdmareg_lookup_name(struct rdmareg *c, uint32_t uid, const char *session,
				 const char *name, struct rdmareg_region **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	int r;

	NEED(c);
	NEED(name);
	NEED(ret);
	if (uid == UINT32_MAX)
		uid = geteuid();
	if (!session)
		session = "default";
	r = context_new_call(c, 0, "GetRegionByName", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "uss", uid, session, name);
	if (r < 0)
		return fail_bus(NULL, r, "looking up region '%s'", name);
	r = context_call(c, take_pointer(m), 0, &reply, "looking up region '%.64s'", name);
	if (r < 0)
		return r;
	if (sd_bus_message_skip(reply, "o") < 0)
		return fail(
			EBADMSG,
			"looking up region '%.64s': rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			name);
	return region_new(c, reply, ret);
}

_public_ int rdmareg_region_refresh(struct rdmareg_region *region)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	int r;

	NEED(region);
	r = get_region(region->context, region->id, &reply);
	if (r < 0)
		return r;
	return properties_read(&region->properties, reply);
}

_public_ uint64_t rdmareg_region_id(const struct rdmareg_region *r)
{
	return r ? r->id : 0;
}

_public_ int rdmareg_region_get_info(struct rdmareg_region *r, struct rdmareg_region_info *info)
{
	NEED(r);
	return struct_out(info, &r->properties.info, sizeof(*info));
}

_public_ int rdmareg_export(struct rdmareg_region *region,
			    const struct rdmareg_export_options *options, char **ret_ticket)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_export_options o;
	const char *ticket;
	char *copy;
	int r;

	NEED(region);
	NEED(ret_ticket);
	r = struct_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if ((unsigned int)o.access > RDMAREG_ACCESS_READ_WRITE)
		return fail(EINVAL, "exporting region %" PRIu64 ": invalid access %d; valid: r, rw",
			    region->id, (int)o.access);
	r = context_new_call(region->context, region->id, "Export", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	if (o.access)
		option_append(m, &r, "access", "s", rdmareg_access_name(o.access));
	option_append_time(m, &r, "expires_usec", o.expires_usec);
	if (o.uses)
		option_append(m, &r, "uses", "u", o.uses);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "exporting region %" PRIu64, region->id);
	r = context_call(region->context, take_pointer(m), 0, &reply, "exporting region %" PRIu64,
			 region->id);
	if (r < 0)
		return r;
	if (sd_bus_message_read_basic(reply, 's', &ticket) < 0)
		return fail(EBADMSG,
			    "exporting region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    region->id);
	copy = strdup(ticket);
	if (!copy)
		return fail(ENOMEM, "exporting region %" PRIu64 ": out of memory", region->id);
	*ret_ticket = copy;
	return 0;
}

int region_call_prefetch(struct rdmareg_region *region, const char *member, uint64_t offset,
			 uint64_t length, int for_writing, uint64_t timeout_usec,
			 sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	r = context_new_call(region->context, region->id, member, &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "tt", offset, length);
	options_open(m, &r);
	if (for_writing)
		option_append(m, &r, "write", "b", 1);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "prefetching region %" PRIu64, region->id);
	if (!length)
		return context_call(region->context, take_pointer(m), timeout_usec, ret_reply,
				    "prefetching region %" PRIu64 " from %" PRIu64 " on",
				    region->id, offset);
	return context_call(region->context, take_pointer(m), timeout_usec, ret_reply,
			    "prefetching %" PRIu64 " bytes at %" PRIu64 " of region %" PRIu64,
			    length, offset, region->id);
}

_public_ int rdmareg_prefetch(struct rdmareg_region *region, uint64_t offset, uint64_t length,
			      int for_writing)
{
	NEED(region);
	return region_call_prefetch(region, "Prefetch", offset, length, for_writing,
				    region->context->work_timeout_usec, NULL);
}

_public_ int rdmareg_configure(struct rdmareg_region *region,
			       const struct rdmareg_configure_options *options)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct rdmareg_configure_options o;
	char number[24];
	int r;

	NEED(region);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(&o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	snprintf(number, sizeof(number), "%" PRIu64, region->id);
	r = check_choices("configuring region", number, o.policy, o.arbitration, o.warm_mode);
	if (r < 0)
		return r;
	r = context_new_call(region->context, region->id, "Configure", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	append_choices(m, &r, o.policy, o.grace_usec, o.arbitration, o.warm_mode);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "configuring region %" PRIu64, region->id);
	return context_call(region->context, take_pointer(m), region->context->work_timeout_usec,
			    NULL, "configuring region %" PRIu64, region->id);
}

_public_ int rdmareg_release(struct rdmareg_region *region)
{
	sd_bus_message *m;
	int r;

	NEED(region);
	r = context_new_call(region->context, region->id, "Release", &m);
	if (r < 0)
		return r;
	return context_call(region->context, m, region->context->work_timeout_usec, NULL,
			    "releasing region %" PRIu64, region->id);
}
