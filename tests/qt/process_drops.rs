//! Tests of dropped child processes on Linux: they are killed or continue, and leave no zombie.

use std::fs;
use std::io;
use std::time::Duration;

use futures_lite::{AsyncWriteExt, future};
use qtloop::process::Command;
use qtloop::task::{unblock, yield_now};
use qtloop::time::{sleep, timeout};

use crate::processes::{cat, has_pidfds, shell, state};
use crate::trials;
use crate::world::{attached, run};

trials![
    timeout_of_output_kills_with_kill_on_drop,
    dropped_child_continues_and_leaves_no_zombie,
    child_dropped_on_another_thread_leaves_no_zombie,
    dropped_child_with_kill_on_drop_leaves_no_zombie,
    orphan_whose_loop_was_closed_is_reaped_by_the_next_spawn,
];

/// Waits until the process does not exist, not even as a zombie. The caller has a time limit.
async fn reaped(pid: u32) {
    while state(pid).is_some() {
        if !has_pidfds() {
            // The next spawn reaps it.
            let _ = shell("exit 0").status().await;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn timeout_of_output_kills_with_kill_on_drop() {
    run(async {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("pid");
        let mut command = shell("echo $$ > pid.new; mv pid.new pid; exec cat");
        command.current_dir(&folder).kill_on_drop(true);
        let (reader, _writer) = io::pipe()?;
        command.stdin(reader);
        let mut pid = None;
        // The timeout elapses as soon as the process is seen to run.
        let output = timeout(Duration::from_secs(3600), command.output());
        let seen = async {
            loop {
                if let Ok(text) = fs::read_to_string(&file) {
                    break pid = Some(text.trim().parse::<u32>().expect("a number"));
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        future::or(async { drop(output.await) }, seen).await;
        reaped(pid.expect("it did not end by itself")).await;

        let slow = shell("exec sleep 1000").kill_on_drop(true).spawn()?;
        let pid = slow.id().expect("it runs");
        let output = timeout(Duration::from_millis(1), slow.wait_with_output()).await;
        assert!(output.is_err());
        reaped(pid).await;
        Ok(())
    });
}

fn dropped_child_continues_and_leaves_no_zombie() {
    run(async {
        let (cat, mut stdin) = cat()?;
        let pid = cat.id().expect("it runs");
        drop(cat);
        yield_now().await;
        stdin.write_all(b"it reads on").await?;
        assert!(state(pid).is_some_and(|state| state != 'Z'));
        drop(stdin);
        reaped(pid).await;
        // One child whose wait was dropped, and one that has ended before it is dropped.
        let (mut cat, stdin) = crate::processes::cat()?;
        let pid = cat.id().expect("it runs");
        assert!(future::poll_once(cat.wait()).await.is_none());
        drop((cat, stdin));
        reaped(pid).await;
        let (cat, stdin) = crate::processes::cat()?;
        let pid = cat.id().expect("it runs");
        drop(stdin);
        while state(pid) != Some('Z') {
            yield_now().await;
        }
        drop(cat);
        assert_eq!(state(pid), None);
        Ok(())
    });
}

fn child_dropped_on_another_thread_leaves_no_zombie() {
    run(async {
        let (cat, stdin) = cat()?;
        let pid = cat.id().expect("it runs");
        unblock(move || drop(cat)).await;
        assert!(state(pid).is_some_and(|state| state != 'Z'));
        drop(stdin);
        reaped(pid).await;
        Ok(())
    });
}

fn dropped_child_with_kill_on_drop_leaves_no_zombie() {
    run(async {
        let (reader, _writer) = io::pipe()?;
        let mut command = Command::new("cat");
        command.stdin(reader).kill_on_drop(true);
        let pid = command.spawn()?.id().expect("it runs");
        reaped(pid).await;
        Ok(())
    });
}

fn orphan_whose_loop_was_closed_is_reaped_by_the_next_spawn() {
    let event_loop = attached();
    let (before, one) = cat().expect("a process");
    let (after, other) = cat().expect("a process");
    let pids = [&before, &after].map(|cat| cat.id().expect("it runs"));
    drop(before);
    drop(event_loop);
    drop(after);
    drop((one, other));
    for pid in pids {
        while state(pid) != Some('Z') {
            std::thread::yield_now();
        }
    }
    run(async {
        let _next = shell("exit 0").status();
        assert_eq!(pids.map(state), [None, None]);
        Ok(())
    });
}
