//! The objects are followed through everything that an API server does.

use fpga_demo::admission::Verdict;
use serde_json::json;

use crate::cluster::{A10, Cluster, FUNCTIONS, LIMIT, NLB0, NLB3, eventually, gets, gets_by, pod};
use fpga_demo::apiserver::Verb;

const AF_NLB0: &str = "fpga.intel.com/af-d8424dc4a4a3c413f89e433683f9040b";
const AF_NLB3: &str = "fpga.intel.com/af-f7df405cbd7acf7222f144b0b93acd18";

/// Fault 23: requests that came before the objects were refused.
#[tokio::test]
async fn nothing_is_answered_before_the_objects_are_known() {
    let cluster = Cluster::bare().await;
    let mut replica = cluster.replica(&[]).await;
    replica.process.wait_for_line("its CRD is not installed", LIMIT).await.unwrap();
    let (code, text) = replica.page("/readyz").await;
    assert_eq!(code, 503);
    assert!(text.contains("the objects are not known yet"), "{text}");
    assert_eq!(replica.page("/healthz").await.0, 200);

    cluster.install();
    cluster.function("vision", "nlb3", json!({ "afuId": NLB3 }));
    replica.wait_ready().await;
    eventually("the configuration has a bundle", || cluster.bundle().is_some()).await;
    gets(&cluster, &replica, "fpga.intel.com/nlb3", Some(AF_NLB3)).await;
    let complaints = replica.process.log();
    let complaints = complaints.iter().filter(|line| line.contains("CRD is not installed"));
    assert_eq!(complaints.count(), 2, "one for each kind");
}

#[tokio::test]
async fn more_objects_than_a_page_holds_are_all_known() {
    let cluster = Cluster::new().await;
    for n in 0..1201 {
        cluster.function("vision", &format!("f{n}"), json!({ "afuId": format!("{:032x}", n + 1) }));
    }
    let replica = cluster.ready(&[]).await;
    assert!(cluster.api().requests(FUNCTIONS, Verb::List) >= 3);
    for n in [0, 499, 500, 1200] {
        let resource = format!("fpga.intel.com/af-{:032x}", n + 1);
        gets(&cluster, &replica, &format!("fpga.intel.com/f{n}"), Some(&resource)).await;
    }
    let (_, metrics) = replica.page("/metrics").await;
    assert!(metrics.contains("kube_fpga_webhook_objects 1201\n"), "{metrics}");
}

#[tokio::test]
async fn changes_are_followed_through_bookmarks_gone_and_lost_connections() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replica = cluster.ready(&[]).await;
    let ask = "fpga.intel.com/f";
    gets(&cluster, &replica, ask, Some(AF_NLB3)).await;
    // Whoever holds the lease lists them as well, for their status.
    eventually("the status is written", || {
        let object = cluster.api().get(FUNCTIONS, "vision", "f");
        object.is_some_and(|object| !object["status"].is_null())
    })
    .await;
    let lists = || cluster.api().requests(FUNCTIONS, Verb::List);
    let before = lists();

    cluster.function("vision", "f", json!({ "afuId": NLB0 }));
    gets(&cluster, &replica, ask, Some(AF_NLB0)).await;

    cluster.api().bookmark();
    cluster.api().end_watches();
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    gets(&cluster, &replica, ask, Some(AF_NLB3)).await;
    assert_eq!(lists(), before, "a watch that ends is taken up where it was");

    cluster.api().compact();
    cluster.function("vision", "f", json!({ "afuId": NLB0 }));
    gets(&cluster, &replica, ask, Some(AF_NLB0)).await;
    assert!(lists() > before, "what is gone is listed again");

    cluster.api().disconnect();
    assert!(cluster.api().delete(FUNCTIONS, "vision", "f"));
    gets(&cluster, &replica, ask, None).await;
    let log = replica.process.log();
    // Without the time, whose digits are any.
    let mut words = log.iter().filter_map(|line| line.split_once(' ').map(|(_, words)| words));
    assert!(!words.any(|line| line.contains("410") || line.contains("Expired")), "{log:?}");
}

#[tokio::test]
async fn an_api_server_may_come_later_go_and_come_back() {
    let mut cluster = Cluster::bare().await;
    cluster.stop_api();
    let mut replica = cluster.replica(&[]).await;
    replica.process.wait_for_line("AcceleratorFunction objects: ", LIMIT).await.unwrap();
    assert_eq!(replica.page("/healthz").await.0, 200);
    assert_eq!(replica.page("/readyz").await.0, 503);

    cluster.start_api().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    replica.wait_ready().await;
    eventually("the configuration has a bundle", || cluster.bundle().is_some()).await;
    gets(&cluster, &replica, "fpga.intel.com/f", Some(AF_NLB3)).await;

    // What is known is good enough while nobody answers.
    let client = cluster.client(&replica);
    cluster.stop_api();
    gets_by(&client, "fpga.intel.com/f", Some(AF_NLB3)).await;
    assert_eq!(replica.page("/readyz").await.0, 200);

    // And what came meanwhile is taken in, what went is forgotten.
    cluster.start_api().await;
    cluster.function("vision", "g", json!({ "afuId": NLB0 }));
    gets_by(&client, "fpga.intel.com/g", Some(AF_NLB0)).await;
    gets_by(&client, "fpga.intel.com/f", None).await;
}

/// Objects of the first version have an id alone; how they are got is up to the webhook.
#[tokio::test]
async fn the_default_mode_and_the_naming_are_the_flags() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3, "interfaceId": A10 }));
    let orchestrated = cluster.ready(&["--mode", "orchestrated"]).await;
    let region = format!("fpga.intel.com/region-{A10}");
    gets(&cluster, &orchestrated, "fpga.intel.com/f", Some(&region)).await;
    let verdict = cluster.client(&orchestrated).ask("vision", &pod("fpga.intel.com/f")).await;
    let Ok(Verdict::Allowed { pod, .. }) = verdict else { panic!("{verdict:?}") };
    let env = &pod["spec"]["containers"][0]["env"];
    let expected = json!([
        { "name": "FPGA_REGION_1", "value": A10 }, { "name": "FPGA_AFU_1", "value": NLB3 },
    ]);
    assert_eq!(*env, expected);
    let encoded = cluster.ready(&["--naming", "encoded"]).await;
    let af = "fpga.intel.com/af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";
    gets(&cluster, &encoded, "fpga.intel.com/f", Some(af)).await;
}
