#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads guest/include/gk/syscall_list.h: checks it, and writes docs/syscalls.md.

usage: tools/syscalls.py check [STAMP]  fails when a FULL call has no test, or a PARTIAL one no sentence
       tools/syscalls.py doc          prints docs/syscalls.md
       tools/syscalls.py current      fails when docs/syscalls.md is not what doc prints
       tools/syscalls.py count        how many of each status

A test names a call when a C file in tests/sys calls it, by its own name, by the C library's, or as SYS_name.
"""
import glob
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LIST = os.path.join(ROOT, "guest", "include", "gk", "syscall_list.h")

# What the C library calls a system call, where the name differs.
ALIASES = {
    "_sysctl": [], "clone": ["clone", "pthread_create"], "exit": ["pthread_exit", "pthread_create"], "exit_group": ["_exit", "exit"],
    "newfstatat": ["fstatat", "stat"], "pread64": ["pread"], "pwrite64": ["pwrite"], "rt_sigaction": ["sigaction"],
    "rt_sigpending": ["sigpending"], "rt_sigprocmask": ["sigprocmask", "pthread_sigmask"], "rt_sigqueueinfo": ["sigqueue"],
    "rt_sigreturn": ["sigaction"], "rt_sigsuspend": ["sigsuspend"], "rt_sigtimedwait": ["sigtimedwait", "sigwaitinfo"],
    "prlimit64": ["prlimit"], "getdents64": ["readdir", "getdents64"], "fadvise64": ["posix_fadvise"], "umount2": ["umount"],
    "pselect6": ["pselect"], "eventfd2": ["eventfd"], "signalfd4": ["signalfd"], "epoll_create1": ["epoll_create1"],
    "set_robust_list": ["pthread_create"], "set_tid_address": ["pthread_create"], "rseq": [],
    "mq_timedsend": ["mq_send"], "mq_timedreceive": ["mq_receive"], "mq_getsetattr": ["mq_getattr"],
}


def entries():
    with open(LIST) as f:
        for line in f:
            m = re.match(r'SYSCALL\((\d+), (\w+), (\w+), "(.*)"\)', line)
            if m:
                yield int(m[1]), m[2], m[3], m[4]


def tested():
    text = "".join(open(f).read() for f in glob.glob(os.path.join(ROOT, "tests", "sys", "*.c")))
    called = set(re.findall(r"\b(\w+)\s*\(", text))
    named = set(re.findall(r"\b(?:SYS|__NR)_(\w+)", text))
    return called, named


def check():
    called, named = tested()
    bad = []
    for _nr, name, status, note in entries():
        names = [name] + ALIASES.get(name, [])
        if status == "FULL" and name not in named and not any(n in called for n in names):
            bad.append(f"{name} is FULL, but no test in tests/sys names it")
        if status == "PARTIAL" and not note:
            bad.append(f"{name} is PARTIAL without a sentence on what is missing")
        if status not in ("FULL", "PARTIAL", "NONE"):
            bad.append(f"{name}: unknown status {status}")
    for line in bad:
        print("syscall_list.h:", line, file=sys.stderr)
    return 1 if bad else 0


def count():
    total = {}
    for _nr, _name, status, _note in entries():
        total[status] = total.get(status, 0) + 1
    return total


def doc():
    n = count()
    out = ["# System calls\n",
           "Made from `guest/include/gk/syscall_list.h` by `tools/syscalls.py doc`; do not edit.\n",
           f"{n.get('FULL', 0)} full, {n.get('PARTIAL', 0)} partial, {n.get('NONE', 0)} absent (ENOSYS, logged once).\n",
           "| number | call | status | remark |\n|---|---|---|---|"]
    out += [f"| {nr} | `{name}` | {status.lower()} | {note} |" for nr, name, status, note in entries()]
    return "\n".join(out) + "\n"


def current():
    with open(os.path.join(ROOT, "docs", "syscalls.md")) as f:
        if f.read() == doc():
            return 0
    print("docs/syscalls.md is not up to date: tools/syscalls.py doc > docs/syscalls.md", file=sys.stderr)
    return 1


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "check":
        status = check()
        if not status and len(sys.argv) > 2:
            open(sys.argv[2], "w").close()
        sys.exit(status)
    if command == "current":
        sys.exit(current())
    if command == "count":
        print(", ".join(f"{v} {k.lower()}" for k, v in sorted(count().items())))
    elif command == "doc":
        print(doc(), end="")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
