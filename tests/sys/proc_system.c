/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc and /sys about the system, in the formats programs parse; sysctl values that can be written. */
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

#include "fsdir.h"

static unsigned long meminfo(const char *name)
{
	const char *p = strstr(file_text("/proc/meminfo"), name);

	CHECK(p);
	return strtoul(p + strlen(name), NULL, 10);
}

static void test_memory(void)
{
	struct sysinfo si;

	CHECK_OK(sysinfo(&si));
	CHECK_EQ(meminfo("MemTotal:"), si.totalram * si.mem_unit >> 10);
	CHECK(meminfo("MemFree:") <= meminfo("MemTotal:"));
	CHECK(meminfo("MemAvailable:") <= meminfo("MemTotal:"));
	CHECK(meminfo("Cached:") < meminfo("MemTotal:"));
	CHECK(strstr(file_text("/proc/vmstat"), "nr_free_pages "));
}

static void test_cpus(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);
	char path[128];
	cpu_set_t set;
	int shown = 0;

	CHECK(n >= 1);
	CHECK_OK(sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) <= n);
	for (const char *p = file_text("/proc/cpuinfo"); (p = strstr(p, "processor\t:")); p++)
		shown++;
	CHECK_EQ(shown, n);
	CHECK(strstr(file_text("/proc/cpuinfo"), "flags\t\t: fpu "));
	CHECK(strstr(file_text("/proc/cpuinfo"), "model name\t: "));
	shown = 0;
	for (const char *p = file_text("/proc/stat"); (p = strstr(p, "\ncpu")); p++)
		shown++;
	CHECK_EQ(shown, n);
	CHECK(strstr(file_text("/proc/stat"), "\nbtime "));
	CHECK(strstr(file_text("/proc/stat"), "\nctxt "));
	if (n > 1)
		snprintf(path, sizeof(path), "0-%ld\n", n - 1);
	else
		strcpy(path, "0\n");
	CHECK_TEXT("/sys/devices/system/cpu/online", path);
	file_text("/sys/devices/system/cpu/possible");
	file_text("/sys/devices/system/cpu/present");
	for (long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/core_id", i);
		file_text(path);
	}
}

static void test_time(void)
{
	struct timespec ts;
	double up, idle;

	CHECK_EQ(sscanf(file_text("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	CHECK_OK(clock_gettime(CLOCK_BOOTTIME, &ts));
	CHECK(up <= (double)ts.tv_sec + 1 && up >= (double)ts.tv_sec - 1);
	float a, b, c;
	int running, all, last;
	CHECK_EQ(sscanf(file_text("/proc/loadavg"), "%f %f %f %d/%d %d", &a, &b, &c, &running, &all, &last), 6);
	CHECK(running >= 1 && all >= running);
}

static void test_names(void)
{
	struct utsname u;
	char want[300];

	CHECK_OK(uname(&u));
	snprintf(want, sizeof(want), "%s\n", u.nodename);
	CHECK_TEXT("/proc/sys/kernel/hostname", want);
	snprintf(want, sizeof(want), "%s\n", u.release);
	CHECK_TEXT("/proc/sys/kernel/osrelease", want);
	CHECK_TEXT("/proc/sys/kernel/ostype", "Linux\n");
	snprintf(want, sizeof(want), "Linux version %s ", u.release);
	CHECK(!strncmp(file_text("/proc/version"), want, strlen(want)));
	file_text("/proc/cmdline");
	CHECK(strstr(file_text("/proc/filesystems"), "nodev\ttmpfs\n"));
	CHECK(strstr(file_text("/proc/filesystems"), "nodev\tproc\n"));
	CHECK(strstr(file_text("/proc/mounts"), " / "));
	CHECK(strstr(file_text("/proc/swaps"), "Filename"));
}

static void test_random(void)
{
	char first[64];

	CHECK_EQ(strlen(file_text("/proc/sys/kernel/random/uuid")), 37);
	strcpy(first, file_text("/proc/sys/kernel/random/uuid"));
	CHECK(strcmp(first, file_text("/proc/sys/kernel/random/uuid")));
	strcpy(first, file_text("/proc/sys/kernel/random/boot_id"));
	CHECK_TEXT("/proc/sys/kernel/random/boot_id", first);
	CHECK(atoi(file_text("/proc/sys/kernel/random/entropy_avail")) > 0);
}

static void test_numbers(void)
{
	static const char *const files[] = {
		"/proc/sys/kernel/pid_max",	  "/proc/sys/kernel/threads-max",
		"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count",
		"/proc/sys/fs/file-max",	  "/proc/sys/fs/nr_open",
		"/proc/sys/fs/pipe-max-size",	  "/proc/sys/net/core/somaxconn",
		"/proc/sys/kernel/cap_last_cap",  "/proc/sys/fs/inotify/max_user_watches",
		"/proc/sys/kernel/ngroups_max",	  "/proc/sys/vm/mmap_min_addr",
	};
	struct stat st;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		CHECK(file_text(files[i])[0] >= '0' && file_text(files[i])[0] <= '9');
	CHECK_OK(stat("/proc/sys/kernel/pid_max", &st));
	CHECK(S_ISREG(st.st_mode) && st.st_size == 0);
	int fd = open("/proc/version", O_WRONLY);
	if (fd >= 0) /* root may open it */
		CHECK_ERR(write(fd, "x", 1), EIO);
	else
		CHECK_EQ(errno, EACCES);
	CHECK_ERR(unlink("/proc/version"), geteuid() ? EACCES : EPERM);
	CHECK_ERR(access("/proc/none", F_OK), ENOENT);
	CHECK_ERR(open("/proc/none", O_CREAT | O_WRONLY, 0600), ENOENT);
}

static void test_reading(void)
{
	char whole[4096], part[4096];
	int fd = (int)CHECK_OK(open("/proc/filesystems", O_RDONLY));
	ssize_t n = read(fd, whole, sizeof(whole)), m = 0, r;

	CHECK(n > 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	while ((r = read(fd, part + m, 7)) > 0)
		m += r;
	CHECK_EQ(m, n);
	CHECK(!memcmp(whole, part, (size_t)n));
	CHECK_EQ(pread(fd, part, 10, 5), 10);
	CHECK(!memcmp(part, whole + 5, 10));
	CHECK_ERR(write(fd, "x", 1), EBADF);
	close(fd);
}

static void test_sys(void)
{
	struct stat st;

	CHECK_OK(stat("/sys/fs/cgroup", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_OK(stat("/sys/class", &st));
	CHECK(strstr(file_text("/sys/kernel/mm/transparent_hugepage/enabled"), "never"));
	CHECK(access("/sys/none", F_OK) == -1 && errno == ENOENT);
}

int main(void)
{
	test_memory();
	test_cpus();
	test_time();
	test_names();
	test_random();
	test_numbers();
	test_reading();
	test_sys();
	return 0;
}
