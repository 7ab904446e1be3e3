// Types of values, and the functions of Qt 6 that take a QMetaType, for Qt 6 and Qt 5.15. In Qt 5 a
// QMetaType cannot be copied, and the functions take its number.
#pragma once

#include <QtCore/QMetaMethod>
#include <QtCore/QMetaProperty>
#include <QtCore/QMetaType>
#include <QtCore/QVariant>
#include <limits>

#if QT_VERSION_MAJOR >= 6

using QtloopType = QMetaType;

template<typename T>
QtloopType qtloop_type()
{
    return QMetaType::fromType<T>();
}

inline QtloopType qtloop_type(const QVariant& value)
{
    return value.metaType();
}

inline QtloopType qtloop_type(const QMetaProperty& property)
{
    return property.metaType();
}

inline QtloopType qtloop_return_type(const QObject*, const QMetaMethod& method)
{
    return method.returnMetaType();
}

inline QtloopType qtloop_parameter_type(QObject*, const QMetaMethod& method, int parameter)
{
    return method.parameterMetaType(parameter);
}

// Makes a value: a copy of `source`, or the default value of the type.
inline QVariant qtloop_value(QtloopType type, const void* source = nullptr)
{
    return QVariant(type, source);
}

inline bool qtloop_qt_converts(QtloopType from, QtloopType to)
{
    return QMetaType::canConvert(from, to);
}

// Converts as QVariant::convert(), in place.
inline bool qtloop_qt_convert(QVariant* value, QtloopType to)
{
    return value->convert(to);
}

// Compares two values of one type.
inline bool qtloop_equals(const QVariant& one, const QVariant& other)
{
    return one == other;
}

inline bool qtloop_is_unsigned_enum(QtloopType type)
{
    return type.flags() & QMetaType::IsUnsignedEnumeration;
}

// Returns whether Qt knows if the values of the type can be negative.
inline bool qtloop_knows_sign(QtloopType)
{
    return true;
}

// The greatest length of a QByteArray, and of UTF-8 that a QString can hold.
constexpr size_t qtloop_max_length = std::numeric_limits<qsizetype>::max();

#else

class QtloopType
{
public:
    explicit QtloopType(int id = QMetaType::UnknownType)
      : number(id)
    {
    }

    int id() const
    {
        return number;
    }

    bool isValid() const
    {
        return number != QMetaType::UnknownType && QMetaType::isRegistered(number);
    }

    QMetaType::TypeFlags flags() const
    {
        return QMetaType::typeFlags(number);
    }

    int sizeOf() const
    {
        return QMetaType::sizeOf(number);
    }

    QByteArray name() const
    {
        return QMetaType::typeName(number);
    }

    friend bool operator==(QtloopType one, QtloopType other)
    {
        return one.number == other.number;
    }

private:
    int number;
};

template<typename T>
QtloopType qtloop_type()
{
    return QtloopType(qMetaTypeId<T>());
}

inline QtloopType qtloop_type(const QVariant& value)
{
    return QtloopType(value.userType());
}

inline QtloopType qtloop_type(const QMetaProperty& property)
{
    return QtloopType(property.userType());
}

// Qt 5 rarely registers the enumerations of signals and slots. As in its QML, an enumeration that a
// class of the object or the namespace Qt declares to moc is an int; the size of others is unknown.
inline bool qtloop_is_enum_name(const QMetaObject* meta, const QByteArray& name)
{
    struct Namespace : QObject
    {
        static const QMetaObject* qt()
        {
            return &staticQtMetaObject;
        }
    };
    const int scope = name.lastIndexOf("::");
    const QByteArray last = scope < 0 ? name : name.mid(scope + 2);
    const QByteArray first = scope < 0 ? QByteArray() : name.left(scope);
    if (first == "Qt")
        return Namespace::qt()->indexOfEnumerator(last.constData()) >= 0;
    for (; meta; meta = meta->superClass()) {
        if (first.isEmpty() || first == meta->className())
            return meta->indexOfEnumerator(last.constData()) >= 0;
    }
    return false;
}

inline QtloopType qtloop_type_of_name(const QObject* object, int type, const QByteArray& name)
{
    if (type > QMetaType::UnknownType)
        return QtloopType(type);
    const bool is_enum = qtloop_is_enum_name(object->metaObject(), name);
    return QtloopType(is_enum ? QMetaType::Int : QMetaType::UnknownType);
}

inline QtloopType qtloop_return_type(const QObject* object, const QMetaMethod& method)
{
    return qtloop_type_of_name(object, method.returnType(), method.typeName());
}

// Registers the type first if its class has not done so, as QObject::connect() does.
inline QtloopType qtloop_parameter_type(QObject* object, const QMetaMethod& method, int parameter)
{
    int type = method.parameterType(parameter);
    if (type == QMetaType::UnknownType) {
        void* arguments[] = { &type, &parameter };
        const int index = method.methodIndex();
        QMetaObject::metacall(object, QMetaObject::RegisterMethodArgumentMetaType, index, arguments);
    }
    return qtloop_type_of_name(object, type, method.parameterTypes().value(parameter));
}

inline QVariant qtloop_value(QtloopType type, const void* source = nullptr)
{
    return QVariant(type.id(), source);
}

// Qt 5 answers for a value only.
inline bool qtloop_qt_converts(QtloopType from, QtloopType to)
{
    return from.id() != QMetaType::Void && to.id() != QMetaType::Void && qtloop_value(from).canConvert(to.id());
}

// Qt 5 does not convert a null value, such as QString(), QPoint(0, 0), or a null pointer, but its
// conversion is protected, and a subclass may take a pointer to it.
struct QtloopConversion : QVariant
{
    static constexpr bool (QVariant::*convert_to)(int, void*) const = &QtloopConversion::convert;
};

inline bool qtloop_qt_convert(QVariant* value, QtloopType to)
{
    // The copy is not null because it was made by type only, and filled through data().
    QVariant from = qtloop_value(qtloop_type(*value), value->constData());
    if (!from.isNull()) {
        const bool is_converted = from.convert(to.id());
        *value = from;
        return is_converted;
    }
    QVariant converted = qtloop_value(to);
    const bool is_null_object = to.flags() & QMetaType::PointerToQObject;
    const bool is_converted = is_null_object || (from.*QtloopConversion::convert_to)(to.id(), converted.data());
    *value = qtloop_value(to, converted.constData());
    return is_converted;
}

// Qt 5 compares the addresses of enumerations, and numbers of type float approximately.
inline bool qtloop_equals(const QVariant& one, const QVariant& other)
{
    const QtloopType type = qtloop_type(one);
    if (type.flags() & QMetaType::IsEnumeration)
        return one.toLongLong() == other.toLongLong();
    if (type.id() == QMetaType::Double || type.id() == QMetaType::Float)
        return one.toDouble() == other.toDouble();
    return one == other;
}

inline bool qtloop_is_unsigned_enum(QtloopType)
{
    return false;
}

inline bool qtloop_knows_sign(QtloopType type)
{
    return !(type.flags() & QMetaType::IsEnumeration);
}

// A QString of Qt 5 takes at most 2 GiB, two bytes per character.
constexpr size_t qtloop_max_length = (size_t(1) << 30) - 64;

#endif

// Makes a name of bytes from Rust. A name that is too long is cut, so that nothing has it.
inline QByteArray qtloop_name(const char* bytes, size_t length)
{
    return QByteArray(bytes, qsizetype(qMin(length, qtloop_max_length)));
}
