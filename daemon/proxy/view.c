// SPDX-License-Identifier: GPL-2.0-or-later
/* view.c - what can be said of a proxy. */
#include "proxy/proxy.h"

struct proxy_note *proxy_note(struct proxy *k)
{
	return &k->note;
}

const char *proxy_name(const struct proxy *k)
{
	return k->name;
}

const char *proxy_trouble(const struct proxy *k)
{
	return k->estranged ? k->trouble : "";
}

bool proxy_is_foreign(const struct proxy *k)
{
	return *k->mismatch && k->record;
}

uint32_t proxy_uid(const struct proxy *k)
{
	return k->uid;
}

const char *proxy_session(const struct proxy *k)
{
	return k->session;
}
