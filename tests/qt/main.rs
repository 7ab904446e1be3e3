//! Tests of the core and of tasks inside a real Qt loop. Qt needs the main thread, so this binary
//! has its own harness: it runs one test after the other, each with a time limit.

#[cfg(feature = "tasks")]
mod activity;
#[cfg(feature = "tasks")]
mod await_points;
#[cfg(feature = "tasks")]
mod budgets;
mod driver_observer;
mod driver_priorities;
mod driver_runs;
mod driver_stats;
#[cfg(feature = "tasks")]
mod dropped_waiters;
#[cfg(all(feature = "tasks", target_os = "linux"))]
mod failed_wake_up;
#[cfg(feature = "hyper")]
mod http;
#[cfg(feature = "hyper")]
mod http_disconnects;
#[cfg(feature = "hyper")]
mod https;
#[cfg(feature = "tasks")]
mod io_by_mut;
#[cfg(feature = "tasks")]
mod io_many_waiters;
mod jobs_from_threads;
#[cfg(feature = "tasks")]
mod join_sets;
mod lingers;
#[cfg(feature = "tasks")]
mod loop_stats;
#[cfg(feature = "tasks")]
mod misuse;
#[cfg(feature = "tasks")]
mod nesting;
#[cfg(feature = "tasks")]
mod net_accept;
#[cfg(feature = "tasks")]
mod net_connect;
#[cfg(feature = "tasks")]
mod net_convert;
#[cfg(feature = "tasks")]
mod objects;
mod order;
#[cfg(feature = "tasks")]
mod pace;
#[cfg(feature = "test-util")]
mod paused_time;
mod priorities_model;
#[cfg(all(feature = "tasks", target_os = "linux"))]
mod process_drops;
#[cfg(feature = "tasks")]
mod processes;
#[cfg(feature = "tasks")]
mod properties;
#[cfg(feature = "tasks")]
mod run;
#[cfg(feature = "tasks")]
mod scenario;
#[cfg(feature = "tasks")]
mod signals;
#[cfg(feature = "tasks")]
mod signals_from_threads;
#[cfg(feature = "tasks")]
mod socket_waits;
#[cfg(feature = "tasks")]
mod sockets;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(feature = "tasks")]
mod task_observer;
#[cfg(feature = "tasks")]
mod task_priorities;
#[cfg(feature = "tasks")]
mod task_priorities_in_a_flood;
#[cfg(feature = "tasks")]
mod task_priorities_in_use;
#[cfg(all(feature = "record", feature = "tasks"))]
mod task_recording;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(feature = "tasks")]
mod tasks_on_threads;
#[cfg(feature = "tasks")]
mod timing;
#[cfg(feature = "tokio-io")]
mod tokio_io;
mod turns;
#[cfg(feature = "tasks")]
mod unix_signals;
#[cfg(feature = "tasks")]
mod watchdog;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    qtloop::core::app::ensure(std::env::args_os());
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests = [
        order::tests(),
        turns::tests(),
        lingers::tests(),
        driver_runs::tests(),
        driver_priorities::tests(),
        driver_observer::tests(),
        driver_stats::tests(),
        priorities_model::tests(),
        jobs_from_threads::tests(),
        #[cfg(feature = "tasks")]
        tasks::tests(),
        #[cfg(feature = "tasks")]
        task_observer::tests(),
        #[cfg(all(feature = "record", feature = "tasks"))]
        task_recording::tests(),
        #[cfg(feature = "tasks")]
        task_priorities::tests(),
        #[cfg(feature = "tasks")]
        task_priorities_in_a_flood::tests(),
        #[cfg(feature = "tasks")]
        task_priorities_in_use::tests(),
        #[cfg(feature = "tasks")]
        loop_stats::tests(),
        #[cfg(feature = "tasks")]
        join_sets::tests(),
        #[cfg(feature = "tasks")]
        budgets::tests(),
        #[cfg(all(feature = "tasks", target_os = "linux"))]
        failed_wake_up::tests(),
        #[cfg(feature = "tasks")]
        run::tests(),
        #[cfg(feature = "tasks")]
        nesting::tests(),
        #[cfg(feature = "tasks")]
        tasks_on_threads::tests(),
        #[cfg(feature = "tasks")]
        misuse::tests(),
        #[cfg(feature = "tasks")]
        dropped_waiters::tests(),
        #[cfg(feature = "tracing")]
        spans::tests(),
        #[cfg(feature = "tasks")]
        timing::tests(),
        #[cfg(feature = "tasks")]
        pace::tests(),
        #[cfg(feature = "test-util")]
        paused_time::tests(),
        #[cfg(feature = "tasks")]
        sockets::tests(),
        #[cfg(feature = "tasks")]
        socket_waits::tests(),
        #[cfg(feature = "tasks")]
        io_many_waiters::tests(),
        #[cfg(feature = "tasks")]
        io_by_mut::tests(),
        #[cfg(feature = "tasks")]
        net_accept::tests(),
        #[cfg(feature = "tasks")]
        net_connect::tests(),
        #[cfg(feature = "tasks")]
        net_convert::tests(),
        #[cfg(feature = "tasks")]
        signals::tests(),
        #[cfg(feature = "tasks")]
        signals_from_threads::tests(),
        #[cfg(feature = "tasks")]
        properties::tests(),
        #[cfg(feature = "tasks")]
        processes::tests(),
        #[cfg(all(feature = "tasks", target_os = "linux"))]
        process_drops::tests(),
        #[cfg(feature = "tasks")]
        unix_signals::tests(),
        #[cfg(feature = "tasks")]
        activity::tests(),
        #[cfg(feature = "tasks")]
        watchdog::tests(),
        #[cfg(feature = "tasks")]
        await_points::tests(),
        #[cfg(feature = "hyper")]
        http::tests(),
        #[cfg(feature = "hyper")]
        http_disconnects::tests(),
        #[cfg(feature = "hyper")]
        https::tests(),
        #[cfg(feature = "tokio-io")]
        tokio_io::tests(),
    ];
    libtest_mimic::run(&arguments, tests.into_iter().flatten().collect()).exit_code()
}
