//! Tests of tasks that run nested Qt loops, and of `block_on` inside tasks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use qtloop::core::NestedLoop;
use qtloop::spawn_local;
use qtloop::task::yield_now;
use qtloop::time::sleep;

use crate::tasks::run;
use crate::trials;
use crate::world::attached;

trials![
    task_in_a_nested_loop_blocks_only_itself,
    tasks_run_in_two_nested_loops,
    block_on_works_inside_a_task,
    block_on_accepts_borrowed_values,
    task_woken_inside_its_own_nested_loop_is_polled_after_it,
];

fn task_in_a_nested_loop_blocks_only_itself() {
    let event_loop = attached();
    let nested_loop = Rc::new(NestedLoop::new());
    let leave = Rc::clone(&nested_loop);
    let dialog = spawn_local(async move {
        let _ = nested_loop.exec();
        "closed"
    });
    let other = spawn_local(async move {
        for _ in 0..3 {
            sleep(Duration::from_millis(1)).await;
        }
        let woken = qtloop::task::unblock(|| 5).await;
        leave.exit(0);
        woken
    });
    assert_eq!(run(&event_loop, dialog).expect("a result"), "closed");
    assert_eq!(run(&event_loop, other).expect("a result"), 5);
}

fn tasks_run_in_two_nested_loops() {
    let event_loop = attached();
    let (outer, inner) = (Rc::new(NestedLoop::new()), Rc::new(NestedLoop::new()));
    let (leave_outer, leave_inner) = (Rc::clone(&outer), Rc::clone(&inner));
    let diary = Rc::new(RefCell::new(Vec::new()));
    let (one, two, three) = (Rc::clone(&diary), Rc::clone(&diary), Rc::clone(&diary));
    let first = spawn_local(async move {
        let _ = outer.exec();
        one.borrow_mut().push("outer closed");
    });
    let second = spawn_local(async move {
        let _ = inner.exec();
        two.borrow_mut().push("inner closed");
    });
    let third = spawn_local(async move {
        sleep(Duration::from_millis(2)).await;
        qtloop::task::unblock(|| ()).await;
        leave_outer.exit(0); // takes effect after the inner loop has returned
        sleep(Duration::from_millis(2)).await;
        three.borrow_mut().push("two deep");
        leave_inner.exit(0);
    });
    run(&event_loop, async {
        first.await.expect("a result");
        second.await.expect("a result");
        third.await.expect("a result");
    });
    assert_eq!(
        *diary.borrow(),
        ["two deep", "inner closed", "outer closed"]
    );
}

fn block_on_works_inside_a_task() {
    let event_loop = Rc::new(attached());
    let inside = Rc::clone(&event_loop);
    let task = spawn_local(async move {
        inside.block_on(async {
            sleep(Duration::from_millis(1)).await;
            spawn_local(async { "inner" }).await.expect("a result")
        })
    });
    assert_eq!(run(&event_loop, task).expect("a result"), "inner");
}

fn block_on_accepts_borrowed_values() {
    let event_loop = attached();
    let words = ["borrowed".to_owned()];
    let length = event_loop.block_on(async {
        yield_now().await;
        words[0].len()
    });
    assert_eq!(length, 8);
}

fn task_woken_inside_its_own_nested_loop_is_polled_after_it() {
    let event_loop = attached();
    let (sender, receiver) = async_channel::unbounded();
    let nested_loop = Rc::new(NestedLoop::new());
    let leave = Rc::clone(&nested_loop);
    let diary = Rc::new(RefCell::new(Vec::new()));
    let (written, writes) = (Rc::clone(&diary), Rc::clone(&diary));
    let task = spawn_local(async move {
        // Waits for the channel, and runs a Qt loop during the poll.
        let mut receiving = std::pin::pin!(receiver.recv());
        let mut is_first = true;
        std::future::poll_fn(|context| {
            let polled = receiving.as_mut().poll(context);
            if std::mem::take(&mut is_first) {
                let _ = nested_loop.exec();
                written.borrow_mut().push("qt loop ended");
            }
            polled
        })
        .await
        .expect("a message")
    });
    spawn_local(async move {
        sender.send("sent inside of it").await.expect("a receiver");
        for _ in 0..10 {
            yield_now().await;
        }
        writes.borrow_mut().push("leaving");
        leave.exit(0);
    });
    let message = run(&event_loop, task).expect("a result");
    assert_eq!(message, "sent inside of it");
    assert_eq!(*diary.borrow(), ["leaving", "qt loop ended"]);
}
