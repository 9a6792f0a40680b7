use std::{fmt, io, sync::Arc};

use thiserror::Error;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
};

/// A certificate chain and its key. With it a server speaks TLS 1.2 and 1.3, and nothing else.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificates are no PEM.
    #[error("the certificate cannot be read: {0}")]
    Certificate(pem::Error),
    /// There is no certificate.
    #[error(
        "there is no certificate: PEM with `-----BEGIN CERTIFICATE-----` is expected, the server's own first"
    )]
    NoCertificate,
    /// There is no key.
    #[error(
        "there is no private key that can be read: PEM with `-----BEGIN PRIVATE KEY-----` is expected, not encrypted ({0})"
    )]
    Key(pem::Error),
    /// They are no pair, or of a kind that is not supported.
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    /// Reads a chain (the server's own certificate first) and its key, both PEM.
    ///
    /// # Errors
    /// One of them is missing or cannot be read, or they do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) async fn accept(
        &self,
        stream: tokio::net::TcpStream,
    ) -> io::Result<tokio_rustls::server::TlsStream<tokio::net::TcpStream>> {
        TlsAcceptor::from(self.0.clone()).accept(stream).await
    }
}

impl PartialEq for Tls {
    /// The very same one: keys are not compared.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (cert.pem(), signing_key.serialize_pem());
        let error = |cert: &str, key: &str| {
            let error = Tls::from_pem(cert.as_bytes(), key.as_bytes()).expect_err("unusable");
            error.to_string()
        };
        assert!(Tls::from_pem(cert.as_bytes(), key.as_bytes()).is_ok());
        assert!(error("", &key).contains("no certificate"));
        assert!(error(&key, &key).contains("no certificate"));
        assert!(error(&cert.replace("-----END", "----"), &key).contains("certificate cannot be read"));
        assert!(error(&cert, &cert).contains("no private key"));
        let other = KeyPair::generate().expect("a key").serialize_pem();
        assert!(error(&cert, &other).contains("cannot be used"));
    }
}
