//! A test in which the operating system fails to wake the loop.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::task::{Poll, Waker};
use std::thread;

use qtloop::spawn_local;
use rustix::io::dup2;

use crate::tasks::{run, settle};
use crate::trials;
use crate::world::attached;

trials![wake_up_after_a_failed_wake_up_is_delivered];

/// Returns the descriptor numbers of all eventfds.
fn eventfds() -> BTreeSet<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").expect("Linux has it");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_eventfd = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|link| link.as_os_str() == "anon_inode:[eventfd]")
    };
    paths
        .filter(is_eventfd)
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect()
}

fn wake_up_after_a_failed_wake_up_is_delivered() {
    let before = eventfds();
    let event_loop = attached();
    let own: Vec<_> = eventfds().difference(&before).copied().collect();
    let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
    let (tell, told) = std::sync::mpsc::channel();
    let mut polls = 0;
    let task = spawn_local(poll_fn(move |context| {
        polls += 1;
        let _ = tell.send(polls);
        sender.send(context.waker().clone()).expect("a receiver");
        if polls == 1 {
            Poll::Pending
        } else {
            Poll::Ready(polls)
        }
    }));
    settle(&event_loop);
    let waker = receiver.try_recv().expect("it was polled");

    // Replace the loop's eventfd by a file that is not writable, so that the wake-up fails.
    let read_only = File::open("/dev/null").expect("a file");
    let kept: Vec<(RawFd, OwnedFd)> = own
        .iter()
        .map(|&fd| {
            // SAFETY: the loop keeps it open until the end of this function.
            let kept = unsafe { BorrowedFd::borrow_raw(fd) };
            (fd, kept.try_clone_to_owned().expect("a descriptor"))
        })
        .collect();
    let replace = |file: BorrowedFd<'_>, fd: RawFd| {
        // SAFETY: the number stays open, and its owner closes it.
        let mut number = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
        dup2(file, &mut number).expect("a descriptor");
    };
    use std::os::fd::AsFd;
    for (fd, _) in &kept {
        replace(read_only.as_fd(), *fd);
    }
    let refused = waker.clone();
    thread::spawn(move || refused.wake())
        .join()
        .expect("no panic");
    for (fd, file) in &kept {
        replace(file.as_fd(), *fd);
    }
    settle(&event_loop);
    assert_eq!(told.try_iter().last(), Some(1), "the wake was not refused");

    thread::spawn(move || waker.wake())
        .join()
        .expect("no panic");
    assert_eq!(run(&event_loop, task).expect("a result"), 2);
}
