//! Connections that stop halfway, that take nothing and that never end: reviews and probes go through beside them, and
//! they are cut.

use std::sync::Arc;
use std::time::Duration;

use fpga_demo::admission::Verdict;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::cluster::{Cluster, LIMIT, NLB3, Replica, pod, resources};
use crate::frames;

/// What a hostile client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    HalfHandshake,
    Garbage,
    GarbageInTls,
    SilentInTls,
    HalfHead,
    HeadByByte,
    LargeHead,
    NoBody,
    BodyByByte,
    EndlessBody,
    NeverReads,
    Preface,
    HalfHeaders,
    LargeHeaders,
    EndlessStreams,
    NoWindow,
    WindowOfOne,
    Resets,
    Pings,
}

const KINDS: [Kind; 20] = [
    Kind::Silent,
    Kind::HalfHandshake,
    Kind::Garbage,
    Kind::GarbageInTls,
    Kind::SilentInTls,
    Kind::HalfHead,
    Kind::HeadByByte,
    Kind::LargeHead,
    Kind::NoBody,
    Kind::BodyByByte,
    Kind::EndlessBody,
    Kind::NeverReads,
    Kind::Preface,
    Kind::HalfHeaders,
    Kind::LargeHeaders,
    Kind::EndlessStreams,
    Kind::NoWindow,
    Kind::WindowOfOne,
    Kind::Resets,
    Kind::Pings,
];

const POST: &str = "POST /pods HTTP/1.1\r\nhost: w\r\ncontent-type: application/json\r\n";
/// How long a client that sends byte by byte waits between two.
const PAUSE: Duration = Duration::from_millis(50);

impl Kind {
    /// Does it until the server ends the connection. What is written after that fails, and is of no interest.
    async fn run(self, replica: std::net::SocketAddr) {
        let mut plain = TcpStream::connect(replica).await.unwrap();
        match self {
            Kind::Silent => return drain(plain).await,
            Kind::HalfHandshake => {
                // The header of a TLS record with a ClientHello of 512 bytes, of which four come.
                let _ = plain.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await;
                return drain(plain).await;
            }
            Kind::Garbage => {
                let _ = plain.write_all(&[0xa5; 4096]).await;
                return drain(plain).await;
            }
            _ => {}
        }
        // When it is cut already, it is cut.
        let Some(mut stream) = tls(plain, self.protocol()).await else { return };
        match self {
            Kind::NeverReads => loop {
                let request = "GET /healthz HTTP/1.1\r\nhost: w\r\n\r\n".repeat(100);
                if stream.write_all(request.as_bytes()).await.is_err() {
                    return;
                }
            },
            Kind::HeadByByte | Kind::BodyByByte => {
                let begin = match self {
                    Kind::HeadByByte => "POST /pods HTTP/1.1\r\nx: ".to_owned(),
                    _ => format!("{POST}content-length: 1000000\r\n\r\n"),
                };
                let (read, mut write) = tokio::io::split(stream);
                let sending = async {
                    let _ = write.write_all(begin.as_bytes()).await;
                    while write.write_all(b"a").await.is_ok() && write.flush().await.is_ok() {
                        tokio::time::sleep(PAUSE).await;
                    }
                };
                tokio::select! {
                    () = sending => {}
                    () = drain(read) => {}
                }
                return;
            }
            Kind::EndlessBody => {
                let begin = format!("{POST}transfer-encoding: chunked\r\n\r\n");
                let _ = stream.write_all(begin.as_bytes()).await;
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
                return;
            }
            Kind::Pings => {
                let _ = stream.write_all(&frames::begin(None)).await;
                let (read, mut write) = tokio::io::split(stream);
                let sending = async {
                    while write.write_all(&frames::ping()).await.is_ok() {
                        tokio::time::sleep(PAUSE).await;
                    }
                };
                tokio::select! {
                    () = sending => {}
                    () = drain(read) => {}
                }
                return;
            }
            _ => {}
        }
        let _ = stream.write_all(&self.bytes()).await;
        let _ = stream.flush().await;
        drain(stream).await;
    }

