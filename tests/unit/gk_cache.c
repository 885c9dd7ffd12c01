/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache over a file system whose disk is an array: reads, writes, truncation, holes, write-back and reclaim
 * against a plain copy of the file; a disk that fails; and all of it from several tasks at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/task.h>
#include "../../guest/fs/internal.h"
#include "../../guest/mm/cache.h"
#include "../../guest/mm/internal.h"
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

#define FILE_PAGES 40
#define FILE_BYTES (FILE_PAGES * PAGE_SIZE)

/* ---- the disk ---- */

static u8 disk[FILE_BYTES];
static loff_t disk_size;
static spinlock_t disk_lock;
static int read_error, write_error;
static u32 write_calls;

static int disk_read(struct inode *inode, struct file *file, struct page **p, u32 nr)
{
	shim_point();
	spin_lock(&disk_lock);
	for (u32 i = 0; i < nr; i++) {
		const u64 at = p[i]->index << PAGE_SHIFT;
		u8 *to = page_address(p[i]);

		assert_true(p[i]->flags & PG_LOCKED);
		if (read_error) {
			atomic_or(&p[i]->flags, PG_ERROR);
		} else {
			memset(to, 0, PAGE_SIZE);
			if ((loff_t)at < disk_size)
				memcpy(to, disk + at, MIN(PAGE_SIZE, (u64)disk_size - at));
			atomic_or(&p[i]->flags, PG_UPTODATE);
		}
		page_unlock(p[i]);
	}
	spin_unlock(&disk_lock);
	return read_error;
}

static int disk_write(struct inode *inode, struct page **p, u32 nr)
{
	shim_point();
	atomic_inc(&write_calls);
	if (READ_ONCE(write_error))
		return READ_ONCE(write_error);
	spin_lock(&disk_lock);
	for (u32 i = 0; i < nr; i++) {
		const u64 at = p[i]->index << PAGE_SHIFT;
		const loff_t size = READ_ONCE(inode->size), reached = MIN((loff_t)(at + PAGE_SIZE), size);

		assert_true(p[i]->flags & PG_LOCKED);
		assert_true(p[i]->flags & PG_UPTODATE);
		assert_true(!i || p[i]->index == p[i - 1]->index + 1);
		if ((loff_t)at >= size)
			break; /* cut off meanwhile */
		memcpy(disk + at, page_address(p[i]), MIN(PAGE_SIZE, (u64)size - at));
		disk_size = MAX(disk_size, reached);
	}
	spin_unlock(&disk_lock);
	return 0;
}

static const struct mapping_ops disk_mapping_ops = {.read_pages = disk_read, .write_pages = disk_write};

static int disk_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE) {
		if (attr->size > i->size)
			mapping_extend(&i->mapping, i->size);
		i->size = attr->size;
		mapping_truncate(&i->mapping, attr->size);
		spin_lock(&disk_lock);
		if (attr->size < disk_size) {
			memset(disk + attr->size, 0, (size_t)(disk_size - attr->size));
			disk_size = attr->size;
		}
		spin_unlock(&disk_lock);
	}
	setattr_copy(i, attr);
	return 0;
}

static int disk_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	const int err = mapping_writeback(&f->inode->mapping, start, end);

	return err ? err : mapping_error(&f->inode->mapping, &f->wb_err_seen);
}

static const struct inode_ops disk_inode_ops = {.setattr = disk_setattr};
static const struct file_ops disk_fops = {
	.read = generic_file_read,
	.write = generic_file_write,
	.llseek = generic_llseek,
	.fsync = disk_fsync,
};

static struct inode *inode;
static const struct super_ops disk_super_ops;

/* One file as the root of a file system of its own, mounted on /disk. */
static struct super *disk_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb = super_new(type, &disk_super_ops, 1);

	inode = inode_new(sb);
	inode->mode = S_IFREG | 0666;
	inode->ops = &disk_inode_ops;
	inode->fops = &disk_fops;
	inode->mapping.ops = &disk_mapping_ops;
	sb->root = d_make_root(inode);
	return sb;
}

