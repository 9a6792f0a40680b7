use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use webrtc::peer_connection::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey,
    RTCCrypto, RTCCryptoProvider, RTCRandom, SecretVec, SignatureScheme, SigningKey, StreamCipher,
    StreamCipherAlgorithm, default_provider,
};

/// The commonest length of an ECDSA P-256 signature in DER: 70 to 72 bytes in all but one of a hundred.
const SIGNATURE_BYTES: usize = 71;
/// One try in two has that length; so many fail only if something else is wrong.
const MAX_TRIES: u32 = 64;

/// The stack's own provider with randomness that is the seed's, for one connection.
///
/// Keys and signatures are still the operating system's: nothing but their lengths shows in a simulation.
/// Those are made the same, for a link with a rate turns a byte into microseconds.
pub(super) struct SeededProvider {
    crypto: SteadyCrypto,
    random: SeededRandom,
}

impl SeededProvider {
    pub fn new(rng: ChaCha8Rng) -> Self {
        let inner = default_provider().expect("the stack has a built-in provider");
        Self {
            crypto: SteadyCrypto(inner),
            random: SeededRandom(Mutex::new(rng)),
        }
    }
}

impl RTCCryptoProvider for SeededProvider {
    fn name(&self) -> &'static str {
        "rtcstorm-sim"
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        &self.crypto
    }

    fn random(&self) -> &dyn RTCRandom {
        &self.random
    }
}

struct SeededRandom(Mutex<ChaCha8Rng>);

impl RTCRandom for SeededRandom {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(output);
        Ok(())
    }
}

/// The stack's own cryptography, whose results have one length.
struct SteadyCrypto(Arc<dyn RTCCryptoProvider>);

impl SteadyCrypto {
    fn inner(&self) -> &dyn RTCCrypto {
        self.0.crypto()
    }

    /// Whether a certificate of that key has a serial number of full length. It is the beginning of the key's
    /// hash without the highest bit (rcgen), and DER leaves leading zeros out.
    fn has_full_serial(&self, key: &dyn SigningKey) -> Result<bool, CryptoError> {
        let hash = self.inner().hash(HashAlgorithm::Sha256, key.public_key().bytes)?;
        Ok(hash.first().is_some_and(|first| first & 0x7f != 0))
    }
}

impl RTCCrypto for SteadyCrypto {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.inner().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.inner().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.inner().new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        self.inner().new_aead(algorithm, key)
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        let mut key = self.inner().generate_signing_key(scheme)?;
        for _ in 0..MAX_TRIES {
            if self.has_full_serial(&*key)? {
                break;
            }
            key = self.inner().generate_signing_key(scheme)?;
        }
        Ok(Arc::new(SteadyKey(key)))
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        let key = self.inner().import_signing_key(scheme, pkcs8_der)?;
        Ok(Arc::new(SteadyKey(key)))
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner()
            .verify_signature(scheme, public_key, message, signature)
    }
}

/// A key that signs until the signature has the usual length.
struct SteadyKey(Arc<dyn SigningKey>);

impl SigningKey for SteadyKey {
    fn supports(&self, scheme: SignatureScheme) -> bool {
        self.0.supports(scheme)
    }

    fn public_key(&self) -> PublicKey<'_> {
        self.0.public_key()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut signature = self.0.sign(scheme, message)?;
        if scheme == SignatureScheme::EcdsaP256Sha256 {
            for _ in 0..MAX_TRIES {
                if signature.len() == SIGNATURE_BYTES {
                    break;
                }
                signature = self.0.sign(scheme, message)?;
            }
        }
        Ok(signature)
    }

    fn to_pkcs8_der(&self) -> Result<Option<SecretVec>, CryptoError> {
        self.0.to_pkcs8_der()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};

    use super::*;

    fn certificate_lengths(crypto: &dyn RTCCrypto, count: usize) -> BTreeSet<usize> {
        let lengths = (0..count).map(|_| {
            let params = CertificateParams::new(vec!["sixteen-letters-".to_owned()]).expect("a name");
            let scheme = SignatureScheme::EcdsaP256Sha256;
            let certificate = RTCCertificate::generate(crypto, scheme, params).expect("a certificate");
            certificate.serialize_pem().expect("it can be written").len()
        });
        lengths.collect()
    }

    #[test]
    fn certificates_and_signatures_have_one_length() {
        let provider = SeededProvider::new(ChaCha8Rng::seed_from_u64(1));
        assert_eq!(certificate_lengths(provider.crypto(), 400).len(), 1);
        let key = provider
            .crypto()
            .generate_signing_key(SignatureScheme::EcdsaP256Sha256)
            .expect("a key");
        for message in 0..100_u8 {
            let signature = key.sign(SignatureScheme::EcdsaP256Sha256, &[message]);
            assert_eq!(signature.expect("it signs").len(), SIGNATURE_BYTES);
        }
        let plain = default_provider().expect("built in");
        assert!(
            certificate_lengths(plain.crypto(), 40).len() > 1,
            "this has become needless"
        );
    }

    #[test]
    fn what_is_drawn_is_the_seeds() {
        let draw = |seed| {
            let mut drawn = [0; 16];
            let provider = SeededProvider::new(ChaCha8Rng::seed_from_u64(seed));
            provider.random().fill(&mut drawn).expect("it never fails");
            drawn
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
