/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net: unix names each socket with type, state, inode and name; the tables of a network are there, at least their
 * headings.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sys.h"

struct entry {
	unsigned flags, type, state;
	char name[120];
};

/* The line of the socket @fd. */
static bool find(int fd, struct entry *e)
{
	FILE *f = fopen("/proc/net/unix", "r");
	unsigned long inode;
	struct stat st;
	char line[300];
	bool found = false;

	CHECK(f);
	CHECK_OK(fstat(fd, &st));
	CHECK(fgets(line, sizeof(line), f));
	while (!found && fgets(line, sizeof(line), f)) {
		e->name[0] = 0;
		CHECK(sscanf(line, "%*x: %*x %*x %x %x %x %lu %119s", &e->flags, &e->type, &e->state, &inode,
			     e->name) >= 4);
		found = inode == st.st_ino;
	}
	fclose(f);
	return found;
}

int main(void)
{
	static const char *const tables[] = {"arp",   "dev",	  "netlink", "packet", "raw",
					     "route", "sockstat", "tcp",     "udp"};
	struct sockaddr_un a = {AF_UNIX, "\0umbra\0net"};
	const socklen_t len = offsetof(struct sockaddr_un, sun_path) + 10;
	char path[64], line[300];
	struct entry e;
	int s[2], l, c;

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	CHECK(find(s[0], &e));
	CHECK(e.type == SOCK_DGRAM && e.state == 3 && !e.flags && !e.name[0]);
	l = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	CHECK(find(l, &e));
	CHECK(e.type == SOCK_SEQPACKET && e.state == 1 && !e.flags);
	CHECK_OK(bind(l, (struct sockaddr *)&a, len));
	CHECK_OK(listen(l, 1));
	CHECK(find(l, &e));
	CHECK(e.state == 1 && e.flags == 0x10000);
	CHECK(!strcmp(e.name, "@umbra@net"));
	c = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	CHECK_OK(connect(c, (struct sockaddr *)&a, len));
	CHECK(find(c, &e));
	CHECK(e.state == 3);
	close(c);
	close(l);
	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/net/%s", tables[i]);
		f = fopen(path, "r");
		CHECK(f);
		CHECK(fgets(line, sizeof(line), f));
		CHECK(strlen(line) > 10 && line[strlen(line) - 1] == '\n');
		fclose(f);
	}
	return 0;
}
