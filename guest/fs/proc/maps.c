/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps, smaps, smaps_rollup, mem. */
#include <gk/ptrace.h>
#include "proc.h"

#define NAME_COLUMN 73

/* What maps prints after the inode number, or NULL. @buf: PATH_MAX bytes. */
static const char *vma_label(const struct mm *mm, struct vma *v, char *buf)
{
	const char *s;

	if (v->file) {
		s = d_path(&v->file->path, buf, PATH_MAX);
		return IS_ERR(s) ? "(too long)" : s;
	}
	if (v->ops && v->ops->name)
		return v->ops->name(v);
	if (v->start <= mm->brk && v->end >= mm->start_brk && mm->brk > mm->start_brk)
		return "[heap]";
	if (v->start <= mm->start_stack && v->end >= mm->start_stack)
		return "[stack]";
	return NULL;
}

static void put_line(struct seq *s, const struct mm *mm, struct vma *v, char *buf)
{
	const size_t start = s->len;
	const struct inode *i = v->file ? file_inode(v->file) : NULL;
	const u64 off = v->file ? v->pgoff << PAGE_SHIFT : 0;
	const char *label = vma_label(mm, v, buf);

	seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", (unsigned long)v->start, (unsigned long)v->end,
		   v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-', v->flags & VM_EXEC ? 'x' : '-',
		   v->flags & VM_SHARED ? 's' : 'p', (unsigned long)off, i ? MAJOR(i->sb->dev) : 0,
		   i ? MINOR(i->sb->dev) : 0, i ? (unsigned long)i->ino : 0ul);
	if (label) {
		while (!s->overflow && s->len < start + NAME_COLUMN)
			seq_putc(s, ' ');
		for (; *label; label++) {
			if (*label == '\n')
				seq_puts(s, "\\012");
			else
				seq_putc(s, *label);
		}
	}
	seq_putc(s, '\n');
}

struct usage {
	u64 size, rss, anon, dirty, shared, locked; /* pages */
};

static void put_kb(struct seq *s, const char *name, u64 pages)
{
	seq_printf(s, "%-16s%8lu kB\n", name, (unsigned long)(pages * (PAGE_SIZE / 1024)));
}

static void put_usage(struct seq *s, const struct usage *u)
{
	const u64 private_clean = u->rss - u->shared - u->dirty;

	put_kb(s, "Rss:", u->rss);
	put_kb(s, "Pss:", u->rss);
	put_kb(s, "Pss_Dirty:", u->dirty);
	put_kb(s, "Shared_Clean:", u->shared);
	put_kb(s, "Shared_Dirty:", 0);
	put_kb(s, "Private_Clean:", private_clean);
	put_kb(s, "Private_Dirty:", u->dirty);
	put_kb(s, "Referenced:", u->rss);
	put_kb(s, "Anonymous:", u->anon);
	put_kb(s, "LazyFree:", 0);
	put_kb(s, "AnonHugePages:", 0);
	put_kb(s, "ShmemPmdMapped:", 0);
	put_kb(s, "FilePmdMapped:", 0);
	put_kb(s, "Shared_Hugetlb:", 0);
	put_kb(s, "Private_Hugetlb:", 0);
	put_kb(s, "Swap:", 0);
	put_kb(s, "SwapPss:", 0);
	put_kb(s, "Locked:", u->locked);
}

static void measure(struct mm *mm, struct vma *v, struct usage *u)
{
	struct vma_usage m;

	vma_usage(mm, v, &m);
	u->size += (v->end - v->start) >> PAGE_SHIFT;
	u->rss += m.present;
	u->anon += m.anon;
	u->dirty += m.anon;
	u->shared += m.shared;
	if (v->flags & VM_LOCKED)
		u->locked += m.present;
}

static void put_vm_flags(struct seq *s, u32 f)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
		{VM_READ, " rd"},	{VM_WRITE, " wr"},    {VM_EXEC, " ex"},	      {VM_SHARED, " sh"},
		{VM_MAYREAD, " mr"},	{VM_MAYWRITE, " mw"}, {VM_MAYEXEC, " me"},    {VM_GROWSDOWN, " gd"},
		{VM_LOCKED, " lo"},	{VM_DONTCOPY, " dc"}, {VM_DONTEXPAND, " de"}, {VM_NORESERVE, " nr"},
		{VM_WIPEONFORK, " wf"}, {VM_DONTDUMP, " dd"}, {VM_MERGEABLE, " mg"},
	};

	seq_puts(s, "VmFlags:");
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (f & names[i].flag)
			seq_puts(s, names[i].name);
	}
	seq_puts(s, "\n");
}

