//! Tests of tokio's traits on our streams, and of its channels in our tasks.

use std::io::{self, IoSlice};
use std::time::Duration;

use qtloop::io::Async;
use qtloop::net::{TcpListener, TcpStream, UnixStream};
use qtloop::spawn_local;
use qtloop::time::timeout;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::trials;
use crate::world::{attached, run};

trials![
    tcp_and_unix_streams_implement_the_traits_of_tokio,
    descriptors_implement_the_traits_of_tokio,
    tokio_channel_does_not_stall_a_task_inside_its_runtime,
    tokio_channel_does_not_stall_block_on_inside_its_runtime,
];

/// Sends more than the system's buffers hold in both directions, with tokio's functions.
async fn there_and_back(
    one: impl AsyncRead + AsyncWrite + Unpin + 'static,
    other: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> io::Result<()> {
    let echoing = spawn_local(async move {
        let (mut reader, mut writer) = tokio::io::split(other);
        tokio::io::copy(&mut reader, &mut writer).await?;
        writer.shutdown().await
    });
    assert!(one.is_write_vectored());
    let (mut reader, mut writer) = tokio::io::split(one);
    let data: Vec<u8> = (0..1_u32 << 20)
        .map(|index| (index * 7 % 251) as u8)
        .collect();
    let sent = data.clone();
    let writing = spawn_local(async move {
        let pieces = [IoSlice::new(&sent[..3]), IoSlice::new(&sent[3..9])];
        let written = writer.write_vectored(&pieces).await?;
        writer.write_all(&sent[written..]).await?;
        writer.shutdown().await?;
        io::Result::Ok(written)
    });
    let mut got = Vec::new();
    reader.read_to_end(&mut got).await?;
    assert!(got == data);
    assert_eq!(writing.await??, 9);
    echoing.await?
}

fn tcp_and_unix_streams_implement_the_traits_of_tokio() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let one = TcpStream::connect(listener.local_addr()?).await?;
        let (other, _) = listener.accept().await?;
        there_and_back(one, other).await?;
        let (one, other) = UnixStream::pair()?;
        there_and_back(one, other).await
    });
}

fn descriptors_implement_the_traits_of_tokio() {
    run(async {
        let (reader, writer) = io::pipe()?;
        let (mut reader, mut writer) = (Async::new(reader)?, Async::new(writer)?);
        let writing = spawn_local(async move { writer.write_all(&[7; 1 << 20]).await });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).await?;
        assert!(got == [7; 1 << 20]);
        writing.await?
    });
}

/// Receives many times the messages that tokio's budget allows in one poll.
async fn ten_thousand_messages() -> u64 {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for number in 0..10_000 {
        sender.send(number).expect("a receiver");
    }
    drop(sender);
    let mut sum = 0;
    while let Some(number) = receiver.recv().await {
        sum += number;
    }
    sum
}

/// Returns the result of a future inside a tokio runtime, on whose thread our loop runs.
fn inside_of_tokio<T>(future: impl Future<Output = T>) -> T {
    let event_loop = attached();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let limited = async { timeout(Duration::from_secs(30), future).await };
    let done = runtime
        .expect("a runtime")
        .block_on(async { event_loop.block_on(limited) });
    done.expect("it stalled")
}

fn tokio_channel_does_not_stall_a_task_inside_its_runtime() {
    let sum = inside_of_tokio(async { spawn_local(ten_thousand_messages()).await });
    assert_eq!(sum.expect("a result"), 49_995_000);
}

fn tokio_channel_does_not_stall_block_on_inside_its_runtime() {
    assert_eq!(inside_of_tokio(ten_thousand_messages()), 49_995_000);
}
