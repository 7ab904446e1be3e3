//! What can be said for an address, and looking names up without holding the loop up.

use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address, or what one is found by: `"127.0.0.1:80"`, `"example.org:443"`, `("example.org", 443)`, `(ip, port)`, a `SocketAddr`, or
/// several of those. An address is read at once; a name is looked up by the system, on a thread of [`unblock`](crate::task::unblock)'s.
pub trait ToSocketAddrs {
    /// What is known, or else the name and the port to look up.
    #[doc(hidden)]
    fn known(&self) -> Result<Vec<SocketAddr>, Name>;
}

/// A name to be looked up, by std's own rules.
#[doc(hidden)]
#[derive(Debug)]
pub enum Name {
    /// With its port, as in `host:80`.
    Whole(String),
    /// And its port.
    Host(String, u16),
}

/// The addresses meant, one at least.
pub(super) async fn resolve(addresses: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let found = match addresses.known() {
        Ok(known) => known,
        Err(name) => {
            crate::task::unblock(move || {
                io::Result::Ok(match name {
                    Name::Whole(name) => net::ToSocketAddrs::to_socket_addrs(&name)?.collect(),
                    Name::Host(host, port) => {
                        net::ToSocketAddrs::to_socket_addrs(&(host, port))?.collect::<Vec<_>>()
                    }
                })
            })
            .await?
        }
    };
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no address was found, or given",
        ));
    }
    Ok(found)
}

/// Does it with one address after the other, until one works; else the error is that of the last.
pub(super) async fn first<T, F>(
    addresses: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut failed = None;
    for address in resolve(addresses).await? {
        match attempt(address).await {
            Ok(done) => return Ok(done),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("there is an address"))
}

impl ToSocketAddrs for SocketAddr {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        Ok(vec![*self])
    }
}

impl ToSocketAddrs for [SocketAddr] {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        Ok(self.to_vec())
    }
}

macro_rules! of_numbers {
    ($($Ip:ty),*) => {
        $(impl ToSocketAddrs for ($Ip, u16) {
            fn known(&self) -> Result<Vec<SocketAddr>, Name> {
                Ok(vec![SocketAddr::from(*self)])
            }
        })*
    };
}

of_numbers!(IpAddr, Ipv4Addr, Ipv6Addr);

impl ToSocketAddrs for (&str, u16) {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        let (host, port) = *self;
        let address = host.parse::<IpAddr>();
        address.map_or_else(
            |_| Err(Name::Host(host.to_owned(), port)),
            |ip| (ip, port).known(),
        )
    }
}

impl ToSocketAddrs for (String, u16) {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        (self.0.as_str(), self.1).known()
    }
}

impl ToSocketAddrs for str {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        let address = self.parse::<SocketAddr>();
        address.map_or_else(
            |_| Err(Name::Whole(self.to_owned())),
            |address| Ok(vec![address]),
        )
    }
}

impl ToSocketAddrs for String {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        self.as_str().known()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        (**self).known()
    }
}
