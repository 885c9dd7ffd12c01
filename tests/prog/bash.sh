# SPDX-License-Identifier: Apache-2.0
# The shell: pipelines, here-documents, traps, jobs, process substitution.
# timeout: 240
. "$ROOT/tests/prog/lib.sh"

both "pipeline" 'seq 1 1000 | grep 7 | sort -rn | head -5 | tr "\n" " "; echo "${PIPESTATUS[@]}"'
both "pipefail" 'set -o pipefail; false | true; echo $?; true | false | true; echo $?'
both "here-document" 'x=world; cat <<END | rev
hello $x
END
cat <<"END"
$x
END
cat <<< "here string"'
both "big here-document" 'x=$(seq 1 20000); cat <<END | md5sum
$x
END'
both "trap" 'trap "echo got usr1" USR1; trap "echo bye" EXIT; kill -USR1 $$; (trap "echo term; exit 3" TERM; kill -TERM $BASHPID; sleep 5); echo $?'
both "background jobs" 'for i in 3 2 1; do (sleep 0.0$i; echo $i > out.$i) & done; wait; cat out.*; sleep 0 & wait $!; echo $?'
both "job control" 'set -m; sleep 30 & kill -STOP %1; sleep 0.1; jobs | sed "s/ *$//"; kill -CONT %1; kill %1; wait %1; echo $?'
both "process substitution" 'diff <(seq 1 5) <(seq 2 6); tee >(wc -l > n) < <(seq 1 100) | tail -1; while [ ! -s n ]; do sleep 0.01; done; cat n'
both "coprocess" 'coproc cat; echo hello >&${COPROC[1]}; read -u ${COPROC[0]} line; echo $line'
both "exit status" 'sh -c "exit 42"; echo $?; { sh -c "kill -9 \$\$"; } 2>/dev/null; echo $?; nonexistent-command 2>/dev/null; echo $?; /etc/passwd 2>/dev/null; echo $?'
both "killed" 'kill -SEGV $$'
both "redirections" 'exec 5>f; echo five >&5; exec 5>&-; cat f; echo more >> f; wc -l < f; ls nothing 2>&1 | sed s/.*:// ; cat f > /dev/full || echo full'
both "arithmetic loop" 'n=0; for ((i = 0; i < 20000; i++)); do ((n += i)); done; echo $n'
both "recursion" 'f() { [ $1 = 0 ] && echo done || f $(($1 - 1)); }; f 500'
both "many forks" 'for i in $(seq 200); do /bin/true; done; n=0; for i in $(seq 100); do n=$((n + $(echo 1))); done; echo $n'
both "globs" 'touch a1 a2 b1 .h; echo *; echo a?; shopt -s extglob dotglob; echo !(a*); mkdir -p x/y/z; shopt -s globstar; echo **'
both "ulimit" 'ulimit -n 20; ulimit -n; ulimit -s 4096; bash -c "ulimit -s"'
both "read timeout" 'read -t 0.05 x < <(sleep 1); [ $? -gt 128 ] && echo timed out'
both "script with interpreter line" 'printf "#!/bin/bash\necho \$0 \$1 | sed s,.*/,,\n" > s; chmod +x s; ./s arg; printf "#!%s/s x\n" "$PWD" > s2; chmod +x s2; ./s2 2>&1 | tail -1'
both "subshell environment" 'export A=1; (A=2; export B=3; env | grep -c "^[AB]="); echo $A ${B-unset}; env -i /usr/bin/env | grep -v "^_=" | wc -l'
both "umask and permissions" 'umask 027; touch f; mkdir d; stat -c "%a %F" f d; chmod 4755 f; stat -c %A f'
both "kill pipeline reader" 'yes | head -3; echo "${PIPESTATUS[@]}"'
both "wait for several" 'for s in 1 2 3; do (exit $s) & p[$s]=$!; done; for s in 1 2 3; do wait ${p[$s]}; echo $?; done; wait -n 2>/dev/null; echo $?'
finish
