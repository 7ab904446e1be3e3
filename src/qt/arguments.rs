//! The arguments of an emission, one by one or as a tuple.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::argument::{FromArgument, Mismatch, ToArgument};
use super::ffi;
use super::variant::{Type, Variant, VariantRef};

/// The arguments of an emission, copied on the thread that emitted the signal.
pub struct Arguments(NonNull<c_void>);

impl Arguments {
    /// Takes over a `QVariantList*` from `cpp/signal.h`.
    pub(super) fn from_list(list: NonNull<c_void>) -> Arguments {
        Arguments(list)
    }

    /// Returns the number of arguments.
    #[must_use]
    pub fn len(&self) -> usize {
        let list = self.0.as_ptr();
        // SAFETY: alive until drop.
        unsafe {
            cpp!([list as "QVariantList*"] -> usize as "size_t" { return size_t(list->size()); })
        }
    }

    /// Returns whether there are no arguments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the argument at an index; `None` if there is none, or if it does not convert.
    ///
    /// [`FromArgument`] has the types and the rule of conversion.
    #[must_use]
    pub fn get<T: FromArgument>(&self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        let list = self.0.as_ptr();
        // SAFETY: the list is alive until drop and has more than `index` elements; nothing changes
        // them.
        let value = unsafe {
            VariantRef::from_raw(
                cpp!([list as "const QVariantList*", index as "size_t"] -> *mut c_void as "const void*" {
                    return &list->at(qsizetype(index));
                }),
            )
        };
        T::read(value)
    }
}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: freed once, here.
        unsafe { ffi::qtloop_arguments_free(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = formatter.debug_list();
        for index in 0..self.len() {
            list.entry(&self.get::<String>(index));
        }
        list.finish()
    }
}

/// The parts of the traits that only this crate may call and implement.
pub(crate) mod sealed {
    use super::{Arguments, Mismatch, Type, Variant};

    /// See [`FromArguments`](super::FromArguments).
    pub trait ReadAll: Sized {
        /// Checks each type; an error has the index of the parameter, or none if there are too few.
        fn check(types: &[Type]) -> Result<(), (usize, Option<Mismatch>)>;

        /// Reads arguments whose types were checked.
        fn read(arguments: Arguments) -> Option<Self>;
    }

    /// See [`ToArguments`](super::ToArguments).
    pub trait WriteAll {
        /// Returns the values as `QVariant`s.
        fn write(&self) -> Vec<Variant>;
    }
}

use sealed::{ReadAll, WriteAll};

/// The arguments of a signal as one type: [`Arguments`], or a tuple of up to six types that are
/// [`FromArgument`]. A tuple may be shorter than the list of the signal's parameters, as in a slot.
///
/// The trait is sealed: only this crate implements it.
pub trait FromArguments: ReadAll {}

impl<T: ReadAll> FromArguments for T {}

/// The arguments of a method: a tuple of up to six types that are [`ToArgument`].
///
/// The trait is sealed: only this crate implements it.
pub trait ToArguments: WriteAll {}

impl<T: WriteAll> ToArguments for T {}

impl ReadAll for Arguments {
    fn check(_: &[Type]) -> Result<(), (usize, Option<Mismatch>)> {
        Ok(())
    }

    fn read(arguments: Arguments) -> Option<Arguments> {
        Some(arguments)
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),*;)*) => {$(
        impl<$($name: FromArgument),*> ReadAll for ($($name,)*) {
            #[allow(unused_variables)]
            fn check(types: &[Type]) -> Result<(), (usize, Option<Mismatch>)> {
                $(
                    let from = types.get($index).ok_or(($index, None))?;
                    $name::check(*from).map_err(|mismatch| ($index, Some(mismatch)))?;
                )*
                Ok(())
            }

            #[allow(unused_variables)]
            fn read(arguments: Arguments) -> Option<Self> {
                Some(($(arguments.get::<$name>($index)?,)*))
            }
        }

        impl<$($name: ToArgument),*> WriteAll for ($($name,)*) {
            fn write(&self) -> Vec<Variant> {
                vec![$(self.$index.write()),*]
            }
        }
    )*};
}

tuples! {
    ;
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}
