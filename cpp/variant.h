// How values are converted between QVariants and Rust, in both directions: by Qt's own conversion
// (QVariant::convert), and only if the conversion back gives the same value. So nothing is cut,
// rounded or guessed. Included by the cpp! closures in src/qt.
#pragma once

#include "type.h"

#include <QtCore/QPointer>
#include <QtCore/QRectF>
#include <QtCore/QStringList>
#include <cmath>
#include <type_traits>

// The Rust type that a value is read as. `Kind` in src/qt/variant.rs, in its order.
enum QtloopKind {
    QtloopAny,
    QtloopI8,
    QtloopI16,
    QtloopI32,
    QtloopI64,
    QtloopU8,
    QtloopU16,
    QtloopU32,
    QtloopU64,
    QtloopF32,
    QtloopF64,
    QtloopBool,
    QtloopChar,
    QtloopText,
    QtloopBytes,
    QtloopTexts,
    QtloopPoint,
    QtloopPointF,
    QtloopSize,
    QtloopSizeF,
    QtloopRect,
    QtloopRectF,
    QtloopObject
};

inline bool qtloop_is_signed(QtloopType type)
{
    switch (type.id()) {
        case QMetaType::Char:
            return std::is_signed_v<char>;
        case QMetaType::SChar:
        case QMetaType::Short:
        case QMetaType::Int:
        case QMetaType::Long:
        case QMetaType::LongLong:
            return true;
        default:
            return false;
    }
}

inline bool qtloop_is_unsigned(QtloopType type)
{
    switch (type.id()) {
        case QMetaType::Char:
            return !std::is_signed_v<char>;
        case QMetaType::UChar:
        case QMetaType::UShort:
        case QMetaType::UInt:
        case QMetaType::ULong:
        case QMetaType::ULongLong:
            return true;
        default:
            return false;
    }
}

inline bool qtloop_is_float(QtloopType type)
{
    return type.id() == QMetaType::Double || type.id() == QMetaType::Float;
}

// Whether a conversion is worth an attempt.
inline bool qtloop_may_convert(QtloopType from, QtloopType to)
{
    if (from == to)
        return true;
    // The plain pointer in a variant may dangle, except between two pointers to objects.
    if (bool(from.flags() & QMetaType::PointerToQObject) != bool(to.flags() & QMetaType::PointerToQObject))
        return false;
    // Qt makes a text of a list of one text.
    if (from.id() == QMetaType::QStringList || from.id() == QMetaType::QVariantList)
        return to.id() == QMetaType::QStringList || to.id() == QMetaType::QVariantList;
    return qtloop_qt_converts(from, to);
}

inline bool qtloop_convert(const QVariant& value, QtloopType to, QVariant* out)
{
    const QtloopType from = qtloop_type(value);
    if (!from.isValid())
        return false;
    if (to.id() == QMetaType::QVariant || from == to) {
        *out = value;
        return true;
    }
    if (!to.isValid() || !qtloop_may_convert(from, to))
        return false;
    const bool to_integer = qtloop_is_signed(to) || qtloop_is_unsigned(to);
    // Beyond its range the conversion of a floating-point number is undefined in C++.
    if (qtloop_is_float(from) && to_integer && !(std::abs(value.toDouble()) < 9e18))
        return false;
    const bool may_be_negative = qtloop_is_signed(from) || !qtloop_knows_sign(from);
    if (may_be_negative && qtloop_is_unsigned(to) && value.toLongLong() < 0)
        return false;
    QVariant there = value;
    if (!qtloop_qt_convert(&there, to))
        return false;
    if (qtloop_is_unsigned(from) && qtloop_is_signed(to) && there.toLongLong() < 0)
        return false;
    // A null pointer is also the result of a cast to another class.
    if (to.flags() & QMetaType::PointerToQObject) {
        *out = there;
        const bool was_null = !*static_cast<QObject* const*>(value.constData());
        return was_null || *static_cast<QObject* const*>(there.constData());
    }
    QVariant back = there;
    if (!qtloop_qt_convert(&back, from) || !qtloop_equals(back, value))
        return false;
    *out = there;
    return true;
}

template<typename T>
bool qtloop_read(const QVariant* value, T* out)
{
    QVariant there;
    if (!qtloop_convert(*value, qtloop_type<T>(), &there))
        return false;
    *out = *static_cast<const T*>(there.constData());
    return true;
}

