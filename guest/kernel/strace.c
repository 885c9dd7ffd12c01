/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --strace: one line per system call in the log, "comm[tid] name(args) = result". How an argument is shown comes from a
 * table by name; what the table does not know is shown as six hexadecimal numbers cut at the last one that is not zero.
 */
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/strace.h>
#include <gk/string.h>
#include <gk/syscall_table.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#define LINE_SIZE 400
#define TEXT_MAX 48

/*
 * Arguments by letter: d decimal, u unsigned, x hexadecimal, p pointer, o octal, s string, f descriptor, a descriptor
 * of a directory (AT_FDCWD), b buffer whose length is the next argument.
 */
struct strace_format {
	const char *name, *args;
};

static const struct strace_format formats[] = {
	{"accept", "fpp"},
	{"accept4", "fppx"},
	{"access", "so"},
	{"arch_prctl", "xp"},
	{"bind", "fpd"},
	{"brk", "p"},
	{"chdir", "s"},
	{"chmod", "so"},
	{"chown", "sdd"},
	{"clock_gettime", "dp"},
	{"clock_nanosleep", "dxpp"},
	{"clone", "xpppp"},
	{"clone3", "pu"},
	{"close", "f"},
	{"close_range", "uux"},
	{"connect", "fpd"},
	{"dup", "f"},
	{"dup2", "ff"},
	{"dup3", "ffx"},
	{"epoll_create1", "x"},
	{"epoll_ctl", "fdfp"},
	{"epoll_pwait", "fpddp"},
	{"epoll_wait", "fpdd"},
	{"eventfd2", "ux"},
	{"execve", "spp"},
	{"exit", "d"},
	{"exit_group", "d"},
	{"faccessat", "aso"},
	{"faccessat2", "asox"},
	{"fchmod", "fo"},
	{"fchmodat", "aso"},
	{"fchownat", "asddx"},
	{"fcntl", "fdx"},
	{"flock", "fx"},
	{"fstat", "fp"},
	{"fstatfs", "fp"},
	{"fsync", "f"},
	{"ftruncate", "fd"},
	{"futex", "pxdpp"},
	{"getcwd", "pu"},
	{"getdents64", "fpu"},
	{"getpgid", "d"},
	{"getpid", ""},
	{"getppid", ""},
	{"getrandom", "pux"},
	{"gettid", ""},
	{"getuid", ""},
	{"geteuid", ""},
	{"getgid", ""},
	{"getegid", ""},
	{"ioctl", "fxp"},
	{"kill", "dd"},
	{"link", "ss"},
	{"linkat", "asasx"},
	{"listen", "fd"},
	{"lseek", "fdd"},
	{"lstat", "sp"},
	{"madvise", "pud"},
	{"mkdir", "so"},
	{"mkdirat", "aso"},
	{"mmap", "puxxfx"},
	{"mount", "sssx"},
	{"mprotect", "pux"},
	{"mremap", "puuxp"},
	{"munmap", "pu"},
	{"nanosleep", "pp"},
	{"newfstatat", "aspx"},
	{"open", "sxo"},
	{"openat", "asxo"},
	{"openat2", "aspu"},
	{"pipe", "p"},
	{"pipe2", "px"},
	{"poll", "pud"},
	{"ppoll", "puppu"},
	{"prctl", "dxxxx"},
	{"pread64", "fpud"},
	{"prlimit64", "ddpp"},
	{"pselect6", "dppppp"},
	{"pwrite64", "fbud"},
	{"read", "fpu"},
	{"readlink", "spu"},
	{"readlinkat", "aspu"},
	{"readv", "fpd"},
	{"recvfrom", "fpuxpp"},
	{"recvmsg", "fpx"},
	{"rename", "ss"},
	{"renameat", "asas"},
	{"renameat2", "asasx"},
	{"rmdir", "s"},
	{"rseq", "puxx"},
	{"rt_sigaction", "dppu"},
	{"rt_sigprocmask", "dppu"},
	{"rt_sigreturn", ""},
	{"sched_yield", ""},
	{"sched_getaffinity", "dup"},
	{"sendfile", "ffpu"},
	{"sendmsg", "fpx"},
	{"sendto", "fbuxpd"},
	{"set_robust_list", "pu"},
	{"set_tid_address", "p"},
	{"setgid", "d"},
	{"setpgid", "dd"},
	{"setsid", ""},
	{"setsockopt", "fddpd"},
	{"setuid", "d"},
	{"sigaltstack", "pp"},
	{"socket", "dxd"},
	{"socketpair", "dxdp"},
	{"stat", "sp"},
	{"statfs", "sp"},
	{"statx", "asxxp"},
	{"symlink", "ss"},
	{"symlinkat", "sas"},
	{"tgkill", "ddd"},
	{"timerfd_create", "dx"},
	{"timerfd_settime", "fxpp"},
	{"truncate", "sd"},
	{"umask", "o"},
	{"uname", "p"},
	{"unlink", "s"},
	{"unlinkat", "asx"},
	{"utimensat", "aspx"},
	{"vfork", ""},
	{"fork", ""},
	{"wait4", "dpxp"},
	{"waitid", "ddpxp"},
	{"write", "fbu"},
	{"writev", "fpd"},
};

