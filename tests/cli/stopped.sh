# SPDX-License-Identifier: Apache-2.0
# SIGSTOP and SIGCONT of the sandbox, of parts of it, and the cgroup freezer, at any moment: the programs notice nothing.
# timeout: 180
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1

python3 - "$UMBRA" <<'PY' || fail "see above"
import os, random, signal, subprocess, sys, time

WORK = {
    "true": ["true"],
    "busy": ["python3", "-c", "s = 0\nfor i in range(300000): s = (s * 31 + i) % 1000003\nprint(s)"],
    "exec": ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; /bin/echo $i | cat; done; (exit 7) || echo $?"],
    "timers": ["python3", "-c", """
import signal, threading, time
n = 0
def tick(*a):
    global n
    n += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, .001, .001)
while n < 40: time.sleep(.0005)
signal.setitimer(signal.ITIMER_REAL, 0)
def sleep():
    for _ in range(20): time.sleep(.0003)
threads = [threading.Thread(target=sleep) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print("done")"""],
    "pipes": ["sh", "-c", "head -c 500000 /dev/zero | tr '\\0' a | md5sum; seq 1 5000 | sort -r | tail -1"],
}

def family(pid):
    found = [pid]
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            for child in open(f"/proc/{pid}/task/{tid}/children").read().split():
                found += family(int(child))
    except OSError:
        pass
    return found

def send(pids, sig):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass

class Processes:
    """Stops and continues those that @choose picks."""
    def __init__(self, choose):
        self.choose = choose
    def enter(self):
        pass
    def hold(self, launcher, pause):
        pids = self.choose(family(launcher))
        send(pids, signal.SIGSTOP)
        time.sleep(pause)
        send(pids, signal.SIGCONT)
    def done(self):
        pass

class Cgroup:
    def __init__(self, parent, file, hold, go):
        self.folder = f"{parent}/umbra-test-{os.getpid()}"
        self.file, self.words = f"{self.folder}/{file}", (hold, go)
        os.mkdir(self.folder)
        if not os.path.exists(self.file):
            os.rmdir(self.folder)
            raise FileNotFoundError(self.file)
    def enter(self):
        open(f"{self.folder}/cgroup.procs", "w").write("0")
    def hold(self, launcher, pause):
        for word in self.words:
            open(self.file, "w").write(word)
            time.sleep(pause if word == self.words[0] else 0)
    def done(self):
        for _ in range(200):
            try:
                return os.rmdir(self.folder)
            except OSError:
                time.sleep(0.01)
        raise AssertionError("processes are left in the cgroup")

def shuffled(pids):
    return random.sample(pids, len(pids))

ways = {
    "everything": Processes(shuffled),
    "the launcher": Processes(lambda pids: pids[:1]),
    "the VMM": Processes(lambda pids: pids[1:2]),
    "one space": Processes(lambda pids: random.sample(pids[2:], 1) if len(pids) > 2 else []),
}
for parent, args in (("/sys/fs/cgroup", ("cgroup.freeze", "1", "0")), ("/sys/fs/cgroup/unified", ("cgroup.freeze", "1", "0")),
                     ("/sys/fs/cgroup/freezer", ("freezer.state", "FROZEN", "THAWED"))):
    try:
        ways[parent] = Cgroup(parent, *args)
    except OSError:
        pass

def run(way, work, cpus, seed):
    random.seed(seed)
    p = subprocess.Popen([sys.argv[1], "do", "--cpus", str(cpus), "--", *WORK[work]], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=ways[way].enter)
    for _ in range(random.choice((1, 3, 10))):
        time.sleep(random.random() ** 2 * 0.03)
        if p.poll() is None:
            ways[way].hold(p.pid, random.choice((0, 0.002, 0.02)))
    out = p.communicate()[0]
    assert p.returncode == 0 and out == native[work], (way, work, cpus, seed, p.returncode, out)

native = {name: subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout for name, argv in WORK.items()}
seed = 0
for way in ways:
    for cpus in 1, 2, 4:
        for work in WORK:
            seed += 1
            run(way, work, cpus, seed)
    ways[way].done()
print("held:", ", ".join(ways))
PY
