//! The Rust types that an argument of a signal, a property or a result is read as and written from.

use std::any::type_name;
use std::fmt;

use super::variant::{Kind, Type, Variant, VariantRef};
use super::{Object, Point, PointF, Rect, RectF, Size, SizeF};

/// The parts of the traits that only this crate may call and implement.
pub(crate) mod sealed {
    use super::{Kind, Mismatch, Type, Variant, VariantRef};

    /// See [`FromArgument`](super::FromArgument).
    pub trait Read: Sized {
        /// The type to which Qt converts the value first.
        const KIND: Kind;

        /// Reads the value; `None` if it does not convert.
        fn read(value: VariantRef<'_>) -> Option<Self>;

        /// Checks that every value of the type can be read.
        fn check(from: Type) -> Result<(), Mismatch> {
            if from.always_reads(Self::KIND) {
                Ok(())
            } else {
                Err(Mismatch::new::<Self>(from))
            }
        }
    }

    /// See [`ToArgument`](super::ToArgument).
    pub trait Write {
        /// Returns the value as a `QVariant`.
        fn write(&self) -> Variant;
    }
}

use sealed::{Read, Write};

/// A Rust type that a Qt value can be read as: an argument of a signal, a property, the result of a
/// method.
///
/// | Rust | Qt |
/// |---|---|
/// | `i8` to `i64`, `u8` to `u64`, `isize`, `usize` | integers |
/// | `i32` | enumerations and flags, as `int(value)` in C++ |
/// | `f64`, `f32` | `double`, `float` |
/// | `bool` | `bool` |
/// | `String` | `QString` |
/// | `char` | `QChar`, a `QString` of one character |
/// | `Vec<u8>` | `QByteArray` |
/// | `Vec<String>` | `QStringList` |
/// | [`Point`], [`Size`], [`Rect`] | `QPoint`, `QSize`, `QRect` |
/// | [`PointF`], [`SizeF`], [`RectF`] | `QPointF`, `QSizeF`, `QRectF` |
/// | [`Object`] | a pointer to a `QObject` of this thread that is alive |
/// | `qmetaobject::QVariant` (feature `qml`) | any type |
/// | `Option<T>` of these | the same; `None` if the value does not convert |
/// | `()` | any type, ignored |
///
/// A value of another type is converted by Qt (`QVariant::convert`), but only if the conversion
/// back gives the same value. So the text `"12"` and the number `12.0` are an `i32`; `"012"`, `3.5`
/// and 2⁴⁰ are not. The text `"true"` is a `bool`, `"abc"` is not.
///
/// With Qt 5, the enumeration of a parameter or a result is read and passed as an `int`, as in QML,
/// if it is of the namespace `Qt` or declared by `Q_ENUM` in a class of the object. Other ones, and
/// enumerations that are not as large as an `int`, must be registered by `qRegisterMetaType`.
///
/// The trait is sealed: only this crate implements it, and only this crate calls it.
///
/// ```compile_fail
/// struct Mine;
/// impl qtloop::qt::FromArgument for Mine {}
/// ```
pub trait FromArgument: Read {}

impl<T: Read> FromArgument for T {}

/// A type that a property can be set to, or an argument of a method. The types are those of
/// [`FromArgument`], and `&str`, `&[u8]`, `&[&str]` and references to the others.
///
/// A value is converted by the same rule as there.
///
/// The trait is sealed: only this crate implements it.
pub trait ToArgument: Write {}

impl<T: Write + ?Sized> ToArgument for T {}

/// A type of Qt whose values cannot all be read as a Rust type.
#[derive(Clone, Debug)]
pub struct Mismatch {
    from: Type,
    to: &'static str,
    is_possible: bool,
}

impl Mismatch {
    fn new<T: Read>(from: Type) -> Mismatch {
        Mismatch {
            from,
            to: short(type_name::<T>()),
            is_possible: from.may_read(T::KIND),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.name(), self.to);
        if self.is_possible {
            write!(
                formatter,
                "{from}, and not every {from} fits {to}: read it as Option<{to}>"
            )
        } else {
            write!(formatter, "{from}, which cannot be read as {to}")
        }
    }
}

/// Returns the name of a type without the path of its module.
fn short(name: &'static str) -> &'static str {
    if name.contains('<') {
        return name;
    }
    name.rsplit("::").next().unwrap_or(name)
}

macro_rules! integers {
    ($($integer:ident: $kind:ident, $read:ident, $write:ident, $wide:ident;)*) => {$(
        impl Read for $integer {
            const KIND: Kind = Kind::$kind;

            fn read(value: VariantRef<'_>) -> Option<$integer> {
                value.$read()?.try_into().ok()
            }
        }

        impl Write for $integer {
            fn write(&self) -> Variant {
                Variant::$write(*self as $wide)
            }
        }
    )*};
}

integers! {
    i8: I8, signed, of_signed, i64;
    i16: I16, signed, of_signed, i64;
    i32: I32, signed, of_signed, i64;
    i64: I64, signed, of_signed, i64;
    isize: I64, signed, of_signed, i64;
    u8: U8, unsigned, of_unsigned, u64;
    u16: U16, unsigned, of_unsigned, u64;
    u32: U32, unsigned, of_unsigned, u64;
    u64: U64, unsigned, of_unsigned, u64;
    usize: U64, unsigned, of_unsigned, u64;
}

macro_rules! values {
    ($($type:ty: $kind:ident, $read:expr, $write:expr;)*) => {$(
        impl Read for $type {
            const KIND: Kind = Kind::$kind;

            fn read(value: VariantRef<'_>) -> Option<$type> {
                $read(value)
            }
        }

        impl Write for $type {
            fn write(&self) -> Variant {
                $write(self)
            }
        }
    )*};
}

values! {
    f32: F32, VariantRef::float, |value: &f32| Variant::of_double(f64::from(*value));
    f64: F64, VariantRef::double, |value: &f64| Variant::of_double(*value);
    bool: Bool, VariantRef::boolean, |value: &bool| Variant::of_bool(*value);
    char: Char, VariantRef::character, |value: &char| Variant::of_text(value.encode_utf8(&mut [0; 4]));
    String: Text, VariantRef::text, |value: &String| Variant::of_text(value);
    Vec<u8>: Bytes, VariantRef::bytes, |value: &Vec<u8>| Variant::of_bytes(value);
    Vec<String>: Texts, VariantRef::texts, |value: &Vec<String>| Variant::of_texts(value);
    Point: Point,
        |value: VariantRef<'_>| value.integers(Kind::Point).map(|[x, y]| Point { x, y }),
        |value: &Point| Variant::of_integers(Kind::Point, [value.x, value.y, 0, 0]);
    Size: Size,
        |value: VariantRef<'_>| value.integers(Kind::Size).map(|[width, height]| Size { width, height }),
        |value: &Size| Variant::of_integers(Kind::Size, [value.width, value.height, 0, 0]);
    Rect: Rect,
        |value: VariantRef<'_>| value.integers(Kind::Rect)
            .map(|[x, y, width, height]| Rect { x, y, width, height }),
        |value: &Rect| Variant::of_integers(Kind::Rect, [value.x, value.y, value.width, value.height]);
    PointF: PointF,
        |value: VariantRef<'_>| value.doubles(Kind::PointF).map(|[x, y]| PointF { x, y }),
        |value: &PointF| Variant::of_doubles(Kind::PointF, [value.x, value.y, 0.0, 0.0]);
    SizeF: SizeF,
        |value: VariantRef<'_>| value.doubles(Kind::SizeF).map(|[width, height]| SizeF { width, height }),
        |value: &SizeF| Variant::of_doubles(Kind::SizeF, [value.width, value.height, 0.0, 0.0]);
    RectF: RectF,
        |value: VariantRef<'_>| value.doubles(Kind::RectF)
            .map(|[x, y, width, height]| RectF { x, y, width, height }),
        |value: &RectF| Variant::of_doubles(Kind::RectF, [value.x, value.y, value.width, value.height]);
    Object: Object, VariantRef::object, Variant::of_object;
}

impl Read for () {
    const KIND: Kind = Kind::Any;

    fn read(_: VariantRef<'_>) -> Option<()> {
        Some(())
    }
}

impl<T: Read> Read for Option<T> {
    const KIND: Kind = T::KIND;

    fn read(value: VariantRef<'_>) -> Option<Option<T>> {
        Some(T::read(value))
    }

    fn check(from: Type) -> Result<(), Mismatch> {
        if from.may_read(T::KIND) {
            Ok(())
        } else {
            Err(Mismatch::new::<T>(from))
        }
    }
}

impl Write for str {
    fn write(&self) -> Variant {
        Variant::of_text(self)
    }
}

impl Write for [u8] {
    fn write(&self) -> Variant {
        Variant::of_bytes(self)
    }
}

impl Write for [String] {
    fn write(&self) -> Variant {
        Variant::of_texts(self)
    }
}

impl Write for [&str] {
    fn write(&self) -> Variant {
        Variant::of_texts(self)
    }
}

impl<T: Write + ?Sized> Write for &T {
    fn write(&self) -> Variant {
        T::write(self)
    }
}
