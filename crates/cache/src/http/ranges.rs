//! Ranges of what is stored (RFC 9110, section 14): one range of bytes, or all.

use std::ops::Range;

use http::HeaderMap;
use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

use super::conditions::text;

/// What of a body is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// All, or something that may be answered with all.
    Whole,
    Some(Range<usize>),
    /// Nothing of it is there.
    Unsatisfiable,
}

/// Of a body that is so long, with these headers.
pub(super) fn part(request: &HeaderMap, answer: &HeaderMap, len: usize) -> Part {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Part::Whole;
    };
    if !is_current(request, answer) {
        return Part::Whole;
    }
    text(line).map_or(Part::Whole, |line| parse(line, len))
}

/// Compares strongly, for parts of different answers are not to be put together.
fn is_current(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(known) = request.get(IF_RANGE) else {
        return true;
    };
    let tag = answer
        .get(ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    Some(known) == tag || Some(known) == answer.get(LAST_MODIFIED)
}

fn parse(line: &str, len: usize) -> Part {
    let Some((first, last)) = line
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |digits: &str| {
        let is_one = digits.bytes().all(|b| b.is_ascii_digit());
        // One that does not fit is beyond the end in any case.
        is_one.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    let (start, end) = match (first, last) {
        ("", "") => return Part::Whole,
        ("", suffix) => match number(suffix) {
            Some(0) => return Part::Unsatisfiable,
            Some(suffix) => (len.saturating_sub(suffix), len),
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, len),
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(len)),
            _ => return Part::Whole,
        },
    };
    if start < end {
        Part::Some(start..end)
    } else {
        Part::Unsatisfiable
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::{Part, parse, part};

    #[test]
    fn one_range_or_all() {
        for (line, part) in [
            ("bytes=0-0", Part::Some(0..1)),
            ("bytes=2-4", Part::Some(2..5)),
            ("bytes=2-99", Part::Some(2..10)),
            ("bytes=9-", Part::Some(9..10)),
            ("bytes=-3", Part::Some(7..10)),
            ("bytes=-99", Part::Some(0..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=99999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("bytes=+1-2", Part::Whole),
        ] {
            assert_eq!(parse(line, 10), part, "{line}");
        }
        assert_eq!(parse("bytes=0-", 0), Part::Unsatisfiable);
    }

    #[test]
    fn a_part_only_of_what_the_client_knows_by_a_strong_tag() {
        let headers = |lines: &[(&'static str, &'static str)]| {
            let lines = lines.iter().map(|(name, value)| {
                let value = value.parse().unwrap();
                (http::header::HeaderName::from_static(name), value)
            });
            lines.collect::<HeaderMap>()
        };
        let ask = |tag| headers(&[("range", "bytes=0-0"), ("if-range", tag)]);
        let strong = headers(&[("etag", "\"1\""), ("last-modified", "then")]);
        assert_eq!(part(&ask("\"1\""), &strong, 9), Part::Some(0..1));
        assert_eq!(part(&ask("then"), &strong, 9), Part::Some(0..1));
        assert_eq!(part(&ask("\"2\""), &strong, 9), Part::Whole);
        let weak = headers(&[("etag", "W/\"1\"")]);
        assert_eq!(part(&ask("W/\"1\""), &weak, 9), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(line in "bytes=[0-9]{0,3}-[0-9]{0,3}", len in 0_usize..200) {
            if let Part::Some(range) = parse(&line, len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
