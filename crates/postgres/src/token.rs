use std::fmt;

use crate::lsn::{Lsn, Position};

/// A sealed token without its seal, in bytes.
pub(crate) const BYTES: usize = 28;

/// How far a write went: a read that carries it sees that write, or a later state.
///
/// Each write through a cluster makes one. It is good for one cluster, for the lifetime that
/// its [`TokenKeys`](crate::TokenKeys) give it, and tells nothing of what was written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ReadToken {
    pub(crate) position: Position,
    /// The system identifier of the cluster.
    pub(crate) cluster: u64,
    /// In seconds since 1970; this second is its last.
    pub(crate) expires: u64,
}

impl ReadToken {
    /// The later of two: by timeline, then by place.
    pub(crate) fn newest(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        [a, b]
            .into_iter()
            .flatten()
            .max_by_key(|token| token.position)
    }

    pub(crate) fn write(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let fields = [
            &self.position.timeline.to_be_bytes()[..],
            &self.position.lsn.0.to_be_bytes(),
            &self.cluster.to_be_bytes(),
            &self.expires.to_be_bytes(),
        ];
        let from = fields.into_iter().flatten();
        bytes
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    pub(crate) fn read(bytes: &[u8; BYTES]) -> Option<Self> {
        let (timeline, rest) = bytes.split_first_chunk()?;
        let (lsn, rest) = rest.split_first_chunk()?;
        let (cluster, rest) = rest.split_first_chunk()?;
        let lsn = Lsn(u64::from_be_bytes(*lsn));
        Some(Self {
            position: Position::new(u32::from_be_bytes(*timeline), lsn),
            cluster: u64::from_be_bytes(*cluster),
            expires: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// How much is written, and where, is not for logs that clients' tokens may end in.
impl fmt::Debug for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToken").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BYTES, ReadToken};
    use crate::lsn::{Lsn, Position};

    fn at(timeline: u32, lsn: u64) -> ReadToken {
        ReadToken {
            position: Position::new(timeline, Lsn(lsn)),
            cluster: 1,
            expires: 2,
        }
    }

    #[test]
    fn the_newest_is_on_the_highest_timeline_and_farthest_there() {
        let (a, b, c) = (Some(at(1, 9)), Some(at(2, 3)), Some(at(2, 4)));
        assert_eq!(ReadToken::newest(a, b), b);
        assert_eq!(ReadToken::newest(b, a), b);
        assert_eq!(ReadToken::newest(b, c), c);
        assert_eq!(ReadToken::newest(None, a), a);
        assert_eq!(ReadToken::newest(None, None), None);
    }

    #[test]
    fn it_does_not_print_its_content() {
        assert_eq!(format!("{:?}", at(123, 456)), "ReadToken { .. }");
    }

    proptest! {
        #[test]
        fn it_reads_what_it_writes(bytes in any::<[u8; BYTES]>()) {
            let token = ReadToken::read(&bytes).unwrap();
            prop_assert_eq!(token.write(), bytes);
        }
    }
}
