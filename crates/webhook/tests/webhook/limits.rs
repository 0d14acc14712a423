//! What the server takes and what it does not, and how it ends.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cluster::{Cluster, LIMIT, NLB3, gets, pod};
use fpga_demo::admission::{Webhook, review};

#[tokio::test]
async fn wrong_requests_are_named_and_harm_nothing() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replica = cluster.ready(&[]).await;
    let client = cluster.client(&replica);
    for (body, status) in [
        (vec![b' '; 8 * 1024 * 1024], 413),
        (b"{}".to_vec(), 400),
        (b"[".repeat(100_000), 400),
        (Vec::new(), 400),
    ] {
        let answer = client.connect().await.unwrap().post(body.into()).await;
        // Of a body that is too large the rest may be cut off before the answer is read.
        match answer {
            Ok((found, _)) => assert_eq!(found, status),
            Err(error) => assert_eq!(status, 413, "{error:#}"),
        }
    }
    let elsewhere = Webhook::new(
        replica.address,
        "fpga-webhook.kube-fpga.svc",
        "/elsewhere",
        &cluster.bundle().unwrap(),
    );
    let answer = elsewhere.unwrap().connect().await.unwrap().post("{}".into()).await.unwrap();
    assert_eq!(answer.0, 404);

    // No TLS at all.
    let mut plain = TcpStream::connect(replica.address).await.unwrap();
    plain.write_all(b"POST /pods HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    // Connections that say nothing keep nobody else out, however many they are.
    let mut silent = Vec::new();
    for _ in 0..1200 {
        silent.push(TcpStream::connect(replica.address).await.unwrap());
    }
    gets(&cluster, &replica, "fpga.intel.com/f", Some(&format!("fpga.intel.com/af-{NLB3}"))).await;
    // Nor does the health endpoint keep a probe waiting for them.
    for _ in 0..200 {
        silent.push(TcpStream::connect(replica.health).await.unwrap());
    }
    assert_eq!(replica.page("/healthz").await, (200, "ok\n".to_owned()));
    let (_, metrics) = replica.page("/metrics").await;
    assert!(metrics.contains("kube_fpga_webhook_tls_handshake_failures_total 1\n"), "{metrics}");
    assert!(
        metrics.contains("kube_fpga_webhook_reviews_total{outcome=\"bad_request\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn sigterm_lets_connections_end_in_good_order() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let mut replica = cluster.ready(&["--shutdown-delay", "2s"]).await;
    let client = cluster.client(&replica);
    let review = review("u", "vision", &pod("fpga.intel.com/f"), false).to_string();
    let mut open = client.connect().await.unwrap();
    assert_eq!(open.post(review.clone().into()).await.unwrap().0, 200);
    nix::sys::signal::kill(replica.process.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
    replica.process.wait_for_line("stopping: SIGTERM", LIMIT).await.unwrap();
    // Until every API server knows, connections are still taken, though no new ones are asked for.
    assert_eq!(replica.page("/readyz").await, (503, "stopping\n".to_owned()));
    assert_eq!(open.post(review.clone().into()).await.unwrap().0, 200);
    let mut new = client.connect().await.unwrap();
    assert_eq!(new.post(review.into()).await.unwrap().0, 200);
    assert!(replica.process.terminate(LIMIT).await.unwrap().success());
    assert_eq!(cluster.lease_holder(), "", "the lease is given back");
}

#[tokio::test]
async fn what_cannot_run_says_why_in_one_line() {
    let cluster = Cluster::new().await;
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_fpga-webhook"));
        command.env_remove("POD_NAMESPACE").env_remove("POD_NAME");
        let output = command.args(arguments).output().await.unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), words.lines().last().unwrap_or_default().to_owned())
    };
    let holder = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let kubeconfig = cluster.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    for (arguments, code, reason) in [
        (vec!["--kubeconfig", kubeconfig], 2, "says which namespace this is"),
        (vec!["--namespace", "n", "--address", &taken, "--kubeconfig", kubeconfig], 1, "in use"),
        (
            vec![
                "--namespace",
                "n",
                "--address",
                "127.0.0.1:0",
                "--health-address",
                "none",
                "--kubeconfig",
                "/nonexistent",
            ],
            1,
            "kubeconfig /nonexistent: ",
        ),
        (
            vec![
                "--namespace",
                "n",
                "--address",
                "127.0.0.1:0",
                "--health-address",
                "none",
                "--kubeconfig",
                kubeconfig,
                "--certificate-dir",
                "/nonexistent",
            ],
            1,
            "--certificate-dir /nonexistent: ",
        ),
    ] {
        let (found, line) = run(&arguments).await;
        assert!(found == code && line.contains(reason), "{arguments:?}: {found}: {line}");
    }
}
