// SPDX-License-Identifier: GPL-2.0-or-later
/* fault.c - see fault.h. */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "plain.h"
#include "reach.h"

#define PARAMETER "/sys/module/rdmareg_fault_cost/parameters/usec"
#define PAGES 64u

const unsigned int fault_costs[FAULT_COSTS] = { 0, 10, 100 };
static double packet_usec;

static void set_usec(double usec)
{
	FILE *f = fopen(PARAMETER, "we");

	if (!f || fprintf(f, "%.0f\n", usec) < 0 || fclose(f))
		die(PARAMETER);
}

static void end(void)
{
	set_usec(0);
}

void fault_start(void)
{
	int fd = new_file("memfd", PAGES * PAGE, ZEROED), e;
	struct samples took = { 0 };
	struct reach r;

	set_usec(0);
	atexit(end);
	e = reach_open(&r, WAY_PINNED, fd, PAGES * PAGE, PAGE);
	if (e < 0) {
		errno = -e;
		die("pinned memory");
	}
	close(fd);
	for (unsigned int i = 0; i < (quick ? 2 : 20) * PAGES; i++)
		samples_add(&took, reach_write(&r, PAGE, i % PAGES * PAGE));
	packet_usec = samples_quantile(&took, 0.5);
	samples_clear(&took);
	reach_close(&r);
	plain_release_all();
}

double fault_packet_usec(void)
{
	return packet_usec;
}

void fault_set(unsigned int packets)
{
	set_usec(packets * packet_usec);
}
