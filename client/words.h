/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * words.h - the words that only the library itself has to read; see words.c. 0 for NULL and for a word that
 * is not known.
 */
#ifndef RDMAREG_CLIENT_WORDS_H
#define RDMAREG_CLIENT_WORDS_H

unsigned int words_arbitration(const char *name);
unsigned int words_cause(const char *name);
unsigned int words_outcome(const char *name);
unsigned int words_holder_kind(const char *name);
unsigned int words_durable(const char *name);

#endif
