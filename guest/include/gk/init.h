/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up: gk_init() in kernel/init.c is the list; these are its steps, under the file that defines them. */
#ifndef GK_INIT_H
#define GK_INIT_H

#include <abi/boot.h>
#include <gk/types.h>

struct cpu;

extern const struct um_boot *boot; /* the boot block, checked; read-only by convention */

/* Configuration (kernel/config.c): value of a key that appears once, or NULL; and all values of a key in order. */
const char *config_get(const char *key);
/* *iter NULL at first. */
const char *config_next(const char *key, const char **iter);

/* kernel/init.c */ void gk_init(struct um_boot *b) __noreturn;
/* mm/page_alloc.c */ void page_alloc_init(void);
/* mm/slab.c */ void slab_init(void);
/* mm/mm.c */ void mm_init(void);
/* mm/faults.c */ void faults_init(void);	/* after proc_init() */
/* mm/pagecache.c */ void pagecache_init(void); /* starts the write-back task */
/* kernel/pid.c */ void pid_init(void);
/* kernel/sched.c */ void sched_init(void); /* makes the boot context vCPU 0's idle task */
/* kernel/clock.c */ void clock_init(void);
/* kernel/timer.c */ void timers_init_cpu(struct cpu *c); /* part of making a struct cpu */
/* kernel/random.c */ void random_init(void);
/* kernel/uname.c */ void uname_init(void); /* the configured host name */
/* kernel/futex.c */ void futex_init(void);
/* arch/x86_64/smp.c */ void smp_init(void); /* starts the other vCPUs; they enter their idle loop */
/* arch/x86_64/setup.c */ void arch_boot_init(const struct um_boot *b); /* the boot block, hypercalls */
void arch_cpu_init(struct cpu *c);					/* PVCS, entry points, GS base */
/* arch/x86_64/fpu.c */ void fpu_init(void);
/* arch/x86_64/vdso.c */ void vdso_init(void);
/* fs/... */ void vfs_init(void); /* caches, rootfs */
void tmpfs_init(void);
void anon_init(void);
void special_init(void);
void fuse_init(void); /* fs/fuse: host exports */
void overlay_init(void);
void proc_init(void);
void nsfs_init(void);
void aio_init(void);
void sysfs_init(void);
void devfs_init(void);
void devpts_init(void);
void pipe_init(void);
void epoll_init(void);
/* net/ */ void net_init(void); /* registers the families */
void unix_init(void);
void inet_init(void);
void netlink_init(void);
/* ipc/ */ void sysv_init(void);
void mqueue_init(void);
/* drivers/ */ void virtq_init(void);
void virtq_interrupt(void); /* UM_PENDING_QUEUE: completes what the devices have published */
void console_init(void);    /* drivers/console.c: /dev/console, stdio streams or the terminal */
void control_init(void);    /* drivers/control.c: signals and window size from the host */
void tty_init(void);
/* fs/rootfs.c: the mounts of the configuration, in order. On an error *@where is the place it happened at. */
int mount_config(const char **where);

/* kernel/random.c: for keys and addresses; from random_init() on. Any context. */
void random_bytes(void *buf, size_t n);
u64 random_u64(void);

#endif
