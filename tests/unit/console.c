/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console and control devices against real pipes, sockets and files: order, back-pressure, end of file, broken
 * pipes, input only on demand, no O_NONBLOCK left on the user's descriptors, and a guest that breaks the protocol.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "fakevm.h"
#include "guestq.h"
#include "vmm/console.h"
#include "vmm/control.h"

#define RAM 0x400000
#define BUFFERS 0x200000 /* gpa of the test's buffers, 128 KiB apart */
#define STRIDE 0x20000

struct rig {
	struct vm vm;
	struct loop loop;
	struct um_boot boot;
	struct guestq rx, tx;
	struct console *con;
	unsigned int slot;
	int background;
};

static void rig_background(void *ctx)
{
	((struct rig *)ctx)->background++;
}

static void rig_init(struct rig *r, int in, int out, int err)
{
	gpa_t cursor = 0x10000;
	struct stream io[3];

	memset(r, 0, sizeof(*r));
	fakevm_init(&r->vm, RAM);
	assert_int_equal(loop_init(&r->loop), 0);
	guestq_init(&r->rx, &r->vm, 8, &cursor);
	guestq_init(&r->tx, &r->vm, 8, &cursor);
	r->boot.queue[UM_QUEUE_CON_RX] = r->rx.q;
	r->boot.queue[UM_QUEUE_CON_TX] = r->tx.q;
	stream_open(&io[0], in, O_RDONLY);
	stream_open(&io[1], out, O_WRONLY);
	stream_open(&io[2], err, O_WRONLY);
	r->con = console_new(&r->vm, &r->loop, &r->boot, io, false);
	assert_true(r->con);
	r->con->in_background = rig_background;
	r->con->ctx = r;
	console_start(r->con);
}

static void rig_deinit(struct rig *r)
{
	console_free(r->con);
	loop_deinit(&r->loop);
	fakevm_deinit(&r->vm);
}

/* Runs handlers for what is ready now. */
static void rig_poll(struct rig *r)
{
	struct epoll_event ev;

	for (int i = 0; i < 1000 && epoll_wait(r->loop.epfd, &ev, 1, 0) == 1; i++) {
		struct loop_source *s = ev.data.ptr;

		s->ready(s->ctx, ev.events);
	}
}

static uint16_t send_out(struct rig *r, uint32_t stream, uint32_t flags, const void *data, uint32_t len)
{
	const gpa_t gpa = BUFFERS + (r->slot++ % 8) * STRIDE;
	const struct um_con_hdr hdr = {.stream = stream, .flags = flags, .len = len};
	uint8_t *p = vm_gpa(&r->vm, gpa, sizeof(hdr) + len);

	memcpy(p, &hdr, sizeof(hdr));
	if (len)
		memcpy(p + sizeof(hdr), data, len);
	return guestq_post(&r->tx, gpa, (uint32_t)sizeof(hdr) + len, 0);
}

static gpa_t post_in(struct rig *r, uint32_t len)
{
	const gpa_t gpa = BUFFERS + (r->slot++ % 8) * STRIDE;

	guestq_post(&r->rx, gpa, len, VIRTQ_DESC_F_WRITE);
	return gpa;
}

/* The next message to the guest, which must have been put at @gpa. */
static struct um_con_hdr got_in(struct rig *r, gpa_t gpa)
{
	struct um_con_hdr hdr;
	uint32_t head, len;

	assert_true(guestq_used(&r->rx, &head, &len));
	memcpy(&hdr, vm_gpa(&r->vm, gpa, sizeof(hdr)), sizeof(hdr));
	assert_int_equal(len, sizeof(hdr) + hdr.len);
	return hdr;
}

static void test_output(void **state)
{
	uint32_t head, len;
	int out[2], err[2];
	struct rig r;
	char buf[64];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	rig_init(&r, -1, out[1], err[1]);
	send_out(&r, UM_CON_STDOUT, 0, "one ", 4);
	send_out(&r, UM_CON_STDERR, 0, "bad", 3);
	send_out(&r, UM_CON_STDOUT, 0, "", 0);
	send_out(&r, UM_CON_STDOUT, 0, "two", 3);
	console_notify(r.con);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 7);
	assert_memory_equal(buf, "one two", 7);
	assert_int_equal(read(err[0], buf, sizeof(buf)), 3);
	for (int i = 0; i < 4; i++)
		assert_true(guestq_used(&r.tx, &head, &len));
	assert_false(guestq_used(&r.tx, &head, &len));
	/* The user's description is as it was. */
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);

	/* EOF closes our end, so the reader sees it once the user's own copy is gone. */
	send_out(&r, UM_CON_STDOUT, UM_CON_EOF, "x", 1);
	close(out[1]);
	console_notify(r.con);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 1);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 0);
	rig_deinit(&r);
	close(out[0]);
	close(err[0]);
	close(err[1]);
}

