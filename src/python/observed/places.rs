//! The code locations of callbacks and coroutines.
//!
//! A location is found by the address of the object that names it, such as a code object. The table
//! keeps these objects alive, so no other object can have the address.

use std::cell::RefCell;
use std::ffi::CStr;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use pyo3::Borrowed;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::instruments::recorder::{Place, PlaceId, Places};
use crate::python::step::{is_method, method_function};

/// The places of one loop, and the objects whose addresses are their keys.
#[derive(Default)]
pub(super) struct PythonPlaces {
    pub(super) places: Rc<Places>,
    keys: RefCell<Vec<Py<PyAny>>>,
}

/// The object that names the place of a callable.
enum Named<'py> {
    /// A code object.
    Code(Bound<'py, PyAny>),
    /// A function of C code, by its definition, which is never freed.
    Native(*mut ffi::PyMethodDef, Bound<'py, PyAny>),
    /// Any other object, by its type.
    Type(Bound<'py, PyAny>),
}

/// The maximum number of bound methods and partial functions around a function that are followed.
const MAX_WRAPPERS: usize = 4;

/// Returns the class `functools.partial`, or null if it is missing.
fn partial_type(py: Python<'_>) -> *mut ffi::PyObject {
    static PARTIAL: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let partial = PARTIAL.get_or_init(py, || {
        let partial = py
            .import("functools")
            .and_then(|module| module.getattr("partial"));
        partial.ok().map(Bound::unbind)
    });
    partial.as_ref().map_or(ptr::null_mut(), Py::as_ptr)
}

/// Returns the code object of a function that is written in Python.
#[inline]
fn code_of<'a, 'py>(callable: &'a Bound<'py, PyAny>) -> Option<Borrowed<'a, 'py, PyAny>> {
    if callable.get_type_ptr() != &raw mut ffi::PyFunction_Type {
        return None;
    }
    // SAFETY: it is a function, which holds its code object.
    unsafe {
        let code = ffi::PyFunction_GetCode(callable.as_ptr());
        Some(Borrowed::from_ptr(callable.py(), code))
    }
}

/// Follows bound methods and partial functions to what names the place. Runs no Python code.
fn name_of<'py>(callable: &Bound<'py, PyAny>) -> Named<'py> {
    let py = callable.py();
    let mut callable = callable.clone();
    // SAFETY: the GIL is held, each function is called for an object of its type, and those that
    // return pointers return borrowed references.
    unsafe {
        // A partial function may be one of a bound method, and the other way round.
        for _ in 0..MAX_WRAPPERS {
            if is_method(&callable) {
                callable = Bound::from_borrowed_ptr(py, method_function(callable.as_ptr()));
            } else if callable.get_type_ptr().cast() == partial_type(py)
                && let Ok(wrapped) = callable.getattr(intern!(py, "func"))
            {
                callable = wrapped;
            } else {
                break;
            }
        }
        if let Some(code) = code_of(&callable) {
            Named::Code(code.to_owned())
        } else if ffi::PyCFunction_Check(callable.as_ptr()) != 0 {
            let function = callable.as_ptr().cast::<ffi::PyCFunctionObject>();
            Named::Native((*function).m_ml, callable)
        } else {
            Named::Type(callable.get_type().into_any())
        }
    }
}

fn text(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> Option<Arc<str>> {
    let value = object.getattr(name).ok()?;
    Some(Arc::from(value.cast::<PyString>().ok()?.to_string_lossy()))
}

/// Returns the place of a code object.
fn place_of_code(code: &Bound<'_, PyAny>) -> Place {
    let py = code.py();
    let line = code.getattr(intern!(py, "co_firstlineno")).ok();
    let function = text(code, intern!(py, "co_qualname")) // Python 3.11
        .or_else(|| text(code, intern!(py, "co_name")));
    Place {
        file: text(code, intern!(py, "co_filename")).unwrap_or_default(),
        line: line.and_then(|line| line.extract().ok()).unwrap_or(0),
        function: function.unwrap_or_default(),
    }
}

/// Returns a place of C code, which has no file.
fn native_place(function: &str) -> Place {
    Place {
        file: Arc::default(),
        line: 0,
        function: Arc::from(function),
    }
}

fn place_of_type(class: &Bound<'_, PyAny>) -> Place {
    let py = class.py();
    let function = text(class, intern!(py, "__qualname__"));
    native_place(&function.unwrap_or_default())
}

impl PythonPlaces {
    /// Returns the place of a number.
    pub(super) fn get(&self, id: PlaceId) -> Place {
        self.places.get(id)
    }

    /// Visits the keys: a class may refer to the loop.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(keys) = self.keys.try_borrow() else {
            return Ok(());
        };
        keys.iter().try_for_each(|key| visit.call(key))
    }

    /// Returns the place of a callback.
    pub(super) fn of_callback(&self, callback: &Bound<'_, PyAny>) -> PlaceId {
        code_of(callback).map_or_else(|| self.of(name_of(callback)), |code| self.of_code(&code))
    }

    #[inline]
    fn of_code(&self, code: &Bound<'_, PyAny>) -> PlaceId {
        self.places.intern(code.as_ptr().addr(), || {
            self.keys.borrow_mut().push(code.clone().unbind());
            place_of_code(code)
        })
    }

    /// Returns the place where the coroutine of a task is defined.
    pub(super) fn of_coroutine(&self, coroutine: &Bound<'_, PyAny>) -> PlaceId {
        let py = coroutine.py();
        let names = [
            intern!(py, "cr_code"),
            intern!(py, "gi_code"),
            intern!(py, "ag_code"),
        ];
        let code = names
            .into_iter()
            .find_map(|name| coroutine.getattr(name).ok());
        match code {
            Some(code) => self.of(Named::Code(code)),
            None => self.of(Named::Type(coroutine.get_type().into_any())),
        }
    }

    /// Returns the place of a transport, which is its class.
    pub(super) fn of_transport(&self, transport: &Bound<'_, PyAny>) -> PlaceId {
        self.of(Named::Type(transport.get_type().into_any()))
    }

    fn of(&self, named: Named<'_>) -> PlaceId {
        let PythonPlaces { places, keys } = self;
        match named {
            Named::Code(code) => self.of_code(&code),
            Named::Type(class) => {
                let key = class.as_ptr().addr();
                places.intern(key, || {
                    let place = place_of_type(&class);
                    keys.borrow_mut().push(class.unbind());
                    place
                })
            }
            Named::Native(definition, function) => places.intern(definition.addr(), || {
                let name = text(&function, intern!(function.py(), "__qualname__"));
                // SAFETY: the definition of a function that is alive has a name.
                let plain = unsafe { CStr::from_ptr((*definition).ml_name) };
                native_place(&name.unwrap_or_else(|| plain.to_string_lossy().into()))
            }),
        }
    }
}
