//! UDP.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;

use super::address::{ToSocketAddrs, first};
use super::stream::from_std;
use crate::io::Async;

/// A socket for datagrams. Clones are the same socket. For options, `AsFd` and a crate such as `socket2` have them all.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::net::UdpSocket;
///
/// let socket = UdpSocket::bind("localhost:0").await?;
/// socket.connect("localhost:9000").await?;
/// socket.send(b"ping").await?;
/// let mut buffer = [0; 1500];
/// let length = socket.recv(&mut buffer).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UdpSocket(Arc<Async<net::UdpSocket>>);

impl UdpSocket {
    /// A socket at the first of these addresses that is free; port 0 is any.
    ///
    /// # Errors
    /// That of the last address, or of looking the name up.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    pub async fn bind(addresses: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        first(addresses, async |address| {
            UdpSocket::try_from(net::UdpSocket::bind(address)?)
        })
        .await
    }

    /// Sends to, and hears of, this address only; for [`send`](UdpSocket::send) and [`recv`](UdpSocket::recv).
    ///
    /// # Errors
    /// That of the last address, or of looking the name up.
    pub async fn connect(&self, addresses: impl ToSocketAddrs) -> io::Result<()> {
        first(addresses, async |address| self.0.get_ref().connect(address)).await
    }

    /// Sends one datagram to an address; returns its length.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.write_with(|io| io.send_to(bytes, to)).await
    }

    /// Takes one datagram; returns its length, and whence it comes. What the buffer has no room for is lost.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.read_with(|io| io.recv_from(buffer)).await
    }

    /// As [`send_to`](UdpSocket::send_to), to where it is connected.
    ///
    /// # Errors
    /// Whatever the operating system says; that of an earlier datagram which was refused, too.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|io| io.send(bytes)).await
    }

    /// As [`recv_from`](UdpSocket::recv_from), from where it is connected.
    ///
    /// # Errors
    /// Whatever the operating system says; that of an earlier datagram which was refused, too.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.recv(buffer)).await
    }

    /// The address it is at.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

from_std! {
    net::UdpSocket => UdpSocket, |socket| UdpSocket(Arc::new(socket));
}
