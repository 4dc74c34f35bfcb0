/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pages.h - a walk over what rdmaregd lists a page at a time, whatever it lists. What always holds:
 * one page is held at a time; what is behind an answer that makes no sense is unknown, so a walk
 * ends there.
 */
#ifndef RDMAREG_CLIENT_PAGES_H
#define RDMAREG_CLIENT_PAGES_H

#include "bus.h"

#define PAGE_DEFAULT 256
#define PAGE_MAX 4096

struct pages;

/* What is listed. */
struct pages_kind {
	const char *doing; /* "listing regions" */
	const char *method;
	const char *limit; /* the option that says how many to a page */
	const char *item;  /* its members, without the parentheses */
	bool variant;	   /* the array is in one */
	/* The other options: where the walk is, and what it is about. */
	void (*filter)(const struct pages *p, sd_bus_message *m, int *r);
	/* What stands behind the options; NULL: nothing. */
	int (*behind)(sd_bus_message *m);
	/*
	 * The item at the message's present position; negative: it makes no sense, such as one that
	 * is not behind the one before. -ENOMEM is handed up.
	 */
	int (*read)(struct pages *p, sd_bus_message *m);
};

/* At the beginning of something larger. */
struct pages {
	const struct pages_kind *kind;
	struct rdmareg *context;
	uint32_t page;		/* how many at once */
	uint32_t taken;		/* of the page in @answer */
	bool last;		/* nothing comes behind @answer */
	sd_bus_message *answer; /* positioned inside its array; NULL between pages */
};

/* -EINVAL: @page is too many; 0: the default */
int pages_init(struct pages *p, const struct pages_kind *kind, struct rdmareg *c, uint32_t page);
void pages_deinit(struct pages *p);
/* 1 with the next one read, or 0 at the end. */
int pages_next(struct pages *p);

#endif
