/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of System V IPC and may change of it: tables, limits, numbers to come; limits of POSIX message
 * queues. On Linux in an IPC namespace of its own, so that nothing of the host changes.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "sys.h"

#define SYSCTL "/proc/sys/kernel/"

/* What a write of @text to a file of /proc/sys gives: 0 or errno. */
static int put(const char *path, const char *text)
{
	const int fd = CHECK_OK(open(path, O_WRONLY));
	const ssize_t n = write(fd, text, strlen(text));
	const int err = n < 0 ? errno : 0;

	close(fd);
	return err;
}

static const char *get(const char *path)
{
	static char text[256];
	const int fd = CHECK_OK(open(path, O_RDONLY));
	const ssize_t n = CHECK_OK(read(fd, text, sizeof(text) - 1));

	close(fd);
	text[n] = 0;
	return text;
}

/* The line of @path whose second number is @id, behind that number: false if there is none. */
static bool find_line(const char *path, int id, char *rest, size_t size)
{
	FILE *f = fopen(path, "r");
	char line[512];
	bool found = false;
	int at, n = 0, key;

	CHECK(f);
	CHECK(fgets(line, sizeof(line), f)); /* the heading */
	while (!found && fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%d %d%n", &key, &at, &n), 2);
		found = at == id;
		if (found)
			snprintf(rest, size, "%s", line + n);
	}
	fclose(f);
	return found;
}

static void tables(void)
{
	const int m = CHECK_OK(msgget(IPC_PRIVATE, 0640)), s = CHECK_OK(semget(IPC_PRIVATE, 3, 0600));
	const int h = CHECK_OK(shmget(IPC_PRIVATE, 5000, 0604));
	struct {
		long type;
		char text[8];
	} msg = {1, "hello"};
	unsigned long a, b, c;
	char rest[512];

	CHECK_OK(msgsnd(m, &msg, 5, 0));
	CHECK(find_line("/proc/sysvipc/msg", m, rest, sizeof(rest)));
	CHECK_EQ(sscanf(rest, "%lo %lu %lu", &a, &b, &c), 3);
	CHECK(a == 0640 && b == 5 && c == 1);
	CHECK(find_line("/proc/sysvipc/sem", s, rest, sizeof(rest)));
	CHECK_EQ(sscanf(rest, "%lo %lu", &a, &b), 2);
	CHECK(a == 0600 && b == 3);
	CHECK(find_line("/proc/sysvipc/shm", h, rest, sizeof(rest)));
	CHECK_EQ(sscanf(rest, "%lo %lu %lu", &a, &b, &c), 3);
	CHECK(a == 0604 && b == 5000 && c == (unsigned long)getpid());
	CHECK_OK(msgctl(m, IPC_RMID, NULL));
	CHECK_OK(semctl(s, 0, IPC_RMID));
	CHECK_OK(shmctl(h, IPC_RMID, NULL));
	CHECK(!find_line("/proc/sysvipc/msg", m, rest, sizeof(rest)));
	CHECK(!find_line("/proc/sysvipc/shm", h, rest, sizeof(rest)));
}

static void next_numbers(void)
{
	int id;

	CHECK(!strcmp(get(SYSCTL "msg_next_id"), "-1\n"));
	CHECK_EQ(put(SYSCTL "msg_next_id", "65539"), 0);
	id = CHECK_OK(msgget(IPC_PRIVATE, 0600));
	CHECK_EQ(id, 65539);
	CHECK(!strcmp(get(SYSCTL "msg_next_id"), "-1\n"));
	/* The place is taken: another one. */
	CHECK_EQ(put(SYSCTL "msg_next_id", "65539"), 0);
	CHECK(CHECK_OK(msgget(IPC_PRIVATE, 0600)) != id);
	CHECK_OK(msgctl(id, IPC_RMID, NULL));
	CHECK_EQ(put(SYSCTL "shm_next_id", "32777"), 0);
	id = CHECK_OK(shmget(IPC_PRIVATE, 1, 0600));
	CHECK_EQ(id, 32777);
	CHECK_OK(shmctl(id, IPC_RMID, NULL));
	CHECK_EQ(put(SYSCTL "sem_next_id", "32770"), 0);
	id = CHECK_OK(semget(IPC_PRIVATE, 1, 0600));
	CHECK_EQ(id, 32770);
	CHECK_OK(semctl(id, 0, IPC_RMID));
	CHECK_EQ(put(SYSCTL "sem_next_id", "rubbish"), EINVAL);
}

