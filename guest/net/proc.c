/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net without a network: the tables that netstat, ss, ifconfig, route and language runtimes read, with nothing in them but
 * their headings. A family that exists replaces its own.
 */
#include <gk/pseudo.h>
#include <gk/socket.h>
#include "net/unix/unix.h"

/* Headings are cut at the end of the line by those who read them, so blanks there do not matter. */
static const struct {
	const char *name, *heading;
} tables[] = {
	{"arp", "IP address       HW type     Flags       HW address            Mask     Device\n"},
	{"dev", "Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
		"carrier compressed\n"},
	{"if_inet6", ""},
	{"igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"},
	{"ipv6_route", ""},
	{"netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"},
	{"packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"},
	{"raw", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
		"drops\n"},
	{"route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"},
	{"tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"},
	{"tcp6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
		 "tm->when retrnsmt   uid  timeout inode\n"},
	{"udp", "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
		"drops\n"},
	{"udp6", "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
		 "tm->when retrnsmt   uid  timeout inode ref pointer drops\n"},
};

static int show_heading(struct seq *s, void *arg)
{
	seq_puts(s, arg);
	return 0;
}

static int show_sockstat(struct seq *s, void *arg)
{
	seq_printf(s, "sockets: used %u\n", unix_count());
	seq_puts(s, "TCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
		    "FRAG: inuse 0 memory 0\n");
	return 0;
}

void net_proc_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(tables); i++)
		proc_net_file(tables[i].name, 0444, show_heading, NULL, (void *)(u64)tables[i].heading);
	proc_net_file("sockstat", 0444, show_sockstat, NULL, NULL);
	proc_net_file("unix", 0444, unix_show_all, NULL, NULL);
}
