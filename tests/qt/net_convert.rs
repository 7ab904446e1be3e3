//! Tests of conversions from and to std's sockets, of socket options, and of types that convert to
//! addresses.

use std::io::{self, Read, Write};
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix;
use std::task::Context;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use qtloop::net::{
    TcpListener, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram, UnixListener, UnixStream,
    lookup_host,
};
use qtloop::task::unblock;

use crate::sockets::connected;
use crate::trials;
use crate::world::run;

trials![
    std_socket_is_an_error_on_a_thread_without_a_loop,
    stream_converted_to_std_stays_nonblocking,
    stream_with_clones_is_duplicated_and_the_clones_continue,
    every_socket_converts_to_std_and_to_a_descriptor,
    all_forms_of_addresses_are_accepted,
    lookup_resolves_names_and_returns_addresses_unchanged,
    lookup_needs_no_loop,
    poll_recv_returns_a_datagram,
    socket_options_are_set,
    multicast_group_is_joined_and_left,
];

fn std_socket_is_an_error_on_a_thread_without_a_loop() {
    fn text<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        let error = result.expect_err("there is no loop");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        error.to_string()
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = unix::net::UnixStream::pair().expect("sockets");
    let words = text(UnixStream::try_from(one));
    assert!(
        words.contains("a `UnixStream` needs a loop on this thread"),
        "{words}"
    );
    assert!(words.contains("Handle::spawn_from_within()"), "{words}");
    drop(other);
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    text(TcpStream::try_from(
        net::TcpStream::connect(address).expect("a connection"),
    ));
    text(TcpListener::try_from(listener));
    text(UdpSocket::try_from(
        net::UdpSocket::bind("127.0.0.1:0").expect("a socket"),
    ));
    text(UnixDatagram::try_from(
        unix::net::UnixDatagram::unbound().expect("a socket"),
    ));
    let path = folder.path().join("socket");
    text(UnixListener::try_from(
        unix::net::UnixListener::bind(path).expect("a socket"),
    ));
}

fn stream_converted_to_std_stays_nonblocking() {
    run(async {
        let (mut one, other) = connected().await?;
        let number = other.as_fd().as_raw_fd();
        assert!(
            futures_lite::future::poll_once((&other).read(&mut [0]))
                .await
                .is_none()
        );
        let mut other = other.into_std()?;
        assert_eq!(other.as_raw_fd(), number);
        let error = other.read(&mut [0; 9]).expect_err("no bytes yet");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        one.write_all(b"bytes").await?;
        other.set_nonblocking(false)?;
        other = unblock(move || other.read_exact(&mut [0; 5]).map(|()| other)).await?;
        // And back, with a new watch of the same descriptor.
        let mut other = TcpStream::try_from(other)?;
        let mut buffer = [0; 5];
        let writing = async { one.write_all(b"again").await };
        let (read, written) =
            futures_lite::future::zip(other.read_exact(&mut buffer), writing).await;
        read.and(written)?;
        assert_eq!(&buffer, b"again");
        Ok(())
    });
}

fn stream_with_clones_is_duplicated_and_the_clones_continue() {
    run(async {
        let (mut one, other) = connected().await?;
        let mut clone = other.clone();
        let mut duplicate = other.into_std()?;
        assert_ne!(duplicate.as_raw_fd(), clone.as_fd().as_raw_fd());
        one.write_all(b"one").await?;
        let mut buffer = [0; 3];
        clone.read_exact(&mut buffer).await?;
        duplicate.write_all(b"two")?;
        drop(duplicate);
        one.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"two");
        clone.write_all(b"six").await?; // the duplicate has not closed the clone
        one.read_exact(&mut buffer).await?;
        assert_eq!(&buffer, b"six");
        Ok(())
    });
}

fn every_socket_converts_to_std_and_to_a_descriptor() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = |name| folder.path().join(name);
        let _: net::TcpListener = TcpListener::bind("127.0.0.1:0").await?.into_std()?;
        let _: net::UdpSocket = UdpSocket::bind("127.0.0.1:0").await?.into_std()?;
        let _: unix::net::UnixStream = UnixStream::pair()?.0.into_std()?;
        let _: unix::net::UnixListener = UnixListener::bind(path("one"))?.into_std()?;
        let _: unix::net::UnixDatagram = UnixDatagram::unbound()?.into_std()?;
        let _: OwnedFd = TcpListener::bind("127.0.0.1:0").await?.into();
        let _: OwnedFd = UnixListener::bind(path("two"))?.into();
        let _: OwnedFd = connected().await?.0.try_into()?;
        let _: OwnedFd = UdpSocket::bind("127.0.0.1:0").await?.try_into()?;
        let _: OwnedFd = UnixStream::pair()?.0.try_into()?;
        let _: OwnedFd = UnixDatagram::unbound()?.try_into()?;
        Ok(())
    });
}

