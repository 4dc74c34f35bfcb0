// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe.c - see hca.h: the short part of the self-test, for an adapter of which nothing is known.
 *
 * What always holds: a check that cannot be run, or does not end in time, says the worst; nothing
 * of it is left afterwards.
 */
#include "keeper/hca/hca.h"
#include "selftest/selftest.h"
#include "util/log.h"
#include "util/macros.h"

void hca_probe(const struct hca *h, struct quirks *ret)
{
	static const enum check needed[] = { CHECK_ALIGNMENT, CHECK_MTU, CHECK_RIGHTS };
	struct selftest s = { .directory = NULL };
	struct finding f;

	hca_port(h, &s.context, &s.port);
	quirks_init(ret);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		selftest_run(&s, needed[i], &f);
		selftest_note(ret, needed[i], &f);
		if (f.verdict != VERDICT_OK)
			log_notice("self-test, %s: %s", check_name(needed[i]), f.text);
	}
}
