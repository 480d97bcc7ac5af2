use http::request::Parts;

use crate::{Claim, Named, Resolve, Trust};

/// Names the tenant by the segment of the path that follows a prefix: `/t/acme/orders`
/// names `acme` under `/t`.
///
/// The path stays as it is, and must come here as it was sent: `Router::nest` of axum cuts
/// the prefix off before a layer that is inside of it. A path that does not begin with the prefix and a slash names
/// nobody. Ids are never percent-encoded; an encoded one is refused. Its claims are
/// [`Routed`](Trust::Routed).
///
/// ```
/// use http::Request;
/// use towerblock_tenant::{PathPrefix, Resolve};
///
/// let path = PathPrefix::new("/t");
/// let (parts, ()) = Request::get("/t/acme/orders").body(())?.into_parts();
/// let claim = path.resolve(&parts)?;
/// assert_eq!(claim.as_ref().map(|claim| claim.name()), Some("acme"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PathPrefix {
    /// Ends with a slash.
    prefix: String,
}

impl PathPrefix {
    /// Takes the segment after `prefix`, with or without a slash around it; an empty one
    /// stands for the first segment.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => "/".to_owned(),
            inner => format!("/{inner}/"),
        };
        Self { prefix }
    }
}

impl Resolve for PathPrefix {
    fn resolve<'r>(&self, parts: &'r Parts) -> Named<'r> {
        let rest = parts.uri.path().strip_prefix(&*self.prefix);
        let segment = rest.and_then(|rest| rest.split('/').next());
        let segment = segment.filter(|segment| !segment.is_empty());
        Ok(segment.map(|segment| Claim::tenant(segment, Trust::Routed)))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::PathPrefix;
    use crate::{Claim, Resolve};

    #[test]
    fn the_segment_after_the_prefix_names_the_tenant() {
        for (prefix, path, name) in [
            ("/t", "/t/acme/orders?x=/t/globex", Some("acme")),
            ("t/", "/t/acme", Some("acme")),
            ("/t", "/t/", None),
            ("/t", "/t", None),
            ("/t", "/tt/acme", None),
            ("/t", "/x/t/acme", None),
            ("/t", "//t/acme", None),
            ("/t", "/t/%61cme", Some("%61cme")),
            ("/api/t", "/api/t/acme/", Some("acme")),
            ("", "/acme/x", Some("acme")),
            ("/", "/", None),
        ] {
            let (parts, ()) = Request::get(path).body(()).unwrap().into_parts();
            let claim = PathPrefix::new(prefix).resolve(&parts).unwrap();
            assert_eq!(claim.as_ref().map(Claim::name), name, "{prefix} {path}");
        }
    }
}
