//! A nested Qt loop that Python can wait in, with any binding or none: `QEventLoop._exec_nest`.

use std::rc::Rc;

use pyo3::prelude::*;

use crate::qt;

/// A QEventLoop for one wait. Belongs to the thread that made it.
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

    /// End the wait, also one that has not begun.
    fn leave(&self) {
        self.0.leave(0);
    }
}
