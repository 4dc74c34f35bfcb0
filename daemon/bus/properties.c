// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * properties.c - a region's properties: the list of proto/region-properties.h says what there is;
 * one switch here has the values. Single Gets, lists and PropertiesChanged are all made from the
 * two, so they cannot differ, and a property without a value does not compile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/text.h"

const char *const region_state_names[_REGION_STATE_MAX] = REGION_STATE_NAMES;
const char *const region_policy_names[_REGION_POLICY_MAX] = REGION_POLICY_NAMES;
const char *const region_access_names[_REGION_ACCESS_MAX] = REGION_ACCESS_NAMES;
const char *const revocation_cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;
const char *const revocation_outcome_names[_REVOCATION_OUTCOME_MAX] = REVOCATION_OUTCOME_NAMES;
static const char *const region_durability_names[_REGION_DURABILITY_MAX] = REGION_DURABILITY_NAMES;
const char *const warm_mode_names[_WARM_MODE_MAX] = WARM_MODE_NAMES;
static const char *const arbitration_mode_names[_ARBITRATION_MODE_MAX] = ARBITRATION_MODE_NAMES;
const char *const path_state_names[_PATH_STATE_MAX] = PATH_STATE_NAMES;

enum property {
#define PROPERTY(member, ...) PROPERTY_##member,
	REGION_PROPERTIES(PROPERTY, PROPERTY)
#undef PROPERTY
		_PROPERTY_MAX,
};

static const struct {
	const char *name;
	const char *type;
	uint32_t changed;
} properties[_PROPERTY_MAX] = {
#define VALUE(member, name, kind, told, where) { name, PROPERTY_TYPE_##kind, TOLD_##told },
#define WORD(member, name, vocabulary, told, where) VALUE(member, name, WORD, told, where)
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
};

/* As the property's type has it: a number of any size or a truth value, or text. */
struct value {
	uint64_t number;
	const char *text; /* NULL: "" */
};

static int append_revocation(sd_bus_message *m, const struct region *r)
{
	if (!r->revoking)
		return sd_bus_message_append(m, "(tsttt)", (uint64_t)0, "", (uint64_t)0,
					     (uint64_t)0, (uint64_t)0);
	return sd_bus_message_append(m, "(tsttt)", r->revocation, revocation_cause_names[r->cause],
				     r->revocation_offset, r->revocation_length, r->deadline_usec);
}

static struct value value_of(const struct region_view *v, enum property p)
{
	const struct region *r = v->region;
	const struct region_text *t = v->text;

	switch (p) {
	case PROPERTY_id:
		return (struct value){ .number = r->id };
	case PROPERTY_state:
		return (struct value){ .text = region_state_names[r->state] };
	case PROPERTY_arbitration_mode:
		return (struct value){ .text = arbitration_mode_names[r->mode] };
	case PROPERTY_arbitration_reason:
		return (struct value){ .text = t->mode_reason };
	case PROPERTY_refuses:
		return (struct value){ .number = t->refuses };
	case PROPERTY_degraded:
		return (struct value){ .text = t->degraded };
	case PROPERTY_policy:
		return (struct value){ .text = region_policy_names[r->policy] };
	case PROPERTY_grace_usec:
		return (struct value){ .number = r->grace_usec };
	case PROPERTY_access:
		return (struct value){ .text = region_access_names[r->access] };
	case PROPERTY_durability:
		return (struct value){ .text = region_durability_names[t->durability] };
	case PROPERTY_path:
		return (struct value){ .text = t->path };
	case PROPERTY_path_state:
		return (struct value){ .text = path_state_names[t->path_state] };
	case PROPERTY_path_now:
		return (struct value){ .text = t->path_state == PATH_THERE ? t->path
									   : t->path_now };
	case PROPERTY_bypasses:
		return (struct value){ .number = t->bypasses };
	case PROPERTY_last_bypass:
		return (struct value){ .text = t->last_bypass };
	case PROPERTY_offset:
		return (struct value){ .number = r->offset };
	case PROPERTY_length:
		return (struct value){ .number = r->length };
	case PROPERTY_valid_length:
		return (struct value){ .number = r->valid_length };
	case PROPERTY_rkey:
		return (struct value){ .number = r->rkey };
	case PROPERTY_generation:
		return (struct value){ .number = r->generation };
	case PROPERTY_address:
		return (struct value){ .number = r->address };
	case PROPERTY_detached:
		return (struct value){ .number = t->detached };
	case PROPERTY_standing:
		return (struct value){ .number = v->standing };
	case PROPERTY_uid:
		return (struct value){ .number = v->tenant->uid };
	case PROPERTY_session:
		return (struct value){ .text = v->tenant->session };
	case PROPERTY_name:
		return (struct value){ .text = t->name };
	case PROPERTY_ticket:
		return (struct value){ .text = t->ticket };
	case PROPERTY_peers:
		return (struct value){ .number = r->peers };
	case PROPERTY_clients:
		return (struct value){ .number = r->clients };
#define COUNTER(member, ...)    \
	case PROPERTY_##member: \
		return (struct value){ .number = t->counters.member };
		REGION_COUNTERS(COUNTER)
#undef COUNTER
	case PROPERTY_translation_bytes:
		return (struct value){ .number = t->translation_bytes };
	case PROPERTY_warm_mode:
		return (struct value){ .text = warm_mode_names[t->warm_mode] };
	case PROPERTY_revocation: /* append_revocation() */
	case _PROPERTY_MAX:
		break;
	}
	return (struct value){ 0 };
}

