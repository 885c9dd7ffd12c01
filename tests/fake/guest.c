/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend without vCPUs: one thread of the VMM plays the guest kernel and drives the console and control queues from
 * the other side. Its "programs" are words, so that launcher, jail, console and exit paths can be tested without a
 * guest:
 *
 *   exit N          leaves with status N
 *   signal N        dies of signal N
 *   config          prints the configuration strings
 *   echo TEXT       prints TEXT and a newline
 *   err TEXT        the same on stderr
 *   cat             copies stdin to stdout
 *   yes             writes to stdout until that breaks, then leaves with status 3
 *   wait            waits for signals and prints them; SIGTERM ends it with status 0
 *   tty             with -t: prints each byte typed and each window size in brackets; 'q' ends it with status 4
 *   close           closes stdout, waits for a signal
 *   panic           the guest kernel gives up
 *   crash           the VMM itself dies (SIGILL)
 *   raw PATH        asks the file server for PATH in each export, past all that a guest kernel would put in the way
 *   forbidden       the VMM makes a system call that is on no list
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "abi/boot.h"
#include "abi/control.h"
#include "abi/fuse.h"
#include "abi/layout.h"
#include "abi/pvm.h"
#include "abi/virtq.h"
#include "vmm/backend/backend.h"
#include "vmm/vm.h"

#define BUF 0x800000 /* gpa of the fake guest's buffers */
#define ROOM 0x10000

struct ring {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	unsigned int size;
	uint16_t seen;
	uint16_t next;
};

struct fake {
	struct vm *vm;
	const struct um_boot *boot;
	struct ring con_rx, con_tx, ctl_rx, ctl_tx, fs;
	int wake; /* eventfd: an interrupt */
	uint32_t broken;
};

static void ring_init(struct ring *r, struct vm *vm, const struct um_boot_queue *q)
{
	*r = (struct ring){
		.desc = vm_gpa(vm, q->desc, VIRTQ_DESC_BYTES(q->size)),
		.avail = vm_gpa(vm, q->avail, VIRTQ_AVAIL_BYTES(q->size)),
		.used = vm_gpa(vm, q->used, VIRTQ_USED_BYTES(q->size)),
		.size = q->size,
	};
}

static void post(struct fake *f, struct ring *r, gpa_t gpa, uint32_t len, uint16_t flags)
{
	const uint64_t one = 1;
	const uint16_t i = r->next++ % r->size;

	r->desc[i] = (struct virtq_desc){.addr = gpa, .len = len, .flags = flags};
	r->avail->ring[i] = i;
	__atomic_store_n(&r->avail->idx, r->next, __ATOMIC_SEQ_CST);
	if (write(f->vm->doorbell, &one, sizeof(one)) < 0)
		abort();
}

static bool used(struct ring *r)
{
	if (__atomic_load_n(&r->used->idx, __ATOMIC_SEQ_CST) == r->seen)
		return false;
	r->seen++;
	return true;
}

static void sleep_for_interrupt(struct fake *f)
{
	uint64_t count;

	if (read(f->wake, &count, sizeof(count)) < 0)
		abort();
}

static gpa_t rx_gpa(int which)
{
	return BUF + (gpa_t)which * 2 * ROOM;
}

static void control(struct fake *f, uint32_t type, const void *body, uint32_t len)
{
	const gpa_t gpa = rx_gpa(3);
	const struct um_ctl_hdr hdr = {.type = type, .len = len};

	memcpy(vm_gpa(f->vm, gpa, sizeof(hdr)), &hdr, sizeof(hdr));
	if (len)
		memcpy(vm_gpa(f->vm, gpa + sizeof(hdr), len), body, len);
	post(f, &f->ctl_tx, gpa, (uint32_t)sizeof(hdr) + len, 0);
	while (!used(&f->ctl_tx))
		sleep_for_interrupt(f);
}

static void leave(struct fake *f, int wait_status)
{
	control(f, UM_CTL_EXIT, &(struct um_ctl_exit){.wait_status = wait_status}, sizeof(struct um_ctl_exit));
}

/* Takes in a message of the console, if there is one; returns its length, -1 none, -2 end of file. */
static int console_in(struct fake *f)
{
	struct um_con_hdr hdr;

	if (!used(&f->con_rx))
		return -1;
	memcpy(&hdr, vm_gpa(f->vm, rx_gpa(0), sizeof(hdr)), sizeof(hdr));
	if (hdr.flags & UM_CON_BROKEN) {
		f->broken |= 1u << hdr.stream;
		post(f, &f->con_rx, rx_gpa(0), ROOM, VIRTQ_DESC_F_WRITE);
		return -1;
	}
	return hdr.flags & UM_CON_EOF ? -2 : (int)hdr.len;
}

