//! Tests of HTTP with hyper over our sockets, with the client and the server on one loop.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::{AsyncRead, AsyncWrite, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::rt::{Executor as _, Read as _, ReadBuf, Timer as _, Write as _};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use qtloop::hyper::{Executor, Io, Timer};
use qtloop::net::{TcpListener, TcpStream};
use qtloop::task::AbortOnDrop;
use qtloop::{JoinHandle, spawn_local};
use tokio::sync::{Notify, mpsc};

use crate::sockets::allow_many_descriptors;
use crate::trials;
use crate::world::{attached, run};

trials![
    http_request_is_answered,
    connection_is_kept_for_the_next_request,
    ten_megabytes_are_echoed_intact,
    thousand_http_connections_are_served_at_once,
    several_buffers_are_written_by_one_call,
    stream_that_returns_too_large_a_count_panics,
    background_futures_of_hyper_need_not_be_send,
    timer_is_reset_in_place,
];

/// A body of any kind; it need not be `Send`.
pub(crate) type Body = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = io::Error>>>;

pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Box::pin(Full::new(bytes.into()).map_err(|never| match never {}))
}

pub(crate) fn pieces(pieces: impl Iterator<Item = Bytes> + 'static) -> Body {
    let frames = pieces.map(|piece| Ok(Frame::data(piece)));
    Box::pin(StreamBody::new(stream::iter(frames)))
}

/// Returns "hello", or the body of the request.
pub(crate) async fn answer(request: Request<Incoming>) -> Response<Body> {
    Response::new(match request.uri().path() {
        "/echo" => Box::pin(request.into_body().map_err(io::Error::other)) as Body,
        "/endless" => pieces(std::iter::repeat(Bytes::from_static(&[7; 4096]))),
        _ => whole("hello"),
    })
}

/// A server on the loop until it is dropped; its connections continue.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Receives each connection that was made.
    pub(crate) connections: Rc<RefCell<Vec<JoinHandle<()>>>>,
    /// Receives the result of each connection.
    pub(crate) ended: mpsc::UnboundedReceiver<Result<(), Box<dyn Error>>>,
    _accepting: AbortOnDrop<()>,
}

impl Server {
    pub(crate) async fn start<R>(
        answer: impl Fn(Request<Incoming>) -> R + Clone + 'static,
    ) -> io::Result<Server>
    where
        R: Future<Output = Response<Body>> + 'static,
    {
        Server::begin(
            server::conn::http1::Builder::new(),
            async |tcp| Ok(tcp),
            answer,
        )
        .await
    }

    /// Starts a server with these settings; `wrap` converts each connection to a stream.
    pub(crate) async fn begin<S, W, R>(
        settings: server::conn::http1::Builder,
        wrap: W,
        answer: impl Fn(Request<Incoming>) -> R + Clone + 'static,
    ) -> io::Result<Server>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        W: AsyncFn(TcpStream) -> io::Result<S> + Clone + 'static,
        R: Future<Output = Response<Body>> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let connections = Rc::new(RefCell::new(Vec::new()));
        let (ends, ended) = mpsc::unbounded_channel();
        let all = Rc::clone(&connections);
        let accepting = spawn_local(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                let (settings, wrap, answer, ends) =
                    (settings.clone(), wrap.clone(), answer.clone(), ends.clone());
                let connection = async move {
                    let stream = Io::new(wrap(tcp).await?);
                    let service = service_fn(move |request| {
                        let answer = answer(request);
                        async { Ok::<_, Infallible>(answer.await) }
                    });
                    settings.serve_connection(stream, service).await?;
                    Ok(())
                };
                let task = spawn_local(async move {
                    let end = connection.await;
                    let _ = ends.send(end); // the test may have ended
                });
                all.borrow_mut().push(task);
            }
        });
        Ok(Server {
            address,
            connections,
            ended,
            _accepting: accepting.abort_on_drop(),
        })
    }
}

/// A client's connection, until it is dropped.
pub(crate) struct Client {
    sender: client::conn::http1::SendRequest<Body>,
    _connection: AbortOnDrop<hyper::Result<()>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::over(TcpStream::connect(address).await?).await
    }

    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> io::Result<Client> {
        let made = client::conn::http1::handshake(Io::new(stream)).await;
        let (sender, connection) = made.map_err(io::Error::other)?;
        Ok(Client {
            sender,
            _connection: spawn_local(connection).abort_on_drop(),
        })
    }

    pub(crate) async fn ask(&mut self, path: &str, body: Body) -> io::Result<Response<Incoming>> {
        let request = Request::post(path).header("host", "localhost").body(body);
        let request = request.map_err(io::Error::other)?;
        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self.sender.send_request(request).await;
        response.map_err(io::Error::other)
    }

    /// Returns the whole answer to a request without a body.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Bytes> {
        let body = self.ask(path, whole("")).await?.collect().await;
        Ok(body.map_err(io::Error::other)?.to_bytes())
    }
}

