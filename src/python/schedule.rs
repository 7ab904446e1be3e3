//! The loop's scheduling methods: `call_soon` and similar, `create_future`, `create_task`.
//!
//! They run once per callback or per task, so they are methods in the vectorcall convention, and
//! handles are made natively. In debug mode asyncio's own Python code makes them, with all its
//! checks.

use std::ptr;

use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::handle::{self, Call};
use super::priority;
use super::state::{EventLoop, State};
use super::vectorcall::{self, Arguments};
use crate::reactor::{Priority, Time};

/// Adds the scheduling methods to `EventLoop`, and finds asyncio's objects.
pub(super) fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_scheduling_methods(&module.py().get_type::<EventLoop>())?;
    let _ = ASYNCIO_TYPES.set(module.py(), AsyncioTypes::find(module.py())?);
    Ok(())
}

/// Adds the scheduling methods to a subclass of `EventLoop`, and returns the class. TypeError for
/// another class.
///
/// Each call of a method checks its first argument. That is a comparison for an instance of the
/// class itself, and a search in the bases for one of a subclass.
#[pyfunction]
pub(super) fn add_scheduling_methods<'py>(
    class: &Bound<'py, PyType>,
) -> PyResult<Bound<'py, PyType>> {
    if !class.is_subclass_of::<EventLoop>()? {
        return Err(PyTypeError::new_err(format!(
            "{class} is no subclass of EventLoop"
        )));
    }
    vectorcall::add(
        class,
        c"call_soon",
        c"call_soon($self, callback, *args, context=None)\n--\n\nCall callback(*args) as soon as possible, in the order of \
          the calls. Not from another thread.",
        call_soon,
    )?;
    vectorcall::add(
        class,
        c"call_soon_threadsafe",
        c"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\nLike call_soon(), from any thread.",
        call_soon_threadsafe,
    )?;
    vectorcall::add(
        class,
        c"call_soon_priority",
        c"call_soon_priority($self, priority, callback, *args, context=None)\n--\n\nLike call_soon(), with a priority from \
          -100 to 100, of which the smaller runs first. Not from another thread.",
        call_soon_priority,
    )?;
    vectorcall::add(
        class,
        c"call_later",
        c"call_later($self, delay, callback, *args, context=None)\n--\n\nCall callback(*args) when delay seconds have \
          passed, and never before. Not from another thread.",
        call_later,
    )?;
    vectorcall::add(
        class,
        c"call_at",
        c"call_at($self, when, callback, *args, context=None)\n--\n\nCall callback(*args) when time() has reached when, \
          and never before. math.inf is legal. Not from another thread.",
        call_at,
    )?;
    vectorcall::add(
        class,
        c"create_future",
        c"create_future($self)\n--\n\nA Future of this loop.",
        create_future,
    )?;
    vectorcall::add(
        class,
        c"create_task",
        c"create_task($self, coro, *, priority=None, **kwargs)\n--\n\nRun a coroutine as a Task of this loop, made by the \
          task factory if there is one, with a priority from -100 to 100.",
        create_task,
    )?;
    Ok(class.clone())
}

/// The asyncio objects that `create_future` and `create_task` call.
struct AsyncioTypes {
    future: Py<PyAny>,
    /// The namespace of `asyncio.tasks`. `Task` is looked up for each call, as in asyncio, because
    /// programs replace it: nest_asyncio, for example, by the class that is written in Python.
    tasks: Py<PyDict>,
    /// asyncio's own method, for debug mode, task factories and rare arguments.
    create_task: Py<PyAny>,
    /// The keyword names of `Future(loop=...)`.
    loop_: Py<PyTuple>,
}

static ASYNCIO_TYPES: PyOnceLock<AsyncioTypes> = PyOnceLock::new();

impl AsyncioTypes {
    fn find(py: Python<'_>) -> PyResult<AsyncioTypes> {
        let base = py.import("asyncio.base_events")?.getattr("BaseEventLoop")?;
        Ok(AsyncioTypes {
            future: py.import("asyncio.futures")?.getattr("Future")?.unbind(),
            tasks: py.import("asyncio.tasks")?.dict().unbind(),
            create_task: base.getattr("create_task")?.unbind(),
            loop_: PyTuple::new(py, [intern!(py, "loop")])?.unbind(),
        })
    }

