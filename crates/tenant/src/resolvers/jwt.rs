use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::crypto::rust_crypto;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use super::header::only;
use crate::resolve::invalid;
use crate::{Claim, Named, Resolve, Trust};

const MOST_LEEWAY: u64 = 24 * 60 * 60;

/// Names the tenant by a claim of the JSON Web Token (RFC 7519) in
/// `Authorization: Bearer`.
///
/// The token must be signed by one of the keys, with that key's algorithm, and have an
/// `exp` that is not over; `nbf` is heeded. A token that is refused, and a claim that is no
/// text, are a bad request: this layer does not authenticate, so where clients are to be
/// told that their token is over (RFC 6750: 401), a layer that does stands outside of it. A
/// token without the claim, and whatever is no JSON Web Token of an algorithm known here,
/// names nobody. Its claims are [`Verified`](Trust::Verified).
///
/// The first to be made installs RustCrypto as the provider of `jsonwebtoken` for the whole
/// process, unless the application has installed another before.
///
/// ```
/// use http::Request;
/// use towerblock_tenant::{JwtClaim, JwtKey, Resolve};
///
/// let secret = [7; 32];
/// let claim = JwtClaim::new("tenant", [JwtKey::hs256(&secret)?]).audience("plugins");
///
/// let far = jsonwebtoken::get_current_timestamp() + 60;
/// let token = jsonwebtoken::encode(
///     &jsonwebtoken::Header::default(),
///     &serde_json::json!({ "tenant": "acme", "aud": "plugins", "exp": far }),
///     &jsonwebtoken::EncodingKey::from_secret(&secret),
/// )?;
/// let req = Request::get("/").header("authorization", format!("Bearer {token}")).body(())?;
/// let (parts, ()) = req.into_parts();
/// let named = claim.resolve(&parts)?;
/// assert_eq!(named.as_ref().map(|claim| claim.name()), Some("acme"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct JwtClaim {
    claim: String,
    keys: Vec<JwtKey>,
}

impl JwtClaim {
    /// Takes the claim `claim` of tokens that any of `keys` signed. While keys are rotated,
    /// there is more than one; with none, every token is refused.
    #[must_use]
    pub fn new(claim: impl Into<String>, keys: impl IntoIterator<Item = JwtKey>) -> Self {
        // What an application installed before stays; without any, the first token would
        // panic in a tree that has two.
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        Self {
            claim: claim.into(),
            keys: keys.into_iter().collect(),
        }
    }

    /// Refuses tokens whose `aud` is not, or does not contain, `audience`. Default: tokens
    /// with an `aud` are for somebody else and refused.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.require("aud", |validation| validation.set_audience(&[audience]));
        self
    }

    /// Refuses tokens whose `iss` is not `issuer`. Default: any will do, for the key is
    /// what counts.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.require("iss", |validation| validation.set_issuer(&[issuer]));
        self
    }

    /// Lets clocks differ by so many whole seconds, up to a day. Default: 60 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        for key in &mut self.keys {
            key.validation.leeway = leeway.as_secs().min(MOST_LEEWAY);
        }
        self
    }

    fn require(&mut self, claim: &str, expect: impl Fn(&mut Validation)) {
        for JwtKey { validation, .. } in &mut self.keys {
            validation.required_spec_claims.insert(claim.to_owned());
            expect(validation);
        }
    }

    /// The claims of a token that are text, if the token is one of ours and holds now: for
    /// whoever wants to know more of it than the tenant, such as `sub`.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<HashMap<String, String>> {
        let text = |(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        };
        Some(self.verified(token)?.into_iter().filter_map(text).collect())
    }

    fn verified(&self, token: &str) -> Option<HashMap<String, Value>> {
        let verified = self
            .keys
            .iter()
            .find_map(|JwtKey { key, validation }| decode(token, key, validation).ok());
        verified.map(|token| token.claims)
    }

    /// The claim of a token that one of our keys signed.
    pub(super) fn of_token(&self, token: &str) -> Named<'static> {
        let mut claims = self.verified(token).ok_or(invalid())?;
        match claims.remove(&self.claim) {
            None => Ok(None),
            Some(Value::String(id)) => Ok(Some(Claim::tenant(id, Trust::Verified))),
            Some(_) => Err(invalid()),
        }
    }
}

