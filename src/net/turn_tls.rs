//! Certificates of TURN over TLS: the bundled server's own, and whom clients trust.

use std::{io, net::Ipv4Addr, sync::Arc};

use rcgen::{CertificateParams, KeyPair, SanType};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    },
};

/// A certificate for 127.0.0.1 and `localhost` that signs itself, made for one run.
pub struct Authority {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(super) fn new() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
        params
            .subject_alt_names
            .push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        })
    }

    /// What a client has to trust.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

pub(super) fn acceptor(authority: &Authority) -> io::Result<TlsAcceptor> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(authority.key.clone()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![authority.certificate()], key)
        });
    Ok(TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?)))
}

/// Certificates in PEM.
///
/// # Errors
/// It is no PEM, or there is none in it.
pub fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match found.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "there is no certificate in it (`-----BEGIN CERTIFICATE-----`)",
        )),
        false => Ok(found),
    }
}

/// What opens TLS to TURN servers: trusts the authorities of the system and `more`.
pub(super) fn connector(more: &[CertificateDer<'static>]) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // A store that can't be read is one without authorities: `more` may be all that is needed.
    let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in more {
        roots.add(certificate.clone()).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
