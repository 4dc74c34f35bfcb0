// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history-svg.c - a revocation as a picture: time goes to the right from when it began; a lane for
 * whoever asked, one for each holder that is known, one for the region.
 *
 * What always holds: texts of others are escaped, and cut to the room that there is; nothing of the
 * picture comes from elsewhere, and it runs no script.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "history.h"

enum {
	WIDTH = 1000,
	LEFT = 330, /* of the lanes, behind their labels */
	RIGHT = 950,
	TOP = 96,
	LANE = 30,
	BAR = 16,
	LABEL_MAX = 44, /* characters that fit before the lanes */
	TITLE_MAX = 120,
	LANES_MAX = 64,
	TICKS = 5,
};

#define WAITED "#4269d0"
#define ANSWERED "#3a9b5c"
#define MISSED "#c9302c"
#define FENCED "#7a3e9d"
#define DRAINING "#d9a520"
#define LIVE "#3a9b5c"

struct picture {
	uint64_t whole_usec; /* what the width stands for */
	int y;
};

static double x_of(const struct picture *p, uint64_t usec)
{
	double part = (double)usec / (double)p->whole_usec;

	return LEFT + (RIGHT - LEFT) * (part > 1 ? 1 : part);
}

/* As text of XML, the first @max characters of it. */
static void print_text(const char *text, size_t max)
{
	size_t shown = 0;

	for (const char *s = text; *s; s++) {
		bool begins = ((unsigned char)*s & 0xc0) != 0x80;

		if (begins && shown++ == max) {
			printf("...");
			return;
		}
		switch (*s) {
		case '&':
			printf("&amp;");
			break;
		case '<':
			printf("&lt;");
			break;
		case '>':
			printf("&gt;");
			break;
		case '"':
			printf("&quot;");
			break;
		case '\'':
			printf("&apos;");
			break;
		default:
			putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
		}
	}
}

static void print_at(double x, int y, const char *attributes, const char *text, size_t max)
{
	printf("<text x=\"%.1f\" y=\"%d\"%s>", x, y, attributes);
	print_text(text, max);
	printf("</text>\n");
}

/* A bar between two times, and its own label inside or behind it. */
static void print_bar(const struct picture *p, uint64_t from, uint64_t to, const char *colour,
		      const char *text)
{
	double x = x_of(p, from), end = x_of(p, to), width = end - x < 2 ? 2 : end - x;
	/* about seven units to a character: behind the bar if it is too short, before its end if
	 * there is no room behind */
	double needs = 7.0 * (double)strlen(text) + 10;
	bool inside = width > needs, behind = !inside && x + width + needs < WIDTH;

	printf("<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x,
	       p->y + (LANE - BAR) / 2, width, BAR, colour);
	if (!*text)
		return;
	if (inside)
		print_at(x + 5, p->y + LANE / 2 + 4, " fill=\"#fff\"", text, TITLE_MAX);
	else
		print_at(behind ? x + width + 5 : x - 5, p->y + LANE / 2 + 4,
			 behind ? "" : " text-anchor=\"end\"", text, TITLE_MAX);
}

static void begin_lane(struct picture *p, const char *label)
{
	print_at(16, p->y + LANE / 2 + 4, "", label, LABEL_MAX);
	printf("<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>\n", LEFT,
	       p->y + LANE, RIGHT, p->y + LANE);
}

static const struct rdmareg_history_event *find(const struct history *h,
						const struct rdmareg_history_event *asked,
						enum rdmareg_history_kind kind)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->events[i].kind == kind && history_is_of(&h->events[i], asked))
			return &h->events[i];
	return NULL;
}

static uint64_t delay(const struct rdmareg_history_event *e, uint64_t otherwise)
{
	return e && e->delay_usec != RDMAREG_HISTORY_NO_DELAY ? e->delay_usec : otherwise;
}

