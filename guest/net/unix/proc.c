/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net/unix: one line for each socket. The walk holds a reference to where it is, so it needs no lock in between.
 */
#include "net/unix/unix.h"

#include <gk/pseudo.h>

#define SO_ACCEPTCON 0x10000

/* As Linux counts: not connected, being connected, connected, being taken down. */
enum { SS_UNCONNECTED = 1, SS_CONNECTING, SS_CONNECTED, SS_DISCONNECTING };

static void put_name(struct seq *s, const struct unix_addr *a)
{
	const u32 len = a->len - UNIX_ADDR_MIN;

	seq_putc(s, ' ');
	if (a->name.path[0]) {
		seq_puts(s, a->name.path);
		return;
	}
	for (u32 i = 0; i < len; i++)
		seq_putc(s, a->name.path[i] ? a->name.path[i] : '@');
}

static void show_sock(struct seq *s, struct unix_sock *sk)
{
	struct unix_addr *addr = smp_load_acquire(&sk->addr); /* set once, and ours as long as the socket is */
	bool connected;

	spin_lock(&sk->lock);
	connected = sk->state == UNIX_CONNECTED || sk->peer;
	seq_printf(s, "%016lx: %08x %08x %08x %04x %02x %5lu", 0ul, refcount_read(&sk->refs) - 1, 0,
		   sk->state == UNIX_LISTEN ? SO_ACCEPTCON : 0, sk->type,
		   sk->sock    ? (connected ? SS_CONNECTED : SS_UNCONNECTED)
		   : connected ? SS_CONNECTING
			       : SS_DISCONNECTING,
		   sk->sock && sk->sock->file ? sk->sock->file->inode->ino : 0ul);
	spin_unlock(&sk->lock);
	if (addr)
		put_name(s, addr);
	seq_putc(s, '\n');
}

int unix_show_all(struct seq *s, void *arg)
{
	struct unix_sock *sk, *next;

	seq_puts(s, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	for (sk = unix_next(NULL); sk; sk = next) {
		show_sock(s, sk);
		next = unix_next(sk);
		unix_put(sk);
	}
	return 0;
}
