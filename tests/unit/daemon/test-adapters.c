// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-adapters.c - what is told of RDMA devices, from a sysfs and findings made up here: ports up
 * and down, tested and not, and none at all.
 */
#undef NDEBUG
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/adapters.h"

static char root[] = "/tmp/test-adapters.XXXXXX";
static char sysfs[64], cache[64];
static struct adapter told[8];
static unsigned int n_told;

static void put(const char *text, const char *format, ...)
{
	char path[300], command[400];
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", path);
	assert(system(command) == 0);
	f = fopen(path, "w");
	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void put_port(const char *device, unsigned int port, const char *state, const char *netdev)
{
	char at[200];

	snprintf(at, sizeof(at), "%s/class/infiniband/%s/ports/%u", sysfs, device, port);
	put(state, "%s/state", at);
	put("Ethernet\n", "%s/link_layer", at);
	if (netdev)
		put(netdev, "%s/gid_attrs/ndevs/0", at);
}

static void on_adapter(void *to, const struct adapter *a)
{
	assert(to == &n_told && n_told < 8);
	told[n_told++] = *a;
}

static void list(unsigned int expected)
{
	n_told = 0;
	assert(adapters_list(sysfs, cache, on_adapter, &n_told) == 0 && n_told == expected);
}

static void save(const char *device, enum check failed)
{
	struct quirks q;
	char path[128];

	snprintf(path, sizeof(path), "%s/class/infiniband", sysfs);
	quirks_init(&q);
	assert(quirks_identify(path, device, &q.of) == 0);
	for (enum check c = 0; c < _CHECK_MAX; c++)
		q.verdict[c] = VERDICT_OK;
	q.alignment = q.minimum_mtu = 1;
	if (failed < _CHECK_MAX)
		q.verdict[failed] = VERDICT_FAILED;
	assert(quirks_save(cache, &q) == 0);
}

static void test_untested(void)
{
	list(0); /* no such directory */
	put_port("b0", 1, "1: DOWN\n", NULL);
	put_port("b0", 2, "4: ACTIVE\n", "eth7\n");
	put("9000\n", "%s/class/net/eth7/mtu", sysfs);
	put("1.2\n", "%s/class/infiniband/b0/fw_ver", sysfs);
	put_port("a0", 1, "1: DOWN\n", "gone0\n");
	put("", "%s/class/infiniband/c0/fw_ver", sysfs); /* no port at all */
	list(3);
	assert(!strcmp(told[0].of.device, "a0") && !strcmp(told[0].state, "down") && !told[0].mtu);
	assert(strstr(told[0].unusable, "no port") && !strcmp(told[0].netdev, "gone0"));
	assert(!strcmp(told[1].state, "active") && !strcmp(told[1].netdev, "eth7") &&
	       told[1].mtu == 9000);
	assert(!strcmp(told[1].of.firmware, "1.2") && !strcmp(told[1].link, "ethernet"));
	assert(!*told[1].unusable && !*told[1].abilities && strstr(told[1].quirks, "unknown: "));
	assert(!*told[2].state && *told[2].unusable);
}

static void test_tested(void)
{
	save("b0", _CHECK_MAX);
	list(3);
	assert(!strcmp(told[1].quirks, "none") && !*told[1].unusable);
	assert(!strcmp(
		told[1].abilities,
		"on-demand paging, prefetch, atomics, flush, memory windows, paging over DC, indirect keys"));
	save("b0", CHECK_FENCE);
	list(3);
	assert(strstr(told[1].unusable, "fence") && strstr(told[1].unusable, "selftest b0"));
	assert(!strcmp(told[1].abilities,
		       "prefetch, atomics, flush, memory windows, paging over DC, indirect keys"));
	assert(!*told[0].abilities); /* findings are one device's */
}

int main(void)
{
	char command[100];

	assert(mkdtemp(root));
	snprintf(sysfs, sizeof(sysfs), "%s/sys", root);
	snprintf(cache, sizeof(cache), "%s/cache", root);
	test_untested();
	test_tested();
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert(system(command) == 0);
	return 0;
}
