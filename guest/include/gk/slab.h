/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel memory (mm/slab.c). kfree() takes what either gave, or NULL. Any context; they do not sleep. */
#ifndef GK_SLAB_H
#define GK_SLAB_H

#include <gk/types.h>

struct slab_cache;

void *kmalloc(size_t size); /* NULL when out of memory or @size is 0 or above 4 MB */
void *kzalloc(size_t size);
void *kcalloc(size_t n, size_t size); /* overflow-checked, zeroed */
void *krealloc(void *p, size_t size); /* NULL: failed, @p still valid */
void kfree(const void *p);
size_t ksize(const void *p);
char *kstrdup(const char *s);
char *kstrndup(const char *s, size_t max);
void *kmemdup(const void *p, size_t n);

struct slab_cache *slab_cache_new(const char *name, size_t size, size_t align);
void *slab_alloc(struct slab_cache *c);
void *slab_zalloc(struct slab_cache *c);
void slab_free(struct slab_cache *c, void *p);

#endif