    #[inline]
    fn task<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let task = self.tasks.bind(py).get_item(intern!(py, "Task"))?;
        task.ok_or_else(|| PyAttributeError::new_err("asyncio.tasks has no Task"))
    }
}

/// Returns the loop that a method was called on.
///
/// # Safety
/// `slf` is an `EventLoop`, held for `'a`: the method descriptor has checked it.
#[inline]
unsafe fn this<'a, 'py>(py: Python<'py>, slf: &'a *mut ffi::PyObject) -> &'a Bound<'py, EventLoop> {
    // SAFETY: the caller's promise.
    unsafe { Bound::ref_from_ptr(py, slf).cast_unchecked() }
}

/// Runs asyncio's checks for debug mode.
#[cold]
fn check_debug(
    event_loop: &Bound<'_, EventLoop>,
    callback: *mut ffi::PyObject,
    function: &str,
    thread: bool,
) -> PyResult<()> {
    if thread {
        event_loop.call_method0("_check_thread")?;
    }
    // SAFETY: the caller of the method keeps it alive.
    let callback = unsafe { Bound::from_borrowed_ptr(event_loop.py(), callback) };
    event_loop
        .call_method1("_check_callback", (callback, function))
        .map(drop)
}

/// How a callback is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Soon {
    Here,
    ThreadSafe,
    WithPriority(Priority),
}

#[inline]
fn soon<const N: usize>(
    py: Python<'_>,
    slf: *mut ffi::PyObject,
    function: &str,
    how: Soon,
    arguments: &Arguments<'_, N>,
) -> PyResult<Py<PyAny>> {
    // SAFETY: the callers are methods of the class.
    let event_loop = unsafe { this(py, &slf) };
    let state = event_loop.get().state(py);
    let inherited = state.inherited_priority()?;
    let callback = arguments.named[N - 1];
    let debug = state.debug.get();
    if debug {
        check_debug(event_loop, callback, function, how != Soon::ThreadSafe)?;
    }
    let priority = match how {
        Soon::WithPriority(priority) => priority,
        // The job that the loop runs at this moment does not schedule this one.
        Soon::ThreadSafe if inherited.is_some() && state.is_elsewhere(py) => Priority::NORMAL,
        _ => match inherited {
            None => Priority::NORMAL,
            // SAFETY: it is held by the caller of the method.
            Some(inherited) => unsafe {
                state.job_priority(Bound::ref_from_ptr(py, &callback), inherited)
            },
        },
    };
    let call = Call {
        event_loop: slf,
        callback,
        args: arguments.rest,
        context: arguments.context,
        debug,
        priority,
    };
    // SAFETY: all of it is held by the caller of the method.
    let handle = unsafe {
        if how == Soon::ThreadSafe {
            let (handle, job) = call.threadsafe(py)?;
            state.push(py, job)?;
            handle
        } else {
            let (handle, job) = call.soon(py)?;
            state.push_here(job)?;
            handle
        }
    };
    Ok(handle.unbind())
}

unsafe extern "C" fn call_soon(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let function = "call_soon";
    // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
    unsafe {
        vectorcall::scheduling(function, ["callback"], args, count, keywords, |py, all| {
            soon(py, slf, function, Soon::Here, all)
        })
    }
}

unsafe extern "C" fn call_soon_threadsafe(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let function = "call_soon_threadsafe";
    // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
    unsafe {
        vectorcall::scheduling(function, ["callback"], args, count, keywords, |py, all| {
            soon(py, slf, function, Soon::ThreadSafe, all)
        })
    }
}

unsafe extern "C" fn call_soon_priority(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (function, names) = ("call_soon_priority", ["priority", "callback"]);
    // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
    unsafe {
        vectorcall::scheduling(function, names, args, count, keywords, |py, all| {
            let priority = priority::read(Bound::ref_from_ptr(py, &all.named[0]))?;
            soon(py, slf, function, Soon::WithPriority(priority), all)
        })
    }
}

