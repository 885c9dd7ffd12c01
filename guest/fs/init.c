/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up of the VFS: caches first, then what is mounted on them. */
#include <gk/init.h>
#include "internal.h"

void vfs_init(void)
{
	inode_cache_init();
	dcache_init();
	special_init();
	anon_init();
	tmpfs_init();
	mount_init();
}
