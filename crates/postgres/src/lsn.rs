use std::fmt;
use std::str::FromStr;

/// A place in the write-ahead log, in bytes from its beginning.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Lsn(pub(crate) u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// It was not two hexadecimal numbers with a slash between.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a log sequence number")]
pub(crate) struct NotAnLsn;

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        Ok(Self(u64::from(half(high)?) << 32 | u64::from(half(low)?)))
    }
}

/// `from_str_radix` alone would take a sign and leading zeros without end.
fn half(text: &str) -> Result<u32, NotAnLsn> {
    let is_plain = text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let half = u32::from_str_radix(text, 16).ok();
    half.filter(|_| is_plain).ok_or(NotAnLsn)
}

/// A place on one timeline. Places on two timelines cannot be compared by their bytes: the one
/// on the higher timeline is the newer, as a promotion began it later.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Position {
    // In the order in which they are compared.
    pub(crate) timeline: u32,
    pub(crate) lsn: Lsn,
}

impl Position {
    pub(crate) const fn new(timeline: u32, lsn: Lsn) -> Self {
        Self { timeline, lsn }
    }

    /// Whether who has all up to here has also all up to `other`, for sure.
    pub(crate) fn has(self, other: Self) -> bool {
        self.timeline == other.timeline && self.lsn >= other.lsn
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lsn, NotAnLsn, Position};

    #[test]
    fn it_is_written_as_postgresql_writes_it() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert_eq!("0/0".parse(), Ok(Lsn(0)));
        assert_eq!("ffffffff/FFFFFFFF".parse(), Ok(Lsn(u64::MAX)));
        assert_eq!(Lsn(0x1_0000_000A).to_string(), "1/A");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "+1/0",
            "0/-1",
            "1/2/3",
            " 1/2",
            "g/0",
            "100000000/0",
            "0/000000001",
            "1\u{661}/0",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(NotAnLsn), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_it_writes_and_is_ordered_as_its_bytes(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(Lsn(a).to_string().parse(), Ok(Lsn(a)));
            prop_assert_eq!(Lsn(a).cmp(&Lsn(b)), a.cmp(&b));
        }
    }

    #[test]
    fn the_timeline_counts_before_the_bytes() {
        let at = |timeline, lsn| Position::new(timeline, Lsn(lsn));
        assert!(at(2, 1) > at(1, 9) && at(1, 9) > at(1, 8));
        assert!(at(1, 9).has(at(1, 9)) && at(1, 9).has(at(1, 8)));
        assert!(!at(1, 8).has(at(1, 9)));
        assert!(!at(2, 9).has(at(1, 8)) && !at(1, 9).has(at(2, 8)));
    }
}
