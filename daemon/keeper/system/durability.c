// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * durability.c - see durability.h. A device's path in sysfs names all that it is part of, from the
 * machine down; each of those says its type in its file uevent.
 */
#include "keeper/system/durability.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum region_durability durability_judge(const struct durability_facts *f)
{
	if (f->memory_only)
		return DURABILITY_VOLATILE;
	if (f->device_dax)
		/*
		 * without FLUSH bytes may stay in the processor's caches, and there is no fsync(2)
		 * that would fetch them
		 */
		return f->persistent && f->flush ? DURABILITY_FLUSH : DURABILITY_VOLATILE;
	if (f->synchronous && f->flush)
		return DURABILITY_FLUSH;
	return f->dax || f->synchronous ? DURABILITY_SYNC : DURABILITY_PAGE_CACHE;
}

enum region_durability durability_of(int fd, const struct durability_facts *f)
{
	struct durability_facts all = *f;
	struct stat st;

	if (f->device_dax)
		all.persistent =
			fstat(fd, &st) == 0 && durability_device_is_persistent("/sys", st.st_rdev);
	return durability_judge(&all);
}

/* Does the device in this directory say that it is of type nd_pmem? */
static bool says_pmem(const char *directory)
{
	char path[PATH_MAX + 16], line[256];
	bool found = false;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/uevent", directory) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = !strcmp(line, "DEVTYPE=nd_pmem\n");
	fclose(f);
	return found;
}

bool durability_device_is_persistent(const char *sys, dev_t device)
{
	char link[PATH_MAX], path[PATH_MAX], root[PATH_MAX];
	size_t floor;

	if (snprintf(link, sizeof(link), "%s/dev/char/%u:%u", sys, major(device), minor(device)) >=
		    (int)sizeof(link) ||
	    !realpath(link, path) || !realpath(sys, root))
		return false;
	floor = strlen(root);
	if (strncmp(path, root, floor) != 0)
		return false;
	for (char *slash; strlen(path) > floor; *slash = 0) {
		if (says_pmem(path))
			return true;
		slash = strrchr(path, '/');
		if (!slash)
			return false;
	}
	return false;
}
