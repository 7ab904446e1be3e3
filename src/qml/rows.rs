//! Changes of a list model's rows from a task, while views read the model.

use std::ffi::{c_int, c_void};
use std::ops::Range;

#[cfg(not(no_qt))]
use cpp::cpp;
use qmetaobject::QAbstractListModel;

use super::this::InUse;
use super::{AccessError, This};

cpp! {{
    #include <QtCore/QAbstractItemModel>

    // Names the protected functions; it is never instantiated.
    struct QtloopModel : QAbstractItemModel
    {
        using QAbstractItemModel::beginInsertRows;
        using QAbstractItemModel::beginRemoveRows;
        using QAbstractItemModel::beginResetModel;
        using QAbstractItemModel::endInsertRows;
        using QAbstractItemModel::endRemoveRows;
        using QAbstractItemModel::endResetModel;
    };
}}

/// A kind of change. The C++ side has the same numbers.
#[derive(Clone, Copy)]
enum Change {
    Insert = 0,
    Remove = 1,
    Reset = 2,
}

/// Changes of a list model, each in three steps: a signal announces the change, the closure makes
/// it by [`with`](This::with), and a second signal completes it. Views call `row_count()` and
/// `data()` in the first and the last step, in which the object is not borrowed. So the closure
/// calls none of `begin_insert_rows()`, `end_insert_rows()` and the like. These are for slots
/// (`&mut self`), which `qmetaobject` calls without a borrow: there, use no reference into `self`
/// across such a call.
///
/// If a closure panics, the model is reset. Views may have read rows that were announced and not
/// made, so `data()` should return an empty value for a row that does not exist.
///
/// ```no_run
/// use std::collections::HashMap;
///
/// use qmetaobject::{USER_ROLE, prelude::*};
/// use qtloop::{qml::{self, AccessError}, time};
///
/// #[derive(QObject, Default)]
/// struct Lines {
///     base: qt_base_class!(trait QAbstractListModel),
///     lines: Vec<String>,
///     follow: qt_method!(fn(&self)),
/// }
///
/// impl Lines {
///     fn follow(&self) {
///         qml::spawn(self, async |this| -> Result<(), AccessError> {
///             loop {
///                 time::sleep(std::time::Duration::from_secs(1)).await;
///                 let end = this.with(|model| model.lines.len())?;
///                 this.insert_rows(end..end + 1, |model| model.lines.push("one more".to_owned()))?;
///             }
///         });
///     }
/// }
///
/// impl QAbstractListModel for Lines {
///     fn row_count(&self) -> i32 {
///         self.lines.len() as i32
///     }
///
///     fn data(&self, index: QModelIndex, _: i32) -> QVariant {
///         let line = self.lines.get(index.row() as usize);
///         line.map(|line| QString::from(line.as_str()).into()).unwrap_or_default()
///     }
///
///     fn role_names(&self) -> HashMap<i32, QByteArray> {
///         [(USER_ROLE, "line".into())].into()
///     }
/// }
/// ```
impl<T: QAbstractListModel> This<T> {
    /// Inserts rows: after the closure the model has these rows more, at these places
    /// (`QAbstractItemModel::beginInsertRows`).
    ///
    /// # Errors
    /// As [`with`](This::with); then the model is unchanged.
    ///
    /// # Panics
    /// A row is beyond `i32`.
    ///
    /// # Aborts
    /// The model is destroyed in one of the three steps.
    pub fn insert_rows<R>(
        &self,
        rows: Range<usize>,
        insert: impl FnOnce(&mut T) -> R,
    ) -> Result<R, AccessError> {
        if rows.is_empty() {
            return self.with(insert);
        }
        self.change(Change::Insert, bounds(&rows), insert)
    }

    /// Removes rows: after the closure the model has these rows no more
    /// (`QAbstractItemModel::beginRemoveRows`).
    ///
    /// # Errors
    /// As [`with`](This::with); then the model is unchanged.
    ///
    /// # Panics
    /// As [`insert_rows`](This::insert_rows).
    pub fn remove_rows<R>(
        &self,
        rows: Range<usize>,
        remove: impl FnOnce(&mut T) -> R,
    ) -> Result<R, AccessError> {
        if rows.is_empty() {
            return self.with(remove);
        }
        self.change(Change::Remove, bounds(&rows), remove)
    }

