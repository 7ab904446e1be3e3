//! Tests of when a priority is in use: from the start of a task to its end.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use qtloop::JoinHandle;
use qtloop::core::has_priorities;
use qtloop::task::{Builder, Priority, yield_now};
use qtloop::time::sleep;

use crate::task_priorities::{at, inherited};
use crate::tasks::{Dropped, counter, run, settle};
use crate::trials;
use crate::world::attached;

trials![
    priority_of_a_completed_task_cannot_be_set,
    priority_is_in_use_until_the_task_completes,
    priority_is_in_use_until_the_task_is_aborted,
    priority_is_in_use_until_the_task_panics,
    task_set_to_normal_uses_no_priority,
    dropped_loop_drops_high_tasks,
    task_that_was_never_started_uses_no_priority,
];

const HIGH: Priority = Priority::HIGH;
const NORMAL: Priority = Priority::NORMAL;
const LOW: Priority = Priority::LOW;

fn priority_of_a_completed_task_cannot_be_set() {
    let event_loop = attached();
    let task = at(LOW, async {});
    settle(&event_loop);
    assert!(task.is_finished());
    task.set_priority(HIGH);
    assert_eq!(task.priority(), LOW);
    assert!(!has_priorities(&event_loop));
    drop(event_loop);
    task.set_priority(HIGH); // of a closed loop
    assert_eq!(task.priority(), LOW);
}

fn priority_is_in_use_until_the_task_completes() {
    let event_loop = attached();
    assert!(!has_priorities(&event_loop));
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let tasks = [HIGH, LOW, HIGH].map(|priority| {
        let receiver = receiver.clone();
        at(priority, async move {
            let _ = receiver.recv().await;
        })
    });
    settle(&event_loop);
    assert!(has_priorities(&event_loop), "they wait");
    drop(sender);
    assert!(has_priorities(&event_loop), "they are ready");
    for task in tasks {
        run(&event_loop, task).expect("a result");
    }
    assert!(!has_priorities(&event_loop));
}

fn priority_is_in_use_until_the_task_is_aborted() {
    let event_loop = attached();
    let waiting = at(HIGH, pending::<()>());
    settle(&event_loop);
    let ready = at(LOW, pending::<()>());
    waiting.abort();
    ready.abort();
    assert!(has_priorities(&event_loop), "the loop drops their futures");
    settle(&event_loop);
    assert!(waiting.is_finished() && ready.is_finished());
    assert!(!has_priorities(&event_loop));
    // The destructor of a local variable may set the priority of its task.
    struct SetsPriority(Rc<RefCell<Option<JoinHandle<()>>>>);
    impl Drop for SetsPriority {
        fn drop(&mut self) {
            if let Some(own) = &*self.0.borrow() {
                own.set_priority(LOW);
            }
        }
    }
    let own = Rc::new(RefCell::new(None));
    let sets = SetsPriority(Rc::clone(&own));
    let task = at(HIGH, async move {
        let _sets = sets;
        pending().await
    });
    task.abort();
    own.replace(Some(task));
    settle(&event_loop);
    let task = own.take().expect("it was stored");
    assert!(task.is_finished());
    assert!(!has_priorities(&event_loop));
}

fn priority_is_in_use_until_the_task_panics() {
    let event_loop = attached();
    let task = at(HIGH, async {
        yield_now().await;
        panic!("expected by the test");
    });
    let error = run(&event_loop, task).expect_err("a panic");
    assert!(error.is_panic());
    assert!(!has_priorities(&event_loop));
    assert_eq!(inherited(), NORMAL);
}

fn task_set_to_normal_uses_no_priority() {
    let event_loop = attached();
    let task = at(HIGH, pending::<()>());
    settle(&event_loop);
    task.set_priority(NORMAL);
    assert!(!has_priorities(&event_loop));
    task.set_priority(LOW);
    assert!(has_priorities(&event_loop));
    task.set_priority(NORMAL);
    assert!(!has_priorities(&event_loop));
    task.abort();
}

fn dropped_loop_drops_high_tasks() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let holds = |dropped: Dropped| async move {
        let _dropped = dropped;
        sleep(Duration::from_secs(60)).await;
    };
    let waiting = at(HIGH, holds(dropped));
    settle(&event_loop);
    let ready = at(LOW, holds(Dropped(Rc::clone(&drops))));
    drop(event_loop);
    assert_eq!(drops.get(), 2);
    assert!(waiting.is_finished() && ready.is_finished());
    let next = attached();
    assert!(!has_priorities(&next));
    assert_eq!(inherited(), NORMAL);
}

fn task_that_was_never_started_uses_no_priority() {
    let event_loop = attached();
    let handle = event_loop.handle();
    drop(event_loop);
    let task = Builder::new().priority(HIGH).spawn_on(async {}, &handle);
    assert!(task.is_finished());
    task.set_priority(LOW);
    let without_loop = catch_unwind(AssertUnwindSafe(|| at(HIGH, async {})));
    assert!(without_loop.is_err(), "there is no loop");
}
