/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll, select, pselect6: ask all files; if none is ready, sleep on all their wait queues; ask again.
 *
 * The first round over the files hangs an entry on each queue (poll_enqueue); later rounds only ask. A wake-up sets
 * `triggered` before it wakes, and the sleeper tests it after it has set its state, so none is lost. Entries hold a
 * reference to their file, because another thread may close the descriptor meanwhile.
 */
#include <gk/fs.h>
#include <gk/poll.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>

#define POLL_INLINE 12
#define POLL_BLOCK 60
#define POLL_DEFAULT (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

struct poll_entry {
	struct wait_entry wait;
	struct wait_queue *queue;
	struct file *file; /* reference */
	u32 events;
};

struct poll_block {
	struct poll_block *next;
	u32 nr;
	struct poll_entry entry[POLL_BLOCK];
};

/* One call that waits. */
struct poll_waiter {
	struct poll_table pt;
	ktime_t deadline; /* 0: the call does not wait */
	bool timed_out;	  /* the next round is the last */
	bool triggered;
	int error;
	u32 nr_inline;
	struct poll_block *blocks;
	struct poll_entry entry[POLL_INLINE];
};

u32 vfs_poll(struct file *f, struct poll_table *pt)
{
	return f->ops->poll ? f->ops->poll(f, pt) : POLL_DEFAULT;
}

static bool poll_wake(struct wait_entry *e, u32 events)
{
	struct poll_entry *pe = container_of(e, struct poll_entry, wait);
	struct poll_waiter *w = e->priv;

	if (events && !(events & pe->events))
		return false;
	WRITE_ONCE(w->triggered, true);
	return try_wake_up(e->task, TASK_NORMAL);
}

static struct poll_entry *entry_new(struct poll_waiter *w)
{
	struct poll_block *b = w->blocks;

	if (w->nr_inline < POLL_INLINE)
		return &w->entry[w->nr_inline++];
	if (!b || b->nr == POLL_BLOCK) {
		b = kmalloc(sizeof(*b));
		if (!b)
			return NULL;
		b->nr = 0;
		b->next = w->blocks;
		w->blocks = b;
	}
	return &b->entry[b->nr++];
}

static void poll_enqueue(struct file *f, struct wait_queue *q, struct poll_table *pt)
{
	struct poll_waiter *w = container_of(pt, struct poll_waiter, pt);
	struct poll_entry *pe = entry_new(w);

	if (!pe) {
		w->error = -ENOMEM;
		return;
	}
	wait_entry_init(&pe->wait, current);
	pe->wait.func = poll_wake;
	pe->wait.priv = w;
	pe->queue = q;
	pe->file = file_get(f);
	pe->events = pt->events | EPOLLERR | EPOLLHUP;
	add_wait_queue(q, &pe->wait);
}

static void waiter_init(struct poll_waiter *w, ktime_t deadline)
{
	w->pt.queue = deadline ? poll_enqueue : NULL;
	w->pt.events = 0;
	w->deadline = deadline;
	w->timed_out = deadline == 0;
	w->triggered = false;
	w->error = 0;
	w->nr_inline = 0;
	w->blocks = NULL;
}

static void entries_drop(struct poll_entry *e, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		remove_wait_queue(e[i].queue, &e[i].wait);
		file_put(e[i].file);
	}
}

static void waiter_done(struct poll_waiter *w)
{
	struct poll_block *b;

	entries_drop(w->entry, w->nr_inline);
	while ((b = w->blocks)) {
		w->blocks = b->next;
		entries_drop(b->entry, b->nr);
		kfree(b);
	}
}

/* Sleeps until an entry is triggered, a signal comes or the deadline passes. */
static void waiter_sleep(struct poll_waiter *w)
{
	int ret = 1;

	set_current_state(TASK_INTERRUPTIBLE);
	if (!READ_ONCE(w->triggered))
		ret = schedule_until(w->deadline);
	set_current_state(TASK_RUNNING);
	WRITE_ONCE(w->triggered, false);
	smp_mb(); /* before the files are asked again */
	w->timed_out = ret == 0;
}

/*
 * All files have been asked, *count of them are ready (< 0: an error). True if *count, which may become an error, is
 * the result of the call; false after a sleep: they are to be asked again.
 */
static bool round_decides(struct poll_waiter *w, int *count)
{
	w->pt.queue = NULL;
	if (*count || w->timed_out)
		return true;
	*count = w->error;
	if (!*count && signal_pending())
		*count = -EINTR;
	if (*count)
		return true;
	waiter_sleep(w);
	return false;
}

struct pollfd {
	s32 fd;
	s16 events, revents;
};

static u32 poll_one(struct pollfd *p, struct poll_waiter *w)
{
	u32 events = (u16)p->events | EPOLLERR | EPOLLHUP, ready;
	struct file *f;

	if (p->fd < 0)
		return 0;
	f = fd_get(p->fd);
	if (!f)
		return EPOLLNVAL;
	w->pt.events = events;
	ready = vfs_poll(f, &w->pt) & events;
	file_put(f);
	return ready;
}

