use bytes::Bytes;
use fred::types::Resp3Frame;

/// What the server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RESP2 has no other replies")]
pub enum Reply {
    /// There is nothing of that name.
    Nil,
    /// A number.
    Integer(i64),
    /// A text or a value, also the `OK` of a `SET`.
    Bytes(Bytes),
    /// Several, in the order of the command's documentation.
    Array(Vec<Self>),
}

impl Reply {
    /// The number; also one that was kept as text, as Redis does.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Nil | Self::Array(_) => None,
        }
    }

    /// The value.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value, where it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The replies in it; none where it is no array.
    #[must_use]
    pub fn into_array(self) -> Vec<Self> {
        match self {
            Self::Array(replies) => replies,
            _ => Vec::new(),
        }
    }

    /// Whether there was nothing.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The text of the server's error, where it is one, also inside of an array.
    pub(crate) fn read(frame: Resp3Frame) -> Result<Self, String> {
        let all = |frames: Vec<Resp3Frame>| {
            let replies: Result<_, _> = frames.into_iter().map(Self::read).collect();
            Ok(Self::Array(replies?))
        };
        match frame {
            Resp3Frame::Null => Ok(Self::Nil),
            Resp3Frame::Number { data, .. } => Ok(Self::Integer(data)),
            Resp3Frame::Boolean { data, .. } => Ok(Self::Integer(data.into())),
            Resp3Frame::Double { data, .. } => Ok(Self::Bytes(data.to_string().into())),
            Resp3Frame::BlobString { data, .. }
            | Resp3Frame::SimpleString { data, .. }
            | Resp3Frame::BigNumber { data, .. }
            | Resp3Frame::VerbatimString { data, .. }
            | Resp3Frame::ChunkedString(data) => Ok(Self::Bytes(data)),
            Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => all(data),
            Resp3Frame::Set { data, .. } => all(data.into_iter().collect()),
            Resp3Frame::Map { data, .. } => all(data
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .collect()),
            Resp3Frame::SimpleError { data, .. } => Err(data.to_string()),
            Resp3Frame::BlobError { data, .. } => Err(String::from_utf8_lossy(&data).into_owned()),
            Resp3Frame::Hello { .. } => Err("ERR an answer that belongs to no command".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Reply;

    #[test]
    fn a_number_is_one_also_as_text() {
        assert_eq!(Reply::Integer(7).integer(), Some(7));
        assert_eq!(Reply::Bytes(Bytes::from_static(b"-7")).integer(), Some(-7));
        assert_eq!(Reply::Bytes(Bytes::from_static(b"seven")).integer(), None);
        assert_eq!(Reply::Nil.integer(), None);
    }
}
