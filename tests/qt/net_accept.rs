//! Tests of accepted streams, and of the loop that they belong to.

use std::io;
use std::sync::mpsc;
use std::thread;

use futures_lite::future::{block_on, poll_once};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use qtloop::Loop;
use qtloop::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use qtloop::task::unblock;

use crate::trials;
use crate::world::{attached, run};

trials![
    stream_accepted_on_a_thread_without_a_loop_belongs_to_the_loop_of_its_listener,
    stream_accepted_on_the_thread_of_another_loop_belongs_to_the_loop_of_its_listener,
    unix_stream_accepted_on_a_thread_without_a_loop_belongs_to_the_loop_of_its_listener,
    unix_listener_has_a_stream_of_connections,
    poll_accept_returns_a_connection,
    listener_of_a_dropped_loop_is_an_error,
];

/// Answers each byte with the next number, until end of file.
async fn answer(mut stream: impl futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin) {
    let mut buffer = [0];
    while stream.read(&mut buffer).await.expect("a read") > 0 {
        stream.write_all(&[buffer[0] + 1]).await.expect("a write");
    }
}

async fn ask(mut stream: impl futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin) {
    for number in 0..10 {
        stream.write_all(&[number]).await.expect("a write");
        let mut buffer = [0];
        stream.read_exact(&mut buffer).await.expect("an answer");
        assert_eq!(buffer, [number + 1]);
    }
    stream.close().await.expect("an open stream");
}

fn stream_accepted_on_a_thread_without_a_loop_belongs_to_the_loop_of_its_listener() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = unblock(move || {
            block_on(async {
                let (stream, _) = listener.accept().await.expect("a connection");
                answer(stream).await;
                let next = listener.incoming().next().await;
                answer(next.expect("no end").expect("a connection")).await;
            });
        });
        let asking = async {
            ask(TcpStream::connect(address).await?).await;
            ask(TcpStream::connect(address).await?).await;
            io::Result::Ok(())
        };
        futures_lite::future::zip(serving, asking).await.1
    });
}

fn stream_accepted_on_the_thread_of_another_loop_belongs_to_the_loop_of_its_listener() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (accepted, there) = mpsc::channel();
        let other = thread::spawn(move || {
            let event_loop = Loop::attach().expect("a loop");
            let stream = event_loop.block_on(async {
                let (stream, _) = listener.accept().await.expect("a connection");
                // It is awaited here, and its loop is on the other thread.
                assert!(poll_once((&stream).read(&mut [0])).await.is_none());
                stream
            });
            drop(event_loop); // which does not affect the stream
            accepted.send(stream).expect("a receiver");
        });
        let client = TcpStream::connect(address).await?;
        let stream = unblock(move || there.recv()).await.expect("a stream");
        unblock(|| other.join().expect("no panic")).await;
        futures_lite::future::zip(answer(stream), ask(client)).await;
        Ok(())
    });
}

fn unix_stream_accepted_on_a_thread_without_a_loop_belongs_to_the_loop_of_its_listener() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let serving = unblock(move || {
            block_on(async { answer(listener.accept().await.expect("a connection").0).await });
        });
        let asking = async {
            ask(UnixStream::connect(&path).await?).await;
            io::Result::Ok(())
        };
        futures_lite::future::zip(serving, asking).await.1
    });
}

fn unix_listener_has_a_stream_of_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let mut incoming = listener.incoming();
        assert!(poll_once(incoming.next()).await.is_none());
        for _ in 0..3 {
            let asking = async {
                ask(UnixStream::connect(&path).await?).await;
                io::Result::Ok(())
            };
            let answering = async {
                answer(incoming.next().await.expect("no end")?).await;
                io::Result::Ok(())
            };
            let (answered, asked) = futures_lite::future::zip(answering, asking).await;
            answered.and(asked)?;
        }
        Ok(())
    });
}

fn poll_accept_returns_a_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("socket");
        let unix = UnixListener::bind(&path)?;
        let accepting = std::future::poll_fn(|context| unix.poll_accept(context));
        let (one, other) = futures_lite::future::zip(accepting, UnixStream::connect(&path)).await;
        futures_lite::future::zip(answer(one?.0), ask(other?)).await;
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let address = tcp.local_addr()?;
        let accepting = std::future::poll_fn(|context| tcp.poll_accept(context));
        let (one, other) = futures_lite::future::zip(accepting, TcpStream::connect(address)).await;
        let ((one, from), other) = (one?, other?);
        assert_eq!(from, other.local_addr()?);
        futures_lite::future::zip(answer(one), ask(other)).await;
        Ok(())
    });
}

fn listener_of_a_dropped_loop_is_an_error() {
    let event_loop = attached();
    let listener = event_loop
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a listener");
    drop(event_loop);
    let error = block_on(listener.accept()).expect_err("nothing waits");
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}
