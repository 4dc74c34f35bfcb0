// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * devices.c - what this machine has. A list as in answer.h.
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
	return answer_free(d);
}

_public_ int rdmareg_list_devices(struct rdmareg *c, struct rdmareg_devices **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct answer *a;
	int r;

	NEED(c);
	NEED(ret);
	r = context_new_call(c, 0, "ListDevices", &m);
	if (r < 0)
		return r;
	r = answer_new(c, take_pointer(m), &a, "listing devices");
	if (r >= 0)
		*ret = (struct rdmareg_devices *)a;
	return r;
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

	NEED(d);
	return answer_next(&d->answer, read_device, &read, sizeof(read), device,
			   "reading the list of devices");
}
