/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net and /sys/class/net: sockets of AF_INET and AF_INET6, and the interface lo; and what of /proc/sys/net has an
 * effect.
 */
#include "net/inet/inet.h"

#include <gk/pseudo.h>
#include <gk/sysctl.h>

/* ---- sockets ---- */

struct listing {
	struct seq *s;
	u16 family, type;
	u32 slot;
};

static void put_end(struct seq *s, u16 family, const struct endpoint *ep)
{
	if (family == AF_INET)
		seq_printf(s, "%08X:%04X", ep->addr.w[3], ep->port);
	else
		seq_printf(s, "%08X%08X%08X%08X:%04X", ep->addr.w[0], ep->addr.w[1], ep->addr.w[2], ep->addr.w[3],
			   ep->port);
}

/* ports_lock held. */
static void show_one(struct inet_sock *sk, void *arg)
{
	struct listing *l = arg;
	u64 out, in, ino;
	u32 state = sk->state;

	if (sk->family != l->family)
		return;
	spin_lock(&sk->lock);
	out = sk->tx ? byte_ring_used(&sk->tx->ring) : 0;
	in = sk->rx ? byte_ring_used(&sk->rx->ring) : sk->rmem;
	ino = sk->sock && sk->sock->file ? sk->sock->file->inode->ino : 0;
	spin_unlock(&sk->lock);
	if (sk->type == SOCK_DGRAM)
		state = sk->remote.port ? TCP_ESTABLISHED : TCP_CLOSE;
	else if (sk->state == TCP_LISTEN)
		in = sk->qlen;
	seq_printf(l->s, "%4u: ", l->slot++);
	put_end(l->s, sk->family, &sk->local);
	seq_putc(l->s, ' ');
	put_end(l->s, sk->family, &sk->remote);
	seq_printf(l->s, " %02X %08X:%08X 00:00000000 00000000 %5u        0 %lu %u 0000000000000000", state, (u32)out,
		   (u32)in, sk->uid, (unsigned long)ino, refcount_read(&sk->refs));
	if (sk->type == SOCK_DGRAM)
		seq_printf(l->s, " %lu\n", (unsigned long)sk->drops);
	else
		seq_puts(l->s, " 100 0 0 10 0\n");
}

static const struct table {
	const char *name, *heading;
	u16 family, type;
} tables[] = {
	{"tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
	 AF_INET, SOCK_STREAM},
	{"tcp6",
	 "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
	 "tm->when "
	 "retrnsmt   uid  timeout inode\n",
	 AF_INET6, SOCK_STREAM},
	{"udp",
	 "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
	 "pointer drops\n",
	 AF_INET, SOCK_DGRAM},
	{"udp6",
	 "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
	 "tm->when "
	 "retrnsmt   uid  timeout inode ref pointer drops\n",
	 AF_INET6, SOCK_DGRAM},
};

static int show_table(struct seq *s, void *arg)
{
	const struct table *t = arg;
	struct listing l = {s, t->family, t->type, 0};

	seq_puts(s, t->heading);
	inet_for_each(t->type, show_one, &l);
	return 0;
}

static void count_one(struct inet_sock *sk, void *arg)
{
	u32 *n = arg;

	n[sk->family == AF_INET6]++;
}

static int show_sockstat6(struct seq *s, void *arg)
{
	u32 tcp[2] = {0, 0}, udp[2] = {0, 0};

	inet_for_each(SOCK_STREAM, count_one, tcp);
	inet_for_each(SOCK_DGRAM, count_one, udp);
	seq_printf(s, "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n",
		   tcp[1], udp[1]);
	return 0;
}

void inet_show_sockstat(struct seq *s)
{
	u32 tcp[2] = {0, 0}, udp[2] = {0, 0};

	inet_for_each(SOCK_STREAM, count_one, tcp);
	inet_for_each(SOCK_DGRAM, count_one, udp);
	seq_printf(s, "TCP: inuse %u orphan 0 tw 0 alloc %u mem 0\nUDP: inuse %u mem 0\n", tcp[0], tcp[0] + tcp[1],
		   udp[0]);
	seq_puts(s, "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n");
}

/* ---- the interface ---- */

static int show_dev(struct seq *s, void *arg)
{
	seq_puts(s, "Inter-|   Receive                                                |  Transmit\n"
		    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo "
		    "colls "
		    "carrier compressed\n"
		    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0 "
		    "    0"
		    "       0          0\n");
	return 0;
}

static int show_if_inet6(struct seq *s, void *arg)
{
	seq_puts(s, "00000000000000000000000000000001 01 80 10 80       lo\n");
	return 0;
}

static const struct {
	const char *path, *text;
} lo_files[] = {
	{"class/net/lo/address", "00:00:00:00:00:00"},
	{"class/net/lo/addr_len", "6"},
	{"class/net/lo/broadcast", "00:00:00:00:00:00"},
	{"class/net/lo/carrier", "1"},
	{"class/net/lo/dev_id", "0x0"},
	{"class/net/lo/dormant", "0"},
	{"class/net/lo/flags", "0x9"},
	{"class/net/lo/ifindex", "1"},
	{"class/net/lo/iflink", "1"},
	{"class/net/lo/mtu", "65536"},
	{"class/net/lo/operstate", "unknown"},
	{"class/net/lo/tx_queue_len", "1000"},
	{"class/net/lo/type", "772"},
	{"class/net/lo/link_mode", "0"},
	{"class/net/lo/statistics/rx_bytes", "0"},
	{"class/net/lo/statistics/tx_bytes", "0"},
	{"class/net/lo/statistics/rx_packets", "0"},
	{"class/net/lo/statistics/tx_packets", "0"},
	{"class/net/lo/statistics/rx_errors", "0"},
	{"class/net/lo/statistics/tx_errors", "0"},
	{"class/net/lo/statistics/rx_dropped", "0"},
	{"class/net/lo/statistics/tx_dropped", "0"},
	{"class/net/lo/statistics/collisions", "0"},
	{"class/net/lo/statistics/multicast", "0"},
};

/* ---- /proc/sys/net ---- */

static int show_range(struct seq *s, void *arg)
{
	u32 low, high;

	inet_port_range(&low, &high);
	seq_printf(s, "%u\t%u\n", low, high);
	return 0;
}

static int store_range(char *text, size_t len, void *arg)
{
	char *end;
	u64 low = strtoull(text, &end, 10), high;

	if (end == text || (*end != ' ' && *end != '\t'))
		return -EINVAL;
	while (*end == ' ' || *end == '\t')
		end++;
	text = end;
	high = strtoull(text, &end, 10);
	if (end == text || *end || low < 1 || high > 65535 || low > high)
		return -EINVAL;
	inet_set_port_range((u32)low, (u32)high);
	return 0;
}

void inet_proc_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(tables); i++)
		proc_net_file(tables[i].name, 0444, show_table, NULL, (void *)(u64)&tables[i]);
	proc_net_file("dev", 0444, show_dev, NULL, NULL);
	proc_net_file("if_inet6", 0444, show_if_inet6, NULL, NULL);
	proc_net_file("sockstat6", 0444, show_sockstat6, NULL, NULL);
	proc_file("sys/net/ipv4/ip_local_port_range", 0644, show_range, store_range, NULL);
	for (u32 i = 0; i < ARRAY_SIZE(lo_files); i++)
		sys_file(lo_files[i].path, 0444, pseudo_show_str, NULL, (void *)(u64)lo_files[i].text);
}
