//! Whatever is asked, nobody is given what was answered to another tenant or user.

use axum::body::Body;
use http::{Request, Response};
use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::support::{App, End, answer, policy, tenant};

#[derive(Clone, Debug)]
struct Asked {
    tenant: Option<&'static str>,
    user: Option<(&'static str, &'static str)>,
    host: &'static str,
    uri: &'static str,
    language: Option<&'static str>,
    method: &'static str,
    says: &'static str,
}

fn asked() -> impl Strategy<Value = Asked> {
    let users = [
        None,
        Some(("authorization", "ada")),
        Some(("authorization", "grace")),
        Some(("cookie", "ada")),
        Some(("x-user", "ada")),
        Some(("x-user", "grace")),
    ];
    (
        prop::sample::select(vec![None, Some("acme"), Some("globex")]),
        prop::sample::select(users.to_vec()),
        prop::sample::select(vec!["good", "evil", "acme"]),
        prop::sample::select(vec!["/a", "/b", "/a?b", "/a?b&c", "/a?c&b", "/acme/a"]),
        prop::sample::select(vec![None, Some("de"), Some("en")]),
        prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "PUT"]),
        prop::sample::select(vec!["", "", "max-age=5", "no-cache", "only-if-cached"]),
    )
        .prop_map(|(tenant, user, host, uri, language, method, says)| Asked {
            tenant,
            user,
            host,
            uri,
            language,
            method,
            says,
        })
}

/// Tells all that it was asked with, so that a mistake shows, and says by `Vary` what no key
/// has.
async fn route(req: Request<Body>) -> Response<Body> {
    let (req, _) = req.into_parts();
    let header = |name: &str| {
        let value = req.headers.get(name);
        value.map_or("-", |it| it.to_str().unwrap()).to_owned()
    };
    let tenant = req.extensions.get::<towerblock_core::TenantId>();
    let mut pairs: Vec<&str> = req.uri.query().unwrap_or_default().split('&').collect();
    pairs.sort_unstable();
    let body = [
        tenant.map_or("-", |it| it.as_str()).to_owned(),
        header("authorization"),
        header("cookie"),
        header("x-user"),
        header("host"),
        req.uri.path().to_owned(),
        pairs.join("&"),
        header("accept-language"),
    ];
    tokio::task::yield_now().await;
    answer(
        200,
        &[("vary", "accept-language"), ("vary", "x-user")],
        body.join(" "),
    )
}

impl Asked {
    fn request(&self) -> Request<Body> {
        let mut req = Request::builder().method(self.method).uri(self.uri);
        req = req.header("host", self.host);
        if let Some(name) = self.tenant {
            req = req.extension(tenant(name));
        }
        if let Some((name, user)) = self.user {
            req = req.header(name, user);
        }
        if let Some(language) = self.language {
            req = req.header("accept-language", language);
        }
        if !self.says.is_empty() {
            req = req.header("cache-control", self.says);
        }
        req.end()
    }

    fn is_told(&self, kind: &str, text: &str) -> bool {
        let parts: Vec<&str> = text.split(' ').collect();
        let [
            tenant,
            authorization,
            cookie,
            user,
            host,
            path,
            query,
            language,
        ] = parts[..]
        else {
            return false;
        };
        let mine = |name: &str| self.user.filter(|it| it.0 == name).map_or("-", |it| it.1);
        let (its_path, its_query) = self.uri.split_once('?').unwrap_or((self.uri, ""));
        let mut pairs: Vec<&str> = its_query.split('&').collect();
        pairs.sort_unstable();
        // What is in no key it may not be told at all.
        let or_none = |told: &str, mine: &str| told == mine || told == "-";
        (if kind == "shared" {
            or_none(tenant, self.tenant.unwrap_or("-"))
        } else {
            tenant == self.tenant.unwrap_or("-")
        }) && (if kind == "anonymous" {
            (authorization, cookie) == (mine("authorization"), mine("cookie"))
        } else {
            or_none(authorization, mine("authorization")) && or_none(cookie, mine("cookie"))
        }) && user == mine("x-user")
            && or_none(host, self.host)
            && (kind != "per host" || host == self.host)
            && (path, query) == (its_path, pairs.join("&").as_str())
            && language == self.language.unwrap_or("-")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nobody_is_given_anothers_answer(asks in prop::collection::vec(asked(), 1..40)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let _entered = runtime.enter();
        for (kind, policy) in [
            ("anonymous", policy()),
            ("same for all", policy().same_for_all_users()),
            ("shared", policy().shared()),
            ("per host", policy().same_for_all_users().per_authority()),
        ] {
            let app = App::new(policy, route);
            runtime.block_on(async {
                // At once, then one after another.
                let together = asks.iter().map(|asked| app.send(asked.request()));
                let together = futures_util::future::join_all(together).await;
                let mut alone = Vec::new();
                for asked in &asks {
                    alone.push(app.send(asked.request()).await);
                }
                for (asked, got) in asks.iter().zip(together).chain(asks.iter().zip(alone)) {
                    let is_empty = asked.method == "HEAD" && got.body.is_empty();
                    if is_empty || got.status == 504 {
                        continue;
                    }
                    prop_assert!(asked.is_told(kind, got.text()), "{} {:?} {:?}", kind, asked, got);
                }
                Ok(())
            })?;
        }
    }
}
