//! A queue of jobs from other threads. Only the first send after the loop has emptied the queue
//! wakes the loop.
//!
//! The flag `woken` is guarded by the lock of the queue. Otherwise a sender could queue its job
//! after the loop has emptied the queue, see `woken` still set, and not wake the loop. The price is
//! a lock per send and per `take`, and the system call of the first sender under the lock.

use std::fmt;
use std::io;

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// Wakes the loop's poller, from any thread.
pub trait Wake {
    /// Ends the loop's current or next wait.
    ///
    /// # Errors
    /// The error of the operating system.
    fn wake(&self) -> io::Result<()>;
}

impl Wake for mio::Waker {
    fn wake(&self) -> io::Result<()> {
        mio::Waker::wake(self)
    }
}

struct Inbox<J, W> {
    jobs: Vec<J>,
    /// The loop was woken, and has not emptied the queue since.
    woken: bool,
    /// `None` if the loop was closed; then jobs are handed back.
    waker: Option<W>,
}

/// Queues jobs for a loop on another thread. Cheap to clone.
pub struct Remote<J, W = mio::Waker>(Arc<Mutex<Inbox<J, W>>>);

impl<J, W> Remote<J, W> {
    pub(crate) fn new(waker: W) -> Remote<J, W> {
        Remote(Arc::new(Mutex::new(Inbox {
            jobs: Vec::new(),
            woken: false,
            waker: Some(waker),
        })))
    }

    /// Moves the queued jobs to the end of `ready`.
    pub(crate) fn take(&self, ready: &mut impl Extend<J>) {
        let mut inbox = self.lock();
        inbox.woken = false;
        ready.extend(inbox.jobs.drain(..));
    }

    /// Returns the number of queued jobs.
    pub(crate) fn queued(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Calls `visit` for each queued job, in order. It must not use the queue.
    pub(crate) fn visit(&self, visit: impl FnMut(&J)) {
        self.lock().jobs.iter().for_each(visit);
    }

    /// Closes the queue: from now on each job is handed back. Returns the jobs that are queued.
    pub(crate) fn close(&self) -> Vec<J> {
        let mut inbox = self.lock();
        inbox.waker = None;
        std::mem::take(&mut inbox.jobs)
    }

    fn lock(&self) -> MutexGuard<'_, Inbox<J, W>> {
        // No user code runs under the lock, so the queue is intact even if the lock is poisoned.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<J, W: Wake> Remote<J, W> {
    /// Queues `job`; the loop runs it on its own thread, in the order of sending. Blocks only while
    /// another thread sends, or the loop moves the queued jobs to its own queue.
    ///
    /// # Errors
    /// Gives the job back if the loop was closed, or if the operating system could not wake it.
    pub fn send(&self, job: J) -> Result<(), J> {
        let mut inbox = self.lock();
        let Some(waker) = &inbox.waker else {
            return Err(job);
        };
        // Wake under the lock: if it fails, the queue is still empty, and only this job is handed
        // back.
        if !inbox.woken && waker.wake().is_err() {
            return Err(job);
        }
        inbox.woken = true;
        inbox.jobs.push(job);
        Ok(())
    }

    /// Wakes the loop without a job, for a job that was queued by other means. Does nothing if the
    /// loop was woken and has not emptied the queue since.
    pub(crate) fn ring(&self) {
        let mut inbox = self.lock();
        if let Some(waker) = inbox.waker.as_ref().filter(|_| !inbox.woken) {
            inbox.woken = waker.wake().is_ok();
        }
    }
}

impl<J, W> Clone for Remote<J, W> {
    fn clone(&self) -> Self {
        Remote(Arc::clone(&self.0))
    }
}

impl<J, W> fmt::Debug for Remote<J, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remote").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod races {
    use loom::sync::Condvar;
    use loom::thread;

    use super::*;

    /// A sleeper that counts how often it was woken.
    struct CountingWake {
        rung: Mutex<usize>,
        sleeper: Condvar,
    }

    impl Wake for Arc<CountingWake> {
        fn wake(&self) -> io::Result<()> {
            *self.rung.lock().expect("no panic under this lock") += 1;
            self.sleeper.notify_one();
            Ok(())
        }
    }

    fn bell() -> Arc<CountingWake> {
        Arc::new(CountingWake {
            rung: Mutex::new(0),
            sleeper: Condvar::new(),
        })
    }

    #[test]
    fn remote_sends_of_two_threads_reach_a_loop_that_only_looks_when_woken() {
        loom::model(|| {
            let bell = bell();
            let remote = Remote::new(Arc::clone(&bell));
            let threads: Vec<_> = (0..2)
                .map(|job| {
                    let remote = remote.clone();
                    thread::spawn(move || remote.send(job).expect("the loop lives"))
                })
                .collect();
            let mut seen = Vec::new();
            let mut heard = 0;
            while seen.len() < 2 {
                {
                    let mut rung = bell.rung.lock().expect("no panic under this lock");
                    while *rung == heard {
                        rung = bell.sleeper.wait(rung).expect("no panic under this lock");
                    }
                    heard = *rung;
                }
                remote.take(&mut seen);
            }
            for thread in threads {
                thread.join().expect("no panic in a sender");
            }
            seen.sort_unstable();
            assert_eq!(seen, [0, 1]);
        });
    }

    #[test]
    fn remote_close_loses_no_job_it_has_accepted() {
        loom::model(|| {
            let remote = Remote::new(bell());
            let sender = {
                let remote = remote.clone();
                thread::spawn(move || remote.send(7).is_ok())
            };
            let left = remote.close();
            let accepted = sender.join().expect("no panic in the sender");
            assert_eq!(accepted, left == [7]);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Arc<Count> {
        fn wake(&self) -> io::Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    struct FailingWake;

    impl Wake for FailingWake {
        fn wake(&self) -> io::Result<()> {
            Err(io::ErrorKind::Other.into())
        }
    }

    #[test]
    fn many_sends_before_a_turn_wake_the_loop_once() {
        let count = Arc::new(Count::default());
        let remote = Remote::new(Arc::clone(&count));
        for job in 0..100 {
            remote.send(job).expect("the loop lives");
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let mut ready = Vec::new();
        remote.take(&mut ready);
        assert_eq!(ready, (0..100).collect::<Vec<_>>());
        remote.send(100).expect("the loop lives");
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn send_to_a_closed_loop_hands_the_job_back() {
        let remote = Remote::new(Arc::new(Count::default()));
        remote.send("early").expect("the loop lives");
        assert_eq!(remote.close(), ["early"]);
        assert_eq!(remote.send("late"), Err("late"));
    }

    #[test]
    fn a_job_whose_wake_failed_is_handed_back() {
        let remote = Remote::new(FailingWake);
        assert_eq!(remote.send("job"), Err("job"));
    }
}