static void out(struct fake *f, uint32_t stream, uint32_t flags, const void *data, uint32_t len)
{
	const gpa_t gpa = rx_gpa(1);
	const struct um_con_hdr hdr = {.stream = stream, .flags = flags, .len = len};

	memcpy(vm_gpa(f->vm, gpa, sizeof(hdr)), &hdr, sizeof(hdr));
	if (len)
		memcpy(vm_gpa(f->vm, gpa + sizeof(hdr), len), data, len);
	post(f, &f->con_tx, gpa, (uint32_t)sizeof(hdr) + len, 0);
	while (!used(&f->con_tx))
		sleep_for_interrupt(f);
	if (stream != UM_CON_TTY)
		console_in(f); /* that the stream is broken; input comes only on demand */
}

static void print(struct fake *f, uint32_t stream, const char *text)
{
	if (f->boot->queue[UM_QUEUE_CON_TX].size == 0)
		return;
	out(f, stream, 0, text, (uint32_t)strlen(text));
}

static unsigned int wait_signal(struct fake *f)
{
	struct um_ctl_signal sig;
	struct um_ctl_hdr hdr;

	for (;;) {
		while (!used(&f->ctl_rx))
			sleep_for_interrupt(f);
		memcpy(&hdr, vm_gpa(f->vm, rx_gpa(2), sizeof(hdr)), sizeof(hdr));
		memcpy(&sig, vm_gpa(f->vm, rx_gpa(2) + sizeof(hdr), sizeof(sig)), sizeof(sig));
		post(f, &f->ctl_rx, rx_gpa(2), 64, VIRTQ_DESC_F_WRITE);
		if (hdr.type == UM_CTL_SIGNAL)
			return sig.signo;
	}
}

static void do_cat(struct fake *f)
{
	static char buf[ROOM];
	int n;

	for (;;) {
		control(f, UM_CTL_STDIN_WANT, NULL, 0);
		while ((n = console_in(f)) == -1)
			sleep_for_interrupt(f);
		if (n == -2)
			break;
		memcpy(buf, vm_gpa(f->vm, rx_gpa(0) + sizeof(struct um_con_hdr), (uint64_t)n), (size_t)n);
		post(f, &f->con_rx, rx_gpa(0), ROOM, VIRTQ_DESC_F_WRITE);
		out(f, UM_CON_STDOUT, 0, buf, (uint32_t)n);
	}
	leave(f, 0);
}

static void do_yes(struct fake *f)
{
	char buf[4096];

	memset(buf, 'y', sizeof(buf));
	while (!f->broken)
		out(f, UM_CON_STDOUT, 0, buf, sizeof(buf));
	leave(f, 3 << 8);
}

static void do_wait(struct fake *f)
{
	char text[32];
	unsigned int sig;

	print(f, UM_CON_STDOUT, "waiting\n");
	do {
		sig = wait_signal(f);
		snprintf(text, sizeof(text), "signal %u\n", sig);
		print(f, UM_CON_STDOUT, text);
	} while (sig != SIGTERM);
	leave(f, 0);
}

static bool tty_control(struct fake *f)
{
	struct um_ctl_winsize ws;
	struct um_ctl_hdr hdr;
	char text[32];

	if (!used(&f->ctl_rx))
		return false;
	memcpy(&hdr, vm_gpa(f->vm, rx_gpa(2), sizeof(hdr)), sizeof(hdr));
	memcpy(&ws, vm_gpa(f->vm, rx_gpa(2) + sizeof(hdr), sizeof(ws)), sizeof(ws));
	post(f, &f->ctl_rx, rx_gpa(2), 64, VIRTQ_DESC_F_WRITE);
	if (hdr.type == UM_CTL_WINSIZE)
		snprintf(text, sizeof(text), "[%ux%u]", ws.rows, ws.cols);
	else
		snprintf(text, sizeof(text), "[signal]");
	print(f, UM_CON_TTY, text);
	return true;
}