/// Makes a body of `length` bytes in pieces of odd lengths, and the check for it.
pub(crate) fn patterned(length: usize) -> (impl Iterator<Item = Bytes>, Expected) {
    let block: Bytes = (0..65_537_u32)
        .map(|index| (index * 7 % 251) as u8)
        .collect();
    let lengths = [1, 4096, 65_537, 10_007, 16_384].into_iter().cycle();
    let pieces: Vec<_> = lengths
        .scan(length, |left, piece| {
            let piece = block.slice(..piece.min(*left));
            *left -= piece.len();
            (!piece.is_empty()).then_some(piece)
        })
        .collect();
    let bytes = pieces.concat();
    (pieces.into_iter(), Expected { bytes, seen: 0 })
}

/// The expected bytes, and the number of bytes received.
pub(crate) struct Expected {
    bytes: Vec<u8>,
    seen: usize,
}

impl Expected {
    /// Reads a body, and compares each piece when it arrives.
    pub(crate) async fn all_of(mut self, mut body: Incoming) -> io::Result<()> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            let piece = frame.data_ref().expect("no trailers");
            let end = self.seen + piece.len();
            assert!(
                self.bytes.get(self.seen..end) == Some(piece),
                "{}..{end}",
                self.seen
            );
            self.seen = end;
        }
        assert_eq!(self.seen, self.bytes.len());
        Ok(())
    }
}

fn http_request_is_answered() {
    run(async {
        let server = Server::start(answer).await?;
        let mut client = Client::connect(server.address).await?;
        assert_eq!(client.get("/").await?, "hello");
        Ok(())
    });
}

fn connection_is_kept_for_the_next_request() {
    run(async {
        let mut server = Server::start(answer).await?;
        let mut client = Client::connect(server.address).await?;
        for _ in 0..5 {
            assert_eq!(client.get("/").await?, "hello");
        }
        assert_eq!(server.connections.borrow().len(), 1);
        drop(client);
        let end = server.ended.recv().await.expect("a connection");
        end.expect("nothing was left to say");
        Ok(())
    });
}

fn ten_megabytes_are_echoed_intact() {
    run(async {
        let server = Server::start(answer).await?;
        let mut client = Client::connect(server.address).await?;
        let (sent, expected) = patterned(10 << 20);
        let echoed = client.ask("/echo", pieces(sent)).await?;
        expected.all_of(echoed.into_body()).await
    });
}

fn thousand_http_connections_are_served_at_once() {
    const CROWD: usize = 1000;
    allow_many_descriptors();
    run(async {
        let (here, all) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
        let server = Server::start(move |request| {
            let (here, all) = (Rc::clone(&here), Rc::clone(&all));
            async move {
                here.set(here.get() + 1);
                // No request is answered before all were received.
                match here.get() {
                    CROWD => all.notify_waiters(),
                    _ => all.notified().await,
                }
                answer(request).await
            }
        });
        let server = server.await?;
        let address = server.address;
        let clients: Vec<_> = (0..CROWD)
            .map(|_| spawn_local(async move { Client::connect(address).await?.get("/").await }))
            .collect();
        for client in clients {
            assert_eq!(client.await??, "hello");
        }
        assert_eq!(server.connections.borrow().len(), CROWD);
        Ok(())
    });
}

/// A stream that records its writes, and returns a larger count than was read.
#[derive(Default)]
struct Liar {
    calls: Vec<Vec<usize>>,
}

impl AsyncRead for Liar {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len() + 1))
    }
}

impl AsyncWrite for Liar {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.calls.push(vec![bytes.len()]);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let lengths: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
        let sum = lengths.iter().sum();
        self.calls.push(lengths);
        Poll::Ready(Ok(sum))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn several_buffers_are_written_by_one_call() {
    let mut io = pin!(Io::new(Liar::default()));
    assert!(io.is_write_vectored());
    let mut context = Context::from_waker(Waker::noop());
    let pieces = [IoSlice::new(b"head"), IoSlice::new(b"and body")];
    let written = io.as_mut().poll_write_vectored(&mut context, &pieces);
    assert!(matches!(written, Poll::Ready(Ok(12))));
    assert_eq!(io.get_ref().calls, [[4, 8]]);
}

fn stream_that_returns_too_large_a_count_panics() {
    let caught = std::panic::catch_unwind(|| {
        let mut room = [std::mem::MaybeUninit::uninit(); 8];
        let mut buffer = ReadBuf::uninit(&mut room);
        let mut context = Context::from_waker(Waker::noop());
        let io = pin!(Io::new(Liar::default()));
        io.poll_read(&mut context, buffer.unfilled()).is_ready()
    });
    assert!(caught.is_err());
}

fn background_futures_of_hyper_need_not_be_send() {
    let event_loop = attached();
    let done = Rc::new(Notify::new());
    let tells = Rc::clone(&done);
    Executor.execute(async move { tells.notify_one() });
    event_loop.block_on(done.notified());
}

fn timer_is_reset_in_place() {
    let event_loop = attached();
    let mut sleep = Timer.sleep(Duration::from_secs(3600));
    let place = std::ptr::from_ref(&*sleep).cast::<()>();
    let deadline = Instant::now() + Duration::from_millis(2);
    Timer.reset(&mut sleep, deadline);
    assert_eq!(std::ptr::from_ref(&*sleep).cast::<()>(), place);
    event_loop.block_on(sleep);
    assert!(Instant::now() >= deadline);
    event_loop.block_on(Timer.sleep_until(deadline)); // long ago
}
