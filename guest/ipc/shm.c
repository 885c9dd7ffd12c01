/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: a segment is a memory file, an attachment a mapping of it through a file of our own, so that
 * we see mappings come and go (nattch counts vmas, as on Linux). A segment that is to be removed keeps its number,
 * without its key, until the last one goes.
 *
 * Locks: mmap_lock > shm_ids.mutex > seg->lock (counters).
 */
#include "ipc/ipc.h"

#include <gk/fs.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/pseudo.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
#define SHM_HUGETLB 04000
#define SHM_DEST 01000
#define SHM_LOCKED 02000
#define SHM_LOCK 11
#define SHM_UNLOCK 12
#define SHM_STAT 13
#define SHM_INFO 14
#define SHM_STAT_ANY 15
#define SHMMNI 4096
#define SHM_SIZE_LIMIT (~0ul - (1ul << 24))

#define PROT_READ 1u
#define PROT_WRITE 2u
#define PROT_EXEC 4u
#define MAP_SHARED 1u
#define MAP_FIXED 0x10u
#define MAP_FIXED_NOREPLACE 0x100000u

struct shm {
	struct ipc_obj obj;
	struct file *file;
	u64 size;
	spinlock_t lock;
	u64 nattch;		     /* lock */
	s64 atime, dtime, ctime;     /* lock */
	s32 cpid, lpid;		     /* lock */
	const struct vm_ops *vm_ops; /* the memory file's */
};

struct shmid64_ds {
	struct ipc64_perm perm;
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch, unused4, unused5;
};
_Static_assert(sizeof(struct shmid64_ds) == 112, "struct shmid64_ds");

struct shminfo64 {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct shm_info {
	s32 used_ids;
	u64 tot, rss, swp, swap_attempts, swap_successes;
};

static struct ipc_ids shm_ids;
static u64 shm_max = SHM_SIZE_LIMIT; /* bytes in a segment */
static u64 shm_all = SHM_SIZE_LIMIT; /* pages in all */
static u64 shm_pages;		     /* shm_ids.mutex: what all segments may come to */

static struct shm *shm_of(struct ipc_obj *o)
{
	return container_of(o, struct shm, obj);
}

static void shm_free(struct ipc_obj *o)
{
	struct shm *s = shm_of(o);

	file_put(s->file);
	kfree(s);
}

/* ---- attachments ---- */

/* Ends a segment that is to be removed once nobody has it attached. */
static void remove_if_unused(struct shm *s)
{
	if (!(READ_ONCE(s->obj.mode) & SHM_DEST) || READ_ONCE(s->nattch) || !ipc_remove(&shm_ids, &s->obj))
		return;
	mutex_lock(&shm_ids.mutex);
	shm_pages -= PAGE_ALIGN(s->size) >> PAGE_SHIFT;
	mutex_unlock(&shm_ids.mutex);
	ipc_put(&shm_ids, &s->obj);
}

static void shm_vma_open(struct vma *v)
{
	struct shm *s = v->private;

	refcount_inc(&s->obj.refs);
	spin_lock(&s->lock);
	s->nattch++;
	s->atime = ipc_now();
	s->lpid = task_tgid_nr(current);
	spin_unlock(&s->lock);
}

static void shm_vma_close(struct vma *v)
{
	struct shm *s = v->private;
	bool last;

	spin_lock(&s->lock);
	last = --s->nattch == 0;
	s->dtime = ipc_now();
	s->lpid = task_tgid_nr(current);
	spin_unlock(&s->lock);
	if (last)
		remove_if_unused(s);
	ipc_put(&shm_ids, &s->obj);
}

static int shm_fault(struct vm_fault *vf)
{
	struct shm *s = vf->vma->private;

	return s->vm_ops->fault(vf);
}

static int shm_mkwrite(struct vm_fault *vf)
{
	struct shm *s = vf->vma->private;

	return s->vm_ops->page_mkwrite ? s->vm_ops->page_mkwrite(vf) : 0;
}

static const struct vm_ops shm_vm_ops = {
	.open = shm_vma_open,
	.close = shm_vma_close,
	.fault = shm_fault,
	.page_mkwrite = shm_mkwrite,
};

static int shm_mmap(struct file *f, struct vma *v)
{
	struct shm *s = f->private;
	int ret = s->file->ops->mmap(s->file, v);

	if (ret)
		return ret;
	s->vm_ops = v->ops;
	v->ops = &shm_vm_ops;
	v->private = s;
	shm_vma_open(v);
	return 0;
}

static void shm_file_release(struct file *f)
{
	struct shm *s = f->private;

	ipc_put(&shm_ids, &s->obj);
}

static const struct file_ops shm_file_ops = {
	.release = shm_file_release,
	.mmap = shm_mmap,
};

/* ---- shmget ---- */

struct shm_args {
	s32 key;
	u64 size;
	u32 flags;
};

static struct ipc_obj *shm_make(void *arg)
{
	const struct shm_args *a = arg;
	char name[16];
	const u64 pages = PAGE_ALIGN(a->size) >> PAGE_SHIFT;
	struct shm *s;

