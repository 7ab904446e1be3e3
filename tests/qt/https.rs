//! Tests of HTTP over TLS with rustls over our sockets, with a certificate made here.

use std::io;
use std::sync::Arc;

use futures_rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use futures_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use futures_rustls::{TlsAcceptor, TlsConnector, client};
use hyper::server::conn::http1;
use qtloop::net::TcpStream;

use crate::http::{Client, Server, answer, patterned, pieces};
use crate::trials;
use crate::world::run;

trials![
    request_over_tls_is_answered,
    megabytes_over_tls_arrive_intact,
    untrusted_certificate_is_refused,
    certificate_of_another_name_is_refused,
];

/// Without AES: valgrind reports uninitialised values in ring's assembly for it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..ring::default_provider()
    })
}

/// Starts a server for `localhost`, and returns it with its certificate.
async fn serving() -> io::Result<(Server, CertificateDer<'static>)> {
    let names = ["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let wrap = async move |tcp| acceptor.accept(tcp).await;
    let server = Server::begin(http1::Builder::new(), wrap, answer).await?;
    Ok((server, certificate))
}

/// Connects a TLS stream to a server of this name, with these trusted certificates.
async fn stream(
    server: &Server,
    name: &'static str,
    trusted: &[CertificateDer<'static>],
) -> io::Result<client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// Checks that both ends refuse the connection, and that a client that trusts the server is served.
async fn is_refused(
    mut server: Server,
    refused: io::Result<client::TlsStream<TcpStream>>,
    certificate: CertificateDer<'static>,
) -> io::Result<()> {
    let error = refused.expect_err("no reason to trust");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    let end = server.ended.recv().await.expect("a connection");
    assert!(end.is_err());
    let mut client = Client::over(stream(&server, "localhost", &[certificate]).await?).await?;
    assert_eq!(client.get("/").await?, "hello");
    Ok(())
}

fn request_over_tls_is_answered() {
    run(async {
        let (server, certificate) = serving().await?;
        let mut client = Client::over(stream(&server, "localhost", &[certificate]).await?).await?;
        for _ in 0..3 {
            assert_eq!(client.get("/").await?, "hello");
        }
        assert_eq!(server.connections.borrow().len(), 1);
        Ok(())
    });
}

fn megabytes_over_tls_arrive_intact() {
    run(async {
        let (server, certificate) = serving().await?;
        let mut client = Client::over(stream(&server, "localhost", &[certificate]).await?).await?;
        let (sent, expected) = patterned(2 << 20);
        let echoed = client.ask("/echo", pieces(sent)).await?;
        expected.all_of(echoed.into_body()).await
    });
}

fn untrusted_certificate_is_refused() {
    run(async {
        let (server, certificate) = serving().await?;
        let refused = stream(&server, "localhost", &[]).await;
        is_refused(server, refused, certificate).await
    });
}

fn certificate_of_another_name_is_refused() {
    run(async {
        let (server, certificate) = serving().await?;
        let refused = stream(&server, "example.org", std::slice::from_ref(&certificate)).await;
        is_refused(server, refused, certificate).await
    });
}
