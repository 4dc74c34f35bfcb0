// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * range.c - a range report of the kernel, brought to whoever does something about it: pages of a
 * region were taken away, or written back.
 */
#include "keeper/region/region.h"
#include "rdmareg-uapi.h"

void kregion_on_range(struct kregion *r, const struct rdmareg_report *report)
{
	uint64_t own, cleared;
	uint32_t causes = report->causes;
	static const uint32_t by_others = RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_WRITEBACK |
					  RDMAREG_CAUSE_UNMAP | RDMAREG_CAUSE_EXIT |
					  RDMAREG_CAUSE_OTHER;

	if (report->slot != r->watching.range_slot)
		return;
	own = kregion_own_clears(r, report);
	cleared = report->clear_count - own;
	if (own && !cleared)
		causes &= ~RDMAREG_CAUSE_CLEAR;
	r->counters.invalidations += cleared + report->writeback_count + report->other_count;
	r->counters.removals += cleared;
	r->counters.writebacks += report->writeback_count;
	if ((causes & RDMAREG_CAUSE_SELF) && !(causes & by_others))
		return; /* our own fence, or what we dropped */
	if (causes & RDMAREG_CAUSE_CLEAR) {
		kregion_note_cleared(r);
		kregion_restat(r);
		kregion_blocks_cleared(r, report->start, report->end);
	}
	kregion_warm_after(r, report);
	kregion_fold(r, report->start, report->end, causes);
}
