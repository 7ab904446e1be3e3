//! Tests of HTTP connections that end by cancellation, half-close, reset or timeout: other
//! connections continue.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::{Request, Response, body::Incoming};
use qtloop::hyper::Timer;
use qtloop::net::TcpStream;
use qtloop::spawn_local;
use qtloop::task::yield_now;
use qtloop::time::timeout;
use tokio::sync::Notify;

use crate::http::{Client, Server, answer, pieces, whole};
use crate::trials;
use crate::world::{attached, run};

trials![
    aborted_download_ends_only_its_connection,
    dropped_download_ends_only_its_connection,
    dropped_upload_ends_only_its_connection,
    aborted_server_task_ends_only_its_connection,
    client_that_has_shut_down_writing_is_answered,
    reset_ends_only_its_connection,
    slow_client_makes_the_server_wait,
    slow_request_is_dropped_by_a_timeout,
    incomplete_request_head_times_out,
    handler_may_run_a_nested_loop,
];

/// Reads a part of a body.
async fn reach_the_middle(body: &mut Incoming) -> io::Result<()> {
    for _ in 0..20 {
        let frame = body.frame().await.expect("no end");
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Reads an endless body, and notifies after a part of it.
async fn download(mut client: Client, middle: Rc<Notify>) -> io::Result<()> {
    let mut body = client.ask("/endless", whole("")).await?.into_body();
    reach_the_middle(&mut body).await?;
    middle.notify_one();
    while let Some(frame) = body.frame().await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Checks that one connection has ended early, and that the other one still works.
async fn one_has_ended_and_no_other(server: &mut Server, other: &mut Client) -> io::Result<()> {
    let end = server.ended.recv().await.expect("a connection");
    assert!(end.is_err(), "it was whole");
    assert_eq!(other.get("/").await?, "hello");
    assert!(server.ended.try_recv().is_err(), "another has ended");
    Ok(())
}

async fn with_another() -> io::Result<(Server, Client)> {
    let server = Server::start(answer).await?;
    let mut other = Client::connect(server.address).await?;
    assert_eq!(other.get("/").await?, "hello");
    Ok((server, other))
}

fn aborted_download_ends_only_its_connection() {
    run(async {
        let (mut server, mut other) = with_another().await?;
        let middle = Rc::new(Notify::new());
        let client = Client::connect(server.address).await?;
        let task = spawn_local(download(client, Rc::clone(&middle)));
        middle.notified().await;
        task.abort();
        assert!(task.await.is_err());
        one_has_ended_and_no_other(&mut server, &mut other).await
    });
}

fn dropped_download_ends_only_its_connection() {
    run(async {
        let (mut server, mut other) = with_another().await?;
        let middle = Rc::new(Notify::new());
        let client = Client::connect(server.address).await?;
        let reached = async {
            middle.notified().await;
            Ok(())
        };
        future::or(reached, download(client, Rc::clone(&middle))).await?;
        one_has_ended_and_no_other(&mut server, &mut other).await
    });
}

fn dropped_upload_ends_only_its_connection() {
    run(async {
        let (mut server, mut other) = with_another().await?;
        let mut client = Client::connect(server.address).await?;
        let endless = pieces(std::iter::repeat(Bytes::from_static(&[7; 4096])));
        let mut body = client.ask("/echo", endless).await?.into_body();
        reach_the_middle(&mut body).await?;
        drop((body, client));
        one_has_ended_and_no_other(&mut server, &mut other).await
    });
}

fn aborted_server_task_ends_only_its_connection() {
    run(async {
        let (mut server, mut other) = with_another().await?;
        let middle = Rc::new(Notify::new());
        let client = Client::connect(server.address).await?;
        let task = spawn_local(download(client, Rc::clone(&middle)));
        middle.notified().await;
        server.connections.borrow()[1].abort();
        assert!(task.await?.is_err(), "the body was not whole");
        assert_eq!(other.get("/").await?, "hello");
        assert!(server.ended.try_recv().is_err(), "another has ended");
        Ok(())
    });
}

fn client_that_has_shut_down_writing_is_answered() {
    run(async {
        let mut settings = http1::Builder::new();
        settings.half_close(true);
        let late = |request| async {
            for _ in 0..10 {
                yield_now().await; // the server sees the end of the requests during these
            }
            answer(request).await
        };
        let mut server = Server::begin(settings, async |tcp| Ok(tcp), late).await?;
        let mut stream = TcpStream::connect(server.address).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await?;
        stream.close().await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(said.ends_with("\r\n\r\nhello"), "{said}");
        let end = server.ended.recv().await.expect("a connection");
        end.expect("all was said");
        Ok(())
    });
}

fn reset_ends_only_its_connection() {
    run(async {
        let (mut server, mut other) = with_another().await?;
        let mut stream = TcpStream::connect(server.address).await?;
        stream
            .write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await?;
        stream.read_exact(&mut [0; 9999]).await?;
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        drop(stream);
        one_has_ended_and_no_other(&mut server, &mut other).await
    });
}

fn slow_client_makes_the_server_wait() {
    const PIECES: usize = 1024;
    let piece = Bytes::from(vec![7; 1 << 16]);
    let produced = Rc::new(Cell::new(0));
    let counts = Rc::clone(&produced);
    let sent = std::iter::repeat_n(piece.clone(), PIECES);
    let body = pieces(sent.inspect(move |_| counts.set(counts.get() + 1)));
    let body = Rc::new(Cell::new(Some(body)));
    run(async move {
        let server = Server::start(move |_| {
            let body = body.take().expect("one request");
            async move { Response::new(body) }
        });
        let server = server.await?;
        let mut client = Client::connect(server.address).await?;
        let mut body = client.ask("/", whole("")).await?.into_body();
        // The client does not read; the server writes until the system's buffers are full.
        let mut before = 0;
        while before == 0 || produced.get() > before {
            before = produced.get();
            for _ in 0..100 {
                yield_now().await;
            }
        }
        assert!(produced.get() < PIECES, "the server did not wait");
        let mut got = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            got += frame.data_ref().expect("no trailers").len();
            yield_now().await;
        }
        assert_eq!((produced.get(), got), (PIECES, PIECES * piece.len()));
        Ok(())
    });
}

fn slow_request_is_dropped_by_a_timeout() {
    let asked = Rc::new(Notify::new());
    let reached = Rc::clone(&asked);
    let answer = move |request: Request<Incoming>| {
        let reached = Rc::clone(&reached);
        async move {
            if request.uri().path() == "/never" {
                reached.notify_one();
                pending::<()>().await;
            }
            answer(request).await
        }
    };
    run(async {
        let mut server = Server::start(answer).await?;
        let mut other = Client::connect(server.address).await?;
        let mut client = Client::connect(server.address).await?;
        {
            let mut request = pin!(client.get("/never"));
            let begun = async {
                asked.notified().await;
                None
            };
            let early = future::or(begun, async { Some(request.as_mut().await) });
            assert!(early.await.is_none());
            assert!(timeout(Duration::from_millis(2), request).await.is_err());
        }
        drop(client);
        one_has_ended_and_no_other(&mut server, &mut other).await
    });
}

fn incomplete_request_head_times_out() {
    run(async {
        let mut settings = http1::Builder::new();
        settings.timer(Timer);
        settings.header_read_timeout(Duration::from_millis(20));
        let mut server = Server::begin(settings, async |tcp| Ok(tcp), answer).await?;
        let mut stream = TcpStream::connect(server.address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: loc").await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?; // until the server closes the connection
        assert!(!said.contains("hello"), "{said}");
        let end = server.ended.recv().await.expect("a connection");
        assert!(end.is_err());
        Ok(())
    });
}

fn handler_may_run_a_nested_loop() {
    let event_loop = Rc::new(attached());
    let inside = Rc::downgrade(&event_loop);
    let within = async {
        let server = Server::start(move |request| {
            let inside = inside.upgrade();
            async move {
                if request.uri().path() != "/nested" {
                    return answer(request).await;
                }
                let address = request.headers()["address"].to_str().expect("words");
                let address = address.parse().expect("an address");
                // A second request to the same server, during the first one's nested loop.
                let nested = async { Client::connect(address).await?.get("/").await };
                let said = inside.expect("the loop").block_on(nested);
                Response::new(whole(said.expect("an answer")))
            }
        });
        let server = server.await?;
        let mut stream = TcpStream::connect(server.address).await?;
        let head = format!(
            "GET /nested HTTP/1.0\r\naddress: {}\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        assert!(said.ends_with("\r\n\r\nhello"), "{said}");
        io::Result::Ok(())
    };
    let limited = async { timeout(Duration::from_secs(60), within).await };
    let done = event_loop.block_on(limited);
    done.expect("the test hung").expect("no error");
}
