/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF64 loader: maps a program and its interpreter into a new address space and lays out the initial stack
 * (System V ABI, AMD64 supplement, "Process Initialization").
 *
 * The file is untrusted: every number is checked before use; addresses end up in do_mmap(), which checks ranges. The
 * new mm is not loaded while we build it: memory of it is written with access_process_vm().
 */
#include <gk/cred.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/fpu.h>
#include <gk/init.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "../arch/x86_64/arch.h"
#include "../mm/mmap.h"
#include "elf.h"

#define PIE_BASE 0x555555554000ull /* two thirds of the user range, where Linux puts position-independent programs */
#define STACK_INITIAL (132ul * 1024)
#define PHDRS_MAX (65536 / sizeof(struct elf_phdr))

/* One mapped ELF file. */
struct image {
	struct file *file;
	struct elf_ehdr eh;
	struct elf_phdr *ph;
	u64 bias;      /* added to every p_vaddr */
	u64 phdr_addr; /* where the headers are in memory, or 0 */
	u64 end_brk;   /* end of the highest segment, with bss */
	u64 start_code, end_code, start_data, end_data;
	bool exec_stack;
};

static bool randomize(void)
{
	return !(current->process->personality & ADDR_NO_RANDOMIZE);
}

static int read_exact(struct file *f, void *buf, size_t n, u64 pos)
{
	loff_t at = (loff_t)pos;
	ssize_t got;

	if (at < 0)
		return -ENOEXEC;
	got = kernel_read(f, buf, n, &at);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -ENOEXEC;
}

static int check_header(const struct elf_ehdr *eh)
{
	/* Linux does not look at the rest of e_ident: sizes and machine say enough. */
	if (memcmp(eh->e_ident, "\177ELF", 4))
		return -ENOEXEC;
	if (eh->e_machine != EM_X86_64 || (eh->e_type != ET_EXEC && eh->e_type != ET_DYN))
		return -ENOEXEC;
	if (eh->e_phentsize != sizeof(struct elf_phdr) || !eh->e_phnum || eh->e_phnum > PHDRS_MAX)
		return -ENOEXEC;
	return 0;
}

static int read_headers(struct image *im)
{
	size_t size = im->eh.e_phnum * sizeof(struct elf_phdr);
	int err;

	im->ph = kmalloc(size);
	if (!im->ph)
		return -ENOMEM;
	err = read_exact(im->file, im->ph, size, im->eh.e_phoff);
	return err;
}

/* From the lowest to the highest loaded byte, in whole pages; 0: nothing to load, or nonsense. */
static u64 total_size(const struct image *im, u64 *lowest, u64 *align)
{
	u64 lo = ~0ull, hi = 0;

	*align = PAGE_SIZE;
	for (u32 i = 0; i < im->eh.e_phnum; i++) {
		const struct elf_phdr *p = &im->ph[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_vaddr + p->p_memsz < p->p_vaddr ||
		    p->p_vaddr + p->p_memsz > TASK_SIZE_MAX)
			return 0;
		if (!(p->p_align & (p->p_align - 1)) && p->p_align > *align && p->p_align <= (1ull << 30))
			*align = p->p_align;
		lo = MIN(lo, p->p_vaddr);
		hi = MAX(hi, p->p_vaddr + p->p_memsz);
	}
	*lowest = ALIGN_DOWN(lo, PAGE_SIZE);
	return hi > lo ? PAGE_ALIGN(hi) - *lowest : 0;
}

