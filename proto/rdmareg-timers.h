/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-timers.h - the codes in which queue pairs are told times (InfiniBand Architecture
 * Specification, volume 1, 9.7.5.2.8 and 9.9.2).
 *
 * Each function gives the smallest code for at least the time asked for, so that nobody is less
 * patient than he was told to be.
 */
#ifndef RDMAREG_TIMERS_H
#define RDMAREG_TIMERS_H

#include <stdint.h>

#define TIMERS_RNR_MAX_USEC 655360u
#define TIMERS_ACK_MAX_USEC (UINT64_C(4) << 30) /* a good hour; adapters stop well below */

/* RNR timer: code 1 is 10 us, 31 is 491.52 ms, and 0, out of order, 655.36 ms. */
static inline uint8_t timers_rnr_code(uint32_t usec)
{
	for (uint8_t code = 1; code < 32; code++) {
		/* 1, 2, 3, 4, 6, 8, 12, 16, 24 ... times 10 us */
		uint32_t tens = code == 1  ? 1
				: code % 2 ? 3u << ((code - 3) / 2)
					   : 1u << (code / 2);

		if (10 * tens >= usec)
			return code;
	}
	return 0;
}

/* Acknowledgement timeout: 4.096 us times two to the power of the code, at most 31. */
static inline uint8_t timers_ack_code(uint64_t usec)
{
	uint8_t code = 1;

	while (code < 31 && (UINT64_C(4096) << code) < usec * 1000)
		code++;
	return code;
}

#endif