static void put_smaps(struct seq *s, struct mm *mm, struct vma *v, char *buf)
{
	struct usage u = {0};

	put_line(s, mm, v, buf);
	measure(mm, v, &u);
	put_kb(s, "Size:", u.size);
	put_kb(s, "KernelPageSize:", 1);
	put_kb(s, "MMUPageSize:", 1);
	put_usage(s, &u);
	seq_puts(s, "THPeligible:    0\n");
	put_vm_flags(s, v->flags);
}

enum kind { MAPS, SMAPS, ROLLUP };

static int show(struct seq *s, struct task *t, enum kind kind)
{
	struct mm *mm = task_mm(t);
	char *buf = kmalloc(PATH_MAX);
	struct usage sum = {0};
	struct vma *v, *first = NULL, *last = NULL;

	if (!mm || !buf) {
		if (mm)
			mm_put_user(mm);
		kfree(buf);
		return mm ? -ENOMEM : 0;
	}
	down_read(&mm->mmap_lock);
	for_each_vma(v, mm) {
		if (kind == MAPS)
			put_line(s, mm, v, buf);
		else if (kind == SMAPS)
			put_smaps(s, mm, v, buf);
		else
			measure(mm, v, &sum);
		first = first ? first : v;
		last = v;
		if (s->overflow)
			break;
	}
	if (kind == ROLLUP && first) {
		seq_printf(s, "%08lx-%08lx ---p 00000000 00:00 0", (unsigned long)first->start,
			   (unsigned long)last->end);
		seq_puts(s, "                          [rollup]\n");
		put_usage(s, &sum);
	}
	up_read(&mm->mmap_lock);
	mm_put_user(mm);
	kfree(buf);
	return 0;
}

int proc_maps(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show(s, t, MAPS);
}

int proc_smaps(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show(s, t, SMAPS);
}

int proc_smaps_rollup(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show(s, t, ROLLUP);
}

/* ---- mem: the memory the process had when it was opened ---- */

static int mem_open(struct inode *i, struct file *f)
{
	struct task *t = proc_task(i);
	struct mm *mm;

	if (!t)
		return -ESRCH;
	if (ptrace_may_access(t)) {
		task_put(t);
		return -EACCES;
	}
	mm = task_mm(t);
	task_put(t);
	if (mm) {
		/* The structure only: an open file must not keep a dead program's memory. */
		mm_get(mm);
		mm_put_user(mm);
	}
	f->private = mm;
	return 0;
}

static void mem_release(struct file *f)
{
	if (f->private)
		mm_put(f->private);
}

static ssize_t mem_rw(struct file *f, struct iov_iter *it, loff_t *pos, bool write)
{
	struct mm *mm = f->private;
	u8 *buf;
	size_t done = 0;
	ssize_t n = 0;

	if (!mm || !mm_get_user(mm))
		return 0;
	buf = get_zeroed_page();
	if (!buf) {
		mm_put_user(mm);
		return -ENOMEM;
	}
	while (it->count) {
		size_t want = MIN(it->count, PAGE_SIZE);

		if (write && copy_from_iter(buf, want, it) != want) {
			n = -EFAULT;
			break;
		}
		n = access_process_vm(mm, (u64)*pos, buf, want, write, true);
		if (n <= 0) {
			n = -EIO;
			break;
		}
		if (!write && copy_to_iter(buf, (size_t)n, it) != (size_t)n) {
			n = -EFAULT;
			break;
		}
		*pos += n;
		done += (size_t)n;
		if ((size_t)n < want)
			break;
	}
	free_page_addr(buf);
	mm_put_user(mm);
	return done ? (ssize_t)done : n;
}

static ssize_t mem_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return mem_rw(f, it, pos, false);
}

static ssize_t mem_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return mem_rw(f, it, pos, true);
}

/* Addresses of all sizes are positions. */
static loff_t mem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->pos;
	else if (whence != 0)
		return -EINVAL;
	return f->pos = off;
}

const struct file_ops proc_mem_ops = {
	.open = mem_open,
	.read = mem_read,
	.write = mem_write,
	.llseek = mem_llseek,
	.release = mem_release,
};
