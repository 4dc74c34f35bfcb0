// SPDX-License-Identifier: GPL-2.0-or-later
/* model.c - see model.h. */
#include "model.h"

#include <stdio.h>
#include <time.h>

#include "proto/region-properties.h"
#include "format.h"

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

/* One that nobody can know is null. */
static void add_count(json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, value == UINT64_MAX ? NULL : json_object_new_uint64(value));
}

static void add_truth(json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

json_object *model_revocation(const struct rdmareg_revocation *v)
{
	json_object *o;

	if (!v->id)
		return NULL;
	o = json_object_new_object();
	add_number(o, "id", v->id);
	add_text(o, "cause", rdmareg_cause_name(v->cause));
	add_number(o, "offset", v->offset);
	add_number(o, "length", v->length);
	add_number(o, "deadline_usec", v->deadline_usec);
	return o;
}

/* How each kind of the list is shown, and the names of each vocabulary. */
#define add_NUMBER add_number
#define add_COUNT add_count
#define add_BYTES add_count
#define add_TIME add_number
#define add_ADDRESS add_number
#define add_SMALL add_number
#define add_KEY add_number
#define add_TRUTH add_truth
#define add_TEXT add_text
#define add_REVOCATION(o, key, value) json_object_object_add(o, key, model_revocation(&(value)))
#define NAME_STATE rdmareg_state_name
#define NAME_ARBITRATION rdmareg_arbitration_name
#define NAME_POLICY rdmareg_policy_name
#define NAME_ACCESS rdmareg_access_name
#define NAME_DURABILITY rdmareg_durability_name
#define NAME_PATH_STATE rdmareg_path_state_name
#define NAME_WARM_MODE rdmareg_warm_mode_name

json_object *model_region(const struct rdmareg_region_info *i)
{
	json_object *o = json_object_new_object();

#define VALUE(member, name, kind, told, where) add_##kind(o, #member, i->member);
#define WORD(member, name, vocabulary, told, where) \
	add_text(o, #member, NAME_##vocabulary(i->member));
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
	return o;
}

json_object *model_region_brief(const struct rdmareg_region_info *i)
{
	json_object *o = json_object_new_object();

#define VALUE(member, name, kind, told, where) WHERE_##where(add_##kind(o, #member, i->member);)
#define WORD(member, name, vocabulary, told, where) \
	WHERE_##where(add_text(o, #member, NAME_##vocabulary(i->member));)
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
	return o;
}

json_object *model_session(const struct rdmareg_session_info *i)
{
	json_object *o = json_object_new_object();

	add_number(o, "uid", i->uid);
	add_text(o, "name", i->name);
	add_text(o, "state", rdmareg_session_state_name(i->state));
	add_text(o, "device", i->device);
	add_number(o, "regions", i->regions);
	add_number(o, "max_regions", i->max_regions);
	add_number(o, "bytes", i->bytes);
	add_number(o, "max_bytes", i->max_bytes);
	add_number(o, "peers", i->peers);
	add_number(o, "max_peers", i->max_peers);
	add_number(o, "max_tickets", i->max_tickets);
	add_number(o, "memory_current", i->memory_current);
	add_number(o, "max_memory_bytes", i->max_memory_bytes);
	add_number(o, "created_usec", i->created_usec);
	return o;
}

json_object *model_device(const struct rdmareg_device *d)
{
	json_object *o = json_object_new_object();

	add_text(o, "kind", d->kind);
	add_text(o, "name", d->name);
	add_text(o, "path", d->path);
	add_text(o, "mode", d->mode);
	add_text(o, "unusable", d->unusable);
	add_number(o, "bytes", d->bytes);
	add_number(o, "available_bytes", d->available_bytes);
	add_number(o, "alignment", d->alignment);
	add_number(o, "dax_region", d->dax_region);
	json_object_object_add(o, "node",
			       d->node == UINT32_MAX ? NULL : json_object_new_uint64(d->node));
	add_truth(o, "dynamic", d->dynamic);
	add_text(o, "driver", d->driver);
	add_text(o, "firmware", d->firmware);
	add_text(o, "netdev", d->netdev);
	json_object_object_add(o, "mtu", d->mtu ? json_object_new_uint64(d->mtu) : NULL);
	add_text(o, "abilities", d->abilities);
	add_text(o, "quirks", d->quirks);
	return o;
}

json_object *model_keeper(const struct rdmareg_keeper *k)
{
	json_object *o = json_object_new_object();

	add_text(o, "name", k->name);
	add_number(o, "uid", k->uid);
	add_text(o, "session", k->session);
	add_text(o, "state", k->state);
	add_text(o, "trouble", k->trouble);
	add_number(o, "pid", k->pid);
	add_text(o, "unit", k->unit);
	json_object_object_add(
		o, "runs_as", k->runs_as == UINT32_MAX ? NULL : json_object_new_uint64(k->runs_as));
	add_text(o, "device", k->device);
	add_text(o, "address", k->address);
	add_text(o, "program", k->program);
	add_truth(o, "current", k->current);
	add_number(o, "version", k->version);
	add_number(o, "version_min", k->min);
	add_number(o, "version_max", k->max);
	add_number(o, "regions", k->regions);
	add_number(o, "bytes", k->bytes);
	add_number(o, "peers", k->peers);
	add_number(o, "attempts", k->attempts);
	add_number(o, "since_usec", k->since_usec);
	return o;
}

json_object *model_standing(const struct rdmareg_standing *s)
{
	json_object *o = json_object_new_object();
	char reference[128];

	snprintf(reference, sizeof(reference), "%s/%s", s->session, s->name);
	add_number(o, "uid", s->uid);
	add_text(o, "session", s->session);
	add_text(o, "name", s->name);
	add_text(o, "reference", reference);
	json_object_object_add(o, "region", s->region ? json_object_new_uint64(s->region) : NULL);
	add_text(o, "access", rdmareg_access_name(s->access));
	add_number(o, "offset", s->offset);
	add_number(o, "length", s->length);
	add_text(o, "path", s->path);
	add_text(o, "why", s->why);
	return o;
}

json_object *model_asker(uint32_t pid, uint32_t uid, const char *comm, const char *cgroup,
			 bool other_user)
{
	json_object *o;

	if (!pid && !other_user)
		return NULL;
	o = json_object_new_object();
	if (other_user) {
		add_truth(o, "other_user", true);
		return o;
	}
	add_number(o, "pid", pid);
	if (uid != RDMAREG_NO_UID)
		add_number(o, "uid", uid);
	add_text(o, "comm", comm);
	add_text(o, "cgroup", cgroup);
	return o;
}

json_object *model_holder(const struct rdmareg_holder *h)
{
	json_object *o = json_object_new_object();

	add_number(o, "region", h->region);
	add_text(o, "kind", rdmareg_holder_kind_name(h->kind));
	add_number(o, "uid", h->uid);
	add_text(o, "session", h->session);
	add_number(o, "pid", h->pid);
	add_text(o, "cgroup", h->cgroup);
	add_text(o, "address", h->address);
	add_text(o, "access", h->kind == RDMAREG_HOLDER_PEER ? rdmareg_access_name(h->access) : "");
	add_number(o, "since_usec", h->since_usec);
	json_object_object_add(o, "asked", model_revocation(&h->asked));
	if (h->asked.id)
		json_object_object_add(o, "asker",
				       model_asker(h->asker_pid, h->asker_uid, h->asker_comm,
						   h->asker_cgroup, h->asker_other_user));
	return o;
}

json_object *model_history(const struct rdmareg_history_event *e)
{
	json_object *o = json_object_new_object();

	add_number(o, "sequence", e->sequence);
	add_number(o, "realtime_usec", e->real_usec);
	add_number(o, "monotonic_usec", e->monotonic_usec);
	add_number(o, "region", e->region);
	add_number(o, "uid", e->uid);
	add_text(o, "session", e->session);
	add_text(o, "name", e->name);
	add_text(o, "path", e->path);
	add_text(o, "kind", rdmareg_history_kind_name(e->kind));
	if (e->revocation)
		add_number(o, "revocation", e->revocation);
	if (e->delay_usec != RDMAREG_HISTORY_NO_DELAY)
		add_number(o, "delay_usec", e->delay_usec);
	if (e->kind == RDMAREG_HISTORY_ASKED) {
		add_text(o, "cause", rdmareg_cause_name(e->cause));
		add_number(o, "offset", e->offset);
		add_number(o, "length", e->length);
		add_number(o, "deadline_usec", e->deadline_usec);
		add_number(o, "holders", e->holders);
	}
	if (e->kind == RDMAREG_HISTORY_FENCED) {
		add_number(o, "answered", e->answered);
		add_number(o, "unanswered", e->unanswered);
	}
	if (e->kind == RDMAREG_HISTORY_SETTLED) {
		add_text(o, "outcome", rdmareg_outcome_name(e->outcome));
		add_number(o, "valid_length", e->valid_length);
	}
	if (e->end)
		add_text(o, "reason", rdmareg_end_name(e->end));
	if (e->holder)
		add_text(o, "holder", rdmareg_holder_kind_name(e->holder));
	if (e->pid)
		add_number(o, "pid", e->pid);
	if (e->process_uid != RDMAREG_NO_UID)
		add_number(o, "process_uid", e->process_uid);
	if (*e->comm)
		add_text(o, "comm", e->comm);
	if (*e->cgroup)
		add_text(o, "cgroup", e->cgroup);
	if (*e->address)
		add_text(o, "address", e->address);
	if (*e->text)
		add_text(o, "text", e->text);
	if (*e->keeper) {
		add_text(o, "keeper_before", e->keeper_before);
		add_text(o, "keeper", e->keeper);
	}
	if (e->others)
		add_number(o, "others", e->others);
	if (e->other_user)
		add_truth(o, "other_user", true);
	if (e->forced)
		add_truth(o, "forced", true);
	return o;
}

const char *model_path_note(const struct rdmareg_region_info *i)
{
	switch (i->path_state) {
	case RDMAREG_PATH_MOVED:
		return " (moved) ";
	case RDMAREG_PATH_DELETED:
		return " (deleted)";
	default:
		return "";
	}
}

void model_print_arbitration(const struct rdmareg_region_info *i)
{
	char grace[FORMAT_BYTES];

	printf("arbitration %s%s%s%s\n", rdmareg_arbitration_name(i->arbitration_mode),
	       *i->arbitration_reason ? " (" : "", i->arbitration_reason,
	       *i->arbitration_reason ? ")" : "");
	printf("policy      %s, %s grace%s\n", rdmareg_policy_name(i->policy),
	       format_time(grace, i->grace_usec), i->refuses ? ", refuses" : "");
	if (*i->degraded)
		printf("degraded    %s\n", i->degraded);
}

static uint64_t clock_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void model_add_times(json_object *o, uint64_t boottime_usec)
{
	add_number(o, "boottime_usec", boottime_usec);
	/* The wall clock may have been set in between; that is what a wall clock is. */
	add_number(o, "realtime_usec",
		   clock_usec(CLOCK_REALTIME) - (clock_usec(CLOCK_BOOTTIME) - boottime_usec));
}
