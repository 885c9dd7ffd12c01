/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables: numbers to open files. dup, close, close_range, and what fork and exec do to a table.
 *
 * The first 64 slots lie in the table itself, the others in chunks that are never moved nor freed before the table is,
 * so a table grows to a million descriptors without a copy. A number is taken (bit in `open`) before its slot is
 * filled.
 *
 * Lock: files->lock protects all of it. A task that is the only user of its table reads slots without lock and uses the
 * file without counting it (fdref_get): nobody else can close it meanwhile. Others' looks (files_lookup) take the lock
 * and a reference, which a file in a slot always has to give.
 */
#include "internal.h"

#define INLINE_FDS 64u
#define CHUNK_FDS 512u
#define MAX_FDS (1u << 20)
#define FD_CLOEXEC 1

struct files {
	refcount_t refs;
	spinlock_t lock;
	u32 capacity;	       /* slots there are: INLINE_FDS, or a multiple of CHUNK_FDS */
	u32 next;	       /* no free number below */
	struct file ***chunks; /* chunks[n] holds n*CHUNK_FDS..; the first INLINE_FDS of chunks[0] are not used */
	u32 nr_chunks;
	u64 *open, *cloexec; /* bits */
	u64 open1, cloexec1; /* the first word of each, while there is only one */
	struct file *slots[INLINE_FDS];
};

static struct slab_cache *files_slab;

struct files *files_new(void)
{
	struct files *t;

	if (!files_slab) {
		files_slab = slab_cache_new("files", sizeof(struct files), 64);
		if (!files_slab)
			return NULL;
	}
	t = slab_zalloc(files_slab);
	if (!t)
		return NULL;
	refcount_set(&t->refs, 1);
	t->capacity = INLINE_FDS;
	t->open = &t->open1;
	t->cloexec = &t->cloexec1;
	return t;
}

static __always_inline struct file **slot(struct files *t, u32 fd)
{
	if (likely(fd < INLINE_FDS))
		return &t->slots[fd];
	return &t->chunks[fd / CHUNK_FDS][fd % CHUNK_FDS];
}

static bool test_bit(const u64 *bits, u32 n)
{
	return bits[n / 64] >> (n % 64) & 1;
}

static void set_bit(u64 *bits, u32 n)
{
	bits[n / 64] |= 1ull << (n % 64);
}

static void clear_bit(u64 *bits, u32 n)
{
	bits[n / 64] &= ~(1ull << (n % 64));
}

/* The first clear bit in [from, end), or end. */
static u32 next_clear(const u64 *bits, u32 from, u32 end)
{
	while (from < end) {
		const u64 w = ~bits[from / 64] >> (from % 64);

		if (w)
			return MIN(from + (u32)__builtin_ctzll(w), end);
		from = (from | 63) + 1;
	}
	return end;
}

static u32 next_set(const u64 *bits, u32 from, u32 end)
{
	while (from < end) {
		const u64 w = bits[from / 64] >> (from % 64);

		if (w)
			return MIN(from + (u32)__builtin_ctzll(w), end);
		from = (from | 63) + 1;
	}
	return end;
}

static u64 *grow_bits(const u64 *old, u32 old_cap, u32 cap)
{
	u64 *b = kzalloc(cap / 8);

	if (b)
		memcpy(b, old, old_cap / 8);
	return b;
}

/* Makes room for @fd. Nobody sees a half-grown table: all is allocated before anything is replaced. Lock held. */
static int grow(struct files *t, u32 fd)
{
	const u32 twice = MIN(t->capacity * 2, MAX_FDS);
	const u32 cap = ALIGN_UP(MAX(fd + 1, twice), CHUNK_FDS);
	const u32 n = cap / CHUNK_FDS;
	struct file ***chunks = kcalloc(n, sizeof(*chunks));
	u64 *open = grow_bits(t->open, t->capacity, cap), *cloexec = grow_bits(t->cloexec, t->capacity, cap);
	u32 i;

	if (!chunks || !open || !cloexec)
		goto no_memory;
	for (i = 0; i < n; i++) {
		chunks[i] = i < t->nr_chunks ? t->chunks[i] : kcalloc(CHUNK_FDS, sizeof(struct file *));
		if (!chunks[i])
			goto free_chunks;
	}
	kfree(t->chunks);
	if (t->open != &t->open1) {
		kfree(t->open);
		kfree(t->cloexec);
	}
	t->chunks = chunks;
	t->nr_chunks = n;
	t->open = open;
	t->cloexec = cloexec;
	t->capacity = cap;
	return 0;

free_chunks:
	while (i > t->nr_chunks)
		kfree(chunks[--i]);
no_memory:
	kfree(chunks);
	kfree(open);
	kfree(cloexec);
	return -ENOMEM;
}

