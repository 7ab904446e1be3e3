//! `Loop::run`: the end of a run, and its result. Windows are in `tests/qml`.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use qtloop::qt::Object;
use qtloop::task::yield_now;
use qtloop::{Loop, block_on, quit, signal, spawn_local, time};

use crate::trials;
use crate::world::attached;

trials![
    run_returns_the_result_of_main,
    run_drops_main_before_it_returns_when_the_application_quits,
    run_returns_the_exit_code_of_quit,
    run_can_be_repeated,
    run_after_a_quit_lasts_until_its_own_main_completes,
    run_after_a_main_whose_destructor_panics_lasts_until_its_own_main_completes,
    run_resumes_a_panic_of_main,
    run_inside_a_qt_loop_panics_with_a_hint,
    completed_main_ends_the_run_while_other_tasks_spin,
    other_tasks_continue_in_the_next_run,
    main_completed_inside_block_on_ends_the_run,
    about_to_quit_is_emitted_at_the_end_of_a_run,
    run_works_on_a_thread_without_the_application,
    run_function_uses_the_loop_of_its_thread,
];

/// Sets a flag when it is dropped.
struct Flag(Rc<Cell<bool>>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

fn run_returns_the_result_of_main() {
    let event_loop = attached();
    let result = event_loop.run(async {
        time::sleep(Duration::from_millis(1)).await;
        "a result"
    });
    assert_eq!(result, Ok("a result"));
}

fn run_drops_main_before_it_returns_when_the_application_quits() {
    let event_loop = attached();
    let dropped = Rc::<Cell<bool>>::default();
    let flag = Flag(Rc::clone(&dropped));
    let quitting = spawn_local(async { quit(0) });
    let result = event_loop.run(async move {
        let _flag = flag;
        pending::<()>().await;
    });
    assert_eq!(result.map_err(|quit| quit.code), Err(0));
    assert!(dropped.get());
    assert!(quitting.is_finished());
}

fn run_returns_the_exit_code_of_quit() {
    let event_loop = attached();
    let result = event_loop.run(async {
        quit(7);
        pending::<()>().await;
    });
    let quit = result.expect_err("main does not complete");
    assert_eq!(quit.code, 7);
    assert!(quit.to_string().contains("exit code 7"), "{quit}");
}

fn run_can_be_repeated() {
    let event_loop = attached();
    for round in 0..3 {
        assert_eq!(event_loop.run(async move { round }), Ok(round));
        let result = event_loop.run(async {
            quit(0);
            pending::<()>().await;
        });
        assert!(result.is_err());
    }
    assert_eq!(event_loop.block_on(async { 4 }), 4);
}

fn run_after_a_quit_lasts_until_its_own_main_completes() {
    let event_loop = attached();
    for round in 0..3 {
        let result = event_loop.run(async move {
            quit(round);
            pending::<()>().await;
        });
        assert_eq!(result.map_err(|quit| quit.code), Err(round));
        let result = event_loop.run(async move {
            time::sleep(Duration::from_millis(5)).await;
            round
        });
        assert_eq!(result, Ok(round));
    }
}

fn run_after_a_main_whose_destructor_panics_lasts_until_its_own_main_completes() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a destructor");
        }
    }

    let event_loop = attached();
    let run = || {
        event_loop.run(async {
            let _bomb = Bomb;
            quit(0);
            pending::<()>().await;
        })
    };
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("the destructor panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"a destructor"));
    let result = event_loop.run(async {
        time::sleep(Duration::from_millis(5)).await;
        5
    });
    assert_eq!(result, Ok(5));
}

fn run_resumes_a_panic_of_main() {
    let event_loop = attached();
    let run = || event_loop.run(async { panic!("of main") });
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"of main"));
    assert_eq!(event_loop.run(async { "runs again" }), Ok("runs again"));
}

fn run_inside_a_qt_loop_panics_with_a_hint() {
    let event_loop = Rc::new(attached());
    let inner = Rc::clone(&event_loop);
    let result = event_loop.run(async move {
        let run = || inner.run(async {});
        let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
        payload.downcast_ref::<&str>().map(ToString::to_string)
    });
    let message = result.expect("main completes").expect("a message");
    assert!(message.contains("block_on"), "{message}");
}

fn completed_main_ends_the_run_while_other_tasks_spin() {
    let event_loop = attached();
    let spinning = spawn_local(async {
        loop {
            yield_now().await;
        }
    });
    let result = event_loop.run(async {
        time::sleep(Duration::from_millis(2)).await;
        1
    });
    assert_eq!(result, Ok(1));
    assert!(!spinning.is_finished());
}

fn other_tasks_continue_in_the_next_run() {
    let event_loop = attached();
    let task = spawn_local(async {
        time::sleep(Duration::from_millis(2)).await;
        "of the task"
    });
    assert_eq!(event_loop.run(async {}), Ok(()));
    let result = event_loop.run(task).expect("main completes");
    assert_eq!(result.expect("no panic"), "of the task");
}

fn main_completed_inside_block_on_ends_the_run() {
    let event_loop = attached();
    let waits = spawn_local(async {
        block_on(time::sleep(Duration::from_millis(5)));
        "goes on"
    });
    let result = event_loop.run(async {
        time::sleep(Duration::from_millis(1)).await;
        2
    });
    assert_eq!(result, Ok(2));
    let waited = event_loop.run(waits).expect("main completes");
    assert_eq!(waited.expect("no panic"), "goes on");
}

fn about_to_quit_is_emitted_at_the_end_of_a_run() {
    let event_loop = attached();
    let application = Object::application().expect("the main thread");
    let quits = signal::once(&application, "aboutToQuit").expect("a signal");
    assert_eq!(event_loop.run(async {}), Ok(()));
    event_loop.block_on(quits).expect("it was emitted");
}

fn run_works_on_a_thread_without_the_application() {
    let thread = std::thread::spawn(|| {
        let event_loop = Loop::attach().expect("a loop");
        let completed = event_loop.run(async {
            time::sleep(Duration::from_millis(1)).await;
            3
        });
        let quitted = event_loop.run(async {
            quit(4);
            pending::<()>().await;
        });
        (completed, quitted.map_err(|quit| quit.code))
    });
    assert_eq!(thread.join().expect("no panic"), (Ok(3), Err(4)));
}

fn run_function_uses_the_loop_of_its_thread() {
    let _event_loop = attached();
    let task = spawn_local(async { 5 });
    let code = qtloop::run(async move { ExitCode::from(task.await.expect("no panic")) });
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(5)));
    let code = qtloop::run(async {
        quit(6);
        pending::<()>().await;
    });
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(6)));
}
