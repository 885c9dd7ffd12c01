/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces, page tables, the page cache (mm/).
 *
 * Guest page tables are the only truth; the backend shadows them. Whoever removes, replaces or write-protects a present
 * entry tells the backend (mmu_flush_range()) before relying on it. Adding entries or permissions needs no call.
 */
#ifndef GK_MM_H
#define GK_MM_H

#include <gk/lock.h>
#include <gk/page.h>
#include <gk/radix.h>
#include <gk/rbtree.h>

#define STACK_RANDOM_BYTES (16ull << 30) /* how far below the end of memory a stack may begin, as on Linux */

struct file;
struct inode;
struct task;
struct vma;
struct iov_iter;

/* protection and kind of a vma */
#define VM_READ 0x1
#define VM_WRITE 0x2
#define VM_EXEC 0x4
#define VM_SHARED 0x8
#define VM_MAYREAD 0x10
#define VM_MAYWRITE 0x20
#define VM_MAYEXEC 0x40
#define VM_GROWSDOWN 0x100
#define VM_LOCKED 0x200
#define VM_DONTCOPY 0x400
#define VM_DONTEXPAND 0x800
#define VM_WIPEONFORK 0x1000
#define VM_SPECIAL 0x2000 /* vdso and the like: not file or anonymous; ops->fault gives the pages */
#define VM_NORESERVE 0x4000
#define VM_DONTDUMP 0x8000
#define VM_STACK 0x10000
#define VM_MERGEABLE 0x20000

struct vm_fault {
	struct vma *vma;
	u64 addr; /* page aligned */
	u64 pgoff;
	u32 error;	   /* PVM_PF_* */
	struct page *page; /* OUT, with a reference */
};

struct vm_ops {
	void (*open)(struct vma *vma); /* a copy was made (fork, split) */
	void (*close)(struct vma *vma);
	/*
	 * Gives the page for vf->pgoff. 0, or -errno: -EFAULT SIGSEGV, -EIO SIGBUS, -ENOMEM. mmap_lock held for
	 * reading.
	 */
	int (*fault)(struct vm_fault *vf);
	/* A shared page is about to become writable: make it dirty, get space. 0 or -errno. May be NULL. */
	int (*page_mkwrite)(struct vm_fault *vf);
	const char *(*name)(struct vma *vma);
	bool movable; /* of a VM_SPECIAL one: mremap() may move it, as a whole */
};

/*
 * Start, end, flags and pgoff: written with mmap_lock held for writing and, if there is a file, mapping->vma_lock too.
 */
struct vma {
	u64 start, end;
	u32 flags;
	u64 pgoff; /* in pages; of start */
	struct mm *mm;
	struct rb_node node;	  /* mmap_lock */
	u64 gap, subtree_gap;	  /* mmap_lock: free bytes below; the largest such in the subtree. mm/vma.c */
	struct file *file;	  /* reference, or NULL */
	const struct vm_ops *ops; /* NULL: anonymous */
	void *private;
	struct list_head mapping_link; /* mapping->vma_lock: inode's list of mappings */
	bool has_anon;		       /* some private page may be in it; never goes back to false */
	/*
	 * Hints of the fault handler, racy: where the last window ended, how many in a row joined, how many stood
	 * alone.
	 */
	u64 fault_next;
	u32 fault_streak, fault_lonely;
};

struct aio_ctx;

struct mm {
	refcount_t users; /* tasks; the last one unmaps everything; mm_get_user() */
	refcount_t refs;  /* struct itself and the root table (lazy users) */
	gpa_t root;
	u64 cr3;    /* root | tag from BIND_ROOT */
	u64 family; /* the program's, inherited by fork: BIND_ROOT; immutable */
	struct rwsem mmap_lock;
	struct rb_root vmas;					      /* mmap_lock */
	u64 nr_vmas, total_vm, locked_vm, data_vm, stack_vm, exec_vm; /* pages; mmap_lock */
	u64 rss_anon, rss_file, rss_shmem, hiwater_rss;		      /* pages; atomic */
	spinlock_t table_lock;					      /* page-table pages and entries below them */
	u64 table_pages;
	u64 start_code, end_code, start_data, end_data, start_brk, brk, start_stack, mmap_base;
	u64 arg_start, arg_end, env_start, env_end;
	struct file *exe_file; /* mmap_lock */
	u64 saved_auxv[64];
	u64 vdso;
	u32 def_flags;	      /* mlockall */
	void *fork_pages;     /* mmap_lock; mm/forkpages.c */
	void *direct;	      /* patched call sites (gk/direct.h); NULL: none. mmap_lock */
	void *direct_retired; /* the same, of a process that may no longer have any */
	struct aio_ctx *aio;  /* asynchronous I/O: fs/aio.c */
	u32 membarrier;
};

