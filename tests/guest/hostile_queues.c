/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An enemy at the queues of the real VMM.
 *
 *   rings     random words all over the memory of the queues, with doorbells: a broken ring ends the sandbox with a sentence
 *   messages  whole rings, nonsense in the messages of console and control device
 *   fuse      whole rings, file requests made of plausible pieces, which the other vCPU changes while they are read; every one must
 *             be answered
 */
#include "abi/control.h"
#include "abi/fuse.h"
#include "abi/virtq.h"
#include "hostile.h"

#define REQUEST_BYTES 4096
#define SLOTS 8
#define STUCK_NS 20000000000ull
#define POOL 64

typedef uint16_t u16;

struct queue {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	u32 size;
	u16 sent;
};

/* For the second vCPU: it scribbles here. */
static volatile u64 scribble_from, scribble_len, scribble_every;

static void open_queue(struct queue *q, unsigned int index)
{
	const struct um_boot_queue *b = &boot->queue[index];

	CHECK(b->size);
	*q = (struct queue){.desc = va(b->desc), .avail = va(b->avail), .used = va(b->used), .size = b->size};
}

static void scribbler(u32 index)
{
	u64 rnd = option_num("seed", 1) + 77 + index, n = 0;

	for (;;) {
		const u64 from = scribble_from, len = scribble_len;

		if (len)
			*(volatile u8 *)va(from + random32(&rnd) % len) = (u8)(random32(&rnd) & random32(&rnd));
		if (++n % scribble_every == 0)
			hypercall(UM_HC_YIELD, 0, 0, 0, 0);
	}
}

static void start_scribbler(u64 from, u64 len, u64 every)
{
	scribble_from = from;
	scribble_len = len;
	scribble_every = every;
	if (boot->ncpus > 1)
		start_cpu(1, scribbler);
}

void attack_rings(u64 end, u64 *rnd)
{
	const u64 start = UM_GPA_QUEUES, len = boot->queue[UM_QUEUE_CTL_TX].used + 4096 - start;

	/* A few words at a time near the ends of rings: most lives end at once otherwise, always in the same way. */
	start_scribbler(start, len, 1000);
	while (now_ns() < end) {
		for (int i = 0; i < 4; i++) {
			const struct um_boot_queue *q = &boot->queue[random32(rnd) % 6];
			u64 *word = va((random32(rnd) % 2 ? q->desc : q->avail) + random32(rnd) % 8 * 8);

			*word = random32(rnd) % 2 ? random32(rnd) % 4
						  : (u64)random32(rnd) << 32 | random32(rnd) % 65536;
		}
		hypercall(UM_HC_NOTIFY, random32(rnd) % 8, 0, 0, 0);
	}
}

/* Sends @out bytes at @gpa, then room for @in bytes behind them. */
static void send(struct queue *q, unsigned int index, u64 gpa, u32 out, u32 in)
{
	const u16 head = (u16)(q->sent % SLOTS * 2);

	q->desc[head] = (struct virtq_desc){
		.addr = gpa, .len = out, .flags = in ? VIRTQ_DESC_F_NEXT : 0, .next = (u16)(head + 1)};
	q->desc[head + 1] = (struct virtq_desc){.addr = gpa + REQUEST_BYTES, .len = in, .flags = VIRTQ_DESC_F_WRITE};
	q->avail->ring[q->sent % q->size] = head;
	__atomic_store_n(&q->avail->idx, ++q->sent, __ATOMIC_SEQ_CST);
	hypercall(UM_HC_NOTIFY, index, 0, 0, 0);
}

/* Waits until no more than @left are unanswered. */
static void wait_answers(struct queue *q, u16 left)
{
	const u64 give_up = now_ns() + STUCK_NS;

	while ((u16)(q->sent - __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) > left) {
		hypercall(UM_HC_YIELD, 0, 0, 0, 0);
		if (now_ns() > give_up)
			panic("no answer for %lu s", STUCK_NS / 1000000000);
	}
}

