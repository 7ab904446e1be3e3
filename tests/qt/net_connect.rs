//! Tests of connections to one of several addresses: some refuse, some never answer.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use qtloop::net::{TcpListener, TcpStream};
use qtloop::task::unblock;
use qtloop::time::timeout;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::trials;
use crate::world::{attached, run};

trials![
    second_address_is_tried_while_the_first_does_not_answer,
    second_address_is_tried_at_once_when_the_first_refuses,
    address_that_fails_in_the_call_delays_no_other,
    address_that_answers_late_is_connected,
    connect_error_is_that_of_the_last_attempt,
    other_attempts_are_closed_after_the_first_success,
    dropped_connect_closes_all_attempts,
    ipv6_and_ipv4_are_tried_in_turn,
    single_address_has_no_time_limit,
    connect_continues_on_another_thread,
];

/// Longer than the head start of an attempt, shorter than the system's time limit of two minutes.
const SOON: Duration = Duration::from_secs(20);

/// A listener with a full queue: a further connection is not answered.
struct Silent {
    listener: OwnedFd,
    address: SocketAddr,
    queued: Vec<net::TcpStream>,
}

impl Silent {
    fn new(at: &str) -> io::Result<Silent> {
        let at: SocketAddr = at.parse().expect("an address");
        let family = if at.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC;
        let listener = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&listener, &at)?;
        rustix::net::listen(&listener, 0)?;
        let listening = net::TcpListener::from(listener);
        let address = listening.local_addr()?;
        let mut queued = Vec::new();
        while let Ok(stream) = net::TcpStream::connect_timeout(&address, Duration::from_millis(200))
        {
            queued.push(stream);
            assert!(queued.len() < 100, "the queue of a listener has no end");
        }
        Ok(Silent {
            listener: listening.into(),
            address,
            queued,
        })
    }

    /// Empties the queue, so that the system's next attempt is answered.
    fn answer(&mut self) {
        self.queued.clear();
        let listening = net::TcpListener::from(self.listener.try_clone().expect("a descriptor"));
        listening.set_nonblocking(true).expect("a socket");
        while listening.accept().is_ok() {}
    }
}

/// Returns an address that refuses connections.
fn refusing(at: &str) -> io::Result<SocketAddr> {
    net::TcpListener::bind(at)?.local_addr()
}

async fn listening(at: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("a folder")
        .count()
}

fn second_address_is_tried_while_the_first_does_not_answer() {
    run(async {
        let silent = Silent::new("127.0.0.1:0")?;
        let (_listener, address) = listening("127.0.0.1:0").await?;
        let begun = Instant::now();
        let stream = timeout(SOON, TcpStream::connect([silent.address, address])).await??;
        assert_eq!(stream.peer_addr()?, address);
        assert!(begun.elapsed() >= Duration::from_millis(250)); // the first has its head start
        Ok(())
    });
}

fn second_address_is_tried_at_once_when_the_first_refuses() {
    run(async {
        let (_listener, address) = listening("127.0.0.1:0").await?;
        let mut addresses = vec![refusing("127.0.0.1:0")?; 200];
        addresses.push(address);
        // 200 head starts are 50 seconds.
        let stream = timeout(SOON, TcpStream::connect(&addresses)).await??;
        assert_eq!(stream.peer_addr()?, address);
        Ok(())
    });
}

fn address_that_fails_in_the_call_delays_no_other() {
    run(async {
        let silent = Silent::new("127.0.0.1:0")?;
        let (_listener, address) = listening("127.0.0.1:0").await?;
        let mut addresses = vec![silent.address];
        addresses.extend([SocketAddr::from(([255, 255, 255, 255], 9)); 200]);
        addresses.push(address);
        let stream = timeout(SOON, TcpStream::connect(addresses)).await??;
        assert_eq!(stream.peer_addr()?, address);
        Ok(())
    });
}