    /// Changes the values of rows, but not their number: views read them again after the closure
    /// (`QAbstractItemModel::dataChanged`, with all roles).
    ///
    /// # Errors
    /// As [`with`](This::with); then the model is unchanged.
    ///
    /// # Panics
    /// As [`insert_rows`](This::insert_rows).
    pub fn update_rows<R>(
        &self,
        rows: Range<usize>,
        update: impl FnOnce(&mut T) -> R,
    ) -> Result<R, AccessError> {
        let (first, last) = bounds(&rows);
        let result = self.with(update)?;
        let model = self.model();
        if !rows.is_empty() {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([model as "QAbstractItemModel*", first as "int", last as "int"] {
                    if (model)
                        Q_EMIT model->dataChanged(model->index(first, 0), model->index(last, 0));
                });
            }
        }
        Ok(result)
    }

    /// Changes any number of rows: views read the whole model again after the closure, and lose
    /// their selection and position (`QAbstractItemModel::beginResetModel`).
    ///
    /// # Errors
    /// As [`with`](This::with); then the model is unchanged.
    pub fn reset_rows<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, AccessError> {
        self.change(Change::Reset, (0, 0), change)
    }

    fn change<R>(
        &self,
        change: Change,
        (first, last): (c_int, c_int),
        work: impl FnOnce(&mut T) -> R,
    ) -> Result<R, AccessError> {
        self.check()?;
        let (model, kind) = (self.model(), change as c_int);
        // Qt uses the model after the slots have returned.
        let in_use = InUse::new(self);
        // SAFETY: null, or alive and of this thread. The object is not borrowed.
        unsafe {
            cpp!([model as "QAbstractItemModel*", kind as "int", first as "int", last as "int"] {
                if (!model)
                    return;
                if (kind == 0)
                    (model->*(&QtloopModel::beginInsertRows))(QModelIndex(), first, last);
                else if (kind == 1)
                    (model->*(&QtloopModel::beginRemoveRows))(QModelIndex(), first, last);
                else
                    (model->*(&QtloopModel::beginResetModel))();
            });
        }
        drop(in_use);
        let mut end = CompleteOnDrop {
            this: self,
            change,
            is_made: false,
        };
        let result = self.with(work);
        end.is_made = result.is_ok();
        result
    }

    /// The `QAbstractItemModel*`; null after it was destroyed.
    fn model(&self) -> *mut c_void {
        let object = self
            .object()
            .map_or(std::ptr::null_mut(), |object| object.as_ptr());
        // SAFETY: null, or alive and of this thread.
        unsafe {
            cpp!([object as "QObject*"] -> *mut c_void as "QAbstractItemModel*" {
                return qobject_cast<QAbstractItemModel*>(object);
            })
        }
    }
}

/// Completes the change; also if the closure has panicked.
struct CompleteOnDrop<'a, T: QAbstractListModel> {
    this: &'a This<T>,
    change: Change,
    is_made: bool,
}

impl<T: QAbstractListModel> Drop for CompleteOnDrop<'_, T> {
    fn drop(&mut self) {
        let (model, kind, is_made) = (self.this.model(), self.change as c_int, self.is_made);
        let _in_use = (!model.is_null()).then(|| InUse::new(self.this));
        // SAFETY: null, or alive and of this thread. The object is not borrowed.
        unsafe {
            cpp!([model as "QAbstractItemModel*", kind as "int", is_made as "bool"] {
                if (!model)
                    return;
                // Views that trust the announced number of rows would read rows that are not there.
                if (!is_made && kind != 2)
                    (model->*(&QtloopModel::beginResetModel))();
                if (kind == 0)
                    (model->*(&QtloopModel::endInsertRows))();
                else if (kind == 1)
                    (model->*(&QtloopModel::endRemoveRows))();
                if (!is_made || kind == 2)
                    (model->*(&QtloopModel::endResetModel))();
            });
        }
    }
}

/// The first and the last row of a range, as Qt counts them.
fn bounds(rows: &Range<usize>) -> (c_int, c_int) {
    let row = |row: usize| c_int::try_from(row).expect("a row is within i32");
    (row(rows.start), row(rows.end) - 1)
}
