# SPDX-License-Identifier: Apache-2.0
"""umbra under an interactive shell with job control, on a terminal: argument 1 is umbra, 2 "" or "-t"."""
import os
import pty
import select
import signal
import sys
import time

umbra, tty = sys.argv[1], sys.argv[2]
loop = 'echo up; n=0; while [ $n -lt 60 ]; do n=$((n+1)); sleep 0.01; done; echo f""in'


class Shell:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="PROMPT> ", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.seen = ""
        self.until("PROMPT> ")

    def until(self, text):
        while text not in self.seen:
            if not select.select([self.fd], [], [], 30)[0]:
                sys.exit(f"no {text!r} in {self.seen!r}")
            self.seen += os.read(self.fd, 10000).decode(errors="replace")
        head, _, self.seen = self.seen.partition(text)
        return head

    def send(self, text):
        os.write(self.fd, text.encode())

    def command(self, text):
        """Output of a command that comes back at once."""
        self.send(text + "; echo E''ND\n")
        out = self.until("END\r\n")
        self.until("PROMPT> ")
        return out

    def start(self, script, more=""):
        self.send(f"{umbra} do {tty} -- sh -c '{script}' {more}\n")

    def status(self):
        return self.command("echo status=$?").rpartition("status=")[2].strip()


sh = Shell()
for key, status in ("\x03", "130"), ("\x1c", "131"):
    sh.start("echo u''p; exec sleep 100")  # a key pressed while dash forks is lost, on Linux too
    sh.until("up\r\n")
    sh.send(key)
    sh.until("PROMPT> ")
    assert sh.status() == status, (key, status)
if not tty:
    for go_on in "fg", "bg":
        sh.start(loop)
        sh.until("up\r\n")
        sh.send("\x1a")
        sh.until("PROMPT> ")
        assert "Stopped" in sh.command("jobs"), sh.seen
        sh.send(go_on + "\n")
        sh.until("fin\r\n")
        sh.send("wait\n")
        sh.until("PROMPT> ")
    # In the background it may not read the terminal; in the foreground it goes on where it was.
    sh.send(f"{umbra} do -- cat &\n")
    while "Stopped" not in sh.command("jobs"):
        time.sleep(0.05)
    sh.send("fg\n")
    sh.until("cat\r\n")
    sh.send("hello\n")
    sh.until("hello\r\nhello\r\n")
    sh.send("\x04")
    sh.until("PROMPT> ")
    assert sh.status() == "0"

# The terminal is closed: the sandbox goes with the shell.
sh.start("echo u''p; exec sleep 100")  # a key pressed while dash forks is lost, on Linux too
sh.until("up\r\n")
children = open(f"/proc/{sh.pid}/task/{sh.pid}/children").read().split()
assert children
os.close(sh.fd)
os.waitpid(sh.pid, 0)
for child in children:
    while os.path.exists(f"/proc/{child}") and open(f"/proc/{child}/comm").read() == "umbra\n":
        time.sleep(0.05)
