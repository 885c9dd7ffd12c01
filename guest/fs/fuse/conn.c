/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the host file server over UM_QUEUE_FS, and forgets over UM_QUEUE_FS_HIPRIO.
 *
 * A request lies on the stack of who waits for it, or in a struct fuse_async; nothing is copied on the way: the chain
 * names the caller's own buffers. What needs no answer (forgets, releases) goes through the other queue, without
 * interrupts and mostly without ringing: the server looks there first whenever it looks. Forgets are collected and sent
 * many at a time.
 */
#include "fuse.h"

#include <abi/boot.h>

static struct virtq *queue, *hiprio;
static u64 last_unique;

#define FORGET_BATCH 128

struct forgets {
	struct virtq_req vr;
	struct fuse_in_header in;
	struct fuse_batch_forget_in batch;
	struct fuse_forget_one one[FORGET_BATCH];
};

static spinlock_t forget_lock = SPINLOCK_INIT;
static struct forgets *collecting; /* forget_lock; NULL: to be allocated */

static void fill_header(struct fuse_in_header *h, u32 opcode, u64 nodeid, size_t len)
{
	const struct cred *cred = current->cred;

	*h = (struct fuse_in_header){
		.len = (u32)(sizeof(*h) + len),
		.opcode = opcode,
		.unique = atomic_add_return(&last_unique, 1),
		.nodeid = nodeid,
		.uid = cred ? cred->fsuid : 0,
		.gid = cred ? cred->fsgid : 0,
		.padding = (u16)smp_id(),
	};
}

static ssize_t result(const struct fuse_out_header *out, u32 written)
{
	if (written < sizeof(*out) || out->len < sizeof(*out) || out->len > written || out->error > 0 ||
	    out->error < -MAX_ERRNO)
		return -EIO;
	return out->error ? out->error : (ssize_t)(out->len - sizeof(*out));
}

ssize_t fuse_call(const struct fuse_call *c)
{
	struct virtq_buf out[1 + FUSE_MAX_IN], in[2];
	struct fuse_in_header h;
	struct fuse_out_header reply = {0};
	size_t len = 0;
	u32 nout = 1, nin = 1;

	for (u32 i = 0; i < c->nr_in; i++) {
		if (!c->in[i].size)
			continue;
		out[nout].addr = (void *)(u64)c->in[i].data;
		out[nout++].len = (u32)c->in[i].size;
		len += c->in[i].size;
	}
	fill_header(&h, c->opcode, c->nodeid, len);
	out[0] = (struct virtq_buf){&h, sizeof(h)};
	in[0] = (struct virtq_buf){&reply, sizeof(reply)};
	if (c->out_size)
		in[nin++] = (struct virtq_buf){c->out, (u32)c->out_size};
	return result(&reply, virtq_call(queue, out, nout, in, nin));
}

int fuse_call_exact(const struct fuse_call *c)
{
	const ssize_t n = fuse_call(c);

	if (n < 0)
		return (int)n;
	return (size_t)n == c->out_size ? 0 : -EIO;
}

void fuse_send(struct fuse_async *a, u32 opcode, u64 nodeid, const struct virtq_buf *bufs, u32 nr_bufs)
{
	struct virtq_buf in[2 + FUSE_MAX_BUFS];
	const struct virtq_buf out[2] = {{&a->in, sizeof(a->in)}, {&a->arg, (u32)a->arg_size}};
	u32 nin = 0;

	BUG_ON(nr_bufs > FUSE_MAX_BUFS);
	fill_header(&a->in, opcode, nodeid, a->arg_size);
	in[nin++] = (struct virtq_buf){&a->out, sizeof(a->out)};
	if (opcode == UM_FUSE_OPEN_READ)
		in[nin++] = (struct virtq_buf){&a->open, sizeof(a->open)};
	memcpy(in + nin, bufs, nr_bufs * sizeof(*bufs));
	virtq_submit_wait(queue, &a->vr, out, 2, in, nin + nr_bufs);
}

void fuse_kick(void)
{
	virtq_kick(queue);
}

int fuse_send_quiet(struct fuse_async *a, u32 opcode, u64 nodeid)
{
	const struct virtq_buf out[2] = {{&a->in, sizeof(a->in)}, {&a->arg, (u32)a->arg_size}};

	fill_header(&a->in, opcode, nodeid, a->arg_size);
	return virtq_submit(hiprio, &a->vr, out, 2, NULL, 0);
}

void fuse_kick_quiet(void)
{
	virtq_kick(hiprio);
}

