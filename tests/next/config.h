/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - of programs that are of another version of rdmareg than the rest of the tree: what is
 * compiled with this folder first on its path. What always holds: nothing else of them differs.
 */
#include_next "config.h"

#undef PROJECT_VERSION
#define PROJECT_VERSION "99.0.0"
