//! Ends each kind of future at every await point: nothing is left behind, and the loop continues.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::Stdio;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt, future};
use qtloop::io::Async;
use qtloop::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use qtloop::process::Command;
use qtloop::qt::OwnedObject;
use qtloop::task::{unblock, yield_now};
use qtloop::time::{interval, sleep, timeout};
use qtloop::{JoinHandle, signal, spawn_local};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use crate::scenario::ends_cleanly;
use crate::trials;
use crate::world::LIMIT;

trials![
    tcp_streams_end_cleanly_at_every_await_point,
    unix_streams_end_cleanly_at_every_await_point,
    listeners_end_cleanly_at_every_await_point,
    datagrams_end_cleanly_at_every_await_point,
    descriptors_end_cleanly_at_every_await_point,
    timers_end_cleanly_at_every_await_point,
    signals_end_cleanly_at_every_await_point,
    blocking_work_ends_cleanly_at_every_await_point,
    join_handles_end_cleanly_at_every_await_point,
    processes_end_cleanly_at_every_await_point,
    #[cfg(feature = "hyper")]
    http_ends_cleanly_at_every_await_point,
];

/// Sends more than the buffers hold in both directions, so that each direction waits for the other.
async fn to_and_fro<S>(one: S, other: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + AsFd + Unpin + 'static,
{
    const LENGTH: usize = 400_000;
    for end in [&one, &other] {
        set_socket_send_buffer_size(end, 65_536)?;
        set_socket_recv_buffer_size(end, 65_536)?;
    }
    let echoing = spawn_local(async move {
        let (reader, mut writer) = futures_lite::io::split(other);
        futures_lite::io::copy(reader, &mut writer).await?;
        writer.close().await
    });
    let echoing = echoing.abort_on_drop();
    let (mut reader, mut writer) = futures_lite::io::split(one);
    let writing = async {
        writer.write_all(&[7; LENGTH]).await?;
        writer.close().await
    };
    let mut got = Vec::new();
    let (written, read) = future::zip(writing, reader.read_to_end(&mut got)).await;
    written?;
    assert_eq!(read?, LENGTH);
    echoing.await?
}

fn tcp_streams_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let listener = TcpListener::bind("localhost:0").await?; // a name, to be looked up
        let one = TcpStream::connect(listener.local_addr()?).await?;
        let (other, _) = listener.accept().await?;
        to_and_fro(one, other).await
    });
}

fn unix_streams_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let (one, other) = UnixStream::pair()?;
        to_and_fro(one, other).await
    });
}

fn listeners_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let connecting = spawn_local(async move {
            for _ in 0..2 {
                yield_now().await;
                yield_now().await;
                TcpStream::connect(address).await?;
            }
            io::Result::Ok(())
        });
        let connecting = connecting.abort_on_drop();
        listener.accept().await?;
        listener.incoming().next().await.expect("no end")?;
        connecting.await??;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let connecting = spawn_local(async move {
            yield_now().await;
            UnixStream::connect(path).await
        });
        let connecting = connecting.abort_on_drop();
        listener.accept().await?;
        connecting.await??;
        Ok(())
    });
}

fn datagrams_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let other = UdpSocket::bind("127.0.0.1:0").await?;
        other.connect(socket.local_addr()?).await?;
        let sending = spawn_local(async move {
            for _ in 0..3 {
                yield_now().await;
                yield_now().await;
                other.send(b"datagram").await?;
            }
            io::Result::Ok(())
        });
        let sending = sending.abort_on_drop();
        for _ in 0..3 {
            assert_eq!(socket.recv_from(&mut [0; 64]).await?.0, 8);
        }
        sending.await??;
        let (one, other) = UnixDatagram::pair()?;
        let receiving = spawn_local(async move {
            for _ in 0..40 {
                yield_now().await;
                other.recv(&mut [0; 64]).await?;
            }
            io::Result::Ok(())
        });
        let receiving = receiving.abort_on_drop();
        for _ in 0..40 {
            one.send(b"until the queue is full").await?;
        }
        receiving.await?
    });
}

