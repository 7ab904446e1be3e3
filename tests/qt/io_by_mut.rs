//! Tests of `Async` with objects whose methods need `&mut`.

use std::future::{Future, poll_fn};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use qtloop::io::Async;
use qtloop::spawn_local;
use qtloop::task::{unblock, yield_now};
use qtloop::time::{sleep, timeout};
use rustix::fs::{OFlags, fcntl_getfl};

use crate::trials;
use crate::world::{attached, run};

trials![
    object_that_reads_by_mut_is_awaited,
    object_that_writes_by_mut_is_awaited,
    both_directions_by_mut_are_awaited_in_turn,
    stream_over_poll_readable_and_get_mut_reads_all,
    poll_writable_is_woken_when_there_is_room,
    replaced_object_is_watched_by_its_new_number,
    old_number_of_a_replaced_object_is_free_for_others,
    waiter_from_before_get_mut_is_woken_after_it,
    forgotten_reference_is_an_error_and_keeps_other_watches,
    panic_in_an_operation_leaves_the_object_usable,
    mutable_operations_work_on_other_threads,
    mutable_operations_end_with_the_loop,
    flags_of_a_nonblocking_descriptor_are_kept,
    nonblocking_flag_is_set_and_stays,
];

/// Reads and writes by `&mut` only, as `inotify::Inotify` and `serialport::TTYPort` do.
struct ByMut<T>(T);

impl<T: AsFd> AsFd for ByMut<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Read> ByMut<T> {
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

fn pipe() -> io::Result<(Async<ByMut<PipeReader>>, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((Async::new(ByMut(reader))?, writer))
}

fn object_that_reads_by_mut_is_awaited() {
    run(async {
        let (mut reader, mut writer) = pipe()?;
        let writing = spawn_local(async move {
            for number in 0..100_u8 {
                sleep(Duration::from_micros(u64::from(number % 3) * 50)).await;
                writer.write_all(&[number]).expect("room");
            }
        });
        let mut got = Vec::new();
        let mut buffer = [0; 8];
        loop {
            match reader.read_with_mut(|pipe| pipe.take(&mut buffer)).await? {
                0 => break,
                count => got.extend_from_slice(&buffer[..count]),
            }
        }
        assert!(got.into_iter().eq(0..100));
        writing.await.expect("a result");
        Ok(())
    });
}

fn object_that_writes_by_mut_is_awaited() {
    run(async {
        let (mut reader, writer) = io::pipe()?;
        let mut writer = Async::new(ByMut(writer))?;
        let reading = unblock(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).map(|_| got)
        });
        let data = crate::sockets::pattern(1 << 20);
        let writing = async {
            let mut rest = &data[..];
            while !rest.is_empty() {
                let count = writer.write_with_mut(|pipe| pipe.0.write(rest)).await?;
                rest = &rest[count..];
            }
            drop(writer);
            io::Result::Ok(())
        };
        let (got, written) = futures_lite::future::zip(reading, writing).await;
        written?;
        assert!(got? == data);
        Ok(())
    });
}

fn both_directions_by_mut_are_awaited_in_turn() {
    run(async {
        let (one, other) = std::os::unix::net::UnixStream::pair()?;
        let (mut one, mut other) = (Async::new(ByMut(one))?, Async::new(ByMut(other))?);
        let echoing = spawn_local(async move {
            let mut buffer = [0; 4096];
            loop {
                let count = other.read_with_mut(|io| io.take(&mut buffer)).await?;
                let mut rest = &buffer[..count];
                while !rest.is_empty() {
                    let sent = other.write_with_mut(|io| io.0.write(rest)).await?;
                    rest = &rest[sent..];
                }
                if count == 0 {
                    return io::Result::Ok(());
                }
            }
        });
        let mut buffer = [0; 4096];
        for number in 0..200_u8 {
            let data = [number; 100];
            assert_eq!(one.write_with_mut(|io| io.0.write(&data)).await?, 100);
            let mut got = 0;
            while got < 100 {
                got += one.read_with_mut(|io| io.take(&mut buffer)).await?;
            }
            assert_eq!(got, 100);
        }
        drop(one);
        echoing.await.expect("a result")
    });
}

