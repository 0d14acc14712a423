//! Certificates: made, kept, renewed without a dropped request, or taken from files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use fpga_webhook::certificates::issue::issue;
use fpga_webhook::certificates::pair::Pair;
use serde_json::json;

use crate::cluster::{Cluster, LIMIT, NLB3, Replica, client, eventually, gets, gets_by, pod};

const AF: &str = "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18";

/// What the Secret holds, without the keys.
fn names(cluster: &Cluster) -> BTreeSet<String> {
    let data = cluster.certificate().unwrap_or_default();
    data.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn a_certificate_is_made_and_the_configuration_told() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replica = cluster.ready(&["--v", "9"]).await;
    gets(&cluster, &replica, "fpga.intel.com/f", Some(AF)).await;
    let expected = ["ca.crt", "tls.crt", "tls.key"].map(str::to_owned);
    assert_eq!(names(&cluster), BTreeSet::from(expected));
    // Nothing of a key is ever said.
    let data = cluster.certificate().unwrap();
    let key = data["tls.key"].as_str().unwrap();
    for line in replica.process.log() {
        assert!(!line.contains("PRIVATE") && !line.contains(&key[40..80]), "{line}");
    }

    // Somebody applies the manifest anew.
    cluster.configure();
    assert_eq!(cluster.bundle(), None);
    eventually("the bundle is put back", || cluster.bundle().is_some()).await;
    gets(&cluster, &replica, "fpga.intel.com/f", Some(AF)).await;
    // Somebody deletes the Secret.
    let old = cluster.bundle();
    assert!(cluster.api().delete("secrets", "kube-fpga", "fpga-webhook-cert"));
    eventually("another one is made", || cluster.certificate().is_some()).await;
    eventually("the configuration is told", || cluster.bundle() != old).await;
    gets(&cluster, &replica, "fpga.intel.com/f", Some(AF)).await;
}

/// Clients that open a new connection for every review, trusting what the configuration says at that moment.
async fn load(cluster: &Cluster, replicas: &[&Replica], sent: &AtomicUsize) {
    let mut n = 0;
    loop {
        n += 1;
        let bundle = cluster.bundle().unwrap();
        let replica = replicas[n % replicas.len()];
        let answer = client(replica, &bundle).ask("vision", &pod("fpga.intel.com/f")).await;
        let verdict = answer.unwrap_or_else(|error| {
            let logs: Vec<_> = replicas.iter().map(|r| r.process.log()).collect();
            panic!("review {n}: {error:#}: {logs:#?}")
        });
        assert_eq!(crate::cluster::resources(&verdict), [AF]);
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn renewals_drop_no_request() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let flags = ["--certificate-lifetime", "21s", "--certificate-overlap", "3s"];
    let (one, two) = (cluster.ready(&flags).await, cluster.ready(&flags).await);
    let (replicas, sent) = ([&one, &two], AtomicUsize::new(0));
    let current = || cluster.certificate().map(|data| data["tls.crt"].clone());
    let renewals = async {
        let mut largest = 0;
        for round in 0..2 {
            let (before, count) = (current(), sent.load(Ordering::Relaxed));
            let started = std::time::Instant::now();
            while current() == before {
                let bundle = cluster.bundle().unwrap();
                largest = largest.max(bundle.matches("BEGIN CERTIFICATE").count());
                assert!(started.elapsed() < LIMIT, "no renewal {round}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(sent.load(Ordering::Relaxed) > count, "no request during renewal {round}");
        }
        assert_eq!(largest, 2, "both CAs are told during the change");
    };
    tokio::select! {
        () = renewals => {}
        () = async {
            let load = || load(&cluster, &replicas, &sent);
            tokio::join!(load(), load(), load(), load());
        } => {}
    }
    eventually("the previous CA is forgotten", || {
        names(&cluster).len() == 3 && cluster.bundle().unwrap().matches("BEGIN").count() == 1
    })
    .await;
    println!("{} requests over two renewals, none failed", sent.load(Ordering::Relaxed));
}

#[tokio::test]
async fn files_of_somebody_else_are_served_and_read_again() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    std::fs::create_dir(cluster.directory()).unwrap();
    let directory = cluster.directory();
    let flags = ["--certificate-dir", directory.to_str().unwrap()];
    let mut replica = cluster.replica(&flags).await;
    replica.process.wait_for_line("all objects are known", LIMIT).await.unwrap();
    let (code, text) = replica.page("/readyz").await;
    assert_eq!((code, text.trim()), (503, "there is no certificate yet"));

    let make = || {
        let name = ["fpga-webhook.kube-fpga.svc".to_owned()];
        issue(&name, SystemTime::now(), Duration::from_secs(3600)).unwrap()
    };
    let put = |pair: &Pair| {
        std::fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(directory.join("tls.key"), &pair.key).unwrap();
    };
    let (first, second) = (make(), make());
    put(&first);
    replica.wait_ready().await;
    gets_by(&client(&replica, &first.ca), "fpga.intel.com/f", Some(AF)).await;
    let mut open = client(&replica, &first.ca).connect().await.unwrap();
    put(&second);
    let newer = Arc::new(client(&replica, &second.ca));
    let started = std::time::Instant::now();
    while newer.connect().await.is_err() {
        assert!(started.elapsed() < LIMIT, "the new certificate is not served");
    }
    gets_by(&newer, "fpga.intel.com/f", Some(AF)).await;
    // A connection that was there goes on.
    let review = fpga_demo::admission::review("u", "vision", &pod("fpga.intel.com/f"), false);
    assert_eq!(open.post(review.to_string().into()).await.unwrap().0, 200);
    assert_eq!(cluster.bundle(), None, "the configuration is somebody else's too");
    assert_eq!(cluster.certificate(), None);
}