/* Creation. mm_new: empty, its root bound to the backend as one of @family; NULL or ERR_PTR(-EAGAIN). */
struct mm *mm_new(u64 family);
u64 mm_new_family(void);
struct mm *mm_dup(struct mm *from); /* fork: copy on write; ERR_PTR on failure. Takes mmap_lock of @from. */
void mm_put_user(struct mm *mm);    /* last: unmaps everything, wakes vfork parent's wait is the caller's business */
/* A further user; false when the last one is gone already. */
bool mm_get_user(struct mm *mm);
void mm_get(struct mm *mm);
void mm_put(struct mm *mm);
/*
 * Loads mm's table on this vCPU (NULL: the home table). Live FP and FS base are lost: the caller has saved them. 0, or
 * -EAGAIN when the backend has nothing to run it on just now: the old table stays loaded.
 */
int mm_switch(struct mm *mm);

/* The last user is gone: its contexts of asynchronous I/O end (fs/aio.c). */
void aio_exit(struct mm *mm);

/* VMAs: mmap_lock held. find: the first vma with end > addr, or NULL. */
struct vma *vma_find(struct mm *mm, u64 addr);
struct vma *vma_next(struct vma *v);
struct vma *vma_first(struct mm *mm);
#define for_each_vma(v, mm) for (v = vma_first(mm); v; v = vma_next(v))

/* mmap and friends for kernel callers (exec, shm). Take mmap_lock. Return the address or -errno. flags as mmap(2). */
long do_mmap(struct mm *mm, struct file *file, u64 addr, u64 len, u32 prot, u32 flags, u64 pgoff);
int do_munmap(struct mm *mm, u64 start, u64 len);
/* A special mapping (vdso). Pages come from ops->fault. */
long install_special_mapping(struct mm *mm, u64 addr, u64 len, u32 vm_flags, const struct vm_ops *ops, void *priv);
/* The initial stack of exec: a VM_GROWSDOWN area ending at @top. */
int setup_stack_vma(struct mm *mm, u64 top, u64 size, bool executable);

/*
 * A program's page fault (arch calls with the event's cr2 and error code), or a copy helper's. 0: retry the access.
 * Else the signal to send in *sig, *code with -EFAULT; *sig 0: none, the task is being killed.
 */
int handle_page_fault(u64 addr, u32 error, int *sig, int *code);
/* Reads or writes another task's memory (ptrace, /proc/PID/mem, process_vm_readv). Bytes done or -errno. */
ssize_t access_process_vm(struct mm *mm, u64 addr, void *buf, size_t len, bool write, bool force);
/* mm/usage.c: what of @v is in memory, in pages. mmap_lock held. */
struct vma_usage {
	u64 present, anon, shared;
};
void vma_usage(struct mm *mm, struct vma *v, struct vma_usage *u);

/* mm/mmu.c: tells the backend. */
void mmu_flush_range(struct mm *mm, u64 start, u64 end, u32 kind); /* UM_FLUSH_* */
/*
 * Physically contiguous backing: removes page-table entries of all mappings of [first,last] of @m (truncate,
 * invalidate).
 */
struct mapping;
void unmap_mapping_range(struct mapping *m, u64 first, u64 last, bool even_cow);
/*
 * Takes the pages of files out of all vmas that are executable and not writable; they fault in again. mmap_lock held
 * for writing.
 */
void zap_text(struct mm *mm);

/* ---- page cache (mm/pagecache.c) ---- */