static void do_tty(struct fake *f)
{
	const char *data = vm_gpa(f->vm, rx_gpa(0) + sizeof(struct um_con_hdr), ROOM - sizeof(struct um_con_hdr));
	bool quit = false;
	char text[32];
	int n;

	print(f, UM_CON_TTY, "[ready]");
	while (!quit) {
		/* Printing swallows interrupts: sleep only after a look that found nothing. */
		if (tty_control(f))
			continue;
		n = console_in(f);
		if (n == -1) {
			sleep_for_interrupt(f);
			continue;
		}
		for (int i = 0; i < n; i++) {
			snprintf(text, sizeof(text), "[%02x]", (unsigned char)data[i]);
			quit |= data[i] == 'q';
			print(f, UM_CON_TTY, text);
		}
		quit |= n == -2;
		post(f, &f->con_rx, rx_gpa(0), ROOM, VIRTQ_DESC_F_WRITE);
	}
	leave(f, 4 << 8);
}

static void do_config(struct fake *f)
{
	const char *c = vm_gpa(f->vm, f->boot->config, f->boot->config_bytes);

	for (; *c; c += strlen(c) + 1) {
		print(f, UM_CON_STDOUT, c);
		print(f, UM_CON_STDOUT, "\n");
	}
	leave(f, 0);
}

/*
 * One request: @body of @len bytes to @node. Returns the negative errno of the reply; its data comes behind the header.
 */
static int fuse(struct fake *f, uint32_t opcode, uint64_t node, const void *body, uint32_t len)
{
	const gpa_t gpa = rx_gpa(4), reply = rx_gpa(5);
	const struct fuse_in_header in = {.len = (uint32_t)sizeof(in) + len, .opcode = opcode, .nodeid = node};
	struct fuse_out_header out;

	memcpy(vm_gpa(f->vm, gpa, sizeof(in)), &in, sizeof(in));
	memcpy(vm_gpa(f->vm, gpa + sizeof(in), len), body, len);
	memset(vm_gpa(f->vm, reply, ROOM), 0, ROOM);
	/* The second descriptor is there before the first one is offered. */
	f->fs.desc[1] = (struct virtq_desc){.addr = reply, .len = ROOM - 1, .flags = VIRTQ_DESC_F_WRITE};
	f->fs.desc[0] = (struct virtq_desc){.addr = gpa, .len = in.len, .flags = VIRTQ_DESC_F_NEXT, .next = 1};
	f->fs.avail->ring[f->fs.next % f->fs.size] = 0;
	__atomic_store_n(&f->fs.avail->idx, ++f->fs.next, __ATOMIC_SEQ_CST);
	if (write(f->vm->doorbell, &(uint64_t){1}, sizeof(uint64_t)) < 0)
		abort();
	while (!used(&f->fs))
		sleep_for_interrupt(f);
	memcpy(&out, vm_gpa(f->vm, reply, sizeof(out)), sizeof(out));
	return out.error;
}

static const void *fuse_data(struct fake *f)
{
	return vm_gpa(f->vm, rx_gpa(5) + sizeof(struct fuse_out_header), 1);
}

static void raw_one(struct fake *f, uint64_t root, const char *path)
{
	char copy[4096], line[512], *save = NULL;
	struct fuse_entry_out entry = {.nodeid = root};
	int err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, "/", &save); name && !err; name = strtok_r(NULL, "/", &save)) {
		err = fuse(f, FUSE_LOOKUP, entry.nodeid, name, (uint32_t)strlen(name) + 1);
		memcpy(&entry, fuse_data(f), sizeof(entry));
		if (!err && !entry.nodeid)
			err = -ENOENT;
	}
	if (!err)
		err = fuse(f, UM_FUSE_OPEN_READ, entry.nodeid, &(struct fuse_read_in){.size = 256},
			   sizeof(struct fuse_read_in));
	if (err)
		snprintf(line, sizeof(line), "%d: error %d\n", (int)root, -err);
	else
		snprintf(line, sizeof(line), "%d: %.256s\n", (int)root,
			 (const char *)fuse_data(f) + sizeof(struct fuse_open_out));
	print(f, UM_CON_STDOUT, line);
}

static void do_raw(struct fake *f, const char *path)
{
	/* Until there is no such export: its root is a node that is not known. */
	for (uint64_t root = 1;
	     fuse(f, FUSE_GETATTR, root, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in)) != -ESTALE;
	     root++)
		raw_one(f, root, path);
	leave(f, 0);
}

