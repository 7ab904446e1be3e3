//! `testing::run` under cargo's own harness: tests on threads, in parallel.

use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use qtloop::net::{TcpListener, TcpStream};
use qtloop::{spawn_local, testing, time};

#[test]
fn result_of_the_future_is_returned() {
    assert_eq!(testing::run(async { 6 * 7 }), 42);
}

#[test]
fn timers_run_and_are_not_early() {
    let begun = Instant::now();
    testing::run(async { time::sleep(Duration::from_millis(5)).await });
    assert!(begun.elapsed() >= Duration::from_millis(5));
}

#[test]
fn tasks_and_sockets_run() {
    let answer = testing::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut stream = TcpStream::connect(listener.local_addr()?).await?;
        spawn_local(async move {
            let (mut peer, _) = listener.accept().await?;
            peer.write_all(b"hello").await
        });
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    });
    assert_eq!(answer.expect("no error"), "hello");
}

#[test]
fn loop_of_a_test_ends_with_it() {
    for round in 0..3 {
        let result = testing::run(async move {
            spawn_local(std::future::pending::<()>());
            round
        });
        assert_eq!(result, round);
    }
}

#[test]
#[should_panic(expected = "of the test")]
fn panic_of_the_future_fails_the_test() {
    testing::run(async { panic!("of the test") })
}

#[test]
#[should_panic(expected = "this thread has a loop already")]
fn run_inside_run_panics() {
    testing::run(async { testing::run(async {}) });
}

#[cfg(feature = "test-util")]
#[test]
fn time_limit_of_a_paused_clock_takes_no_time() {
    testing::run(async {
        time::pause();
        let begun = time::now();
        let slow = time::sleep(Duration::from_secs(3600));
        let limited = time::timeout(Duration::from_secs(30), slow);
        assert!(limited.await.is_err());
        assert_eq!(time::now() - begun, Duration::from_secs(30));
    });
}
