/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers: ChaCha20 with fast key erasure. Every request takes a key for itself out of the vCPU's generator,
 * which replaces its own key in the same step: what was given out cannot be computed from what is in memory later.
 *
 * The first key comes from the seed in the boot block, which the VMM draws from the host; each vCPU gets one of its own
 * from there. The time stamp counter goes into the nonce, so that two copies of one state part ways.
 */
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/lock.h>
#include <gk/percpu.h>
#include <gk/signal.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "../arch/x86_64/arch.h"
#include "chacha.h"

struct rng {
	u32 key[CHACHA_KEY_WORDS];
	bool seeded;
};

static struct rng base; /* base_lock */
static spinlock_t base_lock;
static struct rng per_cpu[MAX_CPUS]; /* its vCPU only */

/* Draws a key; @rng has another one afterwards. */
static void rng_draw(struct rng *rng, u32 domain, u32 key[CHACHA_KEY_WORDS])
{
	u64 tsc = rdtsc();
	const u32 nonce[3] = {(u32)tsc, (u32)(tsc >> 32), domain};
	u32 block[CHACHA_BLOCK_WORDS];

	chacha20_block(rng->key, 0, nonce, block);
	memcpy(rng->key, block, sizeof(rng->key));
	memcpy(key, block + CHACHA_KEY_WORDS, CHACHA_KEY_WORDS * sizeof(u32));
	memset(block, 0, sizeof(block));
	barrier();
}

void random_init(void)
{
	u32 half[2][CHACHA_KEY_WORDS], i;

	_Static_assert(UM_SEED_BYTES == sizeof(half), "seed");
	memcpy(half, boot->seed, sizeof(half));
	memcpy(base.key, half[0], sizeof(base.key));
	rng_draw(&base, 0, half[0]);
	for (i = 0; i < CHACHA_KEY_WORDS; i++)
		base.key[i] ^= half[1][i];
	rng_draw(&base, 1, half[0]);
	memset(half, 0, sizeof(half));
}

static void draw_key(u32 key[CHACHA_KEY_WORDS])
{
	u32 id = smp_id();
	struct rng *rng = &per_cpu[id];

	if (unlikely(!rng->seeded)) {
		spin_lock(&base_lock);
		rng_draw(&base, 2 + id, rng->key);
		spin_unlock(&base_lock);
		rng->seeded = true;
	}
	rng_draw(rng, 0, key);
}

/* A request's key stream. */
struct stream {
	u32 key[CHACHA_KEY_WORDS];
	u32 counter;
};

static void stream_next(struct stream *s, u32 block[CHACHA_BLOCK_WORDS])
{
	static const u32 nonce[3];

	if (!++s->counter) { /* 256 GB of one key */
		draw_key(s->key);
		s->counter = 1;
	}
	chacha20_block(s->key, s->counter, nonce, block);
}

void random_bytes(void *buf, size_t n)
{
	struct stream s = {.counter = 0};
	u32 block[CHACHA_BLOCK_WORDS];
	char *p = buf;
	size_t part;

	draw_key(s.key);
	if (n <= sizeof(s.key)) { /* the key itself is as good and has no other use */
		memcpy(p, s.key, n);
		n = 0;
	}
	for (; n; p += part, n -= part) {
		stream_next(&s, block);
		part = MIN(n, sizeof(block));
		memcpy(p, block, part);
	}
	memset(&s, 0, sizeof(s));
	memset(block, 0, sizeof(block));
	barrier();
}

u64 random_u64(void)
{
	u64 v;

	random_bytes(&v, sizeof(v));
	return v;
}

#define GRND_NONBLOCK 1
#define GRND_RANDOM 2
#define GRND_INSECURE 4
#define GETRANDOM_MAX 0x1ffffff

SYSCALL3(getrandom, char __user *, ubuf, size_t, len, u32, flags)
{
	char buf[1024];
	size_t done = 0, part;
	bool fault = false;

	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	len = MIN(len, (size_t)GETRANDOM_MAX);
	if (!access_ok((u64)ubuf, len))
		return -EFAULT;
	while (done < len && !fault) {
		part = MIN(len - done, sizeof(buf));
		random_bytes(buf, part);
		if (copy_to_user(ubuf + done, buf, part))
			fault = true;
		else
			done += part;
		/* A long request can be interrupted; a short one (256 bytes) never is. */
		if (done >= sizeof(buf) && signal_pending())
			break;
		cond_resched();
	}
	memset(buf, 0, sizeof(buf));
	barrier();
	return done || !fault ? (long)done : -EFAULT;
}