static u64 fd_limit(void)
{
	return MIN(READ_ONCE(current->process->rlim[RLIMIT_NOFILE].cur), (u64)MAX_FDS);
}

/* Lock held: a free number >= @min and below @limit, now taken. */
static int take_fd(struct files *t, u32 min, u64 limit, u32 flags)
{
	const u32 from = MAX(min, t->next);
	u32 fd = next_clear(t->open, MIN(from, t->capacity), t->capacity);
	int err;

	fd = MAX(fd, min);
	if (fd >= limit)
		return -EMFILE;
	if (fd >= t->capacity) {
		err = grow(t, fd);
		if (err)
			return err;
	}
	set_bit(t->open, fd);
	if (flags & O_CLOEXEC)
		set_bit(t->cloexec, fd);
	else
		clear_bit(t->cloexec, fd);
	if (min <= t->next)
		t->next = fd + 1;
	return (int)fd;
}

int fd_reserve_from(u32 min, u32 flags)
{
	struct files *t = current->files;
	const u64 limit = fd_limit();
	int fd;

	if (min >= limit)
		return -EINVAL;
	spin_lock(&t->lock);
	fd = take_fd(t, min, limit, flags);
	spin_unlock(&t->lock);
	return fd;
}

int fd_reserve(u32 flags)
{
	struct files *t = current->files;
	const u64 limit = fd_limit();
	int fd;

	spin_lock(&t->lock);
	fd = take_fd(t, 0, limit, flags);
	spin_unlock(&t->lock);
	return fd;
}

void fd_install(int fd, struct file *f)
{
	struct files *t = current->files;

	spin_lock(&t->lock);
	BUG_ON(*slot(t, (u32)fd));
	*slot(t, (u32)fd) = f;
	spin_unlock(&t->lock);
}

static void free_fd(struct files *t, u32 fd)
{
	clear_bit(t->open, fd);
	if (fd < t->next)
		t->next = fd;
}

void fd_release(int fd)
{
	struct files *t = current->files;

	spin_lock(&t->lock);
	free_fd(t, (u32)fd);
	spin_unlock(&t->lock);
}

int fd_install_new(struct file *f, u32 flags)
{
	const int fd = fd_reserve(flags);

	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

/* ---- looking up ---- */

static struct file *get_locked(struct files *t, u32 fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd < t->capacity)
		f = *slot(t, fd);
	if (f)
		file_get(f);
	spin_unlock(&t->lock);
	return f;
}

struct file *fd_get_raw(int fd)
{
	return get_locked(current->files, (u32)fd);
}

struct file *fd_get(int fd)
{
	struct file *f = fd_get_raw(fd);

