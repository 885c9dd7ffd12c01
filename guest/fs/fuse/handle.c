/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files open at the server.
 *
 * An open file of the guest needs no server file of its own: offsets are explicit, so all opens of an inode share one
 * handle for reading and one for writing (which reads too). The one for reading stays with the inode after the last
 * close, so that opening a file again costs nothing; the oldest such handles are closed when there are many. The one
 * for writing goes with the last writer: a host that holds a file open for writing cannot execute it.
 *
 * Opening for reading what the server says it can read is put off: the first read brings the handle along.
 */
#include "fuse.h"

/*
 * Idle read handles: the host's descriptors are worth something, and most of what the server can hold is for open
 * files.
 */
#define MAX_IDLE 512
#define IDLE_SHARE 4

static u32 max_idle = MAX_IDLE; /* immutable once connected */

static spinlock_t idle_lock = SPINLOCK_INIT; /* outer to fi->lock */
static LIST_HEAD(idle);			     /* idle_lock: oldest first */
static u32 nr_idle;			     /* idle_lock */

void fuse_fh_set_max(u32 max_open)
{
	max_idle = MIN(max_open / IDLE_SHARE, (u32)MAX_IDLE);
}

struct fuse_fh *fuse_fh_get(struct fuse_fh *fh)
{
	refcount_inc(&fh->refs);
	return fh;
}

static void release_done(struct virtq_req *r)
{
	kfree(container_of(r, struct fuse_fh, release.vr));
}

/* Sends the release. False: no room in the ring. */
static bool send_release(struct fuse_fh *fh)
{
	fh->release.arg.release = (struct fuse_release_in){.fh = fh->fh};
	fh->release.arg_size = sizeof(fh->release.arg.release);
	fh->release.vr.done = release_done;
	return fuse_send_quiet(&fh->release, FUSE_RELEASE, fh->nodeid) == 0;
}

/* Handles whose release found no room, tried again with the next. */
static spinlock_t dead_lock = SPINLOCK_INIT;
static struct fuse_fh *dead; /* dead_lock */

static void bury(struct fuse_fh *fh)
{
	spin_lock(&dead_lock);
	fh->dead_next = dead;
	dead = fh;
	while (dead) {
		fh = dead;
		dead = fh->dead_next;
		if (!send_release(fh)) {
			fh->dead_next = dead;
			dead = fh;
			break;
		}
	}
	spin_unlock(&dead_lock);
}

void fuse_fh_put(struct fuse_fh *fh)
{
	bool writable;

	if (!fh || !refcount_dec_and_test(&fh->refs))
		return;
	writable = fh->writable;
	bury(fh);
	/* Until it is closed there, the host cannot execute the file. */
	if (writable)
		fuse_kick_quiet();
}

static struct fuse_fh *fh_new(u64 nodeid, u64 nr, bool writable)
{
	struct fuse_fh *fh = kzalloc(sizeof(*fh));

	if (!fh)
		return NULL;
	refcount_set(&fh->refs, 1);
	fh->nodeid = nodeid;
	fh->fh = nr;
	fh->writable = writable;
	return fh;
}

static struct fuse_fh *open_at_server(struct inode *i, bool write)
{
	const struct fuse_open_in in = {.flags = write ? O_RDWR : O_RDONLY};
	struct fuse_open_out out;
	const struct fuse_call c = {.opcode = FUSE_OPEN,
				    .nodeid = fuse_i(i)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	const int err = fuse_call_exact(&c);
	struct fuse_fh *fh;

	if (err)
		return ERR_PTR(err);
	fh = fh_new(fuse_i(i)->nodeid, out.fh, write);
	return fh ? fh : ERR_PTR(-ENOMEM);
}

/* The handle there is, with a reference. fi->lock held. */
static struct fuse_fh *existing(struct fuse_inode *fi, bool write)
{
	struct fuse_fh *fh = fi->rw ? fi->rw : write ? NULL : fi->ro;

	return fh ? fuse_fh_get(fh) : NULL;
}

/* Takes the read handle off an inode that is in the list; idle_lock held. */
static struct fuse_fh *take_idle(struct fuse_inode *fi)
{
	struct fuse_fh *fh;

