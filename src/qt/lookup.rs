//! Signals, properties and methods of an [`Object`] by name, and errors that list the nearest
//! names.

use std::ffi::c_int;
use std::io;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::text::text;
use super::{Destroyed, Object};

cpp! {{
    #include "type.h"
}}

/// The maximum number of names in an error.
const LISTED: usize = 12;

impl Object {
    /// Returns the index of a signal, by its signature (`"clicked(bool)"`) or its name.
    ///
    /// Several signals may have one name: then it is the last one of the most derived class, with
    /// all arguments.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<c_int> {
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call.
        let index = unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t"] -> c_int as "int" {
                if (!object)
                    return -1;
                const QByteArray name = qtloop_name(bytes, length);
                const QMetaObject* meta = object->metaObject();
                if (name.contains('('))
                    return meta->indexOfSignal(QMetaObject::normalizedSignature(name.constData()).constData());
                for (int index = meta->methodCount() - 1; index >= 0; --index) {
                    const QMetaMethod method = meta->method(index);
                    const bool whole = !(method.attributes() & QMetaMethod::Cloned);
                    if (method.methodType() == QMetaMethod::Signal && method.name() == name && whole)
                        return index;
                }
                return -1;
            })
        };
        (index >= 0).then_some(index)
    }

    /// Returns the signatures of all signals.
    #[must_use]
    pub fn signals(&self) -> Vec<String> {
        self.methods(true)
    }

    /// Returns the signatures of the signals, or of all public methods, signals included.
    pub(super) fn methods(&self, is_signal: bool) -> Vec<String> {
        let object = self.as_ptr();
        let all = text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", is_signal as "bool", out as "void*", sink as "QtloopSink"] {
                    const QMetaObject* meta = object ? object->metaObject() : nullptr;
                    for (int index = 0; meta && index < meta->methodCount(); ++index) {
                        const QMetaMethod method = meta->method(index);
                        if (is_signal ? method.methodType() != QMetaMethod::Signal
                                      : method.access() != QMetaMethod::Public)
                            continue;
                        const QByteArray line = method.methodSignature() + '\n';
                        sink(out, line.constData(), size_t(line.size()));
                    }
                });
            }
        });
        all.lines().map(str::to_owned).collect()
    }

    /// Returns the names of all properties, dynamic ones included.
    #[must_use]
    pub fn properties(&self) -> Vec<String> {
        let object = self.as_ptr();
        let all = text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopSink"] {
                    if (!object)
                        return;
                    QList<QByteArray> names = object->dynamicPropertyNames();
                    for (int index = 0; index < object->metaObject()->propertyCount(); ++index)
                        names.append(object->metaObject()->property(index).name());
                    for (const QByteArray& name : names) {
                        const QByteArray line = name + '\n';
                        sink(out, line.constData(), size_t(line.size()));
                    }
                });
            }
        });
        all.lines().map(str::to_owned).collect()
    }

    /// Returns the error for a name that the object does not have, or for a destroyed object.
    pub(crate) fn no_such(&self, what: &str, name: &str, mut names: Vec<String>) -> io::Error {
        if !self.is_alive() {
            return Destroyed.into();
        }
        names.sort_by_cached_key(|other| distance(name, other));
        let left = names.len().saturating_sub(LISTED);
        names.truncate(LISTED);
        let mut list = names.join(", ");
        if left > 0 {
            list = format!("{list} and {left} more");
        }
        let class = self.class_name();
        let message = format!("{class} has no {what} {name:?}; it has {list}");
        io::Error::new(io::ErrorKind::NotFound, message)
    }
}

/// Returns how many letters to insert, remove or replace between two names (Levenshtein distance),
/// ignoring case and the parameters in a signature.
fn distance(one: &str, other: &str) -> usize {
    let bare = |name: &str| name.split('(').next().unwrap_or(name).to_lowercase();
    let (one, other) = (bare(one), bare(other));
    let mut row = (0..=other.chars().count()).collect::<Vec<_>>();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (left, another) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != another);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_counts_edits_of_the_bare_name() {
        assert_eq!(distance("valueChange", "valueChanged(int)"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Clicked(bool)", "clicked"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
