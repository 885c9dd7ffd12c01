/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap, munmap, brk: making and removing mappings.
 *
 * Addresses: programs live in two ranges with the backend's window between them. Reservations without any permission
 * may cover the window, since no entry of theirs is ever present; user_range() guards everything that could make one
 * present.
 */
#include <gk/cred.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/syscall.h>
#include <gk/sysctl.h>
#include <gk/task.h>
#include "internal.h"
#include "hv.h"
#include "mmap.h"
#include "pgtable.h"
#include "vma.h"

/* ---- limits ---- */

static u64 limit_pages(u32 which)
{
	u64 bytes = current->process->rlim[which].cur;

	return bytes == RLIM_INFINITY ? ~0ull : bytes >> PAGE_SHIFT;
}

/* Obvious overcommits only: one request larger than the machine. */
static bool enough_memory(u32 vm_flags, u64 pages)
{
	if ((vm_flags & (VM_SHARED | VM_NORESERVE)) || !(vm_flags & VM_WRITE))
		return true;
	return pages <= ram_pages;
}

int may_expand_data(struct mm *mm, u32 vm_flags, u64 pages)
{
	if ((vm_flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN | VM_STACK)) == VM_WRITE &&
	    mm->data_vm + pages > limit_pages(RLIMIT_DATA))
		return -ENOMEM;
	return enough_memory(vm_flags, pages) ? 0 : -ENOMEM;
}

int may_expand(struct mm *mm, u32 vm_flags, u64 pages)
{
	return mm->total_vm + pages > limit_pages(RLIMIT_AS) ? -ENOMEM : may_expand_data(mm, vm_flags, pages);
}

int may_lock(struct mm *mm, u64 pages)
{
	if (mm->locked_vm + pages <= limit_pages(RLIMIT_MEMLOCK) || capable(CAP_IPC_LOCK))
		return 0;
	return current->process->rlim[RLIMIT_MEMLOCK].cur ? -EAGAIN : -EPERM;
}

/* ---- the table of the direct switch ---- */

void leave_direct_table(struct mm *mm, u64 start, u64 len)
{
	if (READ_ONCE(mm->direct) && start < DIRECT_TABLE + DIRECT_TABLE_SIZE && len > 0 && start + len > DIRECT_TABLE)
		direct_mm_disable(mm);
}

/* ---- unmapping ---- */

void free_dead_vmas(struct list_head *dead)
{
	while (!list_empty(dead)) {
		struct vma *v = list_first_entry(dead, struct vma, mapping_link);

		list_del(&v->mapping_link);
		vma_free(v);
	}
}

/* Makes @addr a border between vmas. */
static int split_at(struct mm *mm, u64 addr)
{
	struct vma *v = vma_at(mm, addr);

	if (!v || v->start == addr)
		return 0;
	if (mm->nr_vmas >= READ_ONCE(sysctl_max_map_count))
		return -ENOMEM;
	return vma_split(v, addr) ? 0 : -ENOMEM;
}

int unmap_locked(struct mm *mm, u64 start, u64 end, struct list_head *dead)
{
	struct vma *v, *prev, *next;
	struct gather g;
	int err;

	if (range_is_free(mm, start, end))
		return 0;
	err = split_at(mm, start);
	if (!err)
		err = split_at(mm, end);
	if (err)
		return err;
	gather_init(&g, mm);
	v = vma_find(mm, start);
	prev = vma_prev(v);
	for (; v && v->start < end; v = next) {
		next = vma_next(v);
		vma_remove(v);
		zap_range(&g, v, v->start, v->end, false);
		list_add_tail(&v->mapping_link, dead);
	}
	prune_tables(&g, start, end, prev ? prev->end : 0, v ? v->start : boot->user_hi_end);
	gather_finish(&g);
	return 0;
}

int do_munmap(struct mm *mm, u64 start, u64 len)
{
	LIST_HEAD(dead);
	int err;

	len = PAGE_ALIGN(len);
	if ((start & ~PAGE_MASK) || !len || start > boot->user_hi_end || len > boot->user_hi_end - start)
		return -EINVAL;
	leave_direct_table(mm, start, len);
	down_write(&mm->mmap_lock);
	err = unmap_locked(mm, start, start + len, &dead);
	up_write(&mm->mmap_lock);
	free_dead_vmas(&dead);
	return err;
}

