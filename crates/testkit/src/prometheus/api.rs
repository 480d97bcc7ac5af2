use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;
use crate::error::Context as _;

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Its labels, and its name as `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value now.
    pub value: f64,
}

pub(super) async fn query(addr: SocketAddr, query: &str) -> Result<Vec<Sample>, Error> {
    let context = || format!("Prometheus at {addr} does not answer");
    let answer = get(addr, query).await.context(context)?;
    let answer: Value = serde_json::from_str(body(&answer)).context(context)?;
    samples(&answer).ok_or_else(|| Error::new(format!("`{query}`: {answer}")))
}

/// HTTP/1.0: the answer comes in one piece, and ends with the connection.
async fn get(addr: SocketAddr, query: &str) -> std::io::Result<String> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in query.bytes() {
        let _infallible = write!(path, "%{byte:02X}");
    }
    let mut connection = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {addr}\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// `None` is an error, which the answer tells.
fn samples(answer: &Value) -> Option<Vec<Sample>> {
    let data = answer.get("data")?;
    let result = data.get("result")?;
    match data.get("resultType")?.as_str()? {
        "vector" => result.as_array()?.iter().map(sample).collect(),
        "scalar" => Some(vec![Sample {
            labels: BTreeMap::new(),
            value: value(result)?,
        }]),
        _ => None,
    }
}

fn sample(series: &Value) -> Option<Sample> {
    let labels = series.get("metric")?.as_object()?.iter();
    let labels = labels.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(Sample {
        labels: labels.collect::<Option<_>>()?,
        value: value(series.get("value")?)?,
    })
}

/// A time, and a number as text.
fn value(pair: &Value) -> Option<f64> {
    pair.get(1)?.as_str()?.parse().ok()
}
