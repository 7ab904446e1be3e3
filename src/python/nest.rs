//! A nested `QEventLoop` that Python code can wait in, with any binding or none: see
//! `EventLoop._exec_nest`.

use std::rc::Rc;

use pyo3::prelude::*;

use crate::qt;

/// A nested QEventLoop for one wait. Use it on the thread that made it only.
#[pyclass(module = "qtloop._native", unsendable)]
pub(super) struct Nest(Rc<qt::Nest>);

impl Nest {
    pub(super) fn share(&self) -> Rc<qt::Nest> {
        Rc::clone(&self.0)
    }
}

#[pymethods]
impl Nest {
    #[new]
    fn new() -> Nest {
        Nest(Rc::new(qt::Nest::new()))
    }

    /// Ends the wait; if it has not begun, it returns at once.
    fn leave(&self) {
        self.0.leave(0);
    }
}
