/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - the keeper's command line, read by the list in proto/keeper-options.h. Every number
 * is bounded here, so that nobody else has to wonder.
 */
#ifndef RDMAREG_OPTIONS_H
#define RDMAREG_OPTIONS_H

#include "keeper-options.h"

#define OPTIONS_E_HELP 1 /* help was asked for, and printed */

/* 0; -EINVAL, with a line on stderr that says which option is wrong and what it may be. */
int options_parse(struct keeper_options *ret, int argc, char *argv[]);

#endif