/// Schedules a timer. `deadline` is `None` for NaN, `when` the same in seconds, and `given` the
/// Python object of it, or null.
#[inline]
fn at(
    py: Python<'_>,
    slf: *mut ffi::PyObject,
    function: &str,
    deadline: Option<Time>,
    when: f64,
    given: *mut ffi::PyObject,
    arguments: &Arguments<'_, 2>,
) -> PyResult<Py<PyAny>> {
    // SAFETY: the callers are methods of the class.
    let event_loop = unsafe { this(py, &slf) };
    let state = event_loop.get().state(py);
    let inherited = state.inherited_priority()?;
    let deadline =
        deadline.ok_or_else(|| PyValueError::new_err(format!("{function}(): NaN is no moment")))?;
    let debug = state.debug.get();
    if debug {
        check_debug(event_loop, arguments.named[1], function, true)?;
    }
    let call = Call {
        event_loop: slf,
        callback: arguments.named[1],
        args: arguments.rest,
        context: arguments.context,
        debug,
        priority: inherited.unwrap_or_default(),
    };
    // SAFETY: all of it is held by the caller of the method.
    let (handle, job) = unsafe { call.timer(py, when, given)? };
    let key = state.driver()?.push_at(deadline, job);
    handle::set_scheduled(&handle, key);
    Ok(handle.unbind())
}

/// Converts a Python number to seconds; `message` is the error message for None.
#[inline]
fn seconds(py: Python<'_>, value: *mut ffi::PyObject, message: &'static str) -> PyResult<f64> {
    // SAFETY: the value is held by the caller of the method.
    unsafe {
        if value == ffi::Py_None() {
            return Err(PyTypeError::new_err(message));
        }
        let seconds = ffi::PyFloat_AsDouble(value);
        #[allow(clippy::float_cmp)] // CPython's mark for "see whether there was an error"
        if seconds == -1.0 && !ffi::PyErr_Occurred().is_null() {
            return Err(PyErr::fetch(py));
        }
        Ok(seconds)
    }
}

unsafe extern "C" fn call_later(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (function, names) = ("call_later", ["delay", "callback"]);
    // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
    unsafe {
        vectorcall::scheduling(function, names, args, count, keywords, |py, all| {
            let delay = seconds(py, all.named[0], "delay must not be None")?;
            let (deadline, when) = this(py, &slf).get().state(py).after(delay);
            at(py, slf, function, deadline, when, ptr::null_mut(), all)
        })
    }
}

unsafe extern "C" fn call_at(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let (function, names) = ("call_at", ["when", "callback"]);
    // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
    unsafe {
        vectorcall::scheduling(function, names, args, count, keywords, |py, all| {
            let given = all.named[0];
            let when = seconds(py, given, "when cannot be None")?;
            let deadline = Time::from_secs_f64(when);
            at(py, slf, function, deadline, when, given, all)
        })
    }
}

/// Calls `callable` with `args`, the last of which are named by `keywords`.
///
/// # Safety
/// All of it is alive, and there are as many arguments.
unsafe fn call<'py>(
    py: Python<'py>,
    callable: &Bound<'py, PyAny>,
    args: &[*mut ffi::PyObject],
    keywords: *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the caller's promise.
    unsafe {
        let named = if keywords.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(keywords).unsigned_abs()
        };
        let count = args.len() - named;
        let made = ffi::PyObject_Vectorcall(callable.as_ptr(), args.as_ptr(), count, keywords);
        Bound::from_owned_ptr_or_err(py, made)
    }
}

unsafe extern "C" fn create_future(
    slf: *mut ffi::PyObject,
    _: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    vectorcall::outcome(|py| {
        if count != 0 || !keywords.is_null() {
            return Err(PyTypeError::new_err("create_future() takes no arguments"));
        }
        let made = ASYNCIO_TYPES
            .get(py)
            .expect("found when the module was made");
        // SAFETY: the loop is held by the caller of the method.
        let future = unsafe { call(py, made.future.bind(py), &[slf], made.loop_.as_ptr())? };
        Ok(future.unbind())
    })
}

