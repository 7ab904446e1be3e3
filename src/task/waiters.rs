//! The wakers that are registered for one direction of one file descriptor.

use std::sync::Arc;
use std::task::Waker;

use crate::panic::catch_panic;

/// With fewer wakers than this from `poll_*` methods, there is no [check](LivenessCheck).
const CHECK_AT: usize = 64;

/// The maximum of [`patience`](LivenessCheck). While all the checked wakers are dead, each time
/// that the limit is reached costs a poll of all live ones.
const MAX_PATIENCE: u32 = 1024;

/// The wakers that wait for one direction.
///
/// All methods run under the lock of the [`Readiness`](super::Readiness). To clone, wake or drop a
/// waker runs user code. So wakers are passed by value, and the caller clones, wakes and drops them
/// outside of the lock.
#[derive(Default)]
pub(super) struct Waiters {
    list: Vec<Waiter>,
    /// The number of the latest [`Registration`](super::readiness::Registration).
    registrations: u64,
    liveness_check: Option<Box<LivenessCheck>>,
}

struct Waiter {
    waker: Waker,
    /// The number of its registration, which removes it. Wakers of `poll_*` methods have none.
    number: Option<u64>,
}

/// Wakers to wake and to drop outside the lock.
#[derive(Default)]
#[must_use]
pub(super) struct Removed {
    woken: Vec<Waiter>,
    /// To wake, too. A check that has begun with them shares them.
    checked: Option<Arc<Vec<Waker>>>,
    /// Only to drop: the wakers of a check that has ended.
    stale: Option<Arc<Vec<Waker>>>,
}

impl Removed {
    /// Wakes and drops them. Returns the memory of the list.
    pub(super) fn wake(mut self) -> ReusableList {
        for Waiter { waker, .. } in self.woken.drain(..) {
            catch_panic(|| waker.wake());
        }
        for waker in self.checked.iter().flat_map(|checked| checked.iter()) {
            catch_panic(|| waker.wake_by_ref());
        }
        catch_panic(|| drop((self.checked, self.stale)));
        ReusableList(self.woken)
    }
}

/// The memory of an empty list, kept for the next wait.
pub(super) struct ReusableList(Vec<Waiter>);

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns a number for a registration.
    pub(super) fn number(&mut self) -> u64 {
        self.registrations += 1;
        self.registrations
    }

    /// Registers a waker, unless it is registered already. `own` is a clone of it: if that is
    /// needed but missing, returns `None` and changes nothing. Leaves in `own` the waker that it
    /// replaced.
    pub(super) fn register(
        &mut self,
        number: Option<u64>,
        waker: &Waker,
        own: &mut Option<Waker>,
    ) -> Option<Removed> {
        let mut removed = Removed::default();
        let known = self.list.iter_mut().find(|known| {
            known.number == number && (number.is_some() || known.waker.will_wake(waker))
        });
        if let Some(known) = known {
            if !known.waker.will_wake(waker) {
                std::mem::swap(&mut known.waker, own.as_mut()?);
            }
            return Some(removed);
        }
        let waker = own.take()?;
        if number.is_none() {
            if let Some(liveness_check) = &mut self.liveness_check {
                removed.stale = liveness_check.note_return(&waker);
            }
            self.check(&mut removed);
        }
        self.list.push(Waiter { waker, number });
        Some(removed)
    }

    /// If the limit is reached, removes the wakers of `poll_*` methods, and has them woken.
    fn check(&mut self, removed: &mut Removed) {
        let limit = self
            .liveness_check
            .as_ref()
            .map_or(CHECK_AT, |liveness_check| liveness_check.limit);
        if self.list.len() < limit {
            return;
        }
        let is_polled = |waiter: &Waiter| waiter.number.is_none();
        if self.list.iter().filter(|waiter| is_polled(waiter)).count() < limit {
            return;
        }
        let (polled, kept) = std::mem::take(&mut self.list)
            .into_iter()
            .partition::<Vec<_>, _>(is_polled);
        self.list = kept;
        let polled = Arc::new(polled.into_iter().map(|waiter| waiter.waker).collect());
        removed.checked = Some(Arc::clone(&polled));
        let stale = self.liveness_check.get_or_insert_default().check(polled);
        removed.stale = removed.stale.take().or(stale);
    }

    /// Removes the waker of a registration.
    pub(super) fn deregister(&mut self, number: u64) -> Option<Waker> {
        let mut known = self.list.iter();
        let index = known.position(|known| known.number == Some(number))?;
        Some(self.list.swap_remove(index).waker)
    }

    /// Removes all wakers, and has them woken.
    pub(super) fn take(&mut self) -> Removed {
        Removed {
            woken: std::mem::take(&mut self.list),
            checked: None,
            stale: self
                .liveness_check
                .as_mut()
                .and_then(|liveness_check| liveness_check.end()),
        }
    }

    /// Reuses the memory of a list, unless wakers are registered already.
    pub(super) fn reuse(&mut self, ReusableList(list): ReusableList) {
        if self.list.capacity() == 0 {
            self.list = list;
        }
    }
}