static struct fs_type disk_type = {.name = "disk", .mount = disk_mount};
static int fd;

static int begin(void **state)
{
	memset(disk, 0, sizeof(disk));
	disk_size = 0;
	read_error = write_error = 0;
	shim_absent(NULL, 0, false);
	assert_int_equal(do_mount("disk", "disk", "/disk", 0, NULL), 0);
	fd = k_open("/disk", O_RDWR, 0);
	return fd < 0;
}

static int end(void **state)
{
	assert_int_equal(k_close(fd), 0);
	write_error = 0;
	sync_all();
	assert_int_equal(inode->mapping.nr_dirty, 0);
	assert_int_equal(k_umount("/disk", 0), 0);
	assert_int_equal(mm_stat_sum(STAT_DIRTY), 0);
	assert_int_equal(mm_stat_sum(STAT_CACHED), 0);
	return 0;
}

/* ---- against a plain copy ---- */

static u8 model[FILE_BYTES], buf[FILE_BYTES] __aligned(4096);
static loff_t model_size;

static void check_read(loff_t pos, size_t n)
{
	const ssize_t want = pos >= model_size ? 0 : (ssize_t)MIN((loff_t)n, model_size - pos);
	const ssize_t got = k_pread(fd, buf, n, pos);

	assert_int_equal(got, want);
	if (want > 0)
		assert_memory_equal(buf, model + pos, (size_t)want);
}

static void check_disk(void)
{
	if (model_size > disk_size) {
		/* A hole at the end need not be there. */
		for (loff_t i = disk_size; i < model_size; i++)
			assert_int_equal(model[i], 0);
	}
	assert_true(disk_size <= model_size);
	assert_memory_equal(disk, model, (size_t)disk_size);
}

static void random_step(u32 step)
{
	const loff_t pos = shim_random(FILE_BYTES);
	const size_t n = 1 + shim_random(shim_random(4) ? 6000 : 60000) % (size_t)(FILE_BYTES - pos);

	switch (shim_random(10)) {
	case 0:
	case 1:
	case 2:
		memset(buf, (int)(step % 255 + 1), n);
		if (shim_random(2))
			shim_absent(buf + shim_random((u32)n), PAGE_SIZE * 3, false); /* is faulted in on the way */
		assert_int_equal(k_pwrite(fd, buf, n, pos), n);
		shim_absent(NULL, 0, false);
		memset(model + pos, (int)(step % 255 + 1), n);
		model_size = MAX(model_size, pos + (loff_t)n);
		break;
	case 3:
	case 4:
	case 5:
		check_read(pos, n);
		break;
	case 6:
		if (shim_random(3))
			break;
		assert_int_equal(k_ftruncate(fd, pos), 0);
		if (pos < model_size)
			memset(model + pos, 0, (size_t)(model_size - pos));
		model_size = pos;
		break;
	case 7:
		assert_int_equal(mapping_writeback(&inode->mapping, pos, pos + (loff_t)n), 0);
		break;
	case 8:
		if (shim_random(2)) {
			assert_int_equal(SHIM_CALL(fsync, (u64)fd), 0);
			assert_int_equal(inode->mapping.nr_dirty, 0);
			check_disk();
		} else {
			mapping_invalidate(&inode->mapping, (u64)pos >> PAGE_SHIFT, ~0ull, shim_random(2));
		}
		break;
	default:
		pagecache_reclaim(1 + shim_random(30));
	}
}

static void test_model(void **state)
{
	memset(model, 0, sizeof(model));
	model_size = 0;
	for (u32 step = 0; step < 4000; step++)
		random_step(step);
	check_read(0, FILE_BYTES);
	assert_int_equal(sync_all(), 0);
	check_disk();
}

/* ---- a disk that fails ---- */

