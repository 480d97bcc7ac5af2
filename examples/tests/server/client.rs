//! A client that sends exactly what it is told.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::program::Server;

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The target of `Link: rel="next"`.
    pub(crate) fn next(&self) -> Option<&str> {
        self.linked("next")
    }

    /// The target of `Link: rel="prev"`.
    pub(crate) fn prev(&self) -> Option<&str> {
        self.linked("prev")
    }

    fn linked(&self, relation: &str) -> Option<&str> {
        let end = format!(">; rel=\"{relation}\"");
        let mut links = self.header("link")?.split(", ");
        links.find_map(|link| link.strip_prefix('<')?.strip_suffix(&*end))
    }
}

/// A client that keeps its cookie, as browsers do, and so reads what it wrote.
#[derive(Default)]
pub(crate) struct Browser {
    cookie: String,
}

impl Browser {
    pub(crate) fn get(&mut self, server: &Server, tenant: &str, path: &str) -> Answer {
        self.ask(server, "GET", tenant, path, "", "")
    }

    pub(crate) fn ask(
        &mut self,
        server: &Server,
        method: &str,
        tenant: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let headers = format!("{headers}{}", self.cookie);
        let answer = ask(server, method, tenant, path, &headers, body);
        if let Some((cookie, _)) = answer.header("set-cookie").and_then(|c| c.split_once(';')) {
            self.cookie = format!("cookie: {cookie}\r\n");
        }
        answer
    }
}

/// Gets `path` as `tenant`.
pub(crate) fn get(server: &Server, tenant: &str, path: &str) -> Answer {
    ask(server, "GET", tenant, path, "", "")
}

/// Sends JSON to `path` as `tenant`, with `headers` that each end with a line break.
pub(crate) fn ask(
    server: &Server,
    method: &str,
    tenant: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let json = if body.is_empty() {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {tenant}.localhost\r\n{json}{headers}");
    send(server, &head, body)
}

/// Sends a head without its last, empty line, and a body.
pub(crate) fn send(server: &Server, head: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    send_raw(server, request.as_bytes()).expect("an answer")
}

/// Sends these bytes; `None` when the server closes the connection without an answer.
pub(crate) fn send_raw(server: &Server, request: &[u8]) -> Option<Answer> {
    send_to(server.address, request)
}

/// As [`send_raw`], to whoever listens there.
pub(crate) fn send_to(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    // A server that has refused already may not read to the end.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers = headers.collect();
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(Answer {
        status,
        headers,
        body,
    })
}
