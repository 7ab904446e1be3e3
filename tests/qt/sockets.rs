//! Tests of data transfer over sockets and other descriptors, with real peers.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use qtloop::io::Async;
use qtloop::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use qtloop::spawn_local;
use qtloop::time::sleep;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::trials;
use crate::world::run;

trials![
    tcp_transfers_bytes_in_both_directions,
    megabytes_arrive_intact,
    thousand_connections_are_served,
    one_direction_of_a_connection_can_be_closed,
    connection_reset_is_an_error,
    connect_without_a_listener_is_refused,
    connect_resolves_names_and_an_unknown_name_is_an_error,
    end_of_file_after_the_last_bytes_is_reported,
    datagrams_keep_their_boundaries,
    unix_sockets_have_paths,
    unix_datagrams_are_sent_and_received,
    readiness_of_any_descriptor_can_be_awaited,
    several_buffers_are_read_and_written_by_one_call,
    task_with_always_ready_sockets_lets_others_run,
];

async fn listening() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

pub(crate) async fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let (listener, address) = listening().await?;
    let one = TcpStream::connect(address).await?;
    let (other, from) = listener.accept().await?;
    assert_eq!(from, one.local_addr()?);
    Ok((one, other))
}

/// Echoes all bytes until end of file.
async fn echo(stream: TcpStream) -> io::Result<u64> {
    let sent = futures_lite::io::copy(&stream, &mut &stream).await?;
    (&stream).close().await?;
    Ok(sent)
}

pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 % 251) as u8).collect()
}

/// Raises the limit of descriptors: a thousand connections have two each, and the usual limit is
/// 1024.
pub(crate) fn allow_many_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit may be raised so far");
}

fn tcp_transfers_bytes_in_both_directions() {
    run(async {
        let (mut one, mut other) = connected().await?;
        one.write_all(b"question").await?;
        let mut buffer = [0; 8];
        other.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"question");
        other.write_all(b"answer").await?;
        other.close().await?;
        let mut answer = String::new();
        one.read_to_string(&mut answer).await?;
        assert_eq!(answer, "answer");
        Ok(())
    });
}

fn megabytes_arrive_intact() {
    run(async {
        let (one, other) = connected().await?;
        let server = spawn_local(echo(other));
        let data = pattern(8 << 20);
        let sent = data.clone();
        let writer = one.clone();
        let writing = spawn_local(async move {
            (&writer).write_all(&sent).await?;
            (&writer).close().await
        });
        let mut got = Vec::new();
        (&one).read_to_end(&mut got).await?;
        assert!(got == data);
        writing.await.expect("a result")?;
        assert_eq!(server.await.expect("a result")?, data.len() as u64);
        Ok(())
    });
}

