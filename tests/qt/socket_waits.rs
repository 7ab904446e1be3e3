//! Tests of waits for a socket: by several tasks, on another thread, and after a future was
//! dropped.

use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use qtloop::io::Async;
use qtloop::net::{UdpSocket, UnixStream};
use qtloop::spawn_local;
use qtloop::task::yield_now;
use qtloop::time::{sleep, timeout};

use crate::sockets::{connected, pattern};
use crate::trials;
use crate::world::run;

trials![
    two_tasks_read_and_write_one_socket,
    several_tasks_may_wait_for_one_socket,
    waiting_socket_futures_can_be_dropped,
    dropped_socket_futures_keep_no_wakers,
    waiting_future_may_move_between_tasks,
    stream_may_move_to_another_thread,
    reused_descriptor_number_is_another_socket,
    spurious_readiness_is_waited_out,
];

fn two_tasks_read_and_write_one_socket() {
    run(async {
        let (one, other) = connected().await?;
        let reader = other.clone();
        let reading = spawn_local(async move {
            let mut got = vec![0; 1 << 20];
            (&reader).read_exact(&mut got).await.map(|()| got)
        });
        let writing = spawn_local(async move { (&other).write_all(&pattern(1 << 20)).await });
        (&one).write_all(&pattern(1 << 20)).await?;
        let mut got = vec![0; 1 << 20];
        (&one).read_exact(&mut got).await?;
        assert!(got == pattern(1 << 20));
        assert!(reading.await.expect("a result")? == pattern(1 << 20));
        writing.await.expect("a result")
    });
}

fn several_tasks_may_wait_for_one_socket() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let socket = socket.clone();
                spawn_local(
                    async move { socket.recv_from(&mut [0; 9]).await.map(|(count, _)| count) },
                )
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        for _ in 0..3 {
            socket.send_to(b"one each", address).await?;
        }
        for task in waiting {
            assert_eq!(task.await.expect("a result")?, 8);
        }
        Ok(())
    });
}

fn waiting_socket_futures_can_be_dropped() {
    run(async {
        let (mut one, mut other) = connected().await?;
        for _ in 0..3 {
            assert!(
                timeout(Duration::from_millis(1), one.read(&mut [0; 9]))
                    .await
                    .is_err()
            );
        }
        other.write_all(b"after").await?;
        let mut buffer = [0; 5];
        one.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"after");
        Ok(())
    });
}

/// A waker without effect; its reference count is the number of waits.
struct Held;

impl Wake for Held {
    fn wake(self: Arc<Self>) {}
}

fn dropped_socket_futures_keep_no_wakers() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let (reader, _writer) = io::pipe()?;
        let reader = Async::new(reader)?;
        let held = Arc::new(Held);
        let waker = Waker::from(Arc::clone(&held));
        let mut context = Context::from_waker(&waker);
        {
            let mut buffer = [0; 9];
            let mut waits = pin!(socket.recv(&mut buffer));
            let mut also_waits = pin!(reader.readable());
            for _ in 0..3 {
                assert!(waits.as_mut().poll(&mut context).is_pending());
                assert!(also_waits.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!(Arc::strong_count(&held), 4);
        }
        assert_eq!(Arc::strong_count(&held), 2);
        Ok(())
    });
}

fn waiting_future_may_move_between_tasks() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let held = Arc::new(Held);
        let waker = Waker::from(Arc::clone(&held));
        let waits = socket.clone();
        let mut waits = Box::pin(async move { waits.recv(&mut [0; 9]).await });
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let moved = spawn_local(waits);
        yield_now().await;
        assert_eq!(Arc::strong_count(&held), 2); // only its new waker is registered
        socket.send_to(b"moved", address).await?;
        assert_eq!(moved.await.expect("a result")?, 5);
        Ok(())
    });
}

fn stream_may_move_to_another_thread() {
    run(async {
        let (one, mut other) = connected().await?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let elsewhere = thread::spawn(move || {
            let mut one = one;
            futures_lite::future::block_on(async {
                let mut buffer = [0; 8];
                sender.send(()).expect("a receiver");
                one.read_exact(&mut buffer).await?;
                one.write_all(&buffer).await?;
                one.write_all(&pattern(4 << 20)).await
            })
        });
        qtloop::task::unblock(move || receiver.recv().expect("a sender")).await;
        other.write_all(b"question").await?;
        let mut got = vec![0; 8 + (4 << 20)];
        other.read_exact(&mut got).await?;
        assert_eq!(&got[..8], b"question");
        assert!(got[8..] == pattern(4 << 20));
        qtloop::task::unblock(|| elsewhere.join().expect("no panic")).await
    });
}

fn reused_descriptor_number_is_another_socket() {
    run(async {
        for number in 0..50_u8 {
            let (mut one, mut other) = UnixStream::pair()?;
            let waiting = spawn_local(async move {
                let mut buffer = [0];
                one.read_exact(&mut buffer).await.map(|()| buffer[0])
            });
            sleep(Duration::from_micros(50)).await;
            other.write_all(&[number]).await?;
            assert_eq!(waiting.await.expect("a result")?, number);
        }
        Ok(())
    });
}

fn spurious_readiness_is_waited_out() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let reader = Async::new(reader)?;
        assert!(
            timeout(Duration::from_millis(1), reader.readable())
                .await
                .is_err()
        );
        writer.write_all(b"now")?;
        reader.readable().await?;
        reader.readable().await?;
        let mut buffer = [0; 9];
        assert_eq!(reader.get_ref().read(&mut buffer)?, 3);
        assert!(
            timeout(Duration::from_millis(1), reader.readable())
                .await
                .is_err()
        );
        Ok(())
    });
}
