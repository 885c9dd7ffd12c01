# SPDX-License-Identifier: Apache-2.0
# A hostile guest kernel (tests/guest/hostile.c) in the real umbra: whatever it does to the queues, it ends in silence or with one
# sentence, in time, and touches nothing but the current directory.
# timeout: 120
. "$ROOT/tests/cli/lib.sh"
cd "$TMP" || exit 1
guest=$BUILD/tests/guest/guest_hostile
[ -n "${UMBRA:-}" ] && [ -e "$guest" ] || skip "needs umbra and the hostile guest"

mkdir -p play outside; echo secret >outside/secret; chmod 700 outside
state() { find outside -printf '%p %m %U %s %T@ %n\n' | sort; stat -c '%a %U %s %Y' /etc /etc/passwd /usr; }
before=$(state)

# attack STATUSES NAME SEED: one life
attack() {
	chmod 755 play # the guest may change its mode
	(cd play && timeout -s KILL 60 "$UMBRA" do --cpus 2 --memory 64M --hide "$TMP/outside" --kernel "$guest" --debug \
		--env "attack=$2" --env "seed=$3" --env seconds=1 -- x) >out 2>err
	status=$?
	case " $1 " in *" $status "*) ;; *) fail "$2 $3: status $status: $(cat -v err)" ;; esac
	grep -q -e 'killed by signal' -e 'not on its list' -e 'no answer' err && fail "$2 $3: $(cat -v err)"
	[ "$status" = 0 ] || [ "$(grep -c '^umbra: [a-z]' err)" = 1 ] || fail "$2 $3: no sentence, or several: $(cat -v err)"
}

for seed in 1 2 3 4; do
	attack 125 rings $seed
	attack 125 messages $seed
	attack 0 fuse $seed; grep -q 'requests answered' err || fail "fuse $seed: $(cat -v err)"
	attack "0 125" wild $seed
	attack "0 125" tables $seed
done

# A kernel that hears nothing any more: a program could ignore the first SIGTERM; after a while the second is for the sandbox.
(cd play && exec "$UMBRA" do --memory 64M --kernel "$guest" --debug --env attack=deaf -- x) >out 2>err &
pid=$!
until grep -q 'attack deaf' err || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -TERM $pid; sleep 1; kill -TERM $pid; sleep 5
kill -0 $pid 2>/dev/null || fail "deaf: ended too early: $(cat -v err)"
kill -TERM $pid; wait $pid
is "deaf: exit status" $? 125
grep -q 'does not take signals any more' err || fail "deaf: no sentence: $(cat -v err)"
is "what lies outside" "$(state)" "$before"
chmod -R u+rwX play 2>/dev/null; rm -rf play
