// SPDX-License-Identifier: GPL-2.0-only
/*
 * opener.c - one open of the device: how it begins and ends, its slots and its status page.
 *
 * What always holds: an opener is on the list of openers exactly while its file is open; its memory lives on
 * while a layout watch refers to it. The status page consists of single pages that come into being when a
 * slot in them is first used, or the process first looks, and stay until the opener is freed.
 */
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "rdmareg.h"

static DEFINE_MUTEX(openers_lock);
static LIST_HEAD(openers);

#define STATUS_PER_PAGE (PAGE_SIZE / sizeof(struct rdmareg_slot_status))
#define STATUS_PAGES (RDMAREG_STATUS_BYTES / PAGE_SIZE)

void rdmareg_opener_wake(struct rdmareg_opener *opener)
{
	wake_up_interruptible_poll(&opener->wait, EPOLLIN);
}

void rdmareg_opener_put(struct rdmareg_opener *opener)
{
	unsigned int i;

	if (!refcount_dec_and_test(&opener->refs))
		return;
	for (i = 0; opener->pages && i < STATUS_PAGES; i++)
		if (opener->pages[i])
			put_page(opener->pages[i]);
	kvfree(opener->pages);
	kvfree(opener->table.slots);
	mmdrop(opener->mm);
	kfree(opener);
	atomic64_dec(&rdmareg_totals[RDMAREG_OPENERS]);
}

/*
 * Called under mmap_lock by the fault handler and under opener->change when a slot is added: no lock decides
 * who is first.
 */
static struct page *status_page(struct rdmareg_opener *opener, unsigned int index)
{
	struct page *page = READ_ONCE(opener->pages[index]);
	struct page *other;

	if (page)
		return page;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return NULL;
	other = cmpxchg(&opener->pages[index], NULL, page);
	if (!other)
		return page;
	put_page(page);
	return other;
}

int rdmareg_slot_add(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	struct rdmareg_slot_status *status;
	struct page *page;
	u32 number;

	/* only requests under opener->change add and remove slots: the number stays free */
	number = rdmareg_table_free(&opener->table);
	if (number == opener->table.limit)
		return -ENOSPC;
	page = status_page(opener, number / STATUS_PER_PAGE);
	if (!page)
		return -ENOMEM;
	status = page_address(page);
	spin_lock(&opener->lock);
	rdmareg_table_add(&opener->table, slot, number, &status[number % STATUS_PER_PAGE]);
	spin_unlock(&opener->lock);
	return 0;
}

void rdmareg_slot_remove(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	spin_lock(&opener->lock);
	rdmareg_table_remove(&opener->table, slot);
	spin_unlock(&opener->lock);
}

/* Called with opener->change held. */
int rdmareg_opener_unwatch(struct rdmareg_opener *opener, u32 number)
{
	struct rdmareg_slot *slot = rdmareg_table_get(&opener->table, number);

	if (!slot)
		return -ENOENT;
	if (slot->kind == RDMAREG_KIND_RANGE)
		rdmareg_range_unwatch(opener, slot);
	else
		rdmareg_layout_unwatch(opener, slot);
	return 0;
}

static void opener_exit(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	rdmareg_layout_release_all(container_of(notifier, struct rdmareg_opener, exit));
}

static const struct mmu_notifier_ops opener_exit_operations = {
	.release = opener_exit,
};

/* Enters the opener in the list, unless its user has too many already. */
static int opener_admit(struct rdmareg_opener *opener)
{
	struct rdmareg_opener *other;
	unsigned int count = 0;

	mutex_lock(&openers_lock);
	list_for_each_entry(other, &openers, entry)
		if (uid_eq(other->uid, opener->uid))
			count++;
	if (count < rdmareg_max_openers)
		list_add(&opener->entry, &openers);
	mutex_unlock(&openers_lock);
	return count < rdmareg_max_openers ? 0 : -EMFILE;
}

static void opener_leave(struct rdmareg_opener *opener)
{
	mutex_lock(&openers_lock);
	list_del(&opener->entry);
	mutex_unlock(&openers_lock);
}

int rdmareg_open(struct inode *inode, struct file *file)
{
	struct rdmareg_opener *opener;
	struct rdmareg_slot **slots;
	int r;

	if (!current->mm)
		return -EINVAL;
	opener = kzalloc(sizeof(*opener), GFP_KERNEL_ACCOUNT);
	if (!opener)
		return -ENOMEM;
	atomic64_inc(&rdmareg_totals[RDMAREG_OPENERS]);
	refcount_set(&opener->refs, 1);
	mutex_init(&opener->change);
	spin_lock_init(&opener->lock);
	init_waitqueue_head(&opener->wait);
	opener->uid = current_uid();
	opener->mm = current->mm;
	mmgrab(opener->mm);

	opener->pages = kvcalloc(STATUS_PAGES, sizeof(*opener->pages), GFP_KERNEL_ACCOUNT);
	slots = kvcalloc(rdmareg_max_watches, sizeof(*slots), GFP_KERNEL_ACCOUNT);
	rdmareg_table_init(&opener->table, slots, rdmareg_max_watches);
	if (!opener->pages || !slots) {
		r = -ENOMEM;
		goto put;
	}
	r = opener_admit(opener);
	if (r < 0)
		goto put;
	opener->exit.ops = &opener_exit_operations;
	r = mmu_notifier_register(&opener->exit, opener->mm);
	if (r < 0)
		goto leave;

	file->private_data = opener;
	return nonseekable_open(inode, file);

leave:
	opener_leave(opener);
put:
	rdmareg_opener_put(opener);
	return r == -EINTR ? -ERESTARTNOINTR : r;
}

/* The last descriptor and the last mapping are gone, so no request is under way and none can come. */
int rdmareg_release(struct inode *inode, struct file *file)
{
	struct rdmareg_opener *opener = file->private_data;
	u32 number;

	/* gives the layouts back first of all, unless the address space is gone and has done it */
	mmu_notifier_unregister(&opener->exit, opener->mm);
	mutex_lock(&opener->change);
	for (number = 0; number < opener->table.used; number++)
		rdmareg_opener_unwatch(opener, number);
	mutex_unlock(&opener->change);
	opener_leave(opener);
	rdmareg_opener_put(opener);
	return 0;
}

static vm_fault_t status_fault(struct vm_fault *fault)
{
	struct rdmareg_opener *opener = fault->vma->vm_private_data;
	struct page *page;

	if (fault->pgoff >= STATUS_PAGES)
		return VM_FAULT_SIGBUS;
	page = status_page(opener, fault->pgoff);
	if (!page)
		return VM_FAULT_OOM;
	get_page(page);
	fault->page = page;
	return 0;
}

static const struct vm_operations_struct status_operations = {
	.fault = status_fault,
};

int rdmareg_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct rdmareg_opener *opener = file->private_data;

	if (vma->vm_mm != opener->mm || (vma->vm_flags & VM_WRITE))
		return -EPERM;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start != RDMAREG_STATUS_BYTES)
		return -EINVAL;
	/* a child's copy would keep the device open after its opener has closed it */
	rdmareg_vm_flags(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE);
	vma->vm_private_data = opener;
	vma->vm_ops = &status_operations;
	return 0;
}
