# SPDX-License-Identifier: Apache-2.0
# Exit statuses and the one-line errors.
. "$ROOT/tests/cli/lib.sh"

status() { fake do "$@" 2>"$TMP/err"; echo $?; }

is "exit 0" "$(status exit 0)" 0
is "exit 7" "$(status exit 7)" 7
is "exit 255" "$(status -- exit 255)" 255
is "killed" "$(status signal 15)" 143
is "not found" "$(status nothing)" 127
is "panic" "$(status panic)" 125
is "panic's sentence" "$(cat "$TMP/err")" "umbra: guest kernel panic"
is "VMM crash" "$(status crash)" 125
has "$(cat "$TMP/err")" "killed by signal 4"
is "forbidden call" "$(status forbidden)" 125
has "$(cat "$TMP/err")" "not on its list"

is "unknown command" "$("$FAKE" frobnicate 2>&1; echo $?)" "umbra: no command 'frobnicate' (see 'umbra --help')
125"
is "no program" "$(status)" 125
is "bad option" "$(status --frobnicate)" 125
is "bad memory" "$(status --memory lots x)" 125
is "little memory" "$(status --memory 1M x)" 125
is "bad cpus" "$(status --cpus 0 x)" 125
is "bad bind" "$(status --bind /nonexistent:/x x)" 125
is "proc is never shown" "$(status --bind /proc:/x x)" 125
has "$(cat "$TMP/err")" "proc file system"
is "sys is never shown" "$(status --bind /sys/kernel:/x x)" 125
is "run needs a root" "$(fake run x 2>/dev/null; echo $?)" 125
"$FAKE" --help >/dev/null || fail "--help"
for command in do run doctor version; do
	"$FAKE" $command --help | grep -q "Usage: umbra $command" || fail "$command --help"
done
