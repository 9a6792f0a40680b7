use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Map, Value, json};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::{
    secrets::Secrets,
    texts::{Text, Values, long_enough, read},
};
use crate::scenario::{Claim, Jwt, JwtAlgorithm};

/// Makes JSON Web Tokens (RFC 7519) in their compact form (RFC 7515, section 7.1).
pub(super) struct Mint {
    key: Key,
    header: String,
    claims: Vec<(String, Filled)>,
    ttl: Duration,
}

enum Key {
    Hmac(hmac::Key),
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>, SystemRandom),
}

enum Filled {
    Text(Text),
    Plain(Value),
    List(Vec<Filled>),
    Map(Vec<(String, Filled)>),
}

impl Mint {
    /// # Errors
    /// In words: the key is not there, or is none for that algorithm.
    pub fn new(jwt: &Jwt, secrets: &mut Secrets) -> Result<Self, String> {
        let text = read(&jwt.key, secrets).map_err(|why| format!("the key of `jwt`: {why}"))?;
        long_enough("the key of `jwt`", text.len())?;
        let (algorithm, key) = match jwt.algorithm {
            JwtAlgorithm::Hs256 => (
                "HS256",
                Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())),
            ),
            JwtAlgorithm::Rs256 => ("RS256", Key::Rsa(Box::new(rsa(&text)?))),
            JwtAlgorithm::Es256 => ("ES256", ecdsa(&text)?),
        };
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let Some(id) = &jwt.key_id {
            header["kid"] = id.as_str().into();
        }
        Ok(Self {
            key,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            claims: map(&jwt.claims, secrets)?,
            ttl: jwt.ttl,
        })
    }

    /// The columns of credentials that its claims need.
    pub fn columns(&self) -> Vec<&str> {
        let mut all = Vec::new();
        self.claims.iter().for_each(|(_, claim)| claim.columns(&mut all));
        all
    }

    /// A token for one peer, issued at `now` (seconds since 1970).
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn token(&self, values: &Values<'_>, now: u64) -> Result<String, String> {
        let mut claims = filled(&self.claims, values);
        claims.entry("iat").or_insert_with(|| now.into());
        let expires = now.saturating_add(self.ttl.as_secs().max(1));
        claims.entry("exp").or_insert_with(|| expires.into());
        let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
        let signed = format!("{}.{claims}", self.header);
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "a token can't be signed: there is no randomness".to_owned();
        match &self.key {
            Key::Hmac(key) => Ok(hmac::sign(key, bytes).as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Key::Ecdsa(key, random) => {
                let signature = key.sign(random, bytes).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl Filled {
    fn of(claim: &Claim, secrets: &mut Secrets) -> Result<Self, String> {
        Ok(match claim {
            Claim::Text(template) => Self::Text(Text::of(template, secrets)?),
            Claim::Plain(plain) => Self::Plain(plain.clone()),
            Claim::List(items) => {
                let items = items.iter().map(|item| Self::of(item, secrets));
                Self::List(items.collect::<Result<_, String>>()?)
            }
            Claim::Map(entries) => Self::Map(map(entries, secrets)?),
        })
    }

    fn columns<'s>(&'s self, into: &mut Vec<&'s str>) {
        match self {
            Self::Text(text) => into.extend(text.columns()),
            Self::Plain(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.columns(into)),
            Self::Map(entries) => entries.iter().for_each(|(_, item)| item.columns(into)),
        }
    }

    fn value(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Text(text) => text.fill(values).into(),
            Self::Plain(plain) => plain.clone(),
            Self::List(items) => items.iter().map(|item| item.value(values)).collect(),
            Self::Map(entries) => Value::Object(filled(entries, values)),
        }
    }
}

fn map(claims: &[(String, Claim)], secrets: &mut Secrets) -> Result<Vec<(String, Filled)>, String> {
    let all = claims
        .iter()
        .map(|(name, claim)| Ok((name.clone(), Filled::of(claim, secrets)?)));
    all.collect()
}

fn filled(entries: &[(String, Filled)], values: &Values<'_>) -> Map<String, Value> {
    entries
        .iter()
        .map(|(name, item)| (name.clone(), item.value(values)))
        .collect()
}

fn rsa(pem: &str) -> Result<RsaKeyPair, String> {
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(no_key("RSA")),
    };
    key.map_err(|why| format!("{}: {why}", no_key("RSA")))
}

fn ecdsa(pem: &str) -> Result<Key, String> {
    let Ok(PrivateKeyDer::Pkcs8(der)) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        return Err(no_key("P-256"));
    };
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random);
    let key = key.map_err(|why| format!("{}: {why}", no_key("P-256")))?;
    Ok(Key::Ecdsa(Box::new(key), random))
}

