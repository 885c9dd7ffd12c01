#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Python's own test modules natively and in the sandbox and compares them case by case.

The native run says what can pass: each case that passes there must pass in the sandbox, but for those that
python-exceptions beside this file lists with a reason. A listed case that passes is a failure, too: take it off the list. So
is a run that ends in another way than natively, by a signal or not in time.

Exit status 0, 1 (a difference), 77 (this Python has no such test module). The whole list, as often as wanted:

    tests/prog/python_modules.py --cpus 1,2,4 --repeat 10 build/runtime/umbra
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EXCEPTIONS = os.path.join(HERE, "python-exceptions")
MAX_EXCEPTIONS = 0.02  # of the cases that pass natively

MODULES = """test_os test_subprocess test_signal test_threading test_mmap test_select test_selectors test_fcntl test_pty
test_shutil test_tempfile test_io test_zipfile test_sqlite3""".split()

# Runs in the tested Python: one line "VERDICT CASE" for each case in the file argv[1], whatever else is printed meanwhile.
DRIVER = """
import re, sys, unittest

class Result(unittest.TextTestResult):
    def note(self, verdict, test):
        print(verdict, re.sub(r"^test[.]", "", test.id()).replace(" ", "_"), file=report)
    def startTest(self, test):
        self.note("start", test); super().startTest(test)
    def addSuccess(self, test):
        self.note("ok", test); super().addSuccess(test)
    def addError(self, test, err):
        self.note("ERROR", test); super().addError(test, err)
    def addFailure(self, test, err):
        self.note("FAIL", test); super().addFailure(test, err)
    def addSkip(self, test, why):
        self.note("skipped", test); super().addSkip(test, why)
    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note("FAIL", test)
        super().addSubTest(test, subtest, err)

if __name__ == "__main__":
    report = open(sys.argv[1], "w", buffering=1)
    name, patterns = sys.argv[2], sys.argv[3:]
    sys.argv[1:] = []
    loader = unittest.TestLoader()
    loader.testNamePatterns = patterns or None
    tests = loader.loadTestsFromName("test." + name)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(tests)
    sys.exit(not result.wasSuccessful())
"""


class Run:
    """One run of a module: case -> verdict, how it ended, and what it printed."""

    def __init__(self, args, prefix, module):
        with tempfile.TemporaryDirectory(prefix="python-") as cwd:
            report, output = os.path.join(cwd, "report"), os.path.join(cwd, "output")
            with open(os.path.join(cwd, "driver.py"), "w") as f:
                f.write(DRIVER)
            work = os.path.join(cwd, "work")
            os.mkdir(work)
            patterns = [a if "*" in a else f"*{a}*" for a in args.match]
            start = time.monotonic()
            with open(output, "wb") as out:
                # /tmp is the sandbox's own: the report lies where "--bind" shows it.
                proc = subprocess.Popen([*prefix(cwd), args.python, os.path.join(cwd, "driver.py"), report, module, *patterns],
                                        cwd=work, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                        start_new_session=True)
                try:
                    self.status = proc.wait(args.timeout)
                except subprocess.TimeoutExpired:
                    self.status = "timeout"
                    os.killpg(proc.pid, signal.SIGKILL)
                    proc.wait()
            self.seconds = time.monotonic() - start
            with open(output, errors="replace") as f:
                self.text = f.read()
            self.cases = {}
            try:
                with open(report, errors="replace") as f:
                    for line in f:
                        verdict, _, case = line.rstrip("\n").partition(" ")
                        # A case whose parts failed is not one that passed, whatever comes after.
                        if self.cases.get(case, "start") in ("start", "ok"):
                            self.cases[case] = verdict
            except FileNotFoundError:
                pass

    def passed(self):
        return {c for c, v in self.cases.items() if v == "ok"}

    def why(self, case):
        """The last line of the traceback of @case."""
        found = re.search(rf"^(?:ERROR|FAIL): {re.escape(case.rpartition('.')[2])}\b.*?\n-+\n(.*?)\n\n(?:=|-)", self.text, re.M | re.S)
        return found[1].strip().splitlines()[-1] if found else ""


def exceptions():
    """case -> reason"""
    with open(EXCEPTIONS) as f:
        lines = [line.strip() for line in f]
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def compare(native, got, excused):
    """Complaints, one a line, about a run in the sandbox."""
    for case in sorted(native.passed() - got.passed() - excused.keys()):
        yield f"{case}: {got.cases.get(case, 'not run')}: {got.why(case)}"
    for case in sorted(got.passed() & native.passed() & excused.keys()):
        yield f"{case}: passes, but is listed in python-exceptions"
    if got.status != native.status and not (native.status in (0, 1) and got.status in (0, 1)):
        yield f"ended with {got.status}, natively with {native.status}; last output:\n{got.text[-2000:]}"


def numbers(text):
    return [int(n) for n in text.split(",")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("umbra")
    p.add_argument("modules", nargs="*", help="default: " + " ".join(MODULES))
    p.add_argument("--python", default=os.environ.get("PYTHON", "/usr/bin/python3"),
                   help="interpreter (default: $PYTHON or Debian's, whose tests are in libpython3.11-testsuite)")
    p.add_argument("--cpus", type=numbers, default=[1, 2], metavar="N[,N...]", help="vCPUs (default: 1,2)")
    p.add_argument("--repeat", type=int, default=1, help="runs in the sandbox for each number of vCPUs")
    p.add_argument("--timeout", type=float, default=400, help="seconds for one run of one module")
    p.add_argument("-k", dest="match", action="append", default=[], help="only cases whose name contains this")
    p.add_argument("-v", action="store_true", help="what the sandbox printed, if there was a difference")
    p.add_argument("--option", action="append", default=[], help="a further option of umbra do")
    args = p.parse_intermixed_args()
    umbra = os.path.abspath(args.umbra)
    excused, bad, total, listed, missing = exceptions(), 0, 0, 0, []
    for module in args.modules or MODULES:
        native = Run(args, lambda cwd: [], module)
        count = len(native.passed())
        if not count:
            missing.append(module)
            print(f"{module}: nothing passes natively: {native.text.strip().splitlines()[-1:]}", flush=True)
            continue
        total += count
        listed += len(native.passed() & excused.keys())
        for cpus in args.cpus:
            for _ in range(args.repeat):
                got = Run(args, lambda cwd: [umbra, "do", "--cpus", str(cpus), "--bind", f"{cwd}:{cwd}", *args.option, "--"],
                          module)
                complaints = list(compare(native, got, excused))
                print(f"{module}, {cpus} vCPUs: {count} pass natively ({native.seconds:.0f} s), "
                      f"{len(got.passed() & native.passed())} of these in the sandbox ({got.seconds:.0f} s)", flush=True)
                for line in complaints:
                    print(f"  {line}", flush=True)
                if complaints and args.v:
                    print(got.text)
                bad += len(complaints)
    print(f"{total} cases, {listed} listed as exceptions, {bad} complaints")
    if listed > total * MAX_EXCEPTIONS and not args.match:
        print(f"more than {MAX_EXCEPTIONS:.0%} are exceptions")
        bad += 1
    return 1 if bad else 77 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
