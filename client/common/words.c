// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * words.c - the words of names.h, and those of the bus contract alone, for the enumerations of
 * rdmareg-words.h. Each of ours is the contract's plus one, with 0 for "unknown": a newer daemon
 * may say words that this library has never heard, and that must not stop anything.
 */
#include "words.h"

#include "names.h"
#include "rdmareg.h"
#include "util.h"

static const char *const accesses[] = REGION_ACCESS_NAMES;
static const char *const states[] = REGION_STATE_NAMES;
static const char *const ends[] = REGION_END_NAMES;
static const char *const modes[] = ARBITRATION_MODE_NAMES;
static const char *const policies[] = REGION_POLICY_NAMES;
static const char *const causes[] = REVOCATION_CAUSE_NAMES;
static const char *const outcomes[] = REVOCATION_OUTCOME_NAMES;
static const char *const choices[] = { "auto", "pre-content" };
static const char *const kinds[] = { "owner", "client", "peer", "none" };
static const char *const durables[] = { "nothing", "storage" };
static const char *const durabilities[] = REGION_DURABILITY_NAMES;

static const char *const path_states[] = PATH_STATE_NAMES;
static const char *const warm_modes[] = WARM_MODE_NAMES;
static const char *const session_states[] = SESSION_STATE_NAMES;
static const char *const releases[] = SESSION_OUTCOME_NAMES;
static const char *const histories[] = HISTORY_KIND_NAMES;
static const char *const job_states[] = { "running", "done", "failed", "cancelled" };

