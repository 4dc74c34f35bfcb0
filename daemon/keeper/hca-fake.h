/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hca-fake.h - what a test can make an adapter refuse, when the adapter is the fake one. */
#ifndef RDMAREG_KEEPER_HCA_FAKE_H
#define RDMAREG_KEEPER_HCA_FAKE_H

#include "keeper/hca.h"

/* The next registration, the next prefetch: fail with this (a negative errno). */
void hca_fake_fail_register(int error);
void hca_fake_fail_prefetch(int error);

/* Registrations that were not undone, of all adapters. */
int hca_fake_count(void);

#endif