static void test_errors(void **state)
{
	u8 c[PAGE_SIZE];
	const int other = k_open("/disk", O_RDWR, 0);

	memset(buf, 'a', 3 * PAGE_SIZE);
	assert_int_equal(k_pwrite(fd, buf, 3 * PAGE_SIZE, 0), 3 * PAGE_SIZE);
	write_error = -EIO;
	assert_int_equal(SHIM_CALL(fsync, (u64)fd), -EIO);
	assert_int_equal(inode->mapping.nr_dirty, 3); /* nothing is lost */
	assert_int_equal(k_pread(fd, c, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(c[0], 'a');
	write_error = 0;
	/* Whoever has the file open hears of it once. */
	assert_int_equal(SHIM_CALL(fsync, (u64)other), -EIO);
	assert_int_equal(SHIM_CALL(fsync, (u64)other), 0);
	assert_int_equal(inode->mapping.nr_dirty, 0);
	assert_int_equal(disk_size, 3 * PAGE_SIZE);
	mapping_invalidate(&inode->mapping, 0, ~0ull, true);
	assert_int_equal(inode->mapping.nr_pages, 0);
	read_error = -EIO;
	assert_int_equal(k_pread(fd, c, PAGE_SIZE, 0), -EIO);
	assert_int_equal(k_pwrite(fd, "x", 1, 5), -EIO); /* the rest of the page is unknown */
	assert_int_equal(k_pwrite(fd, buf, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(k_pread(fd, c, PAGE_SIZE, 0), PAGE_SIZE);
	read_error = 0;
	assert_int_equal(k_pread(fd, c, 1, 2 * PAGE_SIZE), 1);
	assert_int_equal(c[0], 'a');
	assert_int_equal(k_close(other), 0);
}

/* The source of a write ends in nothing: what came before it counts, the rest of the page stays as it was. */
static void test_bad_source(void **state)
{
	u8 *const source = buf + PAGE_SIZE - 100;
	char c;

	memset(buf, 'a', PAGE_SIZE);
	assert_int_equal(k_pwrite(fd, buf, PAGE_SIZE, 0), PAGE_SIZE);
	memset(buf, 'b', 2 * PAGE_SIZE);
	shim_absent(buf + PAGE_SIZE, 1, true);
	assert_int_equal(k_pwrite(fd, source, PAGE_SIZE, 0), 100);
	assert_int_equal(k_pwrite(fd, buf + PAGE_SIZE, PAGE_SIZE, 0), -EFAULT);
	assert_int_equal(k_pwrite(fd, buf + PAGE_SIZE, PAGE_SIZE, 5 * PAGE_SIZE), -EFAULT);
	assert_int_equal(inode->size, PAGE_SIZE);
	assert_int_equal(k_pread(fd, &c, 1, 99), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(k_pread(fd, &c, 1, 100), 1);
	assert_int_equal(c, 'a');
	/* A page of its own, where nothing was before. */
	assert_int_equal(k_pwrite(fd, source, PAGE_SIZE, 8 * PAGE_SIZE), 100);
	assert_int_equal(inode->size, 8 * PAGE_SIZE + 100);
	/* And one that comes when it is asked for. */
	shim_absent(buf + PAGE_SIZE, 1, false);
	assert_int_equal(k_pwrite(fd, source, PAGE_SIZE, 9 * PAGE_SIZE), PAGE_SIZE);
	shim_absent(NULL, 0, false);
}

/* ---- several tasks ---- */

/* Each writes its own number; whoever reads sees numbers or nothing, and no rubbish of pages that were never filled. */
static void churn(void *arg)
{
	const u8 me = (u8)((u64)arg + 1);
	u8 *mine = malloc(20000);

	for (u32 i = 0; i < 200; i++) {
		const loff_t pos = shim_random(FILE_BYTES - 20000);
		const size_t n = 1 + shim_random(20000);
		ssize_t got;

		switch (shim_random(7)) {
		case 0:
		case 1:
			memset(mine, me, n);
			assert_int_equal(k_pwrite(fd, mine, n, pos), n);
			break;
		case 2:
		case 3:
			got = k_pread(fd, mine, n, pos);
			assert_true(got >= 0);
			for (ssize_t k = 0; k < got; k++)
				assert_true(mine[k] <= 4);
			break;
		case 4:
			assert_int_equal(k_ftruncate(fd, pos), 0);
			break;
		case 5:
			assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
			break;
		default:
			if (shim_random(2))
				pagecache_reclaim(10);
			else
				mapping_invalidate(&inode->mapping, 0, ~0ull, true);
		}
	}
	free(mine);
}

static void test_churn(void **state)
{
	shim_stir(8);
	shim_together(4, churn);
	shim_stir(0);
	/* What the cache says is what gets to the disk. */
	const ssize_t n = k_pread(fd, model, FILE_BYTES, 0);

	assert_int_equal(n, inode->size);
	model_size = n;
	assert_int_equal(sync_all(), 0);
	check_disk();
	mapping_invalidate(&inode->mapping, 0, ~0ull, true);
	assert_int_equal(inode->mapping.nr_pages, 0);
	check_read(0, FILE_BYTES);
}

/* Appends meet write-back and readers: nothing is lost, nothing is doubled. */
static void appender(void *arg)
{
	const u8 me = (u8)((u64)arg + 'A');
	const int mine = k_open("/disk", O_WRONLY | O_APPEND, 0);
	u8 line[37];

	memset(line, me, sizeof(line));
	for (u32 i = 0; i < 150; i++) {
		assert_int_equal(k_write(mine, line, sizeof(line)), sizeof(line));
		if (!shim_random(20))
			assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
		if (!shim_random(20))
			pagecache_reclaim(10);
	}
	assert_int_equal(k_close(mine), 0);
}

static void test_append(void **state)
{
	u32 count[4] = {0};

	shim_stir(8);
	shim_together(4, appender);
	shim_stir(0);
	assert_int_equal(sync_all(), 0);
	assert_int_equal(disk_size, 4 * 150 * 37);
	for (loff_t at = 0; at < disk_size; at += 37) {
		for (u32 i = 1; i < 37; i++)
			assert_int_equal(disk[at + i], disk[at]);
		count[disk[at] - 'A']++;
	}
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(count[i], 150);
}

/* ---- no memory ---- */

static int op_write(void *arg)
{
	memset(buf, 'x', 30 * PAGE_SIZE);
	const ssize_t n = k_pwrite(fd, buf, 30 * PAGE_SIZE, 0);

	if (n == 30 * (ssize_t)PAGE_SIZE || n < 0)
		return n < 0 ? (int)n : 0;
	assert_true(n > 0); /* a part */
	return 0;
}

static int op_read(void *arg)
{
	const ssize_t n = k_pread(fd, buf, 30 * PAGE_SIZE, 0);

	return n < 0 ? (int)n : 0;
}

static void undo(void *arg)
{
	mapping_writeback(&inode->mapping, 0, INT64_MAX);
	mapping_invalidate(&inode->mapping, 0, ~0ull, true);
	assert_int_equal(inode->mapping.nr_pages, 0);
}

static void test_no_memory(void **state)
{
	shim_exhaust(op_write, undo, NULL, true);
	assert_int_equal(k_pwrite(fd, buf, 30 * PAGE_SIZE, 0), 30 * PAGE_SIZE);
	undo(NULL);
	shim_exhaust(op_read, undo, NULL, true);
}

static int setup(void **state)
{
	int made;

	shim_vfs();
	register_fs(&disk_type);
	made = k_open("/disk", O_CREAT | O_RDWR, 0666);
	return made < 0 ? made : k_close(made);
}

#define CACHE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CACHE_TEST(test_model), CACHE_TEST(test_errors), CACHE_TEST(test_bad_source),
		CACHE_TEST(test_churn), CACHE_TEST(test_append), CACHE_TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
