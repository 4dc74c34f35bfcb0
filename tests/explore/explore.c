// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explore.c - every order in which things can happen to a few regions, tried.
 *
 * From registered regions: in each world every possible next thing is done (a break, a demand, a
 * timer, a completion or its failure, a message delivered, an acknowledgement, somebody dying) and
 * the invariants are checked; and that no history goes on for ever, and each ends well (futures.c).
 * Worlds that are alike (key.c, symmetry.h) are visited once, so the search ends, and then holds for
 * all orders within the setup.
 *
 * Prints the number of worlds. On a violation prints the history that leads to it, and exits 1.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "search.h"
#include "setups.h"

static const char usage[] =
	"usage: explore [OPTION...] [NAME...]\n"
	"Only setups whose name begins with a NAME; by default all but the large ones.\n"
	"  --large          the large ones\n"
	"  --more           one more mishap in each history: takes minutes; can be repeated\n"
	"  --memory MIB     of the set of worlds (64); a search that needs more is cut short\n"
	"  --seconds N      each search is cut short after so much processor time\n"
	"  --first N        each search is cut short after some N worlds, which proves nothing: for\n"
	"                   builds with sanitizers, to which the worlds are much alike\n"
	"  --check-keys     whenever a world is taken to be like one that was visited, that\n"
	"                   everything that can happen next leads to the same keys as it does there\n"
	"  --apart          without symmetries\n"
	"  --orbits         setups with symmetries, with them and without: is the same found?\n"
	"Exit status: 0 nothing is violated; 1 something is; 2 usage; 3 a search was cut short.\n";

struct options {
	char **names;
	int n_names;
	struct search_limits limits;
	uint8_t more;
	bool large, orbits;
};

static struct search all; /* what any of them has seen */

static void tell(const struct setup *s, const struct search *found)
{
	printf("%s: %llu worlds", s->name, (unsigned long long)found->worlds);
	if (world_symmetries() > 1)
		printf(" up to %u symmetries", world_symmetries());
	printf(", %llu steps, histories of up to %u", (unsigned long long)found->steps,
	       found->depth - 1);
	if (found->cut_short)
		printf(": cut short by %s, and nothing wrong so far\n", found->cut_short);
	else
		printf(": all invariants hold, and each ends well; one was missed with a "
		       "probability of %.0e at most\n",
		       found->doubt);
	fflush(stdout);
}

static void add(const struct search *found)
{
	all.worlds += found->worlds;
	all.actions |= found->actions;
	all.guards |= found->guards;
	all.regions |= found->regions;
	all.stages |= found->stages;
	all.cut_short = found->cut_short ? found->cut_short : all.cut_short;
}

/* That it makes no difference who of those is who that are alike. */
static bool compare(const struct setup *s, const struct options *o)
{
	struct search_limits limits = o->limits;
	struct search with, without;
	struct set orbits;
	bool same;

	if (!search_all(s, &limits, &with))
		return false;
	if (world_symmetries() == 1)
		return true;
	set_init(&orbits, limits.memory_bytes);
	limits.apart = true;
	limits.orbits = &orbits;
	same = search_all(s, &limits, &without) && with.worlds == orbits.n && !with.cut_short &&
	       !without.cut_short;
	printf("%s: %llu worlds, and %llu without symmetries, which are %llu with them: %s\n",
	       s->name, (unsigned long long)with.worlds, (unsigned long long)without.worlds,
	       (unsigned long long)orbits.n, same ? "the same" : "NOT the same");
	fflush(stdout);
	set_deinit(&orbits);
	all.worlds += with.worlds;
	return same;
}

static bool explore(const struct setup *setup, const struct options *o)
{
	struct setup s = *setup;
	struct search found;

	s.mishaps = (uint8_t)(s.mishaps + o->more);
	if (o->orbits)
		return compare(&s, o);
	if (!search_all(&s, &o->limits, &found))
		return false;
	tell(&s, &found);
	add(&found);
	return true;
}

/* A search that never got somewhere proves nothing about it. */
static bool saw_everything(void)
{
	const uint32_t regions = 1u << REGION_LIVE | 1u << REGION_DRAINING | 1u << REGION_FENCED |
				 1u << REGION_CLOSING;
	bool ok = true;

	for (int a = 0; a < _ACTION_MAX; a++)
		if (!(all.actions & UINT64_C(1) << a)) {
			printf("never happened: %s\n", world_action_names[a]);
			ok = false;
		}
	if (all.guards != (1u << _GUARD_STATE_MAX) - 1 || (all.regions & regions) != regions ||
	    all.stages != (1u << (DONE + 1)) - 1) {
		printf("never reached: a state of guard (%#x), region (%#x) or waiter (%#x)\n",
		       all.guards, all.regions, all.stages);
		ok = false;
	}
	return ok;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || !n) {
		fprintf(stderr, "explore: '%s' is no number above 0\n", text);
		exit(2);
	}
	return n;
}

static void read_options(int argc, char **argv, struct options *ret)
{
	enum { LARGE = 1, MORE, MEMORY, SECONDS, FIRST, CHECK_KEYS, APART, ORBITS, HELP };
	static const struct option known[] = {
		{ "large", no_argument, NULL, LARGE },
		{ "more", no_argument, NULL, MORE },
		{ "memory", required_argument, NULL, MEMORY },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "first", required_argument, NULL, FIRST },
		{ "check-keys", no_argument, NULL, CHECK_KEYS },
		{ "apart", no_argument, NULL, APART },
		{ "orbits", no_argument, NULL, ORBITS },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*ret = (struct options){ .limits = { .memory_bytes = (size_t)64 << 20,
					     .worlds = UINT64_MAX } };
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case LARGE:
			ret->large = true;
			break;
		case MORE:
			ret->more++;
			break;
		case MEMORY:
			ret->limits.memory_bytes = (size_t)number(optarg) << 20;
			break;
		case SECONDS:
			ret->limits.seconds = number(optarg);
			break;
		case FIRST:
			ret->limits.worlds = number(optarg);
			break;
		case CHECK_KEYS:
			ret->limits.check_keys = true;
			break;
		case APART:
			ret->limits.apart = true;
			break;
		case ORBITS:
			ret->orbits = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	ret->names = argv + optind;
	ret->n_names = argc - optind;
}

static bool is_wanted(const struct setup *s, const struct options *o)
{
	for (int i = 0; i < o->n_names; i++)
		if (!strncmp(s->name, o->names[i], strlen(o->names[i])))
			return true;
	return !o->n_names && s->large == o->large;
}

/* Of this process, for whoever wants to know what a search costs. */
static void tell_costs(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	printf("%llu worlds, %lld s, %ld MiB\n", (unsigned long long)all.worlds,
	       (long long)used.ru_utime.tv_sec + used.ru_stime.tv_sec, used.ru_maxrss >> 10);
}

int main(int argc, char **argv)
{
	struct options o;
	bool any = false;

	read_options(argc, argv, &o);
	for (size_t i = 0; i < n_setups; i++) {
		if (!is_wanted(&setups[i], &o))
			continue;
		if (!explore(&setups[i], &o))
			return 1;
		any = true;
	}
	world_forget_futures();
	if (!any) {
		fprintf(stderr, "explore: no setup's name begins so\n");
		return 2;
	}
	tell_costs();
	if (all.cut_short)
		return o.limits.worlds == UINT64_MAX ? 3 : 0;
	return o.n_names || o.large || o.orbits || saw_everything() ? 0 : 1;
}
