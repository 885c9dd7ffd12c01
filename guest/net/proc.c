/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net: the tables that netstat, ss, ifconfig, route and language runtimes read, and in which there is nothing but
 * their headings; and those of AF_UNIX. Those of AF_INET and AF_INET6 are in inet/proc.c.
 */
#include <gk/pseudo.h>
#include <gk/socket.h>
#include "net/inet/inet.h"
#include "net/unix/unix.h"

/* Headings are cut at the end of the line by those who read them, so blanks there do not matter. */
static const struct {
	const char *name, *heading;
} tables[] = {
	{"arp", "IP address       HW type     Flags       HW address            Mask     Device\n"},
	{"igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"},
	{"ipv6_route", ""},
	{"netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"},
	{"packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"},
	{"raw",
	 "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
	 "drops\n"},
	{"route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"},
};

static int show_heading(struct seq *s, void *arg)
{
	seq_puts(s, arg);
	return 0;
}

static int show_sockstat(struct seq *s, void *arg)
{
	seq_printf(s, "sockets: used %u\n", unix_count());
	inet_show_sockstat(s);
	return 0;
}

void net_proc_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(tables); i++)
		proc_net_file(tables[i].name, 0444, show_heading, NULL, (void *)(u64)tables[i].heading);
	proc_net_file("sockstat", 0444, show_sockstat, NULL, NULL);
	proc_net_file("unix", 0444, unix_show_all, NULL, NULL);
}
