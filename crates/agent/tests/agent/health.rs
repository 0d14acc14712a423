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

/// Whatever a pod of the node opens, the kubelet's probe is answered: it would end the agent otherwise.
#[tokio::test]
async fn idle_connections_keep_no_probe_waiting() {
    let node = Node::new(&one_card());
    let mut agent = node.agent(&["--health-address", "127.0.0.1:0"]);
    let address = address(&mut agent).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    assert_eq!(get(&address, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/metrics").await.0, 200);
}
