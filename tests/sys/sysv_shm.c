/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: shmget, shmat, shmdt, shmctl; sharing across fork and exec of names, removal, permissions,
 * errors.
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "sys.h"

#define BAD ((void *)-1)

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds ds;

	CHECK_OK(shmctl(id, IPC_STAT, &ds));
	return ds;
}

int main(void)
{
	key_t key = 0x554d0000 + (getpid() & 0xffff);
	struct shmid_ds ds;
	char *a, *b;
	int id, id2;

	CHECK_ERR(shmget(key, 100, 0), ENOENT);
	CHECK_ERR(shmget(key, 0, IPC_CREAT | 0600), EINVAL);
	id = CHECK_OK(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640));
	CHECK_ERR(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_EQ(shmget(key, 0, 0), id);
	CHECK_EQ(shmget(key, 5000, IPC_CREAT), id);
	CHECK_ERR(shmget(key, 10001, 0), EINVAL);
	ds = stat_of(id);
	CHECK_EQ(ds.shm_segsz, 10000);
	CHECK_EQ(ds.shm_nattch, 0);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK_EQ(ds.shm_lpid, 0);
	CHECK_EQ(ds.shm_perm.mode & 0777, 0640);
	CHECK_EQ(ds.shm_perm.__key, key);
	CHECK_EQ(ds.shm_perm.uid, geteuid());
	CHECK(ds.shm_ctime > 0 && ds.shm_atime == 0);

	a = shmat(id, NULL, 0);
	CHECK(a != BAD);
	b = shmat(id, NULL, SHM_RDONLY);
	CHECK(b != BAD && a != b);
	CHECK_EQ(a[9999], 0);
	strcpy(a, "shared");
	CHECK(!strcmp(b, "shared"));
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	/* Read-only is read-only. */
	if (!fork()) {
		*(volatile char *)b = 1;
		_exit(0);
	}
	CHECK_EQ(wait_for(-1), 128 + 11);
	/* A child shares, and its end is noticed. */
	if (!fork()) {
		CHECK_EQ(stat_of(id).shm_nattch, 4);
		CHECK_OK(shmdt(b));
		strcpy(a + 8192, "child");
		_exit(0);
	}
	CHECK_EQ(wait_for(-1), 0);
	CHECK(!strcmp(a + 8192, "child"));
	CHECK_EQ(stat_of(id).shm_nattch, 2);
	CHECK_OK(shmdt(b));
	CHECK_ERR(shmdt(b), EINVAL);
	CHECK_ERR(shmdt(a + 1), EINVAL);
	CHECK_ERR(shmdt(a + 4096), EINVAL);

	/* At a given place. */
	b = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(b != BAD);
	CHECK_ERR((long)shmat(id, b, 0), EINVAL); /* something is there */
	CHECK_ERR((long)shmat(id, b + 100, 0), EINVAL);
	CHECK(shmat(id, b + 8192 + 100, SHM_RND | SHM_REMAP) == b + 8192);
	CHECK(!strcmp(b + 8192, "shared"));
	CHECK_ERR((long)shmat(id, NULL, SHM_REMAP), EINVAL);
	/* In pieces: unmapping the middle leaves two, which shmdt takes both. */
	CHECK_OK(munmap(b + 8192 + 4096, 4096));
	CHECK_EQ(stat_of(id).shm_nattch, 3);
	CHECK_OK(shmdt(b + 8192));
	CHECK_EQ(stat_of(id).shm_nattch, 1);
	munmap(b, 1 << 20);

	/* IPC_SET. */
	ds = stat_of(id);
	ds.shm_perm.mode = 0600;
	CHECK_OK(shmctl(id, IPC_SET, &ds));
	CHECK_EQ(stat_of(id).shm_perm.mode & 0777, 0600);
	CHECK_ERR(shmctl(id, 4711, &ds), EINVAL);
	CHECK_ERR(shmctl(id, IPC_STAT, bad_ptr), EFAULT);
	CHECK_ERR(shmctl(-1, IPC_STAT, &ds), EINVAL);
	if (geteuid() == 0 && !fork()) {
		CHECK_OK(setuid(4711));
		CHECK_ERR((long)shmat(id, NULL, SHM_RDONLY), EACCES);
		CHECK_ERR(shmctl(id, IPC_STAT, &ds), EACCES);
		CHECK_ERR(shmctl(id, IPC_RMID, NULL), EPERM);
		CHECK_ERR(shmget(key, 0, 0600), EACCES);
		_exit(0);
	} else if (geteuid() == 0) {
		CHECK_EQ(wait_for(-1), 0);
	}

	/*
	 * Removed while attached: the key is free, the memory stays, it can be attached by its number until the last
	 * one goes.
	 */
	CHECK_OK(shmctl(id, IPC_RMID, NULL));
	CHECK_ERR(shmget(key, 0, 0), ENOENT);
	CHECK(!strcmp(a, "shared"));
	ds = stat_of(id);
	CHECK_EQ(ds.shm_perm.mode & SHM_DEST, SHM_DEST);
	b = shmat(id, NULL, 0);
	CHECK(b != BAD && !strcmp(b, "shared"));
	CHECK_OK(shmdt(a));
	CHECK_OK(shmdt(b));
	CHECK_ERR((long)shmat(id, NULL, 0), EINVAL);
	CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);

	id = CHECK_OK(shmget(IPC_PRIVATE, 4096, 0600));
	id2 = CHECK_OK(shmget(IPC_PRIVATE, 4096, 0600));
	CHECK(id != id2);
	CHECK_OK(shmctl(id2, IPC_RMID, NULL));
	CHECK_ERR(shmctl(id2, IPC_RMID, NULL), EINVAL);
	/* exit and exec detach. */
	if (!fork()) {
		a = shmat(id, NULL, 0);
		CHECK(a != BAD);
		a[0] = 'x';
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK_EQ(wait_for(-1), 0);
	CHECK_EQ(stat_of(id).shm_nattch, 0);
	a = shmat(id, NULL, 0);
	CHECK(a != BAD && a[0] == 'x');
	CHECK_OK(shmctl(id, IPC_RMID, NULL));
	return 0;
}