// An enumeration or flags are the int that C++ makes of them, which is negative if the highest bit
// is set. In other sizes than that of int, the highest bit is ambiguous if Qt does not know the sign.
inline bool qtloop_read_signed(const QVariant* value, qlonglong* out)
{
    if (!qtloop_read(value, out))
        return false;
    const QtloopType from = qtloop_type(*value);
    if (!(from.flags() & QMetaType::IsEnumeration))
        return true;
    if (from.sizeOf() == sizeof(qint32))
        *out = qint32(*out);
    return *out >= 0 || from.sizeOf() == sizeof(qint32) || qtloop_knows_sign(from);
}

inline QtloopType qtloop_type_of(int kind)
{
    switch (kind) {
        case QtloopI8:
        case QtloopI16:
        case QtloopI32:
        case QtloopI64:
            return QtloopType(QMetaType::LongLong);
        case QtloopU8:
        case QtloopU16:
        case QtloopU32:
        case QtloopU64:
            return QtloopType(QMetaType::ULongLong);
        case QtloopF32:
            return QtloopType(QMetaType::Float);
        case QtloopF64:
            return QtloopType(QMetaType::Double);
        case QtloopBool:
            return QtloopType(QMetaType::Bool);
        case QtloopChar:
        case QtloopText:
            return QtloopType(QMetaType::QString);
        case QtloopBytes:
            return QtloopType(QMetaType::QByteArray);
        case QtloopTexts:
            return QtloopType(QMetaType::QStringList);
        case QtloopPoint:
            return QtloopType(QMetaType::QPoint);
        case QtloopPointF:
            return QtloopType(QMetaType::QPointF);
        case QtloopSize:
            return QtloopType(QMetaType::QSize);
        case QtloopSizeF:
            return QtloopType(QMetaType::QSizeF);
        case QtloopRect:
            return QtloopType(QMetaType::QRect);
        case QtloopRectF:
            return QtloopType(QMetaType::QRectF);
        default:
            return QtloopType();
    }
}

// Whether every value of the type converts.
inline bool qtloop_always_reads(QtloopType from, int kind)
{
    if (kind == QtloopAny)
        return true;
    const bool is_enum = from.flags() & QMetaType::IsEnumeration;
    const bool is_unsigned_enum = is_enum && qtloop_is_unsigned_enum(from);
    const bool is_unsigned = qtloop_is_unsigned(from) || is_unsigned_enum;
    const auto size = from.sizeOf();
    const bool is_int = is_enum && ((!is_unsigned_enum && qtloop_knows_sign(from)) || size == sizeof(qint32));
    const bool is_signed = qtloop_is_signed(from) || is_int;
    const auto integer = [&](bool to_signed, int width) {
        return to_signed ? (is_signed && size <= width) || (is_unsigned && size < width) : is_unsigned && size <= width;
    };
    switch (kind) {
        case QtloopI8:
            return integer(true, 1);
        case QtloopI16:
            return integer(true, 2);
        case QtloopI32:
            return integer(true, 4);
        case QtloopI64:
            return integer(true, 8);
        case QtloopU8:
            return integer(false, 1);
        case QtloopU16:
            return integer(false, 2);
        case QtloopU32:
            return integer(false, 4);
        case QtloopU64:
            return integer(false, 8);
        case QtloopF32:
            return from.id() == QMetaType::Float || (!is_enum && (is_signed || is_unsigned) && size <= 2);
        case QtloopF64:
            return qtloop_is_float(from) || (!is_enum && (is_signed || is_unsigned) && size <= 4);
        case QtloopText:
            return from.id() == QMetaType::QString || from.id() == QMetaType::Bool ||
                   (!is_enum && (is_signed || is_unsigned) && size > 1);
        case QtloopPointF:
            return from.id() == QMetaType::QPointF || from.id() == QMetaType::QPoint;
        case QtloopSizeF:
            return from.id() == QMetaType::QSizeF || from.id() == QMetaType::QSize;
        case QtloopRectF:
            return from.id() == QMetaType::QRectF || from.id() == QMetaType::QRect;
        // A QString may be too long, a QChar half of a pair, and an object destroyed or elsewhere.
        case QtloopChar:
        case QtloopObject:
            return false;
        default:
            return from == qtloop_type_of(kind);
    }
}

// Whether some value of the type may convert.
inline bool qtloop_may_read(QtloopType from, int kind)
{
    if (kind == QtloopAny || from.id() == QMetaType::QVariant)
        return true;
    if (kind == QtloopObject)
        return from.flags() & QMetaType::PointerToQObject;
    if (kind == QtloopChar)
        return from.id() == QMetaType::QChar || from.id() == QMetaType::QString;
    return from.isValid() && qtloop_may_convert(from, qtloop_type_of(kind));
}
