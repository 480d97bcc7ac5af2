//! Header × host × path × claim: agree, conflict, given twice, absent.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use http::HeaderName;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use towerblock_tenant::{
    CurrentTenant, CustomDomain, GuardedHeader, JwtClaim, JwtKey, MemoryStore, PathPrefix,
    Registry, Subdomain, TenantLayer,
};

use crate::{answer, id, tenant};

const SECRET: [u8; 32] = [7; 32];
const SAID: [&str; 3] = ["-", "acme", "globex"];

/// What each place says, `-` for nothing; `twice` gives the header and the token twice.
#[derive(Clone, Copy, Debug)]
struct Case {
    header: &'static str,
    host: &'static str,
    path: &'static str,
    claim: &'static str,
    twice: bool,
}

impl Case {
    fn expected(self) -> (u16, &'static str) {
        let said = [self.header, self.host, self.path, self.claim];
        let said: Vec<_> = said.into_iter().filter(|said| *said != "-").collect();
        let repeated = self.header != "-" || self.claim != "-";
        match said.first() {
            _ if self.twice && repeated => (400, ""),
            None => (404, ""),
            Some(first) if said.iter().all(|other| other == first) => (200, first),
            Some(_) => (400, ""),
        }
    }

    fn request(self, domains: bool) -> Request {
        let path = match self.path {
            "-" => "/".to_owned(),
            name => format!("/t/{name}/x"),
        };
        let host = match (self.host, domains) {
            ("-", _) => "localhost".to_owned(),
            (name, false) => format!("{name}.localhost"),
            (name, true) => format!("shop.{name}.org"),
        };
        let mut req = Request::builder().uri(path).header("host", host);
        for _ in 0..=u8::from(self.twice) {
            if self.header != "-" {
                req = req.header("x-tenant-id", self.header);
            }
            if self.claim != "-" {
                req = req.header("authorization", format!("Bearer {}", token(self.claim)));
            }
        }
        req.body(Body::empty()).unwrap()
    }
}

#[tokio::test]
async fn all_that_is_said_agrees_or_the_request_is_refused() {
    let app = app();
    let mut seen = 0;
    for header in SAID {
        for host in SAID {
            for path in SAID {
                for claim in SAID {
                    for twice in [false, true] {
                        for domains in [false, true] {
                            let case = Case {
                                header,
                                host,
                                path,
                                claim,
                                twice,
                            };
                            let (status, body) = answer(&app, case.request(domains)).await;
                            let (expected, name) = case.expected();
                            assert_eq!(status, expected, "{case:?} {domains} {body}");
                            assert!(expected != 200 || body == name, "{case:?} {body}");
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(seen, 324);
}

#[tokio::test]
async fn a_domain_that_nobody_has_names_nobody_whatever_else_is_said() {
    let req = Request::builder()
        .uri("/t/acme/x")
        .header("host", "shop.evil.org")
        .body(Body::empty())
        .unwrap();
    assert_eq!(answer(&app(), req).await.0, 404);
}

#[tokio::test]
async fn hostile_names_never_reach_the_store() {
    async fn none(
        id: towerblock_core::TenantId,
    ) -> Result<Option<towerblock_tenant::Tenant>, towerblock_core::BoxError> {
        panic!("asked for {id:?}")
    }
    let layer = TenantLayer::new(Registry::new(none)).resolver(header());
    let app: Router = Router::new().fallback(any(greet)).layer(layer);
    let long = "a".repeat(64);
    for name in [
        "",
        " ",
        "-acme",
        "Acme",
        "a_b",
        "a.b",
        "a'; DROP TABLE x; --",
        "..",
        "%00",
        "acme\tb",
        "xn--b\u{fc}cher",
        "\u{430}cme",
        &long,
    ] {
        let mut req = Request::new(Body::empty());
        let value = http::HeaderValue::from_bytes(name.as_bytes()).unwrap();
        req.headers_mut().insert("x-tenant-id", value);
        assert_eq!(answer(&app, req).await.0, 400, "{name}");
    }
}

fn app() -> Router {
    let store = MemoryStore::from_iter([tenant("acme", 1), tenant("globex", 2)]);
    store.put_domain("Shop.Acme.org", id("acme"));
    store.put_domain("shop.globex.org", id("globex"));
    let key = JwtKey::hs256(&SECRET).unwrap();
    let layer = TenantLayer::new(Registry::new(store))
        .resolver(header())
        .resolver(Subdomain::of(["localhost"]).unwrap())
        .resolver(CustomDomain::except(["localhost"]).unwrap())
        .resolver(PathPrefix::new("/t"))
        .resolver(JwtClaim::new("tenant", [key]));
    Router::new().fallback(any(greet)).layer(layer)
}

fn header() -> impl towerblock_tenant::Resolve {
    GuardedHeader::new(HeaderName::from_static("x-tenant-id"), |_| true)
}

async fn greet(tenant: CurrentTenant) -> String {
    tenant.id.as_str().to_owned()
}

fn token(tenant: &str) -> String {
    let claims = json!({ "tenant": tenant, "exp": get_current_timestamp() + 60 });
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(&SECRET),
    )
    .unwrap()
}
