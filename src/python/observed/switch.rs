//! Turns the observer of a loop on with its first instrument, and off with the last one.

use std::rc::Rc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Observed;
use crate::driver::Observer;
use crate::python::job::Job;
use crate::python::running;
use crate::python::state::State;

impl State {
    /// Notes a task that was made, if there is an observer.
    #[inline]
    pub(in crate::python) fn note_task(&self, task: &Bound<'_, PyAny>) {
        let observed = self.observed.borrow().clone(); // an instrument may change it
        if let Some(observed) = observed {
            observed.created(task);
        }
    }

    /// Returns the observer of the loop, for an instrument that is turned on. Pair it with
    /// [`State::unobserve`].
    pub(in crate::python) fn observe(
        &self,
        event_loop: &Bound<'_, PyAny>,
    ) -> PyResult<Rc<Observed>> {
        let driver = self.driver()?;
        self.check_here(event_loop.py())?;
        let current = self.observed.borrow().clone();
        let observed = match current {
            Some(observed) => observed,
            None => {
                let observed = Rc::new(Observed::new(driver.stats().in_turns));
                if driver.is_in_job() {
                    observed.adopt(driver.depth(), running::current_task(event_loop)?);
                }
                self.observed.replace(Some(Rc::clone(&observed)));
                driver.set_observer(Some(Rc::clone(&observed) as Rc<dyn Observer<Job>>));
                observed
            }
        };
        observed.users.set(observed.users.get() + 1);
        Ok(observed)
    }

    /// Returns an error on another thread than that of the loop.
    pub(super) fn check_here(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_elsewhere(py) {
            return Err(PyRuntimeError::new_err(
                "an instrument is turned on and off on the loop's own thread only: \
                 use loop.call_soon_threadsafe()",
            ));
        }
        Ok(())
    }

    /// Takes back one [`State::observe`]. The last one removes the observer.
    pub(in crate::python) fn unobserve(&self) {
        let mut slot = self.observed.borrow_mut();
        let Some(observed) = &*slot else { return };
        observed.users.set(observed.users.get() - 1);
        if observed.users.get() > 0 {
            return;
        }
        let observed = slot.take();
        drop(slot);
        if let Ok(driver) = self.driver() {
            driver.set_observer(None);
        }
        drop(observed);
    }
}