	if (!a->size || a->size > shm_max || a->size > SHM_SIZE_LIMIT)
		return ERR_PTR(-EINVAL);
	if (pages > shm_all || shm_pages > shm_all - pages)
		return ERR_PTR(-ENOSPC);
	if (pages > ram_pages)
		return ERR_PTR(-ENOMEM);
	s = kzalloc(sizeof(*s));
	if (!s)
		return ERR_PTR(-ENOMEM);
	snprintf(name, sizeof(name), "SYSV%08x", (u32)a->key);
	s->file = shmem_file(name, (loff_t)a->size, 0);
	if (IS_ERR(s->file)) {
		long err = PTR_ERR(s->file);

		kfree(s);
		return ERR_PTR(err);
	}
	s->size = a->size;
	s->ctime = ipc_now();
	s->cpid = task_tgid_nr(current);
	shm_pages += pages;
	return &s->obj;
}

static int shm_check(struct ipc_obj *o, void *arg)
{
	const struct shm_args *a = arg;

	return a->size > shm_of(o)->size ? -EINVAL : 0;
}

SYSCALL3(shmget, s32, key, u64, size, u32, flags)
{
	struct shm_args args = {key, size, flags};

	if (flags & SHM_HUGETLB)
		return capable(CAP_IPC_LOCK) ? -ENOMEM : -EPERM; /* there are no huge pages */
	return ipc_get(&shm_ids, key, flags, shm_make, shm_check, &args);
}

/* ---- shmat, shmdt ---- */

/* A file to map @s with; it holds a reference to it. */
static struct file *attach_file(struct shm *s, bool readonly)
{
	struct file *f = anon_file_clone(s->file, &shm_file_ops, s, readonly ? O_RDONLY : O_RDWR);

