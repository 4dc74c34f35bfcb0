// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - the real rdmareg-keeper: see main-run.c. */
#include <stddef.h>

#include "keeper/main-run.h"

int main(int argc, char *argv[])
{
	return main_run(argc, argv, NULL);
}
