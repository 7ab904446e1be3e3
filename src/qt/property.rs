//! Properties and methods of an [`Object`] by name.

use std::ffi::c_int;
use std::io;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::argument::{FromArgument, Mismatch, ToArgument};
use super::arguments::ToArguments;
use super::variant::{Type, Variant};
use super::{Destroyed, Object};

cpp! {{
    #include "type.h"
    #include <vector>

    // Whether only the owner of an object may call the method. QML hides the same two.
    static inline bool qtloop_is_of_owner(int index, const QMetaMethod& method)
    {
        return index < QObject::staticMetaObject.methodCount()
            && (method.name() == "destroyed" || method.name() == "deleteLater");
    }

    // An object as a pointer that does not dangle, also if the value is kept.
    static inline void qtloop_keep(QtloopType type, QVariant* value)
    {
        // The pointer in a property or result of type QVariant may dangle already.
        if (type.flags() & QMetaType::PointerToQObject && qtloop_type(*value) == type)
            *value = QVariant::fromValue(QPointer<QObject>(*static_cast<QObject* const*>(value->constData())));
    }
}}

/// The description of a property (`QMetaProperty`).
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "tasks"),
    expect(dead_code, reason = "streams of a property use it")
)]
pub(crate) struct PropertyInfo {
    /// -1 for a dynamic property, which has no fixed type.
    index: c_int,
    kind: Type,
    /// The index of its NOTIFY signal.
    pub(crate) notify: Option<c_int>,
    pub(crate) is_constant: bool,
}

