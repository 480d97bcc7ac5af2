//! Pages of a list, newest first: `?limit=&cursor=`, and `Link: rel="next"`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderValue, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use towerblock_core::{Reason, Rejected};
use towerblock_respond::Refused;

use crate::reply::invalid;
use crate::store::{Position, Positioned, Window};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// The page that a client asks for.
#[derive(Debug)]
pub(crate) struct Page {
    limit: usize,
    after: Option<Position>,
    uri: Uri,
}

/// A list as a client gets it.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    items: Vec<T>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    #[serde(skip)]
    pub(crate) link: Option<HeaderValue>,
}

impl Page {
    /// One row more than the page has, which tells whether there is a next page.
    pub(crate) const fn window(&self) -> Window {
        Window {
            limit: self.limit + 1,
            after: self.after,
        }
    }

    /// Makes the answer of the rows that [`window`](Self::window) yielded.
    pub(crate) fn listing<T: Positioned>(&self, mut items: Vec<T>) -> Listing<T> {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|row| encode(row.position()));
        let link = next.as_deref().and_then(|cursor| self.link(cursor));
        Listing { items, next, link }
    }

    /// RFC 8288, relative, so that it holds behind any proxy; other parameters stay.
    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let path = self.uri.path();
        let others = self.uri.query().unwrap_or_default().split('&');
        let mut query = String::new();
        for pair in others.filter(|pair| !pair.is_empty() && !is_cursor(pair)) {
            query.push_str(pair);
            query.push('&');
        }
        HeaderValue::try_from(format!("<{path}?{query}cursor={cursor}>; rel=\"next\"")).ok()
    }
}

/// However the client spelled it.
fn is_cursor(pair: &str) -> bool {
    let uri: Result<Uri, _> = format!("/?{pair}").parse();
    let read = uri.ok().and_then(|uri| {
        let read: Result<Query<Parameters>, _> = Query::try_from_uri(&uri);
        read.ok()
    });
    read.is_none_or(|Query(parameters)| parameters.cursor.is_some())
}

#[derive(Deserialize)]
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let parameters: Result<Query<Parameters>, QueryRejection> = Query::try_from_uri(&parts.uri);
        let Query(parameters) = parameters.map_err(|error| invalid(&error.body_text()))?;
        let limit = match parameters.limit {
            None => DEFAULT_LIMIT,
            Some(text) => limit(&text).ok_or_else(|| {
                let text: String = text.chars().take(20).collect();
                invalid(&format!(
                    "limit={text}: expected a number from 1 to {MAX_LIMIT}"
                ))
            })?,
        };
        let after = match parameters.cursor {
            None => None,
            Some(text) => Some(decode(&text).ok_or(Rejected::new("page", Reason::InvalidCursor))?),
        };
        let uri = parts.uri.clone();
        Ok(Self { limit, after, uri })
    }
}

fn limit(text: &str) -> Option<usize> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    let limit = text.parse().ok().filter(|_| is_plain)?;
    (1..=MAX_LIMIT).contains(&limit).then_some(limit)
}

fn encode(position: Position) -> String {
    let time = position.created_at.as_microsecond().to_be_bytes();
    URL_SAFE_NO_PAD.encode([time, position.id.to_be_bytes()].concat())
}

/// Opaque, not secret: a forged cursor reaches no other tenant, only another place in
/// the same list.
fn decode(text: &str) -> Option<Position> {
    let mut bytes = [0; 16];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let (time, id) = bytes.get(..length)?.split_first_chunk::<8>()?;
    let micros = i64::from_be_bytes(*time);
    // No row is older than 1970, and not every time is one to the database.
    let created_at = Timestamp::from_microsecond(micros)
        .ok()
        .filter(|_| micros >= 0)?;
    let id = i64::from_be_bytes(id.try_into().ok()?);
    Some(Position { created_at, id })
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use jiff::Timestamp;
    use proptest::prelude::{any, prop, proptest};

    use base64::Engine as _;

    use super::{MAX_LIMIT, Page, decode, encode, limit};
    use crate::store::Position;

    #[test]
    fn a_limit_is_a_plain_number_in_range() {
        assert_eq!(limit("1"), Some(1));
        assert_eq!(limit("100"), Some(MAX_LIMIT));
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "101",
            "1e2",
            " 1",
            "ten",
            "99999999999999999999",
        ] {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_link_keeps_the_other_parameters() {
        let uri = Uri::from_static("/p?cursor=old&limit=5&x=%20y&%63ursor=X");
        let page = Page {
            limit: 5,
            after: None,
            uri,
        };
        let link = page.link("new").unwrap();
        assert_eq!(link, "</p?limit=5&x=%20y&cursor=new>; rel=\"next\"");
    }

    #[test]
    fn a_cursor_that_is_cut_or_padded_is_none() {
        let position = Position {
            created_at: Timestamp::UNIX_EPOCH,
            id: -7,
        };
        let whole = encode(position);
        assert_eq!(decode(&whole), Some(position));
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "{end}");
        }
        assert_eq!(decode(&format!("{whole}AAAA")), None);
        let long_ago = Timestamp::from_second(-1).unwrap();
        let forged = Position {
            created_at: long_ago,
            id: 1,
        };
        assert_eq!(decode(&encode(forged)), None, "no row is that old");
        assert_eq!(decode(&"A".repeat(10_000_000)), None);
    }

    proptest! {
        #[test]
        fn every_position_survives_its_cursor(micros in 0..4_000_000_000_000_000_i64, id in any::<i64>()) {
            let created_at = Timestamp::from_microsecond(micros).unwrap();
            let position = Position { created_at, id };
            assert_eq!(decode(&encode(position)), Some(position));
        }

        #[test]
        fn no_text_makes_decoding_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&text);
            if let Some(position) = decode(&super::URL_SAFE_NO_PAD.encode(bytes)) {
                assert!(position.created_at >= Timestamp::UNIX_EPOCH);
            }
        }
    }
}
