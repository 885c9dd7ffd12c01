// SPDX-License-Identifier: Apache-2.0
// Threads and monitors, garbage in a small heap, mapped files, a child process, faults that become exceptions, timers.
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;

public class Threads {
	static int depth;

	static long fib(int n) {
		return n < 2 ? n : fib(n - 1) + fib(n - 2);
	}

	static int recurse() {
		depth++;
		return recurse() + 1;
	}

	static void pool() throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(8);
		List<Future<Long>> parts = new ArrayList<>();
		long sum = 0;
		for (int i = 0; i < 32; i++) {
			final int n = 20 + i % 8;
			parts.add(pool.submit(() -> fib(n)));
		}
		for (var part : parts)
			sum += part.get();
		pool.shutdown();
		System.out.println("pool " + sum + " " + pool.awaitTermination(10, TimeUnit.SECONDS));
		AtomicLong count = new AtomicLong();
		Thread[] many = new Thread[100];
		for (int i = 0; i < many.length; i++) {
			many[i] = new Thread(() -> { for (int j = 0; j < 10000; j++) count.incrementAndGet(); });
			many[i].start();
		}
		for (Thread t : many)
			t.join();
		System.out.println("count " + count);
	}

	static void turns(Object monitor, int[] turn, int mine) {
		for (int i = 0; i < 2000; i++) {
			synchronized (monitor) {
				while (turn[0] != mine) {
					try {
						monitor.wait();
					} catch (InterruptedException e) {
						return;
					}
				}
				turn[0] = 1 - mine;
				monitor.notifyAll();
			}
		}
	}

	static void monitor() throws Exception {
		Object monitor = new Object();
		int[] turn = {0};
		Thread other = new Thread(() -> turns(monitor, turn, 1));
		other.start();
		turns(monitor, turn, 0);
		other.join();
		System.out.println("monitor " + turn[0]);
	}

	static void garbage() {
		Random random = new Random(1);
		Map<Integer, byte[]> kept = new HashMap<>();
		long hash = 0;
		for (int i = 0; i < 300000; i++) {
			int key = random.nextInt(500);
			byte[] b = new byte[1 + random.nextInt(8000)];
			b[0] = (byte)i;
			b[b.length - 1] = (byte)key;
			kept.put(key, b);
			byte[] old = kept.get(random.nextInt(500));
			if (old != null)
				hash = hash * 31 + old[0] + old[old.length - 1];
		}
		System.out.println("garbage " + hash);
	}

	static void files() throws Exception {
		Path path = Path.of("mapped");
		int sum = 0;
		try (var c = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
			var map = c.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20);
			for (int i = 0; i < 1 << 20; i++)
				map.put(i, (byte)(i * 7));
			map.force();
			byte[] read = Files.readAllBytes(path);
			for (byte b : read)
				sum += b;
		}
		Files.delete(path);
		Process child = new ProcessBuilder("sh", "-c", "cat; exit 3").start();
		child.getOutputStream().write("in".getBytes());
		child.getOutputStream().close();
		System.out.println("files " + sum + " " + new String(child.getInputStream().readAllBytes()) + " " + child.waitFor());
	}

	static void faults() {
		try {
			Object none = null;
			none.hashCode();
		} catch (NullPointerException e) {
			System.out.println("null");
		}
		try {
			recurse();
		} catch (StackOverflowError e) {
			System.out.println("overflow " + (depth > 1000));
		}
	}

	public static void main(String[] args) throws Exception {
		pool();
		monitor();
		garbage();
		files();
		faults();
		CountDownLatch ticks = new CountDownLatch(5);
		new Timer(true).scheduleAtFixedRate(new TimerTask() { public void run() { ticks.countDown(); } }, 5, 5);
		ticks.await();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
		System.exit(5);
	}
}