/// Bounds the number of wakers that `poll_*` methods have registered.
///
/// Such a waker is not unregistered when its future is dropped. At the limit all of them are woken
/// and removed, and the live ones register again: a *check*. If more than half of the checked ones
/// do, the limit doubles and `patience` halves. So many live wakers are soon below the limit, and
/// are woken for it no more. Dead wakers stay below twice the limit: the registered and the checked
/// ones.
///
/// A live waker returns when its executor has polled all others before it. A check therefore
/// continues while the limit is reached `patience` more times, then fails. A failed check halves
/// the limit and doubles `patience`.
struct LivenessCheck {
    limit: usize,
    /// The wakers that the check under way has woken. They are kept, so that no other waker can
    /// have the same address.
    checked: Option<Arc<Vec<Waker>>>,
    has_returned: Vec<bool>,
    returned: usize,
    /// How many more times the limit may be reached before the check fails.
    rounds: u32,
    patience: u32,
}

impl Default for LivenessCheck {
    fn default() -> LivenessCheck {
        LivenessCheck {
            limit: CHECK_AT,
            checked: None,
            has_returned: Vec::new(),
            returned: 0,
            rounds: 0,
            patience: 1,
        }
    }
}

impl LivenessCheck {
    /// Begins a check with wakers that were removed at the limit, unless one is under way. Returns
    /// the wakers of a check that has failed.
    fn check(&mut self, removed: Arc<Vec<Waker>>) -> Option<Arc<Vec<Waker>>> {
        if self.rounds > 0 {
            self.rounds -= 1;
            return None;
        }
        let failed = self.end();
        if failed.is_some() {
            self.limit = CHECK_AT.max(self.limit / 2);
            self.patience = MAX_PATIENCE.min(self.patience * 2);
        }
        self.has_returned = vec![false; removed.len()];
        self.checked = Some(removed);
        self.rounds = self.patience;
        failed
    }

    /// Notes that a waker is live if it is a checked one. Returns the wakers of a check that ends.
    fn note_return(&mut self, waker: &Waker) -> Option<Arc<Vec<Waker>>> {
        let checked = self.checked.as_ref()?;
        let mut each = checked.iter().zip(&mut self.has_returned);
        let (_, has_returned) =
            each.find(|(checked, has_returned)| !**has_returned && checked.will_wake(waker))?;
        *has_returned = true;
        self.returned += 1;
        if self.returned * 2 <= checked.len() {
            return None;
        }
        self.limit *= 2;
        self.patience = 1.max(self.patience / 2);
        self.end()
    }

    /// Ends the check, if one is under way, and returns its wakers.
    fn end(&mut self) -> Option<Arc<Vec<Waker>>> {
        self.has_returned = Vec::new();
        self.returned = 0;
        self.rounds = 0;
        self.checked.take()
    }
}