void exit_mmap(struct mm *mm)
{
	LIST_HEAD(dead);
	struct vma *v, *next;
	struct gather g;

	gather_init(&g, mm);
	/* If no vCPU has the table, the backend forgets all of it at once and need not hear of each range. */
	if (refcount_read(&mm->refs) == 1) {
		hv_release_root(mm->cr3);
		mm->cr3 = 0;
	}
	for (v = vma_first(mm); v; v = next) {
		next = vma_next(v);
		vma_remove(v);
		zap_range(&g, v, v->start, v->end, false);
		list_add_tail(&v->mapping_link, &dead);
	}
	prune_tables(&g, 0, boot->user_hi_end, 0, ~0ull);
	gather_finish(&g);
	free_dead_vmas(&dead);
}

/* ---- where ---- */

/* The highest room below mmap_base, then anywhere. */
u64 find_room(struct mm *mm, u64 len, u32 flags)
{
	u64 base = mm->mmap_base, found;

	if (flags & MAP_32BIT)
		return find_gap_up(mm, len, 0x40000000, 0x80000000);
	if (base > boot->user_hi_start) {
		found = find_gap_down(mm, len, boot->user_hi_start, base);
		if (found)
			return found;
	}
	found = find_gap_down(mm, len, boot->user_lo_start, MIN(base, boot->user_lo_end));
	if (!found && base > boot->user_hi_start)
		found = find_gap_up(mm, len, base, boot->user_hi_end);
	return found;
}

/* Where a fixed mapping may lie: in a program's ranges, or across the window if it gives no access. */
static bool fixed_range_ok(u64 addr, u64 len, u32 prot)
{
	if (user_range(addr, len))
		return true;
	return !prot && addr >= boot->user_lo_start && len <= boot->user_hi_end && addr <= boot->user_hi_end - len;
}

static long choose_address(struct mm *mm, u64 addr, u64 len, u32 prot, u32 flags)
{
	u64 found;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr & ~PAGE_MASK)
			return -EINVAL;
		if (addr < boot->user_lo_start)
			return -EPERM;
		if (!fixed_range_ok(addr, len, prot))
			return -ENOMEM;
		if ((flags & MAP_FIXED_NOREPLACE) && !range_is_free(mm, addr, addr + len))
			return -EEXIST;
		return (long)addr;
	}
	addr = PAGE_ALIGN(addr);
	if (addr && user_range(addr, len) && !((flags & MAP_32BIT) && addr + len > 0x80000000)) {
		struct vma *next = vma_find(mm, addr);

		if (!next || (next->start >= addr + len && vma_low(next) >= addr + len))
			return (long)addr;
	}
	found = find_room(mm, len, flags);
	return found ? (long)found : -ENOMEM;
}

/* ---- mmap ---- */

static u32 vm_flags_of(u32 prot, u32 flags)
{
	u32 vm = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);

	vm |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
	if (flags & MAP_GROWSDOWN)
		vm |= VM_GROWSDOWN;
	if (flags & MAP_LOCKED)
		vm |= VM_LOCKED;
	if (flags & MAP_NORESERVE)
		vm |= VM_NORESERVE;
	return vm;
}

/* Offsets within a mapping are file sizes: they must not overflow. */
static bool beyond_files(u64 len, u64 pgoff)
{
	return pgoff > ((u64)MAX_LFS_FILESIZE - len) >> PAGE_SHIFT;
}

/* Adds what kind and mode of the file allow to *vm. */
static int check_file(struct file *file, u32 prot, u32 flags, u32 *vm)
{
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (flags & ~MAP_KNOWN))
		return -EOPNOTSUPP;
	if (!(file->fmode & FMODE_READ))
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE) {
		if ((prot & PROT_WRITE) && !(file->fmode & FMODE_WRITE))
			return -EACCES;
		if (!(file->fmode & FMODE_WRITE))
			*vm &= ~VM_MAYWRITE;
		*vm |= VM_SHARED;
	}
	if (file->path.mnt && (file->path.mnt->flags & MS_NOEXEC)) {
		if (prot & PROT_EXEC)
			return -EPERM;
		*vm &= ~VM_MAYEXEC;
	}
	if (!file->ops->mmap)
		return -ENODEV;
	return flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

