//! `&mut` access to the object inside an [`Async`], for crates whose methods need it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd};

use super::Async;
use crate::reactor::Direction;
use crate::task::Registration;

/// The number of no descriptor. A watch of it is the error `EBADF`.
const NONE: i32 = -1;

/// A mutable reference to the object inside an [`Async`]. See [`Async::get_mut`].
pub struct RefMut<'a, T: AsFd>(&'a mut Async<T>);

impl<T: AsFd> Async<T> {
    /// Returns a mutable reference to the object.
    ///
    /// While the reference lives, the loop does not watch the descriptor. Its drop reads the
    /// descriptor's number again and resumes the watch, so the object may be replaced. That costs
    /// two system calls (`epoll_ctl`) if something waited; [`get_ref`](Async::get_ref) costs none.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use qtloop::io::Async;
    ///
    /// let mut pipe = Async::new(std::io::pipe()?.0)?;
    /// *pipe.get_mut() = std::io::pipe()?.0; // must not block either
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With [`mem::forget`](std::mem::forget) of the reference the `Async` has no descriptor any
    /// more: waits return the error `EBADF`.
    pub fn get_mut(&mut self) -> RefMut<'_, T> {
        if self.readiness.is_watched() {
            self.readiness = self.readiness.renew();
        }
        self.readiness.set_fd(NONE);
        RefMut(self)
    }

    /// Runs a reading operation that needs `&mut`, as soon as it does not return `WouldBlock`.
    ///
    /// Follows [`async_io::Async::read_with_mut`], which is `unsafe`; this one is not, by the
    /// rules of [`get_mut`](Async::get_mut).
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use std::io::Read;
    /// use qtloop::io::Async;
    ///
    /// // As `inotify.read_events(&mut buffer)` of the crate `inotify`.
    /// let mut pipe = Async::new(std::io::pipe()?.0)?;
    /// let mut buffer = [0; 64];
    /// let count = pipe.read_with_mut(|pipe| pipe.read(&mut buffer)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns the operation's error; `NotConnected` if the loop is closed while it waits.
    ///
    /// [`async_io::Async::read_with_mut`]:
    /// https://docs.rs/async-io/2/async_io/struct.Async.html#method.read_with_mut
    pub async fn read_with_mut<R>(
        &mut self,
        operation: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.with_mut(Direction::Read, operation).await
    }

    /// Runs a writing operation that needs `&mut`, as soon as it does not return `WouldBlock`.
    ///
    /// See [`read_with_mut`](Async::read_with_mut).
    ///
    /// # Errors
    /// As `read_with_mut`.
    pub async fn write_with_mut<R>(
        &mut self,
        operation: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.with_mut(Direction::Write, operation).await
    }

    async fn with_mut<R>(
        &mut self,
        direction: Direction,
        mut operation: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let mut registration = Registration::new(&self.readiness, direction);
            poll_fn(|context| {
                self.readiness
                    .poll_ready(direction, context, Some(&mut registration))
            })
            .await?;
            drop(registration);
            let mut lent = self.get_mut();
            let tick = lent.0.readiness.tick(direction);
            let result = operation(&mut lent);
            drop(lent);
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.block(direction, tick);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl<T: AsFd> Deref for RefMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get_ref()
    }
}

impl<T: AsFd> DerefMut for RefMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.io.as_mut().expect("there until the end")
    }
}

impl<T: AsFd> Drop for RefMut<'_, T> {
    fn drop(&mut self) {
        let fd = self.0.get_ref().as_fd().as_raw_fd();
        self.0.readiness.set_fd(fd);
        self.0.readiness.resume();
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for RefMut<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