/// A stream implemented by hand, as another crate would.
struct Stream(Async<ByMut<PipeReader>>);

impl futures_lite::AsyncRead for Stream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_readable(context))?;
            match self.0.get_mut().take(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

fn stream_over_poll_readable_and_get_mut_reads_all() {
    run(async {
        let (reader, mut writer) = pipe()?;
        let data = crate::sockets::pattern(1 << 20);
        let sent = data.clone();
        let writing = unblock(move || writer.write_all(&sent));
        let mut got = Vec::new();
        let mut stream = Stream(reader);
        let reading = stream.read_to_end(&mut got);
        let (written, read) = futures_lite::future::zip(writing, reading).await;
        written?;
        assert_eq!(read?, data.len());
        assert!(got == data);
        Ok(())
    });
}

fn poll_writable_is_woken_when_there_is_room() {
    run(async {
        let (mut reader, writer) = io::pipe()?;
        let writer = Async::new(writer)?;
        while futures_lite::future::poll_once(writer.write_with(|mut pipe| pipe.write(&[0; 4096])))
            .await
            .is_some()
        {}
        let writer = Arc::new(writer);
        let waits = Arc::clone(&writer);
        let waiting =
            spawn_local(async move { poll_fn(|context| waits.poll_writable(context)).await });
        yield_now().await;
        assert!(!waiting.is_finished());
        reader.read_exact(&mut [0; 1 << 16])?;
        waiting.await.expect("a result")
    });
}

fn replaced_object_is_watched_by_its_new_number() {
    run(async {
        let (mut reader, _writer) = pipe()?;
        let mut buffer = [0; 9];
        let mut writers = Vec::new();
        for _ in 0..3 {
            let waits = reader.read_with_mut(|pipe| pipe.take(&mut buffer));
            assert!(timeout(Duration::from_millis(1), waits).await.is_err());
            let (fresh, mut writer) = io::pipe()?;
            rustix::io::ioctl_fionbio(&fresh, true)?;
            *reader.get_mut() = ByMut(fresh);
            let writing = spawn_local(async move {
                sleep(Duration::from_micros(200)).await;
                writer.write_all(b"fresh").map(|()| writer)
            });
            let count = reader.read_with_mut(|pipe| pipe.take(&mut buffer)).await?;
            assert_eq!(&buffer[..count], b"fresh");
            writers.push(writing.await.expect("a result")?);
        }
        Ok(())
    });
}

fn old_number_of_a_replaced_object_is_free_for_others() {
    run(async {
        let (mut reader, _writer) = pipe()?;
        let waits = reader.readable();
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        let number = reader.as_fd().as_raw_fd();
        let mut lent = reader.get_mut();
        let (fresh, _fresh_writer) = io::pipe()?;
        drop(std::mem::replace(&mut *lent, ByMut(fresh)));
        // It is made while the other one is lent: it has the old number, and its own watch.
        let (other, mut other_writer) = io::pipe()?;
        assert_eq!(other.as_raw_fd(), number);
        let other = Async::new(other)?;
        assert!(
            timeout(Duration::from_millis(1), other.readable())
                .await
                .is_err()
        );
        drop(lent);
        assert!(
            timeout(Duration::from_millis(1), reader.readable())
                .await
                .is_err()
        );
        drop(reader);
        let writing = spawn_local(async move {
            sleep(Duration::from_micros(200)).await;
            other_writer.write_all(b"other")
        });
        other.readable().await?;
        writing.await.expect("a result")
    });
}

/// Counts its wake-ups.
#[derive(Default)]
struct Counts(AtomicU32);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waiter_from_before_get_mut_is_woken_after_it() {
    run(async {
        let (mut reader, mut writer) = pipe()?;
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(Arc::clone(&counts));
        assert!(
            reader
                .poll_readable(&mut Context::from_waker(&waker))
                .is_pending()
        );
        for _ in 0..3 {
            let error = reader.get_mut().take(&mut [0; 9]).expect_err("no bytes");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            yield_now().await;
        }
        assert_eq!(counts.0.load(Ordering::Relaxed), 0);
        writer.write_all(b"now")?;
        while counts.0.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_micros(100)).await;
        }
        let mut buffer = [0; 9];
        assert_eq!(reader.get_mut().take(&mut buffer)?, 3);
        Ok(())
    });
}