static int check_kind(struct file *file, u32 prot, u32 flags, u32 *vm)
{
	u32 type = flags & MAP_TYPE;

	if (type != MAP_PRIVATE && type != MAP_SHARED && (type != MAP_SHARED_VALIDATE || !file))
		return -EINVAL;
	if (file)
		return check_file(file, prot, flags, vm);
	if (type == MAP_SHARED) {
		if (flags & MAP_GROWSDOWN)
			return -EINVAL;
		*vm |= VM_SHARED;
	}
	/* There is no pool of huge pages. */
	return flags & MAP_HUGETLB ? -ENOMEM : 0;
}

/* Room is free, limits are checked. Puts the vma there. mmap_lock held for writing. */
static int add_mapping(struct mm *mm, struct file *file, u64 addr, u64 len, u32 vm, u64 pgoff, struct list_head *dead)
{
	struct vma *v;
	int err = 0;

	if (!file && !(vm & VM_GROWSDOWN) && vma_extend_neighbour(mm, addr, addr + len, vm))
		return 0;
	v = vma_new(mm, addr, addr + len, vm);
	if (!v)
		return -ENOMEM;
	v->pgoff = file ? pgoff : addr >> PAGE_SHIFT;
	if (file) {
		v->file = file_get(file);
		err = file->ops->mmap(file, v);
	}
	if (err) {
		v->ops = NULL; /* nothing was opened */
		list_add_tail(&v->mapping_link, dead);
		return err;
	}
	vma_insert(v);
	vma_merge(v);
	return 0;
}

static long mmap_locked(struct mm *mm, struct file *file, u64 addr, u64 len, u32 prot, u32 flags, u32 vm, u64 pgoff,
			struct list_head *dead)
{
	long where;
	int err;

