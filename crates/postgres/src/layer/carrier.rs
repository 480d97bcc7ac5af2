//! Where a client keeps its token. Cookies are read by hand: the crate `cookie` brings a crate
//! of calendars, and decodes and collects what is none of ours.

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};

use crate::ReadToken;
use crate::TokenKeys;

/// So many values of one name are looked at: a client may have a cookie of another path too.
const MOST: usize = 4;

/// How the token of a write goes to the client and comes back: in a cookie, which browsers
/// keep by themselves, or in a header, which clients of an API have to send back.
#[derive(Clone, Debug)]
pub struct Carrier {
    place: Place,
    name: HeaderName,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Cookie { attributes: &'static str },
    Header,
}

impl Carrier {
    /// A cookie `tb-read` for this host and all its paths, with `HttpOnly`, `SameSite=Lax` and
    /// `Secure`, for as long as the token lives.
    #[must_use]
    pub const fn cookie() -> Self {
        Self {
            place: Place::Cookie {
                attributes: "; Path=/; HttpOnly; SameSite=Lax; Secure",
            },
            name: HeaderName::from_static("tb-read"),
        }
    }

    /// The same, without `Secure`: for services that browsers reach over plain HTTP.
    #[must_use]
    pub const fn insecure_cookie() -> Self {
        Self {
            place: Place::Cookie {
                attributes: "; Path=/; HttpOnly; SameSite=Lax",
            },
            name: HeaderName::from_static("tb-read"),
        }
    }

    /// A header `x-read-token`, of the request and of the response.
    #[must_use]
    pub const fn header() -> Self {
        Self {
            place: Place::Header,
            name: HeaderName::from_static("x-read-token"),
        }
    }

    /// Another name for the header or the cookie, for which the same characters are allowed.
    /// Default: `tb-read` for a cookie, `x-read-token` for a header.
    #[must_use]
    pub fn named(mut self, name: HeaderName) -> Self {
        self.name = name;
        self
    }

    /// The newest token that the client sent, of those that are good. The time is asked for
    /// when there is one.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        keys: &TokenKeys,
        now: impl Fn() -> u64,
    ) -> Option<ReadToken> {
        let open = |text| keys.open(text, now());
        match self.place {
            Place::Cookie { .. } => {
                let lines = headers.get_all(COOKIE).into_iter();
                let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
                let values = pairs.filter_map(|pair| value(pair, self.name.as_str()));
                newest(values.take(MOST).map(open))
            }
            Place::Header => {
                let values = headers.get_all(&self.name).into_iter();
                newest(values.take(MOST).map(|value| open(value.as_bytes())))
            }
        }
    }

    pub(super) fn write(
        &self,
        headers: &mut HeaderMap,
        keys: &TokenKeys,
        token: &ReadToken,
        now: u64,
    ) {
        let Some(text) = keys.seal(token, now) else {
            return;
        };
        match self.place {
            Place::Cookie { attributes } => {
                let lifetime = keys.seconds();
                let text = format!("{}={text}; Max-Age={lifetime}{attributes}", self.name);
                if let Ok(cookie) = HeaderValue::try_from(text) {
                    headers.append(SET_COOKIE, cookie);
                }
            }
            Place::Header => {
                if let Ok(text) = HeaderValue::try_from(text) {
                    headers.insert(&self.name, text);
                }
            }
        }
    }
}

fn newest(tokens: impl Iterator<Item = Option<ReadToken>>) -> Option<ReadToken> {
    tokens.fold(None, ReadToken::newest)
}

fn value<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
    rest.strip_prefix(b"=")
}

#[cfg(test)]
mod tests;