static bool tracing;
static u64 traced[NR_SYSCALLS / 64 + 1]; /* which numbers */
static const char *format_of[NR_SYSCALLS];
static char unknown[32]; /* the first word of the list that is the name of no call */

static bool is_word(const char *word, size_t len, const char *name)
{
	return strncmp(word, name, len) == 0 && !name[len];
}

/* One word of the list. */
static void trace(const char *word, size_t len)
{
	const bool all = is_word(word, len, "all");
	bool found = all;

	for (u32 nr = 0; nr < NR_SYSCALLS; nr++) {
		if (!syscall_table[nr].name || !(all || is_word(word, len, syscall_table[nr].name)))
			continue;
		traced[nr / 64] |= 1ull << (nr % 64);
		found = true;
	}
	if (!found && !unknown[0])
		scnprintf(unknown, sizeof(unknown), "%.*s", (int)MIN(len, sizeof(unknown)), word);
}

void strace_init(void)
{
	const char *list = config_get("strace"), *end;

	tracing = list || (boot->features & UM_FEAT_STRACE);
	if (!tracing)
		return;
	if (!list || !*list)
		list = "all";
	for (; *list; list = *end ? end + 1 : end) {
		end = strchr(list, ',');
		if (!end)
			end = list + strlen(list);
		trace(list, (size_t)(end - list));
	}
	for (u32 nr = 0; nr < NR_SYSCALLS; nr++) {
		for (u32 i = 0; i < ARRAY_SIZE(formats) && syscall_table[nr].name; i++) {
			if (strcmp(formats[i].name, syscall_table[nr].name) == 0)
				format_of[nr] = formats[i].args;
		}
	}
}

const char *strace_unknown(void)
{
	return unknown[0] ? unknown : NULL;
}

void strace_task(struct task *t)
{
	if (tracing)
		atomic_or(&t->work, WORK_STRACE);
}

static bool is_traced(const struct pt_regs *regs)
{
	u64 nr = regs->orig_rax;

	return nr < NR_SYSCALLS && (traced[nr / 64] & (1ull << (nr % 64)));
}

/* Text of a program, quoted; what cannot be printed as \xNN. */
static int show_text(char *out, size_t size, u64 addr, size_t len, bool stop_at_nul)
{
	char text[TEXT_MAX];
	size_t n = copy_from_user_partial(text, (void __user *)addr, MIN(len, sizeof(text)));
	int at = scnprintf(out, size, "\"");
	bool whole = n == len;

	if (!n && len)
		return scnprintf(out, size, "%#llx", (unsigned long long)addr);
	for (size_t i = 0; i < n; i++) {
		u8 c = (u8)text[i];

		if (stop_at_nul && !c) {
			whole = true;
			break;
		}
		if (c == '\n')
			at += scnprintf(out + at, size - (size_t)at, "\\n");
		else if (c == '"' || c == '\\')
			at += scnprintf(out + at, size - (size_t)at, "\\%c", c);
		else if (c >= 32 && c < 127)
			at += scnprintf(out + at, size - (size_t)at, "%c", c);
		else
			at += scnprintf(out + at, size - (size_t)at, "\\x%02x", c);
	}
	return at + scnprintf(out + at, size - (size_t)at, whole ? "\"" : "\"...");
}

