// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmareg-fault-cost.c - makes the page faults of adapters with on-demand paging take longer: by
 * `usec` microseconds each, 0 at first, which can be changed at any time.
 *
 * soft-RoCE serves a fault in little more than the time of a packet; an adapter takes a hundred
 * times as long. Benchmarks that ask what translations are worth set that time here (p5-fault.c).
 *
 * All adapters fault through ib_umem_odp_map_dma_and_lock(). Calls of it are diverted, as a live
 * patch does it, into a function that sleeps first: what an adapter's fault costs is time, not the
 * processor. A prefetch is one such call for all of its pages, so it pays as one fault does. Calls
 * that only take over what is mapped already (at registration) pay nothing.
 *
 * What always holds: with `usec` 0 nothing is different. It cannot be unloaded, since somebody may
 * sleep in it: it is for machines that are thrown away.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <rdma/ib_umem_odp.h>

static unsigned int usec;
module_param(usec, uint, 0644);
MODULE_PARM_DESC(usec, "how much longer a fault takes, microseconds");

static int fault_slowly(struct ib_umem_odp *umem, u64 address, u64 bytes, u64 access, bool fault)
{
	unsigned int longer = READ_ONCE(usec);

	if (fault && longer)
		usleep_range(longer, longer + longer / 50 + 1);
	return ib_umem_odp_map_dma_and_lock(umem, address, bytes, access, fault);
}

static void notrace divert(unsigned long ip, unsigned long caller, struct ftrace_ops *ops,
			   struct ftrace_regs *regs)
{
	if (!within_module(caller, THIS_MODULE))
		ftrace_regs_set_instruction_pointer(regs, (unsigned long)fault_slowly);
}

static struct ftrace_ops diversion = {
	.func = divert,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static int __init fault_cost_init(void)
{
	int e = ftrace_set_filter_ip(&diversion, (unsigned long)ib_umem_odp_map_dma_and_lock, 0, 0);

	return e ? e : register_ftrace_function(&diversion);
}
module_init(fault_cost_init);

MODULE_DESCRIPTION("Page faults of RDMA adapters that take longer, for benchmarks");
MODULE_LICENSE("GPL");