fn descriptors_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (Async::new(reader)?, Async::new(writer)?);
        let writing = spawn_local(async move {
            yield_now().await;
            yield_now().await;
            writer.get_ref().write_all(b"now")?;
            yield_now().await;
            yield_now().await;
            (&writer).write_all(&[7; 200_000]).await // more than a pipe holds
        });
        let writing = writing.abort_on_drop();
        reader.readable().await?;
        let mut buffer = [0; 3];
        reader.read_with(|mut pipe| pipe.read(&mut buffer)).await?;
        assert_eq!(&buffer, b"now");
        let mut got = Vec::new();
        (&reader).read_to_end(&mut got).await?;
        assert_eq!(got.len(), 200_000);
        writing.await??;
        let (mut reader, writer) = io::pipe()?;
        let writer = Async::new(writer)?;
        while writer.get_ref().write(&[7; 4096]).is_ok() {} // until it is full
        let emptying = spawn_local(async move {
            yield_now().await;
            yield_now().await;
            reader.read(&mut [0; 65_536]).map(|_| reader)
        });
        let emptying = emptying.abort_on_drop();
        writer.writable().await?;
        emptying.await??;
        Ok(())
    });
}

fn timers_end_cleanly_at_every_await_point() {
    let short = Duration::from_micros(200);
    ends_cleanly(move || async move {
        sleep(Duration::ZERO).await;
        sleep(short).await;
        assert!(timeout(short, future::pending::<()>()).await.is_err());
        timeout(100 * LIMIT, sleep(short)).await?; // its own timer must be cancelled
        let mut ticks = interval(short);
        for _ in 0..3 {
            ticks.tick().await;
        }
        ticks.next().await.expect("no end");
        Ok(())
    });
}

fn signals_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let object = OwnedObject::new();
        let renamed = signal::once(&object, "objectNameChanged")?;
        let mut names = signal::stream(&object, "objectNameChanged")?;
        let renaming = spawn_local(async move {
            for name in ["one", "two"] {
                yield_now().await;
                yield_now().await;
                object.set_name(name);
            }
        });
        let renaming = renaming.abort_on_drop();
        renamed.await.map_err(io::Error::other)?;
        for _ in 0..2 {
            names.next().await.expect("a name");
        }
        renaming.await?;
        let mut hang_ups = signal::unix(signal::SignalKind::hangup())?;
        let hanging_up = spawn_local(async {
            yield_now().await;
            yield_now().await;
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)
        });
        let hanging_up = hanging_up.abort_on_drop();
        hang_ups.next().await.expect("no end");
        hanging_up.await??;
        Ok(())
    });
}

fn blocking_work_ends_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let (sender, receiver) = std::sync::mpsc::channel();
        let telling = spawn_local(async move {
            for _ in 0..3 {
                yield_now().await;
            }
            sender.send("told").expect("a receiver");
        });
        let telling = telling.abort_on_drop();
        assert_eq!(unblock(move || receiver.recv()).await, Ok("told"));
        telling.await?;
        assert_eq!(unblock(|| 7).await, 7);
        Ok(())
    });
}

fn join_handles_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let inner = spawn_local(async {
            yield_now().await;
            spawn_local(yield_now()).abort_on_drop().await
        });
        inner.abort_on_drop().await??;
        let aborted = spawn_local(future::pending::<()>());
        yield_now().await;
        aborted.abort();
        assert!(matches!(aborted.await, Err(error) if error.is_cancelled()));
        let panics = spawn_local(async {
            yield_now().await;
            resume_unwind(Box::new("of the inner task"))
        });
        let panics: JoinHandle<()> = panics;
        assert!(matches!(panics.abort_on_drop().await, Err(error) if error.is_panic()));
        Ok(())
    });
}

fn processes_end_cleanly_at_every_await_point() {
    ends_cleanly(|| async {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.kill_on_drop(true).spawn()?;
        let mut stdin = cat.stdin.take().expect("a pipe");
        stdin.write_all(b"to and fro").await?;
        drop(stdin);
        let mut said = String::new();
        let mut stdout = cat.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut said).await?;
        assert_eq!(said, "to and fro");
        assert!(cat.wait().await?.success());
        let mut echo = Command::new("echo");
        assert_eq!(echo.output().await?.stdout, b"\n");
        Ok(())
    });
}

#[cfg(feature = "hyper")]
fn http_ends_cleanly_at_every_await_point() {
    use crate::http::{Client, Server, answer, patterned, pieces};

    ends_cleanly(|| async {
        let server = Server::start(answer).await?;
        let mut client = Client::connect(server.address).await?;
        assert_eq!(client.get("/").await?, "hello");
        let (sent, expected) = patterned(80_000);
        let echoed = client.ask("/echo", pieces(sent)).await?;
        expected.all_of(echoed.into_body()).await
    });
}
