//! Makes a `QVariant` of a Rust value: without a value, if Qt has no room for a text of its length.

use std::ffi::{c_int, c_void};

#[cfg(not(no_qt))]
use cpp::cpp;

use super::Object;
use super::variant::{Kind, Variant};

impl Variant {
    pub(super) fn of_signed(value: i64) -> Variant {
        let variant = Variant::new();
        let out = variant.as_ptr();
        // SAFETY: the variant is the local one.
        unsafe {
            cpp!([out as "QVariant*", value as "qlonglong"] { *out = QVariant(value); });
        }
        variant
    }

    pub(super) fn of_unsigned(value: u64) -> Variant {
        let variant = Variant::new();
        let out = variant.as_ptr();
        // SAFETY: as in `of_signed`.
        unsafe {
            cpp!([out as "QVariant*", value as "qulonglong"] { *out = QVariant(value); });
        }
        variant
    }

    pub(super) fn of_double(value: f64) -> Variant {
        let variant = Variant::new();
        let out = variant.as_ptr();
        // SAFETY: as in `of_signed`.
        unsafe {
            cpp!([out as "QVariant*", value as "double"] { *out = QVariant(value); });
        }
        variant
    }

    pub(super) fn of_bool(value: bool) -> Variant {
        let variant = Variant::new();
        let out = variant.as_ptr();
        // SAFETY: as in `of_signed`.
        unsafe {
            cpp!([out as "QVariant*", value as "bool"] { *out = QVariant(value); });
        }
        variant
    }

    pub(super) fn of_text(value: &str) -> Variant {
        let variant = Variant::new();
        let (out, bytes, length) = (variant.as_ptr(), value.as_ptr(), value.len());
        // SAFETY: as in `of_signed`; the text is borrowed for the call.
        unsafe {
            cpp!([out as "QVariant*", bytes as "const char*", length as "size_t"] {
                if (length <= qtloop_max_length)
                    *out = QVariant(QString::fromUtf8(bytes, qsizetype(length)));
            });
        }
        variant
    }

    pub(super) fn of_bytes(value: &[u8]) -> Variant {
        let variant = Variant::new();
        let (out, bytes, length) = (variant.as_ptr(), value.as_ptr(), value.len());
        // SAFETY: as in `of_text`.
        unsafe {
            cpp!([out as "QVariant*", bytes as "const char*", length as "size_t"] {
                if (length <= qtloop_max_length)
                    *out = QVariant(QByteArray(bytes, qsizetype(length)));
            });
        }
        variant
    }

    pub(super) fn of_texts<T: AsRef<str>>(values: &[T]) -> Variant {
        let variant = Variant::new();
        let out = variant.as_ptr();
        // SAFETY: as in `of_signed`.
        unsafe {
            cpp!([out as "QVariant*"] { *out = QVariant(QStringList()); });
        }
        for value in values {
            let (bytes, length) = (value.as_ref().as_ptr(), value.as_ref().len());
            // SAFETY: as in `of_text`; the variant holds a list, or no value.
            unsafe {
                cpp!([out as "QVariant*", bytes as "const char*", length as "size_t"] {
                    if (length > qtloop_max_length)
                        *out = QVariant();
                    else if (out->isValid())
                        static_cast<QStringList*>(out->data())->append(QString::fromUtf8(bytes, qsizetype(length)));
                });
            }
        }
        variant
    }

    /// Makes a `QPoint`, `QSize` or `QRect`.
    pub(super) fn of_integers(kind: Kind, values: [i32; 4]) -> Variant {
        let variant = Variant::new();
        let (out, kind, four) = (variant.as_ptr(), kind as c_int, values.as_ptr());
        // SAFETY: as in `of_signed`; there are four integers.
        unsafe {
            cpp!([out as "QVariant*", kind as "int", four as "const int*"] {
                if (kind == QtloopPoint)
                    *out = QVariant(QPoint(four[0], four[1]));
                else if (kind == QtloopSize)
                    *out = QVariant(QSize(four[0], four[1]));
                else
                    *out = QVariant(QRect(four[0], four[1], four[2], four[3]));
            });
        }
        variant
    }

    /// Makes a `QPointF`, `QSizeF` or `QRectF`.
    pub(super) fn of_doubles(kind: Kind, values: [f64; 4]) -> Variant {
        let variant = Variant::new();
        let (out, kind, four) = (variant.as_ptr(), kind as c_int, values.as_ptr());
        // SAFETY: as in `of_signed`; there are four numbers.
        unsafe {
            cpp!([out as "QVariant*", kind as "int", four as "const double*"] {
                if (kind == QtloopPointF)
                    *out = QVariant(QPointF(four[0], four[1]));
                else if (kind == QtloopSizeF)
                    *out = QVariant(QSizeF(four[0], four[1]));
                else
                    *out = QVariant(QRectF(four[0], four[1], four[2], four[3]));
            });
        }
        variant
    }

    /// Makes a `QObject*`; null if the object was destroyed.
    pub(super) fn of_object(value: &Object) -> Variant {
        let variant = Variant::new();
        let (out, object): (_, *mut c_void) = (variant.as_ptr(), value.as_ptr());
        // SAFETY: as in `of_signed`; the object is null or alive.
        unsafe {
            cpp!([out as "QVariant*", object as "QObject*"] { *out = QVariant::fromValue(object); });
        }
        variant
    }
}
