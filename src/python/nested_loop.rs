//! A nested `QEventLoop` that Python code can wait in, with any binding or none: see
//! `EventLoop._exec_nested`.

use std::rc::Rc;

use pyo3::prelude::*;

use crate::qt;

/// A nested QEventLoop for one wait. Use it on the thread that made it only.
#[pyclass(module = "qtloop._native", unsendable)]
pub(super) struct NestedLoop(Rc<qt::NestedLoop>);

impl NestedLoop {
    pub(super) fn share(&self) -> Rc<qt::NestedLoop> {
        Rc::clone(&self.0)
    }
}

#[pymethods]
impl NestedLoop {
    #[new]
    fn new() -> NestedLoop {
        NestedLoop(Rc::new(qt::NestedLoop::new()))
    }

    /// Ends the wait; if it has not begun, it returns at once.
    fn exit(&self) {
        self.0.exit(0);
    }
}