static int append_value(sd_bus_message *m, const struct region_view *v, enum property p)
{
	const struct value value = value_of(v, p);
	const uint32_t small = (uint32_t)value.number;
	const int truth = (int)value.number;

	switch (*properties[p].type) {
	case 't':
		return sd_bus_message_append_basic(m, 't', &value.number);
	case 'u':
		return sd_bus_message_append_basic(m, 'u', &small);
	case 'b':
		return sd_bus_message_append_basic(m, 'b', &truth);
	case 's':
		return sd_bus_message_append_basic(m, 's', value.text ? value.text : "");
	case '(':
		return append_revocation(m, v->region);
	}
	return -EINVAL;
}

#define VALUE(member, name, kind, told, where) PROPERTY_TYPE_##kind
#define WORD(member, name, vocabulary, told, where) PROPERTY_TYPE_WORD
_Static_assert((int)_PROPERTY_MAX <= PROPERTY_CHOICE_MAX &&
		       sizeof(REGION_PROPERTIES(VALUE, WORD)) <=
			       sizeof(((struct property_choice *)NULL)->type),
	       "all can be asked for");
#undef WORD
#undef VALUE

int property_get(sd_bus *connection, const char *path, const char *interface, const char *property,
		 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct found *found = userdata;

	(void)connection, (void)path, (void)interface, (void)error;
	for (enum property p = 0; p < _PROPERTY_MAX; p++)
		if (!strcmp(properties[p].name, property))
			return append_value(reply, &found->view, p);
	return -EINVAL;
}

static int choose(struct property_choice *c, const char *name, struct failure *f)
{
	char clean[64];

	for (enum property p = 0; p < _PROPERTY_MAX; p++) {
		if (strcmp(properties[p].name, name))
			continue;
		for (unsigned int i = 0; i < c->n; i++)
			if (c->property[i] == p)
				return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
						   "property '%s' is asked for twice", name);
		c->property[c->n++] = (uint8_t)p;
		strcat(c->type, properties[p].type);
		return 0;
	}
	text_clean(clean, sizeof(clean), name, strlen(name));
	return failure_set(f, RDMAREG_ERROR_INVALID_OPTION, "a region has no property '%s'", clean);
}

int properties_choose(sd_bus_message *m, struct property_choice *ret, struct failure *f)
{
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	*ret = (struct property_choice){ .n = 0 };
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
		r = choose(ret, name, f);
		if (r)
			return r;
	}
	if (r < 0)
		return r;
	if (!ret->n)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "no property is asked for: name one at least, such as Id");
	r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 0;
}

int properties_append_chosen(sd_bus_message *m, const struct region_view *v,
			     const struct property_choice *c)
{
	int r = sd_bus_message_open_container(m, 'r', c->type);

	for (unsigned int i = 0; i < c->n && r >= 0; i++)
		r = append_value(m, v, (enum property)c->property[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int properties_append_values(sd_bus_message *m, const struct region_view *v,
			     const struct property_choice *c)
{
	char type[sizeof(c->type) + 2];
	int r;

	if (!c->n)
		return properties_append(m, v, UINT32_MAX);
	r = sd_bus_message_open_container(m, 'a', "{sv}");
	snprintf(type, sizeof(type), "(%s)", c->type);
	if (r >= 0)
		r = entry_open(m, "Values", type);
	if (r >= 0)
		r = properties_append_chosen(m, v, c);
	if (r >= 0)
		r = entry_close(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int properties_append(sd_bus_message *m, const struct region_view *v, uint32_t changed)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (enum property p = 0; p < _PROPERTY_MAX && r >= 0; p++) {
		if (changed != UINT32_MAX && !(properties[p].changed & changed))
			continue;
		r = entry_open(m, properties[p].name, properties[p].type);
		if (r >= 0)
			r = append_value(m, v, p);
		if (r >= 0)
			r = entry_close(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}
