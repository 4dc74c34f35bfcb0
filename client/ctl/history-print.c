// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history-print.c - events for people. A revocation is one block: who asked for what, and below it,
 * with the time since then, who answered, who did not, and when whoever asked could go on.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "history.h"

bool history_is_of(const struct rdmareg_history_event *e, const struct rdmareg_history_event *asked)
{
	return e->revocation && e->revocation == asked->revocation && e->region == asked->region;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("/_.,+:@%=-<>", *text) &&
		    !(*text & 0x80))
			return false;
	return true;
}

/*
 * What others chose as part of a line: as it is, or in quotation marks if that could be taken for
 * more of the line.
 */
#define QUOTED_MAX 1024
static const char *quoted(char out[static QUOTED_MAX], const char *text)
{
	size_t n = 0;

	if (is_plain(text))
		return text;
	out[n++] = '"';
	for (; *text && n + 4 < QUOTED_MAX; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n++] = '"';
	out[n] = 0;
	return out;
}

const char *history_who(char out[static HISTORY_WHO_MAX], const struct rdmareg_history_event *e)
{
	char uid[32] = "", comm[QUOTED_MAX];

	if (e->holder == RDMAREG_HOLDER_PEER) {
		snprintf(out, HISTORY_WHO_MAX, "peer %s", *e->address ? e->address : "unknown");
		return out;
	}
	if (e->other_user)
		return "a process of another user";
	if (!e->pid)
		return e->holder ? "a client" : "nobody who is known";
	if (e->process_uid != RDMAREG_NO_UID)
		snprintf(uid, sizeof(uid), " of uid %u", e->process_uid);
	snprintf(out, HISTORY_WHO_MAX, "pid %u%s%s%s%s", e->pid, *e->comm ? " (" : "",
		 quoted(comm, e->comm), *e->comm ? ")" : "", uid);
	return out;
}

#define WHEN_MAX 48
static const char *when(char out[static WHEN_MAX], uint64_t real_usec)
{
	time_t second = (time_t)(real_usec / 1000000);
	struct tm tm;
	size_t n = strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M:%S", localtime_r(&second, &tm));

	snprintf(out + n, WHEN_MAX - n, ".%03u", (unsigned int)(real_usec / 1000 % 1000));
	return out;
}

static void print_asked(const struct rdmareg_history_event *e)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES], who[HISTORY_WHO_MAX];
	char cgroup[QUOTED_MAX];
	uint64_t grace =
		e->deadline_usec > e->monotonic_usec ? e->deadline_usec - e->monotonic_usec : 0;

	printf("%s of %s at %s, by %s%s%s; asked %u holder%s", rdmareg_cause_name(e->cause),
	       format_size(a, e->length), format_size(b, e->offset), history_who(who, e),
	       *e->cgroup ? " in " : "", quoted(cgroup, e->cgroup), e->holders, PLURAL(e->holders));
	if (e->holders)
		printf(", which had %s", format_time(c, grace));
}

/* How long whoever asked was kept, if that is known. */
static void print_wait(const struct rdmareg_history_event *e)
{
	char time[FORMAT_BYTES];

	if (e->delay_usec != RDMAREG_HISTORY_NO_DELAY)
		printf(": whoever asked waited %s", format_time(time, e->delay_usec));
	if (e->forced)
		printf(", until the last deadline");
}

/* In a sentence a kind can have another word than in JSON. */
static const char *word_of(enum rdmareg_history_kind kind)
{
	switch (kind) {
	case RDMAREG_HISTORY_CAME:
		return "holder joined";
	case RDMAREG_HISTORY_WENT:
		return "holder left";
	default:
		return rdmareg_history_kind_name(kind);
	}
}

