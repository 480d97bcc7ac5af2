//! One request: whose it is, what it asks for, and its bytes.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// Tenants of the demo data with 20 plugins each, `t00001` and on; their keys begin here.
const FIRST_KEY: u64 = 1_001;
pub(crate) const TENANTS: usize = 10_000;
const PLUGINS: u32 = 20;
const TEAMS: u32 = 5;
const USERS: u32 = 2;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    FirstPage,
    DeeperPage,
    Item,
    MyPlugins,
    Profile,
    Marketplace,
    Write,
    /// A first page that no cache keeps, for its query is none of our own links'.
    Uncached,
}

/// What next pages begin with, by tenant, as far as anybody has seen one.
#[derive(Debug)]
pub(crate) struct Pages(Vec<Mutex<Option<String>>>);

impl Pages {
    pub(crate) fn new() -> Self {
        Self((0..=TENANTS).map(|_| Mutex::default()).collect())
    }

    fn of(&self, tenant: usize) -> Option<String> {
        let next = self.0.get(tenant)?.lock();
        next.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of where the first page of a tenant led.
    pub(crate) fn note(&self, tenant: usize, next: Option<String>) {
        if let (Some(place), Some(next)) = (self.0.get(tenant), next) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) tenant: usize,
    pub(crate) kind: Kind,
    /// Which of those of that kind.
    pub(crate) nth: u32,
}

impl Question {
    /// All of one kind that a tenant is asked for again and again.
    pub(crate) fn all(tenant: usize, kind: Kind) -> impl Iterator<Item = Self> {
        let count = match kind {
            Kind::Item => PLUGINS,
            Kind::MyPlugins => TEAMS,
            Kind::Profile => USERS,
            _ => 1,
        };
        (0..count).map(move |nth| Self { tenant, kind, nth })
    }

    /// Writes it; a deeper page that nobody has seen the way to is a first one.
    pub(crate) fn write(self, pages: &Pages, request: &mut Vec<u8>) -> Kind {
        let Self { tenant, nth, .. } = self;
        let next = match self.kind {
            Kind::DeeperPage => pages.of(tenant),
            _ => None,
        };
        let kind = match (self.kind, &next) {
            (Kind::DeeperPage, None) => Kind::FirstPage,
            (kind, _) => kind,
        };
        let plugin = (FIRST_KEY - 1 + tenant as u64) * 1_000 + u64::from(nth % PLUGINS);
        request.clear();
        let method = if kind == Kind::Write { "PUT" } else { "GET" };
        // Nothing is ever wrong with writing to a vector.
        let _ = write!(request, "{method} ");
        let _ = match kind {
            Kind::FirstPage => write!(request, "/api/v1/plugins?limit=10"),
            Kind::DeeperPage => write!(request, "{}", next.unwrap_or_default()),
            Kind::Item | Kind::Write => write!(request, "/api/v1/plugins/{plugin}"),
            Kind::MyPlugins => write!(request, "/api/v1/teams/{}/my-plugins", 1 + nth % TEAMS),
            Kind::Profile => write!(request, "/api/v1/user/profile"),
            Kind::Marketplace => write!(request, "/api/v1/marketplace"),
            Kind::Uncached => write!(request, "/api/v1/plugins?limit=10&nth={nth}"),
        };
        let user = nth % USERS;
        let _ = write!(
            request,
            " HTTP/1.1\r\nhost: t{tenant:05}.localhost\r\nx-user-id: u{user}\r\n"
        );
        if kind == Kind::Write {
            let body = format!("{{\"name\":\"n{nth}\"}}");
            let length = body.len();
            let _ = write!(
                request,
                "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        } else {
            let _ = write!(request, "\r\n");
        }
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Pages, Question};

    fn text(kind: Kind, pages: &Pages) -> String {
        let (tenant, nth) = (3, 7);
        let question = Question { tenant, kind, nth };
        let mut request = b"of before".to_vec();
        question.write(pages, &mut request);
        String::from_utf8(request).unwrap()
    }

    #[test]
    fn a_write_has_a_body_of_the_length_that_it_says() {
        let text = text(Kind::Write, &Pages::new());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("PUT /api/v1/plugins/1003007 HTTP"),
            "{head}"
        );
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
    }

    #[test]
    fn a_deeper_page_is_where_the_first_one_led() {
        let pages = Pages::new();
        let before = text(Kind::DeeperPage, &pages);
        assert!(before.starts_with("GET /api/v1/plugins?limit=10 HTTP"));
        pages.note(3, Some("/next".to_owned()));
        assert!(text(Kind::DeeperPage, &pages).starts_with("GET /next HTTP"));
    }

    #[test]
    fn all_that_is_kept_of_a_tenant_is_asked_for_once() {
        let items: Vec<_> = Question::all(3, Kind::Item).collect();
        assert_eq!(items.len(), 20);
        let nths = items.iter().map(|question| question.nth);
        assert!(nths.eq(0..20));
    }
}
