// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * import.c - asking rdmaregd for the adapter's context. What always holds: the descriptor that came
 * is closed with the message it was in.
 */
#include <inttypes.h>

#include "error.h"
#include "fields.h"
#include "import-verbs.h"
#include "options.h"
#include "region.h"

static const struct field handle_fields[] = {
	{ "pd_handle", FIELD_U32, 0, offsetof(struct import_handles, pd_handle) },
	{ "mr_handle", FIELD_U32, 0, offsetof(struct import_handles, mr_handle) },
	{ "address", FIELD_U64, 0, offsetof(struct import_handles, address) },
	{ "length", FIELD_U64, 0, offsetof(struct import_handles, length) },
	{ "rkey", FIELD_U32, 0, offsetof(struct import_handles, rkey) },
	{ "generation", FIELD_U32, 0, offsetof(struct import_handles, generation) },
};

_public_ int rdmareg_import(struct rdmareg_region *region,
			    const struct rdmareg_import_options *options,
			    struct rdmareg_imported **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct import_handles handles = { 0 };
	struct rdmareg_import_options o;
	int fd, r;

	NEED(region);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	r = context_new_call(region->context, region->id, "Import", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "importing region %" PRIu64, region->id);
	r = context_call(region->context, take_pointer(m), 0, &reply, "importing region %" PRIu64,
			 region->id);
	if (r < 0)
		return r;
	if (sd_bus_message_read_basic(reply, 'h', &fd) <= 0 ||
	    fields_read(reply, handle_fields, ARRAY_SIZE(handle_fields), &handles) < 0 ||
	    !handles.length)
		return fail(EBADMSG,
			    "importing region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    region->id);
	return import_open(region->id, fd, &handles, ret);
}
