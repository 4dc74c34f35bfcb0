/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hca.h - what a test can make an adapter refuse, when the adapter is the fake one. */
#ifndef RDMAREG_KEEPER_HCA_FAKE_H
#define RDMAREG_KEEPER_HCA_FAKE_H

#include "keeper/hca/hca.h"

/* The next registration, the next prefetch: fail with this (a negative errno). */
void hca_fake_fail_register(int error);
void hca_fake_fail_prefetch(int error);

/*
 * So many chunks are prefetched from now on, then the worker waits for more to be allowed; -1: any
 * number, as in the beginning.
 */
void hca_fake_allow_chunks(int n);

/* The next prefetch does not end until they are said to (false). */
void hca_fake_hang_prefetch(bool hang);

/* From now on the kernel answers each deregistration as one of a device that was taken away. */
void hca_fake_take_away(void);

/* Registrations that were not undone, of all adapters. */
int hca_fake_count(void);

#endif
