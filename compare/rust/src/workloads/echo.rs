//! A TCP echo server on the loopback device. One thread with blocking sockets is the client of all
//! peers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::measure::{Figure, Unit, cpu_of_others, is_quick};
use crate::peers::Io;

pub const ALONE: &str = "echo, 64 B, 1 connection";
pub const LARGE: &str = "echo, 16 KiB, 1 connection";
pub const BUSY: &str = "echo, 64 B, 100 connections";
pub const IDLE: &str = "1,000 idle ones / none";

const BESIDE: &str = "the same beside 1,000 idle ones";
const SMALL_SIZE: usize = 64;
const LARGE_SIZE: usize = 16 * 1024;

pub fn measure<P: Io>(peer: &P) -> Vec<Figure> {
    allow_descriptors();
    let alone = serve_all(peer, 1, 0, SMALL_SIZE);
    let beside = serve_all(peer, 1, 1000, SMALL_SIZE);
    let large = serve_all(peer, 1, 0, LARGE_SIZE);
    let busy = serve_all(peer, 100, 0, SMALL_SIZE);
    let mut figures = Vec::new();
    for (row, price) in [
        (ALONE, alone),
        (BESIDE, beside),
        (LARGE, large),
        (BUSY, busy),
    ] {
        figures.push(Figure::seconds(row, price.wall));
        figures.push(Figure::seconds(format!("{row}: CPU"), price.cpu));
    }
    let ratio = |row: String, ratio| Figure::new(row, Unit::Ratio, ratio);
    figures.push(ratio(IDLE.to_owned(), beside.wall / alone.wall));
    figures.push(ratio(format!("{IDLE}: CPU"), beside.cpu / alone.cpu));
    figures
}

/// Returns the cost of a request in seconds: wall time, and CPU time without the client's.
#[derive(Clone, Copy)]
struct Price {
    wall: f64,
    cpu: f64,
}

/// Both ends of a thousand connections are in this process.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the maximum all may");
}

/// Serves until the client closes its connections.
fn serve_all<P: Io>(peer: &P, busy: usize, idle: usize, size: usize) -> Price {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let client = thread::spawn(move || ask(address, busy, idle, size).expect("it is answered"));
    let streams: Vec<_> = (0..busy + idle)
        .map(|_| accept(&listener).expect("the client comes"))
        .collect();
    peer.run(async move {
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|stream| P::spawn_local(serve::<P>(stream)))
            .collect();
        for task in tasks {
            task.await;
        }
    });
    client.join().expect("it does not panic")
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

async fn serve<P: Io>(stream: TcpStream) {
    let mut stream = P::adopt(stream).expect("it is a socket");
    let mut buffer = vec![0; LARGE_SIZE];
    // The client closes the connection, which may cause a reset.
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}

/// Repeatedly sends a request on each busy connection, then reads all answers.
fn ask(address: SocketAddr, busy: usize, idle: usize, size: usize) -> io::Result<Price> {
    let connect = || {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let busy: Vec<_> = (0..busy).map(|_| connect()).collect::<io::Result<_>>()?;
    let _idle: Vec<_> = (0..idle).map(|_| connect()).collect::<io::Result<_>>()?;
    let mut buffer = vec![0; size];
    let mut ask_for = |duration: Duration| {
        let (start, cpu, mut requests) = (Instant::now(), cpu_of_others(), 0);
        while start.elapsed() < duration {
            for mut stream in &busy {
                stream.write_all(&buffer)?;
            }
            for mut stream in &busy {
                stream.read_exact(&mut buffer)?;
            }
            requests += busy.len();
        }
        io::Result::Ok(Price {
            wall: start.elapsed().as_secs_f64() / requests as f64,
            cpu: (cpu_of_others() - cpu) / requests as f64,
        })
    };
    let duration = Duration::from_millis(if is_quick() { 100 } else { 600 });
    ask_for(duration / 5)?; // warm up
    ask_for(duration)
}
