//! The health endpoint of the real binary. Fault 9: there is none.

use fpga_demo::process::Process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::node::{AF_NLB3, LIMIT, Node, allocatable, one_card};

/// Status code and body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    tokio::time::timeout(LIMIT, connection.read_to_string(&mut response)).await.unwrap().unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Where the endpoint of an agent is that chose a port by itself.
pub(crate) async fn address(agent: &mut Process) -> String {
    let line = agent.wait_for_line("health endpoint at http://", LIMIT).await.unwrap();
    line.rsplit("http://").next().unwrap().trim().to_owned()
}

#[tokio::test]
async fn readiness_follows_the_registrations() {
    let node = Node::new(&one_card());
    let mut agent = node.agent(&["--health-address", "127.0.0.1:0"]);
    let address = address(&mut agent).await;

    agent.wait_for_line("sockets: No such file or directory", LIMIT).await.unwrap();
    assert_eq!(get(&address, "/healthz").await, (200, "ok\n".to_owned()));
    let (code, body) = get(&address, "/readyz").await;
    assert_eq!(code, 503);
    assert!(body.starts_with(&format!("{AF_NLB3}: not registered: ")), "{body}");

    let kubelet = node.kubelet();
    allocatable(&kubelet, AF_NLB3, 1).await;
    // The answer to Register and the question for the list come at the same time.
    let started = std::time::Instant::now();
    while get(&address, "/readyz").await != (200, "ok\n".to_owned()) {
        assert!(started.elapsed() < LIMIT, "never ready");
    }

    kubelet.stop().await;
    agent.wait_for_line("the kubelet closed its stream", LIMIT).await.unwrap();
    assert_eq!(get(&address, "/readyz").await.0, 503);
}

/// What hostile clients send, and then wait.
fn hostile() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"GET /hea".to_vec(),
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n".to_vec(),
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000),
        [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'x'; 300_000]].concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0xa5; 4096],
        // A ClientHello of which there is the head.
        vec![22, 3, 1, 2, 0, 1, 0, 1, 252],
    ]
}

/// Whatever a pod of the node opens, the kubelet's probe is answered: it would end the agent otherwise.
#[tokio::test]
async fn hostile_connections_keep_no_probe_waiting_and_are_cut() {
    let node = Node::new(&one_card());
    let mut agent = node.agent(&["--health-address", "127.0.0.1:0"]);
    let address = address(&mut agent).await;
    let mut connected = Vec::new();
    let kinds = hostile();
    for bytes in kinds.iter().cycle().take(40 * kinds.len()) {
        let connection = TcpStream::connect(&address).await.unwrap();
        // One that is cut already is cut.
        let _ = connection.try_write(bytes);
        connected.push(connection);
        if connected.len() % 20 == 0 {
            assert_eq!(get(&address, "/healthz").await, (200, "ok\n".to_owned()));
            assert_eq!(get(&address, "/metrics").await.0, 200);
        }
    }
    // Byte by byte, as long as it is taken.
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let sending = async {
        while slow.write_all(b"G").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, sending).await.expect("a head by the byte is never cut");
    for mut connection in connected {
        let mut answer = Vec::new();
        let cut = connection.read_to_end(&mut answer);
        let _ = tokio::time::timeout(LIMIT, cut).await.expect("never cut");
    }
    assert_eq!(get(&address, "/healthz").await, (200, "ok\n".to_owned()));
}