static void limits(void)
{
	const int m = CHECK_OK(msgget(IPC_PRIVATE, 0600));
	struct {
		long type;
		char text[100];
	} msg = {1, ""};
	int s;

	CHECK_EQ(put(SYSCTL "msgmax", "50"), 0);
	CHECK_ERR(msgsnd(m, &msg, 51, 0), EINVAL);
	CHECK_OK(msgsnd(m, &msg, 50, 0));
	CHECK_OK(msgctl(m, IPC_RMID, NULL));

	CHECK_EQ(put(SYSCTL "shmmax", "8192"), 0);
	CHECK_ERR(shmget(IPC_PRIVATE, 8193, 0600), EINVAL);
	CHECK_EQ(put(SYSCTL "shmall", "1"), 0);
	CHECK_ERR(shmget(IPC_PRIVATE, 8192, 0600), ENOSPC);
	CHECK_EQ(put(SYSCTL "shmmni", "0"), 0);
	CHECK_ERR(shmget(IPC_PRIVATE, 4096, 0600), ENOSPC);

	CHECK_EQ(put(SYSCTL "sem", "10 15 2 100"), 0);
	CHECK(!strcmp(get(SYSCTL "sem"), "10\t15\t2\t100\n"));
	CHECK_ERR(semget(IPC_PRIVATE, 11, 0600), EINVAL);
	s = CHECK_OK(semget(IPC_PRIVATE, 10, 0600));
	CHECK_ERR(semget(IPC_PRIVATE, 6, 0600), ENOSPC);
	struct sembuf ops[3] = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}};
	CHECK_OK(semop(s, ops, 2));
	CHECK_ERR(semop(s, ops, 3), E2BIG);
	CHECK_OK(semctl(s, 0, IPC_RMID));
	s = CHECK_OK(semget(IPC_PRIVATE, 6, 0600)); /* the ten are free again */
	CHECK_OK(semctl(s, 0, IPC_RMID));
}

static void queues(void)
{
	struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 1000};
	struct rlimit r = {15000, 15000};
	mqd_t a;

	/* What a queue may hold counts, with something for each message; the bytes come back with the queue. */
	CHECK_OK(setrlimit(RLIMIT_MSGQUEUE, &r));
	a = mq_open("/umbra-limits-a", O_CREAT | O_RDWR, 0600, &attr);
	CHECK(a != (mqd_t)-1);
	CHECK_ERR(mq_open("/umbra-limits-b", O_CREAT | O_RDWR, 0600, &attr), EMFILE);
	CHECK_OK(mq_unlink("/umbra-limits-a"));
	CHECK_ERR(mq_open("/umbra-limits-b", O_CREAT | O_RDWR, 0600, &attr), EMFILE);
	CHECK_OK(mq_close(a));
	a = mq_open("/umbra-limits-b", O_CREAT | O_RDWR, 0600, &attr);
	CHECK(a != (mqd_t)-1);
	CHECK_OK(mq_unlink("/umbra-limits-b"));
	CHECK_OK(mq_close(a));

	CHECK_EQ(put("/proc/sys/fs/mqueue/msg_default", "3"), 0);
	CHECK_EQ(put("/proc/sys/fs/mqueue/msgsize_default", "200"), 0);
	a = mq_open("/umbra-limits-c", O_CREAT | O_RDWR, 0600, NULL);
	CHECK(a != (mqd_t)-1);
	CHECK_OK(mq_getattr(a, &attr));
	CHECK(attr.mq_maxmsg == 3 && attr.mq_msgsize == 200);
	CHECK_OK(mq_unlink("/umbra-limits-c"));
	CHECK_OK(mq_close(a));

	/* Others than root are held to the limits of the system. */
	CHECK_EQ(put("/proc/sys/fs/mqueue/msg_max", "5"), 0);
	CHECK_EQ(put("/proc/sys/fs/mqueue/queues_max", "0"), 0);
	CHECK_OK(setresuid(1000, 1000, 1000));
	CHECK_ERR(mq_open("/umbra-limits-d", O_CREAT | O_RDWR, 0600, NULL), ENOSPC);
}

int main(void)
{
	if (geteuid())
		SKIP("needs root");
	if (unshare(CLONE_NEWIPC) && errno != EPERM)
		return 1;
	tables();
	next_numbers();
	limits();
	queues();
	return 0;
}
