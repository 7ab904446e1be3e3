//! Timers without a window: prints the time at each full second, until Ctrl-C or for the number of
//! ticks in the argument.
//!
//!     cargo run --example clock -- 5

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, io};

use futures_lite::future;
use qtloop::{signal, time};

const SECOND: Duration = Duration::from_secs(1);

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970")
}

async fn tick(count: usize) -> io::Result<()> {
    let past_the_second = Duration::from_nanos(since_1970().subsec_nanos().into());
    time::sleep(SECOND - past_the_second).await;
    let mut beat = time::interval(SECOND);
    for _ in 0..count {
        beat.tick().await;
        let now = since_1970();
        let (seconds, late) = (now.as_secs(), now.subsec_micros());
        let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
        println!(
            "{hour:02}:{minute:02}:{:02} UTC, {late} µs late",
            seconds % 60
        );
    }
    Ok(())
}

async fn tick_as_told() -> Result<(), Box<dyn Error>> {
    let count = match env::args().nth(1) {
        Some(count) => count.parse()?,
        None => usize::MAX,
    };
    Ok(future::or(tick(count), signal::ctrl_c()).await?)
}

fn main() -> ExitCode {
    qtloop::run(tick_as_told())
}
