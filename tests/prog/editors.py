#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Edits a file with an editor on a terminal, as fingers would: editors.py EDITOR [COMMAND...]

The editor runs under a pseudo terminal of ours, behind COMMAND ("umbra do -t --"); each key waits until the screen shows what it
depends on. Prints what the file holds in the end and how the shell ended; the screen goes to stderr if something does not appear.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 60


class Terminal:
    def __init__(self, argv, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp(argv[0], argv)
        self.seen = ""
        self.resize(rows, cols)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def keys(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, pattern):
        """Reads until the output since the last call matches."""
        end = time.monotonic() + PATIENCE
        while not (m := re.search(pattern, self.seen, re.S)):
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            try:
                data = os.read(self.fd, 65536) if ready else b""
            except OSError:
                data = b""
            if not data:
                sys.exit(f"no {pattern!r} on the screen, but {self.seen!r}")
            self.seen += data.decode(errors="replace")
        self.seen = self.seen[m.end():]
        return m

    def end(self):
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def vim(t):
    t.keys("vim -u NONE -N -n file\r")
    t.wait_for(r"\[New\]|\[New File\]")
    t.keys("ifirst line\rsecond lin\x7fne\x1b[D\x1b[D_\x1b")      # insert, erase, cursor keys
    t.keys("yyp:s/second/third/\r")
    t.keys(":set ruler\r")
    t.wait_for("3,1")
    t.keys("ggO\x12=6*7\r top\x1b")                                # Ctrl-R =: the expression register
    t.keys(":%s/line/LINE/g|w\r")
    t.wait_for("written")
    t.keys(":!echo from a $((40 + 2)) shell\r")
    t.wait_for("from a 42 shell.*ENTER")
    t.keys("\r")
    t.resize(30, 100)
    for _ in range(200):                                           # the new size arrives as a signal
        t.keys(":echo 'size' &columns . 'x' . &lines\r")
        if t.wait_for(r"size (\d+x\d+)").group(1) == "100x30":
            break
        time.sleep(0.05)
    else:
        sys.exit("vim does not hear of the new size")
    t.keys("\x1a")                                                 # Ctrl-Z, and back
    t.wait_for(r"Stopped.*ready \$ ")
    t.keys("jobs | wc -l; fg\r")
    t.wait_for("42 top")
    t.keys("Gosaved\x1bu\x12:x\r")                                 # undo, redo, save and leave
    t.wait_for("written")


def nano(t):
    t.keys("nano -I file\r")
    t.wait_for("New File")
    t.keys("one\rtwo\rthree\x1b[A\x1b[A\x01zero ")                 # cursor up, home
    t.keys("\x0b\x15\x15")                                         # cut a line, paste it twice
    t.keys("\x0f")
    t.wait_for("Write")
    t.keys("\r")
    t.wait_for("Wrote")
    t.keys("\x18")


def main():
    editor, command = sys.argv[1], sys.argv[2:]
    t = Terminal([*command, "bash", "--norc", "--noprofile", "-i"])
    t.wait_for(r"[$#] ")
    t.keys("PS1='ready $ '; stty size\r")
    t.wait_for(r"24 80.*ready \$ ")
    {"vim": vim, "nano": nano}[editor](t)
    t.wait_for(r"ready \$ ")
    t.keys("echo; echo status $?; sed 's/^/|/' file; rm file; echo E''ND\r")
    print(t.wait_for(r"(status \d+\r\n.*)END").group(1).replace("\r", ""), end="")
    t.wait_for(r"ready \$ ")
    t.keys("exit 7\r")
    print("exit", t.end())


if __name__ == "__main__":
    signal.alarm(4 * PATIENCE)
    main()
