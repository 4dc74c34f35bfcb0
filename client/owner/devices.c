// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * devices.c - what this machine has. What always holds: the answer is kept whole and read as the
 * caller goes on; it stands alone, so it may outlive its context.
 */
#include "answer.h"
#include "bus.h"
#include "error.h"
#include "fields.h"
#include "options.h"

struct rdmareg_devices {
	struct answer answer;
};

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_device, key, kind, member)
	INTO("kind", FIELD_TEXT, kind),
	INTO("name", FIELD_TEXT, name),
	INTO("path", FIELD_TEXT, path),
	INTO("mode", FIELD_TEXT, mode),
	INTO("unusable", FIELD_TEXT, unusable),
	INTO("size", FIELD_U64, bytes),
	INTO("available", FIELD_U64, available_bytes),
	INTO("alignment", FIELD_U64, alignment),
	INTO("dax_region", FIELD_U32, dax_region),
	INTO("node", FIELD_U32, node),
	INTO("dynamic", FIELD_BOOL, dynamic),
	INTO("driver", FIELD_TEXT, driver),
	INTO("firmware", FIELD_TEXT, firmware),
	INTO("netdev", FIELD_TEXT, netdev),
	INTO("mtu", FIELD_U64, mtu),
	INTO("abilities", FIELD_TEXT, abilities),
	INTO("quirks", FIELD_TEXT, quirks),
#undef INTO
};

_public_ struct rdmareg_devices *rdmareg_devices_free(struct rdmareg_devices *d)
{
	if (!d)
		return NULL;
	sd_bus_message_unref(d->answer.message);
	free(d);
	return NULL;
}

_public_ int rdmareg_list_devices(struct rdmareg *c, struct rdmareg_devices **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_devices *d;
	int r;

	NEED(c);
	NEED(ret);
	r = context_new_call(c, 0, "ListDevices", &m);
	if (r < 0)
		return r;
	r = context_call(c, take_pointer(m), 0, &reply, "listing devices");
	if (r < 0)
		return r;
	if (sd_bus_message_enter_container(reply, 'a', "a{sv}") <= 0)
		return fail(
			EBADMSG,
			"listing devices: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	d = calloc(1, sizeof(*d));
	if (!d)
		return fail(ENOMEM, "listing devices: out of memory");
	d->answer.message = take_pointer(reply);
	*ret = d;
	return 0;
}

static int read_device(sd_bus_message *m, void *into)
{
	const struct rdmareg_device *d = into;
	int r = fields_read(m, known, ARRAY_SIZE(known), into);

	return r < 0 || !*d->kind || !*d->name ? -EBADMSG : 0;
}

_public_ int rdmareg_devices_next(struct rdmareg_devices *d, struct rdmareg_device *device)
{
	struct rdmareg_device read = { .kind = "",
				       .name = "",
				       .path = "",
				       .mode = "",
				       .unusable = "",
				       .node = UINT32_MAX,
				       .driver = "",
				       .firmware = "",
				       .netdev = "",
				       .abilities = "",
				       .quirks = "" };
	int r;

	NEED(d);
	r = struct_out_check(device);
	if (r >= 0)
		r = answer_next(&d->answer, read_device, &read, "reading the list of devices");
	if (r > 0)
		struct_out(device, &read, sizeof(read));
	return r;
}