void attack_messages(u64 end, u64 *rnd)
{
	const u64 mem = alloc_pages(2 * SLOTS);
	struct queue con, ctl;

	open_queue(&con, UM_QUEUE_CON_TX);
	open_queue(&ctl, UM_QUEUE_CTL_TX);
	while (now_ns() < end) {
		const u64 gpa = mem + con.sent % SLOTS * 2 * REQUEST_BYTES;
		struct um_con_hdr hdr = {.stream = 1 + random32(rnd) % 2, .len = random32(rnd) % 64};
		u32 *words = va(gpa);

		for (int i = 0; i < 32; i++)
			words[i] = random32(rnd) % 4 ? random32(rnd) % 80 : random32(rnd);
		if (random32(rnd) % 64)
			memcpy(words, &hdr, sizeof(hdr));
		send(&con, UM_QUEUE_CON_TX, gpa, random32(rnd) % 64 ? 80 : 1 + random32(rnd) % 80, 0);
		wait_answers(&con, 1);
		words[0] = random32(rnd) % 256 ? UM_CTL_LOG : words[0];
		send(&ctl, UM_QUEUE_CTL_TX, gpa, random32(rnd) % 256 ? 80 : 1 + random32(rnd) % 80, 0);
		wait_answers(&ctl, 0);
	}
}

/* Numbers that have meant something: node ids, handles, sizes. */
static u64 pool[POOL] = {1, 2, 3, 4, 257, 258, 259, 0, 4096, 65536};

static u64 plausible(u64 *rnd)
{
	switch (random32(rnd) % 8) {
	case 0:
		return random32(rnd) % 4096;
	case 1:
		return 1ull << random32(rnd) % 64;
	case 2:
		return ~0ull >> random32(rnd) % 64;
	default:
		return pool[random32(rnd) % POOL];
	}
}

static u32 make_request(u8 *p, u64 *rnd)
{
	static const char *const names[] = {"a",      "b",	"c",	  "d",	  "..",	  ".", "",
					    "x/y",    "etc",	"proc",	  "tmp",  "self", "1", "mem",
					    "user.x", "passwd", "shadow", "root", "dev",  "fd"};
	struct fuse_in_header in = {.unique = random32(rnd), .nodeid = plausible(rnd), .uid = random32(rnd) % 3};
	u32 len = sizeof(in), words = random32(rnd) % 16;

	do
		in.opcode = random32(rnd) % 8 ? random32(rnd) % FUSE_OPCODE_LIMIT : UM_FUSE_LIST + random32(rnd) % 2;
	while (in.opcode == FUSE_FALLOCATE); /* it could fill the disk */
	for (u32 i = 0; i < words; i++, len += 8) {
		const u64 v =
			random32(rnd) % 3 ? plausible(rnd) : (u64)random32(rnd) % 4096 << 32 | random32(rnd) % 4096;

		memcpy(p + len, &v, 8);
	}
	for (u32 n = random32(rnd) % 3; n; n--) {
		const char *name = names[random32(rnd) % (sizeof(names) / sizeof(names[0]))];

		do
			p[len++] = (u8)*name;
		while (*name++);
	}
	in.len = random32(rnd) % 32 ? len : random32(rnd);
	memcpy(p, &in, sizeof(in));
	return len;
}

static void learn(const u8 *reply, u64 *rnd)
{
	struct fuse_out_header out;
	u64 v;

	memcpy(&out, reply, sizeof(out));
	memcpy(&v, reply + sizeof(out) + random32(rnd) % 2 * 128, 8);
	if (out.error == 0 && out.len > sizeof(out))
		pool[random32(rnd) % POOL] = v;
}

void attack_fuse(u64 end, u64 *rnd)
{
	const u64 mem = alloc_pages(2 * SLOTS);
	struct queue q, hi;
	u64 sent = 0;

	open_queue(&q, UM_QUEUE_FS);
	open_queue(&hi, UM_QUEUE_FS_HIPRIO);
	start_scribbler(mem, 2 * SLOTS * REQUEST_BYTES, 20);
	while (now_ns() < end) {
		const u64 gpa = mem + q.sent % SLOTS * 2 * REQUEST_BYTES;
		const bool urgent = random32(rnd) % 16 == 0;
		const u32 in = random32(rnd) % 8 ? REQUEST_BYTES : random32(rnd) % 64;
		u32 len;

		learn(va(gpa + REQUEST_BYTES), rnd);
		len = make_request(va(gpa), rnd);
		send(urgent ? &hi : &q, urgent ? UM_QUEUE_FS_HIPRIO : UM_QUEUE_FS, gpa, len, in);
		wait_answers(&q, SLOTS / 2);
		wait_answers(&hi, SLOTS / 2);
		sent++;
	}
	scribble_len = 0;
	wait_answers(&q, 0);
	wait_answers(&hi, 0);
	log_printf("%lu requests answered", sent);
}