	if (f && (f->fmode & FMODE_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

struct fdref fdref_get_raw(int fd)
{
	struct files *t = current->files;

	if (likely(refcount_read(&t->refs) == 1))
		return (struct fdref){(u32)fd < t->capacity ? *slot(t, (u32)fd) : NULL, false};
	struct file *f = get_locked(t, (u32)fd);

	return (struct fdref){f, f != NULL};
}

struct fdref fdref_get(int fd)
{
	struct fdref r = fdref_get_raw(fd);

	if (unlikely(r.f && (r.f->fmode & FMODE_PATH))) {
		fdref_put(r);
		r = (struct fdref){NULL, false};
	}
	return r;
}

/* The table of @t with a reference, or NULL if it has exited. */
static struct files *task_files(struct task *t)
{
	struct files *files;

	spin_lock(&task_lock);
	files = t->files;
	if (files)
		refcount_inc(&files->refs);
	spin_unlock(&task_lock);
	return files;
}

struct file *files_lookup(struct task *task, int fd)
{
	struct files *t = task_files(task);
	struct file *f;

	if (!t)
		return NULL;
	f = fd < 0 ? NULL : get_locked(t, (u32)fd);
	files_put(t);
	return f;
}

int files_next(struct task *task, int fd)
{
	struct files *t = task_files(task);
	int found = -1;

	if (!t)
		return -1;
	spin_lock(&t->lock);
	for (u32 i = next_set(t->open, (u32)MAX(fd, 0), t->capacity); i < t->capacity;
	     i = next_set(t->open, i + 1, t->capacity)) {
		if (*slot(t, i)) {
			found = (int)i;
			break;
		}
	}
	spin_unlock(&t->lock);
	files_put(t);
	return found;
}

bool fd_cloexec(struct task *task, int fd)
{
	struct files *t = task_files(task);
	bool set;

	if (!t)
		return false;
	spin_lock(&t->lock);
	set = fd >= 0 && (u32)fd < t->capacity && test_bit(t->cloexec, (u32)fd);
	spin_unlock(&t->lock);
	files_put(t);
	return set;
}

void fd_set_cloexec(int fd, bool on)
{
	struct files *t = current->files;

	spin_lock(&t->lock);
	if ((u32)fd < t->capacity) {
		if (on)
			set_bit(t->cloexec, (u32)fd);
		else
			clear_bit(t->cloexec, (u32)fd);
	}
	spin_unlock(&t->lock);
}

/* ---- closing ---- */

static int close_file(struct file *f, struct files *owner)
{
	int err = 0;

	if (!(f->fmode & FMODE_PATH)) {
		if (f->ops->flush)
			err = f->ops->flush(f);
		if (file_inode(f)->locks)
			locks_remove_posix(f, owner);
	}
	file_put(f);
	return err;
}

/* Lock held. The file in slot @fd, whose reference passes to the caller, or NULL. */
static struct file *pick(struct files *t, u32 fd)
{
	struct file *f = fd < t->capacity ? *slot(t, fd) : NULL;

	if (f) {
		*slot(t, fd) = NULL;
		free_fd(t, fd);
	}
	return f;
}

int fd_close(int fd)
{
	struct files *t = current->files;
	struct file *f;

	spin_lock(&t->lock);
	f = pick(t, (u32)fd);
	spin_unlock(&t->lock);
	return f ? close_file(f, t) : -EBADF;
}

SYSCALL1(close, int, fd)
{
	const int err = fd_close(fd);

	/* The descriptor is gone in any case: a restart would close another one. */
	return err == -ERESTARTSYS || err == -ERESTARTNOINTR || err == -ERESTARTNOHAND ? -EINTR : err;
}

/* Closes all numbers in [first, last] with (@cloexec: only those marked) . */
static void close_span(struct files *t, u32 first, u32 last, bool cloexec)
{
	u32 fd = first;

	spin_lock(&t->lock);
	for (;;) {
		struct file *f;

		fd = next_set(cloexec ? t->cloexec : t->open, fd, t->capacity);
		if (fd >= t->capacity || fd > last)
			break;
		if (cloexec)
			clear_bit(t->cloexec, fd);
		f = test_bit(t->open, fd) ? pick(t, fd) : NULL;
		fd++;
		if (!f)
			continue;
		spin_unlock(&t->lock);
		close_file(f, t);
		cond_resched();
		spin_lock(&t->lock);
	}
	spin_unlock(&t->lock);
}

void files_close_on_exec(void)
{
	close_span(current->files, 0, MAX_FDS, true);
}

void files_get(struct files *t)
{
	refcount_inc(&t->refs);
}

void files_put(struct files *t)
{
	if (!t || !refcount_dec_and_test(&t->refs))
		return;
	close_span(t, 0, MAX_FDS, false);
	for (u32 i = 0; i < t->nr_chunks; i++)
		kfree(t->chunks[i]);
	kfree(t->chunks);
	if (t->open != &t->open1) {
		kfree(t->open);
		kfree(t->cloexec);
	}
	slab_free(files_slab, t);
}

/* ---- copies ---- */

/* Copies descriptors up to @last. */
static struct files *files_copy(struct files *from, u32 last)
{
	struct files *t = files_new();
	u32 high = 0;

	if (!t)
		return NULL;
	/* The new table grows outside the lock; the old one may have grown meanwhile. */
	for (;;) {
		spin_lock(&from->lock);
		for (u32 w = from->capacity / 64; w--;) {
			if (from->open[w]) {
				high = w * 64 + 63 - (u32)__builtin_clzll(from->open[w]);
				break;
			}
		}
		high = MIN(high, last);
		if (high < t->capacity)
			break;
		spin_unlock(&from->lock);
		if (grow(t, high)) {
			files_put(t);
			return NULL;
		}
	}
	for (u32 fd = next_set(from->open, 0, from->capacity); fd < from->capacity && fd <= last;
	     fd = next_set(from->open, fd + 1, from->capacity)) {
		struct file *f = *slot(from, fd);

		if (!f)
			continue; /* taken, not yet open */
		*slot(t, fd) = file_get(f);
		set_bit(t->open, fd);
		if (test_bit(from->cloexec, fd))
			set_bit(t->cloexec, fd);
	}
	spin_unlock(&from->lock);
	t->next = next_clear(t->open, 0, t->capacity);
	return t;
}

struct files *files_dup(struct files *from)
{
	return files_copy(from, MAX_FDS);
}

static int replace_table(u32 last)
{
	struct files *old = current->files, *t;

	if (refcount_read(&old->refs) == 1)
		return 0;
	t = files_copy(old, last);
	if (!t)
		return -ENOMEM;
	spin_lock(&task_lock);
	current->files = t;
	spin_unlock(&task_lock);
	files_put(old);
	return 0;
}

int files_unshare(void)
{
	return replace_table(MAX_FDS);
}

#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4

static void cloexec_span(struct files *t, u32 first, u32 last)
{
	spin_lock(&t->lock);
	for (u32 fd = next_set(t->open, first, t->capacity); fd < t->capacity && fd <= last;
	     fd = next_set(t->open, fd + 1, t->capacity))
		set_bit(t->cloexec, fd);
	spin_unlock(&t->lock);
}

SYSCALL3(close_range, u32, first, u32, last, u32, flags)
{
	int err;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if (first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		/* What would be closed at once need not be copied. */
		err = replace_table(last >= MAX_FDS && first && !(flags & CLOSE_RANGE_CLOEXEC) ? first - 1 : MAX_FDS);
		if (err)
			return err;
	}
	if (flags & CLOSE_RANGE_CLOEXEC)
		cloexec_span(current->files, first, last);
	else
		close_span(current->files, first, last, false);
	return 0;
}

/* ---- dup ---- */

SYSCALL1(dup, int, oldfd)
{
	struct file *f = fd_get_raw(oldfd);

	return f ? fd_install_new(f, 0) : -EBADF;
}

/* Puts the file of @oldfd at @newfd, closing what was there. */
static int dup_to(int oldfd, u32 newfd, u32 flags)
{
	struct files *t = current->files;
	struct file *f, *old;
	int err = 0;

	if (newfd >= fd_limit())
		return -EBADF;
	spin_lock(&t->lock);
	f = (u32)oldfd < t->capacity ? *slot(t, (u32)oldfd) : NULL;
	if (!f)
		err = -EBADF;
	else if (newfd >= t->capacity)
		err = grow(t, newfd);
	if (!err && test_bit(t->open, newfd) && !*slot(t, newfd))
		err = -EBUSY; /* another thread is about to open it */
	if (err) {
		spin_unlock(&t->lock);
		return err;
	}
	file_get(f);
	old = *slot(t, newfd);
	*slot(t, newfd) = f;
	set_bit(t->open, newfd);
	if (flags & O_CLOEXEC)
		set_bit(t->cloexec, newfd);
	else
		clear_bit(t->cloexec, newfd);
	spin_unlock(&t->lock);
	if (old)
		close_file(old, t);
	return (int)newfd;
}

SYSCALL2(dup2, int, oldfd, u32, newfd)
{
	if ((u32)oldfd == newfd) {
		struct fdref r = fdref_get_raw(oldfd);

		if (!r.f)
			return -EBADF;
		fdref_put(r);
		return (long)newfd;
	}
	return dup_to(oldfd, newfd, 0);
}

SYSCALL3(dup3, int, oldfd, u32, newfd, u32, flags)
{
	if ((flags & ~(u32)O_CLOEXEC) || (u32)oldfd == newfd)
		return -EINVAL;
	return dup_to(oldfd, newfd, flags);
}
