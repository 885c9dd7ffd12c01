/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V semaphores: semget, semop, semtimedop, semctl; several at once, waiting for zero, undo, removal under
 * sleepers.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <time.h>

#include "sys.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int id;

static int op(int num, int by, int flags)
{
	struct sembuf b = {num, by, flags};

	return semop(id, &b, 1);
}

static int val(int num)
{
	return CHECK_OK(semctl(id, num, GETVAL));
}

static void set(int num, int v)
{
	CHECK_OK(semctl(id, num, SETVAL, (union semun){.val = v}));
}

static void basics(void)
{
	struct sembuf two[2] = {{0, -1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}};
	unsigned short all[3] = {7, 8, 9};
	struct semid_ds ds;
	key_t key = 0x554d0000 + (getpid() & 0xffff);

	CHECK_ERR(semget(key, 0, IPC_CREAT | 0600), EINVAL);
	CHECK_ERR(semget(key, -1, IPC_CREAT | 0600), EINVAL);
	CHECK_ERR(semget(key, 3, 0600), ENOENT);
	id = CHECK_OK(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	CHECK_ERR(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_EQ(semget(key, 0, 0), id);
	CHECK_ERR(semget(key, 4, 0), EINVAL);
	CHECK_EQ(val(0), 0);
	CHECK_ERR(op(0, -1, IPC_NOWAIT), EAGAIN);
	CHECK_OK(op(0, 2, 0));
	CHECK_OK(op(0, -1, 0));
	CHECK_EQ(val(0), 1);
	CHECK_EQ(semctl(id, 0, GETPID), getpid());
	CHECK_ERR(semop(id, two, 2), EAGAIN); /* all or nothing */
	CHECK_EQ(val(0), 1);
	set(1, 1);
	CHECK_OK(semop(id, two, 2));
	CHECK_EQ(val(0), 0);
	CHECK_EQ(val(1), 0);
	CHECK_OK(op(0, 0, 0)); /* is zero */
	set(0, 1);
	CHECK_ERR(op(0, 0, IPC_NOWAIT), EAGAIN);
	CHECK_OK(semctl(id, 0, SETALL, (union semun){.array = all}));
	memset(all, 0, sizeof(all));
	CHECK_OK(semctl(id, 0, GETALL, (union semun){.array = all}));
	CHECK(all[0] == 7 && all[1] == 8 && all[2] == 9);
	CHECK_OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
	CHECK_EQ(ds.sem_nsems, 3);
	CHECK_EQ(ds.sem_perm.mode & 0777, 0600);
	CHECK(ds.sem_otime > 0);

	CHECK_ERR(op(3, 1, 0), EFBIG);
	CHECK_ERR(semop(id, two, 0), EINVAL);
	CHECK_ERR(semop(id, bad_ptr, 1), EFAULT);
	CHECK_ERR(semop(id, two, 501), E2BIG);
	CHECK_ERR(semop(-1, two, 1), EINVAL);
	CHECK_ERR(semctl(id, 3, GETVAL), EINVAL);
	CHECK_ERR(semctl(id, 0, SETVAL, (union semun){.val = -1}), ERANGE);
	CHECK_ERR(semctl(id, 0, SETVAL, (union semun){.val = 32768}), ERANGE);
	CHECK_ERR(semctl(id, 0, 4711), EINVAL);
	set(0, 32767);
	CHECK_ERR(op(0, 1, 0), ERANGE);
	set(0, 0);
}

static void on_alarm(int sig)
{
}

static void waiting(void)
{
	struct sembuf b = {0, -1, 0}, both[2] = {{0, -1, 0}, {1, -1, 0}};
	struct timespec ts = {0, 30000000};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	const struct itimerval again = {{0, 100000}, {0, 100000}}; /* the first may come before we sleep */
	pid_t pid;

	CHECK_ERR(semtimedop(id, &b, 1, &ts), EAGAIN);
	ts.tv_nsec = -1;
	CHECK_ERR(semtimedop(id, &b, 1, &ts), EINVAL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &again, NULL);
	CHECK_ERR(op(0, -1, 0), EINTR); /* never restarted */
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	/* Woken by the other process, with all it needs at once. */
	set(0, 0);
	set(1, 0);
	pid = fork();
	if (!pid) {
		CHECK_OK(semop(id, both, 2));
		_exit(5);
	}
	while (semctl(id, 0, GETNCNT) != 1)
		usleep(1000);
	CHECK_OK(op(0, 1, 0));
	usleep(10000);
	CHECK_EQ(val(0), 1); /* not taken yet: it wants both */
	while (semctl(id, 1, GETNCNT) != 1)
		usleep(1000);
	CHECK_OK(op(1, 1, 0));
	CHECK_EQ(wait_for(pid), 5);
	CHECK_EQ(val(0), 0);
	/* Waiting for zero. */
	set(0, 2);
	pid = fork();
	if (!pid) {
		CHECK_OK(op(0, 0, 0));
		_exit(6);
	}
	while (semctl(id, 0, GETZCNT) != 1)
		usleep(1000);
	CHECK_OK(op(0, -2, 0));
	CHECK_EQ(wait_for(pid), 6);
}

static void undo(void)
{
	pid_t pid;

	set(0, 5);
	set(1, 0);
	pid = fork();
	if (!pid) {
		CHECK_OK(op(0, -3, SEM_UNDO));
		CHECK_OK(op(1, 4, SEM_UNDO));
		CHECK_OK(op(1, -1, 0));
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(val(0), 5);
	CHECK_EQ(val(1), 0); /* not below zero */
	/* Undo wakes sleepers; also after SIGKILL. */
	set(0, 1);
	set(2, 0);
	pid = fork();
	if (!pid) {
		CHECK_OK(op(0, -1, SEM_UNDO));
		CHECK_OK(op(2, 1, 0));
		for (;;)
			pause();
	}
	CHECK_OK(op(2, -1, 0));
	kill(pid, SIGKILL);
	CHECK_OK(op(0, -1, 0));
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	/* SETVAL forgets. */
	set(0, 1);
	pid = fork();
	if (!pid) {
		CHECK_OK(op(0, -1, SEM_UNDO));
		set(0, 10);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(val(0), 10);
}

static volatile int counter;

static void *locker(void *arg)
{
	for (int i = 0; i < 3000; i++) {
		CHECK_OK(op(0, -1, 0));
		counter = counter + 1;
		CHECK_OK(op(0, 1, 0));
	}
	return NULL;
}

static void contention(void)
{
	pthread_t t[4];

	set(0, 1);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, locker, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(counter, 12000);
}

static void removal(void)
{
	pid_t pid = fork();

	if (!pid) {
		set(0, 0);
		CHECK_ERR(op(0, -1, 0), EIDRM);
		_exit(0);
	}
	while (semctl(id, 0, GETNCNT) != 1)
		usleep(1000);
	CHECK_OK(semctl(id, 0, IPC_RMID));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(op(0, 1, 0), EINVAL);
	CHECK_ERR(semctl(id, 0, IPC_RMID), EINVAL);
}

int main(void)
{
	basics();
	waiting();
	undo();
	contention();
	removal();
	return 0;
}
