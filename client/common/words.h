/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * words.h - the way back from words, for all that the library itself has to read; see words.c.
 */
#ifndef RDMAREG_CLIENT_WORDS_H
#define RDMAREG_CLIENT_WORDS_H

enum vocabulary {
	WORDS_ACCESS,
	WORDS_STATE,
	WORDS_ARBITRATION,
	WORDS_POLICY,
	WORDS_CAUSE,
	WORDS_OUTCOME,
	WORDS_PATH_STATE,
	WORDS_ARBITRATE,
	WORDS_HOLDER_KIND,
	WORDS_DURABLE,
	WORDS_DURABILITY,
	WORDS_WARM_MODE,
	WORDS_JOB_STATE,
	WORDS_END,
	WORDS_SESSION_STATE,
	WORDS_RELEASE_OUTCOME,
	WORDS_HISTORY,
};

/* The member of the public enumeration; 0 for NULL and for a word that is not known. */
unsigned int word_value(enum vocabulary vocabulary, const char *name);

#endif
