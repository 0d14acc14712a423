//! A request over HTTP/1.1, without waiting long.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer of ours is longer.
const LIMIT: u64 = 64 << 10;

/// A status code and the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) code: u16,
    pub(super) body: String,
}

/// Asks for `path`; every step may take `patience`.
pub(super) fn get(address: SocketAddr, path: &str, patience: Duration) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(LIMIT).read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

/// Takes an answer apart whose body ends with the connection.
fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Response { code, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_code_and_a_body() {
        let parsed = parse("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nno\n").unwrap();
        assert_eq!(parsed, Response { code: 503, body: "no\n".to_owned() });
        for text in ["", "SSH-2.0", "HTTP/1.1\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
