//! Awaits types of tokio in tasks of the Qt thread: `main` enters tokio's runtime once.
//! Libraries that need the runtime (`reqwest`, `sqlx`, `tonic`) work in the same way.
//!
//!     cargo run --example tokio

#![allow(clippy::print_stdout)]

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use qtloop::{net::TcpListener, spawn_local};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn talk() -> io::Result<()> {
    // A server on the Qt loop.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    spawn_local(async move {
        let (stream, _) = listener.accept().await?;
        futures_lite::io::copy(&stream, &stream).await
    });
    // tokio's thread watches this socket and this timer, and wakes this task, on the Qt thread.
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"hello").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading).await??;
    println!("a socket of tokio read {answer:?}");
    // This future runs on tokio's thread, so it must be `Send`.
    let sum = tokio::spawn(async { (1..=10).sum::<i32>() }).await?;
    println!("a task of tokio returned {sum}");
    Ok(())
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("the system starts a thread");
    let _guard = runtime.enter(); // until the end of `main`
    qtloop::run(talk())
}
