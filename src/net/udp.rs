//! UDP.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::address::{ToSocketAddrs, first};
use super::stream::as_std;
use crate::io::Async;
use crate::task::expect_current;

/// A UDP socket. Clones are the same socket. By its `AsFd`, the crate `socket2` sets the options
/// that have no method here.
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
    /// Makes a socket at the first of these addresses that is free. Port 0 is any free port.
    ///
    /// # Errors
    /// Returns the lookup's error, or that of the last address.
    ///
    /// # Panics
    /// The thread of the first poll has no [`Loop`](crate::Loop).
    pub async fn bind(addresses: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let shared = Arc::clone(expect_current("UdpSocket::bind()").shared());
        let socket = first(addresses, net::UdpSocket::bind).await?;
        Async::on(&shared, socket).map(|socket| UdpSocket(Arc::new(socket)))
    }

    /// Connects to an address, for [`send`](UdpSocket::send) and [`recv`](UdpSocket::recv): sends
    /// to it, and receives from it only.
    ///
    /// # Errors
    /// Returns the lookup's error, or that of the last address.
    pub async fn connect(&self, addresses: impl ToSocketAddrs) -> io::Result<()> {
        first(addresses, |address| self.0.get_ref().connect(address)).await
    }

    /// Sends one datagram to an address, and returns its length.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.write_with(|io| io.send_to(bytes, to)).await
    }

    /// Receives one datagram. Returns its length and the sender's address. Bytes beyond the buffer
    /// are lost.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.read_with(|io| io.recv_from(buffer)).await
    }

    /// Polls for what [`send_to`](UdpSocket::send_to) waits for.
    ///
    /// # Errors
    /// As `send_to`.
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_with(context, |io| io.send_to(bytes, to))
    }

    /// Polls for what [`recv_from`](UdpSocket::recv_from) waits for.
    ///
    /// # Errors
    /// As `recv_from`.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.0.poll_read_with(context, |io| io.recv_from(buffer))
    }

    /// Sends one datagram to the connected address. See [`send_to`](UdpSocket::send_to).
    ///
    /// # Errors
    /// Returns the operating system's error, also that of an earlier datagram which was refused.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|io| io.send(bytes)).await
    }

    /// Receives one datagram from the connected address, and returns its length. See
    /// [`recv_from`](UdpSocket::recv_from).
    ///
    /// # Errors
    /// Returns the operating system's error, also that of an earlier datagram which was refused.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.recv(buffer)).await
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// Returns the address that it is connected to.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

/// Options that std has by the same names.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $Type:ty),*) -> $Result:ty;)*) => {
        impl UdpSocket {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Returns the operating system's error.
                pub fn $name(&self, $($argument: $Type),*) -> io::Result<$Result> {
                    self.0.get_ref().$name($($argument),*)
                }
            )*
        }
    };
}

options! {
    /// Returns whether it may send to broadcast addresses (`SO_BROADCAST`).
    broadcast() -> bool;
    /// Sets whether it may send to broadcast addresses (`SO_BROADCAST`).
    set_broadcast(on: bool) -> ();
    /// Returns the time to live of unicast packets (`IP_TTL`), in hops.
    ttl() -> u32;
    /// Sets the time to live of unicast packets (`IP_TTL`), in hops.
    set_ttl(hops: u32) -> ();
    /// Joins a multicast group on the interface with this address; an unspecified one is any.
    join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Joins a multicast group on the interface with this index; 0 is any.
    join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a group of `join_multicast_v4`.
    leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a group of `join_multicast_v6`.
    leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    /// Returns whether own IPv4 multicast packets are received here too.
    multicast_loop_v4() -> bool;
    /// Sets whether own IPv4 multicast packets are received here too. It is set by default.
    set_multicast_loop_v4(on: bool) -> ();
    /// Returns whether own IPv6 multicast packets are received here too.
    multicast_loop_v6() -> bool;
    /// Sets whether own IPv6 multicast packets are received here too. It is set by default.
    set_multicast_loop_v6(on: bool) -> ();
    /// Returns the time to live of IPv4 multicast packets, in hops.
    multicast_ttl_v4() -> u32;
    /// Sets the time to live of IPv4 multicast packets, in hops. The default is 1.
    set_multicast_ttl_v4(hops: u32) -> ();
}

as_std! { shared net::UdpSocket => UdpSocket }
