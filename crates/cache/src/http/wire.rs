//! How an answer is written for other instances: its headers as text in which each character is a
//! byte, its body in Base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::Answer;
use super::vary::Selection;

#[derive(Deserialize, Serialize)]
struct Written {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    vary: Vec<(String, Vec<String>)>,
    generation: u64,
    must_revalidate: bool,
    tags: Vec<String>,
    age: u64,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers = self.headers.iter();
        let vary = self.selection.0.iter();
        Written {
            status: self.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
            body: STANDARD.encode(&self.body),
            vary: vary
                .map(|(name, lines)| (name.as_str().to_owned(), lines.iter().map(text).collect()))
                .collect(),
            generation: self.generation,
            must_revalidate: self.must_revalidate,
            tags: self.tags.clone(),
            age: self.age,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        read(written).ok_or_else(|| D::Error::custom("not an answer"))
    }
}

fn read(written: Written) -> Option<Answer> {
    let mut headers = HeaderMap::with_capacity(written.headers.len());
    for (name, text) in &written.headers {
        headers.append(HeaderName::try_from(name).ok()?, value(text)?);
    }
    let select = |(name, lines): &(String, Vec<String>)| {
        let lines: Option<Vec<_>> = lines.iter().map(|line| value(line)).collect();
        Some((HeaderName::try_from(name).ok()?, lines?))
    };
    let selection: Option<Vec<_>> = written.vary.iter().map(select).collect();
    Some(Answer {
        status: StatusCode::from_u16(written.status).ok()?,
        headers,
        body: Bytes::from(STANDARD.decode(written.body).ok()?),
        selection: Selection(selection?),
        generation: written.generation,
        must_revalidate: written.must_revalidate,
        tags: written.tags,
        age: written.age,
    })
}

fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    HeaderValue::from_bytes(&bytes.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::{Answer, Selection};

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let bytes: Vec<u8> = (0..=255).collect();
        let odd = HeaderValue::from_bytes(b"a\xff\t\"").unwrap();
        let mut headers = HeaderMap::new();
        headers.append("link", odd.clone());
        headers.append("link", HeaderValue::from_static("b"));
        let accept = (http::header::ACCEPT, vec![odd]);
        let answer = Answer {
            status: StatusCode::OK,
            headers,
            body: Bytes::from(bytes),
            selection: Selection(vec![accept]),
            generation: u64::MAX,
            must_revalidate: true,
            tags: vec!["a".to_owned()],
            age: 7,
        };
        let json = serde_json::to_string(&answer).unwrap();
        let read: Answer = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (read.status, &read.headers, &read.body),
            (answer.status, &answer.headers, &answer.body)
        );
        assert_eq!(read.selection, answer.selection);
        assert_eq!(read.tags, answer.tags);
        assert_eq!(
            (read.generation, read.must_revalidate, read.age),
            (u64::MAX, true, 7)
        );
        assert!(serde_json::from_str::<Answer>(&json.replace("200", "20")).is_err());
    }
}
