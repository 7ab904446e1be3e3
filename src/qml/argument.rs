//! `qmetaobject::QVariant` as an argument, property or result of any type.

#[cfg(not(no_qt))]
use cpp::cpp;
use qmetaobject::QVariant;

use crate::qt::argument::sealed::Read;
use crate::qt::variant::{Kind, VariantRef};

cpp! {{
    #include "type.h"

    #include <QtCore/QPointer>
}}

/// A value of any type, which `QVariantList::from_qvariant(..)` and its like convert further.
impl Read for QVariant {
    const KIND: Kind = Kind::Any;

    fn read(value: VariantRef<'_>) -> Option<QVariant> {
        let value = value.as_ptr();
        // SAFETY: the variant is borrowed. An object is stored as a QPointer, and null if it was
        // destroyed or lives on another thread.
        Some(unsafe {
            cpp!([value as "const QVariant*"] -> QVariant as "QVariant" {
                if (qtloop_type(*value) == qtloop_type<QPointer<QObject>>())
                    return QVariant::fromValue(value->value<QPointer<QObject>>().data());
                return *value;
            })
        })
    }
}
