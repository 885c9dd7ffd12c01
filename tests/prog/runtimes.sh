# SPDX-License-Identifier: Apache-2.0
# Language runtimes: what node, java, perl, ruby and rust programs do, and tools that look into programs. Those that are installed.
# timeout: 600
. "$ROOT/tests/prog/lib.sh"
sources=$ROOT/tests/prog/runtimes
found=0

# runtime PROGRAM FILE COMMAND: natively and in sandboxes, with FILE (of $sources) in the current directory. Compilers leave their
# output beside it.
runtime() {
	command -v "${1%% *}" >/dev/null || return
	found=$((found + 1))
	both "$1" "cat >$2 <<'END-OF-FILE'
$(cat "$sources/$2")
END-OF-FILE
$3"
}

runtime perl perl.pl 'perl perl.pl'
runtime ruby ruby.rb 'ruby ruby.rb'
runtime node node.js 'node node.js'
runtime javac Threads.java 'javac Threads.java; for gc in Serial G1 Z; do java -Xmx96m -XX:+Use${gc}GC Threads; echo $?; done'
runtime rustc threads.rs 'rustc -O -o threads threads.rs && sh -c "./threads; exit \$?" 2>/dev/null; echo $?'

if command -v valgrind >/dev/null; then
	found=$((found + 1))
	both "valgrind" 'echo "#include <stdlib.h>
int main(void) { char *p = malloc(10); return p[3] == 1; }" >a.c; gcc -g -o a a.c && valgrind -q --leak-check=full ./a 2>&1 | sed "s/==[0-9]*==//"'
fi
if command -v gdb >/dev/null; then
	found=$((found + 1))
	both "gdb" 'printf "int f(int x) { return x + 1; }\nint main(void) { return f(41); }\n" >a.c; gcc -g -o a a.c
gdb -q -nx -batch -ex "break f" -ex run -ex "print x" -ex "set var x=6" -ex finish -ex "watch \$rip==1" -ex "delete" -ex continue ./a 2>&1 | grep -v "libthread_db\|debuginfod" |
	sed "s/(process [0-9]*)//"'
fi
if command -v strace >/dev/null; then
	found=$((found + 1))
	both "strace" 'strace -f -e trace=execve,write -o log sh -c "echo a; (echo b)" && grep -c "write(1" log; tail -1 log | sed "s/^[0-9]* *//"'
fi

[ $found -gt 0 ] || { echo "none of them is installed"; exit 77; }
finish
