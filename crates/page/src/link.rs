//! RFC 8288: where the pages beside this one are.

use form_urlencoded::parse;
use http::{HeaderValue, Uri};

use crate::scope::CURSOR;

/// Relative, so that it holds behind any proxy; other parameters stay byte for byte.
pub(crate) fn link(uri: &Uri, next: Option<&str>, prev: Option<&str>) -> Option<HeaderValue> {
    let link = |cursor: Option<&str>, relation| {
        let target = target(uri, cursor?);
        Some(format!("<{target}>; rel=\"{relation}\""))
    };
    let links = [link(next, "next"), link(prev, "prev")];
    let links: Vec<_> = links.into_iter().flatten().collect();
    if links.is_empty() {
        return None;
    }
    HeaderValue::try_from(links.join(", ")).ok()
}

fn target(uri: &Uri, cursor: &str) -> String {
    // A path of two slashes would name another host; without one, the client's holds.
    let path = Some(uri.path()).filter(|path| !path.starts_with("//"));
    let mut target = format!("{}?", path.unwrap_or_default());
    let pairs = uri.query().unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty() && !is_cursor(pair)) {
        target.push_str(pair);
        target.push('&');
    }
    target.push_str("cursor=");
    target.push_str(cursor);
    target
}

/// However the client spelled it.
fn is_cursor(pair: &str) -> bool {
    parse(pair.as_bytes()).any(|(name, _)| name == CURSOR)
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::link;

    fn of(uri: &'static str, next: Option<&str>, prev: Option<&str>) -> String {
        let link = link(&Uri::from_static(uri), next, prev);
        link.map_or_else(String::new, |link| link.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_link_keeps_the_other_parameters_as_they_came() {
        let uri = "/p?cursor=old&limit=5&&x=%20y&%63ursor=X&x=+z&flag";
        let next = r#"</p?limit=5&x=%20y&x=+z&flag&cursor=N>; rel="next""#;
        let prev = r#"</p?limit=5&x=%20y&x=+z&flag&cursor=P>; rel="prev""#;
        assert_eq!(of(uri, Some("N"), None), next);
        assert_eq!(of(uri, Some("N"), Some("P")), format!("{next}, {prev}"));
        assert_eq!(of(uri, None, None), "");
    }

    #[test]
    fn a_link_never_leads_to_another_host() {
        let next = r#"<?a=1&cursor=N>; rel="next""#;
        assert_eq!(of("//evil.example/p?a=1", Some("N"), None), next);
        let next = r#"</p?cursor=N>; rel="next""#;
        assert_eq!(of("http://evil.example/p", Some("N"), None), next);
    }
}