fn address_that_answers_late_is_connected() {
    run(async {
        let mut silent = Silent::new("127.0.0.1:0")?;
        let addresses = [silent.address, refusing("127.0.0.1:0")?];
        let connecting = timeout(SOON, TcpStream::connect(addresses));
        let answering = async {
            qtloop::time::sleep(Duration::from_millis(300)).await; // the other attempt has failed
            silent.answer();
        };
        let (stream, ()) = futures_lite::future::zip(connecting, answering).await;
        assert_eq!(stream??.peer_addr()?, addresses[0]);
        Ok(())
    });
}

fn connect_error_is_that_of_the_last_attempt() {
    run(async {
        let refuses = refusing("127.0.0.1:0")?;
        // This address fails in the system call.
        let broadcast = SocketAddr::from(([255, 255, 255, 255], 9));
        let error = TcpStream::connect([broadcast, refuses]).await;
        let error = error.expect_err("no listener");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = TcpStream::connect([refuses, broadcast]).await;
        let error = error.expect_err("no listener");
        assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
}

fn other_attempts_are_closed_after_the_first_success() {
    run(async {
        let (first, second) = (Silent::new("127.0.0.1:0")?, Silent::new("127.0.0.1:0")?);
        let (listener, address) = listening("127.0.0.1:0").await?;
        let before = descriptors();
        let addresses = [first.address, second.address, address];
        let stream = timeout(SOON, TcpStream::connect(addresses)).await??;
        assert_eq!(descriptors(), before + 1);
        let (accepted, from) = listener.accept().await?;
        assert_eq!(from, stream.local_addr()?);
        drop((stream, accepted));
        assert_eq!(descriptors(), before);
        Ok(())
    });
}

fn dropped_connect_closes_all_attempts() {
    run(async {
        let (first, second) = (Silent::new("127.0.0.1:0")?, Silent::new("127.0.0.1:0")?);
        let before = descriptors();
        let connecting = TcpStream::connect([first.address, second.address]);
        assert!(
            timeout(Duration::from_millis(300), connecting)
                .await
                .is_err()
        );
        assert_eq!(descriptors(), before);
        Ok(())
    });
}

fn ipv6_and_ipv4_are_tried_in_turn() {
    if net::TcpListener::bind("[::1]:0").is_err() {
        return; // a system without IPv6
    }
    run(async {
        let (first, second) = (Silent::new("[::1]:0")?, Silent::new("[::1]:0")?);
        let (_listener, address) = listening("127.0.0.1:0").await?;
        let mut addresses = vec![first.address];
        addresses.extend([second.address; 100]);
        addresses.push(address); // the last of the list is the second attempt
        let stream = timeout(SOON, TcpStream::connect(&addresses[..])).await??;
        assert_eq!(stream.peer_addr()?, address);
        let (_listener, address) = listening("[::1]:0").await?;
        let silent = Silent::new("127.0.0.1:0")?;
        let addresses = [silent.address, address];
        let stream = timeout(SOON, TcpStream::connect(addresses)).await??;
        assert_eq!(stream.peer_addr()?, address);
        Ok(())
    });
}

fn single_address_has_no_time_limit() {
    run(async {
        let mut silent = Silent::new("127.0.0.1:0")?;
        let address = silent.address;
        let connecting = async { timeout(SOON, TcpStream::connect(address)).await? };
        let answering = async {
            qtloop::time::sleep(Duration::from_millis(400)).await;
            silent.answer();
        };
        let (stream, ()) = futures_lite::future::zip(connecting, answering).await;
        assert_eq!(stream?.peer_addr()?, address);
        Ok(())
    });
}

fn connect_continues_on_another_thread() {
    let event_loop = attached();
    event_loop.block_on(async {
        let silent = Silent::new("127.0.0.1:0").expect("a socket");
        let (_listener, address) = listening("127.0.0.1:0").await.expect("a socket");
        let mut connecting = Box::pin(TcpStream::connect([silent.address, address]));
        assert!(poll_once(&mut connecting).await.is_none());
        let elsewhere = unblock(move || futures_lite::future::block_on(connecting));
        let stream = timeout(SOON, elsewhere).await.expect("in time");
        let peer = stream.expect("a connection").peer_addr();
        assert_eq!(peer.expect("a peer"), address);
    });
}