struct mapping_ops {
	/* Fills @nr consecutive locked pages starting at p[0]->index (they may be physically contiguous). Sets UPTODATE or
	 * ERROR. Unlocks. May complete later. */
	int (*read_pages)(struct inode *inode, struct file *file, struct page **p, u32 nr);
	/*
	 * Writes @nr consecutive locked pages, waits, and leaves them locked. 0 or -errno. The caller has cleared DIRTY
	 * (programs may dirty them again meanwhile) and sets it again on failure.
	 */
	int (*write_pages)(struct inode *inode, struct page **p, u32 nr);
	/* File systems without backing (tmpfs): missing pages are zero pages; the cache is the file. */
	bool no_backing;
	/* Charge/uncharge for tmpfs size limits. NULL: unlimited. */
	int (*charge)(struct inode *inode, long pages);
};

struct radix_node;

struct mapping {
	struct inode *host;
	const struct mapping_ops *ops;
	spinlock_t lock;
	struct radix_tree pages; /* lock: struct page by index; tagged: PG_DIRTY */
	u64 nr_pages, nr_dirty;	 /* lock */
	struct list_head vmas;	 /* vma_lock: all vmas that map this file */
	spinlock_t vma_lock;
	u64 wb_err;		     /* errno of the last failed write | count of failures << 16; mapping_error() */
	u32 nr_writable;	     /* atomic: shared mappings that are or may become writable (memfd seals) */
	struct mutex wb_lock;	     /* one write-back at a time */
	bool writing_back;	     /* wb_lock: some pages are no longer dirty, but not written yet either */
	ktime_t dirty_since;	     /* lock: when it was last clean */
	struct list_head dirty_link; /* mm/writeback.c: on it, the mapping holds a reference to its inode */
	struct list_head cache_link; /* mm/reclaim.c */
};

void mapping_init(struct mapping *m, struct inode *host, const struct mapping_ops *ops);
/* The page at @index, locked or not, with a reference; NULL if absent. */
struct page *mapping_find(struct mapping *m, u64 index);
/* The page up to date with a reference, reading it (and reading ahead) if needed. ERR_PTR: -EIO, -ENOMEM... */
struct page *mapping_read(struct mapping *m, struct file *file, u64 index);
/*
 * The page for writing [from,to) of it: locked, with a reference, read first unless wholly overwritten or beyond EOF.
 */
struct page *mapping_write_begin(struct mapping *m, struct file *file, u64 index, u32 from, u32 to);
/*
 * Marks dirty and up to date, unlocks, puts. from == to: nothing was written, a page that was not up to date stays so.
 */
void mapping_write_end(struct mapping *m, struct page *p, u32 from, u32 to);
void page_lock(struct page *p);
bool page_trylock(struct page *p);
void page_unlock(struct page *p);
void mapping_set_dirty(struct mapping *m, struct page *p);
/* Removes whole pages >= new size and zeroes the tail of the last one; unmaps them from programs first. */
void mapping_truncate(struct mapping *m, loff_t new_size);
/* The file grows from @old_size: what programs left behind its end in the last page must not become content. */
void mapping_extend(struct mapping *m, loff_t old_size);
void mapping_punch(struct mapping *m, loff_t start, loff_t end);
/* Drops clean unmapped pages in [first,last]; with @all also mapped ones (unmaps them). Dirty pages stay. */
void mapping_invalidate(struct mapping *m, u64 first, u64 last, bool all);
/* Writes dirty pages in [start,end] and waits. 0 or the error. */
int mapping_writeback(struct mapping *m, loff_t start, loff_t end);
/* Inode is going away: drops everything without writing. */
void mapping_destroy(struct mapping *m);
/* 0, or the error of a write-back that failed since *@seen was last updated by this (file->wb_err_seen). */
int mapping_error(struct mapping *m, u64 *seen);

/* Generic file operations over the page cache. */
ssize_t generic_file_read(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t generic_file_write(struct file *f, struct iov_iter *it,
			   loff_t *pos); /* takes inode lock, honours O_APPEND, limits */
int generic_file_mmap(struct file *f, struct vma *vma);
extern const struct vm_ops generic_file_vm_ops;
/* Background: write dirty pages older than some seconds; reclaim clean ones when memory is short. */
u64 pagecache_reclaim(u64 want_pages);
int sync_all(void);
/*
 * For a task on its way to user mode that used what is reserved for the kernel (WORK_RECLAIM): frees memory, even by
 * killing.
 */
void refill_reserve(void);

/* Out of memory: picks and kills (mm/oom.c). Returns false when nothing can be killed. */
bool oom_kill(void);

#endif
