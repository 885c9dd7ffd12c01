/* SPDX-License-Identifier: Apache-2.0 */
/* Maps the vDSO (vdso/) and the clock page before it into programs. Its pages are shared by all and never written. */
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/string.h>

#define VDSO_PAGES_MAX 4

extern const char vdso_image[], vdso_image_end[];

static struct page *vdso_pages[VDSO_PAGES_MAX];
static struct page *clock_pages[1];
static u32 nr_vdso_pages;

static int special_fault(struct vm_fault *vf)
{
	struct page **pages = vf->vma->private;

	if (vf->pgoff >= (pages == clock_pages ? 1 : nr_vdso_pages))
		return -EFAULT;
	vf->page = pages[vf->pgoff];
	get_page(vf->page);
	return 0;
}

static const char *vdso_name(struct vma *vma)
{
	return "[vdso]";
}

static const char *clock_name(struct vma *vma)
{
	return "[vvar]";
}

static const struct vm_ops vdso_ops = {.fault = special_fault, .name = vdso_name, .movable = true};
static const struct vm_ops clock_ops = {.fault = special_fault, .name = clock_name, .movable = true};

void vdso_init(void)
{
	size_t size = (size_t)(vdso_image_end - vdso_image);

	nr_vdso_pages = (u32)(PAGE_ALIGN(size) >> PAGE_SHIFT);
	BUG_ON(nr_vdso_pages > VDSO_PAGES_MAX);
	for (u32 i = 0; i < nr_vdso_pages; i++) {
		vdso_pages[i] = alloc_page(GFP_ZERO);
		if (!vdso_pages[i])
			panic("no memory for the vDSO");
		memcpy(page_address(vdso_pages[i]), vdso_image + i * PAGE_SIZE, MIN(size - i * PAGE_SIZE, PAGE_SIZE));
	}
	/* The VMM's page: our reference keeps it from ever being freed. */
	clock_pages[0] = pfn_to_page(boot->clock >> PAGE_SHIFT);
	get_page(clock_pages[0]);
}

void vdso_map(struct mm *mm)
{
	u64 text_len = nr_vdso_pages * PAGE_SIZE;
	u32 flags = VM_READ | VM_MAYREAD | VM_DONTDUMP;
	/* Find room for both, then put them there: nobody else uses this mm yet. */
	long at = install_special_mapping(mm, 0, PAGE_SIZE + text_len, flags, &clock_ops, clock_pages);

	if (at < 0 || do_munmap(mm, (u64)at, PAGE_SIZE + text_len))
		return;
	if (install_special_mapping(mm, (u64)at, PAGE_SIZE, flags, &clock_ops, clock_pages) < 0)
		return;
	if (install_special_mapping(mm, (u64)at + PAGE_SIZE, text_len, flags | VM_EXEC | VM_MAYEXEC, &vdso_ops,
				    vdso_pages) < 0)
		return;
	mm->vdso = (u64)at + PAGE_SIZE;
}
