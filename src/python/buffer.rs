//! Memory to read into and to write from: the loop's own, and that of Python objects.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags};

/// How much is asked of the system at once.
const CHUNK: usize = 256 * 1024;

/// What all transports of a loop read into, one after the other. A fresh object for each read would have to be of the full
/// size, which costs the system calls of a large allocation; so the bytes are copied out, as many as there are.
///
/// It begins with a page: the kernel's copy to memory that lies 16 bytes behind one, where the allocator would put it, took
/// three times as long on an AMD EPYC.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

const PAGE: usize = 4096;

impl Buffer {
    /// All of it. What is in there is left from reads before.
    pub(super) fn whole(&mut self) -> &mut [u8] {
        if self.0.is_empty() {
            self.0 = vec![0; CHUNK + PAGE];
        }
        let start = self.0.as_ptr().align_offset(PAGE);
        &mut self.0[start..start + CHUNK]
    }

    pub(super) fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        let (count, _) = rustix::net::recv(fd, buffer, RecvFlags::empty())?;
        Ok(count)
    }

    /// Returns also whether the read was cut short by something that is not bytes.
    pub(super) fn recv_unix(
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> rustix::io::Result<(usize, bool)> {
        let message = rustix::net::recvmsg(
            fd,
            &mut [IoSliceMut::new(buffer)],
            &mut RecvAncillaryBuffer::default(),
            RecvFlags::empty(),
        )?;
        Ok((message.bytes, message.flags.contains(ReturnFlags::CTRUNC)))
    }
}

/// The memory of an object, for as long as this is alive.
pub(super) struct View(ffi::Py_buffer);

impl View {
    /// `None` if the memory is not in one piece.
    pub(super) fn read(object: &Bound<'_, PyAny>) -> PyResult<Option<View>> {
        let view = View::new(object, ffi::PyBUF_FULL_RO)?;
        // SAFETY: the view is filled.
        let contiguous = unsafe { ffi::PyBuffer_IsContiguous(&raw const view.0, b'C' as _) == 1 };
        Ok(contiguous.then_some(view))
    }

    pub(super) fn write(object: &Bound<'_, PyAny>) -> PyResult<View> {
        View::new(object, ffi::PyBUF_WRITABLE)
    }

    fn new(object: &Bound<'_, PyAny>, flags: std::ffi::c_int) -> PyResult<View> {
        let mut view = MaybeUninit::zeroed();
        // SAFETY: the object is alive, the lock is held, and the view is filled unless it fails.
        unsafe {
            if ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) < 0 {
                return Err(PyErr::fetch(object.py()));
            }
            Ok(View(view.assume_init()))
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.parts(|memory, length| {
            // SAFETY: the exporter keeps the memory where it is until the release, and the lock keeps Python code from
            // changing it for as long as no Python code runs.
            unsafe { std::slice::from_raw_parts(memory, length) }
        })
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.parts(|memory, length| {
            // SAFETY: as above; it was asked for as writable.
            unsafe { std::slice::from_raw_parts_mut(memory, length) }
        })
    }

    fn parts<R>(&self, make: impl FnOnce(*mut u8, usize) -> R) -> R {
        let memory = self.0.buf.cast::<u8>();
        // An empty buffer may have no address.
        if self.0.len == 0 {
            make(std::ptr::NonNull::dangling().as_ptr(), 0)
        } else {
            make(memory, self.0.len.unsigned_abs())
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: filled by `new`, and released once; the lock is held wherever views are used.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) }
    }
}

/// What may be written.
pub(super) enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    View(View),
}

impl<'py> Data<'py> {
    /// `None` for what asyncio does not take.
    #[inline]
    pub(super) fn of(data: &Bound<'py, PyAny>) -> PyResult<Option<Data<'py>>> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return Ok(Some(Data::Bytes(bytes.clone())));
        }
        let is_view = data.is_instance_of::<PyMemoryView>();
        if !is_view && !data.is_instance_of::<PyByteArray>() {
            return Ok(None);
        }
        Ok(Some(match View::read(data)? {
            Some(view) => Data::View(view),
            None => Data::Bytes(copy(data)?),
        }))
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Data::Bytes(bytes) => bytes.as_bytes(),
            Data::View(view) => view.as_slice(),
        }
    }

    /// What is left of it, for later, as bytes and how many of them not to count. The owner may change what is not bytes.
    pub(super) fn keep(self, py: Python<'py>, sent: usize) -> (Bound<'py, PyBytes>, usize) {
        match self {
            Data::Bytes(bytes) => (bytes, sent),
            Data::View(view) => (PyBytes::new(py, &view.as_slice()[sent..]), 0),
        }
    }
}

#[cold]
pub(super) fn not_bytes(data: &Bound<'_, PyAny>) -> PyErr {
    let name = data
        .get_type()
        .name()
        .map_or_else(|_| "?".into(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "data argument must be a bytes-like object, not '{name}'"
    ))
}

/// The same bytes, in an object that nobody can change.
pub(super) fn copy<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    // memoryview() refuses what is not bytes-like, of which bytes() would make something.
    let view = PyMemoryView::from(data)?;
    // SAFETY: it is an object, and the lock is held.
    let bytes =
        unsafe { Bound::from_owned_ptr_or_err(data.py(), ffi::PyBytes_FromObject(view.as_ptr()))? };
    Ok(bytes.cast_into::<PyBytes>()?)
}