	if (mm->nr_vmas >= READ_ONCE(sysctl_max_map_count))
		return -ENOMEM;
	where = choose_address(mm, addr, len, prot, flags);
	if (where < 0)
		return where;
	if (vm & VM_LOCKED) {
		err = may_lock(mm, len >> PAGE_SHIFT);
		if (err)
			return -EAGAIN;
	}
	/*
	 * What a fixed mapping replaces does not count; who is that close to a limit may see it refused all the same.
	 */
	err = may_expand(mm, vm, len >> PAGE_SHIFT);
	if (!err && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		err = unmap_locked(mm, (u64)where, (u64)where + len, dead);
	if (!err)
		err = add_mapping(mm, file, (u64)where, len, vm, pgoff, dead);
	return err ? err : where;
}

long do_mmap(struct mm *mm, struct file *file, u64 addr, u64 len, u32 prot, u32 flags, u64 pgoff)
{
	u32 vm = vm_flags_of(prot, flags) | mm->def_flags;
	struct file *shmem = NULL;
	LIST_HEAD(dead);
	long where;
	int err;

	if (!len)
		return -EINVAL;
	len = PAGE_ALIGN(len);
	if (!len || len > boot->user_hi_end)
		return -ENOMEM;
	if (pgoff + (len >> PAGE_SHIFT) < pgoff || (file && beyond_files(len, pgoff)))
		return -EOVERFLOW;
	err = check_kind(file, prot, flags, &vm);
	if (err)
		return err;
	if (!file && (vm & VM_SHARED)) {
		if (len >> PAGE_SHIFT > ram_pages && !(vm & VM_NORESERVE))
			return -ENOMEM;
		shmem = shmem_file("dev/zero", (loff_t)len, 0);
		if (IS_ERR(shmem))
			return PTR_ERR(shmem);
		file = shmem;
		pgoff = 0;
	}
	if (flags & MAP_FIXED)
		leave_direct_table(mm, addr, len);
	down_write(&mm->mmap_lock);
	where = mmap_locked(mm, file, addr, len, prot, flags, vm, pgoff, &dead);
	up_write(&mm->mmap_lock);
	free_dead_vmas(&dead);
	if (shmem)
		file_put(shmem);
	if (where >= 0 && ((vm & VM_LOCKED) || (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)) {
		down_read(&mm->mmap_lock);
		populate_range(mm, (u64)where, (u64)where + len);
		up_read(&mm->mmap_lock);
	}
	return where;
}

long install_special_mapping(struct mm *mm, u64 addr, u64 len, u32 vm_flags, const struct vm_ops *ops, void *priv)
{
	struct vma *v;
	long where;

	len = PAGE_ALIGN(len);
	down_write(&mm->mmap_lock);
	where = addr ? (long)addr : (long)find_room(mm, len, 0);
	if (!where || !user_range((u64)where, len) || !range_is_free(mm, (u64)where, (u64)where + len)) {
		where = -ENOMEM;
		goto out;
	}
	v = vma_new(mm, (u64)where, (u64)where + len, vm_flags | VM_SPECIAL | VM_DONTEXPAND);
	if (!v) {
		where = -ENOMEM;
		goto out;
	}
	v->ops = ops;
	v->private = priv;
	vma_insert(v);
out:
	up_write(&mm->mmap_lock);
	return where;
}

int setup_stack_vma(struct mm *mm, u64 top, u64 size, bool executable)
{
	u32 vm = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_STACK;
	int err = -ENOMEM;
	struct vma *v;

	if (executable)
		vm |= VM_EXEC;
	down_write(&mm->mmap_lock);
	if (user_range(top - size, size) && range_is_free(mm, top - size, top)) {
		v = vma_new(mm, top - size, top, vm);
		if (v) {
			vma_insert(v);
			err = 0;
		}
	}
	up_write(&mm->mmap_lock);
	return err;
}

/* ---- system calls ---- */

SYSCALL6(mmap, u64, addr, u64, len, u64, prot, u64, flags, u64, fd, u64, off)
{
	struct file *file = NULL;
	long ret;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		file = fd_get((int)fd);
		if (!file)
			return -EBADF;
	}
	ret = do_mmap(current->mm, file, addr, len, (u32)prot, (u32)flags, off >> PAGE_SHIFT);
	if (file)
		file_put(file);
	return ret;
}

SYSCALL2(munmap, u64, addr, u64, len)
{
	return do_munmap(current->mm, addr, len);
}

/* mmap_lock held for writing. */
static bool grow_brk(struct mm *mm, u64 old, u64 new)
{
	u32 vm = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | mm->def_flags;
	struct vma *next = vma_find(mm, old);
	struct vma *v;

	if (!user_range(old, new - old) || (next && vma_low(next) < new + PAGE_SIZE))
		return false;
	if (may_expand(mm, vm, (new - old) >> PAGE_SHIFT) ||
	    ((vm & VM_LOCKED) && may_lock(mm, (new - old) >> PAGE_SHIFT)))
		return false;
	if (vma_extend_neighbour(mm, old, new, vm))
		return true;
	v = mm->nr_vmas < READ_ONCE(sysctl_max_map_count) ? vma_new(mm, old, new, vm) : NULL;
	if (v)
		vma_insert(v);
	return v;
}

SYSCALL1(brk, u64, brk)
{
	struct mm *mm = current->mm;
	u64 old, new = PAGE_ALIGN(brk), ret, limit = current->process->rlim[RLIMIT_DATA].cur;
	LIST_HEAD(dead);
	bool grown = false;

	down_write(&mm->mmap_lock);
	old = PAGE_ALIGN(mm->brk);
	if (brk < mm->start_brk || new < brk ||
	    (limit != RLIM_INFINITY && brk - mm->start_brk + (mm->end_data - mm->start_data) > limit))
		goto out;
	if (new > old) {
		if (!grow_brk(mm, old, new))
			goto out;
		grown = true;
	} else if (new < old && unmap_locked(mm, new, old, &dead)) {
		goto out;
	}
	mm->brk = brk;
out:
	ret = mm->brk;
	grown = grown && (mm->def_flags & VM_LOCKED);
	up_write(&mm->mmap_lock);
	free_dead_vmas(&dead);
	if (grown) {
		down_read(&mm->mmap_lock);
		populate_range(mm, old, new);
		up_read(&mm->mmap_lock);
	}
	return (long)ret;
}
