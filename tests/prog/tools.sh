# SPDX-License-Identifier: Apache-2.0
# Bigger programs: perl, git, sqlite3, a compiler, an editor on a terminal.
# timeout: 400
. "$ROOT/tests/prog/lib.sh"
need perl git gcc make

both "perl" 'perl -e "for (1..5) { my \$p = fork; if (!\$p) { exit \$_ } waitpid(\$p, 0); print \$? >> 8, qq{\n} }"; perl -e "open(P, q{-|}, q{echo from pipe}); print <P>; pipe(R, W); if (!fork) { print W qq{child\n}; exit } close W; print <R>; \$SIG{ALRM} = sub { print qq{alarm\n} }; alarm 1; sleep 3; local \$| = 1; print join(q{,}, sort map { s,.*/,,r } glob(q{/etc/pass*})), qq{\n}"'
both "git" 'export HOME=$PWD GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"; git config --global user.email a@b; git config --global user.name n; git init -q -b main r; cd r; for i in $(seq 50); do echo $i > f$i; done; git add .; git commit -qm one; echo x >> f1; git commit -qam two; git log --format=%H; git status --short; cd ..; git clone -q r s; cd s; git gc -q; git fsck; git rev-list --all --objects | wc -l; git checkout -q -b br HEAD~1; git diff main --stat; git merge -q main; git log --oneline | wc -l; git blame f1 | cut -c1-8'
if command -v sqlite3 > /dev/null; then
	both "sqlite3 with WAL" 'sqlite3 db "pragma journal_mode=wal; pragma synchronous=full; create table t(a integer primary key, b text); with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x, hex(x) from c; select count(*), sum(a) from t;"; sqlite3 db "pragma integrity_check; delete from t where a%2; select count(*) from t; vacuum; pragma wal_checkpoint(truncate);"; (sqlite3 db ".timeout 5000" "insert into t values(100001, 1)" & sqlite3 db ".timeout 5000" "insert into t values(100002, 2)"; wait); sqlite3 db "select count(*) from t"; ls'
fi
both "gcc" 'cat > a.c <<END
#include <stdio.h>
int f(int);
int main(void) { printf("%d\n", f(41)); return 0; }
END
echo "int f(int x) { return x + 1; }" > b.c
gcc -O2 -c a.c && gcc -O2 -c b.c && gcc -o p a.o b.o && ./p; gcc -static -o ps a.o b.o && ./ps; echo "int main(void) { return x; }" | gcc -x c - -o /dev/null 2>&1 | grep -c error'
both "sanitizers" 'cat > a.c <<END
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
int x;
static void *add(void *a) { x += (long)a; return a; }
int main(int argc, char **argv) {
	pthread_t t[2];
	char *p = malloc(argc + 9);
	for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, add, (void *)i);
	for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
	if (argc > 1) { p[argc + 9] = 1; x += 0x7fffffff + argc; }
	free(p);
	return 0;
}
END
for s in address undefined thread leak; do
	gcc -g -fsanitize=$s -o p-$s a.c 2>/dev/null || { echo no $s; continue; }
	for args in "" bad; do ./p-$s $args 2>err; echo $s: $? $(grep -Eo "heap-buffer-overflow on|signed integer overflow|data race" err | sort -u); done
done'
# Who translates another program's text has to find it unpatched. Such tools have no interpreter.
both "text as it is in the file" 'cat > a.c <<END
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static char text[8 << 20];
int main(int argc, char **argv) {
	int fd = open(argv[1], O_RDONLY);
	long n = read(fd, text, sizeof(text));
	char *p = mmap(NULL, n, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	printf("%d %d\n", n > 100000, memcmp(p, text, n));
	return 0;
}
END
gcc -static -no-pie -Wl,-Ttext-segment=0x58000000 a.c -o p && ./p $(ldd /bin/sh | grep -o "/.*libc.so.6")'
both "make -j" 'for i in $(seq 12); do printf "int f%d(int x) { return x + %d; }\n" $i $i > f$i.c; done
{ echo "OBJS = $(seq -f "f%g.o" -s " " 12)"; printf "lib.a: \$(OBJS)\n\tar rcs \$@ \$(OBJS)\n%%.o: %%.c\n\t@gcc -O1 -c -o \$@ \$<\n"; } > Makefile
make -s -j4 2>&1 | grep -v "^ar:"; ar t lib.a | sort -V | tr "\n" " "; make -s -j4; echo $?'
finish
