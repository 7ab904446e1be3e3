//! Finds the task that a callback steps.
//!
//! A Task passes its step and its wake-up to `call_soon`. In asyncio's C code these are an object
//! of a private type and a built-in function; in its Python code they are methods.

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The kind of a callback that steps a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// The first step, one after a yield, or one that throws an exception.
    Step,
    /// The step after the task's future is done.
    WakeUp,
}

/// The classes of tasks.
struct Classes {
    /// `None` if asyncio's C code is missing.
    native: Option<Py<PyAny>>,
    /// Its method `done`.
    native_done: Option<Py<PyAny>>,
    python: Py<PyAny>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

fn classes(py: Python<'_>) -> &Classes {
    CLASSES.get_or_init(py, || {
        let find = |module: &str, name: &str| py.import(module)?.getattr(name);
        let native = find("_asyncio", "Task").ok();
        let done = |class: &Bound<'_, PyAny>| class.getattr("done").ok().map(Bound::unbind);
        Classes {
            native_done: native.as_ref().and_then(done),
            native: native.map(Bound::unbind),
            python: find("asyncio.tasks", "_PyTask")
                .or_else(|_| find("asyncio.tasks", "Task"))
                .map_or_else(|_| py.None(), Bound::unbind),
        }
    })
}

fn is_instance(object: *mut ffi::PyObject, class: &Py<PyAny>) -> bool {
    // SAFETY: the object is alive, and `class` is checked to be a class.
    unsafe {
        ffi::PyType_Check(class.as_ptr()) != 0
            && ffi::PyObject_TypeCheck(object, class.as_ptr().cast()) != 0
    }
}

/// Returns asyncio's class that an object is an instance of, or of a subclass.
fn class_of<'a>(object: &Bound<'a, PyAny>) -> Option<&'a Bound<'a, PyAny>> {
    let py = object.py();
    let Classes { native, python, .. } = classes(py);
    let mut all = native.iter().chain([python]);
    let class = all.find(|class| is_instance(object.as_ptr(), class))?;
    Some(class.bind(py))
}

/// Returns whether an object is a task of asyncio's, or of a subclass.
pub(super) fn is_task(object: &Bound<'_, PyAny>) -> bool {
    class_of(object).is_some()
}

/// Calls a method of asyncio's class, not one of a subclass, which may be any code.
fn call_method<'py>(task: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let class = class_of(task).ok_or_else(|| PyTypeError::new_err("a task is required"))?;
    class.getattr(name)?.call1((task,))
}

/// Returns whether a task is done.
pub(super) fn is_done(task: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = task.py();
    let Classes {
        native: Some(native),
        native_done: Some(done),
        ..
    } = classes(py)
    else {
        return call_method(task, "done")?.is_truthy();
    };
    if !is_instance(task.as_ptr(), native) {
        return call_method(task, "done")?.is_truthy();
    }
    done.bind(py).call1((task,))?.is_truthy()
}

/// Returns the name of a task.
pub(super) fn name(task: &Bound<'_, PyAny>) -> PyResult<Arc<str>> {
    let name = call_method(task, "get_name")?;
    Ok(Arc::from(name.str()?.to_string_lossy()))
}

/// Returns the coroutine of a task.
pub(super) fn coroutine<'py>(task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    call_method(task, "get_coro")
}

/// Returns whether the coroutine of a task waits in an `await`. False for tasks and coroutines that
/// are not written in C, such as those of Cython. Runs no Python code.
pub(super) fn is_suspended(task: &Bound<'_, PyAny>) -> bool {
    let native = classes(task.py()).native.as_ref();
    if !native.is_some_and(|native| is_instance(task.as_ptr(), native)) {
        return false;
    }
    let is_coroutine =
        |coroutine: &Bound<'_, PyAny>| coroutine.get_type_ptr() == &raw mut ffi::PyCoro_Type;
    let coroutine = coroutine(task).ok().filter(is_coroutine);
    let awaited = coroutine.and_then(|coroutine| coroutine.getattr("cr_await").ok());
    awaited.is_some_and(|awaited| !awaited.is_none())
}

/// Returns the loop of a task.
pub(super) fn event_loop<'py>(task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    call_method(task, "get_loop")
}