impl Resolve for JwtClaim {
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        let bearer = only(parts, &AUTHORIZATION)?.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            let token = token.trim_start_matches(' ');
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        match bearer {
            Some(token) if jsonwebtoken::decode_header(token).is_ok() => self.of_token(token),
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for JwtClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtClaim")
            .field("claim", &self.claim)
            .field("keys", &self.keys.len())
            .finish()
    }
}

/// A key that tokens are verified with, and the one algorithm that it is good for: the
/// token does not choose.
#[derive(Clone)]
pub struct JwtKey {
    key: DecodingKey,
    validation: Validation,
}

impl JwtKey {
    /// A secret that signer and verifier share, for HMAC with SHA-256.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] below 32 bytes (RFC 7518, 3.2).
    pub fn hs256(secret: &[u8]) -> Result<Self, InvalidKey> {
        if secret.len() < 32 {
            let length = secret.len();
            return Err(InvalidKey(format!("{length} bytes, expected at least 32")));
        }
        Ok(Self::new(
            Algorithm::HS256,
            DecodingKey::from_secret(secret),
        ))
    }

    /// A public key in PEM, for RSA (PKCS #1 v1.5) with SHA-256.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] for what is no such key.
    pub fn rs256_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        Self::of_pem(Algorithm::RS256, DecodingKey::from_rsa_pem(pem))
    }

    /// A public key in PEM, for ECDSA on P-256 with SHA-256.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] for what is no such key.
    pub fn es256_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        Self::of_pem(Algorithm::ES256, DecodingKey::from_ec_pem(pem))
    }

    /// A public key in PEM, for Ed25519.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] for what is no such key.
    pub fn eddsa_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        Self::of_pem(Algorithm::EdDSA, DecodingKey::from_ed_pem(pem))
    }

    fn of_pem(
        algorithm: Algorithm,
        key: Result<DecodingKey, jsonwebtoken::errors::Error>,
    ) -> Result<Self, InvalidKey> {
        let key = key.map_err(|error| InvalidKey(format!("for {algorithm:?}: {error}")))?;
        Ok(Self::new(algorithm, key))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.validate_nbf = true;
        Self { key, validation }
    }
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey")
            .field("algorithms", &self.validation.algorithms)
            .finish_non_exhaustive()
    }
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("not a key: {0}")]
pub struct InvalidKey(String);

