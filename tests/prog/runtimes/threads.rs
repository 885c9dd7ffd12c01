// SPDX-License-Identifier: Apache-2.0
// Threads with atomics, locks, condition variables, channels, barriers; a child, a socket pair, a deep stack, a caught panic.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex};
use std::thread;

fn deep(n: u64) -> u64 {
    let frame = [n; 64];
    if n == 0 { 0 } else { std::hint::black_box(&frame)[3] - n + 1 + deep(n - 1) }
}

fn turns(pair: &(Mutex<u32>, Condvar), mine: u32) {
    for _ in 0..3000 {
        let mut turn = pair.0.lock().unwrap();
        while *turn != mine {
            turn = pair.1.wait(turn).unwrap();
        }
        *turn = 1 - mine;
        pair.1.notify_one();
    }
}

fn main() {
    let (count, locked) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(0u64)));
    let threads: Vec<_> = (0..16u64)
        .map(|i| {
            let (count, locked) = (count.clone(), locked.clone());
            thread::spawn(move || {
                for k in 0..20000 {
                    count.fetch_add(k, Ordering::Relaxed);
                    *locked.lock().unwrap() += 1;
                }
                i
            })
        })
        .collect();
    let sum: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    println!("{} {} {}", sum, count.load(Ordering::SeqCst), locked.lock().unwrap());

    let (tx, rx) = mpsc::channel();
    for i in 0..8u64 {
        let tx = tx.clone();
        thread::spawn(move || (0..5000).for_each(|j| tx.send(i * j).unwrap()));
    }
    drop(tx);
    println!("{}", rx.iter().sum::<u64>());

    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let other = pair.clone();
    let t = thread::spawn(move || turns(&other, 1));
    turns(&pair, 0);
    t.join().unwrap();

    let barrier = Arc::new(Barrier::new(10));
    let leaders: usize = (0..10)
        .map(|_| {
            let barrier = barrier.clone();
            thread::spawn(move || (0..100).filter(|_| barrier.wait().is_leader()).count())
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|t| t.join().unwrap())
        .sum();
    println!("{}", leaders);

    let mut child = Command::new("sh").args(["-c", "cat; exit 6"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"data").unwrap();
    let out = child.wait_with_output().unwrap();
    println!("{:?} {}", out.status.code(), String::from_utf8_lossy(&out.stdout));

    let (mut a, mut b) = UnixStream::pair().unwrap();
    let reader = thread::spawn(move || {
        let mut all = vec![];
        b.read_to_end(&mut all).unwrap();
        all.len()
    });
    a.write_all(&vec![1u8; 3_000_000]).unwrap();
    drop(a);
    println!("{}", reader.join().unwrap());

    println!("{}", thread::Builder::new().stack_size(64 << 20).spawn(|| deep(50000)).unwrap().join().unwrap());
    std::panic::set_hook(Box::new(|_| ()));
    println!("{}", std::panic::catch_unwind(|| panic!()).is_err());
    std::process::abort();
}
