/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what to files that belong to others: mode bits, groups, directories, the sticky bit. Run as
 * root, it becomes others.
 */
#include <grp.h>

#include "fsdir.h"

static int can_change_owner(void)
{
	make_file("probe", "");
	return chown("probe", 1000, 1000) == 0;
}

/* Runs @fn as this user in a child. */
static void as_user(uid_t uid, gid_t gid, gid_t extra, void (*fn)(void))
{
	int status;

	if (fork() == 0) {
		CHECK_OK(setgroups(extra ? 1 : 0, &extra));
		CHECK_OK(setresgid(gid, gid, gid));
		CHECK_OK(setresuid(uid, uid, uid));
		fn();
		_exit(0);
	}
	CHECK_OK(wait(&status));
	CHECK_EQ(status, 0);
}

static int opens(const char *name, int flags)
{
	int fd = open(name, flags);

	if (fd >= 0)
		close(fd);
	else
		CHECK_EQ(errno, EACCES);
	return fd >= 0;
}

static void owner_checks(void)
{
	CHECK(!opens("f070", O_RDONLY)); /* the owner's bits count, not the group's */
	CHECK(opens("f640", O_RDWR));
	CHECK_OK(chmod("f640", 0600));
	CHECK_ERR(chown("f640", 1001, (gid_t)-1), EPERM);
	CHECK_OK(chown("f640", (uid_t)-1, 1000));
	CHECK_ERR(chown("f640", (uid_t)-1, 7), EPERM);
	CHECK_OK(chmod("f640", 02640));
}

static void group_checks(void)
{
	CHECK(opens("f640", O_RDONLY));
	CHECK(!opens("f640", O_WRONLY));
	CHECK(opens("f070", O_RDWR));
	CHECK_ERR(chmod("f640", 0666), EPERM);
	CHECK_ERR(utimensat(AT_FDCWD, "f640", (struct timespec[2]){{1, 1}, {1, 1}}, 0), EPERM);
	CHECK_ERR(utimensat(AT_FDCWD, "f640", NULL, 0), EACCES);
	CHECK_ERR(open("f640", O_RDONLY | O_NOATIME), EPERM);
}

static void other_checks(void)
{
	struct stat st;

	CHECK(!opens("f640", O_RDONLY));
	CHECK(!opens("f070", O_RDONLY));
	CHECK_OK(stat("f640", &st)); /* needs the directory only */
	CHECK_ERR(truncate("f640", 0), EACCES);
	CHECK_ERR(chdir("d700"), EACCES);
	CHECK_ERR(open("d700", O_RDONLY), EACCES);
	CHECK_ERR(stat("d700/x", &st), EACCES);
	CHECK_ERR(stat("d744/x", &st), EACCES); /* readable, not searchable */
	CHECK_OK(open("d744", O_RDONLY));
	CHECK_OK(stat("d711/x", &st));
	CHECK_ERR(open("d711", O_RDONLY), EACCES);
	CHECK_ERR(open("d711/new", O_CREAT | O_WRONLY, 0600), EACCES);
	CHECK_ERR(unlink("d711/x"), EACCES);
	CHECK_ERR(rename("d711/x", "d711/y"), EACCES);
	CHECK_ERR(mkdir("d711/sub", 0700), EACCES);
	CHECK(link("d711/x", "d711/z") == -1 &&
	      (errno == EACCES || errno == EPERM)); /* see proc(5), protected_hardlinks */
	CHECK_ERR(symlink("a", "d711/l"), EACCES);
}

static void sticky_checks(void)
{
	int fd;

	CHECK_ERR(unlink("tmp/other"), EPERM);
	CHECK_ERR(rename("tmp/other", "tmp/mine2"), EPERM);
	CHECK_ERR(rmdir("tmp/otherdir"), EPERM);
	fd = (int)CHECK_OK(open("tmp/mine", O_CREAT | O_WRONLY, 0600));
	close(fd);
	CHECK_ERR(rename("tmp/mine", "tmp/other"), EPERM);
	CHECK_OK(rename("tmp/mine", "tmp/mine2"));
	CHECK_OK(unlink("tmp/mine2"));
}

/* In a set-group-id directory of a group that is not ours: what the umask takes away does not count. */
static void foreign_group(void)
{
	struct stat st;

	umask(S_IXGRP);
	close((int)CHECK_OK(open("sgid/a", O_CREAT | O_WRONLY, 02770)));
	CHECK_OK(stat("sgid/a", &st));
	CHECK_EQ(st.st_gid, 2000);
	CHECK_EQ(st.st_mode & 07777, 0760);
	CHECK_OK(mknod("sgid/b", S_IFIFO | 02770, 0));
	CHECK_OK(stat("sgid/b", &st));
	CHECK_EQ(st.st_mode & 07777, 0760);
}

static void test_all(void)
{
	const struct {
		const char *name;
		mode_t mode;
	} dirs[] = {{"d700", 0700}, {"d744", 0744}, {"d711", 0711}};

	if (!can_change_owner())
		return;
	make_file("f640", "x");
	CHECK_OK(chmod("f640", 0640));
	CHECK_OK(chown("f640", 1000, 2000));
	make_file("f070", "x");
	CHECK_OK(chmod("f070", 0070));
	CHECK_OK(chown("f070", 1000, 2000));
	for (size_t i = 0; i < 3; i++) {
		char name[32];

		CHECK_OK(mkdir(dirs[i].name, 0755));
		snprintf(name, sizeof(name), "%s/x", dirs[i].name);
		make_file(name, "");
		CHECK_OK(chmod(dirs[i].name, dirs[i].mode));
	}
	CHECK_OK(mkdir("tmp", 0755));
	CHECK_OK(chmod("tmp", 01777));
	make_file("tmp/other", "");
	CHECK_OK(chown("tmp/other", 1001, 1001));
	CHECK_OK(chmod("tmp/other", 0666));
	CHECK_OK(mkdir("tmp/otherdir", 0777));
	as_user(1002, 1002, 0, other_checks);
	as_user(1003, 2000, 0, group_checks);
	as_user(1003, 1003, 2000, group_checks); /* a supplementary group */
	as_user(1000, 1000, 0, sticky_checks);
	as_user(1000, 1000, 0, owner_checks);
	CHECK_OK(mkdir("sgid", 0777));
	CHECK_OK(chown("sgid", 0, 2000));
	CHECK_OK(chmod("sgid", 02777));
	as_user(1003, 1003, 0, foreign_group);
	/* set-group-id is not for those outside the group */
	struct stat st;
	CHECK_OK(stat("f640", &st));
	CHECK_EQ(st.st_mode & 07777, 02640);
}

int main(void)
{
	if (getuid() != 0)
		SKIP("needs root");
	EVERYWHERE(test_all);
	return 0;
}
