use http::header::{AUTHORIZATION, COOKIE, HeaderName, VARY};
use http::{HeaderMap, HeaderValue};

/// The headers of a request that select an answer, with what stood in them: nothing, or each of
/// its lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Selection(pub(super) Vec<(HeaderName, Vec<HeaderValue>)>);

/// More names than these no answer is kept for.
const NAMES: usize = 8;

impl Selection {
    /// What an answer says in `Vary`, of the request it is for. Nothing, if it is for this request
    /// alone: it depends on who is asking, or on what nobody knows.
    pub(super) fn of(answer: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut names: Vec<HeaderName> = Vec::new();
        for line in answer.get_all(VARY) {
            for name in line.to_str().ok()?.split(',') {
                let name = name.trim();
                if name.is_empty() {
                    continue;
                }
                // `*` is the name of a header, as far as its letters go.
                let known = HeaderName::from_bytes(name.as_bytes()).ok();
                let known = known.filter(|it| it.as_str() != "*")?;
                if known == AUTHORIZATION || known == COOKIE {
                    return None;
                }
                if !names.contains(&known) {
                    names.push(known);
                }
            }
        }
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let lines = |name: &HeaderName| {
            let lines = request.get_all(name).iter();
            // Not a part of the buffer that the request was read into.
            lines.map(|it| HeaderValue::from_bytes(it.as_bytes()).ok())
        };
        let selected = names.into_iter().map(|name| {
            let lines: Option<Vec<_>> = lines(&name).collect();
            Some((name, lines?))
        });
        let selected: Vec<_> = selected.collect::<Option<_>>()?;
        (selected.len() <= NAMES).then_some(Self(selected))
    }

    /// Whether a request selects the same.
    pub(super) fn matches(&self, request: &HeaderMap) -> bool {
        let same = |(name, lines): &(HeaderName, Vec<HeaderValue>)| {
            let asked = request.get_all(name);
            asked.iter().eq(lines)
        };
        self.0.iter().all(same)
    }

    /// Writes what a request has in these headers; what differs is written differently.
    pub(super) fn write(&self, request: &HeaderMap, mut push: impl FnMut(&[u8])) {
        for (name, _) in &self.0 {
            let mut lines = 0_u32;
            for line in request.get_all(name) {
                push(line.as_bytes());
                // No header has it.
                push(&[0]);
                lines = lines.saturating_add(1);
            }
            push(&lines.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::Selection;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn vary(names: &'static str, request: &HeaderMap) -> Option<Selection> {
        Selection::of(&headers(&[("vary", names)]), request)
    }

    #[test]
    fn every_line_counts_and_none_is_not_an_empty_one() {
        let one = headers(&[("x-a", "1")]);
        let two = headers(&[("x-a", "1"), ("x-a", "2")]);
        let empty = headers(&[("x-a", "")]);
        let none = headers(&[]);
        let all = [&one, &two, &empty, &none];
        for here in all {
            let selection = vary("X-A, x-a,", here).unwrap();
            for there in all {
                let same = std::ptr::eq(here, there);
                assert_eq!(selection.matches(there), same, "{here:?} {there:?}");
                let written = |headers| {
                    let mut bytes = Vec::new();
                    selection.write(headers, |part| bytes.extend_from_slice(part));
                    bytes
                };
                assert_eq!(written(here) == written(there), same);
            }
        }
    }

    #[test]
    fn an_answer_for_one_user_is_not_kept() {
        let none = headers(&[]);
        for names in ["*", "accept, *", "Cookie", "x-a, authorization", "a b"] {
            assert_eq!(vary(names, &none), None, "{names}");
        }
        let many = "a,b,c,d,e,f,g,h,i";
        assert_eq!(vary(many, &none), None);
        assert_eq!(vary("", &none), Some(Selection::default()));
    }
}
