/* SPDX-License-Identifier: Apache-2.0 */
/* Options at SOL_SOCKET that mean the same in every family. What we do not know goes to the family. */
#include <gk/cred.h>
#include <gk/socket.h>
#include <gk/string.h>
#include <gk/task.h>
#include <gk/time.h>

enum {
	SO_DEBUG = 1,
	SO_REUSEADDR,
	SO_TYPE,
	SO_ERROR,
	SO_DONTROUTE,
	SO_BROADCAST,
	SO_SNDBUF,
	SO_RCVBUF,
	SO_KEEPALIVE,
	SO_OOBINLINE,
	SO_NO_CHECK,
	SO_PRIORITY,
	SO_LINGER,
	SO_BSDCOMPAT,
	SO_REUSEPORT,
	SO_PASSCRED,
	SO_PEERCRED,
	SO_RCVLOWAT,
	SO_SNDLOWAT,
	SO_RCVTIMEO,
	SO_SNDTIMEO,
	SO_TIMESTAMP = 29,
	SO_SNDBUFFORCE = 32,
	SO_RCVBUFFORCE,
	SO_TIMESTAMPNS = 35,
	SO_MARK,
	SO_PROTOCOL = 38,
	SO_DOMAIN
};

#define BUF_MAX 212992u /* what /proc/sys/net/core/{r,w}mem_max say */
#define SNDBUF_MIN 4608u
#define RCVBUF_MIN 2304u

static bool *flag_of(struct socket *s, int opt)
{
	switch (opt) {
	case SO_DEBUG:
		return &s->debug;
	case SO_REUSEADDR:
		return &s->reuseaddr;
	case SO_DONTROUTE:
		return &s->dontroute;
	case SO_BROADCAST:
		return &s->broadcast;
	case SO_KEEPALIVE:
		return &s->keepalive;
	case SO_OOBINLINE:
		return &s->oobinline;
	case SO_NO_CHECK:
		return &s->no_check;
	case SO_REUSEPORT:
		return &s->reuseport;
	case SO_PASSCRED:
		return &s->passcred;
	case SO_TIMESTAMP:
		return &s->timestamp;
	case SO_TIMESTAMPNS:
		return &s->timestampns;
	}
	return NULL;
}

static int set_timeout(u64 *timeo, const void *val, u32 len)
{
	struct timeval64 tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*timeo = 0;
	else if ((!tv.tv_sec && !tv.tv_usec) || tv.tv_sec >= 0x7fffffff)
		*timeo = KTIME_NEVER;
	else
		*timeo = (u64)tv.tv_sec * NSEC_PER_SEC + (u64)tv.tv_usec * NSEC_PER_USEC;
	return 0;
}

static int set_linger(struct socket *s, const void *val, u32 len)
{
	s32 l[2];

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(l, val, sizeof(l));
	s->linger_on = l[0] != 0;
	if (s->linger_on)
		s->linger_s = l[1];
	return 0;
}

/* The kernel counts its own overhead too: programs get twice what they ask for. */
static u32 buf_size(s32 want, u32 max, u32 min)
{
	u32 n = want < 0 ? max : MIN((u32)want, max);

	return MAX(n * 2, min);
}

static int set_number(struct socket *s, int opt, s32 n)
{
	switch (opt) {
	case SO_SNDBUF:
		s->sndbuf = buf_size(n, BUF_MAX, SNDBUF_MIN);
		return 0;
	case SO_RCVBUF:
		s->rcvbuf = buf_size(n, BUF_MAX, RCVBUF_MIN);
		return 0;
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		if (opt == SO_SNDBUFFORCE)
			s->sndbuf = buf_size(n, 1u << 26, SNDBUF_MIN);
		else
			s->rcvbuf = buf_size(n, 1u << 26, RCVBUF_MIN);
		return 0;
	case SO_RCVLOWAT:
		s->rcvlowat = n < 0 ? 0x7fffffff : n ? (u32)n : 1;
		return 0;
	case SO_PRIORITY:
		if ((n < 0 || n > 6) && !capable(CAP_NET_ADMIN))
			return -EPERM;
		s->priority = (u32)n;
		return 0;
	case SO_MARK:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		s->mark = (u32)n;
		return 0;
	case SO_BSDCOMPAT:
		return 0;
	case SO_TYPE:
	case SO_ERROR:
	case SO_PROTOCOL:
	case SO_DOMAIN:
	case SO_SNDLOWAT:
		return -ENOPROTOOPT;
	}
	return 1;
}

static int set_common(struct socket *s, int opt, const void *val, u32 len)
{
	bool *flag = flag_of(s, opt);
	s32 n;

	if (opt == SO_RCVTIMEO)
		return set_timeout(&s->rcvtimeo, val, len);
	if (opt == SO_SNDTIMEO)
		return set_timeout(&s->sndtimeo, val, len);
	if (opt == SO_LINGER)
		return set_linger(s, val, len);
	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	if (!flag)
		return set_number(s, opt, n);
	*flag = n != 0;
	return 0;
}

int sock_set_option(struct socket *s, int opt, const void *val, u32 len)
{
	int ret = set_common(s, opt, val, len);

	if (ret == 1)
		return s->ops->setsockopt ? s->ops->setsockopt(s, SOL_SOCKET, opt, val, len) : -ENOPROTOOPT;
	if (!ret && s->ops->option_changed)
		s->ops->option_changed(s, opt);
	return ret;
}

static int get_number(struct socket *s, int opt, s32 *n)
{
	const bool *flag = flag_of(s, opt);

	if (flag) {
		*n = *flag;
		return 0;
	}
	switch (opt) {
	case SO_TYPE:
		*n = s->type;
		return 0;
	case SO_ERROR:
		*n = -sock_take_error(s);
		return 0;
	case SO_SNDBUF:
		*n = (s32)s->sndbuf;
		return 0;
	case SO_RCVBUF:
		*n = (s32)s->rcvbuf;
		return 0;
	case SO_RCVLOWAT:
		*n = (s32)s->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*n = 1;
		return 0;
	case SO_PRIORITY:
		*n = (s32)s->priority;
		return 0;
	case SO_MARK:
		*n = (s32)s->mark;
		return 0;
	case SO_BSDCOMPAT:
		*n = 0;
		return 0;
	case SO_PROTOCOL:
		*n = s->protocol;
		return 0;
	case SO_DOMAIN:
		*n = s->domain;
		return 0;
	}
	return 1;
}

static struct timeval64 timeout_value(u64 timeo)
{
	return timeo == KTIME_NEVER ? (struct timeval64){0, 0} : ns_to_timeval64(timeo);
}

int sock_get_option(struct socket *s, int opt, void *val, u32 *len)
{
	union {
		s32 n;
		s32 linger[2];
		struct timeval64 tv;
	} v;
	u32 size = sizeof(v.n);
	int ret = 0;

	if (opt == SO_RCVTIMEO || opt == SO_SNDTIMEO) {
		v.tv = timeout_value(opt == SO_RCVTIMEO ? s->rcvtimeo : s->sndtimeo);
		size = sizeof(v.tv);
	} else if (opt == SO_LINGER) {
		v.linger[0] = s->linger_on;
		v.linger[1] = s->linger_s;
		size = sizeof(v.linger);
	} else {
		ret = get_number(s, opt, &v.n);
	}
	if (ret == 1)
		return s->ops->getsockopt ? s->ops->getsockopt(s, SOL_SOCKET, opt, val, len) : -ENOPROTOOPT;
	if (!ret) {
		*len = MIN(*len, size);
		memcpy(val, &v, *len);
	}
	return ret;
}