	list_del(&fi->idle_link);
	nr_idle--;
	spin_lock(&fi->lock);
	fh = fi->ro;
	fi->ro = NULL;
	spin_unlock(&fi->lock);
	return fh;
}

/* fi->ro was set: the inode joins the list, somebody older may leave. */
static void note_idle(struct fuse_inode *fi)
{
	struct fuse_fh *old = NULL;

	spin_lock(&idle_lock);
	if (list_empty(&fi->idle_link)) {
		list_add_tail(&fi->idle_link, &idle);
		nr_idle++;
	}
	if (nr_idle > max_idle)
		old = take_idle(list_first_entry(&idle, struct fuse_inode, idle_link));
	spin_unlock(&idle_lock);
	fuse_fh_put(old);
}

struct fuse_fh *fuse_fh_existing(struct inode *i, bool write)
{
	struct fuse_inode *fi = fuse_i(i);
	struct fuse_fh *fh;

	spin_lock(&fi->lock);
	fh = existing(fi, write);
	spin_unlock(&fi->lock);
	return fh;
}

/* The inode keeps @fh (consumed), unless it has one already. Returns the one it has, with a reference. */
static struct fuse_fh *keep(struct fuse_inode *fi, struct fuse_fh *fh)
{
	struct fuse_fh *other;

	spin_lock(&fi->lock);
	other = existing(fi, fh->writable);
	if (!other && fh->writable)
		fi->rw = fuse_fh_get(fh);
	else if (!other)
		fi->ro = fuse_fh_get(fh);
	spin_unlock(&fi->lock);
	if (other) {
		fuse_fh_put(fh);
		return other;
	}
	if (!fh->writable)
		note_idle(fi);
	return fh;
}

struct fuse_fh *fuse_fh_open(struct inode *i, bool write)
{
	struct fuse_fh *fh = fuse_fh_existing(i, write);

	if (fh)
		return fh;
	fh = open_at_server(i, write);
	return IS_ERR(fh) ? fh : keep(fuse_i(i), fh);
}

void fuse_fh_opened(struct inode *i, u64 nr)
{
	struct fuse_fh *fh = fh_new(fuse_i(i)->nodeid, nr, false);

	if (fh) /* else the server keeps it open until the end; nothing else is lost */
		fuse_fh_put(keep(fuse_i(i), fh));
}

void fuse_fh_adopt(struct inode *i, u64 nr)
{
	struct fuse_inode *fi = fuse_i(i);
	struct fuse_fh *fh = fh_new(fi->nodeid, nr, true);

	if (!fh)
		return; /* the server keeps it open until the end; nothing else is lost */
	spin_lock(&fi->lock);
	if (!fi->rw) {
		fi->rw = fh;
		fh = NULL;
	}
	spin_unlock(&fi->lock);
	fuse_fh_put(fh);
}

void fuse_count_open(struct inode *i, s32 openers, s32 writers, s32 lazy)
{
	struct fuse_inode *fi = fuse_i(i);
	struct fuse_fh *fh = NULL;

	spin_lock(&fi->lock);
	fi->openers += (u32)openers;
	fi->writers += (u32)writers;
	fi->lazy += (u32)lazy;
	/* Also one that a CREATE brought and nobody writes through. */
	if (openers < 0 && !fi->writers) {
		fh = fi->rw;
		fi->rw = NULL;
	}
	spin_unlock(&fi->lock);
	fuse_fh_put(fh);
}

/* Takes the inode off the list; its handle stays with it. */
static void unlist(struct fuse_inode *fi)
{
	spin_lock(&idle_lock);
	if (!list_empty(&fi->idle_link)) {
		list_del(&fi->idle_link);
		nr_idle--;
	}
	spin_unlock(&idle_lock);
}

void fuse_fh_hold(struct inode *i)
{
	struct fuse_inode *fi = fuse_i(i);
	struct fuse_fh *fh;

	if (!S_ISREG(i->mode) || !READ_ONCE(fi->lazy))
		return;
	fh = fuse_fh_open(i, false);
	if (IS_ERR(fh))
		return; /* whoever reads will be told */
	unlist(fi);
	fuse_fh_put(fh);
}

void fuse_fh_drop_idle(struct inode *i)
{
	struct fuse_inode *fi = fuse_i(i);
	struct fuse_fh *ro, *rw;

	unlist(fi);
	spin_lock(&fi->lock);
	ro = fi->ro;
	rw = fi->rw;
	fi->ro = fi->rw = NULL;
	spin_unlock(&fi->lock);
	fuse_fh_put(ro);
	fuse_fh_put(rw);
}
