#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Python's own test modules natively and in the sandbox and compares them case by case.

usage: python_modules.py UMBRA [--cpus N] MODULE...

A case that passes natively must pass in the sandbox, but for those listed with a reason in python-exceptions beside this
file. Nothing may hang. Exit status 0, 1 (a difference), 77 (Python has no test package).
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
LIMIT = 400

# "test_x (test.test_y.Class.test_x) ... ok", also when other output stands between
CASE = re.compile(r"^(test\w*) \(([\w.]+)\)", re.M)
VERDICT = re.compile(r"\.\.\. .*?(ok|FAIL|ERROR|skipped[^\n]*|expected failure|unexpected success)\s*$|^(ok|FAIL|ERROR)$", re.M)


def run(prefix, module):
    """{case: verdict} of one module."""
    with tempfile.TemporaryDirectory() as cwd:
        try:
            out = subprocess.run(prefix + [PYTHON, "-m", "unittest", "-v", f"test.{module}"], cwd=cwd, timeout=LIMIT,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            text, status = out.stdout.decode(errors="replace"), out.returncode
        except subprocess.TimeoutExpired as e:
            text, status = (e.stdout or b"").decode(errors="replace"), "timeout"
    cases = {}
    starts = list(CASE.finditer(text))
    for here, after in zip(starts, starts[1:] + [None]):
        verdict = VERDICT.search(text, here.end(), after.start() if after else len(text))
        word = (verdict[1] or verdict[2]) if verdict else "no verdict"
        # "ERROR: test_x (...)" in the summary must not overwrite an earlier word.
        cases.setdefault(f"{module}:{here[2].rsplit('.', 2)[-2]}.{here[1]}" if here[2].endswith(here[1])
                         else f"{module}:{here[2].rsplit('.', 1)[-1]}.{here[1]}", word)
    return cases, status, text


def exceptions():
    found = {}
    try:
        with open(os.path.join(HERE, "python-exceptions")) as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    name, _, why = line.strip().partition(" ")
                    found[name] = why
    except FileNotFoundError:
        pass
    return found


def main():
    umbra, args = os.path.abspath(sys.argv[1]), sys.argv[2:]
    options = []
    if args[0] == "--cpus":
        options, args = args[:2], args[2:]
    if subprocess.run([PYTHON, "-c", "import test.test_os"], stderr=subprocess.DEVNULL).returncode:
        print("python3 has no test package")
        return 77
    excused, bad = exceptions(), 0
    for module in args:
        native, _, _ = run([], module)
        got, status, text = run([umbra, "do", *options, "--"], module)
        passed = [c for c, v in native.items() if v == "ok"]
        worse = [c for c in passed if got.get(c) != "ok" and c not in excused]
        print(f"{module}: {len(passed)} pass natively, {sum(got.get(c) == 'ok' for c in passed)} of these in the sandbox",
              flush=True)
        for c in worse:
            print(f"  {c}: {got.get(c, 'not run')}")
        if status == "timeout":
            print(f"  timeout; last output:\n{text[-600:]}")
        bad += len(worse) + (status == "timeout")
        if not passed:
            print("  nothing passes natively?")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
