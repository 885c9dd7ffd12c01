# SPDX-License-Identifier: Apache-2.0
# sqlite3: several writers at once, in each journal mode; a writer that is killed; readers meanwhile.
# timeout: 300
. "$ROOT/tests/prog/lib.sh"
need sqlite3

for mode in wal delete persist; do
	both "four writers, journal mode $mode" 'sqlite3 db "pragma journal_mode='$mode'; create table t(w, n, primary key(w, n));" >/dev/null
for w in 1 2 3 4; do (for n in $(seq 25); do echo "insert into t values($w, $n);"; done | sqlite3 -cmd ".timeout 60000" -cmd "pragma synchronous=full" db || echo writer $w failed) & done
for i in 1 2 3; do sqlite3 -cmd ".timeout 60000" db "pragma integrity_check;"; done; wait
sqlite3 db "select w, count(*), sum(n) from t group by w; pragma integrity_check;"; ls'
done
both "a killed writer" 'sqlite3 db "pragma journal_mode=wal; create table t(n);"
for k in 1 2 3; do
	printf "begin;\ninsert into t values(1);\n.system touch ready; sleep 0.5\ncommit;\n" | sqlite3 db & while [ ! -e ready ]; do sleep 0.01; done
	rm ready; kill -9 $!; wait $!; echo $?; sqlite3 -cmd ".timeout 60000" db "insert into t values(100)"
done 2>/dev/null
sqlite3 db "select count(*), sum(n) from t; pragma integrity_check"'
finish
