#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A user at a terminal, for tty.sh: runs a shell-like parent on a new terminal and the launcher as its job."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

FAKE, KERNEL = os.environ["FAKE"], os.environ["BUILD"] + "/tests/fake/fake-kernel"


class Terminal:
    """A terminal with a process group in its foreground."""

    def __init__(self, *words, rows=24, cols=80):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # The session's leader stays alive, as a shell does; the launcher is its foreground job.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            job = os.fork()
            if job == 0:
                os.setpgid(0, 0)
                os.tcsetpgrp(0, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
                os.execv(FAKE, [FAKE, "do", *words[:-1], "--kernel", KERNEL, "--", words[-1]])
            while True:
                _, status = os.waitpid(job, os.WUNTRACED)
                os.tcsetpgrp(0, os.getpgrp())
                if not os.WIFSTOPPED(status):
                    break
                os.write(1, b"{stopped %d}" % os.WSTOPSIG(status))
                time.sleep(0.2)
                os.tcsetpgrp(0, job)
                os.kill(job, signal.SIGCONT)
            os.write(1, b"{ended %d}" % (os.waitstatus_to_exitcode(status) & 0xFF))
            time.sleep(0.3)
            os._exit(0)

    def launcher(self):
        return int(open(f"/proc/{self.pid}/task/{self.pid}/children").read().split()[0])

    def until(self, text):
        end = time.time() + 5
        while text not in self.seen:
            if time.time() > end or not select.select([self.fd], [], [], 5)[0]:
                sys.exit(f"no {text!r} in {self.seen!r}")
            self.seen += os.read(self.fd, 1000)

    def type(self, data):
        os.write(self.fd, data)

    def local_modes(self):
        return termios.tcgetattr(self.fd)[3]

    def end(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


COOKED = termios.ICANON | termios.ECHO | termios.ISIG


def test_terminal():
    t = Terminal("-t", "tty")
    t.until(b"[ready]")
    t.until(b"[24x80]")
    assert t.local_modes() & COOKED == 0, "the terminal is not raw"
    t.type(b"a\x03\x1a\r")
    for byte in (b"[61]", b"[03]", b"[1a]", b"[0d]"):
        t.until(byte)
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    t.until(b"[50x132]")
    assert b"[signal]" not in t.seen, t.seen
    t.type(b"q")
    t.until(b"{ended 4}")
    assert t.local_modes() & COOKED == COOKED, "the terminal was not restored"
    t.end()


def test_killed(who):
    t = Terminal("-t", "tty")
    t.until(b"[ready]")
    launcher = t.launcher()
    vmm = int(open(f"/proc/{launcher}/task/{launcher}/children").read().split()[0])
    os.kill(launcher if who == "launcher" else vmm, 9)
    t.until(b"{ended")
    for _ in range(50):
        if t.local_modes() & COOKED == COOKED and not os.path.exists(f"/proc/{vmm}"):
            break
        time.sleep(0.05)
    assert t.local_modes() & COOKED == COOKED, f"killing the {who} left a raw terminal"
    assert not os.path.exists(f"/proc/{vmm}"), f"killing the {who} left the VMM"
    t.end()


def test_stop():
    """Ctrl-Z without -t: the guest hears it, launcher and job stop, and go on."""
    t = Terminal("wait")
    t.until(b"waiting")
    t.type(b"\x1a")
    t.until(b"{stopped 20}")
    t.until(b"signal 20")
    t.until(b"signal 18")
    t.type(b"\x03")
    t.until(b"signal 2")
    t.type(b"\x1c")
    t.until(b"signal 3")
    os.kill(t.launcher(), 15)
    t.until(b"{ended 0}")
    t.end()


def test_raw_stop():
    """SIGTSTP from elsewhere while the terminal is raw: cooked while stopped, raw again after."""
    t = Terminal("-t", "tty")
    t.until(b"[ready]")
    os.kill(t.launcher(), signal.SIGTSTP)
    t.until(b"{stopped 20}")
    assert t.local_modes() & COOKED == COOKED, "raw while stopped"
    t.until(b"[signal]")
    for _ in range(50):
        if t.local_modes() & COOKED == 0:
            break
        time.sleep(0.05)
    assert t.local_modes() & COOKED == 0, "not raw after SIGCONT"
    t.type(b"q")
    t.until(b"{ended 4}")
    t.end()


def test_input():
    """A terminal as plain stdin: line by line, with an end of file."""
    t = Terminal("cat")
    time.sleep(0.2)
    t.type(b"hello\n")
    t.until(b"hello\r\nhello")
    t.type(b"\x04")
    t.until(b"{ended 0}")
    t.end()


def test_background_input():
    """Reading the terminal from the background stops the job; in the foreground it goes on."""
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.execv(FAKE, [FAKE, "do", "--kernel", KERNEL, "--", "cat"])
        _, status = os.waitpid(job, os.WUNTRACED)
        os.write(1, b"{stopped %d}" % (os.WSTOPSIG(status) if os.WIFSTOPPED(status) else 0))
        os.tcsetpgrp(0, job)
        os.kill(job, signal.SIGCONT)
        _, status = os.waitpid(job, 0)
        os.tcsetpgrp(0, os.getpgrp())
        os.write(1, b"{ended %d}" % os.waitstatus_to_exitcode(status))
        time.sleep(0.3)
        os._exit(0)
    t = Terminal.__new__(Terminal)
    t.pid, t.fd, t.seen = pid, fd, b""
    t.until(b"{stopped 21}")
    t.type(b"line\n")
    t.until(b"line\r\nline")
    t.type(b"\x04")
    t.until(b"{ended 0}")
    t.end()


test_terminal()
test_killed("launcher")
test_killed("VMM")
test_stop()
test_raw_stop()
test_input()
test_background_input()
