use http::request::Parts;

use super::host::{Bases, host, lower_case};
use crate::{Claim, InvalidDomain, Named, Resolve, Trust};

/// Names the tenant by a domain of its own: any host but ours is looked up in the registry,
/// as a domain.
///
/// A host below one of our base domains, an IP address, or one without a dot names nobody.
/// **Every other host is looked up**, and is 404 if nobody has it, whatever a token or a
/// header says: list the hosts that are yours, such as `api.example.com` or the names that
/// machines call each other by.
///
/// Whether the domain really is the tenant's is for whoever enters it into the store to
/// check. Its claims are [`Routed`](Trust::Routed).
///
/// ```
/// use http::Request;
/// use towerblock_tenant::{CustomDomain, Resolve};
///
/// let domains = CustomDomain::except(["app.example.com"])?;
/// let named = |host| {
///     let (parts, ()) = Request::builder().header("host", host).body(())?.into_parts();
///     let claim = domains.resolve(&parts)?;
///     Ok::<_, Box<dyn std::error::Error>>(claim.map(|claim| claim.name().to_owned()))
/// };
/// assert_eq!(named("Shop.Acme.org:8080")?.as_deref(), Some("shop.acme.org"));
/// assert_eq!(named("acme.app.example.com")?, None);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CustomDomain {
    ours: Bases,
}

impl CustomDomain {
    /// Takes every host but `ours` and what lies below them.
    ///
    /// # Errors
    ///
    /// As [`Subdomain::of`](crate::Subdomain::of).
    pub fn except<I>(ours: I) -> Result<Self, InvalidDomain>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let ours = Bases::of(ours)?;
        Ok(Self { ours })
    }
}

impl Resolve for CustomDomain {
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        let domain =
            host(parts)?.filter(|host| is_domain(host) && self.ours.before(host).is_none());
        Ok(domain.map(|domain| Claim::domain(lower_case(domain), Trust::Routed)))
    }
}

/// A dot inside, labels of 1 to 63 characters, 253 in all (RFC 1035, 2.3.4), and a last
/// label that makes it no IPv4 address.
fn is_domain(host: &str) -> bool {
    let mut labels = host.split('.').peekable();
    let sized = labels.clone().all(|label| matches!(label.len(), 1..=63));
    let top = host.rsplit('.').next().unwrap_or_default();
    let has_dot = labels.next().is_some() && labels.peek().is_some();
    sized && has_dot && host.len() <= 253 && !top.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::CustomDomain;
    use crate::Resolve;

    #[test]
    fn any_domain_but_ours_is_one_and_nothing_else_is() {
        let domains = CustomDomain::except(["App.example.com", "localhost"]).unwrap();
        let long = format!("{}.org", "a".repeat(64));
        let longest = format!("{}org", "a.".repeat(126));
        for (host, named) in [
            ("shop.acme.org", Some("shop.acme.org")),
            ("SHOP.acme.ORG.:8080", Some("shop.acme.org")),
            ("example.com", Some("example.com")),
            ("evil-app.example.com", Some("evil-app.example.com")),
            ("app.example.com", None),
            ("acme.app.example.com", None),
            ("a.b.app.example.com", None),
            ("acme.localhost", None),
            ("intranet", None),
            ("127.0.0.1:8080", None),
            ("127.1", None),
            ("[::1]:8080", None),
            ("a..org", None),
            (".org", None),
            (&long, None),
            (&longest, None),
        ] {
            let (parts, ()) = Request::get("/")
                .header("host", host)
                .body(())
                .unwrap()
                .into_parts();
            let claim = domains.resolve(&parts).unwrap();
            assert_eq!(claim.as_ref().map(super::Claim::name), named, "{host}");
        }
    }
}