impl Object {
    /// Returns the value of a property, which may be a dynamic one.
    ///
    /// ```no_run
    /// # fn example(slider: qtloop::qt::Object) -> std::io::Result<()> {
    /// let value: i32 = slider.property("value")?;
    /// slider.set_property("value", value + 1)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NotFound`: there is no such property; the message lists the properties, the nearest name
    /// first. `InvalidData`: the value does not convert, see [`FromArgument`]. `NotConnected`: the
    /// object was destroyed.
    pub fn property<T: FromArgument>(&self, name: &str) -> io::Result<T> {
        let info = self.property_info(name)?;
        let value = self.read_property(name, info);
        T::read(value.borrow()).ok_or_else(|| {
            let (class, from) = (self.class_name(), info.kind.name());
            let to = std::any::type_name::<T>();
            let message =
                format!("the value of {class}::{name}, a {from}, does not convert to {to}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// Sets a property. An existing dynamic property can be set, too, but none is added.
    ///
    /// # Errors
    /// `NotFound` and `NotConnected`: as [`property`](Object::property). `InvalidInput`: the value
    /// does not convert to the property's type, or is a text or bytes of 1 GiB with Qt 5.
    /// `PermissionDenied`: the property is read-only.
    pub fn set_property(&self, name: &str, value: impl ToArgument) -> io::Result<()> {
        let info = self.property_info(name)?;
        let value = value.write();
        value.check_length()?;
        let (object, index, variant) = (self.as_ptr(), info.index, value.as_ptr());
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name and the value are borrowed for the
        // call.
        let result = unsafe {
            cpp!([object as "QObject*", index as "int", bytes as "const char*", length as "size_t",
                  variant as "const QVariant*"] -> c_int as "int" {
                if (!object)
                    return 3;
                if (index < 0) {
                    object->setProperty(qtloop_name(bytes, length).constData(), *variant);
                    return 0;
                }
                const QMetaProperty property = object->metaObject()->property(index);
                if (!property.isWritable())
                    return 2;
                QVariant converted;
                if (!qtloop_convert(*variant, qtloop_type(property), &converted))
                    return 1;
                return property.write(object, converted) ? 0 : 1;
            })
        };
        let place = || format!("{}::{name}", self.class_name());
        match result {
            0 => Ok(()),
            1 => {
                let message = format!(
                    "the value does not convert to {}, the type of {}",
                    info.kind.name(),
                    place()
                );
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            2 => {
                let message = format!("{} is read-only", place());
                Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
            }
            _ => Err(Destroyed.into()),
        }
    }

    /// Calls a public slot or `Q_INVOKABLE` method, or emits a signal, and returns the result.
    ///
    /// The method is found by its name and the number of arguments, or by its signature
    /// (`"start(int)"`). If several match, the last one of the most derived class is called to
    /// whose parameters the arguments convert. With the result type `()` the result is ignored.
    ///
    /// ```no_run
    /// # fn example(timer: qtloop::qt::Object) -> std::io::Result<()> {
    /// timer.invoke::<()>("start", (20,))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NotFound`: there is no such public method with this number of arguments; the message lists
    /// the methods, the nearest name first. `InvalidInput`: an argument does not convert, or is a
    /// text or bytes of 1 GiB with Qt 5, or the result can never be read as an `R`; the method is
    /// not called. `InvalidData`: the result does not convert; the method was called.
    /// `NotConnected`: the object was destroyed. `PermissionDenied`: `deleteLater` and `destroyed`
    /// cannot be called, as in QML: the owner of the object, such as a `QObjectBox`, would use it
    /// after it was freed.
    pub fn invoke<R: FromArgument>(
        &self,
        name: &str,
        arguments: impl ToArguments,
    ) -> io::Result<R> {
        let arguments = arguments.write();
        arguments.iter().try_for_each(Variant::check_length)?;
        let pointers = arguments.iter().map(Variant::as_ptr).collect::<Vec<_>>();
        let (given, count) = (pointers.as_ptr(), pointers.len());
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        let mut is_known = false;
        let mut returns: c_int = 0;
        let (known, type_id) = (&raw mut is_known, &raw mut returns);
        // SAFETY: null, or alive and of this thread; name, arguments and results are borrowed for
        // the call.
        let index = unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t", given as "QVariant**",
                  count as "size_t", known as "bool*", type_id as "int*"] -> c_int as "int" {
                const QMetaObject* meta = object ? object->metaObject() : nullptr;
                const QByteArray name = qtloop_name(bytes, length);
                const bool is_signature = name.contains('(');
                const QByteArray wanted = is_signature ? QMetaObject::normalizedSignature(name.constData()) : name;
                for (int index = meta ? meta->methodCount() - 1 : -1; index >= 0; --index) {
                    const QMetaMethod method = meta->method(index);
                    if (method.access() != QMetaMethod::Public || size_t(method.parameterCount()) != count
                        || (is_signature ? method.methodSignature() : method.name()) != wanted)
                        continue;
                    if (qtloop_is_of_owner(index, method))
                        return -2;
                    *known = true;
                    bool fits = true;
                    QVariant converted;
                    for (size_t place = 0; fits && place < count; ++place)
                        fits = qtloop_convert(*given[place], qtloop_parameter_type(object, method, int(place)), &converted);
                    if (!fits)
                        continue;
                    *type_id = qtloop_return_type(object, method).id();
                    return index;
                }
                return -1;
            })
        };
        let place = || format!("{}::{name}", self.class_name());
        if index == -2 {
            let message = format!(
                "{} is for the owner of the object, which may be Rust code that still uses it",
                place()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        if index < 0 && is_known {
            let message = format!(
                "the arguments do not convert to the types of the parameters of {}",
                place()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if index < 0 {
            let what = format!("public method of {count} arguments called");
            return Err(self.no_such(&what, name, self.methods(false)));
        }
        let returns = Type::of_id(returns);
        if !returns.may_read(R::KIND) {
            let to = std::any::type_name::<R>();
            let message = format!(
                "{} returns {}, which cannot be read as {to}",
                place(),
                returns.name()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let result = Variant::new();
        let out = result.as_ptr();
        // A conversion above may have run code that destroyed the object.
        let object = self.as_ptr();
        // SAFETY: as above.
        let is_called = unsafe {
            cpp!([object as "QObject*", index as "int", given as "QVariant**", count as "size_t",
                  out as "QVariant*"] -> bool as "bool" {
                if (!object)
                    return false;
                const QMetaMethod method = object->metaObject()->method(index);
                std::vector<QVariant> values(count);
                std::vector<void*> pointers(1 + count);
                for (size_t place = 0; place < count; ++place) {
                    const QtloopType type = qtloop_parameter_type(object, method, int(place));
                    if (!qtloop_convert(*given[place], type, &values[place]))
                        return false;
                    pointers[1 + place] = type.id() == QMetaType::QVariant
                        ? static_cast<void*>(&values[place]) : values[place].data();
                }
                const QtloopType type = qtloop_return_type(object, method);
                if (type.id() == QMetaType::QVariant) {
                    pointers[0] = out;
                } else if (type.isValid() && type.id() != QMetaType::Void) {
                    *out = qtloop_value(type);
                    pointers[0] = out->data();
                }
                QMetaObject::metacall(object, QMetaObject::InvokeMetaMethod, index, pointers.data());
                qtloop_keep(type, out);
                return true;
            })
        };
        if !is_called {
            return Err(Destroyed.into());
        }
        R::read(result.borrow()).ok_or_else(|| {
            let to = std::any::type_name::<R>();
            let message = format!(
                "the result of {}, a {}, does not convert to {to}",
                place(),
                returns.name()
            );
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    /// Looks up a property by its name.
    pub(crate) fn property_info(&self, name: &str) -> io::Result<PropertyInfo> {
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        let mut found: [c_int; 4] = [-2, 0, -1, 0];
        let out = found.as_mut_ptr();
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call, and `out`
        // has four integers.
        unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t", out as "int*"] {
                if (!object)
                    return;
                const QByteArray name = qtloop_name(bytes, length);
                const int index = object->metaObject()->indexOfProperty(name.constData());
                if (index >= 0) {
                    const QMetaProperty property = object->metaObject()->property(index);
                    out[0] = index;
                    out[1] = qtloop_type(property).id();
                    out[2] = property.notifySignalIndex();
                    out[3] = property.isConstant();
                } else if (object->dynamicPropertyNames().contains(name)) {
                    out[0] = -1;
                    out[1] = QMetaType::QVariant;
                }
            });
        }
        let [index, kind, notify, is_constant] = found;
        if index == -2 {
            return Err(self.no_such("property", name, self.properties()));
        }
        Ok(PropertyInfo {
            index,
            kind: Type::of_id(kind),
            notify: (notify >= 0).then_some(notify),
            is_constant: is_constant != 0,
        })
    }

    /// Reads a property; an empty value after the object was destroyed.
    pub(crate) fn read_property(&self, name: &str, info: PropertyInfo) -> Variant {
        let value = Variant::new();
        let (object, index, out) = (self.as_ptr(), info.index, value.as_ptr());
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call.
        unsafe {
            cpp!([object as "QObject*", index as "int", bytes as "const char*", length as "size_t", out as "QVariant*"] {
                if (!object)
                    return;
                if (index < 0) {
                    *out = object->property(qtloop_name(bytes, length).constData());
                    return;
                }
                const QMetaProperty property = object->metaObject()->property(index);
                *out = property.read(object);
                qtloop_keep(qtloop_type(property), out);
            });
        }
        value
    }
}

impl PropertyInfo {
    /// Checks that every value of the property can be read as a `T`.
    #[cfg_attr(
        not(feature = "tasks"),
        expect(dead_code, reason = "streams of a property use it")
    )]
    pub(crate) fn check<T: FromArgument>(&self) -> Result<(), Mismatch> {
        T::check(self.kind)
    }
}
