/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that speaks raw FUSE to vmm/fs, one request at a time, for host tests.
 */
#ifndef UMBRA_TESTS_FSCLIENT_H
#define UMBRA_TESTS_FSCLIENT_H

#include <semaphore.h>
#include <stdint.h>

#include "abi/fuse.h"
#include "fakevm.h"
#include "vmm/backend/backend.h"
#include "vmm/fs/fs.h"
#include "vmm/virtq.h"

struct fsclient {
	struct vm vm; /* first: the fake backend gets here from it */
	struct backend backend;
	sem_t interrupts;
	struct fs *fs;
	struct um_boot_queue requests, hiprio;
	uint64_t unique;
	uint16_t seen[2];
	uint32_t uid, gid; /* of the caller */
};

/* A VM and a server without exports: add them with fs_export(c->fs, ...), then fsclient_start(). */
void fsclient_init(struct fsclient *c);
void fsclient_start(struct fsclient *c);
void fsclient_deinit(struct fsclient *c);

/* What a request consists of; NULL parts are absent. */
struct fscall {
	uint32_t opcode;
	uint64_t node;
	const void *args;
	size_t args_len;
	const char *name, *name2; /* sent with their NULs */
	const void *data;
	size_t data_len;
	void *out; /* reply without header */
	size_t out_room;
	uint32_t lie_len; /* added to in.len */
	size_t cut;	  /* bytes taken off the end of the request */
	bool no_reply;	  /* no writable part */
};

/*
 * Carries out @call. Returns the length of the reply without header, or the negative errno in it; INT32_MIN: no reply.
 */
int fscall(struct fsclient *c, const struct fscall *call);

/* A request of arguments and names, of whose reply only the length (or errno) counts. */
int fsc_call(struct fsclient *c, uint32_t opcode, uint64_t node, const void *args, size_t args_len, const char *name,
	     const char *name2);

/* The usual ones. */
int fsc_lookup(struct fsclient *c, uint64_t dir, const char *name, struct fuse_entry_out *out);
int fsc_open(struct fsclient *c, uint64_t node, uint32_t flags, uint64_t *fh);
int fsc_create(struct fsclient *c, uint64_t dir, const char *name, uint32_t flags, uint32_t mode, uint64_t *node,
	       uint64_t *fh);
int fsc_read(struct fsclient *c, uint64_t node, uint64_t fh, uint64_t off, void *buf, uint32_t size);
int fsc_write(struct fsclient *c, uint64_t node, uint64_t fh, uint64_t off, const void *buf, uint32_t size);
int fsc_release(struct fsclient *c, uint64_t node, uint64_t fh);
void fsc_forget(struct fsclient *c, uint64_t node, uint64_t n);
int fsc_getattr(struct fsclient *c, uint64_t node, struct fuse_attr *attr);

#endif
