// SPDX-License-Identifier: GPL-2.0-only
/*
 * totals.c - what exists and what happened in the whole module, one number a file in
 * /sys/class/misc/rdmareg/totals/. What always holds: openers, ranges and layouts count structures
 * that are allocated, not watches that somebody sees, so that all three read 0 when nobody has the
 * device open and no breaker is under way. Anything else is a leak.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "rdmareg.h"

atomic64_t rdmareg_totals[RDMAREG_TOTALS];

static ssize_t show(enum rdmareg_total total, char *text)
{
	return sysfs_emit(text, "%lld\n", (long long)atomic64_read(&rdmareg_totals[total]));
}

#define TOTAL(name, total)                                                                    \
	static ssize_t name##_show(struct device *device, struct device_attribute *attribute, \
				   char *text)                                                \
	{                                                                                     \
		return show(total, text);                                                     \
	}                                                                                     \
	static DEVICE_ATTR_RO(name)

TOTAL(openers, RDMAREG_OPENERS);
TOTAL(ranges, RDMAREG_RANGES);
TOTAL(layouts, RDMAREG_LAYOUTS);
TOTAL(breaks, RDMAREG_BREAKS);
TOTAL(expiries, RDMAREG_EXPIRIES);

static struct attribute *attributes[] = {
	&dev_attr_openers.attr, &dev_attr_ranges.attr,	 &dev_attr_layouts.attr,
	&dev_attr_breaks.attr,	&dev_attr_expiries.attr, NULL,
};

static const struct attribute_group group = { .name = "totals", .attrs = attributes };

const struct attribute_group *rdmareg_total_groups[] = { &group, NULL };
