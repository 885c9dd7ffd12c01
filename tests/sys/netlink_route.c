/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about the network: NETLINK_ROUTE by hand, getifaddrs() and getaddrinfo() of the C library, SIOCGIF*,
 * /proc/net and /sys/class/net, as far as the loopback is concerned.
 */
#include "inet.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/ioctl.h>

static char buf[65536];

static int route_socket(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	int fd = CHECK_OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	socklen_t len = sizeof(a);

	CHECK_OK(bind(fd, (void *)&a, sizeof(a)));
	CHECK_OK(getsockname(fd, (void *)&a, &len));
	CHECK_EQ(len, sizeof(a));
	CHECK(a.nl_pid != 0);
	return fd;
}

/* Asks for a dump of @type; counts the answers that @see accepts. */
static int dump(int fd, int type, int family, int answer, int (*see)(struct nlmsghdr *h))
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} req = {{NLMSG_LENGTH(sizeof(struct rtgenmsg)), (uint16_t)type, NLM_F_REQUEST | NLM_F_DUMP, 77, 0},
		 {(unsigned char)family}};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int n = 0;

	CHECK_EQ(sendto(fd, &req, req.h.nlmsg_len, 0, (void *)&kernel, sizeof(kernel)), req.h.nlmsg_len);
	for (;;) {
		int len = (int)CHECK_OK(recv(fd, buf, sizeof(buf), 0));

		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, (unsigned int)len); h = NLMSG_NEXT(h, len)) {
			CHECK_EQ(h->nlmsg_seq, 77);
			CHECK(h->nlmsg_flags & NLM_F_MULTI);
			if (h->nlmsg_type == NLMSG_DONE)
				return n;
			CHECK_EQ(h->nlmsg_type, answer);
			n += see(h);
		}
	}
}

static int see_lo(struct nlmsghdr *h)
{
	struct ifinfomsg *m = NLMSG_DATA(h);
	int len = (int)IFLA_PAYLOAD(h);

	for (struct rtattr *a = IFLA_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_IFNAME && !strcmp(RTA_DATA(a), "lo"))
			return m->ifi_index == 1 && (m->ifi_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK);
	}
	return 0;
}

static int see_address(struct nlmsghdr *h)
{
	struct ifaddrmsg *m = NLMSG_DATA(h);

	return m->ifa_index == 1;
}

static int see_local(struct nlmsghdr *h)
{
	struct rtmsg *m = NLMSG_DATA(h);

	return m->rtm_type == RTN_LOCAL && m->rtm_dst_len == 8;
}

static void by_hand(void)
{
	int fd = route_socket();
	struct {
		struct nlmsghdr h;
		struct ifinfomsg m;
	} req = {{sizeof(req), RTM_GETLINK, NLM_F_REQUEST, 5, 0}, {.ifi_index = 1}};
	struct nlmsghdr *h = (void *)buf;
	struct nlmsgerr *e = NLMSG_DATA(h);
	ssize_t n;

	CHECK_EQ(dump(fd, RTM_GETLINK, AF_UNSPEC, RTM_NEWLINK, see_lo), 1);
	CHECK(dump(fd, RTM_GETADDR, AF_INET, RTM_NEWADDR, see_address) >= 1);
	CHECK(dump(fd, RTM_GETADDR, AF_UNSPEC, RTM_NEWADDR, see_address) >= 2);
	CHECK(dump(fd, RTM_GETROUTE, AF_INET, RTM_NEWROUTE, see_local) >= 1);
	/* one link, by number; cut; one that is not there */
	CHECK_EQ(send(fd, &req, sizeof(req), 0), sizeof(req));
	n = recv(fd, buf, 20, MSG_PEEK | MSG_TRUNC);
	CHECK(n > 20);
	CHECK_EQ(recv(fd, buf, sizeof(buf), 0), n);
	CHECK_EQ(h->nlmsg_type, RTM_NEWLINK);
	CHECK_EQ(h->nlmsg_seq, 5);
	CHECK_EQ(see_lo(h), 1);
	req.m.ifi_index = 987654;
	CHECK_EQ(send(fd, &req, sizeof(req), 0), sizeof(req));
	CHECK(recv(fd, buf, sizeof(buf), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(*e)));
	CHECK_EQ(h->nlmsg_type, NLMSG_ERROR);
	CHECK_EQ(e->error, -ENODEV);
	CHECK_EQ(e->msg.nlmsg_seq, 5);
	/* garbage is dropped */
	memset(&req, 0xff, sizeof(req));
	CHECK_EQ(send(fd, &req, sizeof(req), 0), sizeof(req));
	CHECK_ERR(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(socket(AF_NETLINK, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	close(fd);
}

/*
 * The way to 127.0.0.@last, with @flags of the question. The main table is named even where the local one is asked for.
 */
static void way_to(int last, unsigned int flags)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg m;
		struct rtattr a;
		uint32_t dst;
	} req = {{sizeof(req), RTM_GETROUTE, NLM_F_REQUEST, 6, 0},
		 {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_flags = flags},
		 {RTA_LENGTH(4), RTA_DST},
		 htonl(INADDR_LOOPBACK - 1 + (uint32_t)last)};
	struct nlmsghdr *h = (void *)buf;
	struct rtmsg *m = NLMSG_DATA(h);
	int fd = route_socket(), len, seen = 0;

	CHECK_EQ(send(fd, &req, sizeof(req), 0), sizeof(req));
	CHECK(recv(fd, buf, sizeof(buf), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(*m)));
	CHECK_EQ(h->nlmsg_type, RTM_NEWROUTE);
	CHECK_EQ(m->rtm_type, RTN_LOCAL);
	CHECK_EQ(m->rtm_dst_len, 32);
	CHECK_EQ(m->rtm_table, RT_TABLE_MAIN);
	CHECK_EQ(m->rtm_protocol, RTPROT_UNSPEC);
	CHECK_EQ(m->rtm_scope, RT_SCOPE_UNIVERSE);
	CHECK(m->rtm_flags & RTM_F_CLONED);
	len = (int)RTM_PAYLOAD(h);
	for (struct rtattr *a = RTM_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == RTA_TABLE)
			seen += *(uint32_t *)RTA_DATA(a) == RT_TABLE_MAIN;
		if (a->rta_type == RTA_DST)
			seen += *(uint32_t *)RTA_DATA(a) == req.dst;
		if (a->rta_type == RTA_PREFSRC)
			seen += *(uint32_t *)RTA_DATA(a) == htonl(INADDR_LOOPBACK);
	}
	CHECK_EQ(seen, 3);
	close(fd);
}

