# SPDX-License-Identifier: Apache-2.0
# Ctrl-C, Ctrl-\, Ctrl-Z, fg, bg, reading in the background and the end of the terminal, under an interactive shell.
# timeout: 90
. "$ROOT/tests/cli/lib.sh"
[ -n "${UMBRA:-}" ] || skip "needs the guest kernel"
python3 "$ROOT/tests/cli/jobs.py" "$UMBRA" "" || fail "without -t"
python3 "$ROOT/tests/cli/jobs.py" "$UMBRA" -t || fail "with -t"
