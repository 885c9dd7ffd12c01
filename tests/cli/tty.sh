# SPDX-License-Identifier: Apache-2.0
# Terminals: raw and restored, window size, job control; see terminal.py.
. "$ROOT/tests/cli/lib.sh"

is "-t without a terminal" "$(fake do -t tty </dev/null 2>&1; echo $?)" "umbra: -t: standard input is not a terminal
125"
python3 "$ROOT/tests/cli/terminal.py"
