# SPDX-License-Identifier: Apache-2.0
# Threads, children, pipes, signals, timeouts, fibers, garbage.
require 'open3'
require 'socket'
require 'timeout'

puts (1..8).map { |i| Thread.new { (0...50000).sum { |k| k * i } } }.sum(&:value)
r, w = IO.pipe
child = fork { r.close; w.puts 'child'; exit!(3) }
w.close
puts r.read, Process.wait2(child)[1].exitstatus
puts Open3.capture2('tr a-z A-Z', stdin_data: 'abc')[0]
queue = Queue.new
taker = Thread.new { n = 0; while (x = queue.pop) != :end do n += x end; n }
1000.times { |i| queue << i }
queue << :end
puts taker.value
got = false
trap('USR1') { got = true }
Process.kill('USR1', $$)
sleep 0.001 until got
begin
  Timeout.timeout(0.1) { sleep 5 }
rescue Timeout::Error
  puts 'timeout'
end
a, b = UNIXSocket.pair
a.puts 'x'
puts b.gets, 200000.times.map { |i| "s#{i}" }.size
GC.start
fiber = Fiber.new { Fiber.yield 1; 2 }
puts fiber.resume + fiber.resume
at_exit { puts 'bye' }
exit 4