fn thousand_connections_are_served() {
    allow_many_descriptors();
    run(async {
        let (listener, address) = listening().await?;
        let serving = spawn_local(async move {
            let mut incoming = listener.incoming();
            while let Some(stream) = incoming.next().await {
                spawn_local(echo(stream.expect("a connection")));
            }
        });
        let clients: Vec<_> = (0..1000_u32)
            .map(|number| {
                spawn_local(async move {
                    let mut stream = TcpStream::connect(address).await?;
                    stream.write_all(&number.to_le_bytes()).await?;
                    stream.close().await?;
                    let mut answer = Vec::new();
                    stream.read_to_end(&mut answer).await?;
                    assert_eq!(answer, number.to_le_bytes());
                    io::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a result")?;
        }
        serving.abort();
        Ok(())
    });
}

fn one_direction_of_a_connection_can_be_closed() {
    run(async {
        let (mut one, mut other) = connected().await?;
        one.shutdown(Shutdown::Write)?;
        assert_eq!(other.read(&mut [0; 9]).await?, 0);
        other.write_all(b"still here").await?;
        let mut buffer = [0; 10];
        one.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"still here");
        Ok(())
    });
}

fn connection_reset_is_an_error() {
    run(async {
        let (mut one, mut other) = connected().await?;
        // Unread bytes make the close a reset.
        one.write_all(b"unread").await?;
        other.peek(&mut [0; 6]).await?;
        let waiting = spawn_local(async move { one.read(&mut [0; 9]).await });
        sleep(Duration::from_millis(1)).await;
        other.flush().await?;
        drop(other);
        let error = waiting.await.expect("a result").expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        Ok(())
    });
}

fn connect_without_a_listener_is_refused() {
    run(async {
        let (listener, address) = listening().await?;
        drop(listener);
        let error = TcpStream::connect(address).await.expect_err("nobody");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
}

fn connect_resolves_names_and_an_unknown_name_is_an_error() {
    run(async {
        let (listener, address) = listening().await?;
        let by_name = TcpStream::connect(("localhost", address.port())).await?;
        assert_eq!(by_name.peer_addr()?.port(), address.port());
        drop(listener.accept().await?);
        assert!(TcpStream::connect("no such name:80").await.is_err());
        assert!(TcpStream::connect("no port").await.is_err());
        let none: &[SocketAddr] = &[];
        let error = TcpStream::connect(none).await.expect_err("no address");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

fn end_of_file_after_the_last_bytes_is_reported() {
    run(async {
        for _ in 0..50 {
            let (mut one, mut other) = connected().await?;
            let mut buffer = [0; 64];
            let reading = spawn_local(async move {
                let mut counts = Vec::new();
                loop {
                    let count = one.read(&mut buffer).await?;
                    counts.push(count);
                    if count == 0 {
                        break io::Result::Ok(counts);
                    }
                }
            });
            sleep(Duration::from_micros(200)).await;
            // Both are there when the reader is woken.
            other.write_all(b"last").await?;
            drop(other);
            assert_eq!(reading.await.expect("a result")?, [4, 0]);
        }
        Ok(())
    });
}

fn datagrams_keep_their_boundaries() {
    run(async {
        let (one, other) = (
            UdpSocket::bind("127.0.0.1:0").await?,
            UdpSocket::bind("127.0.0.1:0").await?,
        );
        one.connect(other.local_addr()?).await?;
        one.send(b"one").await?;
        one.send(b"").await?;
        one.send(b"three").await?;
        let mut buffer = [0; 64];
        for expected in [&b"one"[..], b"", b"three"] {
            let (count, from) = other.recv_from(&mut buffer).await?;
            assert_eq!((&buffer[..count], from), (expected, one.local_addr()?));
        }
        other.send_to(b"back", one.local_addr()?).await?;
        assert_eq!(one.recv(&mut buffer).await?, 4);
        Ok(())
    });
}

fn unix_sockets_have_paths() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let mut one = UnixStream::connect(&path).await?;
        let (mut other, _) = listener.accept().await?;
        one.write_all(b"hello").await?;
        one.close().await?;
        let mut got = String::new();
        other.read_to_string(&mut got).await?;
        assert_eq!(got, "hello");
        assert_eq!(one.peer_addr()?.as_pathname(), Some(path.as_path()));
        drop(listener);
        let error = UnixStream::connect(&path)
            .await
            .expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
}

fn unix_datagrams_are_sent_and_received() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("socket");
        let bound = UnixDatagram::bind(&path)?;
        let free = UnixDatagram::unbound()?;
        free.send_to(b"to a path", &path).await?;
        let mut buffer = [0; 64];
        assert_eq!(bound.recv(&mut buffer).await?, 9);
        let (one, other) = UnixDatagram::pair()?;
        let filling = spawn_local(async move {
            for number in 0..1000_u32 {
                one.send(&number.to_le_bytes()).await?;
            }
            io::Result::Ok(())
        });
        for number in 0..1000_u32 {
            assert_eq!(other.recv(&mut buffer).await?, 4);
            assert_eq!(buffer[..4], number.to_le_bytes());
        }
        filling.await.expect("a result")
    });
}

fn readiness_of_any_descriptor_can_be_awaited() {
    run(async {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (Async::new(reader)?, Async::new(writer)?);
        let writing = spawn_local(async move {
            let data = pattern(1 << 20);
            (&writer).write_all(&data).await
        });
        let mut got = Vec::new();
        (&reader).read_to_end(&mut got).await?;
        assert!(got == pattern(1 << 20));
        writing.await.expect("a result")?;
        drop(reader.into_inner());
        Ok(())
    });
}

fn several_buffers_are_read_and_written_by_one_call() {
    run(async {
        let (reader, writer) = io::pipe()?;
        let (mut reader, mut writer) = (Async::new(reader)?, Async::new(writer)?);
        let pieces = [IoSlice::new(b"one"), IoSlice::new(b"other")];
        assert_eq!(writer.write_vectored(&pieces).await?, 8);
        let (mut one, mut other) = ([0; 2], [0; 8]);
        let mut rooms = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(reader.read_vectored(&mut rooms).await?, 8);
        assert_eq!((&one, &other[..6]), (b"on", &b"eother"[..]));
        Ok(())
    });
}

fn task_with_always_ready_sockets_lets_others_run() {
    run(async {
        let (one, other) = connected().await?;
        let writing = spawn_local(async move {
            let data = pattern(1 << 16);
            loop {
                if (&other).write_all(&data).await.is_err() {
                    break;
                }
            }
        });
        let reading = spawn_local(async move {
            let mut buffer = vec![0; 1024];
            while (&one).read(&mut buffer).await? > 0 {}
            io::Result::Ok(())
        });
        // Both are always ready, and this task still runs.
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
        reading.abort();
        assert!(reading.await.is_err());
        writing.await.expect("a result");
        Ok(())
    });
}