static u32 segment_prot(const struct elf_phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

static int zero_range(struct mm *mm, u64 addr, u64 len)
{
	static const u8 zeros[256];

	while (len) {
		size_t n = MIN(len, (u64)sizeof(zeros));
		ssize_t done = access_process_vm(mm, addr, (void *)(u64)zeros, n, true, true);

		if (done != (ssize_t)n)
			return done < 0 ? (int)done : -EFAULT;
		addr += n;
		len -= n;
	}
	return 0;
}

static int map_segment(struct mm *mm, struct image *im, const struct elf_phdr *p)
{
	u64 start = im->bias + p->p_vaddr, in_page = start & ~PAGE_MASK;
	u64 file_end = start + p->p_filesz, mem_end = start + p->p_memsz;
	u64 mapped_end = p->p_filesz ? PAGE_ALIGN(file_end) : ALIGN_DOWN(start, PAGE_SIZE);
	u32 prot = segment_prot(p);
	long ret;

	if (p->p_filesz) {
		if ((p->p_offset & ~PAGE_MASK) != in_page || p->p_offset + p->p_filesz < p->p_offset)
			return -EINVAL;
		ret = do_mmap(mm, im->file, start - in_page, p->p_filesz + in_page, prot, MAP_PRIVATE | MAP_FIXED,
			      (p->p_offset - in_page) >> PAGE_SHIFT);
		if (ret < 0)
			return (int)ret;
	}
	if (p->p_filesz && mem_end > file_end && file_end < mapped_end && (prot & PROT_WRITE)) {
		ret = zero_range(mm, file_end, MIN(mapped_end, PAGE_ALIGN(mem_end)) - file_end);
		if (ret)
			return (int)ret;
	}
	if (PAGE_ALIGN(mem_end) > mapped_end) {
		ret = do_mmap(mm, NULL, mapped_end, PAGE_ALIGN(mem_end) - mapped_end, prot,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
		if (ret < 0)
			return (int)ret;
	}
	return 0;
}

static void note_bounds(struct image *im, const struct elf_phdr *p)
{
	u64 start = im->bias + p->p_vaddr, file_end = start + p->p_filesz;

	if (p->p_flags & PF_X) {
		if (!im->start_code || start < im->start_code)
			im->start_code = start;
		im->end_code = MAX(im->end_code, file_end);
	}
	if (start > im->start_data)
		im->start_data = start;
	im->end_data = MAX(im->end_data, file_end);
	im->end_brk = MAX(im->end_brk, start + p->p_memsz);
	/* The program headers lie in the segment whose file part covers them. */
	if (im->eh.e_phoff >= p->p_offset && im->eh.e_phoff - p->p_offset < p->p_filesz)
		im->phdr_addr = start + (im->eh.e_phoff - p->p_offset);
}

/* Maps all segments; for ET_DYN at @base, or where there is room if that is 0 or taken. */
static int map_image(struct mm *mm, struct image *im, u64 base)
{
	u64 lowest, align, size = total_size(im, &lowest, &align), room;
	long where;
	int err = 0;

	if (!size)
		return -ENOEXEC;
	im->bias = 0;
	if (im->eh.e_type == ET_DYN) {
		/* Find room for the whole, with slack to align; nobody else uses this mm, so it stays free. */
		room = size + align - PAGE_SIZE;
		where = do_mmap(mm, NULL, base ? ALIGN_DOWN(base, align) : 0, room, 0,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
		if (where < 0)
			return (int)where;
		err = do_munmap(mm, (u64)where, room);
		if (err)
			return err;
		im->bias = ALIGN_UP((u64)where, align) - lowest;
	}
	for (u32 i = 0; i < im->eh.e_phnum && !err; i++) {
		if (im->ph[i].p_type != PT_LOAD)
			continue;
		err = map_segment(mm, im, &im->ph[i]);
		note_bounds(im, &im->ph[i]);
	}
	return err;
}

static const struct elf_phdr *find_phdr(const struct image *im, u32 type)
{
	for (u32 i = 0; i < im->eh.e_phnum; i++) {
		if (im->ph[i].p_type == type)
			return &im->ph[i];
	}
	return NULL;
}

/* The interpreter @im asks for. 0 with interp->file NULL: none. */
static int open_interpreter(const struct image *im, struct image *interp)
{
	const struct elf_phdr *p = find_phdr(im, PT_INTERP);
	char *name;
	int err;

	if (!p)
		return 0;
	if (p->p_filesz < 2 || p->p_filesz > PATH_MAX)
		return -ENOEXEC;
	name = kmalloc(p->p_filesz);
	if (!name)
		return -ENOMEM;
	err = read_exact(im->file, name, p->p_filesz, p->p_offset);
	if (!err && name[p->p_filesz - 1])
		err = -ENOEXEC;
	if (!err) {
		interp->file = open_exec(name);
		if (IS_ERR(interp->file)) {
			err = (int)PTR_ERR(interp->file);
			interp->file = NULL;
		}
	}
	kfree(name);
	if (err)
		return err;
	err = read_exact(interp->file, &interp->eh, sizeof(interp->eh), 0);
	if (!err && check_header(&interp->eh))
		err = -ELIBBAD;
	if (!err)
		err = read_headers(interp);
	return err == -ENOEXEC ? -EIO : err;
}

/* ---- the stack ---- */

struct stack_builder {
	struct exec *e;
	struct mm *mm;
	u64 *table; /* argc, argv, 0, envp, 0, auxv */
	u32 n;
};

static int put_strings(struct mm *mm, u64 at, const struct argpages *a, size_t from)
{
	for (size_t off = from; off < a->len;) {
		size_t n = MIN(a->len - off, PAGE_SIZE - off % PAGE_SIZE);
		ssize_t done = access_process_vm(mm, at + (off - from), a->page[off / PAGE_SIZE] + off % PAGE_SIZE, n,
						 true, true);

		if (done != (ssize_t)n)
			return done < 0 ? (int)done : -E2BIG;
		off += n;
	}
	return 0;
}

static int put_bytes(struct mm *mm, u64 at, const void *data, size_t n)
{
	ssize_t done = access_process_vm(mm, at, (void *)(u64)data, n, true, true);

	return done == (ssize_t)n ? 0 : done < 0 ? (int)done : -E2BIG;
}

static void put_aux(struct stack_builder *b, u64 type, u64 value)
{
	b->table[b->n++] = type;
	b->table[b->n++] = value;
}

static u64 hwcap(void)
{
	u32 a, b, c, d;

	cpuid(1, 0, &a, &b, &c, &d);
	return d;
}

static void build_auxv(struct stack_builder *b, const struct image *im, u64 base, u64 random, u64 execfn, u64 platform)
{
	const struct cred *c = b->e->cred;
	u32 start = b->n;

	if (b->mm->vdso)
		put_aux(b, AT_SYSINFO_EHDR, b->mm->vdso);
	put_aux(b, AT_MINSIGSTKSZ, fpu_bytes + 1024);
	put_aux(b, AT_HWCAP, hwcap());
	put_aux(b, AT_PAGESZ, PAGE_SIZE);
	put_aux(b, AT_CLKTCK, 100);
	put_aux(b, AT_PHDR, im->phdr_addr);
	put_aux(b, AT_PHENT, sizeof(struct elf_phdr));
	put_aux(b, AT_PHNUM, im->eh.e_phnum);
	put_aux(b, AT_BASE, base);
	put_aux(b, AT_FLAGS, 0);
	put_aux(b, AT_ENTRY, im->bias + im->eh.e_entry);
	put_aux(b, AT_UID, c->uid);
	put_aux(b, AT_EUID, c->euid);
	put_aux(b, AT_GID, c->gid);
	put_aux(b, AT_EGID, c->egid);
	put_aux(b, AT_SECURE, b->e->secure);
	put_aux(b, AT_RANDOM, random);
	put_aux(b, AT_HWCAP2, HWCAP2_FSGSBASE);
	put_aux(b, AT_EXECFN, execfn);
	put_aux(b, AT_PLATFORM, platform);
	put_aux(b, AT_RSEQ_FEATURE_SIZE, 28);
	put_aux(b, AT_RSEQ_ALIGN, 32);
	put_aux(b, AT_NULL, 0);
	memcpy(b->mm->saved_auxv, b->table + start, MIN(sizeof(b->mm->saved_auxv), (b->n - start) * sizeof(u64)));
}

#define AUX_MAX 32

/* Size of what the strings take, and where each group starts relative to the first. */
struct string_layout {
	size_t prefix, args, env, execfn, total;
	size_t args_from; /* first byte of args that is used */
	u32 argc, envc;
};

static void lay_out_strings(const struct exec *e, struct string_layout *l)
{
	u32 skip = e->nr_prefix ? 1 : 0;

	l->prefix = 0;
	for (u32 i = 0; i < e->nr_prefix; i++)
		l->prefix += strlen(e->prefix[i]) + 1;
	l->args_from = skip && e->args.nr > 1 ? e->args.offset[1] : skip ? e->args.len : 0;
	l->args = e->args.len - l->args_from;
	l->env = e->env.len;
	l->execfn = strlen(e->filename) + 1;
	l->total = l->prefix + l->args + l->env + l->execfn;
	l->argc = e->nr_prefix + e->args.nr - MIN(skip, e->args.nr);
	l->envc = e->env.nr;
}

static int write_strings(struct stack_builder *b, const struct string_layout *l, u64 at)
{
	const struct exec *e = b->e;
	u32 skip = e->nr_prefix ? 1 : 0;
	u64 pos = at;
	int err = 0;

	b->table[b->n++] = l->argc;
	for (u32 i = 0; i < e->nr_prefix && !err; i++) {
		b->table[b->n++] = pos;
		err = put_bytes(b->mm, pos, e->prefix[i], strlen(e->prefix[i]) + 1);
		pos += strlen(e->prefix[i]) + 1;
	}
	for (u32 i = skip; i < e->args.nr; i++)
		b->table[b->n++] = pos + e->args.offset[i] - l->args_from;
	b->table[b->n++] = 0;
	if (!err)
		err = put_strings(b->mm, pos, &e->args, l->args_from);
	pos += l->args;
	b->mm->arg_start = at;
	b->mm->arg_end = b->mm->env_start = pos;
	for (u32 i = 0; i < e->env.nr; i++)
		b->table[b->n++] = pos + e->env.offset[i];
	b->table[b->n++] = 0;
	if (!err)
		err = put_strings(b->mm, pos, &e->env, 0);
	pos += l->env;
	b->mm->env_end = pos;
	return err ? err : put_bytes(b->mm, pos, e->filename, l->execfn);
}

static int build_stack(struct exec *e, const struct image *im, u64 base)
{
	static const char platform[] = "x86_64";
	struct stack_builder b = {.e = e, .mm = e->mm};
	struct string_layout l;
	u64 top = user_limits.hi_end, strings, random, table, small;
	u8 random_data[16];
	size_t table_bytes;
	int err;

	if (randomize())
		top -= ALIGN_DOWN(random_u64() % STACK_RANDOM_BYTES, PAGE_SIZE);
	lay_out_strings(e, &l);
	strings = top - 16 - l.total;
	small = ALIGN_DOWN(strings, 16);
	if (randomize())
		small -= random_u64() % 512 * 16;
	random = small - 16;
	small = random - 16; /* the platform's name */
	table_bytes = (l.argc + l.envc + 3ul + 2 * AUX_MAX) * sizeof(u64);
	b.table = kmalloc(table_bytes);
	if (!b.table)
		return -ENOMEM;
	err = setup_stack_vma(e->mm, top, PAGE_ALIGN(top - small + table_bytes + STACK_INITIAL), im->exec_stack);
	if (err)
		goto out;
	err = write_strings(&b, &l, strings);
	if (err)
		goto out;
	build_auxv(&b, im, base, random, strings + l.total - l.execfn, small);
	table = ALIGN_DOWN(small - b.n * sizeof(u64), 16);
	random_bytes(random_data, sizeof(random_data));
	err = put_bytes(e->mm, random, random_data, sizeof(random_data));
	if (!err)
		err = put_bytes(e->mm, small, platform, sizeof(platform));
	if (!err)
		err = put_bytes(e->mm, table, b.table, b.n * sizeof(u64));
	e->mm->start_stack = table;
	e->sp = table;
out:
	kfree(b.table);
	return err;
}

/* ---- all of it ---- */

static u64 pie_base(void)
{
	return PIE_BASE + (randomize() ? (random_u64() & 0xfffffff) << PAGE_SHIFT : 0);
}

static void set_brk(struct mm *mm, const struct image *im, bool has_interp)
{
	u64 brk = im->end_brk;

	/* A loader run by hand, or a static PIE, lies among the mmaps: its heap goes where programs are. */
	if (im->eh.e_type == ET_DYN && !has_interp)
		brk = PIE_BASE;
	brk = PAGE_ALIGN(brk);
	if (randomize())
		brk += (random_u64() & 0x1fff) << PAGE_SHIFT;
	mm->start_brk = mm->brk = brk;
}

static int load_both(struct exec *e, struct image *im, struct image *interp)
{
	struct mm *mm = e->mm;
	const struct elf_phdr *stack = find_phdr(im, PT_GNU_STACK);
	int err;

	im->exec_stack = !stack || (stack->p_flags & PF_X);
	err = map_image(mm, im, interp->file && im->eh.e_type == ET_DYN ? pie_base() : 0);
	if (err)
		return err;
	set_brk(mm, im, interp->file);
	if (interp->file) {
		err = map_image(mm, interp, 0);
		if (err)
			return err;
	}
	direct_mm_setup(mm, interp->file ? DIRECT_ALL : DIRECT_OWN); /* after the segments: they may need its place */
	mm->start_code = im->start_code;
	mm->end_code = im->end_code;
	mm->start_data = im->start_data;
	mm->end_data = im->end_data;
	vdso_map(mm);
	e->entry = interp->file ? interp->bias + interp->eh.e_entry : im->bias + im->eh.e_entry;
	return build_stack(e, im, interp->file ? interp->bias : 0);
}

int elf_load(struct exec *e)
{
	struct image im = {.file = e->file}, interp = {0};
	int err;

	memcpy(&im.eh, e->head, sizeof(im.eh));
	err = check_header(&im.eh);
	if (!err)
		err = read_headers(&im);
	if (!err)
		err = open_interpreter(&im, &interp);
	if (err)
		goto out;
	e->mm = mm_new(mm_new_family());
	if (IS_ERR_OR_NULL(e->mm)) {
		err = e->mm ? (int)PTR_ERR(e->mm) : -ENOMEM;
		e->mm = NULL;
		goto out;
	}
	e->mm->exe_file = file_get(e->file);
	deny_write(file_inode(e->file)); /* cannot fail: e->file denies already */
	err = load_both(e, &im, &interp);
	if (err) {
		mm_put_user(e->mm);
		e->mm = NULL;
	}
out:
	if (interp.file)
		exec_file_put(interp.file);
	kfree(im.ph);
	kfree(interp.ph);
	return err;
}
