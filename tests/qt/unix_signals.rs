//! Tests of Unix signals as futures and streams.

use std::io;

use futures_lite::StreamExt;
use qtloop::signal::{self, SignalKind};
use qtloop::spawn_local;
use qtloop::task::yield_now;
use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::trials;
use crate::world::{attached, run};

trials![
    unix_signal_is_awaited,
    ctrl_c_between_the_call_and_the_first_poll_is_received,
    signal_kind_that_cannot_be_caught_is_an_error,
];

fn unix_signal_is_awaited() {
    let own: Pid = getpid();
    run(async {
        let interrupted = spawn_local(signal::ctrl_c());
        let ended = spawn_local(signal::terminate());
        let mut hang_ups = signal::unix(SignalKind::hangup())?;
        yield_now().await; // they have started then
        for (number, count) in [(Signal::INT, 1), (Signal::TERM, 1), (Signal::HUP, 2)] {
            for _ in 0..count {
                kill_process(own, number)?;
            }
        }
        interrupted.await??;
        ended.await??;
        hang_ups.next().await.expect("it has no end");
        assert!(signal::unix(SignalKind::from_raw(9)).is_err());
        Ok(())
    });
}

fn ctrl_c_between_the_call_and_the_first_poll_is_received() {
    let event_loop = attached();
    let (interrupted, ended) = (signal::ctrl_c(), signal::terminate());
    for signal in [Signal::INT, Signal::TERM] {
        kill_process(getpid(), signal).expect("this process");
    }
    event_loop.block_on(interrupted).expect("no error");
    event_loop.block_on(ended).expect("no error");
}

fn signal_kind_that_cannot_be_caught_is_an_error() {
    let _event_loop = attached();
    for number in [9, 0, -1, 10_000] {
        let kind = SignalKind::from_raw(number);
        assert_eq!(kind.as_raw_value(), number);
        let error = signal::unix(kind).expect_err("it cannot be caught");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}");
    }
    assert_eq!(SignalKind::hangup(), SignalKind::from_raw(1));
}
