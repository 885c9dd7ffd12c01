/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V message queues: msgget, msgsnd, msgrcv, msgctl; types, limits, waiting on both sides, removal.
 */
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/time.h>

#include "sys.h"

struct text {
	long type;
	char s[9000];
};

static int id;

static void put(long type, const char *s)
{
	static struct text t;

	t.type = type;
	strcpy(t.s, s);
	CHECK_OK(msgsnd(id, &t, strlen(s), IPC_NOWAIT));
}

static void get(long type, int flags, long want_type, const char *want)
{
	static struct text t;
	int n = CHECK_OK(msgrcv(id, &t, sizeof(t.s), type, flags | IPC_NOWAIT));

	CHECK_EQ(n, (int)strlen(want));
	CHECK(!memcmp(t.s, want, n));
	CHECK_EQ(t.type, want_type);
}

static void on_alarm(int sig)
{
}

static void until_asleep(pid_t pid)
{
	char path[64], line[512], state = 'R';

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'S') {
		FILE *f = fopen(path, "r");

		CHECK(f && fgets(line, sizeof(line), f));
		fclose(f);
		state = strrchr(line, ')')[2];
		usleep(1000);
	}
}

int main(void)
{
	static struct text t;
	key_t key = 0x554d0000 + (getpid() & 0xffff);
	const struct itimerval again = {{0, 100000}, {0, 100000}}; /* the first may come before we sleep */
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct msqid_ds ds;
	pid_t pid;
	int n;

	CHECK_ERR(msgget(key, 0600), ENOENT);
	id = CHECK_OK(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	CHECK_ERR(msgget(key, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_EQ(msgget(key, 0600), id);
	CHECK_ERR(msgrcv(id, &t, 10, 0, IPC_NOWAIT), ENOMSG);
	put(3, "three");
	put(1, "one");
	put(2, "two");
	put(1, "uno");
	CHECK_OK(msgctl(id, IPC_STAT, &ds));
	CHECK_EQ(ds.msg_qnum, 4);
	CHECK_EQ(ds.msg_cbytes, 14);
	CHECK_EQ(ds.msg_lspid, getpid());
	CHECK_EQ(ds.msg_qbytes, 16384);
	get(1, 0, 1, "one");
	get(-2, 0, 1, "uno"); /* the lowest type first */
	get(3, MSG_EXCEPT, 2, "two");
	get(0, 0, 3, "three");
	put(5, "too long for you");
	CHECK_ERR(msgrcv(id, &t, 3, 0, 0), E2BIG);
	CHECK_EQ(msgrcv(id, &t, 3, 0, MSG_NOERROR), 3);
	CHECK(!memcmp(t.s, "too", 3));
	CHECK_ERR(msgrcv(id, &t, 3, 0, IPC_NOWAIT), ENOMSG);
	put(1, "");
	get(0, 0, 1, "");

	t.type = 0;
	CHECK_ERR(msgsnd(id, &t, 1, 0), EINVAL);
	t.type = 1;
	CHECK_ERR(msgsnd(id, &t, 8193, 0), EINVAL);
	CHECK_ERR(msgsnd(id, bad_ptr, 1, 0), EFAULT);
	CHECK_ERR(msgsnd(-1, &t, 1, 0), EINVAL);
	CHECK_ERR(msgctl(id, 4711, &ds), EINVAL);

	/* A full queue: the sender waits for a reader. */
	CHECK_OK(msgsnd(id, &t, 8192, 0));
	CHECK_OK(msgsnd(id, &t, 8192, 0));
	CHECK_ERR(msgsnd(id, &t, 1, IPC_NOWAIT), EAGAIN);
	pid = fork();
	if (!pid) {
		usleep(30000);
		CHECK_EQ(msgrcv(id, &t, sizeof(t.s), 0, 0), 8192);
		_exit(0);
	}
	CHECK_OK(msgsnd(id, &t, 100, 0));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(msgrcv(id, &t, sizeof(t.s), 0, 0), 8192);
	CHECK_EQ(msgrcv(id, &t, sizeof(t.s), 0, 0), 100);
	/* A reader waits for its type. */
	pid = fork();
	if (!pid) {
		n = msgrcv(id, &t, sizeof(t.s), 7, 0);
		CHECK_EQ(n, 5);
		_exit(0);
	}
	usleep(20000);
	put(6, "other");
	usleep(20000);
	put(7, "seven");
	CHECK_EQ(wait_for(pid), 0);
	get(0, 0, 6, "other");
	sigaction(SIGALRM, &sa, NULL);
	CHECK_OK(setitimer(ITIMER_REAL, &again, NULL));
	CHECK_ERR(msgrcv(id, &t, 10, 0, 0), EINTR);
	CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval){}, NULL));
	/* Removal wakes. */
	pid = fork();
	if (!pid) {
		CHECK_ERR(msgrcv(id, &t, 10, 0, 0), EIDRM);
		_exit(0);
	}
	until_asleep(pid); /* who comes too late hears EINVAL */
	CHECK_OK(msgctl(id, IPC_RMID, NULL));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(msgsnd(id, &t, 1, 0), EINVAL);
	return 0;
}
