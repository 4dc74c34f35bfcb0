// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-dax.c - what is made of what libdaxctl says of a device, and when no region can be made of
 * it; and that this machine's own list, whatever it has, is whole.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "dax/dax.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

static const struct {
	struct dax_facts facts;
	enum dax_mode mode;
	const char *path;
	const char *unusable; /* what the reason mentions; NULL: usable */
} table[] = {
	{ { "dax0.0", 0, 0, false, true, false, 64 * MIB, 2 * MIB },
	  DAX_MODE_DEVDAX,
	  "/dev/dax0.0",
	  NULL },
	{ { "dax0.1", 0, -1, true, true, false, 64 * MIB, PAGE },
	  DAX_MODE_DEVDAX,
	  "/dev/dax0.1",
	  NULL },
	{ { "dax1.0", 1, 1, true, true, false, 4096 * MIB, 1024 * MIB },
	  DAX_MODE_DEVDAX,
	  "/dev/dax1.0",
	  NULL },
	{ { "dax1.1", 1, 1, true, true, true, 64 * MIB, 2 * MIB },
	  DAX_MODE_SYSTEM_RAM,
	  "",
	  "reconfigure-device" },
	{ { "dax1.2", 1, 1, true, false, false, 64 * MIB, 2 * MIB },
	  DAX_MODE_NONE,
	  "",
	  "enable-device" },
	{ { "dax1.3", 1, 1, true, false, false, 0, 2 * MIB }, DAX_MODE_NONE, "", "create-device" },
	{ { "dax1.4", 1, 1, true, true, false, 64 * MIB, 0 },
	  DAX_MODE_DEVDAX,
	  "/dev/dax1.4",
	  "alignment" },
	{ { "dax1.5", 1, 1, true, true, false, 64 * MIB, 3 * MIB },
	  DAX_MODE_DEVDAX,
	  "/dev/dax1.5",
	  "alignment" },
	{ { "dax1.6", 1, 1, true, true, false, 64 * MIB, 512 },
	  DAX_MODE_DEVDAX,
	  "/dev/dax1.6",
	  "alignment" },
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct dax_facts *f = &table[i].facts;
		struct dax_entry e = dax_describe(f);
		const char *why = dax_unusable(&e, PAGE);

		assert(e.kind == DAX_DEVICE && !strcmp(e.name, f->name) && e.mode == table[i].mode);
		assert(!strcmp(e.path, table[i].path) && e.region == f->region &&
		       e.node == f->node);
		assert(e.size_bytes == f->size_bytes && e.alignment == f->alignment &&
		       e.dynamic == f->dynamic);
		assert(table[i].unusable ? why && strstr(why, table[i].unusable) : !why);
	}
}

static void test_long_name(void)
{
	char name[200];
	struct dax_facts f = { .name = name, .is_enabled = true, .node = -7, .size_bytes = MIB };
	struct dax_entry e;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	e = dax_describe(&f);
	assert(strlen(e.name) < sizeof(e.name) && strlen(e.path) == strlen(e.name) + 5 &&
	       e.node == -1);
}

static void test_this_machine(void)
{
	struct dax_list *l = NULL;
	int region = -1;

	assert(dax_list_new(&l) == 0 && l->n <= DAX_LIST_MAX);
	for (size_t i = 0; i < l->n; i++) {
		if (l->entries[i].kind == DAX_REGION)
			region = l->entries[i].region;
		assert(l->entries[i].region == region && l->entries[i].name[0]);
		if (l->entries[i].kind == DAX_REGION)
			assert(dax_unusable(&l->entries[i], PAGE));
	}
	assert(dax_list_free(l) == NULL && dax_list_free(NULL) == NULL);
}

int main(void)
{
	test_table();
	test_long_name();
	test_this_machine();
	return 0;
}
