// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * holders.c - who has a file registered or uses such a region. A list as in answer.h.
 */
#include "answer.h"
#include "bus.h"
#include "error.h"
#include "fields.h"
#include "options.h"

struct rdmareg_holders {
	struct answer answer;
};

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_holder, key, kind, member)
#define WORD(key, vocabulary, member) \
	FIELD_WORD_INTO(struct rdmareg_holder, key, vocabulary, member)
	INTO("region", FIELD_U64, region),
	WORD("kind", WORDS_HOLDER_KIND, kind),
	INTO("uid", FIELD_U32, uid),
	INTO("session", FIELD_TEXT, session),
	INTO("pid", FIELD_U32, pid),
	INTO("cgroup", FIELD_TEXT, cgroup),
	INTO("address", FIELD_TEXT, address),
	WORD("access", WORDS_ACCESS, access),
	INTO("since_usec", FIELD_U64, since_usec),
	INTO("revocation", FIELD_U64, asked.id),
	WORD("cause", WORDS_CAUSE, asked.cause),
	INTO("offset", FIELD_U64, asked.offset),
	INTO("length", FIELD_U64, asked.length),
	INTO("deadline_usec", FIELD_U64, asked.deadline_usec),
	INTO("asker_pid", FIELD_U32, asker_pid),
	INTO("asker_process_uid", FIELD_U32, asker_uid),
	INTO("asker_comm", FIELD_TEXT, asker_comm),
	INTO("asker_cgroup", FIELD_TEXT, asker_cgroup),
	INTO("asker_other_user", FIELD_BOOL, asker_other_user),
#undef WORD
#undef INTO
};

_public_ struct rdmareg_holders *rdmareg_holders_free(struct rdmareg_holders *h)
{
	return answer_free(h);
}

_public_ int rdmareg_find_holders(struct rdmareg *c, int fd, struct rdmareg_holders **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct answer *a;
	char name[FD_NAME_BYTES];
	int r;

	NEED(c);
	NEED(ret);
	fd_name(fd, name);
	if (fd < 0)
		return fail(EBADF, "looking for holders of descriptor %d: it is not an open file",
			    fd);
	r = context_new_call(c, 0, "FindHolders", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "h", fd);
	if (r < 0)
		return fail_bus(NULL, r, "looking for holders of %s", name);
	r = answer_new(c, take_pointer(m), &a, "looking for holders of %s", name);
	if (r >= 0)
		*ret = (struct rdmareg_holders *)a;
	return r;
}

static int read_holder(sd_bus_message *m, void *into)
{
	const struct rdmareg_holder *h = into;
	int r = fields_read(m, known, ARRAY_SIZE(known), into);

	return r < 0 || !h->region ? -EBADMSG : 0;
}

_public_ int rdmareg_holders_next(struct rdmareg_holders *h, struct rdmareg_holder *holder)
{
	struct rdmareg_holder read = { .session = "",
				       .cgroup = "",
				       .address = "",
				       .asker_uid = RDMAREG_NO_UID,
				       .asker_comm = "",
				       .asker_cgroup = "" };

	NEED(h);
	return answer_next(&h->answer, read_holder, &read, sizeof(read), holder,
			   "reading the holders of a file");
}
