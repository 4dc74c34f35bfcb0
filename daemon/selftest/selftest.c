// SPDX-License-Identifier: GPL-2.0-or-later
/* selftest.c - see selftest.h: runs one check in a rig of its own. */
#include "selftest/selftest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "selftest/rig.h"

#define TRIES 3 /* of a check that could not be made */

static check_run_t *const runs[_CHECK_MAX] = {
	[CHECK_ALIGNMENT] = check_alignment,
	[CHECK_MTU] = check_mtu,
	[CHECK_RIGHTS] = check_rights,
	[CHECK_FENCE] = check_fence,
	[CHECK_WRITEBACK] = check_writeback,
	[CHECK_TRUNCATE] = check_truncate,
	[CHECK_RNR] = check_rnr,
	[CHECK_SILENCE] = check_silence,
	[CHECK_ADVISE] = check_advise,
	[CHECK_ATOMICS] = check_atomics,
	[CHECK_FLUSH] = check_flush,
	[CHECK_WINDOWS] = check_windows,
	[CHECK_BOUNDS] = check_bounds,
	[CHECK_DC] = check_dc,
	[CHECK_KEYS] = check_keys,
};

void finding_set(struct finding *f, enum verdict verdict, const char *format, ...)
{
	va_list args;

	f->verdict = verdict;
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
}

static void run_once(const struct selftest *s, enum check c, struct finding *ret)
{
	struct failure why;
	struct rig r;

	*ret = (struct finding){ .verdict = VERDICT_NOT_RUN };
	if (c >= _CHECK_MAX)
		return;
	if (rig_open(&r, s->context, s->port, &why) < 0)
		finding_set(ret, VERDICT_NOT_RUN, "%s", why.text);
	else
		runs[c](s, &r, ret);
	rig_close(&r);
}

/* On a busy machine an adapter in software can be too late for its own retries: that says nothing of it. */
void selftest_run(const struct selftest *s, enum check c, struct finding *ret)
{
	for (int i = 0; i < TRIES; i++) {
		run_once(s, c, ret);
		if (ret->verdict != VERDICT_NOT_RUN)
			return;
	}
}

void selftest_note(struct quirks *q, enum check c, const struct finding *f)
{
	q->verdict[c] = (uint8_t)f->verdict;
	if (f->verdict == VERDICT_NOT_RUN || !f->value)
		return; /* the worst stays assumed */
	if (c == CHECK_ALIGNMENT)
		q->alignment = f->value;
	else if (c == CHECK_MTU)
		q->minimum_mtu = f->value;
}

int selftest_find_port(struct ibv_context *context, uint8_t *ret_port, uint32_t *ret_mtu)
{
	static const uint32_t needed = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	struct ibv_device_attr_ex attr = { 0 };
	struct ibv_port_attr port;

	if (ibv_query_device_ex(context, NULL, &attr))
		return -EIO;
	if (!(attr.odp_caps.general_caps & IBV_ODP_SUPPORT) ||
	    (attr.odp_caps.per_transport_caps.rc_odp_caps & needed) != needed)
		return -EOPNOTSUPP;
	for (uint8_t i = 1; i <= attr.orig_attr.phys_port_cnt && i; i++) {
		if (ibv_query_port(context, i, &port) || port.state != IBV_PORT_ACTIVE)
			continue;
		*ret_port = i;
		if (ret_mtu)
			*ret_mtu = 128u << port.active_mtu; /* IBV_MTU_256 is 1 */
		return 0;
	}
	return -ENETDOWN;
}
