/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl: questions about the one interface, lo. Any socket may be asked, whatever its family. */
#include "net/inet/inet.h"

#define SIOCGIFNAME 0x8910
#define SIOCGIFCONF 0x8912
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define SIOCGIFADDR 0x8915
#define SIOCGIFDSTADDR 0x8917
#define SIOCGIFBRDADDR 0x8919
#define SIOCGIFNETMASK 0x891b
#define SIOCGIFMETRIC 0x891d
#define SIOCGIFMTU 0x8921
#define SIOCGIFHWADDR 0x8927
#define SIOCGIFINDEX 0x8933
#define SIOCGIFTXQLEN 0x8942
#define SIOCGIFMAP 0x8970
#define SIOCETHTOOL 0x8946

#define IFF_LO 0x49 /* UP, LOOPBACK, RUNNING */
#define ARPHRD_LOOPBACK 772

struct ifreq {
	char name[16];
	union {
		struct sockaddr_in4 addr;
		s16 flags;
		s32 n;
		char fill[24];
	};
};
_Static_assert(sizeof(struct ifreq) == 40, "struct ifreq");

struct ifconf {
	s32 len, pad;
	struct ifreq __user *req;
};

static struct sockaddr_in4 v4(u8 a, u8 b, u8 c, u8 d)
{
	return (struct sockaddr_in4){AF_INET, 0, (u32)a | (u32)b << 8 | (u32)c << 16 | (u32)d << 24, {0}};
}

/* The list of interfaces with addresses: one. */
static long list_interfaces(struct ifconf __user *uconf)
{
	struct ifreq r = {.name = "lo", .addr = v4(127, 0, 0, 1)};
	struct ifconf c;

	if (copy_from_user(&c, uconf, sizeof(c)))
		return -EFAULT;
	if (!c.req || c.len >= (s32)sizeof(r)) {
		if (c.req && copy_to_user(c.req, &r, sizeof(r)))
			return -EFAULT;
		c.len = sizeof(r);
	} else {
		c.len = 0;
	}
	return copy_to_user(uconf, &c, sizeof(c));
}

static long answer(struct ifreq *r, u32 cmd)
{
	memset(r->fill, 0, sizeof(r->fill));
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->flags = IFF_LO;
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		r->addr = v4(127, 0, 0, 1);
		return 0;
	case SIOCGIFBRDADDR:
		r->addr = v4(0, 0, 0, 0);
		return 0;
	case SIOCGIFNETMASK:
		r->addr = v4(255, 0, 0, 0);
		return 0;
	case SIOCGIFMETRIC:
	case SIOCGIFMAP:
		return 0;
	case SIOCGIFMTU:
		r->n = LO_MTU;
		return 0;
	case SIOCGIFHWADDR:
		r->addr.family = ARPHRD_LOOPBACK;
		return 0;
	case SIOCGIFINDEX:
		r->n = LO_IFINDEX;
		return 0;
	case SIOCGIFTXQLEN:
		r->n = 1000;
		return 0;
	}
	return cmd == SIOCETHTOOL ? -EOPNOTSUPP : cmd == SIOCSIFFLAGS ? -EPERM : -ENOIOCTLCMD;
}

static bool known(u32 cmd)
{
	struct ifreq r;

	return answer(&r, cmd) != -ENOIOCTLCMD;
}

static long ask_interface(u32 cmd, struct ifreq __user *ureq)
{
	struct ifreq r;
	long ret;

	if (copy_from_user(&r, ureq, sizeof(r)))
		return -EFAULT;
	if (cmd == SIOCGIFNAME) {
		if (r.n != LO_IFINDEX)
			return -ENODEV;
		memset(r.name, 0, sizeof(r.name));
		strscpy(r.name, "lo", sizeof(r.name));
		return copy_to_user(ureq, &r, sizeof(r));
	}
	r.name[15] = 0;
	if (strcmp(r.name, "lo"))
		return -ENODEV;
	ret = answer(&r, cmd);
	return ret ? ret : copy_to_user(ureq, &r, sizeof(r));
}

long iface_ioctl(u32 cmd, u64 arg)
{
	if (cmd == SIOCGIFCONF)
		return list_interfaces((struct ifconf __user *)arg);
	if (cmd == SIOCGIFNAME || known(cmd))
		return ask_interface(cmd, (struct ifreq __user *)arg);
	return -ENOIOCTLCMD;
}
