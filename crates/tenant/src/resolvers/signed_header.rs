use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use towerblock_core::{BoxError, TenantId};

use super::header::only;
use super::jwt::{InvalidKey, JwtClaim, JwtKey};
use crate::{Named, Resolve};

/// The claim that names the tenant.
const CLAIM: &str = "tenant";

/// Names the tenant by a header that somebody who shares a secret with us has signed, for a
/// time, and for an audience: how one service of ours tells another whom it works for.
///
/// The value is a JSON Web Token (RFC 7519) of HMAC with SHA-256. One that is forged, over,
/// for another audience, or given twice is a bad request. Its claims are
/// [`Verified`](crate::Trust::Verified).
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderName, Request};
/// use towerblock_core::TenantId;
/// use towerblock_tenant::{Resolve, SignedHeader};
///
/// let secrets = [[7; 32]];
/// let header = SignedHeader::new(HeaderName::from_static("x-tenant"), "plugins", secrets)?;
/// let value = header.sign(&TenantId::new("acme")?, Duration::from_secs(30))?;
/// let (parts, ()) = Request::get("/").header("x-tenant", value).body(())?.into_parts();
/// let claim = header.resolve(&parts)?;
/// assert_eq!(claim.as_ref().map(|claim| claim.name()), Some("acme"));
/// # Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct SignedHeader {
    name: HeaderName,
    audience: String,
    signer: EncodingKey,
    claim: JwtClaim,
}

impl SignedHeader {
    /// Believes the header `name` where one of `secrets` signed it for `audience`, the name
    /// of this service. The first secret signs; the others still open, so that they can be
    /// rotated one instance at a time.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when there is no secret, or one is below 32 bytes.
    pub fn new<S: AsRef<[u8]>>(
        name: HeaderName,
        audience: &str,
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidKey> {
        let mut signer = None;
        let mut keys = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref();
            keys.push(JwtKey::hs256(secret)?);
            signer.get_or_insert_with(|| EncodingKey::from_secret(secret));
        }
        // The lifetime is what the signer allows for; clocks add nothing to it.
        let claim = JwtClaim::new(CLAIM, keys).audience(audience);
        Ok(Self {
            name,
            audience: audience.to_owned(),
            signer: signer.ok_or_else(InvalidKey::none)?,
            claim: claim.leeway(Duration::ZERO),
        })
    }

    /// A value that names `tenant` for so long from now on, rounded up to whole seconds.
    ///
    /// # Errors
    ///
    /// Those of the cryptography that an application has installed in the place of ours.
    pub fn sign(&self, tenant: &TenantId, lifetime: Duration) -> Result<HeaderValue, BoxError> {
        let seconds = lifetime
            .as_secs()
            .saturating_add(u64::from(lifetime.subsec_nanos() > 0));
        let claims = json!({
            CLAIM: tenant.as_str(),
            "aud": self.audience,
            "exp": get_current_timestamp().saturating_add(seconds),
        });
        let token = encode(&Header::default(), &claims, &self.signer)?;
        let mut value = HeaderValue::try_from(token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Resolve for SignedHeader {
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        match only(parts, &self.name)? {
            Some(token) => self.claim.of_token(token),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for SignedHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedHeader")
            .field("name", &self.name)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue, Request};
    use towerblock_core::TenantId;

    use super::SignedHeader;
    use crate::Resolve;

    fn header(audience: &str, secrets: &[[u8; 32]]) -> SignedHeader {
        SignedHeader::new(HeaderName::from_static("x-tenant"), audience, secrets).unwrap()
    }

    fn sign(header: &SignedHeader, lifetime: u64) -> HeaderValue {
        let acme = TenantId::new("acme").unwrap();
        header.sign(&acme, Duration::from_secs(lifetime)).unwrap()
    }

    fn named(header: &SignedHeader, values: &[&HeaderValue]) -> String {
        let mut req = Request::get("/");
        for value in values {
            req = req.header("x-tenant", *value);
        }
        let (parts, ()) = req.body(()).unwrap().into_parts();
        match header.resolve(&parts) {
            Ok(Some(claim)) => claim.name().to_owned(),
            Ok(None) => "-".to_owned(),
            Err(rejected) => rejected.reason().to_string(),
        }
    }

    #[test]
    fn only_what_is_signed_for_us_and_not_over_names_a_tenant() {
        let us = header("us", &[[1; 32]]);
        assert_eq!(named(&us, &[&sign(&us, 30)]), "acme");
        assert_eq!(named(&us, &[]), "-");
        let given = sign(&us, 30);
        assert_eq!(named(&us, &[&given, &given]), "invalid tenant");
        for bad in [
            sign(&header("them", &[[1; 32]]), 30),
            sign(&header("us", &[[2; 32]]), 30),
            HeaderValue::from_static("acme"),
            HeaderValue::from_static(""),
            HeaderValue::from_bytes(b"\xff").unwrap(),
        ] {
            assert_eq!(named(&us, &[&bad]), "invalid tenant", "{bad:?}");
        }
    }

    #[test]
    fn a_lifetime_that_is_over_is_over() {
        let us = header("us", &[[1; 32]]);
        let claims = serde_json::json!({ "tenant": "acme", "aud": "us",
            "exp": jsonwebtoken::get_current_timestamp() - 1 });
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &us.signer);
        let over = HeaderValue::try_from(token.unwrap()).unwrap();
        assert_eq!(named(&us, &[&over]), "invalid tenant");
    }

    #[test]
    fn secrets_can_be_rotated_and_the_old_one_retired() {
        let (old, both, new) = (
            header("us", &[[1; 32]]),
            header("us", &[[2; 32], [1; 32]]),
            header("us", &[[2; 32]]),
        );
        assert_eq!(named(&both, &[&sign(&old, 30)]), "acme");
        assert_eq!(named(&new, &[&sign(&both, 30)]), "acme");
        assert_eq!(named(&new, &[&sign(&old, 30)]), "invalid tenant");
    }

    #[test]
    fn no_secret_is_told_so() {
        let none: [&[u8]; 0] = [];
        let name = HeaderName::from_static("x-tenant");
        let error = SignedHeader::new(name, "us", none).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a key: none given, expected at least one"
        );
    }
}
