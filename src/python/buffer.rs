//! Memory for reads and writes: the loop's read buffer, and the buffers of Python objects.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags};

/// The maximum number of bytes of one read.
const CHUNK: usize = 256 * 1024;

/// The read buffer that all transports of a loop share. A fresh object for each read would need the
/// full size, which costs the system calls of a large allocation; so the received bytes are copied
/// out.
///
/// It is aligned to a page: the allocator would place it 16 bytes behind a page boundary, and the
/// kernel's copy to such memory took three times as long on an AMD EPYC.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

const PAGE: usize = 4096;

impl Buffer {
    /// Returns the whole buffer, which still contains bytes of earlier reads.
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

    /// Returns also whether the read ended early, because ancillary data (a passed descriptor) was
    /// discarded.
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

/// The memory of a Python object, exported through the buffer protocol until this is dropped.
pub(super) struct View(ffi::Py_buffer);

impl View {
    /// Exports the memory for reading. `None` if it is not contiguous.
    pub(super) fn read(object: &Bound<'_, PyAny>) -> PyResult<Option<View>> {
        let view = View::new(object, ffi::PyBUF_FULL_RO)?;
        // SAFETY: `new` has filled the view.
        let contiguous = unsafe { ffi::PyBuffer_IsContiguous(&raw const view.0, b'C' as _) == 1 };
        Ok(contiguous.then_some(view))
    }

    pub(super) fn write(object: &Bound<'_, PyAny>) -> PyResult<View> {
        View::new(object, ffi::PyBUF_WRITABLE)
    }

    fn new(object: &Bound<'_, PyAny>, flags: std::ffi::c_int) -> PyResult<View> {
        let mut view = MaybeUninit::zeroed();
        // SAFETY: the object is alive, the GIL is held, and the call fills the view unless it
        // fails.
        unsafe {
            if ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) < 0 {
                return Err(PyErr::fetch(object.py()));
            }
            Ok(View(view.assume_init()))
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.parts(|memory, length| {
            // SAFETY: the exporter keeps the memory in place until the release. No Python code can
            // change it, because this thread holds the GIL and runs none while the slice is
            // borrowed.
            unsafe { std::slice::from_raw_parts(memory, length) }
        })
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.parts(|memory, length| {
            // SAFETY: as above; `write` has requested writable memory.
            unsafe { std::slice::from_raw_parts_mut(memory, length) }
        })
    }

    fn parts<R>(&self, make: impl FnOnce(*mut u8, usize) -> R) -> R {
        let memory = self.0.buf.cast::<u8>();
        // The pointer of an empty buffer may be null.
        if self.0.len == 0 {
            make(std::ptr::NonNull::dangling().as_ptr(), 0)
        } else {
            make(memory, self.0.len.unsigned_abs())
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: filled by `new`, and released once; views are used with the GIL held only.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) }
    }
}

/// The argument of a `write()`.
pub(super) enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    View(View),
}

impl<'py> Data<'py> {
    /// Accepts `bytes`, `bytearray` and `memoryview`, as asyncio does; `None` for other types.
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

    /// Returns `bytes` to queue, and how many of them are sent already. A mutable buffer is copied,
    /// because its owner may change it.
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

/// Returns the same bytes as an immutable `bytes` object.
pub(super) fn copy<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    // memoryview() refuses objects that are not bytes-like; bytes() would convert an int or a list.
    let view = PyMemoryView::from(data)?;
    // SAFETY: it is an object, and the GIL is held.
    let bytes =
        unsafe { Bound::from_owned_ptr_or_err(data.py(), ffi::PyBytes_FromObject(view.as_ptr()))? };
    Ok(bytes.cast_into::<PyBytes>()?)
}