static void print_what(const struct rdmareg_history_event *e)
{
	char size[FORMAT_BYTES], who[HISTORY_WHO_MAX], cgroup[QUOTED_MAX];
	char path[QUOTED_MAX];

	printf("%s", word_of(e->kind));
	switch (e->kind) {
	case RDMAREG_HISTORY_REGISTERED:
	case RDMAREG_HISTORY_ADOPTED:
		printf(": %s%s%s%s%s", *e->path ? quoted(path, e->path) : "a file",
		       e->pid ? ", by " : "", e->pid ? history_who(who, e) : "",
		       *e->cgroup ? " in " : "", quoted(cgroup, e->cgroup));
		break;
	case RDMAREG_HISTORY_CAME:
	case RDMAREG_HISTORY_WENT:
		printf(": %s%s%s%s", history_who(who, e), e->forced ? ", cut off" : "",
		       *e->text ? ": " : "", e->text);
		if (e->others)
			printf(" (%u more joined or left before, not told)", e->others);
		break;
	case RDMAREG_HISTORY_ANSWERED:
		printf(": %s", history_who(who, e));
		break;
	case RDMAREG_HISTORY_UNANSWERED:
		printf(": %s did not acknowledge", history_who(who, e));
		break;
	case RDMAREG_HISTORY_ASKED:
		printf(": ");
		print_asked(e);
		break;
	case RDMAREG_HISTORY_FENCED:
		printf(": %u answered, %u did not", e->answered, e->unanswered);
		break;
	case RDMAREG_HISTORY_GIVEN_BACK:
		print_wait(e);
		break;
	case RDMAREG_HISTORY_SETTLED:
		printf(": %s, %s valid", rdmareg_outcome_name(e->outcome),
		       format_size(size, e->valid_length));
		break;
	case RDMAREG_HISTORY_WARMED:
		printf(": took %s", format_time(size, e->delay_usec));
		break;
	case RDMAREG_HISTORY_DEGRADED:
		printf(": %s", e->text);
		break;
	case RDMAREG_HISTORY_ENDING:
	case RDMAREG_HISTORY_REMOVED:
		printf(": %s", rdmareg_end_name(e->end));
		if (e->pid || e->other_user)
			printf(", by %s%s%s", history_who(who, e), *e->cgroup ? " in " : "",
			       quoted(cgroup, e->cgroup));
		if (*e->text)
			printf(": %s", e->text);
		break;
	case RDMAREG_HISTORY_REPLACED:
		printf(": keeper %s has it in place of %s, with new keys", e->keeper,
		       e->keeper_before);
		break;
	default:
		break;
	}
}

static void print_head(const struct rdmareg_history_event *e)
{
	char text[WHEN_MAX];

	printf("%s region %" PRIu64 " ", when(text, e->real_usec), e->region);
	if (e->revocation)
		printf("revocation %" PRIu64 " ", e->revocation);
}

void history_print_line(const struct rdmareg_history_event *e)
{
	char delay[FORMAT_BYTES];

	print_head(e);
	if (e->revocation && e->delay_usec != RDMAREG_HISTORY_NO_DELAY)
		printf("+%s ", format_time(delay, e->delay_usec));
	print_what(e);
	putchar('\n');
}

static void print_of_block(const struct rdmareg_history_event *e)
{
	char delay[FORMAT_BYTES] = "?";

	if (e->delay_usec != RDMAREG_HISTORY_NO_DELAY)
		format_time(delay, e->delay_usec);
	printf("%22s+%-9s ", "", delay);
	print_what(e);
	putchar('\n');
}

/* The file once, where the block begins. */
static void print_block(const struct history *h, size_t first)
{
	const struct rdmareg_history_event *asked = &h->events[first];
	char path[QUOTED_MAX];

	print_head(asked);
	print_what(asked);
	printf("%s%s\n", *asked->path ? "; file " : "", quoted(path, asked->path));
	for (size_t i = first + 1; i < h->n; i++)
		if (history_is_of(&h->events[i], asked))
			print_of_block(&h->events[i]);
}

/* Where a revocation began is among them, and before it. */
static bool is_in_block(const struct history *h, size_t at)
{
	if (!h->events[at].revocation)
		return false;
	for (size_t i = at; i-- > 0;)
		if (h->events[i].kind == RDMAREG_HISTORY_ASKED &&
		    history_is_of(&h->events[at], &h->events[i]))
			return true;
	return false;
}

void history_print(const struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->events[i].kind == RDMAREG_HISTORY_ASKED)
			print_block(h, i);
		else if (!is_in_block(h, i))
			history_print_line(&h->events[i]);
	}
}

void history_print_legend(const struct history *h)
{
	char text[WHEN_MAX];

	printf("since %s, when rdmaregd was started", when(text, h->since_usec));
	/* the first is as old as the daemon, or older ones were overwritten: more than a few were */
	if (h->n && h->events[0].real_usec < h->oldest_usec)
		printf("; before %s only the last events of each region that lives",
		       when(text, h->oldest_usec));
	putchar('\n');
}