static int show_arg(char *out, size_t size, char kind, u64 v, u64 next)
{
	switch (kind) {
	case 'd':
	case 'f':
		return scnprintf(out, size, "%d", (int)v);
	case 'a':
		return (int)v == -100 ? scnprintf(out, size, "AT_FDCWD") : scnprintf(out, size, "%d", (int)v);
	case 'u':
		return scnprintf(out, size, "%llu", (unsigned long long)v);
	case 'o':
		return scnprintf(out, size, "%#o", (u32)v);
	case 's':
		return v ? show_text(out, size, v, TEXT_MAX, true) : scnprintf(out, size, "NULL");
	case 'b':
		return show_text(out, size, v, next, false);
	case 'p':
		return v ? scnprintf(out, size, "%#llx", (unsigned long long)v) : scnprintf(out, size, "NULL");
	default:
		return scnprintf(out, size, "%#llx", (unsigned long long)v);
	}
}

static int show_call(char *line, size_t size, const struct pt_regs *r)
{
	const u64 arg[7] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9, 0};
	const char *format = format_of[r->orig_rax];
	u32 n = 6;
	int at;

	at = scnprintf(line, size, "%s[%d] %s(", current->comm, task_pid_nr(current), syscall_table[r->orig_rax].name);
	if (format)
		n = (u32)strlen(format);
	else
		while (n && !arg[n - 1])
			n--;
	for (u32 i = 0; i < n && i < 6; i++) {
		if (i)
			at += scnprintf(line + at, size - (size_t)at, ", ");
		at += show_arg(line + at, size - (size_t)at, format ? format[i] : 'x', arg[i], arg[i + 1]);
	}
	return at + scnprintf(line + at, size - (size_t)at, ")");
}

/* Calls that do not return, or whose strings are gone when they do, are shown when they begin. */
static bool shown_at_entry(u64 nr)
{
	return nr == 59 || nr == 60 || nr == 231 || nr == 322 || nr == 15;
}

void strace_enter(struct pt_regs *regs)
{
	char line[LINE_SIZE];

	if (!is_traced(regs) || !shown_at_entry(regs->orig_rax))
		return;
	show_call(line, sizeof(line), regs);
	printk("%s", line);
}

void strace_exit(struct pt_regs *regs)
{
	char line[LINE_SIZE];
	s64 ret = (s64)regs->rax;
	int at;

	if (!is_traced(regs))
		return;
	if (shown_at_entry(regs->orig_rax)) {
		if (ret < 0)
			printk("%s[%d] ... = %lld\n", current->comm, task_pid_nr(current), (long long)ret);
		return;
	}
	at = show_call(line, sizeof(line), regs);
	if (ret < 0 && ret >= -MAX_ERRNO)
		scnprintf(line + at, sizeof(line) - (size_t)at, " = -1 (errno %lld)", (long long)-ret);
	else if (ret > 0x10000 || ret < 0)
		scnprintf(line + at, sizeof(line) - (size_t)at, " = %#llx", (unsigned long long)ret);
	else
		scnprintf(line + at, sizeof(line) - (size_t)at, " = %lld", (long long)ret);
	printk("%s", line);
}

void strace_signal(int sig, const struct siginfo *info)
{
	if (READ_ONCE(current->work) & WORK_STRACE)
		printk("%s[%d] --- signal %d, code %d ---\n", current->comm, task_pid_nr(current), sig, info->si_code);
}

void strace_death(u32 wait_status)
{
	if ((READ_ONCE(current->work) & WORK_STRACE) && (wait_status & 0x7f))
		printk("%s[%d] +++ killed by signal %u +++\n", current->comm, task_pid_nr(current), wait_status & 0x7f);
}
