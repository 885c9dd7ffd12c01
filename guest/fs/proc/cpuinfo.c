/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/cpuinfo, from CPUID: the host's processor as programs see it, once for each vCPU. */
#include <gk/init.h>
#include <gk/percpu.h>
#include "proc.h"

struct leaf {
	u32 a, b, c, d;
};

static struct leaf cpuid(u32 leaf, u32 sub)
{
	struct leaf r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}

/* Linux's names of feature bits; an empty name is a bit it does not show. */
static const char edx1[] =
	"fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx "
	"fxsr sse sse2 ss ht tm ia64 pbe";
static const char ecx1[] =
	"pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca "
	"sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor";
static const char edx81[] =
	"- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext "
	"3dnow";
static const char ecx81[] =
	"lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit "
	"wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc "
	"mwaitx - -";
static const char ebx7[] =
	"fsgsbase tsc_adjust - bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq "
	"rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw "
	"avx512vl";
static const char ecx7[] =
	"- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme "
	"avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd - -";
static const char edx7[] =
	"- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - "
	"tsxldtrk - pconfig arch_lbr - - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d "
	"arch_capabilities - -";

/* Features that only the kernel could use, and this one does not have. */
static bool hidden(const char *name, u32 len)
{
	static const char *const names[] = {"vmx",     "svm", "smx",   "smep", "smap",	 "pcid",
					    "invpcid", "pku", "ospke", "mtrr", "monitor"};

	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return true;
	}
	return false;
}

static void put_flags(struct seq *s, const char *names, u32 bits)
{
	for (u32 bit = 0; bit < 32 && *names; bit++) {
		const char *end = strchr(names, ' ');
		const u32 len = end ? (u32)(end - names) : (u32)strlen(names);

		if ((bits >> bit & 1) && *names != '-' && !hidden(names, len)) {
			seq_putc(s, ' ');
			seq_write(s, names, len);
		}
		names += len + (end ? 1 : 0);
	}
}

static void put_all_flags(struct seq *s)
{
	const struct leaf f1 = cpuid(1, 0), f7 = cpuid(7, 0), ext = cpuid(0x80000001, 0);

	seq_puts(s, "flags\t\t:");
	put_flags(s, edx1, f1.d);
	put_flags(s, edx81, ext.d);
	seq_puts(s, " constant_tsc rep_good nopl nonstop_tsc cpuid");
	put_flags(s, ecx1, f1.c);
	put_flags(s, ecx81, ext.c);
	put_flags(s, ebx7, f7.b);
	put_flags(s, ecx7, f7.c);
	put_flags(s, edx7, f7.d);
	seq_putc(s, '\n');
}

static void vendor_text(char text[13])
{
	const struct leaf v = cpuid(0, 0);

	memcpy(text, &v.b, 4);
	memcpy(text + 4, &v.d, 4);
	memcpy(text + 8, &v.c, 4);
	text[12] = '\0';
}

static void model_name(char text[49])
{
	for (u32 i = 0; i < 3; i++) {
		const struct leaf b = cpuid(0x80000002 + i, 0);

		memcpy(text + i * 16, &b, 16);
	}
	text[48] = '\0';
}

static void put_cpu(struct seq *s, u32 cpu)
{
	const struct leaf f1 = cpuid(1, 0), ext8 = cpuid(0x80000008, 0);
	u32 family = f1.a >> 8 & 15, model = f1.a >> 4 & 15;
	const u32 khz = boot->tsc_khz;
	char vendor[13], name[49];

	if (family == 6 || family == 15)
		model |= f1.a >> 12 & 0xf0;
	if (family == 15)
		family += f1.a >> 20 & 0xff;
	vendor_text(vendor);
	model_name(name);
	seq_printf(s, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n", cpu,
		   vendor, family, model, name);
	seq_printf(s, "stepping\t: %u\ncpu MHz\t\t: %u.%03u\ncache size\t: 512 KB\n", f1.a & 15, khz / 1000,
		   khz % 1000);
	seq_printf(s, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n", nr_cpus, cpu, nr_cpus);
	seq_printf(s, "apicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\n", cpu, cpu);
	seq_printf(s, "cpuid level\t: %u\nwp\t\t: yes\n", cpuid(0, 0).a);
	put_all_flags(s);
	seq_printf(s, "bugs\t\t:\nbogomips\t: %u.%02u\nclflush size\t: %u\ncache_alignment\t: 64\n", khz / 500,
		   khz / 5 % 100, (f1.b >> 8 & 0xff) * 8);
	seq_printf(s, "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n", ext8.a & 0xff,
		   ext8.a >> 8 & 0xff);
}

int proc_cpuinfo(struct seq *s, void *arg)
{
	for (u32 i = 0; i < nr_cpus; i++)
		put_cpu(s, i);
	return 0;
}
