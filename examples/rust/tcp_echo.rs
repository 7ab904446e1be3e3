//! An echo server on 127.0.0.1, with one task per connection. Ctrl-C stops it and drops the
//! connections.
//!
//!     cargo run --example tcp_echo

#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::rc::Rc;
use std::{env, io};

use futures_lite::{future, io::copy};
use qtloop::net::TcpListener;
use qtloop::{Loop, signal, spawn_local};

/// The state shared by all connections. They run on one thread, so it needs no locks and no
/// atomics.
#[derive(Default)]
struct Count {
    connections: Cell<usize>,
    bytes: Cell<u64>,
}

async fn serve(count: Rc<Count>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("echoing at {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let count = Rc::clone(&count);
        spawn_local(async move {
            count.connections.set(count.connections.get() + 1);
            let bytes = copy(stream.clone(), stream).await?;
            count.bytes.set(count.bytes.get() + bytes);
            io::Result::Ok(())
        });
    }
}

fn main() -> io::Result<()> {
    let event_loop = Loop::with_app(env::args_os())?;
    let count = Rc::<Count>::default();
    let stop = future::or(signal::ctrl_c(), signal::terminate());
    event_loop.block_on(future::or(stop, serve(Rc::clone(&count))))?;
    let (connections, bytes) = (count.connections.get(), count.bytes.get());
    println!("{connections} connections, {bytes} bytes echoed");
    Ok(())
}