/* A word added to the contract and not here, or the other way round, does not compile. */
#define SAME(words, our_last, their_max)                            \
	_Static_assert(ARRAY_SIZE(words) == (size_t)(their_max) &&  \
			       (int)(our_last) == (int)(their_max), \
		       #their_max)

SAME(accesses, RDMAREG_ACCESS_READ_WRITE, _REGION_ACCESS_MAX);
SAME(states, RDMAREG_STATE_CLOSING, _REGION_STATE_MAX);
SAME(ends, RDMAREG_END_EXPIRED, _REGION_END_MAX);
SAME(modes, RDMAREG_ARBITRATION_PRE_CONTENT, _ARBITRATION_MODE_MAX);
SAME(policies, RDMAREG_POLICY_HOLD, _REGION_POLICY_MAX);
SAME(causes, RDMAREG_CAUSED_BY_QUOTA + 1, _REVOCATION_CAUSE_MAX); /* both begin with "unknown" */
SAME(outcomes, RDMAREG_OUTCOME_GONE, _REVOCATION_OUTCOME_MAX);
SAME(path_states, RDMAREG_PATH_DELETED + 1, _PATH_STATE_MAX); /* both begin with "unknown" */
SAME(choices, RDMAREG_ARBITRATE_PRE_CONTENT, ARRAY_SIZE(choices));
SAME(kinds, RDMAREG_HOLDER_NONE, ARRAY_SIZE(kinds));
SAME(durabilities, RDMAREG_DURABILITY_FLUSH, _REGION_DURABILITY_MAX);
SAME(warm_modes, RDMAREG_WARM_WRITE, _WARM_MODE_MAX);
SAME(durables, RDMAREG_DURABLE_STORAGE, ARRAY_SIZE(durables));
SAME(session_states, RDMAREG_SESSION_ENDED, _SESSION_STATE_MAX);
SAME(releases, RDMAREG_RELEASE_GONE, _SESSION_OUTCOME_MAX);
SAME(histories, RDMAREG_HISTORY_REPLACED, _HISTORY_KIND_MAX);
SAME(job_states, RDMAREG_JOB_CANCELLED, ARRAY_SIZE(job_states));

static const struct {
	const char *const *words;
	size_t n;
	unsigned int first; /* member that the first word belongs to */
} vocabularies[] = {
#define WORDS(words, first) { words, ARRAY_SIZE(words), first }
	[WORDS_ACCESS] = WORDS(accesses, 1),
	[WORDS_STATE] = WORDS(states, 1),
	[WORDS_ARBITRATION] = WORDS(modes, 1),
	[WORDS_POLICY] = WORDS(policies, 1),
	[WORDS_CAUSE] = WORDS(causes, 0),
	[WORDS_OUTCOME] = WORDS(outcomes, 1),
	[WORDS_ARBITRATE] = WORDS(choices, 1),
	[WORDS_HOLDER_KIND] = WORDS(kinds, 1),
	[WORDS_DURABLE] = WORDS(durables, 1),
	[WORDS_DURABILITY] = WORDS(durabilities, 1),
	[WORDS_WARM_MODE] = WORDS(warm_modes, 1),
	[WORDS_JOB_STATE] = WORDS(job_states, 1),
	[WORDS_END] = WORDS(ends, 1),
	[WORDS_PATH_STATE] = WORDS(path_states, 0),
	[WORDS_SESSION_STATE] = WORDS(session_states, 1),
	[WORDS_RELEASE_OUTCOME] = WORDS(releases, 1),
	[WORDS_HISTORY] = WORDS(histories, 1),
#undef WORDS
};

static const char *word_name(enum vocabulary vocabulary, unsigned int value)
{
	/* Below the first it wraps, and is too large. */
	unsigned int i = value - vocabularies[vocabulary].first;

	return i < vocabularies[vocabulary].n ? vocabularies[vocabulary].words[i] : "unknown";
}

unsigned int word_value(enum vocabulary vocabulary, const char *name)
{
	for (size_t i = 0; name && i < vocabularies[vocabulary].n; i++)
		if (!strcmp(vocabularies[vocabulary].words[i], name))
			return (unsigned int)i + vocabularies[vocabulary].first;
	return 0;
}

_public_ const char *rdmareg_access_name(enum rdmareg_access access)
{
	return word_name(WORDS_ACCESS, access);
}

_public_ const char *rdmareg_state_name(enum rdmareg_state state)
{
	return word_name(WORDS_STATE, state);
}

_public_ const char *rdmareg_arbitration_name(enum rdmareg_arbitration mode)
{
	return word_name(WORDS_ARBITRATION, mode);
}

_public_ const char *rdmareg_arbitrate_name(enum rdmareg_arbitrate choice)
{
	return word_name(WORDS_ARBITRATE, choice);
}

_public_ const char *rdmareg_policy_name(enum rdmareg_policy policy)
{
	return word_name(WORDS_POLICY, policy);
}

_public_ const char *rdmareg_cause_name(enum rdmareg_cause cause)
{
	return word_name(WORDS_CAUSE, cause);
}

_public_ const char *rdmareg_outcome_name(enum rdmareg_outcome outcome)
{
	return word_name(WORDS_OUTCOME, outcome);
}

_public_ const char *rdmareg_holder_kind_name(enum rdmareg_holder_kind kind)
{
	return word_name(WORDS_HOLDER_KIND, kind);
}

_public_ const char *rdmareg_durable_name(enum rdmareg_durable durable)
{
	return word_name(WORDS_DURABLE, durable);
}

_public_ const char *rdmareg_path_state_name(enum rdmareg_path_state state)
{
	return word_name(WORDS_PATH_STATE, state);
}

_public_ const char *rdmareg_durability_name(enum rdmareg_durability durability)
{
	return word_name(WORDS_DURABILITY, durability);
}

_public_ const char *rdmareg_warm_mode_name(enum rdmareg_warm_mode mode)
{
	return word_name(WORDS_WARM_MODE, mode);
}

_public_ enum rdmareg_warm_mode rdmareg_warm_mode_from_name(const char *name)
{
	return word_value(WORDS_WARM_MODE, name);
}

_public_ const char *rdmareg_job_state_name(enum rdmareg_job_state state)
{
	return word_name(WORDS_JOB_STATE, state);
}

_public_ const char *rdmareg_session_state_name(enum rdmareg_session_state state)
{
	return word_name(WORDS_SESSION_STATE, state);
}

_public_ const char *rdmareg_release_outcome_name(enum rdmareg_release_outcome outcome)
{
	return word_name(WORDS_RELEASE_OUTCOME, outcome);
}

_public_ const char *rdmareg_history_kind_name(enum rdmareg_history_kind kind)
{
	return word_name(WORDS_HISTORY, kind);
}

_public_ const char *rdmareg_end_name(enum rdmareg_end end)
{
	return word_name(WORDS_END, end);
}

_public_ enum rdmareg_access rdmareg_access_from_name(const char *name)
{
	return word_value(WORDS_ACCESS, name);
}

_public_ enum rdmareg_state rdmareg_state_from_name(const char *name)
{
	return word_value(WORDS_STATE, name);
}

_public_ enum rdmareg_policy rdmareg_policy_from_name(const char *name)
{
	return word_value(WORDS_POLICY, name);
}

_public_ enum rdmareg_arbitrate rdmareg_arbitrate_from_name(const char *name)
{
	return word_value(WORDS_ARBITRATE, name);
}

_public_ enum rdmareg_session_state rdmareg_session_state_from_name(const char *name)
{
	return word_value(WORDS_SESSION_STATE, name);
}
