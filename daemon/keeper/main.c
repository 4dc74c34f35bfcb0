// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - the real rdmareg-keeper: see main-run.c. */
#include <stddef.h>
#include <sys/prctl.h>

#include "keeper/main-run.h"

int main(int argc, char *argv[])
{
	/* another session of the same user is another tenant: it may not look into this one */
	prctl(PR_SET_DUMPABLE, 0);
	return main_run(argc, argv, NULL);
}
