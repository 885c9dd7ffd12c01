/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See fsclient.h. RAM: queues from 4096 on, the request's readable part at REQUEST_GPA, the writable one at REPLY_GPA.
 */
#include <string.h>
#include <time.h>

#include "../check.h"
#include "fsclient.h"

#define RAM (4u << 20)
#define REQUEST_GPA 0x40000
#define REPLY_GPA 0x200000

static void interrupt(struct vm *vm, unsigned int vcpu, uint64_t pending)
{
	struct fsclient *c = (struct fsclient *)(void *)vm;

	sem_post(&c->interrupts);
}

void fsclient_init(struct fsclient *c)
{
	gpa_t cursor = 4096;

	memset(c, 0, sizeof(*c));
	fakevm_init_file(&c->vm, RAM);
	c->backend.interrupt = interrupt;
	c->vm.backend = &c->backend;
	sem_init(&c->interrupts, 0, 0);
	CHECK_EQ(virtq_place(&c->requests, 16, &cursor, RAM), 0);
	CHECK_EQ(virtq_place(&c->hiprio, 16, &cursor, RAM), 0);
	CHECK_EQ(fs_new(&c->fs, &c->vm), 0);
}

void fsclient_start(struct fsclient *c)
{
	CHECK_EQ(fs_attach(c->fs, &c->requests, &c->hiprio), 0);
	CHECK_EQ(fs_start(c->fs, 2, NULL, NULL), 0);
}

void fsclient_deinit(struct fsclient *c)
{
	fs_free(c->fs);
	fakevm_deinit(&c->vm);
	sem_destroy(&c->interrupts);
}

static void wait_reply(struct fsclient *c, const struct virtq_used *used, uint16_t seen)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	while (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == seen) {
		CHECK(!c->vm.ended);
		CHECK_EQ(sem_timedwait(&c->interrupts, &until), 0);
	}
}

static size_t put(uint8_t *at, size_t pos, const void *data, size_t len)
{
	if (data)
		memcpy(at + pos, data, len);
	return data ? pos + len : pos;
}

int fscall(struct fsclient *c, const struct fscall *call)
{
	const bool forget = call->opcode == FUSE_FORGET || call->opcode == FUSE_BATCH_FORGET;
	const struct um_boot_queue *q = forget ? &c->hiprio : &c->requests;
	struct virtq_desc *desc = vm_gpa(&c->vm, q->desc, VIRTQ_DESC_BYTES(q->size));
	struct virtq_avail *avail = vm_gpa(&c->vm, q->avail, VIRTQ_AVAIL_BYTES(q->size));
	const struct virtq_used *used = vm_gpa(&c->vm, q->used, VIRTQ_USED_BYTES(q->size));
	uint8_t *request = c->vm.ram + REQUEST_GPA;
	struct fuse_in_header in = {
		.opcode = call->opcode, .unique = ++c->unique, .nodeid = call->node, .uid = c->uid, .gid = c->gid};
	struct fuse_out_header out;
	size_t len = sizeof(in), room = sizeof(out) + call->out_room;
	uint16_t seen = c->seen[forget];

	len = put(request, len, call->args, call->args_len);
	len = put(request, len, call->name, call->name ? strlen(call->name) + 1 : 0);
	len = put(request, len, call->name2, call->name2 ? strlen(call->name2) + 1 : 0);
	len = put(request, len, call->data, call->data_len);
	len -= call->cut;
	in.len = (uint32_t)len + call->lie_len;
	memcpy(request, &in, len < sizeof(in) ? len : sizeof(in));
	memset(c->vm.ram + REPLY_GPA, 0xee, sizeof(out));

	desc[0] = (struct virtq_desc){.addr = REQUEST_GPA, .len = (uint32_t)len};
	if (!call->no_reply) {
		desc[0].flags = VIRTQ_DESC_F_NEXT;
		desc[0].next = 1;
		desc[1] = (struct virtq_desc){.addr = REPLY_GPA, .len = (uint32_t)room, .flags = VIRTQ_DESC_F_WRITE};
	}
	avail->ring[avail->idx % q->size] = 0;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
	fs_doorbell(c->fs);
	wait_reply(c, used, seen);
	c->seen[forget]++;

	const uint32_t written = used->ring[seen % q->size].len;

	if (written < sizeof(out))
		return INT32_MIN;
	memcpy(&out, c->vm.ram + REPLY_GPA, sizeof(out));
	CHECK_EQ(out.len, written);
	if (len >= sizeof(in))
		CHECK_EQ(out.unique, c->unique);
	if (out.error)
		return out.error;
	CHECK(written <= room);
	if (call->out)
		memcpy(call->out, c->vm.ram + REPLY_GPA + sizeof(out), written - sizeof(out));
	return (int)(written - sizeof(out));
}

