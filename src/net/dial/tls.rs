use std::{fs, io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    },
};

use crate::{
    base::{SignalingEnd, SignalingFailure},
    net::certificates,
    scenario::TargetTls,
};

/// What TLS to a server begins with. `trusted`: authorities beside those of `terms`.
///
/// # Errors
/// In words: a file cannot be read, or what is in it cannot be used.
pub(super) fn connector(
    terms: &TargetTls,
    trusted: &[CertificateDer<'static>],
) -> Result<TlsConnector, String> {
    let provider = Arc::new(ring::default_provider());
    let broken = |what: &str, path: &str, error: &dyn std::fmt::Display| format!("{what}: {path}: {error}");
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?;
    let builder = if terms.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let mut roots = RootCertStore::empty();
        // A store that can't be read is one without authorities: `ca` may be all that is needed.
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for authority in trusted {
            let added = roots.add(authority.clone());
            added.map_err(|error| format!("an authority (--ice-ca): {error}"))?;
        }
        if let Some(path) = &terms.ca {
            let more = fs::read(path).and_then(|pem| certificates(&pem));
            for certificate in more.map_err(|error| broken("`tls.ca` (--ca)", path, &error))? {
                roots
                    .add(certificate)
                    .map_err(|error| broken("`tls.ca` (--ca)", path, &error))?;
            }
        }
        builder.with_root_certificates(roots)
    };
    let mut config = match (&terms.certificate, &terms.key) {
        (Some(certificate), Some(key)) => {
            let what = "`tls.certificate` (--client-cert)";
            let chain = fs::read(certificate).and_then(|pem| certificates(&pem));
            let chain = chain.map_err(|error| broken(what, certificate, &error))?;
            let key_of = "`tls.key` (--client-key)";
            let pem = fs::read(key).map_err(|error| broken(key_of, key, &error))?;
            let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| broken(key_of, key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| broken(what, certificate, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    // HTTP/2 has another opening handshake (RFC 8441).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// TLS on a connection.
pub(super) async fn secure(
    connector: &TlsConnector,
    name: ServerName<'static>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, SignalingEnd> {
    let secured = connector.connect(name, stream).await;
    secured.map_err(|error| {
        let failure = failure_of_tls(&error).unwrap_or(match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => SignalingFailure::ClosedAtOnce,
            _ => SignalingFailure::TlsFailed,
        });
        SignalingEnd::new(failure, format!("TLS: {error}"))
    })
}

/// What an error of a transport means, once it was open.
pub(crate) fn failure_of_io(error: &io::Error) -> SignalingFailure {
    failure_of_tls(error).unwrap_or(SignalingFailure::ConnectionLost)
}

/// What went wrong with TLS, if it was that.
fn failure_of_tls(error: &io::Error) -> Option<SignalingFailure> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => SignalingFailure::TlsCertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                SignalingFailure::TlsWrongHost
            }
            _ => SignalingFailure::TlsUntrusted,
        },
        _ => SignalingFailure::TlsFailed,
    })
}

/// Takes every certificate: whoever is on the way can read along. Signatures are checked, so that it takes at least
/// the key of the certificate that was shown.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
