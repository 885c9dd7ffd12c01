# SPDX-License-Identifier: Apache-2.0
# What the command line puts out of sight is out of reach of a guest that talks to the file server by itself (the fake one).
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
chmod 755 "$TMP"

# raw PATH OPTIONS...: asks for PATH, from the root of each export
raw() { path=$1; shift; fake do "$@" -- raw "$path" >"$TMP/out" 2>"$TMP/err" || fail "status $?: $(cat "$TMP/err")"; }
seen() { grep -q ": $1\$" "$TMP/out" || fail "'$1' is not to be seen: $(cat "$TMP/out")"; }
unseen() { ! grep -q ": $1\$" "$TMP/out" || fail "'$1' is to be seen: $(cat "$TMP/out")"; }

mkdir -p home/keys work data/sub; echo secret >home/keys/k; echo token >home/token; echo plain >home/plain
echo inner >data/sub/f; ln -s home link; ln -s loop loop; ln -s "$TMP/home" absolute

# What nobody hides is read: the measure works.
raw home/keys/k; seen secret
raw token --bind "$TMP/home:/h"; seen token

# A directory, a file; also by a path through symbolic links, and with needless parts.
raw home/keys/k --hide "$TMP/home/keys"; unseen secret
raw home/token --hide "$TMP/home/keys"; seen token
for path in home/token link/token absolute/token home/keys/../token .//home/./token; do
	raw home/token --hide "$TMP/$path"; unseen token
	raw home/plain --hide "$TMP/$path"; seen plain
done
# Under another mount: there and wherever else it can be reached.
raw token --bind "$TMP/home:/h" --hide /h/token; unseen token
raw home/token --bind "$TMP/home:/h" --hide /h/token; unseen token
raw keys/k --bind "$TMP/home:/h" --hide "$TMP/home/keys"; unseen secret
# What is not there cannot be hidden; what cannot be found is an error.
raw home/plain --hide "$TMP/home/nothing"; seen plain
out=$(fake do --hide "$TMP/loop" -- exit 0 2>&1); is "loop" $? 125; has "$out" "--hide"

# Places that another mount covers: a bind in a bind, the guest's own /tmp, the current directory.
raw sub/f --bind "$TMP/data:/d"; seen inner
raw sub/f --bind "$TMP/data:/d" --bind "$TMP/work:/d/sub:ro"; unseen inner
case $TMP in
/tmp/*)
	cd /; raw "$TMP/home/token"; unseen token
	cd "$TMP" || exit 1; raw "$TMP/home/token"; unseen token
	;;
esac

# Hiding what lies above the current directory hides that too.
cd home || exit 1; raw token --hide "$TMP"; unseen token