unsafe extern "C" {
    static mut PyMethod_Type: ffi::PyTypeObject;
    fn PyMethod_Self(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyMethod_Function(method: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// Returns whether an object is a bound method.
pub(super) fn is_method(object: &Bound<'_, PyAny>) -> bool {
    object.get_type_ptr() == &raw mut PyMethod_Type
}

/// Returns the function of a bound method, as a borrowed reference.
///
/// # Safety
/// The object is a bound method.
pub(super) unsafe fn method_function(method: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe { PyMethod_Function(method) }
}

/// Returns the task that a callback steps. Runs no Python code, so the caller may have borrowed the
/// loop's queues.
#[inline]
pub(super) fn of<'py>(callback: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Stepped)> {
    let py = callback.py();
    let callable = callback.as_ptr();
    // SAFETY: the callback is alive, the GIL is held, and each function is called for an object of
    // its type. They return borrowed references.
    unsafe {
        let class = ffi::Py_TYPE(callable);
        if class == &raw mut ffi::PyFunction_Type {
            None // most callbacks that are no steps
        } else if class == &raw mut ffi::PyCFunction_Type {
            let task = Bound::from_borrowed_ptr_or_opt(py, ffi::PyCFunction_GetSelf(callable))?;
            let native = classes(py).native.as_ref()?;
            let function = callable.cast::<ffi::PyCFunctionObject>();
            let name = CStr::from_ptr((*(*function).m_ml).ml_name);
            (is_instance(task.as_ptr(), native) && name == c"task_wakeup")
                .then_some((task, Stepped::WakeUp))
        } else if class == &raw mut PyMethod_Type {
            let task = Bound::from_borrowed_ptr_or_opt(py, PyMethod_Self(callable))?;
            if !is_instance(task.as_ptr(), &classes(py).python) {
                return None;
            }
            let function = Bound::from_borrowed_ptr_or_opt(py, PyMethod_Function(callable))?;
            if ffi::PyFunction_Check(function.as_ptr()) == 0 {
                return None; // another callable's `__name__` may be any code
            }
            let name = function.getattr("__name__").ok()?;
            match name.extract::<&str>().ok()? {
                "__step" => Some((task, Stepped::Step)),
                "__wakeup" => Some((task, Stepped::WakeUp)),
                _ => None,
            }
        } else {
            wrapped_by_c_step(callback).map(|task| (task, Stepped::Step))
        }
    }
}

/// The type of the steps of C tasks.
struct StepType {
    class: Py<PyAny>,
    /// The pointer to the task is the first field.
    has_task_first: bool,
}

/// Returns the task of the step of a C task.
fn wrapped_by_c_step<'py>(callback: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    static STEP: PyOnceLock<StepType> = PyOnceLock::new();
    let py = callback.py();
    let class = callback.get_type_ptr();
    let step = match STEP.get(py) {
        Some(step) => step,
        None => {
            // SAFETY: each type has a name and flags.
            let (name, flags) = unsafe { (CStr::from_ptr((*class).tp_name), (*class).tp_flags) };
            let is_step = name.to_bytes().ends_with(b"TaskStepMethWrapper");
            // A class of Python code can be a base class; asyncio's type cannot.
            if !is_step || flags & ffi::Py_TPFLAGS_BASETYPE != 0 {
                return None;
            }
            let task = callback.getattr("__self__").ok()?;
            STEP.get_or_init(py, || StepType {
                class: callback.get_type().into_any().unbind(),
                has_task_first: has_first(callback, &task),
            })
        }
    };
    if step.class.as_ptr() != class.cast() {
        return None;
    }
    if step.has_task_first {
        // SAFETY: checked when the type was found.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, *first_field(callback.as_ptr())) }
    } else {
        callback.getattr("__self__").ok()
    }
}

/// Returns the place of the first field of an object.
fn first_field(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject {
    // SAFETY: only computed; an object has at least a header.
    unsafe { object.add(1).cast() }
}

/// Returns whether the first field of an object is a pointer to `task`.
fn has_first(object: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> bool {
    let class = object.get_type_ptr();
    let size = size_of::<ffi::PyObject>() + size_of::<*mut ffi::PyObject>();
    // SAFETY: the object is alive, and has that field if its type is large enough.
    unsafe {
        usize::try_from((*class).tp_basicsize).is_ok_and(|basic| basic >= size)
            && *first_field(object.as_ptr()) == task.as_ptr()
    }
}
