//! What came with a signal, as QML has it.

#[cfg(not(no_qt))]
use cpp::cpp;
use qmetaobject::QVariant;

use crate::qt::{Arguments, FromArgument};

cpp! {{
    #include <QtCore/QVariant>
}}

/// Of any type: `QVariantList::from_qvariant(..)` and its like make more of it.
impl FromArgument for QVariant {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<QVariant> {
        let list = arguments.as_ptr();
        // SAFETY: alive as long as the arguments, and it has so many.
        Some(unsafe {
            cpp!([list as "QVariantList*", index as "size_t"] -> QVariant as "QVariant" {
                return list->at(qsizetype(index));
            })
        })
    }
}
