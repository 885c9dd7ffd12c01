/* SPDX-License-Identifier: Apache-2.0 */
/* The VFS for a test: started as the kernel starts it, with an empty tmpfs as the root directory of current. */
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/task.h>
#include "../unit.h"
#include "shim.h"

void shim_vfs(void)
{
	shim_init();
	radix_init();
	pagecache_init();
	vfs_init();
	current->files = files_new();
	current->fs = fs_info_copy(NULL);
	assert_true(current->files && current->fs);
}
