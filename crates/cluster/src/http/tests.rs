use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Fixed(Vec<String>);

impl Report for Fixed {
    fn missing(&self) -> Vec<String> {
        self.0.clone()
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        Ok("# EOF\n".to_owned())
    }
}

async fn start(missing: &[&str]) -> SocketAddr {
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.address();
    let missing = missing.iter().map(|line| (*line).to_owned()).collect();
    tokio::spawn(async move { endpoint.run(Fixed(missing)).await });
    address
}

/// Status code and body.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn answers_name_what_is_missing() {
    let ok = (200, "ok\n".to_owned());
    let ready = start(&[]).await;
    assert_eq!(get(ready, "/healthz").await, ok);
    assert_eq!(get(ready, "/readyz").await, ok);
    assert_eq!(get(ready, "/metrics").await, (200, "# EOF\n".to_owned()));
    assert_eq!(get(ready, "/").await.0, 404);
    let not_ready = start(&["the first scan is not done", "no certificate"]).await;
    assert_eq!(get(not_ready, "/healthz").await, ok);
    let lines = "the first scan is not done\nno certificate\n".to_owned();
    assert_eq!(get(not_ready, "/readyz").await, (503, lines));
    let answer = page(&Method::POST, "/healthz", &Fixed(Vec::new()));
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let answer = page(&Method::GET, "/metrics", &Fixed(Vec::new()));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    assert_eq!(answer.into_body(), "# EOF\n");
}

/// Idle, half a request, and an answer that nobody reads: as many as a node's pods can open.
#[tokio::test]
async fn a_probe_is_answered_whatever_else_is_connected() {
    let address = start(&[]).await;
    let mut connected = Vec::new();
    for n in 0..200 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        match n % 3 {
            0 => {}
            1 => connection.write_all(b"GET /hea").await.unwrap(),
            _ => connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap(),
        }
        connected.push(connection);
        if n % 20 == 0 {
            assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()), "with {n}");
        }
    }
    for _ in 0..100 {
        assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
    }
}

/// With a clock that runs ahead whenever everything waits.
#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_is_cut_off() {
    let address = start(&[]).await;
    for begin in ["", "GET /hea"] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(begin.as_bytes()).await.unwrap();
        let started = tokio::time::Instant::now();
        let mut rest = Vec::new();
        let _ = connection.read_to_end(&mut rest).await;
        assert!(started.elapsed() < CONNECTION_LIMIT, "{begin:?}");
        assert_eq!(rest, b"", "{begin:?}");
    }
}