/* A round number of microseconds, of which the whole has TICKS at the most: 1, 2 or 5 and zeros. */
static uint64_t step_of(uint64_t whole_usec)
{
	uint64_t power = 1;

	while (power * 10 <= whole_usec / TICKS)
		power *= 10;
	for (uint64_t times = 1; times <= 5; times += times == 1 ? 1 : 3)
		if (whole_usec / (times * power) <= TICKS)
			return times * power;
	return 10 * power;
}

static void draw_axis(const struct picture *p, int bottom, uint64_t grace_usec)
{
	char time[FORMAT_BYTES], text[64];

	for (uint64_t usec = 0; usec <= p->whole_usec; usec += step_of(p->whole_usec)) {
		double x = x_of(p, usec);

		printf("<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#eee\"/>\n", x,
		       TOP - 6, x, bottom);
		print_at(x, TOP - 12, " text-anchor=\"middle\" fill=\"#666\"",
			 format_time(time, usec), TITLE_MAX);
	}
	if (!grace_usec || grace_usec > p->whole_usec)
		return;
	snprintf(text, sizeof(text), "holders' deadline, %s", format_time(time, grace_usec));
	printf("<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#c9302c\" "
	       "stroke-dasharray=\"4 3\"/>\n",
	       x_of(p, grace_usec), TOP - 6, x_of(p, grace_usec), bottom);
	print_at(x_of(p, grace_usec), bottom + 14,
		 x_of(p, grace_usec) > (LEFT + RIGHT) / 2 ? " text-anchor=\"end\" fill=\"#c9302c\""
							  : " fill=\"#c9302c\"",
		 text, TITLE_MAX);
}

static void draw_asker(struct picture *p, const struct rdmareg_history_event *asked,
		       uint64_t waited, bool over, bool forced)
{
	char time[FORMAT_BYTES], text[96], who[HISTORY_WHO_MAX];

	begin_lane(p, history_who(who, asked));
	format_time(time, waited);
	snprintf(text, sizeof(text), over ? "waited %s%s" : "waits for %s already%s", time,
		 forced ? ", until the last deadline" : "");
	print_bar(p, 0, waited, WAITED, text);
	p->y += LANE;
}

static bool is_answer(const struct rdmareg_history_event *e,
		      const struct rdmareg_history_event *asked)
{
	return (e->kind == RDMAREG_HISTORY_ANSWERED || e->kind == RDMAREG_HISTORY_UNANSWERED) &&
	       history_is_of(e, asked);
}

static void draw_holder(struct picture *p, const struct rdmareg_history_event *e)
{
	bool answered = e->kind == RDMAREG_HISTORY_ANSWERED;
	char time[FORMAT_BYTES], text[64], who[HISTORY_WHO_MAX];

	begin_lane(p, history_who(who, e));
	snprintf(text, sizeof(text), answered ? "answered after %s" : "no answer in %s",
		 format_time(time, delay(e, 0)));
	print_bar(p, 0, delay(e, 0), answered ? ANSWERED : MISSED, text);
	p->y += LANE;
}

static void draw_region(struct picture *p, const struct rdmareg_history_event *asked,
			const struct rdmareg_history_event *fenced,
			const struct rdmareg_history_event *settled)
{
	uint64_t until = delay(settled, p->whole_usec);
	char label[64];

	snprintf(label, sizeof(label), "region %" PRIu64 "%s%s", asked->region, settled ? ": " : "",
		 settled ? rdmareg_outcome_name(settled->outcome) : "");
	begin_lane(p, label);
	print_bar(p, 0, delay(fenced, until), DRAINING, "draining");
	if (fenced)
		print_bar(p, delay(fenced, 0), until, FENCED, "fenced");
	if (settled && settled->outcome != RDMAREG_OUTCOME_GONE)
		print_bar(p, until, p->whole_usec, LIVE, "");
	p->y += LANE;
}

