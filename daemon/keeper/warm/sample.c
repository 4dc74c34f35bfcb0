// SPDX-License-Identifier: GPL-2.0-or-later
/* sample.c - see warm/sample.h. */
#include "keeper/warm/sample.h"

#include <string.h>

void warm_sample_begin(struct warm_sample *s, uint64_t length)
{
	*s = (struct warm_sample){ .pages = (uint16_t)((length + WARM_SAMPLE_BYTES - 1) /
						       WARM_SAMPLE_BYTES) };
}

unsigned int warm_sample_places(const struct warm_sample *s)
{
	return s->pages < WARM_SAMPLE_PLACES ? s->pages : WARM_SAMPLE_PLACES;
}

uint64_t warm_sample_place(const struct warm_sample *s, unsigned int i)
{
	return (uint64_t)(s->pages * i / warm_sample_places(s)) * WARM_SAMPLE_BYTES;
}

/* FNV-1a, but of words instead of bytes: quick, and nobody gains by deceiving it. */
void warm_sample_note(struct warm_sample *s, unsigned int i, const void *bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;

	for (size_t at = 0; at < WARM_SAMPLE_BYTES; at += sizeof(word)) {
		memcpy(&word, (const char *)bytes + at, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	s->sum[i] = (uint8_t)(sum >> 56);
}

bool warm_sample_differs(const struct warm_sample *a, const struct warm_sample *b,
			 unsigned int most, unsigned int of)
{
	unsigned int places = warm_sample_places(a), n = 0;

	if (!a->pages || a->pages != b->pages)
		return false;
	for (unsigned int i = 0; i < places; i++)
		n += a->sum[i] != b->sum[i];
	return n * of >= places * most;
}
