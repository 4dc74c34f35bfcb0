// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-doctor.c - whether what exists belongs together, and if not what is wrong and what to do.
 *
 * What always holds: nothing is changed, and it comes to an end in time, whoever does not answer:
 * each that is asked has a third of it, and no look begins for which that is not left. Of the exit
 * status, what is only worth knowing is no fault, nor is what this user may not see.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "machine.h"
#include "program.h"
#include "shown.h"

#define LOOKS 3
#define BETWEEN_LOOKS_MSEC 500
#define TIMEOUT_USEC 30000000

struct options {
	uint64_t timeout_usec;
};

static const struct option_spec specs[] = {
	{ "timeout", ARG_TIME, offsetof(struct options, timeout_usec), "TIME",
	  "wait no longer than this for all that is asked (30s)" },
	{ NULL },
};

struct looked {
	struct doctor_findings findings;
	json_object *unseen;
	bool incomplete, silent;
};

/* Of names that others chose nothing reaches the terminal, or breaks JSON. */
static json_object *shown(const char *text)
{
	char *copy = shown_copy(text);
	json_object *o = json_object_new_string(copy ? copy : "");

	free(copy);
	return o;
}

static void look(uint64_t part_usec, uint64_t until_usec, struct looked *ret)
{
	struct doctor_facts t = { .part_usec = part_usec, .until_usec = until_usec };
	json_object *o = NULL;

	doctor_ask(&t, &o);
	doctor_look(&t);
	doctor_judge(&t, &ret->findings);
	ret->incomplete = t.incomplete;
	ret->silent = t.silent;
	ret->unseen = json_object_new_array();
	for (size_t i = 0; i < t.n_unseen; i++)
		json_object_array_add(ret->unseen, shown(t.unseen[i].text));
	doctor_free(&t);
	json_object_put(o);
}

static void add(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, shown(text));
}

static json_object *model(const struct doctor_finding *f)
{
	const struct doctor_words *w = &doctor_words[f->kind];
	json_object *o = json_object_new_object();

	add(o, "kind", w->word);
	add(o, "level", w->level == DOCTOR_WRONG ? "wrong" : "note");
	add(o, "subject", f->subject);
	add(o, "what", *f->what ? f->what : w->what);
	add(o, "detail", f->detail);
	add(o, "command", *f->command ? f->command : w->command);
	return o;
}

/* As status prints a problem. What it is about may be said by the rest already. */
static void print_finding(json_object *o)
{
	const char *subject = text_of(o, "subject"), *what = text_of(o, "what"),
		   *detail = text_of(o, "detail");
	bool said = strstr(what, subject) || strstr(detail, subject);

	printf("%c %s%s%s; %s; %s\n", strcmp(text_of(o, "level"), "note") ? '!' : '-',
	       said ? "" : subject, said ? "" : ": ", what, detail, text_of(o, "command"));
}

static size_t count_wrong(const struct doctor_findings *f)
{
	size_t wrong = f->others_wrong;

	for (size_t i = 0; i < f->n; i++)
		wrong += doctor_words[f->all[i].kind].level == DOCTOR_WRONG;
	return wrong;
}

static int print_all(const struct ctl *ctl, const struct looked *l)
{
	json_object *o = json_object_new_object(), *rows = json_object_new_array();
	const struct doctor_findings *f = &l->findings;
	size_t wrong = count_wrong(f);
	int status;

	for (size_t i = 0; i < f->n; i++)
		json_object_array_add(rows, model(&f->all[i]));
	status = wrong ? EXIT_ATTENTION : l->incomplete ? EXIT_INCOMPLETE : EXIT_OK;
	json_object_object_add(o, "findings", rows);
	json_object_object_add(o, "more", json_object_new_uint64(f->others));
	json_object_object_add(o, "unseen", l->unseen);
	json_object_object_add(o, "complete", json_object_new_boolean(!l->incomplete));
	if (ctl->json) {
		ctl_print_json(o);
		return status;
	}
	for (size_t i = 0; i < f->n; i++)
		print_finding(json_object_array_get_idx(rows, i));
	if (f->others)
		printf("! and %zu more\n", f->others);
	for (size_t i = 0; i < json_object_array_length(l->unseen); i++)
		printf("? not looked at: %s\n",
		       json_object_get_string(json_object_array_get_idx(l->unseen, i)));
	if (!wrong)
		puts(l->incomplete ? "nothing else is wrong that could be seen"
				   : "nothing is wrong");
	json_object_put(o);
	return status;
}

/* Notes what @again did not see. True: the first look, which has @n of these lines, saw it. */
static bool saw_less(struct looked *first, size_t n, const struct looked *again)
{
	bool less = again->silent && !first->silent;

	for (size_t i = 0; i < json_object_array_length(again->unseen); i++) {
		json_object *line = json_object_array_get_idx(again->unseen, i);
		size_t at = 0, all = json_object_array_length(first->unseen);

		while (at < all &&
		       !json_object_equal(json_object_array_get_idx(first->unseen, at), line))
			at++;
		less = less || at >= n;
		if (at == all)
			json_object_array_add(first->unseen, json_object_get(line));
	}
	first->incomplete = first->incomplete || again->incomplete;
	return less;
}

/* One that rdmaregd answers is the first: what an earlier one had not was perhaps unseen only. */
static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	uint64_t whole = o->timeout_usec ? o->timeout_usec : TIMEOUT_USEC, part = whole / 3;
	uint64_t now = program_now_usec(),
		 until = whole < UINT64_MAX - now ? now + whole : UINT64_MAX;
	static struct looked first, again;
	size_t unseen;

	(void)arguments, (void)n;
	look(part, until, &first);
	unseen = json_object_array_length(first.unseen);
	for (int left = LOOKS - 1; left && count_wrong(&first.findings); left--) {
		now = program_now_usec() + BETWEEN_LOOKS_MSEC * 1000;
		if (now > until || until - now < part)
			break;
		poll(NULL, 0, BETWEEN_LOOKS_MSEC);
		look(part, until, &again);
		if (first.silent && !again.silent) {
			json_object_put(first.unseen);
			first = again;
			unseen = json_object_array_length(first.unseen);
			left = LOOKS;
			continue;
		}
		doctor_confirm(&first.findings, &again.findings, !saw_less(&first, unseen, &again));
		json_object_put(again.unseen);
	}
	return print_all(ctl, &first);
}

const struct verb verb_doctor = {
	"doctor",
	"",
	"check whether what exists belongs together",
	specs,
	0,
	0,
	run,
	"0: nothing is wrong; 5: something is; 6: nothing that could be seen is wrong, and not\n"
	"all could be that this user may see"
};
