//! Reads a borrowed `QVariant` as a Rust value, by the rule of `variant.rs`.

use std::ffi::{c_int, c_void};

#[cfg(not(no_qt))]
use cpp::cpp;

use super::Object;
use super::text::{bytes, text};
use super::variant::{Kind, VariantRef};

impl VariantRef<'_> {
    pub(super) fn signed(self) -> Option<i64> {
        let (value, mut read) = (self.as_ptr(), 0_i64);
        let out = &raw mut read;
        // SAFETY: the variant is borrowed, and `out` is the local variable above.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", out as "qlonglong*"] -> bool as "bool" { return qtloop_read_signed(value, out); })
        };
        is_read.then_some(read)
    }

    pub(super) fn unsigned(self) -> Option<u64> {
        let (value, mut read) = (self.as_ptr(), 0_u64);
        let out = &raw mut read;
        // SAFETY: as in `signed`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", out as "qulonglong*"] -> bool as "bool" { return qtloop_read(value, out); })
        };
        is_read.then_some(read)
    }

    pub(super) fn float(self) -> Option<f32> {
        let (value, mut read) = (self.as_ptr(), 0_f32);
        let out = &raw mut read;
        // SAFETY: as in `signed`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", out as "float*"] -> bool as "bool" { return qtloop_read(value, out); })
        };
        is_read.then_some(read)
    }

    pub(super) fn double(self) -> Option<f64> {
        let (value, mut read) = (self.as_ptr(), 0_f64);
        let out = &raw mut read;
        // SAFETY: as in `signed`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", out as "double*"] -> bool as "bool" { return qtloop_read(value, out); })
        };
        is_read.then_some(read)
    }

    pub(super) fn boolean(self) -> Option<bool> {
        let (value, mut read) = (self.as_ptr(), false);
        let out = &raw mut read;
        // SAFETY: as in `signed`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", out as "bool*"] -> bool as "bool" { return qtloop_read(value, out); })
        };
        is_read.then_some(read)
    }

    /// Reads a `QChar`, or a text of one character.
    pub(super) fn character(self) -> Option<char> {
        let value = self.as_ptr();
        // SAFETY: the variant is borrowed.
        let is_text = unsafe {
            cpp!([value as "const QVariant*"] -> bool as "bool" {
                return qtloop_may_read(qtloop_type(*value), QtloopChar);
            })
        };
        let text = is_text.then(|| self.text()).flatten()?;
        let mut letters = text.chars();
        letters.next().filter(|_| letters.next().is_none())
    }

    pub(super) fn text(self) -> Option<String> {
        let (value, mut is_read) = (self.as_ptr(), false);
        let good = &raw mut is_read;
        let read = text(|out, sink| {
            // SAFETY: as in `signed`.
            unsafe {
                cpp!([value as "const QVariant*", good as "bool*", out as "void*", sink as "QtloopSink"] {
                    QString text;
                    *good = qtloop_read(value, &text);
                    const QByteArray bytes = text.toUtf8();
                    sink(out, bytes.constData(), size_t(bytes.size()));
                });
            }
        });
        is_read.then_some(read)
    }

    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        let (value, mut is_read) = (self.as_ptr(), false);
        let good = &raw mut is_read;
        let read = bytes(|out, sink| {
            // SAFETY: as in `signed`.
            unsafe {
                cpp!([value as "const QVariant*", good as "bool*", out as "void*", sink as "QtloopSink"] {
                    QByteArray bytes;
                    *good = qtloop_read(value, &bytes);
                    sink(out, bytes.constData(), size_t(bytes.size()));
                });
            }
        });
        is_read.then_some(read)
    }

    pub(super) fn texts(self) -> Option<Vec<String>> {
        let (value, mut is_read) = (self.as_ptr(), false);
        let good = &raw mut is_read;
        let read = bytes(|out, sink| {
            // SAFETY: as in `signed`.
            unsafe {
                cpp!([value as "const QVariant*", good as "bool*", out as "void*", sink as "QtloopSink"] {
                    QStringList list;
                    *good = qtloop_read(value, &list);
                    // Prefix each text with its length, because it may contain any character.
                    for (const QString& text : list) {
                        const QByteArray bytes = text.toUtf8();
                        const quint64 length = quint64(bytes.size());
                        sink(out, reinterpret_cast<const char*>(&length), sizeof length);
                        sink(out, bytes.constData(), size_t(length));
                    }
                });
            }
        });
        let mut rest = read.as_slice();
        let mut list = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<8>() {
            let (bytes, behind) = behind.split_at(u64::from_ne_bytes(*length) as usize);
            list.push(String::from_utf8_lossy(bytes).into_owned());
            rest = behind;
        }
        is_read.then_some(list)
    }

    /// Reads the integers of a `QPoint`, `QSize` or `QRect`.
    pub(super) fn integers<const N: usize>(self, kind: Kind) -> Option<[i32; N]> {
        let (value, kind, mut read) = (self.as_ptr(), kind as c_int, [0_i32; 4]);
        let out = read.as_mut_ptr();
        // SAFETY: as in `signed`; there are four integers at `out`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", kind as "int", out as "int*"] -> bool as "bool" {
                QVariant there;
                if (!qtloop_convert(*value, qtloop_type_of(kind), &there))
                    return false;
                if (kind == QtloopPoint) {
                    const QPoint point = there.toPoint();
                    out[0] = point.x(), out[1] = point.y();
                } else if (kind == QtloopSize) {
                    const QSize size = there.toSize();
                    out[0] = size.width(), out[1] = size.height();
                } else {
                    const QRect rect = there.toRect();
                    out[0] = rect.x(), out[1] = rect.y(), out[2] = rect.width(), out[3] = rect.height();
                }
                return true;
            })
        };
        is_read.then(|| std::array::from_fn(|index| read[index]))
    }

    /// Reads the numbers of a `QPointF`, `QSizeF` or `QRectF`.
    pub(super) fn doubles<const N: usize>(self, kind: Kind) -> Option<[f64; N]> {
        let (value, kind, mut read) = (self.as_ptr(), kind as c_int, [0_f64; 4]);
        let out = read.as_mut_ptr();
        // SAFETY: as in `signed`; there are four numbers at `out`.
        let is_read = unsafe {
            cpp!([value as "const QVariant*", kind as "int", out as "double*"] -> bool as "bool" {
                QVariant there;
                if (!qtloop_convert(*value, qtloop_type_of(kind), &there))
                    return false;
                if (kind == QtloopPointF) {
                    const QPointF point = there.toPointF();
                    out[0] = point.x(), out[1] = point.y();
                } else if (kind == QtloopSizeF) {
                    const QSizeF size = there.toSizeF();
                    out[0] = size.width(), out[1] = size.height();
                } else {
                    const QRectF rect = there.toRectF();
                    out[0] = rect.x(), out[1] = rect.y(), out[2] = rect.width(), out[3] = rect.height();
                }
                return true;
            })
        };
        is_read.then(|| std::array::from_fn(|index| read[index]))
    }

    /// Reads a pointer to an object of this thread that is alive.
    pub(super) fn object(self) -> Option<Object> {
        let value = self.as_ptr();
        // SAFETY: the variant is borrowed. Objects are stored as QPointers, by `Line::kept` in
        // cpp/signal.cpp for objects of this thread only, and by `qtloop_keep` in property.rs. So
        // the pointer is null, or the object is alive.
        unsafe {
            let object = cpp!([value as "const QVariant*"] -> *mut c_void as "QObject*" {
                const bool is_pointer = qtloop_type(*value) == qtloop_type<QPointer<QObject>>();
                return is_pointer ? value->value<QPointer<QObject>>().data() : nullptr;
            });
            Object::from_raw(object)
        }
    }
}
