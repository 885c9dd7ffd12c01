# SPDX-License-Identifier: Apache-2.0
# Children, pipes in all directions, socket pairs, SIGCHLD and SIGALRM handlers.
use strict;
use warnings;
use IO::Handle;
use POSIX qw(:sys_wait_h);
use Socket;
$| = 1;

socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
$_->autoflush(1) for $a, $b;
my $child = fork;
if (!$child) {
	close $a;
	while (<$b>) { print $b uc }
	exit 9;
}
close $b;
for my $word ("hello", "two") {
	print $a "$word\n";
	print scalar <$a>;
}
shutdown $a, 1;
waitpid $child, 0;
print $? >> 8, "\n";

for my $i (1 .. 30) {
	next if fork;
	select undef, undef, undef, 0.01;
	exit $i;
}
my $sum = 0;
$sum += $? >> 8 while wait > 0;
print "$sum\n";

my $reaped = 0;
$SIG{CHLD} = sub { while (waitpid(-1, WNOHANG) > 0) { $reaped++ } };
for (1 .. 20) { fork or exit 0 }
select undef, undef, undef, 0.01 while $reaped < 20;
$SIG{CHLD} = 'DEFAULT';
print "reaped $reaped\n";

my $lines = 0;
defined(my $pid = open(my $from, "-|")) or die;
if (!$pid) {
	print "line $_\n" for 1 .. 1000;
	exit 0;
}
$lines++ while <$from>;
close $from;
open(my $to, "|-", "sort -n | tail -1") or die;
print $to "$_\n" for 1 .. 5000;
close $to;
print "$lines\n";

eval {
	local $SIG{ALRM} = sub { die "alarm\n" };
	alarm 1;
	select undef, undef, undef, 10;
};
print $@;
my $out = `perl -e 'print "nested"; exit 3'`;
print "$out ", $? >> 8, "\n";
pipe(my $r, my $w) or die;
if (!fork) {
	close $r;
	print $w "x" x 1000000;
	exit 0;
}
close $w;
print length(do { local $/; <$r> }), "\n";
exit 11;
