// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-revoke.c - see app-revoke.h.
 */
#include "arbiter/app-revoke.h"

#include <stdlib.h>

void revoke_free(struct revoke *v)
{
	if (v->client)
		LIST_REMOVE(v, of_client);
	LIST_REMOVE(v, of_app);
	free(v);
}

void app_end_revokes(struct app *a, uint64_t region)
{
	struct revoke *v, *next;

	for (v = LIST_FIRST(&a->revokes); v; v = next) {
		next = LIST_NEXT(v, of_app);
		if (v->region == region && v->revocation)
			revoke_free(v);
	}
}

void app_free_revokes(struct app *a)
{
	while (!LIST_EMPTY(&a->revokes))
		revoke_free(LIST_FIRST(&a->revokes));
}