ssize_t fuse_result(const struct fuse_async *a)
{
	const ssize_t n = result(&a->out, a->vr.written);

	if (n < 0 || a->in.opcode != UM_FUSE_OPEN_READ)
		return n;
	return n < (ssize_t)sizeof(a->open) ? -EIO : n - (ssize_t)sizeof(a->open);
}

int fuse_write_bufs(const struct fuse_fh *fh, u64 offset, u32 size, const struct virtq_buf *bufs, u32 nr_bufs)
{
	const struct fuse_write_in arg = {
		.fh = fh->fh, .offset = offset, .size = size, .write_flags = FUSE_WRITE_CACHE};
	struct virtq_buf out[2 + FUSE_MAX_BUFS], in[2];
	struct {
		struct fuse_out_header h;
		struct fuse_write_out w;
	} reply = {0};
	struct fuse_in_header h;
	ssize_t n;

	BUG_ON(nr_bufs > FUSE_MAX_BUFS);
	fill_header(&h, FUSE_WRITE, fh->nodeid, sizeof(arg) + size);
	out[0] = (struct virtq_buf){&h, sizeof(h)};
	out[1] = (struct virtq_buf){(void *)(u64)&arg, sizeof(arg)};
	memcpy(out + 2, bufs, nr_bufs * sizeof(*bufs));
	in[0] = (struct virtq_buf){&reply, sizeof(reply)};
	n = result(&reply.h, virtq_call(queue, out, 2 + nr_bufs, in, 1));
	if (n < 0)
		return (int)n;
	if (n != sizeof(reply.w))
		return -EIO;
	/* The server stops early only at an error it met on the way; the host's disk being full is the usual one. */
	return reply.w.size == size ? 0 : -ENOSPC;
}

static void forgets_done(struct virtq_req *r)
{
	kfree(container_of(r, struct forgets, vr));
}

static void send_forgets(struct forgets *f)
{
	const size_t len = sizeof(f->batch) + f->batch.count * sizeof(f->one[0]);
	const struct virtq_buf out = {&f->in, (u32)(sizeof(f->in) + len)};

	fill_header(&f->in, FUSE_BATCH_FORGET, 0, len);
	f->vr.done = forgets_done;
	/* Forgetting to forget costs the server memory, nothing else: not worth waiting for, or the danger of it here.
	 */
	if (virtq_submit(hiprio, &f->vr, &out, 1, NULL, 0))
		kfree(f);
}

void fuse_forget(u64 nodeid, u64 nlookup)
{
	struct forgets *full = NULL;

	if (!nlookup)
		return;
	spin_lock(&forget_lock);
	if (!collecting) {
		collecting = kmalloc(sizeof(*collecting));
		if (collecting)
			collecting->batch = (struct fuse_batch_forget_in){0};
	}
	if (collecting) {
		collecting->one[collecting->batch.count++] = (struct fuse_forget_one){nodeid, nlookup};
		if (collecting->batch.count == FORGET_BATCH) {
			full = collecting;
			collecting = NULL;
		}
	}
	spin_unlock(&forget_lock);
	if (full)
		send_forgets(full);
}

static int handshake(void)
{
	const struct fuse_init_in in = {
		.major = FUSE_VERSION_MAJOR,
		.minor = FUSE_VERSION_MINOR,
		.max_readahead = UM_FUSE_MAX_DATA,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_WRITEBACK_CACHE |
			 FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_SUBMOUNTS,
	};
	struct fuse_init_out out;
	const struct fuse_call c = {
		.opcode = FUSE_INIT, .nr_in = 1, .in = {{&in, sizeof(in)}}, .out = &out, .out_size = sizeof(out)};
	const int err = fuse_call_exact(&c);

	if (err)
		return err;
	if (out.major != FUSE_VERSION_MAJOR || out.max_write < UM_FUSE_MAX_DATA)
		return -EPROTO;
	fuse_fh_set_max(out.max_open);
	return 0;
}

int fuse_connect(void)
{
	static DEFINE_MUTEX(connecting);
	int err = 0;

	mutex_lock(&connecting);
	if (!queue) {
		queue = virtq_get(UM_QUEUE_FS);
		hiprio = virtq_get(UM_QUEUE_FS_HIPRIO);
		err = queue && hiprio ? 0 : -ENODEV;
		if (!err) {
			virtq_set_quiet(hiprio);
			err = handshake();
		}
		if (err)
			queue = NULL;
	}
	mutex_unlock(&connecting);
	return err;
}