static void back_pressure(int rd, int wr)
{
	static char big[100000], buf[65536];
	uint32_t head, len;
	size_t total = 0;
	int err[2];
	struct rig r;

	assert_int_equal(pipe(err), 0);
	rig_init(&r, -1, wr, err[1]);
	memset(big, 'b', sizeof(big));
	for (int i = 0; i < 4; i++)
		send_out(&r, UM_CON_STDOUT, 0, big, sizeof(big));
	send_out(&r, UM_CON_STDERR, 0, "e", 1);
	console_notify(r.con);
	/* stdout is stuck, stderr is not. */
	assert_true(console_busy(r.con));
	assert_int_equal(read(err[0], buf, sizeof(buf)), 1);
	while (total < 4 * sizeof(big)) {
		const ssize_t n = read(rd, buf, sizeof(buf));

		assert_true(n > 0);
		total += (size_t)n;
		rig_poll(&r);
	}
	assert_int_equal(total, 4 * sizeof(big));
	assert_false(console_busy(r.con));
	for (int i = 0; i < 5; i++)
		assert_true(guestq_used(&r.tx, &head, &len));
	rig_deinit(&r);
	close(rd);
	close(wr);
	close(err[0]);
	close(err[1]);
}

static void test_back_pressure(void **state)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	back_pressure(p[0], p[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	back_pressure(p[0], p[1]);
}

static void test_broken(void **state)
{
	struct um_con_hdr hdr;
	uint32_t head, len;
	struct rig r;
	int out[2];
	gpa_t gpa;

	assert_int_equal(pipe(out), 0);
	rig_init(&r, -1, out[1], -1);
	gpa = post_in(&r, 4096);
	close(out[0]);
	/* Noticed without a write... */
	rig_poll(&r);
	hdr = got_in(&r, gpa);
	assert_int_equal(hdr.stream, UM_CON_STDOUT);
	assert_int_equal(hdr.flags, UM_CON_BROKEN);
	assert_int_equal(hdr.reserved, EPIPE);
	/* ...told once, and what follows is swallowed. */
	send_out(&r, UM_CON_STDOUT, 0, "lost", 4);
	send_out(&r, UM_CON_STDERR, 0, "lost", 4);
	console_notify(r.con);
	assert_true(guestq_used(&r.tx, &head, &len));
	assert_true(guestq_used(&r.tx, &head, &len));
	assert_false(guestq_used(&r.rx, &head, &len));
	assert_false(r.vm.ended);
	rig_deinit(&r);
	close(out[1]);
}

static void input_on_demand(int rd, int wr)
{
	struct um_con_hdr hdr;
	uint32_t head, len;
	struct rig r;
	gpa_t gpa;

	rig_init(&r, rd, -1, -1);
	assert_int_equal(write(wr, "hello", 5), 5);
	gpa = post_in(&r, sizeof(hdr) + 3);
	console_notify(r.con);
	rig_poll(&r);
	assert_false(guestq_used(&r.rx, &head, &len));

	console_want_input(r.con);
	hdr = got_in(&r, gpa);
	assert_int_equal(hdr.stream, UM_CON_STDIN);
	assert_int_equal(hdr.len, 3);
	assert_memory_equal(vm_gpa(&r.vm, gpa + sizeof(hdr), 3), "hel", 3);

	/* One wish, one buffer: the rest stays with the host until the next. */
	gpa = post_in(&r, 4096);
	console_notify(r.con);
	rig_poll(&r);
	assert_false(guestq_used(&r.rx, &head, &len));
	console_want_input(r.con);
	assert_int_equal(got_in(&r, gpa).len, 2);

	/* Wanted before it is there, and before there is a buffer. */
	console_want_input(r.con);
	rig_poll(&r);
	assert_int_equal(write(wr, "late", 4), 4);
	rig_poll(&r);
	gpa = post_in(&r, 4096);
	console_notify(r.con);
	rig_poll(&r);
	assert_int_equal(got_in(&r, gpa).len, 4);

	gpa = post_in(&r, 4096);
	console_want_input(r.con);
	close(wr);
	rig_poll(&r);
	hdr = got_in(&r, gpa);
	assert_int_equal(hdr.flags, UM_CON_EOF);
	assert_int_equal(hdr.len, 0);
	rig_deinit(&r);
	close(rd);
}

static void test_input(void **state)
{
	struct um_con_hdr hdr;
	struct rig r;
	int p[2], fd;
	gpa_t gpa;

	assert_int_equal(pipe(p), 0);
	input_on_demand(p[0], p[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	input_on_demand(p[0], p[1]);

	/* A regular file: its offset moves by what was taken. */
	fd = fileno(tmpfile());
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	rig_init(&r, fd, -1, -1);
	assert_string_equal(r.con->io[0].kind, "file");
	gpa = post_in(&r, sizeof(hdr) + 4);
	console_want_input(r.con);
	assert_int_equal(got_in(&r, gpa).len, 4);
	assert_memory_equal(vm_gpa(&r.vm, gpa + sizeof(hdr), 4), "2345", 4);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 6);
	rig_deinit(&r);
}

static void test_bad_guest(void **state)
{
	struct rig r;

	rig_init(&r, -1, -1, -1);
	guestq_post(&r.tx, BUFFERS, 4, 0);
	console_notify(r.con);
	assert_true(r.vm.ended);
	rig_deinit(&r);

	rig_init(&r, -1, -1, -1);
	send_out(&r, 77, 0, "", 0);
	console_notify(r.con);
	assert_true(r.vm.ended);
	rig_deinit(&r);

	rig_init(&r, -1, -1, -1);
	send_out(&r, UM_CON_STDOUT, 0, "abc", 3);
	((struct um_con_hdr *)vm_gpa(&r.vm, BUFFERS, sizeof(struct um_con_hdr)))->len = ~0u;
	console_notify(r.con);
	assert_true(r.vm.ended);
	rig_deinit(&r);

	rig_init(&r, -1, -1, -1);
	post_in(&r, sizeof(struct um_con_hdr));
	console_want_input(r.con);
	assert_true(r.vm.ended);
	rig_deinit(&r);
}

/* ---- control ---- */

struct ctl_seen {
	int exits, wants, logs, status;
};

static void seen_exit(void *ctx, int status)
{
	struct ctl_seen *s = ctx;

	s->exits++;
	s->status = status;
}

static void seen_want(void *ctx)
{
	((struct ctl_seen *)ctx)->wants++;
}

static void seen_log(void *ctx, const char *text, size_t len)
{
	((struct ctl_seen *)ctx)->logs += (int)len;
	assert_true(len == 0 || text[0] == 'L');
}

/*
 * A chain that names the same memory many times over is written in turns, and wholly in the end, to a file as to a
 * pipe.
 */
static void test_turns(void **state)
{
	const struct um_con_hdr hdr = {.stream = UM_CON_STDOUT, .len = 7 * 0x180000};
	char path[] = "/tmp/umbra-console-XXXXXX";
	const int fd = mkstemp(path);
	uint32_t head, len;
	unsigned int turns = 1;
	struct virtq_avail *avail;
	struct virtq_desc *desc;
	struct stat st;
	struct rig r;

	assert_true(fd >= 0);
	rig_init(&r, -1, fd, -1);
	desc = vm_gpa(&r.vm, r.tx.q.desc, 8 * sizeof(*desc));
	avail = vm_gpa(&r.vm, r.tx.q.avail, VIRTQ_AVAIL_BYTES(8));
	memcpy(vm_gpa(&r.vm, BUFFERS, sizeof(hdr)), &hdr, sizeof(hdr));
	desc[0] = (struct virtq_desc){.addr = BUFFERS, .len = sizeof(hdr), .flags = VIRTQ_DESC_F_NEXT, .next = 1};
	for (unsigned int i = 1; i < 8; i++)
		desc[i] = (struct virtq_desc){.addr = BUFFERS,
					      .len = 0x180000,
					      .flags = i < 7 ? VIRTQ_DESC_F_NEXT : 0,
					      .next = (uint16_t)(i + 1)};
	avail->ring[0] = 0;
	avail->idx = 1;
	for (; console_notify(r.con); turns++) {
		assert_int_equal(fstat(fd, &st), 0);
		assert_true(st.st_size <= turns * 0x100000);
		assert_true(console_busy(r.con));
		assert_true(turns < 100);
	}
	assert_true(turns > 5);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, hdr.len);
	assert_true(guestq_used(&r.tx, &head, &len));
	assert_true(!console_busy(r.con));
	rig_deinit(&r);
	close(fd);
	unlink(path);
}

static void test_control(void **state)
{
	static const struct control_ops ops = {seen_exit, seen_want, seen_log};
	const gpa_t in = BUFFERS, out = BUFFERS + STRIDE;
	struct {
		struct um_ctl_hdr hdr;
		struct um_ctl_signal sig;
	} m;
	struct ctl_seen seen = {0};
	gpa_t cursor = 0x10000;
	struct um_boot boot = {0};
	struct guestq rx, tx;
	uint32_t head, len;
	struct control c;
	struct vm vm;

	fakevm_init(&vm, RAM);
	guestq_init(&rx, &vm, 8, &cursor);
	guestq_init(&tx, &vm, 8, &cursor);
	boot.queue[UM_QUEUE_CTL_RX] = rx.q;
	boot.queue[UM_QUEUE_CTL_TX] = tx.q;
	assert_int_equal(control_init(&c, &vm, &boot, &ops, &seen), 0);

	/* Signals wait for a buffer and coalesce. */
	control_signal(&c, SIGTERM, 1);
	control_signal(&c, SIGTERM, 1);
	control_signal(&c, SIGINT, -1);
	control_signal(&c, 0, 1);
	control_signal(&c, 65, 1);
	for (unsigned int i = 0; i < 3; i++)
		guestq_post(&rx, in + i * 0x100, 64, VIRTQ_DESC_F_WRITE);
	control_notify(&c);
	assert_true(guestq_used(&rx, &head, &len));
	memcpy(&m, vm_gpa(&vm, in, sizeof(m)), sizeof(m));
	assert_int_equal(len, sizeof(m));
	assert_int_equal(m.hdr.type, UM_CTL_SIGNAL);
	assert_int_equal(m.sig.signo, SIGTERM);
	assert_int_equal(m.sig.pid, 1);
	assert_true(guestq_used(&rx, &head, &len));
	memcpy(&m, vm_gpa(&vm, in + 0x100, sizeof(m)), sizeof(m));
	assert_int_equal(m.sig.signo, SIGINT);
	assert_int_equal(m.sig.pid, -1);
	assert_false(guestq_used(&rx, &head, &len));
	control_winsize(&c, &(struct um_ctl_winsize){.rows = 24, .cols = 80});
	assert_true(guestq_used(&rx, &head, &len));

	memcpy(vm_gpa(&vm, out, 16), &(struct um_ctl_hdr){.type = UM_CTL_STDIN_WANT}, 16);
	guestq_post(&tx, out, 16, 0);
	memcpy(vm_gpa(&vm, out + 256, 16), &(struct um_ctl_hdr){.type = UM_CTL_LOG, .len = ~0u}, 16);
	memcpy(vm_gpa(&vm, out + 272, 1), "L", 1);
	guestq_post(&tx, out + 256, 17, 0);
	memcpy(vm_gpa(&vm, out + 512, 16), &(struct um_ctl_hdr){.type = UM_CTL_EXIT, .len = 8}, 16);
	memcpy(vm_gpa(&vm, out + 528, 8), &(struct um_ctl_exit){.wait_status = 7 << 8}, 8);
	guestq_post(&tx, out + 512, 24, 0);
	control_notify(&c);
	assert_int_equal(seen.wants, 1);
	assert_int_equal(seen.logs, 1);
	assert_int_equal(seen.exits, 1);
	assert_int_equal(control_exit_status(seen.status), 7);
	assert_int_equal(control_exit_status(SIGKILL), 128 + SIGKILL);
	assert_false(vm.ended);

	memcpy(vm_gpa(&vm, out, 16), &(struct um_ctl_hdr){.type = 4711}, 16);
	guestq_post(&tx, out, 16, 0);
	control_notify(&c);
	assert_true(vm.ended);
	fakevm_deinit(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),	cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_input),	cmocka_unit_test(test_bad_guest),     cmocka_unit_test(test_turns),
		cmocka_unit_test(test_control),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
