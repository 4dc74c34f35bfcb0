// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-session.c - sessions of users: create, list, show, set, drain, release. What always holds: a
 * session is named by its name and, if it is not the caller's own, by its user.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "format.h"
#include "model.h"
#include "table.h"
#include "verb-session.h"

int session_user(const char *text, uint32_t *ret)
{
	const struct passwd *p;
	uint64_t number;

	if (!text) {
		*ret = (uint32_t)geteuid();
		return 0;
	}
	p = getpwnam(text);
	if (p)
		number = p->pw_uid;
	else if (parse_number(text, &number) < 0 || number >= UINT32_MAX)
		return ctl_error(EXIT_USAGE, "there is no user %s", text);
	*ret = (uint32_t)number;
	return 0;
}

/* The user and the connection, which every verb but list begins with; asks for a password. */
static int begin(struct ctl *ctl, const char *user, uint32_t *ret_uid, struct rdmareg **ret)
{
	int r = session_user(user, ret_uid);

	if (r)
		return r;
	*ret = ctl_context(ctl, &r);
	if (!*ret)
		return r;
	agent_begin();
	return 0;
}

static int print(struct ctl *ctl, struct rdmareg *c, uint32_t uid, const char *name)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	int r = rdmareg_session_get(c, uid, name, &info);

	if (r < 0)
		return ctl_failed(r);
	table_show(ctl, model_session(&info));
	return EXIT_OK;
}

void session_say_unkept(uint64_t memory_bytes, const struct rdmareg_session_info *info)
{
	if (memory_bytes && memory_bytes != RDMAREG_BYTES_DEFAULT && !info->max_memory_bytes)
		ctl_error(
			EXIT_OK,
			"--max-memory is kept in mind, but limits nothing: keepers are not started by "
			"systemd, which would see to it; see spawn in rdmaregd.conf(5)");
}

/*
 * After it was changed. Who may change another's session may still not see it: what is known, then.
 * @memory_bytes: that was asked for; 0: none was.
 */
static int print_changed(struct ctl *ctl, struct rdmareg *c, uint32_t uid, const char *name,
			 uint64_t memory_bytes)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	int r = rdmareg_session_get(c, uid, name, &info);
	json_object *o;

	if (r >= 0) {
		o = model_session(&info);
	} else if (r == -ENXIO && uid != geteuid()) {
		o = json_object_new_object();
		json_object_object_add(o, "uid", json_object_new_uint64(uid));
		json_object_object_add(o, "name", json_object_new_string(name));
	} else {
		return ctl_failed(r);
	}
	if (r >= 0)
		session_say_unkept(memory_bytes, &info);
	table_show(ctl, o);
	return EXIT_OK;
}

struct limits_options {
	const char *user;
	struct rdmareg_session_limits limits;
};

static const struct option_spec create_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct limits_options, user), "USER",
	  "whose session it is (the caller's)" },
	{ "device", ARG_TEXT, offsetof(struct limits_options, limits.device), "DEVICE",
	  "RDMA device that its keepers use (rdmaregd.conf)" },
	SESSION_LIMITS_SPECS(struct limits_options, limits),
	{ NULL },
};

static const struct option_spec limits_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct limits_options, user), "USER",
	  "whose session it is (the caller's)" },
	SESSION_LIMITS_SPECS(struct limits_options, limits),
	{ NULL },
};

static int create(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct limits_options o = *(const struct limits_options *)options;
	struct rdmareg *c;
	uint32_t uid;
	int r;

	(void)n;
	r = begin(ctl, o.user, &uid, &c);
	if (r)
		return r;
	o.limits.size = sizeof(o.limits);
	r = rdmareg_session_create(c, uid, arguments[0], &o.limits);
	return r < 0 ? ctl_failed(r)
		     : print_changed(ctl, c, uid, arguments[0], o.limits.memory_bytes);
}

static int set(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct limits_options o = *(const struct limits_options *)options;
	const struct rdmareg_session_limits none = { .size = sizeof(none) };
	struct rdmareg *c;
	uint32_t uid;
	int r;

	(void)n;
	o.limits.size = sizeof(o.limits);
	if (!memcmp(&o.limits, &none, sizeof(none)))
		return ctl_error(EXIT_USAGE, "session set: nothing to change; give --max-regions, "
					     "--max-bytes, --max-peers, --max-tickets or "
					     "--max-memory");
	r = begin(ctl, o.user, &uid, &c);
	if (r)
		return r;
	r = rdmareg_session_set_limits(c, uid, arguments[0], &o.limits);
	return r < 0 ? ctl_failed(r)
		     : print_changed(ctl, c, uid, arguments[0], o.limits.memory_bytes);
}

struct named_options {
	const char *user;
};

static const struct option_spec named_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct named_options, user), "USER",
	  "whose session it is (the caller's)" },
	{ NULL },
};

static int show(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct named_options *o = options;
	struct rdmareg *c;
	uint32_t uid;
	int r;

	(void)n;
	r = begin(ctl, o->user, &uid, &c);
	return r ? r : print(ctl, c, uid, arguments[0]);
}

static int drain(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct named_options *o = options;
	struct rdmareg *c;
	uint32_t uid;
	int r;

	(void)n;
	r = begin(ctl, o->user, &uid, &c);
	if (r)
		return r;
	r = rdmareg_session_drain(c, uid, arguments[0]);
	return r < 0 ? ctl_failed(r) : print_changed(ctl, c, uid, arguments[0], 0);
}

