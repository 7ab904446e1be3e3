//! `QVariant`s: the values that signals, properties and methods pass, and their conversion.
//!
//! `cpp/variant.h` has the rule of conversion.

use std::ffi::{c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::text::{Sink, text};

cpp! {{
    #include "variant.h"
}}

/// The Rust type that a value is read as. `QtloopKind` in `cpp/variant.h`, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// Any type, read later.
    Any,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    Bool,
    Char,
    Text,
    Bytes,
    Texts,
    Point,
    PointF,
    Size,
    SizeF,
    Rect,
    RectF,
    Object,
}

/// A type that Qt knows (`QMetaType`), by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type(c_int);

impl Type {
    /// Returns the type with this `QMetaType::id()`. An unknown number is the invalid type.
    pub(super) fn of_id(id: c_int) -> Type {
        Type(id)
    }

    /// Returns Qt's name of the type; `void` for no value.
    pub(super) fn name(self) -> String {
        let id = self.0;
        let name = text(|out: *mut c_void, sink: Sink| {
            // SAFETY: the name is in a table that lives as long as the process.
            unsafe {
                cpp!([id as "int", out as "void*", sink as "QtloopSink"] {
                    const QByteArray name = QtloopType(id).name();
                    sink(out, name.constData(), size_t(name.size()));
                });
            }
        });
        if name.is_empty() {
            "an unknown type (C++ has not called qRegisterMetaType for it)".to_owned()
        } else {
            name
        }
    }

    /// Returns whether every value of this type can be read as the kind.
    pub(super) fn always_reads(self, kind: Kind) -> bool {
        let (id, kind) = (self.0, kind as c_int);
        // SAFETY: as above.
        unsafe {
            cpp!([id as "int", kind as "int"] -> bool as "bool" { return qtloop_always_reads(QtloopType(id), kind); })
        }
    }

    /// Returns whether some value of this type may be read as the kind.
    pub(super) fn may_read(self, kind: Kind) -> bool {
        let (id, kind) = (self.0, kind as c_int);
        // SAFETY: as above.
        unsafe {
            cpp!([id as "int", kind as "int"] -> bool as "bool" { return qtloop_may_read(QtloopType(id), kind); })
        }
    }
}

/// An owned `QVariant`.
#[derive(Debug)]
pub struct Variant(NonNull<c_void>);

impl Variant {
    /// Makes a variant without a value, for C++ to fill.
    pub(super) fn new() -> Variant {
        // SAFETY: a new variant, which belongs to the result.
        let variant = unsafe { cpp!([] -> *mut c_void as "QVariant*" { return new QVariant; }) };
        Variant(NonNull::new(variant).expect("new does not return null"))
    }

    /// Returns the `QVariant*`, valid as long as this value.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// Returns an error if the variant is without a value because a text or an array of bytes is too
    /// long for Qt 5.
    pub(super) fn check_length(&self) -> io::Result<()> {
        let variant = self.as_ptr();
        // SAFETY: the variant is alive.
        let is_valid = unsafe {
            cpp!([variant as "const QVariant*"] -> bool as "bool" { return variant->isValid(); })
        };
        if is_valid {
            return Ok(());
        }
        let message =
            "a text or an array of bytes is too long: Qt 5 has room for 1 GiB, Qt 6 for more";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    pub(crate) fn borrow(&self) -> VariantRef<'_> {
        VariantRef(self.0, PhantomData)
    }
}

impl Drop for Variant {
    fn drop(&mut self) {
        let variant = self.as_ptr();
        // SAFETY: freed once, here.
        unsafe { cpp!([variant as "QVariant*"] { delete variant; }) }
    }
}

/// A borrowed `QVariant`.
#[derive(Clone, Copy, Debug)]
pub struct VariantRef<'a>(NonNull<c_void>, PhantomData<&'a Variant>);

impl VariantRef<'_> {
    /// # Safety
    /// It points to a `QVariant` that lives as long as `'a` and does not change in that time.
    pub(super) unsafe fn from_raw<'a>(variant: *mut c_void) -> VariantRef<'a> {
        VariantRef(NonNull::new(variant).expect("a variant"), PhantomData)
    }

    /// Returns the `QVariant*`.
    pub(crate) fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr()
    }
}