fn forgotten_reference_is_an_error_and_keeps_other_watches() {
    run(async {
        let (mut reader, _writer) = pipe()?;
        let waits = reader.readable();
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        let mut lent = reader.get_mut();
        let (fresh, _fresh_writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&fresh, true)?;
        drop(std::mem::replace(&mut *lent, ByMut(fresh)));
        std::mem::forget(lent);
        let (other, mut other_writer) = pipe()?; // it has the old number
        let waits = other.readable();
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        let error = reader.readable().await.expect_err("no descriptor");
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::BADF.raw_os_error())
        );
        drop(reader);
        other_writer.write_all(b"other")?;
        other.readable().await
    });
}

fn panic_in_an_operation_leaves_the_object_usable() {
    run(async {
        let (mut reader, mut writer) = pipe()?;
        let panics = std::panic::AssertUnwindSafe(async {
            reader
                .read_with_mut(|_| -> io::Result<()> { std::panic::panic_any(1) })
                .await
        });
        assert!(futures_lite::FutureExt::catch_unwind(panics).await.is_err());
        writer.write_all(b"after")?;
        let mut buffer = [0; 9];
        assert_eq!(
            reader.read_with_mut(|pipe| pipe.take(&mut buffer)).await?,
            5
        );
        Ok(())
    });
}

fn mutable_operations_work_on_other_threads() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    run(async {
        let (mut reader, mut writer) = pipe()?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let reading = unblock(move || {
            futures_lite::future::block_on(async {
                let (mut all, mut buffer) = (Vec::new(), [0; 9]);
                loop {
                    let _ = sender.send(());
                    let read = reader.read_with_mut(|pipe| pipe.take(&mut buffer));
                    match is_send(read).await? {
                        0 => return io::Result::Ok(all),
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
            })
        });
        let writing = unblock(move || {
            for number in 0..100_u8 {
                receiver.recv().expect("a reader");
                writer.write_all(&[number])?;
            }
            io::Result::Ok(())
        });
        let (read, written) = futures_lite::future::zip(reading, writing).await;
        written?;
        assert!(read?.into_iter().eq(0..100));
        Ok(())
    });
}

fn mutable_operations_end_with_the_loop() {
    let event_loop = attached();
    let (mut reader, _writer) = event_loop.block_on(async { pipe() }).expect("a pipe");
    let waker = Waker::from(Arc::new(Counts::default()));
    {
        let mut waits = pin!(reader.read_with_mut(|pipe| pipe.take(&mut [0; 9])));
        let mut context = Context::from_waker(&waker);
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(event_loop);
        let ended = waits.as_mut().poll(&mut context);
        assert!(
            matches!(ended, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NotConnected)
        );
    }
    drop(reader.get_mut());
}

fn flags_of_a_nonblocking_descriptor_are_kept() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let before = fcntl_getfl(&reader)?;
        drop(Async::new_nonblocking(reader.try_clone()?)?);
        assert_eq!(fcntl_getfl(&reader)?, before);
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = Async::new_nonblocking(reader)?;
        let waits = reader.readable();
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        writer.write_all(b"now")?;
        let mut buffer = [0; 9];
        assert_eq!(
            reader
                .read_with(|mut reader| reader.read(&mut buffer))
                .await?,
            3
        );
        Ok(())
    });
}

fn nonblocking_flag_is_set_and_stays() {
    run(async {
        let (reader, _writer) = io::pipe()?;
        let duplicate = reader.try_clone()?;
        let reader = Async::new(reader)?.into_inner();
        assert!(fcntl_getfl(&reader)?.contains(OFlags::NONBLOCK));
        assert!(fcntl_getfl(&duplicate)?.contains(OFlags::NONBLOCK)); // it is the same file
        Ok(())
    });
}