struct list_options {
	const char *user;
	enum rdmareg_session_state state;
};

static const struct option_spec list_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct list_options, user), "USER", "only this user's" },
	{ "state", ARG_SESSION_STATE, offsetof(struct list_options, state), "STATE",
	  "only those in this state: active, draining, ended" },
	{ NULL },
};

static const struct column columns[] = {
	{ "uid", "USER", LOOK_USER, false },
	{ "name", "NAME", LOOK_PLAIN, false, 0, CUT_END },
	{ "state", "STATE", LOOK_STATE, false },
	{ "regions", "REGIONS", LOOK_PLAIN, true },
	{ "bytes", "BYTES", LOOK_SIZE, true, 3 },
	{ "peers", "PEERS", LOOK_PLAIN, true, 2 },
	{ "device", "DEVICE", LOOK_PLAIN, false, 4 },
	{ "memory_current", "MEMORY", LOOK_SIZE, true },
	{ "max_memory_bytes", "MAX", LOOK_LIMIT, true },
};

static const char *none_to_list(const struct list_options *o)
{
	if (o->user || o->state)
		return "no such sessions";
	return geteuid() ? "no sessions were created for this user; root sees those of everybody"
			 : "no sessions were created";
}

static int list(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct list_options *o = options;
	struct rdmareg_sessions_options so = { .size = sizeof(so),
					       .state = o->state,
					       .has_uid = o->user != NULL };
	struct rdmareg_session_info info = { .size = sizeof(info) };
	struct rdmareg_sessions *walk;
	json_object *sessions;
	struct rdmareg *c;
	int r, status = session_user(o->user, &so.uid);

	(void)arguments, (void)n;
	if (status)
		return status;
	c = ctl_context(ctl, &status);
	if (!c)
		return status;
	r = rdmareg_list_sessions(c, &so, &walk);
	if (r < 0)
		return ctl_failed(r);
	sessions = json_object_new_array();
	while ((r = rdmareg_sessions_next(walk, &info)) > 0)
		json_object_array_add(sessions, model_session(&info));
	if (r < 0)
		status = ctl_failed(r);
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), sessions,
				     none_to_list(o));
	json_object_put(sessions);
	rdmareg_sessions_free(walk);
	return status;
}

struct release_options {
	const char *user;
	uint64_t grace_usec, limit_usec;
	bool if_exists;
};

static const struct option_spec release_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct release_options, user), "USER",
	  "whose session it is (the caller's)" },
	{ "grace", ARG_GRACE, offsetof(struct release_options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ "limit", ARG_GRACE, offsetof(struct release_options, limit_usec), "TIME",
	  "return after this time, what is late ends by itself; 0: at once" },
	{ "if-exists", ARG_FLAG, offsetof(struct release_options, if_exists), NULL,
	  "a session that is already gone is not a failure" },
	{ NULL },
};

int session_print_released(const struct ctl *ctl, struct rdmareg_released *l, uint64_t *ret_late)
{
	struct rdmareg_released_region region = { .size = sizeof(region) };
	json_object *regions = json_object_new_array();
	int r;

	*ret_late = 0;
	while ((r = rdmareg_released_next(l, &region)) > 0) {
		const char *outcome = rdmareg_release_outcome_name(region.outcome);
		json_object *o = json_object_new_object();

		*ret_late += region.outcome == RDMAREG_RELEASE_LATE;
		json_object_object_add(o, "id", json_object_new_uint64(region.region));
		json_object_object_add(o, "outcome", json_object_new_string(outcome));
		json_object_object_add(o, "text", json_object_new_string(region.text));
		json_object_array_add(regions, o);
		if (!ctl->json)
			printf("region %" PRIu64 " %s%s%s\n", region.region, outcome,
			       *region.text ? ": " : "", region.text);
	}
	if (ctl->json && r >= 0) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "regions", json_object_get(regions));
		ctl_print_json(o);
	}
	json_object_put(regions);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

static int release(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct release_options *o = options;
	const struct rdmareg_session_release_options ro = { .size = sizeof(ro),
							    .grace_usec = o->grace_usec,
							    .limit_usec = o->limit_usec };
	struct rdmareg_released *l = NULL;
	struct rdmareg *c;
	uint64_t late;
	uint32_t uid;
	int r;

	(void)n;
	r = begin(ctl, o->user, &uid, &c);
	if (r)
		return r;
	r = rdmareg_session_release(c, uid, arguments[0], &ro, &l);
	if (r == -ENXIO && o->if_exists)
		return EXIT_OK;
	if (r < 0)
		return ctl_failed(r);
	r = session_print_released(ctl, l, &late);
	rdmareg_released_free(l);
	return r;
}

const struct verb verb_session_create = {
	"session create", "NAME", "create a session for a user", create_specs, 1, 1, create
};
const struct verb verb_session_list = {
	"session list", "", "list sessions that were created", list_specs, 0, 0, list
};
const struct verb verb_session_show = {
	"session show", "NAME", "show a session and its limits", named_specs, 1, 1, show
};
const struct verb verb_session_set = {
	"session set", "NAME", "change limits of a session", limits_specs, 1, 1, set
};
const struct verb verb_session_drain = {
	"session drain", "NAME", "register nothing more into a session", named_specs, 1, 1, drain
};
const struct verb verb_session_release = {
	"session release", "NAME", "end a session and its regions", release_specs, 1, 1, release
};
