// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - the steps that led to something wrong, made shorter and printed.
 *
 * A search that goes into depth finds long ones. Steps without which the same thing goes wrong are
 * left out, one or two at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

const char *const history_goes_on = "a history goes on for ever";

/* Nothing happens by itself any more, and a wish is open. */
static const char *stuck(const struct world *w)
{
	uint8_t open = world_open_wishes(w);

	for (uint8_t a = 0; a < _ACTION_MAX && open; a++)
		for (uint8_t who = 0; who < world_count((enum action)a); who++) {
			struct world after = *w;
			struct step s = { a, who };

			if (search_step(&after, s))
				open &= (uint8_t)~world_hopes(w, s, open);
			world_violation = NULL;
		}
	return world_disappointed(open);
}

const char *history_judge(const struct setup *setup, const struct step *steps, uint32_t n,
			  uint32_t *ret_n, uint32_t *ret_again)
{
	struct key *keys = calloc(n + 1, sizeof(*keys));
	const char *wrong = NULL;
	struct world w;

	world_violation = NULL;
	world_init(&w, setup);
	*ret_n = n;
	*ret_again = n;
	for (uint32_t i = 0; keys && i < n && !wrong; i++) {
		keys[i] = world_key(&w);
		if (!search_step(&w, steps[i]))
			break;
		if (!world_violation)
			world_check_now(&w);
		if (!world_violation)
			world_check_alone(&w);
		wrong = world_violation;
		*ret_n = i + 1;
		keys[i + 1] = world_key(&w);
		for (uint32_t j = 0; j <= i && !wrong; j++)
			if (keys[j].low == keys[i + 1].low && keys[j].high == keys[i + 1].high) {
				wrong = history_goes_on;
				*ret_again = j;
			}
		if (!wrong && i + 1 == n)
			wrong = stuck(&w);
	}
	free(keys);
	world_violation = NULL;
	return wrong;
}

/* Without @i and, unless it is the same, @j after it. False: it needs them. */
static bool leave_out(const struct setup *setup, struct step *steps, uint32_t *n, uint32_t i,
		      uint32_t j, const char *wrong)
{
	struct step *less = calloc(*n, sizeof(*less));
	uint32_t left = 0, again;
	bool ok;

	if (!less)
		return false;
	for (uint32_t k = 0; k < *n; k++)
		if (k != i && k != j)
			less[left++] = steps[k];
	ok = history_judge(setup, less, left, &left, &again) == wrong;
	if (ok) {
		memcpy(steps, less, left * sizeof(*less));
		*n = left;
	}
	free(less);
	return ok;
}

static uint32_t shorten(const struct setup *setup, struct step *steps, uint32_t n,
			const char *wrong)
{
	for (uint32_t apart = 0; apart < n; apart++)
		for (uint32_t i = 0; i + apart < n;)
			if (!leave_out(setup, steps, &n, i, i + apart, wrong))
				i++;
	return n;
}

/* What a keeper does in the end, if it was by itself. */
static void print_alone(void)
{
	struct step s;

	if (world_next_alone(0, &s))
		printf("  and then, of the keeper alone:\n");
	for (uint32_t i = 0; world_next_alone(i, &s); i++)
		printf("  %-22s %u\n", world_action_names[s.action], s.who);
}

void history_print(const struct setup *setup, struct step *steps, uint32_t n, const char *wrong)
{
	uint32_t end, again;
	struct world w;

	printf("violated: %s\nthe history, in \"%s\":\n", wrong, setup->name);
	if (history_judge(setup, steps, n, &end, &again) == wrong)
		n = shorten(setup, steps, end, wrong);
	history_judge(setup, steps, n, &end, &again); /* for print_alone() */
	world_init(&w, setup);
	for (uint32_t i = 0; i < n; i++) {
		if (i == again)
			printf("  from here on, again and again:\n");
		search_step(&w, steps[i]);
		printf("  %-22s %u ->", world_action_names[steps[i].action], steps[i].who);
		for (uint8_t r = 0; r < setup->regions; r++)
			printf("  guard %d, region %d, lease %d, fenced %d%s",
			       w.site[r].guard.state, w.site[r].region.state, w.site[r].lease,
			       w.site[r].fenced_pages, r + 1 < setup->regions ? ";" : "\n");
	}
	print_alone();
}