	if (IS_ERR_OR_NULL(f))
		return ERR_PTR(-ENOMEM);
	refcount_inc(&s->obj.refs);
	return f;
}

static long attach(struct shm *s, u64 addr, u32 flags)
{
	u32 prot = PROT_READ, map = MAP_SHARED;
	struct file *f;
	long ret;

	if (!(flags & SHM_RDONLY))
		prot |= PROT_WRITE;
	if (flags & SHM_EXEC)
		prot |= PROT_EXEC;
	if (addr)
		map |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	f = attach_file(s, flags & SHM_RDONLY);
	if (IS_ERR(f))
		return PTR_ERR(f);
	ret = do_mmap(current->mm, f, addr, s->size, prot, map, 0);
	file_put(f);
	return ret == -EEXIST ? -EINVAL : ret;
}

SYSCALL3(shmat, s32, id, u64, addr, u32, flags)
{
	u32 need = flags & SHM_RDONLY ? 0444 : 0666;
	struct ipc_obj *o;
	long ret;

	if (addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		addr &= PAGE_MASK;
		if (!addr && (flags & SHM_REMAP))
			return -EINVAL;
	} else if (!addr && (flags & SHM_REMAP)) {
		return -EINVAL;
	}
	if (flags & SHM_EXEC)
		need |= 0111;
	o = ipc_find(&shm_ids, id, false);
	if (IS_ERR(o))
		return PTR_ERR(o);
	ret = ipc_access(o, need);
	if (!ret)
		ret = attach(shm_of(o), addr, flags);
	ipc_put(&shm_ids, o);
	return ret;
}

/* The next piece of the attachment that began at @base, at or behind *from: its range. */
static bool next_piece(struct mm *mm, u64 base, struct shm **seg, u64 *from, u64 *end)
{
	struct vma *v;
	bool found = false;

	down_read(&mm->mmap_lock);
	for (v = vma_find(mm, *from); v && !found; v = vma_next(v)) {
		if (v->start - base != v->pgoff << PAGE_SHIFT || v->ops != &shm_vm_ops)
			continue;
		if (*seg && v->private != *seg)
			continue;
		if (*seg && v->start - base >= PAGE_ALIGN((*seg)->size))
			break;
		*seg = v->private;
		*from = v->start;
		*end = v->end;
		found = true;
	}
	up_read(&mm->mmap_lock);
	return found;
}

SYSCALL1(shmdt, u64, addr)
{
	struct mm *mm = current->mm;
	u64 from = addr, end;
	struct shm *seg = NULL;
	long ret = -EINVAL;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	while (next_piece(mm, addr, &seg, &from, &end)) {
		ret = do_munmap(mm, from, end - from);
		if (ret)
			break;
		from = end;
	}
	return ret;
}

/* ---- shmctl ---- */

static long shm_stat(struct shm *s, void __user *buf)
{
	struct shmid64_ds ds = {.segsz = s->size};

	ipc_fill_perm(&s->obj, &ds.perm);
	spin_lock(&s->lock);
	ds.atime = s->atime;
	ds.dtime = s->dtime;
	ds.ctime = s->ctime;
	ds.cpid = s->cpid;
	ds.lpid = s->lpid;
	ds.nattch = s->nattch;
	spin_unlock(&s->lock);
	return copy_to_user(buf, &ds, sizeof(ds));
}

static long shm_set(struct shm *s, const void __user *buf)
{
	struct shmid64_ds ds;

	if (copy_from_user(&ds, buf, sizeof(ds)))
		return -EFAULT;
	ipc_set_perm(&shm_ids, &s->obj, &ds.perm);
	spin_lock(&s->lock);
	s->ctime = ipc_now();
	spin_unlock(&s->lock);
	return 0;
}

static long shm_rmid(struct shm *s)
{
	mutex_lock(&shm_ids.mutex);
	s->obj.mode |= SHM_DEST;
	s->obj.key = IPC_PRIVATE;
	mutex_unlock(&shm_ids.mutex);
	remove_if_unused(s);
	return 0;
}

static long shm_ctl_object(struct shm *s, u32 cmd, void __user *buf)
{
	long ret;

	switch (cmd) {
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		ret = cmd == SHM_STAT_ANY ? 0 : ipc_access(&s->obj, 0444);
		if (!ret)
			ret = shm_stat(s, buf);
		return ret || cmd == IPC_STAT ? ret : s->obj.id;
	case IPC_SET:
		ret = ipc_owner(&s->obj);
		return ret ? ret : shm_set(s, buf);
	case IPC_RMID:
		ret = ipc_owner(&s->obj);
		return ret ? ret : shm_rmid(s);
	case SHM_LOCK:
	case SHM_UNLOCK:
		/* There is no swap. */
		ret = ipc_owner(&s->obj);
		if (ret)
			return ret;
		mutex_lock(&shm_ids.mutex);
		s->obj.mode = cmd == SHM_LOCK ? s->obj.mode | SHM_LOCKED : s->obj.mode & ~(u32)SHM_LOCKED;
		mutex_unlock(&shm_ids.mutex);
		return 0;
	}
	return -EINVAL;
}

static long shm_info(u32 cmd, void __user *buf)
{
	struct shminfo64 limits = {shm_max, 1, shm_ids.limit, shm_ids.limit, shm_all, {0}};
	struct shm_info use = {0};
	long top;

	mutex_lock(&shm_ids.mutex);
	top = (long)shm_ids.top - 1;
	use.used_ids = (s32)shm_ids.used;
	for (u32 i = 0; i < shm_ids.top; i++) {
		if (shm_ids.table[i]) {
			struct shm *s = shm_of(shm_ids.table[i]);

			use.tot += PAGE_ALIGN(s->size) >> PAGE_SHIFT;
			use.rss += s->file->inode->mapping.nr_pages;
		}
	}
	mutex_unlock(&shm_ids.mutex);
	if (cmd == IPC_INFO ? copy_to_user(buf, &limits, sizeof(limits)) : copy_to_user(buf, &use, sizeof(use)))
		return -EFAULT;
	return MAX(top, 0l);
}

SYSCALL3(shmctl, s32, id, u32, cmd, void __user *, buf)
{
	struct ipc_obj *o;
	long ret;

	cmd &= ~(u32)IPC_64;
	if (cmd == IPC_INFO || cmd == SHM_INFO)
		return shm_info(cmd, buf);
	o = ipc_find(&shm_ids, id, cmd == SHM_STAT || cmd == SHM_STAT_ANY);
	if (IS_ERR(o))
		return PTR_ERR(o);
	ret = shm_ctl_object(shm_of(o), cmd, buf);
	ipc_put(&shm_ids, o);
	return ret;
}

/* ---- /proc ---- */

static void show_segment(struct seq *s, struct ipc_obj *o)
{
	struct shm *seg = container_of(o, struct shm, obj);

	spin_lock(&seg->lock);
	seq_printf(s, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u %10ld %10ld %10ld %21lu %21lu\n", o->key,
		   o->id, o->mode, seg->size, seg->cpid, seg->lpid, seg->nattch, o->uid, o->gid, o->cuid, o->cgid,
		   seg->atime, seg->dtime, seg->ctime, seg->file->inode->mapping.nr_pages << PAGE_SHIFT, 0ul);
	spin_unlock(&seg->lock);
}

static int show_segments(struct seq *s, void *arg)
{
	seq_printf(s, "%10s %10s perms %21s  cpid  lpid nattch   uid   gid  cuid  cgid %10s %10s %10s %21s %21s\n",
		   "key", "shmid", "size", "atime", "dtime", "ctime", "rss", "swap");
	ipc_show_all(s, &shm_ids, show_segment);
	return 0;
}

void shm_init(void)
{
	const struct ipc_limit limits[] = {
		{"sys/kernel/shmmax", &shm_max, sizeof(shm_max), ~0ull},
		{"sys/kernel/shmall", &shm_all, sizeof(shm_all), ~0ull},
		{"sys/kernel/shmmni", &shm_ids.limit, sizeof(shm_ids.limit), IPC_MAX},
	};

	ipc_ids_init(&shm_ids, SHMMNI, shm_free);
	ipc_limits_init(limits, ARRAY_SIZE(limits));
	ipc_next_id_init("sys/kernel/shm_next_id", &shm_ids);
	proc_file("sysvipc/shm", 0444, show_segments, NULL, NULL);
}
