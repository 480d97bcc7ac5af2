//! One keep-alive connection of HTTP/1.1, as cheap as it gets: it shares the machine with
//! what is measured.

use std::io;
use std::net::SocketAddr;

use httparse::{Header, Response, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than any answer's head.
const HEADERS: usize = 48;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Said to stand for one that could not be had.
    pub(crate) is_degraded: bool,
    /// What its `Link` leads on with.
    pub(crate) next: Option<String>,
}

/// A connection that is opened when it is first needed, and again after it failed.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            read: Vec::new(),
        }
    }

    /// Another to the same server.
    pub(crate) fn anew(&self) -> Self {
        Self::to(self.address)
    }

    /// Opens it, if it is not open.
    pub(crate) async fn open(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        self.stream
            .as_mut()
            .ok_or(io::ErrorKind::NotConnected.into())
    }

    /// Sends a request and reads the whole answer.
    ///
    /// Not cancel safe: whoever gives up drops the connection.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let asked = self.exchange(request).await;
        if asked.as_ref().map_or(true, |(_, closes)| *closes) {
            self.stream = None;
        }
        asked.map(|(answer, _)| answer)
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<(Answer, bool)> {
        self.open().await?.write_all(request).await?;
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(head) = Head::parse(&self.read)? {
                break head;
            }
        };
        match head.length {
            Length::Bytes(length) => {
                while self.read.len() < head.end + length {
                    self.more().await?;
                }
            }
            Length::Chunked => {
                let mut at = head.end;
                while let Some(end) = self.chunk(at).await? {
                    at = end;
                }
            }
        }
        Ok((head.answer, head.closes))
    }

    /// Where the chunk that begins at `at` ends; `None` for the last.
    async fn chunk(&mut self, at: usize) -> io::Result<Option<usize>> {
        loop {
            let rest = self.read.get(at..).unwrap_or_default();
            if let Status::Complete((head, length)) =
                httparse::parse_chunk_size(rest).map_err(|_| bad("a chunk"))?
            {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                // The chunk's own line, what it holds, and the end of the line after it.
                let end = at + head + length + 2;
                while self.read.len() < end {
                    self.more().await?;
                }
                return Ok((length > 0).then_some(end));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Head {
    answer: Answer,
    end: usize,
    length: Length,
    closes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Bytes(usize),
    Chunked,
}

impl Head {
    /// `None` until all of it is there.
    fn parse(read: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = Response::new(&mut headers);
        let parsed = response.parse(read).map_err(|_| bad("a head"))?;
        let (Status::Complete(end), Some(status)) = (parsed, response.code) else {
            return Ok(None);
        };
        let mut head = Self {
            answer: Answer {
                status,
                is_degraded: false,
                next: None,
            },
            end,
            length: Length::Bytes(0),
            closes: false,
        };
        for header in &*response.headers {
            head.take(header)?;
        }
        Ok(Some(head))
    }

    fn take(&mut self, header: &Header<'_>) -> io::Result<()> {
        let value = || std::str::from_utf8(header.value).map_err(|_| bad("a header"));
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = value()?.parse().map_err(|_| bad("a length"))?;
            self.length = Length::Bytes(length);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            self.length = Length::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            self.closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("x-degraded") {
            self.answer.is_degraded = true;
        } else if header.name.eq_ignore_ascii_case("link") {
            self.answer.next = next(value()?);
        }
        Ok(())
    }
}

/// The target of `rel="next"`.
fn next(link: &str) -> Option<String> {
    let next = link
        .split(", ")
        .find(|link| link.contains("rel=\"next\""))?;
    let (_, rest) = next.split_once('<')?;
    let (target, _) = rest.split_once('>')?;
    Some(target.to_owned())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} that is none"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{Connection, next};

    /// Answers the first requests with these, a few bytes at a time.
    async fn serving(answers: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 4);
                for piece in answer.as_bytes().chunks(7) {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        Connection::to(address)
    }

    #[tokio::test]
    async fn answers_end_by_length_or_by_chunks() {
        let mut connection = serving(&[
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
            "HTTP/1.1 503 Unavailable\r\nTransfer-Encoding: chunked\r\nx-degraded: a\r\n\r\n\
             10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
        ])
        .await;
        for (status, is_degraded) in [(200, false), (503, true), (304, false)] {
            let answer = connection.ask(b"GET ").await.unwrap();
            assert_eq!((answer.status, answer.is_degraded), (status, is_degraded));
        }
        connection.ask(b"GET ").await.unwrap_err();
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let link = "</a?cursor=1>; rel=\"prev\", </a?cursor=2>; rel=\"next\"";
        assert_eq!(next(link).unwrap(), "/a?cursor=2");
        assert_eq!(next("</a>; rel=\"prev\""), None);
    }
}