fn no_key(kind: &str) -> String {
    format!(
        "the key of `jwt` is no private key of the kind {kind} in PEM (`-----BEGIN PRIVATE KEY-----`, PKCS #8)"
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PublicKeyData};
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::scenario::{PeerVariable, Secret, Template};

    fn jwt(algorithm: JwtAlgorithm, key: &str) -> Jwt {
        let text = |parts: Vec<crate::scenario::Part>| Claim::Text(Template(parts));
        Jwt {
            algorithm,
            key: Secret::Literal(key.to_owned()),
            key_id: Some("k1".to_owned()),
            claims: vec![
                (
                    "sub".to_owned(),
                    text(vec![crate::scenario::Part::Peer(PeerVariable::User)]),
                ),
                ("admin".to_owned(), Claim::Plain(true.into())),
                (
                    "grants".to_owned(),
                    Claim::Map(vec![(
                        "rooms".to_owned(),
                        Claim::List(vec![text(vec![crate::scenario::Part::Peer(PeerVariable::Room)])]),
                    )]),
                ),
            ],
            ttl: Duration::from_secs(60),
        }
    }

    fn token(of: &Jwt) -> (String, Vec<u8>, Value) {
        let mint = Mint::new(of, &mut Secrets::default()).expect("a key");
        let values = Values {
            user: "u7",
            room: "r1",
            ..Values::default()
        };
        let token = mint.token(&values, 1_000).expect("it signs");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (_, claims) = signed.split_once('.').expect("three parts");
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let claims = serde_json::from_slice(&decode(claims)).expect("JSON");
        (signed.to_owned(), decode(signature), claims)
    }

    #[test]
    fn a_token_says_what_its_claims_say_of_its_peer_and_is_signed_with_the_secret() {
        let (signed, signature, claims) = token(&jwt(JwtAlgorithm::Hs256, "the shared secret"));
        let expected = json!({
            "sub": "u7", "admin": true, "grants": { "rooms": ["r1"] }, "iat": 1_000, "exp": 1_060,
        });
        assert_eq!(claims, expected);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"the shared secret");
        assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
        let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap_or_default());
        let header: Value = serde_json::from_slice(&header.expect("base64url")).expect("JSON");
        assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" }));
    }

    /// RFC 7515, appendix A.2.
    #[test]
    fn rs256_signs_as_the_rfc_does() {
        let input = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let expected = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        for key in [
            include_str!("../../../tests/data/jwt/rs256.pem"),
            include_str!("../../../tests/data/jwt/rs256.pkcs1.pem"),
        ] {
            let mint = Mint::new(&jwt(JwtAlgorithm::Rs256, key), &mut Secrets::default());
            let signature = mint.expect("a key").sign(input.as_bytes()).expect("it signs");
            assert_eq!(URL_SAFE_NO_PAD.encode(signature), expected);
        }
    }

    #[test]
    fn es256_is_verified_by_the_public_key() {
        let pair = KeyPair::generate().expect("a key of P-256");
        let (signed, signature, _) = token(&jwt(JwtAlgorithm::Es256, &pair.serialize_pem()));
        assert_eq!(signature.len(), 64, "RFC 7518, section 3.4: not DER");
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.der_bytes());
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
    }

    #[test]
    fn a_key_of_another_kind_is_told_without_being_shown() {
        let pair = KeyPair::generate().expect("a key of P-256").serialize_pem();
        for (algorithm, key) in [
            (JwtAlgorithm::Rs256, pair.as_str()),
            (JwtAlgorithm::Rs256, "word-of-mine"),
            (JwtAlgorithm::Es256, "word-of-mine"),
        ] {
            let told = Mint::new(&jwt(algorithm, key), &mut Secrets::default());
            let told = told.err().expect("no such key");
            assert!(told.contains("PEM") && !told.contains("word-of-mine"), "{told}");
        }
    }
}
