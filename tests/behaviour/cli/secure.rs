//! A small server with TLS.

use std::{io::Write, sync::Arc};

use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::door::{Door, Paper, hold};

/// TLS with that certificate, and an answer on it; `strict`: to clients that have one of the same authority.
pub fn secure(paper: &Paper, strict: bool) -> Door {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(paper.server.0.as_bytes())
        .collect::<Result<_, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(paper.server.1.as_bytes()).expect("a key");
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(paper.ca.as_bytes()).expect("a certificate");
    roots.add(authority).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3");
    let builder = match strict {
        true => builder.with_client_cert_verifier(verifier.build().expect("it has an authority")),
        false => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(chain, key).expect("a pair");
    let config = Arc::new(config);
    Door::raw(move |stream, _| {
        let connection = ServerConnection::new(config.clone()).expect("it is sound");
        let Ok(stream) = stream.try_clone() else { return };
        let mut secured = StreamOwned::new(connection, stream);
        let _ = secured.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        let _ = secured.flush();
        let mut stream = secured.sock;
        hold(&mut stream);
    })
}
