/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache's way to the server: pages are filled and written straight by the VMM, in one request per run.
 * Neighbouring pages that are neighbours in RAM too are one buffer.
 *
 * Reads do not wait: pages stay locked until the reply, which unlocks them. Writes do.
 */
#include "fuse.h"

struct page_read {
	struct fuse_async a;
	struct inode *inode; /* alive: it has locked pages */
	struct fuse_fh *fh;  /* NULL: comes with the reply */
	u32 nr;
	struct page *pages[];
};

/* Collects buffers for as many pages as fit; returns how many pages that is. */
static u32 gather(struct page **p, u32 nr, struct virtq_buf *bufs, u32 *nr_bufs)
{
	u32 n, b = 0;

	if (nr > UM_FUSE_MAX_DATA / PAGE_SIZE)
		nr = UM_FUSE_MAX_DATA / PAGE_SIZE;
	for (n = 0; n < nr; n++) {
		if (b && page_to_pfn(p[n]) == page_to_pfn(p[n - 1]) + 1) {
			bufs[b - 1].len += (u32)PAGE_SIZE;
			continue;
		}
		if (b == FUSE_MAX_BUFS)
			break;
		bufs[b++] = (struct virtq_buf){page_address(p[n]), (u32)PAGE_SIZE};
	}
	*nr_bufs = b;
	return n;
}

static void end_read(struct page *p, ssize_t got)
{
	if (got < 0) {
		atomic_or(&p->flags, PG_ERROR);
	} else {
		/* Short: the end of the host's file. What lies behind it reads as zero. */
		if (got < (ssize_t)PAGE_SIZE)
			memset((char *)page_address(p) + got, 0, PAGE_SIZE - (size_t)got);
		atomic_and(&p->flags, ~PG_ERROR);
		atomic_or(&p->flags, PG_UPTODATE);
	}
	page_unlock(p);
}

static void read_done(struct virtq_req *vr)
{
	struct page_read *r = container_of(vr, struct page_read, a.vr);
	ssize_t left = fuse_result(&r->a);

	if (!r->fh && left >= 0)
		fuse_fh_opened(r->inode, r->a.open.fh);
	for (u32 i = 0; i < r->nr; i++) {
		end_read(r->pages[i], left);
		if (left > 0)
			left -= MIN(left, (ssize_t)PAGE_SIZE);
	}
	fuse_fh_put(r->fh);
	kfree(r);
}

/*
 * Sends one request for the first of the pages; returns how many it covers, or -ENOMEM. Without @fh it opens the file
 * too.
 */
static long send_read(struct inode *inode, struct fuse_fh *fh, struct page **p, u32 nr)
{
	struct virtq_buf bufs[FUSE_MAX_BUFS];
	u32 nr_bufs, n = gather(p, nr, bufs, &nr_bufs);
	struct page_read *r = kzalloc(sizeof(*r) + n * sizeof(r->pages[0]));

	if (!r)
		return -ENOMEM;
	r->inode = inode;
	r->fh = fh ? fuse_fh_get(fh) : NULL;
	r->nr = n;
	memcpy(r->pages, p, n * sizeof(r->pages[0]));
	r->a.arg.read = (struct fuse_read_in){
		.fh = fh ? fh->fh : 0, .offset = p[0]->index << PAGE_SHIFT, .size = n << PAGE_SHIFT};
	r->a.arg_size = sizeof(r->a.arg.read);
	r->a.vr.done = read_done;
	fuse_send(&r->a, fh ? FUSE_READ : UM_FUSE_OPEN_READ, fuse_i(inode)->nodeid, bufs, nr_bufs);
	return n;
}

static int fuse_read_pages(struct inode *inode, struct file *file, struct page **p, u32 nr)
{
	struct fuse_fh *fh = file && file->private ? fuse_fh_get(file->private) : fuse_fh_existing(inode, false);
	long n = 0;

	while (nr && n >= 0) {
		n = send_read(inode, fh, p, nr);
		if (n > 0) {
			p += n;
			nr -= (u32)n;
		}
	}
	fuse_kick();
	fuse_fh_put(fh);
	for (u32 i = 0; i < nr; i++)
		end_read(p[i], n);
	return n < 0 ? (int)n : 0;
}

static int fuse_write_pages(struct inode *inode, struct page **p, u32 nr)
{
	struct fuse_fh *fh;
	int err = 0;

	if (!inode->nlink && !READ_ONCE(fuse_i(inode)->openers))
		return 0; /* nobody can ever read it */
	fh = fuse_fh_open(inode, true);
	if (IS_ERR(fh)) {
		/* Removed on the host, and nobody has it open: there is no place for the data, now or later. */
		WARN_ONCE(PTR_ERR(fh) == -ESTALE, "written data of a file that is gone on the host is lost\n");
		return PTR_ERR(fh) == -ESTALE ? 0 : (int)PTR_ERR(fh);
	}
	fuse_changed(inode, true);
	while (nr && !err) {
		struct virtq_buf bufs[FUSE_MAX_BUFS];
		const u64 start = p[0]->index << PAGE_SHIFT, size = (u64)READ_ONCE(inode->size);
		u32 nr_bufs, n = gather(p, nr, bufs, &nr_bufs);
		u64 bytes = (u64)n << PAGE_SHIFT;

		if (start >= size)
			break; /* cut off meanwhile */
		if (start + bytes > size) {
			/* The last page that counts, and none behind it. */
			n = gather(p, (u32)((size - start + PAGE_SIZE - 1) >> PAGE_SHIFT), bufs, &nr_bufs);
			bytes = size - start;
			bufs[nr_bufs - 1].len -= (u32)(((u64)n << PAGE_SHIFT) - bytes);
		}
		err = fuse_write_bufs(fh, start, (u32)bytes, bufs, nr_bufs);
		p += n;
		nr -= n;
	}
	fuse_changed(inode, true); /* nor to what was asked meanwhile */
	fuse_fh_put(fh);
	return err;
}

const struct mapping_ops fuse_mapping_ops = {
	.read_pages = fuse_read_pages,
	.write_pages = fuse_write_pages,
};
