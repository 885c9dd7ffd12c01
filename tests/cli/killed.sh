# SPDX-License-Identifier: Apache-2.0
# kill -9 of any process of a sandbox, at any moment of its life: all of it goes, with status 125 and one line.
# timeout: 120
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1

python3 - "$UMBRA" <<'PY' || fail "see above"
import os, re, signal, subprocess, sys, time

LINE = re.compile(r"umbra: (the VMM|space \d+ \(pid \d+\)|the process that makes spaces) was killed by signal 9: .*\n")
WORK = ["sh", "-c", "while :; do (:) & (:); wait; done"]

def family(pid):
    """The process and all below it: pid -> name."""
    found = {}
    try:
        found[pid] = open(f"/proc/{pid}/comm").read().strip()
        for tid in os.listdir(f"/proc/{pid}/task"):
            for child in open(f"/proc/{pid}/task/{tid}/children").read().split():
                found.update(family(int(child)))
    except OSError:
        pass
    return found

def victim(launcher, nth):
    """The nth process of the sandbox to appear, not counting the launcher. None: there will not be as many."""
    for _ in range(2000):
        others = sorted(set(family(launcher)) - {launcher})
        if len(others) > nth:
            return others[nth]
        time.sleep(0.001)

def one(cpus, nth, pause):
    p = subprocess.Popen([sys.argv[1], "do", "--cpus", str(cpus), "--", *WORK], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pid = victim(p.pid, nth)
    time.sleep(pause)
    everybody = family(p.pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, TypeError):  # a space that was not needed any more
        p.terminate()
        p.communicate()
        return
    if pid not in everybody:
        p.kill()
        p.communicate()
        return
    out, err = p.communicate()
    assert p.returncode == 125, (p.returncode, err, everybody, pid)
    assert LINE.fullmatch(err), (err, everybody, pid)
    for other in everybody:
        for _ in range(500):
            if everybody[other] != family(other).get(other, ""):
                break
            time.sleep(0.01)
        else:
            raise AssertionError(f"{everybody[other]} ({other}) is left")

for cpus in 1, 2, 4:
    for nth in 0, 1, 2, 3, 4:
        for pause in 0, 0.003, 0.02:
            one(cpus, nth, pause)
PY