static void library(void)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *ai;
	struct ifaddrs *all;
	int v4 = 0, v6 = 0;

	CHECK_OK(getifaddrs(&all));
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") || !i->ifa_addr)
			continue;
		CHECK(i->ifa_flags & IFF_LOOPBACK);
		if (i->ifa_addr->sa_family == AF_INET) {
			CHECK_EQ(((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
			CHECK_EQ(((struct sockaddr_in *)(void *)i->ifa_netmask)->sin_addr.s_addr, htonl(0xff000000));
			v4++;
		}
		if (i->ifa_addr->sa_family == AF_INET6)
			v6++;
	}
	freeifaddrs(all);
	CHECK_EQ(v4, 1);
	CHECK_EQ(v6, 1);
	CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &ai), 0);
	CHECK_EQ(ai->ai_family, AF_INET);
	freeaddrinfo(ai);
	CHECK_EQ(getaddrinfo("::1", "80", &hints, &ai), 0);
	CHECK_EQ(ai->ai_family, AF_INET6);
	freeaddrinfo(ai);
	CHECK_EQ(if_nametoindex("lo"), 1);
	CHECK(!strcmp(if_indextoname(1, buf), "lo"));
}

static void ioctls(void)
{
	int fd = CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = {.ifr_name = "lo"}, list[32];
	struct ifconf c = {.ifc_len = sizeof(list), .ifc_req = list};
	int found = 0;

	CHECK_OK(ioctl(fd, SIOCGIFFLAGS, &r));
	CHECK((r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING)) == (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
	CHECK_OK(ioctl(fd, SIOCGIFADDR, &r));
	CHECK_EQ(((struct sockaddr_in *)(void *)&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_OK(ioctl(fd, SIOCGIFMTU, &r));
	CHECK_EQ(r.ifr_mtu, 65536);
	CHECK_OK(ioctl(fd, SIOCGIFCONF, &c));
	for (int i = 0; i < c.ifc_len / (int)sizeof(r); i++)
		found += !strcmp(list[i].ifr_name, "lo");
	CHECK_EQ(found, 1);
	strcpy(r.ifr_name, "none0");
	CHECK_ERR(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV);
	CHECK_ERR(ioctl(fd, SIOCGIFFLAGS, bad_ptr), EFAULT);
	close(fd);
}

/* The line of /proc/net/@table that names local port @port in state @state. */
static int listed(const char *table, int port, int state)
{
	char path[64], line[512];
	unsigned int p, st;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", table);
	f = fopen(path, "r");
	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d: %*[0-9A-F]:%X %*[0-9A-F]:%*X %X", &p, &st) == 2)
			found += p == (unsigned int)port && st == (unsigned int)state;
	fclose(f);
	return found;
}

static void tables(void)
{
	int l = listener("127.0.0.1", 5), l6 = listener("::1", 5), u = bound(SOCK_DGRAM, "127.0.0.1"), c, d;

	CHECK_EQ(listed("tcp", port_of(l), TCP_LISTEN), 1);
	CHECK_EQ(listed("tcp6", port_of(l6), TCP_LISTEN), 1);
	CHECK_EQ(listed("udp", port_of(u), TCP_CLOSE), 1);
	c = connect_to("127.0.0.1", port_of(l));
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(listed("tcp", port_of(c), TCP_ESTABLISHED), 1);
	CHECK_EQ(listed("tcp", port_of(l), TCP_ESTABLISHED), 1);
	close(c);
	close(d);
	close(l);
	close(l6);
	close(u);
	CHECK_OK(access("/sys/class/net/lo/mtu", R_OK));
}

int main(void)
{
	by_hand();
	way_to(1, 0);
	way_to(7, 0);
	way_to(1, RTM_F_LOOKUP_TABLE);
	library();
	ioctls();
	tables();
	return 0;
}