static void run_program(struct fake *f, const char *prog, const char *arg)
{
	if (strcmp(prog, "exit") == 0) {
		leave(f, atoi(arg) << 8);
	} else if (strcmp(prog, "signal") == 0) {
		leave(f, atoi(arg));
	} else if (strcmp(prog, "config") == 0) {
		do_config(f);
	} else if (strcmp(prog, "echo") == 0 || strcmp(prog, "err") == 0) {
		const uint32_t stream = prog[1] == 'c' ? UM_CON_STDOUT : UM_CON_STDERR;

		print(f, stream, arg);
		print(f, stream, "\n");
		leave(f, 0);
	} else if (strcmp(prog, "cat") == 0) {
		do_cat(f);
	} else if (strcmp(prog, "yes") == 0) {
		do_yes(f);
	} else if (strcmp(prog, "tty") == 0) {
		do_tty(f);
	} else if (strcmp(prog, "wait") == 0) {
		do_wait(f);
	} else if (strcmp(prog, "close") == 0) {
		out(f, UM_CON_STDOUT, UM_CON_EOF, "", 0);
		wait_signal(f);
		leave(f, 0);
	} else if (strcmp(prog, "raw") == 0) {
		do_raw(f, arg);
	} else if (strcmp(prog, "panic") == 0) {
		vm_end(f->vm, 125, "guest kernel panic");
	} else if (strcmp(prog, "crash") == 0) {
		__builtin_trap();
	} else if (strcmp(prog, "forbidden") == 0) {
		syscall(SYS_socket, 1, 1, 0);
	} else {
		leave(f, 127 << 8);
	}
}

static void *guest_main(void *arg)
{
	struct fake *f = arg;
	const char *config, *words[2] = {"", ""};
	unsigned int count = 0;

	if (f->vm->thread_init)
		f->vm->thread_init(f->vm);
	config = vm_gpa(f->vm, f->boot->config, f->boot->config_bytes);
	for (const char *c = config; *c; c += strlen(c) + 1) {
		if (strncmp(c, "arg=", 4) == 0 && count < 2)
			words[count++] = c + 4;
	}
	post(f, &f->con_rx, rx_gpa(0), ROOM, VIRTQ_DESC_F_WRITE);
	post(f, &f->ctl_rx, rx_gpa(2), 64, VIRTQ_DESC_F_WRITE);
	run_program(f, words[0], words[1]);
	return NULL;
}

static int fake_probe(char *why, size_t why_size)
{
	(void)why, (void)why_size;
	return 0;
}

static unsigned int fake_max_tasks(unsigned int ncpus)
{
	return ncpus + 100;
}

static uint64_t fake_linear_base(const struct vm *vm)
{
	(void)vm;
	return UM_RAM_BASE;
}

static int fake_create(struct vm *vm, struct um_boot *boot)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->vm = vm;
	f->boot = boot;
	f->wake = eventfd(0, EFD_CLOEXEC);
	vm->backend_data = f;
	return 0;
}

static int fake_start(struct vm *vm, uint64_t entry)
{
	struct fake *f = vm->backend_data;
	pthread_t thread;

	(void)entry;
	ring_init(&f->con_rx, vm, &f->boot->queue[UM_QUEUE_CON_RX]);
	ring_init(&f->con_tx, vm, &f->boot->queue[UM_QUEUE_CON_TX]);
	ring_init(&f->ctl_rx, vm, &f->boot->queue[UM_QUEUE_CTL_RX]);
	ring_init(&f->ctl_tx, vm, &f->boot->queue[UM_QUEUE_CTL_TX]);
	ring_init(&f->fs, vm, &f->boot->queue[UM_QUEUE_FS]);
	return -pthread_create(&thread, NULL, guest_main, f);
}

static void fake_interrupt(struct vm *vm, unsigned int vcpu, uint64_t pending)
{
	const uint64_t one = 1;
	struct fake *f = vm->backend_data;

	(void)vcpu, (void)pending;
	if (write(f->wake, &one, sizeof(one)) < 0)
		abort();
}

static int fake_child_died(struct vm *vm, pid_t pid, int wait_status)
{
	(void)vm, (void)pid, (void)wait_status;
	return 0;
}

static void fake_poll(struct vm *vm)
{
	(void)vm;
}

static void fake_kill(struct vm *vm)
{
	(void)vm;
}

static void fake_destroy(struct vm *vm)
{
	(void)vm;
}

const struct backend backend_user = {
	.name = "fake",
	.probe = fake_probe,
	.create = fake_create,
	.max_tasks = fake_max_tasks,
	.linear_base = fake_linear_base,
	.start = fake_start,
	.interrupt = fake_interrupt,
	.child_died = fake_child_died,
	.poll = fake_poll,
	.kill = fake_kill,
	.destroy = fake_destroy,
};
