use http::request::Parts;

use super::host::{Bases, host, lower_case};
use crate::{Claim, InvalidDomain, Named, Resolve, Trust};

/// Names the tenant by the host: the one label before a listed base domain.
///
/// Case, the port and one trailing dot do not matter. Any other host, also a deeper one
/// and whatever begins like an IPv6 address, names nobody. Two hosts in one request, or one that is no host, are
/// refused. `Forwarded` and `X-Forwarded-Host` are not read. Its claims are
/// [`Routed`](Trust::Routed).
#[derive(Clone, Debug)]
pub struct Subdomain {
    bases: Bases,
}

impl Subdomain {
    /// Takes the label before any of `bases`, such as `app.example.com`.
    ///
    /// # Errors
    ///
    /// [`InvalidDomain`] for a base that is no domain name: labels of letters, digits,
    /// hyphens and underscores, with dots between, and no port.
    pub fn of<I>(bases: I) -> Result<Self, InvalidDomain>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let bases = Bases::of(bases)?;
        Ok(Self { bases })
    }
}

impl Resolve for Subdomain {
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        let before = host(parts)?.and_then(|host| self.bases.before(host));
        let label = before.and_then(|before| before.strip_suffix('.'));
        let label = label.filter(|label| !label.contains('.'));
        Ok(label.map(|label| Claim::tenant(lower_case(label), Trust::Routed)))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::{Just, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    use super::Subdomain;
    use crate::Resolve;

    /// What a request with these hosts names, or the word of its refusal.
    fn named(uri: &str, hosts: &[&[u8]]) -> String {
        let bases = Subdomain::of(["localhost", "App.Example.com"]).unwrap();
        let mut req = Request::get(uri);
        for host in hosts {
            req = req.header("host", *host);
        }
        let (parts, ()) = req.body(()).unwrap().into_parts();
        match bases.resolve(&parts) {
            Ok(Some(claim)) => claim.name().to_owned(),
            Ok(None) => "-".to_owned(),
            Err(rejected) => rejected.reason().to_string(),
        }
    }

    #[test]
    fn only_one_label_before_a_listed_base_names_a_tenant() {
        let long = format!("{}.localhost", "a".repeat(10_000));
        for (host, name) in [
            ("acme.localhost", "acme"),
            ("acme.localhost:8080", "acme"),
            ("acme.localhost.", "acme"),
            ("acme.localhost.:8080", "acme"),
            ("ACME.LocalHost", "acme"),
            ("acme.app.example.com", "acme"),
            ("localhost", "-"),
            (".localhost", ""),
            ("a.b.localhost", "-"),
            ("evil-acme.localhost.example.com", "-"),
            ("acmelocalhost", "-"),
            ("evil-app.example.com", "-"),
            ("acme.evil-app.example.com", "-"),
            ("127.0.0.1:8080", "-"),
            ("[::1]:8080", "-"),
            ("xn--bcher-kva.localhost", "xn--bcher-kva"),
            (&long, &long[..10_000]),
        ] {
            assert_eq!(named("/", &[host.as_bytes()]), name, "{host:.80}");
        }
    }

    #[test]
    fn of_two_bases_the_longer_counts_in_whichever_order_they_come() {
        for bases in [
            ["example.com", "app.example.com"],
            ["app.example.com", "example.com"],
        ] {
            let bases = Subdomain::of(bases).unwrap();
            for (host, name) in [
                ("acme.app.example.com", Some("acme")),
                ("app.example.com", None),
                ("acme.example.com", Some("acme")),
            ] {
                let req = Request::get("/").header("host", host);
                let (parts, ()) = req.body(()).unwrap().into_parts();
                let claim = bases.resolve(&parts).unwrap();
                assert_eq!(claim.as_ref().map(crate::Claim::name), name, "{host}");
            }
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "acme.localhost:80a",
            "acme.localhost:80:80",
            "acme.localhost@evil.org",
            "acme/.localhost",
            "acme localhost",
            "bücher.localhost",
            "::1",
            "",
        ] {
            assert_eq!(named("/", &[host.as_bytes()]), "invalid tenant", "{host}");
        }
        assert_eq!(named("/", &[b"\xff.localhost"]), "invalid tenant");
    }

    #[test]
    fn two_hosts_are_refused_and_none_names_nobody() {
        let acme: &[u8] = b"acme.localhost";
        assert_eq!(named("/", &[]), "-");
        assert_eq!(named("/", &[acme, b"globex.localhost"]), "invalid tenant");
        assert_eq!(named("/", &[acme, acme]), "invalid tenant");
        assert_eq!(named("http://acme.localhost/", &[]), "acme");
        assert_eq!(
            named("http://acme.localhost/", &[b"ACME.localhost"]),
            "acme"
        );
        assert_eq!(named("http://globex.localhost/", &[acme]), "invalid tenant");
        assert_eq!(named("http://acme@evil.org/", &[]), "invalid tenant");
    }

    #[test]
    fn a_base_that_is_no_domain_is_told_so() {
        for base in [
            "",
            ".",
            "a..b",
            "localhost:8080",
            "*.localhost",
            ".localhost",
        ] {
            let error = Subdomain::of([base]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{base}` is not")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_named_tenant_always_stood_before_a_listed_base(host in hostile()) {
            let name = named("/", &[host.as_bytes()]);
            if !matches!(&*name, "-" | "invalid tenant") {
                let host = host.to_ascii_lowercase();
                let bare = host.split(':').next().unwrap();
                let bare = bare.strip_suffix('.').unwrap_or(bare);
                let is = |base| bare == format!("{name}.{base}");
                assert!(is("localhost") || is("app.example.com"), "{host} named {name}");
            }
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("localhost".to_owned()),
            Just("app.example.com".to_owned()),
            Just(".".to_owned()),
            Just(":80".to_owned()),
            Just("Acme".to_owned()),
            "[a-zA-Z0-9@:./_-]{0,8}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }
}