    fn protocol(self) -> &'static str {
        match self {
            Kind::Preface
            | Kind::HalfHeaders
            | Kind::LargeHeaders
            | Kind::EndlessStreams
            | Kind::NoWindow
            | Kind::WindowOfOne
            | Kind::Resets
            | Kind::Pings => "h2",
            _ => "http/1.1",
        }
    }

    /// All that it sends.
    fn bytes(self) -> Vec<u8> {
        match self {
            Kind::GarbageInTls => vec![0xa5; 4096],
            Kind::HalfHead => b"POST /pods HTTP/1.1\r\nhost: w\r\nconte".to_vec(),
            Kind::LargeHead => format!("{POST}x: {}", "x".repeat(300_000)).into_bytes(),
            Kind::NoBody => format!("{POST}content-length: 7000000\r\n\r\n").into_bytes(),
            Kind::Preface => frames::begin(None),
            Kind::HalfHeaders => [frames::begin(None), frames::half_headers(1)].concat(),
            Kind::LargeHeaders => [frames::begin(None), frames::large_headers(1)].concat(),
            Kind::EndlessStreams => {
                let open = (0..100).flat_map(|n| frames::post(2 * n + 1));
                frames::begin(None).into_iter().chain(open).collect()
            }
            Kind::NoWindow => [frames::begin(Some(0)), frames::get(1)].concat(),
            Kind::WindowOfOne => [frames::begin(Some(1)), frames::get(1)].concat(),
            Kind::Resets => {
                let resets = (0..2000)
                    .flat_map(|n| [frames::post(2 * n + 1), frames::reset(2 * n + 1)].concat());
                frames::begin(None).into_iter().chain(resets).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Reads until the end.
async fn drain(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut bytes = [0; 4096];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// A TLS client that trusts anybody; `None` when the server ended the connection.
async fn tls(stream: TcpStream, protocol: &str) -> Option<TlsStream<TcpStream>> {
    let mut config = frames::config();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("fpga-webhook.kube-fpga.svc").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
}

/// A review on a connection of its own, and both probes.
async fn works(cluster: &Cluster, replica: &Replica) {
    let verdict = cluster.client(replica).ask("vision", &pod("fpga.intel.com/f")).await.unwrap();
    let expected = format!("fpga.intel.com/af-{NLB3}");
    assert!(matches!(verdict, Verdict::Allowed { .. }), "{verdict:?}");
    assert_eq!(resources(&verdict), [expected]);
    assert_eq!(replica.page("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(replica.page("/readyz").await.0, 200);
}

async fn start() -> (Cluster, Replica) {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replica = cluster.ready(&[]).await;
    let expected = format!("fpga.intel.com/af-{NLB3}");
    crate::cluster::gets(&cluster, &replica, "fpga.intel.com/f", Some(&expected)).await;
    (cluster, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_connections_keep_nobody_out_and_are_cut() {
    let (cluster, replica) = start().await;
    let mut hostile = JoinSet::new();
    for kind in KINDS {
        for _ in 0..8 {
            let address = replica.address;
            hostile.spawn(async move {
                let cut = tokio::time::timeout(LIMIT, kind.run(address)).await;
                (kind, cut)
            });
        }
        works(&cluster, &replica).await;
    }
    while let Some(ended) = hostile.join_next().await {
        let (kind, cut) = ended.unwrap();
        assert!(cut.is_ok(), "{kind:?} was never cut");
    }
    works(&cluster, &replica).await;
}

/// All of one kind, more than there are places, from the address that the reviews come from.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_has_a_place_for_a_review() {
    let (cluster, replica) = start().await;
    for kind in [Kind::Silent, Kind::HalfHandshake, Kind::HalfHead, Kind::NoBody] {
        let mut hostile = JoinSet::new();
        for n in 0..700 {
            hostile.spawn(kind.run(replica.address));
            if n % 100 == 99 {
                works(&cluster, &replica).await;
            }
        }
        works(&cluster, &replica).await;
    }
}

/// Bodies that are announced and do not come are no reason to wait: the review is answered before they are given up.
#[tokio::test(flavor = "multi_thread")]
async fn announced_bodies_take_no_memory_from_a_review() {
    let (cluster, replica) = start().await;
    let mut stalled = Vec::new();
    for _ in 0..60 {
        let plain = TcpStream::connect(replica.address).await.unwrap();
        let mut stream = tls(plain, "http/1.1").await.unwrap();
        stream.write_all(&Kind::NoBody.bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stalled.push(stream);
    }
    let mut answered = JoinSet::new();
    for mut stream in stalled {
        answered.spawn(async move { stream.read(&mut [0; 1]).await.is_ok() });
    }
    tokio::select! {
        () = works(&cluster, &replica) => {}
        _ = answered.join_next() => panic!("the review waits for bodies that do not come"),
    }
}
