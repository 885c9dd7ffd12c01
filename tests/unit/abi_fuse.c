/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abi/fuse.h against the system's <linux/fuse.h>: same sizes, offsets and numbers. The two cannot be included together,
 * so each side prints its list (this file is compiled twice) and the lists must be equal.
 */
#include <stddef.h>
#include <stdio.h>

#ifdef SYSTEM_SIDE
#include <linux/fuse.h>
#define LIST list_system
#else
#include "abi/fuse.h"
#define LIST list_ours
#endif

int LIST(char *buf, size_t room);

#define S(t) n += snprintf(buf + n, room - (size_t)n, #t " %zu\n", sizeof(struct t))
#define O(t, f) n += snprintf(buf + n, room - (size_t)n, #t "." #f " %zu\n", offsetof(struct t, f))
#define V(v) n += snprintf(buf + n, room - (size_t)n, #v " %llu\n", (unsigned long long)(v))

int LIST(char *buf, size_t room)
{
	int n = 0;

	S(fuse_in_header);
	O(fuse_in_header, unique);
	O(fuse_in_header, nodeid);
	O(fuse_in_header, pid);
	S(fuse_out_header);
	S(fuse_attr);
	O(fuse_attr, ctime);
	O(fuse_attr, mode);
	O(fuse_attr, rdev);
	O(fuse_attr, blksize);
	S(fuse_entry_out);
	O(fuse_entry_out, attr);
	S(fuse_forget_in);
	S(fuse_forget_one);
	S(fuse_batch_forget_in);
	S(fuse_getattr_in);
	S(fuse_attr_out);
	S(fuse_setattr_in);
	O(fuse_setattr_in, size);
	O(fuse_setattr_in, mtime);
	O(fuse_setattr_in, mode);
	O(fuse_setattr_in, uid);
	S(fuse_mknod_in);
	S(fuse_mkdir_in);
	S(fuse_rename_in);
	S(fuse_rename2_in);
	S(fuse_link_in);
	S(fuse_open_in);
	S(fuse_create_in);
	S(fuse_open_out);
	S(fuse_release_in);
	S(fuse_flush_in);
	O(fuse_flush_in, lock_owner);
	S(fuse_read_in);
	O(fuse_read_in, flags);
	S(fuse_write_in);
	O(fuse_write_in, write_flags);
	S(fuse_write_out);
	S(fuse_statfs_out);
	S(fuse_fsync_in);
	S(fuse_getxattr_in);
	S(fuse_getxattr_out);
	S(fuse_file_lock);
	S(fuse_lk_in);
	O(fuse_lk_in, lk_flags);
	S(fuse_lk_out);
	S(fuse_access_in);
	S(fuse_init_in);
	S(fuse_init_out);
	O(fuse_init_out, max_pages);
	S(fuse_fallocate_in);
	S(fuse_dirent);
	O(fuse_dirent, name);
	O(fuse_direntplus, dirent.name);
	S(fuse_lseek_in);
	S(fuse_lseek_out);
	S(fuse_copy_file_range_in);
	S(fuse_syncfs_in);
	V(FUSE_LOOKUP);
	V(FUSE_FORGET);
	V(FUSE_GETATTR);
	V(FUSE_SETATTR);
	V(FUSE_READLINK);
	V(FUSE_SYMLINK);
	V(FUSE_MKNOD);
	V(FUSE_MKDIR);
	V(FUSE_UNLINK);
	V(FUSE_RMDIR);
	V(FUSE_RENAME);
	V(FUSE_LINK);
	V(FUSE_OPEN);
	V(FUSE_READ);
	V(FUSE_WRITE);
	V(FUSE_STATFS);
	V(FUSE_RELEASE);
	V(FUSE_FSYNC);
	V(FUSE_SETXATTR);
	V(FUSE_GETXATTR);
	V(FUSE_LISTXATTR);
	V(FUSE_REMOVEXATTR);
	V(FUSE_FLUSH);
	V(FUSE_INIT);
	V(FUSE_OPENDIR);
	V(FUSE_READDIR);
	V(FUSE_RELEASEDIR);
	V(FUSE_FSYNCDIR);
	V(FUSE_GETLK);
	V(FUSE_SETLK);
	V(FUSE_SETLKW);
	V(FUSE_ACCESS);
	V(FUSE_CREATE);
	V(FUSE_INTERRUPT);
	V(FUSE_DESTROY);
	V(FUSE_BATCH_FORGET);
	V(FUSE_FALLOCATE);
	V(FUSE_READDIRPLUS);
	V(FUSE_RENAME2);
	V(FUSE_LSEEK);
	V(FUSE_COPY_FILE_RANGE);
	V(FUSE_SYNCFS);
	V(FATTR_KILL_SUIDGID);
	V(FATTR_MTIME_NOW);
	V(FATTR_FH);
	V(FUSE_WRITE_KILL_SUIDGID);
	V(FUSE_OPEN_KILL_SUIDGID);
	V(FUSE_RELEASE_FLOCK_UNLOCK);
	V(FUSE_LK_FLOCK);
	V(FUSE_GETATTR_FH);
	V(FUSE_FSYNC_FDATASYNC);
	V(FUSE_ATTR_SUBMOUNT);
	V(FUSE_POSIX_LOCKS);
	V(FUSE_ATOMIC_O_TRUNC);
	V(FUSE_DO_READDIRPLUS);
	V(FUSE_WRITEBACK_CACHE);
	V(FUSE_MAX_PAGES);
	V(FUSE_HANDLE_KILLPRIV_V2);
	return n;
}

#ifndef SYSTEM_SIDE
#include <string.h>

#include "unit.h"

int list_system(char *buf, size_t room);

static void test_lists(void **state)
{
	static char ours[16384], theirs[16384];
	char *a = ours, *b = theirs, *our, *their;

	list_ours(ours, sizeof(ours));
	list_system(theirs, sizeof(theirs));
	while ((our = strsep(&a, "\n")) && (their = strsep(&b, "\n")))
		assert_string_equal(our, their);
	assert_true(!a && !b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