async fn looked_up(host: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    lookup_host(host).await.map(Iterator::collect)
}

fn all_forms_of_addresses_are_accepted() {
    run(async {
        let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let (address4, address6) = (SocketAddr::from((v4, 80)), SocketAddr::from((v6, 80)));
        let (exact4, exact6) = (SocketAddrV4::new(v4, 80), SocketAddrV6::new(v6, 80, 0, 3));
        assert_eq!(looked_up(address4).await?, [address4]);
        assert_eq!(looked_up(&address4).await?, [address4]);
        assert_eq!(looked_up(exact4).await?, [address4]);
        assert_eq!(looked_up(exact6).await?, [SocketAddr::V6(exact6)]);
        assert_eq!(looked_up((IpAddr::V6(v6), 80)).await?, [address6]);
        assert_eq!(looked_up((v4, 80)).await?, [address4]);
        assert_eq!(looked_up((v6, 80)).await?, [address6]);
        assert_eq!(looked_up("127.0.0.1:80").await?, [address4]);
        assert_eq!(looked_up(String::from("[::1]:80")).await?, [address6]);
        assert_eq!(looked_up(&String::from("[::1]:80")).await?, [address6]);
        assert_eq!(looked_up(("::1", 80)).await?, [address6]);
        assert_eq!(
            looked_up((String::from("127.0.0.1"), 80)).await?,
            [address4]
        );
        let both = [address6, address4];
        assert_eq!(looked_up(both).await?, both);
        assert_eq!(looked_up(&both).await?, both);
        assert_eq!(looked_up(&both[..]).await?, both);
        assert_eq!(looked_up(both.to_vec()).await?, both);
        assert_eq!(looked_up(&both.to_vec()).await?, both);
        let none: [SocketAddr; 0] = [];
        assert!(looked_up(none).await?.is_empty());
        Ok(())
    });
}

fn lookup_resolves_names_and_returns_addresses_unchanged() {
    run(async {
        for found in [
            looked_up("localhost:80").await?,
            looked_up(("localhost", 80)).await?,
        ] {
            assert!(!found.is_empty());
            for address in found {
                assert!(address.ip().is_loopback());
                assert_eq!(address.port(), 80);
            }
        }
        assert!(looked_up("no such name:80").await.is_err());
        let error = looked_up("no port").await.expect_err("no port");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

fn lookup_needs_no_loop() {
    let found = futures_lite::future::block_on(looked_up("localhost:80"));
    assert!(!found.expect("addresses").is_empty());
}

fn poll_recv_returns_a_datagram() {
    run(async {
        let (one, other) = (
            UdpSocket::bind("127.0.0.1:0").await?,
            UdpSocket::bind("127.0.0.1:0").await?,
        );
        let to = other.local_addr()?;
        let mut buffer = [0; 9];
        let waker = std::task::Waker::noop();
        let early = other.poll_recv_from(&mut Context::from_waker(waker), &mut buffer);
        assert!(early.is_pending());
        let receiving = std::future::poll_fn(|context| other.poll_recv_from(context, &mut buffer));
        let sending = std::future::poll_fn(|context| one.poll_send_to(context, b"polled", to));
        let (received, sent) = futures_lite::future::zip(receiving, sending).await;
        assert_eq!(received?, (6, one.local_addr()?));
        assert_eq!(sent?, 6);
        assert_eq!(&buffer[..6], b"polled");
        Ok(())
    });
}

fn socket_options_are_set() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        assert!(!socket.broadcast()?);
        socket.set_broadcast(true)?;
        assert!(socket.broadcast()?);
        socket.set_ttl(7)?;
        assert_eq!(socket.ttl()?, 7);
        socket.set_multicast_ttl_v4(3)?;
        assert_eq!(socket.multicast_ttl_v4()?, 3);
        socket.set_multicast_loop_v4(false)?;
        assert!(!socket.multicast_loop_v4()?);
        let (stream, _other) = connected().await?;
        stream.set_ttl(9)?;
        assert_eq!(stream.ttl()?, 9);
        stream.set_nodelay(true)?;
        assert!(stream.nodelay()?);
        Ok(())
    });
}

fn multicast_group_is_joined_and_left() {
    run(async {
        let group = Ipv4Addr::new(239, 255, 37, 11);
        let receiver = UdpSocket::bind("0.0.0.0:0").await?;
        let port = receiver.local_addr()?.port();
        receiver.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
        let joined = receiver.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST);
        assert_eq!(
            joined.expect_err("it has joined").kind(),
            io::ErrorKind::AddrInUse
        );
        // Unicast datagrams arrive as before.
        let sender = UdpSocket::bind("127.0.0.1:0").await?;
        sender
            .send_to(b"here", (Ipv4Addr::LOCALHOST, port).into())
            .await?;
        assert_eq!(receiver.recv_from(&mut [0; 9]).await?.0, 4);
        receiver.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
    });
}
