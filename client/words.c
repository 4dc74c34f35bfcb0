// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * words.c - the words of names.h for the enumerations of rdmareg.h. Each of ours is the contract's plus
 * one, with 0 for "unknown": a newer daemon may say words that this library has never heard, and that must
 * not stop anything.
 */
#include "words.h"

#include "names.h"
#include "rdmareg.h"
#include "util.h"

static const char *const accesses[] = REGION_ACCESS_NAMES;
static const char *const states[] = REGION_STATE_NAMES;
static const char *const modes[] = ARBITRATION_MODE_NAMES;
static const char *const policies[] = REGION_POLICY_NAMES;
static const char *const causes[] = REVOCATION_CAUSE_NAMES;
static const char *const outcomes[] = REVOCATION_OUTCOME_NAMES;
/* The bus contract alone has these. */
static const char *const choices[] = { "auto", "pre-content" };
static const char *const kinds[] = { "owner", "client", "peer", "none" };
static const char *const durables[] = { "nothing", "storage" };

/* A word added to the contract and not here, or the other way round, does not compile. */
#define SAME(words, our_last, their_max)                                                                \
	_Static_assert(ARRAY_SIZE(words) == (size_t)(their_max) && (int)(our_last) == (int)(their_max), \
		       #their_max)

SAME(accesses, RDMAREG_ACCESS_READ_WRITE, _REGION_ACCESS_MAX);
SAME(states, RDMAREG_STATE_LOST, _REGION_STATE_MAX);
SAME(modes, RDMAREG_ARBITRATION_PRE_CONTENT, _ARBITRATION_MODE_MAX);
SAME(policies, RDMAREG_POLICY_HOLD, _REGION_POLICY_MAX);
SAME(causes, RDMAREG_CAUSED_BY_SYNC + 1, _REVOCATION_CAUSE_MAX); /* both begin with "unknown" */
SAME(outcomes, RDMAREG_OUTCOME_GONE, _REVOCATION_OUTCOME_MAX);
SAME(choices, RDMAREG_ARBITRATE_PRE_CONTENT, ARRAY_SIZE(choices));
SAME(kinds, RDMAREG_HOLDER_NONE, ARRAY_SIZE(kinds));
SAME(durables, RDMAREG_DURABLE_STORAGE, ARRAY_SIZE(durables));

static const char *name_of(const char *const *words, size_t n, unsigned int value)
{
	return value && value <= n ? words[value - 1] : "unknown";
}

static unsigned int value_of(const char *const *words, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (!strcmp(words[i], name))
			return (unsigned int)i + 1;
	return 0;
}

_public_ const char *rdmareg_access_name(enum rdmareg_access access)
{
	return name_of(accesses, ARRAY_SIZE(accesses), access);
}

_public_ const char *rdmareg_state_name(enum rdmareg_state state)
{
	return name_of(states, ARRAY_SIZE(states), state);
}

_public_ const char *rdmareg_arbitration_name(enum rdmareg_arbitration mode)
{
	return name_of(modes, ARRAY_SIZE(modes), mode);
}

_public_ const char *rdmareg_policy_name(enum rdmareg_policy policy)
{
	return name_of(policies, ARRAY_SIZE(policies), policy);
}

_public_ const char *rdmareg_cause_name(enum rdmareg_cause cause)
{
	return (unsigned int)cause < ARRAY_SIZE(causes) ? causes[cause] : "unknown";
}

_public_ const char *rdmareg_outcome_name(enum rdmareg_outcome outcome)
{
	return name_of(outcomes, ARRAY_SIZE(outcomes), outcome);
}

_public_ const char *rdmareg_arbitrate_name(enum rdmareg_arbitrate choice)
{
	return name_of(choices, ARRAY_SIZE(choices), choice);
}

_public_ const char *rdmareg_holder_kind_name(enum rdmareg_holder_kind kind)
{
	return name_of(kinds, ARRAY_SIZE(kinds), kind);
}

_public_ const char *rdmareg_durable_name(enum rdmareg_durable durable)
{
	return name_of(durables, ARRAY_SIZE(durables), durable);
}

_public_ enum rdmareg_access rdmareg_access_from_name(const char *name)
{
	return value_of(accesses, ARRAY_SIZE(accesses), name);
}

_public_ enum rdmareg_state rdmareg_state_from_name(const char *name)
{
	return value_of(states, ARRAY_SIZE(states), name);
}

_public_ enum rdmareg_policy rdmareg_policy_from_name(const char *name)
{
	return value_of(policies, ARRAY_SIZE(policies), name);
}

_public_ enum rdmareg_arbitrate rdmareg_arbitrate_from_name(const char *name)
{
	return value_of(choices, ARRAY_SIZE(choices), name);
}

unsigned int words_holder_kind(const char *name)
{
	return value_of(kinds, ARRAY_SIZE(kinds), name);
}

unsigned int words_durable(const char *name)
{
	return value_of(durables, ARRAY_SIZE(durables), name);
}

unsigned int words_arbitration(const char *name)
{
	return value_of(modes, ARRAY_SIZE(modes), name);
}

unsigned int words_cause(const char *name)
{
	unsigned int value = value_of(causes, ARRAY_SIZE(causes), name);

	return value ? value - 1 : 0;
}

unsigned int words_outcome(const char *name)
{
	return value_of(outcomes, ARRAY_SIZE(outcomes), name);
}