unsafe extern "C" fn create_task(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    vectorcall::outcome(|py| {
        // SAFETY: this is a METH_FASTCALL | METH_KEYWORDS method.
        let (event_loop, args, keywords) = unsafe {
            let args = vectorcall::given(args, count, keywords);
            let keywords = Bound::from_borrowed_ptr_or_opt(py, keywords)
                .map(|keywords| keywords.cast_into_unchecked::<PyTuple>());
            (this(py, &slf), args, keywords)
        };
        let state = event_loop.get().state(py);
        let count = count.unsigned_abs();
        let place = match &keywords {
            Some(keywords) => place_of_priority(keywords)?,
            None => None,
        };
        let Some(place) = place else {
            let make = || noted(state, make_task(event_loop, args, count, keywords.as_ref()));
            // Without a task factory, the task does not run yet.
            if state.task_factory.borrow().is_none() && state.inherited_priority()?.is_none() {
                return make().map(Bound::unbind);
            }
            return state.with_priority(None, make).map(Bound::unbind);
        };
        let keywords = keywords.expect("it has the keyword");
        // SAFETY: the caller of the method holds the argument.
        let priority = unsafe { Bound::ref_from_ptr(py, &args[count + place]) };
        let priority = if priority.is_none() {
            None
        } else {
            Some(priority::read(priority)?)
        };
        let mut args = args.to_vec();
        args.remove(count + place);
        let names = keywords.iter().enumerate();
        let names: Vec<_> = names
            .filter(|&(index, _)| index != place)
            .map(|(_, name)| name)
            .collect();
        let names = PyTuple::new(py, names)?;
        let make = || noted(state, make_task(event_loop, &args, count, Some(&names)));
        state.with_priority(priority, make).map(Bound::unbind)
    })
}

/// Tells the instruments about a task that was made.
#[inline]
fn noted<'py>(state: &State, made: PyResult<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(task) = &made {
        state.note_task(task);
    }
    made
}

/// Returns the place of `priority` among the keywords.
fn place_of_priority(keywords: &Bound<'_, PyTuple>) -> PyResult<Option<usize>> {
    let priority = intern!(keywords.py(), "priority");
    for (index, keyword) in keywords.iter_borrowed().enumerate() {
        if keyword.is(priority) || keyword.eq(priority)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Makes a task. `count` of the arguments are positional; the others have the keywords.
fn make_task<'py>(
    event_loop: &Bound<'py, EventLoop>,
    args: &[*mut ffi::PyObject],
    count: usize,
    keywords: Option<&Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, slf) = (event_loop.py(), event_loop.as_ptr());
    let made = ASYNCIO_TYPES
        .get(py)
        .expect("found when the module was made");
    let state = event_loop.get().state(py);
    let is_known = |keyword: &Bound<'_, PyAny>| {
        keyword.is(intern!(py, "name")) || keyword.is(intern!(py, "context"))
    };
    let is_simple = count == 1
        && args.len() <= 3
        && keywords.is_none_or(|all| all.iter().all(|each| is_known(&each)))
        && !state.debug.get()
        && state.task_factory.borrow().is_none();
    if !is_simple {
        let all: Vec<*mut ffi::PyObject> = [slf].into_iter().chain(args.iter().copied()).collect();
        let keywords = keywords.map_or(ptr::null_mut(), Bound::as_ptr);
        // SAFETY: all of it is held by the caller of the method.
        return unsafe { call(py, made.create_task.bind(py), &all, keywords) };
    }
    state.check_closed()?;
    let mut call_args = [args[0], slf, ptr::null_mut(), ptr::null_mut()];
    call_args[2..1 + args.len()].copy_from_slice(&args[1..]);
    let names = match keywords {
        None => made.loop_.bind(py).clone(),
        Some(keywords) => {
            let all = keywords.iter().map(|each| each.cast_into::<PyString>());
            let all = all.collect::<Result<Vec<_>, _>>()?;
            PyTuple::new(
                py,
                [intern!(py, "loop").clone()]
                    .into_iter()
                    .chain(all)
                    .collect::<Vec<_>>(),
            )?
        }
    };
    // SAFETY: all of it is held, by the caller of the method or here.
    unsafe {
        call(
            py,
            &made.task(py)?,
            &call_args[..1 + args.len()],
            names.as_ptr(),
        )
    }
}
