/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printf formatting: the subset gk/printk.h names. Output beyond the buffer is counted, not written; the buffer always
 * ends in NUL when it has any room. Pure code: also built into host tests.
 */
#include <gk/printk.h>
#include <gk/string.h>

struct out {
	char *buf;
	size_t size, len; /* len may exceed size */
};

struct spec {
	bool left, zero, plus, space, alt;
	int width, precision; /* precision -1: none */
	int longs;	      /* 0 int, 1 long, 2 long long, -1 short, -2 char */
};

static void out_char(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void out_fill(struct out *o, char c, int n)
{
	while (n-- > 0)
		out_char(o, c);
}

static void out_text(struct out *o, const char *s, int n, const struct spec *sp)
{
	int pad = sp->width - n;

	if (!sp->left)
		out_fill(o, ' ', pad);
	for (int i = 0; i < n; i++)
		out_char(o, s[i]);
	if (sp->left)
		out_fill(o, ' ', pad);
}

static void out_number(struct out *o, u64 v, bool negative, u32 base, bool upper, const struct spec *sp)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char tmp[24], prefix[3];
	int n = 0, np = 0, zeros, pad;

	if (negative)
		prefix[np++] = '-';
	else if (sp->plus)
		prefix[np++] = '+';
	else if (sp->space)
		prefix[np++] = ' ';
	if (sp->alt && base == 16 && v) {
		prefix[np++] = '0';
		prefix[np++] = upper ? 'X' : 'x';
	} else if (sp->alt && base == 8 && v) {
		prefix[np++] = '0';
	}
	while (v) {
		tmp[n++] = digits[v % base];
		v /= base;
	}
	if (!n && sp->precision != 0)
		tmp[n++] = '0';
	zeros = sp->precision > n ? sp->precision - n : 0;
	pad = sp->width - np - zeros - n;
	if (sp->zero && !sp->left && sp->precision < 0 && pad > 0) {
		zeros += pad;
		pad = 0;
	}
	if (!sp->left)
		out_fill(o, ' ', pad);
	for (int i = 0; i < np; i++)
		out_char(o, prefix[i]);
	out_fill(o, '0', zeros);
	while (n)
		out_char(o, tmp[--n]);
	if (sp->left)
		out_fill(o, ' ', pad);
}

static const char *parse_count(const char *p, int *value)
{
	int v = 0;

	while (*p >= '0' && *p <= '9') {
		if (v < 100000)
			v = v * 10 + (*p - '0');
		p++;
	}
	*value = v;
	return p;
}

static const char *parse_flags(const char *p, struct spec *sp)
{
	for (;; p++) {
		if (*p == '-')
			sp->left = true;
		else if (*p == '0')
			sp->zero = true;
		else if (*p == '+')
			sp->plus = true;
		else if (*p == ' ')
			sp->space = true;
		else if (*p == '#')
			sp->alt = true;
		else
			return p;
	}
}

static const char *parse_length(const char *p, struct spec *sp)
{
	for (;; p++) {
		if (*p == 'l')
			sp->longs++;
		else if (*p == 'h')
			sp->longs--;
		else if (*p == 'z' || *p == 'j' || *p == 't')
			sp->longs = 1;
		else
			return p;
	}
}

static u64 fetch_unsigned(va_list *ap, const struct spec *sp)
{
	if (sp->longs >= 1)
		return va_arg(*ap, u64);
	if (sp->longs == -1)
		return (u16)va_arg(*ap, u32);
	if (sp->longs <= -2)
		return (u8)va_arg(*ap, u32);
	return va_arg(*ap, u32);
}

static s64 fetch_signed(va_list *ap, const struct spec *sp)
{
	if (sp->longs >= 1)
		return va_arg(*ap, s64);
	if (sp->longs == -1)
		return (s16)va_arg(*ap, s32);
	if (sp->longs <= -2)
		return (s8)va_arg(*ap, s32);
	return va_arg(*ap, s32);
}

static void out_conversion(struct out *o, char c, const struct spec *sp, va_list *ap)
{
	const char *s;
	s64 v;
	char ch;

	switch (c) {
	case 'd':
	case 'i':
		v = fetch_signed(ap, sp);
		out_number(o, v < 0 ? -(u64)v : (u64)v, v < 0, 10, false, sp);
		break;
	case 'u':
		out_number(o, fetch_unsigned(ap, sp), false, 10, false, sp);
		break;
	case 'o':
		out_number(o, fetch_unsigned(ap, sp), false, 8, false, sp);
		break;
	case 'x':
	case 'X':
		out_number(o, fetch_unsigned(ap, sp), false, 16, c == 'X', sp);
		break;
	case 'p': {
		struct spec alt = *sp;

		alt.alt = true;
		out_number(o, (u64)va_arg(*ap, void *), false, 16, false, &alt);
		break;
	}
	case 's':
		s = va_arg(*ap, const char *);
		if (!s)
			s = "(null)";
		out_text(o, s, (int)(sp->precision >= 0 ? strnlen(s, (size_t)sp->precision) : strlen(s)), sp);
		break;
	case 'c':
		ch = (char)va_arg(*ap, int);
		out_text(o, &ch, 1, sp);
		break;
	default:
		out_char(o, c);
		break;
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap_in)
{
	struct out o = {buf, size, 0};
	va_list ap;

	va_copy(ap, ap_in);
	for (const char *p = fmt; *p; p++) {
		struct spec sp = {.precision = -1};

		if (*p != '%') {
			out_char(&o, *p);
			continue;
		}
		p = parse_flags(p + 1, &sp);
		if (*p == '*') {
			sp.width = va_arg(ap, int);
			if (sp.width < 0) {
				sp.left = true;
				sp.width = -sp.width;
			}
			p++;
		} else {
			p = parse_count(p, &sp.width);
		}
		if (*p == '.') {
			p++;
			if (*p == '*') {
				sp.precision = va_arg(ap, int);
				p++;
			} else {
				p = parse_count(p, &sp.precision);
			}
		}
		p = parse_length(p, &sp);
		if (!*p)
			break;
		out_conversion(&o, *p, &sp, &ap);
	}
	va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = 0;
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (!size)
		return 0;
	return (size_t)n < size ? n : (int)size - 1;
}
