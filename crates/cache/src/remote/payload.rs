use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What stands in an entry: `V` or `A` for a value or that there is none, the CRC-32 of what
/// follows, little-endian, and the value as JSON.
pub(crate) fn encode<V: Serialize>(value: Option<&V>) -> Result<Bytes, serde_json::Error> {
    let mut payload = vec![if value.is_some() { b'V' } else { b'A' }, 0, 0, 0, 0];
    if let Some(value) = value {
        serde_json::to_writer(&mut payload, value)?;
    }
    let sum = crc32fast::hash(payload.get(HEAD..).unwrap_or_default());
    if let Some(room) = payload.get_mut(1..HEAD) {
        room.copy_from_slice(&sum.to_le_bytes());
    }
    Ok(payload.into())
}

/// Nothing, if it is damaged or another type's.
pub(crate) fn decode<V: DeserializeOwned>(payload: &[u8]) -> Option<Option<V>> {
    let (head, value) = payload.split_at_checked(HEAD)?;
    let (kind, sum) = head.split_first()?;
    if crc32fast::hash(value).to_le_bytes() != *sum {
        return None;
    }
    match kind {
        b'V' => serde_json::from_slice(value).ok().map(Some),
        b'A' if value.is_empty() => Some(None),
        _ => None,
    }
}

const HEAD: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let value = ("Ada".to_owned(), 7_u32);
        let payload = encode(Some(&value)).unwrap();
        assert_eq!(decode::<(String, u32)>(&payload), Some(Some(value)));
        assert_eq!(decode::<u32>(&payload), None, "another type");
        let absent = encode::<u32>(None).unwrap();
        assert_eq!(decode::<u32>(&absent), Some(None));
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut damaged = payload.to_vec();
                damaged[at] ^= 1 << bit;
                assert_eq!(decode::<(String, u32)>(&damaged), None, "bit {bit} of {at}");
            }
            assert_eq!(decode::<(String, u32)>(&payload[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<Vec<String>>(&bytes);
        }
    }
}
