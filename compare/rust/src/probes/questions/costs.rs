//! Questions with a number as the answer: early timers, threads and wake-ups.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use futures_lite::AsyncReadExt;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{Answer, Asked, HALF_A_SECOND, Stream, Toolkit, check};

pub async fn early<T: Toolkit>() -> Asked {
    let mut random = fastrand::Rng::with_seed(1);
    let mut early = 0;
    for _ in 0..300 {
        let time = Duration::from_micros(random.u64(300..3000));
        let due = Instant::now() + time;
        T::sleep(time)?.await;
        early += u64::from(Instant::now() < due);
    }
    Ok(Answer::Number(early))
}

/// Makes a connection over the loopback device: the loop's end and the other end.
fn connect<T: Toolkit>() -> Result<(Box<dyn Stream>, TcpStream), Answer> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let stream = TcpStream::connect(address).expect("it listens");
    let (other, _) = listener.accept().expect("it has connected");
    stream.set_nonblocking(true).expect("sockets can");
    Ok((T::adopt(stream)?, other))
}

pub async fn threads<T: Toolkit>() -> Asked {
    let count = || fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = count();
    for _ in 0..10 {
        let (mut stream, mut other) = connect::<T>()?;
        let (answering, answer) = async_channel::bounded(1);
        T::spawn(Box::pin(async move {
            let mut byte = [0];
            let read = stream.read_exact(&mut byte).await;
            let _ = answering.send((read.map(|()| byte), stream)).await;
        }));
        // The task waits by then.
        T::sleep(Duration::from_millis(10))?.await;
        other.write_all(b"x").expect("it is connected");
        let (read, _stream) = answer.recv().await.expect("the task has the sender");
        check(read.is_ok_and(|byte| byte == *b"x"), "what came differs")?;
    }
    Ok(Answer::Number((count() - before) as u64))
}

/// Returns the number of voluntary context switches of all threads of this process.
fn switches() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("this is Linux");
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).ok();
    let texts = tasks.flatten().filter_map(status);
    let count = |text: String| -> Option<u64> {
        let (_, count) = text.split_once("\nvoluntary_ctxt_switches:")?;
        count.split_whitespace().next()?.parse().ok()
    };
    texts.filter_map(count).sum()
}

pub async fn wake_ups<T: Toolkit>() -> Asked {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    let mut others = Vec::new();
    for _ in 0..1000 {
        let (mut stream, other) = connect::<T>()?;
        others.push(other);
        T::spawn(Box::pin(async move {
            let _ = stream.read(&mut [0]).await;
        }));
    }
    // The loop has started its helpers by then.
    T::sleep(HALF_A_SECOND)?.await;
    let before = switches();
    T::sleep(Duration::from_secs(2))?.await;
    Ok(Answer::Number(switches() - before))
}
