// SPDX-License-Identifier: GPL-2.0-or-later
/* test-slurm-settings.c - what the Slurm plugin takes from plugstack.conf, and that the rest changes nothing. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client/slurm/settings.h"

static const char *const bad[] = {
	"",
	"=",
	"wait",
	"wait=",
	"wait=-1",
	"wait=1d",
	"wait=30s ",
	" wait=30s",
	"Wait=30s",
	"waits=30s",
	"wai=30s",
	"grace",
	"grace=",
	"grace=soon",
	"grace=99999999999999999999",
	"directory",
	"directory=",
	"directory=tickets",
	"directory=./tickets",
	"directory=~",
	"directory=~good/tickets",
	"memory",
	"memory=",
	"memory=%",
	"memory=0%",
	"memory=1001%",
	"memory=-1%",
	"memory=50%%",
	"memory=0x10%",
	"memory=00000000050%",
	"memory=99999999999999999999%",
	"memory=1.5G",
	"memory=much",
	"memory=16777216T",
	"device",
	"device=",
	"device=mlx5/0",
	"device=mlx5 0",
	"device=,",
	"device=a,",
	"device=,a",
	"device=a,,b",
	"device=a, b",
	"device=a,b,a",
	"device=a,b,c,d,e",
	"device=0123456789012345678901234567890123456789012345678901234567890123",
	"device=a,0123456789012345678901234567890123456789012345678901234567890123",
	"required",
	"session=x",
};

static int same(const struct settings *a, const struct settings *b)
{
	return !strcmp(a->directory, b->directory) && a->wait_usec == b->wait_usec &&
	       a->release_grace_usec == b->release_grace_usec &&
	       a->memory_bytes == b->memory_bytes && a->memory_percent == b->memory_percent &&
	       a->n_devices == b->n_devices && !memcmp(a->device, b->device, sizeof(a->device));
}

static void take(struct settings *s, const char *argument)
{
	assert(settings_take(s, argument) == 0);
}

static void test_good(void)
{
	struct settings s;

	settings_init(&s);
	assert(!strcmp(s.directory, "~/.rdmareg") && s.wait_usec == 30000000);
	assert(s.release_grace_usec == 2000000 && !s.memory_bytes && !s.memory_percent);
	take(&s, "directory=/scratch/a=b");
	assert(!strcmp(s.directory, "/scratch/a=b"));
	take(&s, "directory=~/x");
	assert(!strcmp(s.directory, "~/x"));
	take(&s, "wait=500ms");
	assert(s.wait_usec == 500000);
	take(&s, "wait=0");
	assert(s.wait_usec == 0);
	take(&s, "grace=0");
	assert(s.release_grace_usec == 0);
	/* of size and part the last one counts */
	take(&s, "memory=64M");
	assert(s.memory_bytes == 64 << 20 && !s.memory_percent);
	take(&s, "memory=1000%");
	assert(!s.memory_bytes && s.memory_percent == 1000);
	take(&s, "memory=1G");
	assert(s.memory_bytes == 1 << 30 && !s.memory_percent);
	assert(!s.n_devices && !settings_device(&s, 0));
	take(&s, "device=mlx5_0,mlx5_1,a,b");
	assert(s.n_devices == 4 && !strcmp(settings_device(&s, 0), "mlx5_0"));
	assert(!strcmp(settings_device(&s, 3), "b"));
	take(&s, "device=mlx5_1");
	assert(s.n_devices == 1 && !strcmp(settings_device(&s, 0), "mlx5_1"));
	assert(!settings_device(&s, 1));
}

static void test_bad(void)
{
	struct settings s, before;
	size_t i;

	settings_init(&s);
	take(&s, "directory=/scratch");
	take(&s, "wait=7s");
	take(&s, "grace=8s");
	take(&s, "memory=9%");
	take(&s, "device=rxe0,rxe1");
	before = s;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (settings_take(&s, bad[i]) >= 0 || !same(&s, &before)) {
			printf("'%s' is taken\n", bad[i]);
			assert(0);
		}
}

int main(void)
{
	test_good();
	test_bad();
	return 0;
}