impl InvalidKey {
    pub(super) fn none() -> Self {
        Self("none given, expected at least one".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::{Value, json};

    use super::{JwtClaim, JwtKey};
    use crate::Resolve;

    const SECRET: [u8; 32] = [1; 32];

    /// What the value of `Authorization` names, or the word of its refusal.
    fn named(claim: &JwtClaim, authorization: &[&str]) -> String {
        let mut req = Request::get("/");
        for value in authorization {
            req = req.header("authorization", *value);
        }
        let (parts, ()) = req.body(()).unwrap().into_parts();
        match claim.resolve(&parts) {
            Ok(Some(claim)) => claim.name().to_owned(),
            Ok(None) => "-".to_owned(),
            Err(rejected) => rejected.reason().to_string(),
        }
    }

    fn token(secret: &[u8], algorithm: Algorithm, claims: &Value) -> String {
        let key = EncodingKey::from_secret(secret);
        let token = encode(&Header::new(algorithm), claims, &key).unwrap();
        format!("Bearer {token}")
    }

    fn ours() -> JwtClaim {
        JwtClaim::new("tenant", [JwtKey::hs256(&SECRET).unwrap()])
    }

    #[test]
    fn only_a_token_of_ours_that_holds_now_names_a_tenant() {
        let now = get_current_timestamp();
        let far = now + 600;
        let good = json!({ "tenant": "acme", "exp": far });
        let claim = ours();
        for (claims, name) in [
            (good.clone(), "acme"),
            (json!({ "tenant": "acme", "exp": now - 30 }), "acme"),
            (
                json!({ "tenant": "acme", "exp": now - 90 }),
                "invalid tenant",
            ),
            (
                json!({ "tenant": "acme", "exp": far, "nbf": now + 90 }),
                "invalid tenant",
            ),
            (json!({ "tenant": "acme" }), "invalid tenant"),
            (json!({ "tenant": "acme", "exp": "soon" }), "invalid tenant"),
            (json!({ "tenant": ["acme"], "exp": far }), "invalid tenant"),
            (json!({ "tenant": null, "exp": far }), "invalid tenant"),
            (
                json!({ "tenant": "acme", "exp": far, "aud": "others" }),
                "invalid tenant",
            ),
            (json!({ "sub": "x", "exp": far }), "-"),
        ] {
            let token = token(&SECRET, Algorithm::HS256, &claims);
            assert_eq!(named(&claim, &[&token]), name, "{claims}");
        }
        let whole = token(&SECRET, Algorithm::HS256, &good);
        assert_eq!(
            named(&claim, &[&whole.replace("Bearer", "bEARER ")]),
            "acme"
        );
        assert_eq!(named(&claim, &[&whole, &whole]), "invalid tenant");
        assert_eq!(named(&claim, &[&whole.replace("Bearer", "Basic")]), "-");
        assert_eq!(named(&claim, &[]), "-");
        assert_eq!(named(&claim, &["Bearer some-opaque-token"]), "-");
        assert_eq!(named(&claim, &["Bearer"]), "-");
    }

    #[test]
    fn a_token_of_another_key_or_algorithm_is_refused() {
        let good = json!({ "tenant": "acme", "exp": get_current_timestamp() + 600 });
        let other = token(&[2; 32], Algorithm::HS256, &good);
        assert_eq!(named(&ours(), &[&other]), "invalid tenant");
        let stronger = token(&SECRET, Algorithm::HS512, &good);
        assert_eq!(named(&ours(), &[&stronger]), "invalid tenant");
        // {"alg":"none","typ":"JWT"}, and no signature.
        let payload = other.split('.').nth(1).unwrap();
        let none = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        assert_eq!(
            named(&ours(), &[&none]),
            "-",
            "an algorithm that there is not"
        );
        let rotated = [
            JwtKey::hs256(&SECRET).unwrap(),
            JwtKey::hs256(&[2; 32]).unwrap(),
        ];
        assert_eq!(named(&JwtClaim::new("tenant", rotated), &[&other]), "acme");
        assert_eq!(
            named(&JwtClaim::new("tenant", []), &[&other]),
            "invalid tenant"
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        let good = json!({ "tenant": "acme", "exp": get_current_timestamp() + 600 });
        let whole = token(&SECRET, Algorithm::HS256, &good);
        for at in "Bearer ".len()..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            let cut = String::from_utf8(bytes).unwrap();
            assert_ne!(named(&ours(), &[&cut]), "acme", "{at}");
            assert_ne!(named(&ours(), &[&whole[..at]]), "acme", "{at}");
        }
    }

    #[test]
    fn audience_and_issuer_are_required_once_they_are_set() {
        let claim = ours().audience("us").issuer("idp");
        let far = get_current_timestamp() + 600;
        let of = |aud: Value, iss: Value| {
            let claims = json!({ "tenant": "acme", "exp": far, "aud": aud, "iss": iss });
            named(&claim, &[&token(&SECRET, Algorithm::HS256, &claims)])
        };
        assert_eq!(of(json!("us"), json!("idp")), "acme");
        assert_eq!(of(json!(["them", "us"]), json!("idp")), "acme");
        for (aud, iss) in [("them", "idp"), ("us", "evil")] {
            assert_eq!(of(json!(aud), json!(iss)), "invalid tenant");
        }
        assert_eq!(of(Value::Null, json!("idp")), "invalid tenant");
        assert_eq!(of(json!("us"), Value::Null), "invalid tenant");
    }

    #[test]
    fn a_short_secret_and_what_is_no_key_are_told_so() {
        let error = JwtKey::hs256(&[0; 31]).unwrap_err().to_string();
        assert_eq!(error, "not a key: 31 bytes, expected at least 32");
        for of_pem in [JwtKey::rs256_pem, JwtKey::es256_pem, JwtKey::eddsa_pem] {
            let error = of_pem(b"-----BEGIN NONSENSE-----").unwrap_err().to_string();
            assert!(error.starts_with("not a key: for "), "{error}");
        }
    }
}