/* How many of @fds are ready; 0 at the deadline; -EINTR; -ENOMEM. Sets revents. */
static int poll_wait_ready(struct pollfd *fds, u32 n, ktime_t deadline)
{
	struct poll_waiter w;
	int count;
	u32 i;

	waiter_init(&w, deadline);
	do {
		count = 0;
		for (i = 0; i < n; i++) {
			fds[i].revents = poll_one(&fds[i], &w);
			if (fds[i].revents) {
				count++;
				w.pt.queue = NULL;
			}
		}
	} while (!round_decides(&w, &count));
	waiter_done(&w);
	return count;
}

static long do_poll(struct pollfd __user *ufds, u32 n, ktime_t deadline)
{
	struct pollfd stack[16], *fds = stack;
	long ret;
	u32 i;

	if (n > READ_ONCE(current->process->rlim[RLIMIT_NOFILE].cur))
		return -EINVAL;
	if (n > ARRAY_SIZE(stack)) {
		fds = kcalloc(n, sizeof(*fds));
		if (!fds)
			return -ENOMEM;
	}
	ret = copy_from_user(fds, ufds, n * sizeof(*fds));
	if (!ret) {
		ret = poll_wait_ready(fds, n, deadline);
		for (i = 0; i < n && ret >= 0; i++) {
			if (put_user(fds[i].revents, &ufds[i].revents))
				ret = -EFAULT;
		}
	}
	if (fds != stack)
		kfree(fds);
	return ret;
}

