//! Read access to the jobs of a reactor, for a garbage collector and for monitors.

use std::os::fd::RawFd;

use super::{Direction, Queueable, Reactor};

impl<J: Queueable> Reactor<J> {
    /// Returns all jobs, in no order, except those in the inbox.
    pub fn jobs(&self) -> impl Iterator<Item = &J> {
        self.lanes
            .ready_jobs()
            .chain(self.lanes.timed_jobs())
            .chain(self.sources.jobs())
    }

    /// Returns the number of jobs that [`visit_queued`](Reactor::visit_queued) visits.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.lanes.ready() + self.inbox.queued()
    }

    /// Calls `visit` for each ready job, in order, and then for each job that other threads have
    /// sent. These stay in the inbox, which is locked during the visit.
    pub fn visit_queued(&self, mut visit: impl FnMut(&J)) {
        self.lanes.ready_jobs().for_each(&mut visit);
        self.inbox.visit(visit);
    }

    /// Returns the number of descriptors that are watched.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.sources.len()
    }

    /// Returns each watched direction of a descriptor and its job, in no order.
    pub fn watch_jobs(&self) -> impl Iterator<Item = (RawFd, Direction, &J)> {
        self.sources.waiters()
    }

    /// Returns the number of timers, including due ones that were not collected.
    #[must_use]
    pub fn timed(&self) -> usize {
        self.lanes.timed()
    }

    /// Returns the jobs of the timers in the order in which they will become ready. Sorts them.
    pub fn timed_jobs(&self) -> impl Iterator<Item = &J> {
        self.lanes.timed_jobs_by_deadline()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::reactor::Time;

    fn queued(reactor: &Reactor<&'static str>) -> Vec<&'static str> {
        let mut jobs = Vec::new();
        reactor.visit_queued(|job| jobs.push(*job));
        jobs
    }

    #[test]
    fn queued_jobs_are_visited_in_the_order_in_which_they_run() {
        let mut reactor = Reactor::new(false).expect("three descriptors");
        reactor.push_at(Time::from_nanos(1), "timer");
        reactor
            .remote()
            .send("another thread's")
            .expect("the loop lives");
        reactor.push("second");
        reactor.push_front("first");
        assert_eq!(queued(&reactor), ["first", "second", "another thread's"]);
        assert_eq!((reactor.queued(), reactor.timed()), (3, 1));
        reactor.collect(Time::from_nanos(1)).expect("a poller");
        let ready = ["first", "second", "another thread's", "timer"];
        assert_eq!(queued(&reactor), ready);
        assert_eq!((reactor.queued(), reactor.timed()), (4, 0));
        assert_eq!(
            std::iter::from_fn(|| reactor.pop()).collect::<Vec<_>>(),
            ready
        );
    }

    #[test]
    fn both_watched_directions_of_a_descriptor_are_visited() {
        let mut reactor = Reactor::new(false).expect("three descriptors");
        let (stream, _peer) = UnixStream::pair().expect("two sockets");
        let fd = stream.as_raw_fd();
        for (direction, job) in [(Direction::Read, "reader"), (Direction::Write, "writer")] {
            reactor.watch(fd, direction, job).expect("a socket");
        }
        let watches: Vec<_> = reactor
            .watch_jobs()
            .map(|(fd, _, job)| (fd, *job))
            .collect();
        assert_eq!(watches, [(fd, "reader"), (fd, "writer")]);
        reactor.unwatch(fd, Direction::Read, |_| true);
        let watches: Vec<_> = reactor.watch_jobs().collect();
        assert_eq!(watches, [(fd, Direction::Write, &"writer")]);
    }
}
