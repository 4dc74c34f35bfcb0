/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.h - an answer of rdmaregd that is one list, kept whole and read entry by entry. What
 * always holds: it stands alone, so it may outlive its context; what is behind an entry that makes
 * no sense is unknown, so the reading ends there, and fails from then on.
 *
 * The library's lists of this kind (struct rdmareg_keepers and others) are a struct answer and
 * nothing else, and are made and freed here.
 */
#ifndef RDMAREG_CLIENT_ANSWER_H
#define RDMAREG_CLIENT_ANSWER_H

#include <stdbool.h>

#include "bus.h"

struct answer {
	sd_bus_message *message; /* positioned inside its array */
	bool broken;
};

/*
 * answer_new: send @m, whose answer is an array of a{sv}; @m is consumed whatever happens.
 * @format: what is asked, for the error sentence.
 */
int answer_new(struct rdmareg *c, sd_bus_message *m, struct answer **ret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * answer_take: of a reply that came, and that stands before its array of @entry. @reply is NULL
 * afterwards, if that went well.
 */
int answer_take(sd_bus_message **reply, const char *entry, struct answer **ret, const char *asked);

/* answer_free: @list is a struct answer, or NULL. Returns NULL, for any list. */
void *answer_free(void *list);

/*
 * answer_next: 1 with the next entry in the caller's structure, 0 at the end. @read: the entry at
 * the message's present position into @into, which has what holds where the entry says nothing;
 * negative: it makes no sense. @doing: "listing keepers", for the failure (-EBADMSG).
 */
int answer_next(struct answer *a, int (*read)(sd_bus_message *m, void *into), void *into,
		size_t into_bytes, void *caller, const char *doing);

#endif