/* "Region 7, revocation 3: truncate of 4K at 0" */
static void name_it(const struct rdmareg_history_event *asked, char *out, size_t size)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	snprintf(out, size, "Region %" PRIu64 ", revocation %" PRIu64 ": %s of %s at %s",
		 asked->region, asked->revocation, rdmareg_cause_name(asked->cause),
		 format_size(a, asked->length), format_size(b, asked->offset));
}

/* What a browser shows, and a screen reader says, of the whole. */
static void print_title(const struct rdmareg_history_event *asked)
{
	char line[160];

	name_it(asked, line, sizeof(line));
	printf("<title>");
	print_text(line, TITLE_MAX);
	if (*asked->path) {
		printf(", of ");
		print_text(asked->path, TITLE_MAX);
	}
	printf("</title>\n");
}

static void draw_title(const struct rdmareg_history_event *asked)
{
	time_t second = (time_t)(asked->real_usec / 1000000);
	char line[512], when[48];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&second, &tm));
	name_it(asked, line, sizeof(line));
	print_at(16, 28, " font-size=\"17\" font-weight=\"bold\"", line, TITLE_MAX);
	snprintf(line, sizeof(line), "%s.%03u  %s%s%s", when,
		 (unsigned int)(asked->real_usec / 1000 % 1000), asked->path,
		 *asked->cgroup ? "  asked from " : "", asked->cgroup);
	print_at(16, 50, " fill=\"#666\"", line, TITLE_MAX);
}

/* What the colours of the bars mean. */
static void draw_legend(int y)
{
	static const struct {
		const char *colour, *text;
	} all[] = {
		{ WAITED, "whoever asked waits" },	{ ANSWERED, "a holder answered" },
		{ MISSED, "no answer in time" },	{ FENCED, "fenced" },
		{ DRAINING, "holders are waited for" }, { LIVE, "reachable" },
	};
	double x = 16;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		printf("<rect x=\"%.1f\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>\n", x,
		       y - 9, all[i].colour);
		print_at(x + 15, y, " fill=\"#666\"", all[i].text, TITLE_MAX);
		x += 15 + 7.0 * (double)strlen(all[i].text) + 14;
	}
}

void history_draw(const struct history *h, const struct rdmareg_history_event *asked)
{
	const struct rdmareg_history_event *fenced = find(h, asked, RDMAREG_HISTORY_FENCED);
	const struct rdmareg_history_event *back = find(h, asked, RDMAREG_HISTORY_GIVEN_BACK);
	const struct rdmareg_history_event *settled = find(h, asked, RDMAREG_HISTORY_SETTLED);
	uint64_t last = 1, grace = 0;
	struct picture p = { .y = TOP };
	int lanes = 2, drawn = 0, height;

	for (size_t i = 0; i < h->n; i++) {
		if (history_is_of(&h->events[i], asked) && delay(&h->events[i], 0) > last)
			last = delay(&h->events[i], 0);
		lanes += is_answer(&h->events[i], asked) && lanes < LANES_MAX;
	}
	if (asked->deadline_usec > asked->monotonic_usec)
		grace = asked->deadline_usec - asked->monotonic_usec;
	p.whole_usec = last + last / 8 + 1;
	height = TOP + lanes * LANE + 54;
	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	       "viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n",
	       WIDTH, height, WIDTH, height);
	print_title(asked);
	printf("<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, height);
	draw_title(asked);
	draw_axis(&p, TOP + lanes * LANE, grace);
	/* of what has no event of its own, such as Revoke on the bus, the fence is what counts */
	draw_asker(&p, asked, delay(back, delay(fenced, last)), back || fenced,
		   back && back->forced);
	for (size_t i = 0; i < h->n && drawn < lanes - 2; i++)
		if (is_answer(&h->events[i], asked)) {
			draw_holder(&p, &h->events[i]);
			drawn++;
		}
	draw_region(&p, asked, fenced, settled);
	draw_legend(TOP + lanes * LANE + 36);
	printf("</svg>\n");
}