int fsc_call(struct fsclient *c, uint32_t opcode, uint64_t node, const void *args, size_t args_len, const char *name,
	     const char *name2)
{
	uint8_t out[4096];
	const struct fscall call = {.opcode = opcode,
				    .node = node,
				    .args = args,
				    .args_len = args_len,
				    .name = name,
				    .name2 = name2,
				    .out = out,
				    .out_room = sizeof(out)};

	return fscall(c, &call);
}

/* A request of arguments alone, with a reply of a fixed size. 0 or -errno. */
static int simple(struct fsclient *c, uint32_t opcode, uint64_t node, const void *args, size_t args_len, void *out,
		  size_t out_room)
{
	const struct fscall call = {
		.opcode = opcode, .node = node, .args = args, .args_len = args_len, .out = out, .out_room = out_room};
	const int r = fscall(c, &call);

	return r < 0 ? r : 0;
}

int fsc_lookup(struct fsclient *c, uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	const struct fscall call = {
		.opcode = FUSE_LOOKUP, .node = dir, .name = name, .out = out, .out_room = sizeof(*out)};
	const int r = fscall(c, &call);

	return r < 0 ? r : out->nodeid ? 0 : -2 /* ENOENT */;
}

int fsc_open(struct fsclient *c, uint64_t node, uint32_t flags, uint64_t *fh)
{
	const struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out = {0};
	const int r = simple(c, FUSE_OPEN, node, &in, sizeof(in), &out, sizeof(out));

	*fh = out.fh;
	return r;
}

int fsc_create(struct fsclient *c, uint64_t dir, const char *name, uint32_t flags, uint32_t mode, uint64_t *node,
	       uint64_t *fh)
{
	const struct fuse_create_in in = {.flags = flags, .mode = mode};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {0};
	const struct fscall call = {.opcode = FUSE_CREATE,
				    .node = dir,
				    .args = &in,
				    .args_len = sizeof(in),
				    .name = name,
				    .out = &out,
				    .out_room = sizeof(out)};
	const int r = fscall(c, &call);

	*node = out.entry.nodeid;
	*fh = out.open.fh;
	return r < 0 ? r : 0;
}

int fsc_read(struct fsclient *c, uint64_t node, uint64_t fh, uint64_t off, void *buf, uint32_t size)
{
	const struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};
	const struct fscall call = {
		.opcode = FUSE_READ, .node = node, .args = &in, .args_len = sizeof(in), .out = buf, .out_room = size};

	return fscall(c, &call);
}

int fsc_write(struct fsclient *c, uint64_t node, uint64_t fh, uint64_t off, const void *buf, uint32_t size)
{
	const struct fuse_write_in in = {.fh = fh, .offset = off, .size = size};
	struct fuse_write_out out = {0};
	const struct fscall call = {.opcode = FUSE_WRITE,
				    .node = node,
				    .args = &in,
				    .args_len = sizeof(in),
				    .data = buf,
				    .data_len = size,
				    .out = &out,
				    .out_room = sizeof(out)};
	const int r = fscall(c, &call);

	return r < 0 ? r : (int)out.size;
}

int fsc_release(struct fsclient *c, uint64_t node, uint64_t fh)
{
	const struct fuse_release_in in = {.fh = fh};
	const struct fscall call = {.opcode = FUSE_RELEASE, .node = node, .args = &in, .args_len = sizeof(in)};

	return fscall(c, &call);
}

void fsc_forget(struct fsclient *c, uint64_t node, uint64_t n)
{
	const struct fuse_forget_in in = {.nlookup = n};
	const struct fscall call = {
		.opcode = FUSE_FORGET, .node = node, .args = &in, .args_len = sizeof(in), .no_reply = true};

	CHECK_EQ(fscall(c, &call), INT32_MIN);
}

int fsc_getattr(struct fsclient *c, uint64_t node, struct fuse_attr *attr)
{
	const struct fuse_getattr_in in = {0};
	struct fuse_attr_out out = {0};
	const int r = simple(c, FUSE_GETATTR, node, &in, sizeof(in), &out, sizeof(out));

	*attr = out.attr;
	return r;
}
