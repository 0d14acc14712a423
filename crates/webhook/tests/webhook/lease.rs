//! Two replicas: both serve, one keeps the certificate and the status.

use serde_json::json;

use crate::cluster::{Cluster, LIMIT, NLB3, eventually, gets};

#[tokio::test]
async fn two_replicas_serve_and_one_holds_the_lease() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replicas = [cluster.ready(&[]).await, cluster.ready(&[]).await];
    let af = format!("fpga.intel.com/af-{NLB3}");
    for replica in &replicas {
        gets(&cluster, replica, "fpga.intel.com/f", Some(&af)).await;
    }
    let certificate = cluster.certificate();
    let leads = |log: Vec<String>| log.iter().any(|line| line.contains("holds the lease"));
    let led: Vec<_> = replicas.iter().filter(|r| leads(r.process.log())).collect();
    assert_eq!(led.len(), 1);
    let holder = cluster.lease_holder();

    // The holder ends and gives the lease back; the other one has it at its next try, and nothing else changes.
    let [one, two] = replicas;
    let (gone, left) = if leads(one.process.log()) { (one, two) } else { (two, one) };
    let mut left = left;
    assert!(gone.process.terminate(LIMIT).await.unwrap().success());
    left.process.wait_for_line("holds the lease", LIMIT).await.unwrap();
    assert_ne!(cluster.lease_holder(), holder);
    assert_eq!(cluster.certificate(), certificate);
    gets(&cluster, &left, "fpga.intel.com/f", Some(&af)).await;

    // One that is killed gives nothing back: its lease runs out.
    let mut third = cluster.ready(&[]).await;
    drop(left);
    third.process.wait_for_line("holds the lease", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_holder_without_api_server_no_longer_acts_as_one() {
    let mut cluster = Cluster::new().await;
    let mut replica = cluster.ready(&[]).await;
    cluster.stop_api();
    replica.process.wait_for_line("no longer holds the lease", LIMIT).await.unwrap();
    cluster.start_api().await;
    eventually("the lease is taken again", || !cluster.lease_holder().is_empty()).await;
    eventually("the new configuration is kept", || cluster.bundle().is_some()).await;
}
