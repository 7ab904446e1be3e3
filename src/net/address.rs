//! Socket addresses in all their forms, and name lookups that do not block the loop.

use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use sealed::{Known, Name};

/// One or several socket addresses, or a name to look up.
///
/// The types that implement it are those of [`std::net::ToSocketAddrs`], and some more; others
/// cannot:
///
/// - `SocketAddr`, `SocketAddrV4`, `SocketAddrV6`
/// - `(ip, port)` with an `IpAddr`, `Ipv4Addr` or `Ipv6Addr`
/// - `"127.0.0.1:80"`, `"example.org:443"`, `("example.org", 443)`, each with a `&str` or `String`
/// - a slice, an array or a `Vec` of `SocketAddr`
/// - references to all of these
///
/// A text that is an address is parsed at once. The operating system looks a name up, on a thread
/// of [`unblock`](crate::task::unblock).
///
/// ```compile_fail
/// struct Mine;
/// impl qtloop::net::ToSocketAddrs for Mine {} // not for types of other crates
/// ```
pub trait ToSocketAddrs: Known {}

impl<T: Known + ?Sized> ToSocketAddrs for T {}

mod sealed {
    use std::net::SocketAddr;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no socket address",
        note = "use `\"host:port\"`, `(\"host\", port)`, `(ip, port)` or a `SocketAddr`"
    )]
    pub trait Known {
        /// Returns the addresses if they are known, or else the name to look up.
        fn known(&self) -> Result<Vec<SocketAddr>, Name>;
    }

    /// A name that std looks up.
    #[derive(Debug)]
    pub enum Name {
        /// With its port, as in `host:80`.
        Whole(String),
        /// And its port.
        Host(String, u16),
    }
}

/// Looks up the addresses of a name, or returns those that are known, in the system's order.
///
/// It needs no [`Loop`](crate::Loop). The name is
/// [tokio's](https://docs.rs/tokio/latest/tokio/net/fn.lookup_host.html).
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// for address in qtloop::net::lookup_host("localhost:80").await? {
///     println!("{address}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Returns the resolver's error, such as an unknown name; `InvalidInput` for a text without a port.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    lookup(host.known()).await.map(Vec::into_iter)
}

async fn lookup(known: Result<Vec<SocketAddr>, Name>) -> io::Result<Vec<SocketAddr>> {
    let name = match known {
        Ok(known) => return Ok(known),
        Err(name) => name,
    };
    crate::task::unblock(move || {
        Ok(match name {
            Name::Whole(name) => net::ToSocketAddrs::to_socket_addrs(&name)?.collect(),
            Name::Host(host, port) => net::ToSocketAddrs::to_socket_addrs(&(host, port))?.collect(),
        })
    })
    .await
}

/// Returns the addresses, one at least.
pub(super) async fn resolve(addresses: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let found = lookup(addresses.known()).await?;
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no address was found, or given",
        ));
    }
    Ok(found)
}

/// Tries one address after the other until one succeeds. Returns the error of the last one.
pub(super) async fn first<T>(
    addresses: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failed = None;
    for address in resolve(addresses).await? {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("there is an address"))
}

macro_rules! of_numbers {
    ($($Address:ty),*) => {
        $(impl Known for $Address {
            fn known(&self) -> Result<Vec<SocketAddr>, Name> {
                Ok(vec![SocketAddr::from(*self)])
            }
        })*
    };
}

of_numbers!(SocketAddr, SocketAddrV4, SocketAddrV6);
of_numbers!((IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl Known for [SocketAddr] {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> Known for [SocketAddr; N] {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        Ok(self.to_vec())
    }
}

impl Known for Vec<SocketAddr> {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        Ok(self.clone())
    }
}

impl Known for (&str, u16) {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        let (host, port) = *self;
        let address = host.parse::<IpAddr>();
        address.map_or_else(
            |_| Err(Name::Host(host.to_owned(), port)),
            |ip| (ip, port).known(),
        )
    }
}

impl Known for (String, u16) {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        (self.0.as_str(), self.1).known()
    }
}

impl Known for str {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        let address = self.parse::<SocketAddr>();
        address.map_or_else(
            |_| Err(Name::Whole(self.to_owned())),
            |address| Ok(vec![address]),
        )
    }
}

impl Known for String {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        self.as_str().known()
    }
}

impl<T: Known + ?Sized> Known for &T {
    fn known(&self) -> Result<Vec<SocketAddr>, Name> {
        (**self).known()
    }
}
