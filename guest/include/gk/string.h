/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usual string and memory functions, kernel memory only. strscpy returns the length, or -E2BIG when it had to cut.
 */
#ifndef GK_STRING_H
#define GK_STRING_H

#include <gk/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);
ssize_t strscpy(char *dst, const char *src, size_t size);
/* Parses an unsigned number (base 0: 0x, 0 prefixes); *end is set to the first byte not used. */
unsigned long long strtoull(const char *s, char **end, int base);
long long strtoll(const char *s, char **end, int base);

#endif
