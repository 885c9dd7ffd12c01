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
"$FAKE" do --cpus 2 --help | grep -q "Usage: umbra do" || fail "--help after another option"

[ -n "${UMBRA:-}" ] || exit 0
cd "$TMP" || exit 1
# try ARGUMENTS...: exit status and what is said
try() { "$UMBRA" do "$@" >out 2>&1 </dev/null; echo "$? $(cat out)"; }

is "empty name" "$(try '')" "127 umbra: run : not found"
is "no such file" "$(try ./nosuch)" "127 umbra: run ./nosuch: not found"
is "no program" "$(try /etc/passwd)" "126 umbra: run /etc/passwd: permission denied"
is "a directory" "$(try /etc)" "126 umbra: run /etc: permission denied"
is "below a file" "$(try /etc/passwd/x)" "127 umbra: run /etc/passwd/x: not a directory"
printf '\177ELF\2\1\1' >corrupt; head -c 3000 /bin/true >short; echo '#!/nosuch' >script; echo echo >plain; : >empty
chmod +x corrupt short script plain empty
for f in corrupt plain empty; do
	is "$f" "$(try ./$f)" "126 umbra: run ./$f: not an executable format this kernel knows"
done
is "cut off" "$(try ./short)" "126 umbra: run ./short: damaged, or it cannot be read"
is "no interpreter" "$(try ./script)" "127 umbra: run ./script: not found"
is "no directory" "$(try --cwd /nosuch true)" "127 umbra: change to directory /nosuch: not found"
is "a place in /proc" "$(try --bind /etc:/proc/x true)" "125 umbra: make the mount point /proc/x: not found"
has "$(try --bind /etc:/ true)" "125 umbra: --bind /etc:/: the place in the sandbox must "
has "$(try --bind /etc:/x:ro:y true)" "125 umbra: --bind /etc:/x:ro:y: after the second ':' only "
has "$(try --hide / true)" "125 umbra: do: --hide: an absolute path, not the root, is wanted"
mkdir root; is "empty root" "$(try --rootfs root true)" "127 umbra: run true: not found"
is "more than there is" "$(try --memory 4T true)" "0 "
rm -r root corrupt short script plain empty