static long poll_restart(struct restart_block *rb)
{
	long ret = do_poll((struct pollfd __user *)rb->arg[0], rb->arg[1], rb->arg[2]);

	return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

SYSCALL3(poll, struct pollfd __user *, ufds, u32, n, s32, timeout_ms)
{
	ktime_t deadline = KTIME_NEVER;
	struct restart_block *rb = &current->restart;
	long ret;

	if (timeout_ms == 0)
		deadline = 0;
	else if (timeout_ms > 0)
		deadline = ktime_mono() + timeout_ms * NSEC_PER_MSEC;
	ret = do_poll(ufds, n, deadline);
	if (ret != -EINTR)
		return ret;
	rb->fn = poll_restart;
	rb->arg[0] = (u64)ufds;
	rb->arg[1] = n;
	rb->arg[2] = deadline;
	return -ERESTART_RESTARTBLOCK;
}

static u64 time_left(ktime_t deadline)
{
	ktime_t now = ktime_mono();

	return deadline > now ? deadline - now : 0;
}

#define STICKY_TIMEOUTS 0x4000000u /* personality: a time-out stays what the program said */

/* End of ppoll and pselect6: the mask, what is left of the time, the kind of restart. */
static long timed_finish(long ret, struct timespec64 __user *uts, ktime_t deadline)
{
	struct timespec64 left;

	restore_user_sigmask(ret == -EINTR);
	if (current->process->personality & STICKY_TIMEOUTS)
		return ret;
	if (ret == -EINTR)
		ret = -ERESTARTNOHAND;
	if (!uts)
		return ret;
	left = ns_to_timespec64(time_left(deadline));
	if (copy_to_user(uts, &left, sizeof(left)) && ret == -ERESTARTNOHAND)
		ret = -EINTR; /* a restart would wait the whole time again */
	return ret;
}

SYSCALL5(ppoll, struct pollfd __user *, ufds, u32, n, struct timespec64 __user *, uts, const u64 __user *, mask, size_t,
	 size)
{
	ktime_t deadline;
	int ret = timeout_from_user(uts, &deadline);

	if (!ret && mask)
		ret = set_user_sigmask(mask, size);
	if (ret)
		return ret;
	return timed_finish(do_poll(ufds, n, deadline), uts, deadline);
}

/* ---- select ---- */

#define IN_SET (EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define OUT_SET (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define EX_SET EPOLLPRI
#define SELECT_STACK_WORDS 16 /* 1024 descriptors */

/* Six bitmaps of @words words each. */
struct fd_sets {
	u64 *want[3], *have[3];
	u32 words;
};

static const u32 set_events[3] = {IN_SET, OUT_SET, EX_SET};

/* Marks what is ready of descriptor @fd; how many marks, or -EBADF. */
static int select_one(struct fd_sets *s, int fd, struct poll_waiter *w)
{
	u32 word = (u32)fd / 64, ready, want = 0;
	u64 bit = 1ull << (fd % 64);
	struct file *f;
	int i, n = 0;

	for (i = 0; i < 3; i++)
		want |= s->want[i][word] & bit ? set_events[i] : 0;
	if (!want)
		return 0;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	w->pt.events = want;
	ready = vfs_poll(f, &w->pt);
	file_put(f);
	for (i = 0; i < 3; i++) {
		if ((s->want[i][word] & bit) && (ready & set_events[i])) {
			s->have[i][word] |= bit;
			n++;
		}
	}
	return n;
}

static int select_round(struct fd_sets *s, int nfds, struct poll_waiter *w)
{
	int count = 0, fd, n;

	for (fd = 0; fd < nfds; fd++) {
		u32 word = (u32)fd / 64;

		if (fd % 64 == 0 && !(s->want[0][word] | s->want[1][word] | s->want[2][word])) {
			fd += 63;
			continue;
		}
		n = select_one(s, fd, w);
		if (n < 0)
			return n;
		if (n)
			w->pt.queue = NULL;
		count += n;
	}
	return count;
}

static int select_wait_ready(struct fd_sets *s, int nfds, ktime_t deadline)
{
	struct poll_waiter w;
	int count;

	waiter_init(&w, deadline);
	do
		count = select_round(s, nfds, &w);
	while (!round_decides(&w, &count));
	waiter_done(&w);
	return count;
}

/* Programs pass the descriptor limit as @n with smaller sets: never look beyond the highest open descriptor. */
static int clamp_nfds(int n)
{
	int fd = 0, top = 1023, next;

	if (n <= 1024)
		return n;
	while ((next = files_next(current, fd)) >= 0 && next < n) {
		top = MAX(top, next);
		fd = next + 1;
	}
	return MIN(n, (int)ALIGN_UP(top + 1, 64));
}

static long do_select(int n, u64 __user *const usets[3], ktime_t deadline)
{
	u64 stack[6 * SELECT_STACK_WORDS], *bits = stack, *last;
	struct fd_sets s;
	long ret = 0;
	int i;

	if (n < 0)
		return -EINVAL;
	n = clamp_nfds(n);
	s.words = ((u32)n + 63) / 64;
	if (s.words > SELECT_STACK_WORDS) {
		bits = kcalloc(6ul * s.words, sizeof(u64));
		if (!bits)
			return -ENOMEM;
	}
	memset(bits, 0, 6ul * s.words * sizeof(u64));
	for (i = 0; i < 3; i++) {
		s.want[i] = bits + i * s.words;
		s.have[i] = bits + (3 + i) * s.words;
		if (!ret && usets[i] && s.words) {
			ret = copy_from_user(s.want[i], usets[i], s.words * sizeof(u64));
			last = &s.want[i][s.words - 1];
			if (n % 64)
				*last &= (1ull << (n % 64)) - 1;
		}
	}
	if (!ret)
		ret = select_wait_ready(&s, n, deadline);
	for (i = 0; i < 3 && ret >= 0; i++) {
		if (usets[i] && copy_to_user(usets[i], s.have[i], s.words * sizeof(u64)))
			ret = -EFAULT;
	}
	if (bits != stack)
		kfree(bits);
	return ret;
}

SYSCALL5(select, s32, n, u64 __user *, in, u64 __user *, out, u64 __user *, ex, struct timeval64 __user *, utv)
{
	u64 __user *const sets[3] = {in, out, ex};
	ktime_t deadline = KTIME_NEVER;
	struct timeval64 tv;
	struct timespec64 ts;
	long ret;

	if (utv) {
		if (copy_from_user(&tv, utv, sizeof(tv)))
			return -EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		ts.tv_sec = tv.tv_sec + tv.tv_usec / 1000000;
		ts.tv_nsec = tv.tv_usec % 1000000 * 1000;
		deadline = deadline_after(timespec64_to_ns(&ts));
	}
	ret = do_select(n, sets, deadline);
	if (current->process->personality & STICKY_TIMEOUTS)
		return ret;
	if (ret == -EINTR)
		ret = -ERESTARTNOHAND;
	if (utv) {
		tv = ns_to_timeval64(time_left(deadline));
		if (copy_to_user(utv, &tv, sizeof(tv)) && ret == -ERESTARTNOHAND)
			ret = -EINTR;
	}
	return ret;
}

struct sigset_arg {
	const u64 __user *mask;
	size_t size;
};

SYSCALL6(pselect6, s32, n, u64 __user *, in, u64 __user *, out, u64 __user *, ex, struct timespec64 __user *, uts,
	 const struct sigset_arg __user *, usig)
{
	u64 __user *const sets[3] = {in, out, ex};
	struct sigset_arg sig = {NULL, 0};
	ktime_t deadline;
	int ret;

	if (usig && copy_from_user(&sig, usig, sizeof(sig)))
		return -EFAULT;
	ret = timeout_from_user(uts, &deadline);
	if (!ret && sig.mask)
		ret = set_user_sigmask(sig.mask, sig.size);
	if (ret)
		return ret;
	return timed_finish(do_select(n, sets, deadline), uts, deadline);
}
