/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * polkit.h - a polkit on the test's bus that answers when the test says so, or wrongly, or never.
 *
 * There is one. Questions stay, oldest first, until polkit_forget(); whoever wants to answer out of
 * the ordinary replies to question[i].message and flushes polkit.bus.
 */
#ifndef RDMAREG_TEST_FAKE_POLKIT_H
#define RDMAREG_TEST_FAKE_POLKIT_H

#include "tests/bus/harness.h"

#define POLKIT_QUESTIONS_MAX 16

struct polkit_question {
	sd_bus_message *message;
	char kind[32]; /* of subject */
	char subject[64];
	char action[64];
	char path[256]; /* the only detail */
	uint32_t flags;
	char cancellation[64];
};

struct polkit {
	sd_bus *bus; /* its side */
	struct polkit_question question[POLKIT_QUESTIONS_MAX];
	size_t questions;
	char cancelled[POLKIT_QUESTIONS_MAX][64];
	size_t cancellations;
};

extern struct polkit polkit;

void polkit_start(const struct world *w);
void polkit_stop(void);
/* Takes what has arrived. */
void polkit_serve(void);
/* Waits until there are @n questions. */
void polkit_await(size_t n);
/* Answers the oldest question, and forgets all. */
void polkit_answer(bool authorized, bool challenge);
void polkit_forget(void);

#endif
