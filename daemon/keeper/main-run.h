/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main-run.h - the program, but for what the real one and the one for tests do differently. */
#ifndef RDMAREG_KEEPER_MAIN_RUN_H
#define RDMAREG_KEEPER_MAIN_RUN_H

struct keeper;

/*
 * Exit status. @prepare (may be NULL) is called before the loop begins; anything but 0 ends the
 * program.
 */
int main_run(int argc, char *argv[], int (*prepare)(struct keeper *k));

#endif
