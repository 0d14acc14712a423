//! What is said on the objects, and in Events.

use serde_json::{Value, json};

use crate::cluster::{A10, Cluster, FUNCTIONS, LIMIT, NLB3, eventually, pod};
use fpga_demo::admission::review;
use fpga_demo::apiserver::Verb;

fn condition(cluster: &Cluster, name: &str) -> (String, String) {
    let object = cluster.api().get(FUNCTIONS, "vision", name).unwrap();
    let condition = &object["status"]["conditions"][0];
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

fn node(cluster: &Cluster, name: &str, allocatable: Value) {
    let status = json!({ "allocatable": allocatable });
    cluster.api().put("nodes", json!({ "metadata": { "name": name }, "status": status })).unwrap();
}

/// The Events with a reason.
fn events(cluster: &Cluster, reason: &str) -> Vec<Value> {
    let all = cluster.api().objects("events");
    all.into_iter().filter(|event| event["reason"] == reason).collect()
}

#[tokio::test]
async fn objects_say_whether_and_where_they_can_be_served() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "af", json!({ "afuId": NLB3, "mode": "af" }));
    let region = json!({ "afuId": NLB3, "interfaceId": A10, "mode": "region" });
    cluster.function("vision", "region", region);
    cluster.function("vision", "bad", json!({ "afuId": "abc" }));
    let _replica = cluster.ready(&[]).await;
    let says = |name, status: &str, reason: &str| {
        condition(&cluster, name) == (status.to_owned(), reason.to_owned())
    };
    eventually("no node has it", || says("af", "False", "NoNode")).await;
    eventually("no node has it", || says("region", "False", "NoNode")).await;
    eventually("it means nothing", || says("bad", "False", "InvalidSpec")).await;

    let (af, other) = (format!("fpga.intel.com/af-{NLB3}"), format!("fpga.intel.com/region-{A10}"));
    node(&cluster, "n1", json!({ &af: "1", &other: "0", "cpu": "2" }));
    eventually("n1 has it", || says("af", "True", "NodesAvailable")).await;
    let status = cluster.api().get(FUNCTIONS, "vision", "af").unwrap()["status"].clone();
    assert_eq!((&status["nodeCount"], &status["nodes"]), (&json!(1), &json!(["n1"])));
    assert_eq!(status["resource"], json!(af));
    assert!(says("region", "False", "NoNode"), "a zero is none");
    node(&cluster, "n2", json!({ &other: "2" }));
    eventually("n2 has it", || says("region", "True", "NodesAvailable")).await;
    assert!(cluster.api().delete("nodes", "", "n2"));
    eventually("n2 is gone", || says("region", "False", "NoNode")).await;
    eventually("that is told", || {
        events(&cluster, "NoNode").iter().any(|e| e["regarding"]["name"] == "region")
    })
    .await;

    cluster.function("vision", "bad", json!({ "afuId": NLB3 }));
    eventually("it was put right", || says("bad", "True", "NodesAvailable")).await;
}

/// In a large cluster no half second passes without a change of some node.
#[tokio::test]
async fn nodes_that_never_pause_do_not_put_the_status_off() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "af", json!({ "afuId": NLB3, "mode": "af" }));
    let _replica = cluster.ready(&[]).await;
    eventually("no node has it", || condition(&cluster, "af").1 == "NoNode").await;
    let af = format!("fpga.intel.com/af-{NLB3}");
    node(&cluster, "n1", json!({ &af: "1" }));
    let started = std::time::Instant::now();
    for n in 0_u64.. {
        // A heartbeat, and a resource of ours that really changes.
        node(&cluster, "n2", json!({ "cpu": n.to_string() }));
        node(&cluster, "n3", json!({ "fpga.intel.com/region-0": (1 + n % 2).to_string() }));
        if condition(&cluster, "af").1 == "NodesAvailable" {
            break;
        }
        assert!(started.elapsed() < LIMIT, "the status is never written");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(cluster.api().requests(FUNCTIONS, Verb::Watch), 1, "for the index and the status");
}

#[tokio::test]
async fn refusals_are_told_but_not_over_and_over_and_not_of_dry_runs() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let replica = cluster.ready(&[]).await;
    let mut connection = cluster.client(&replica).connect().await.unwrap();
    let mut ask = async |pod: &Value, dry_run| {
        let review = review("u", "vision", pod, dry_run).to_string();
        connection.post(review.into()).await.unwrap();
    };
    ask(&pod("fpga.intel.com/dry"), true).await;
    for _ in 0..5 {
        ask(&pod("fpga.intel.com/none"), false).await;
    }
    // Of a namespace that asks for more and more only some is told.
    for n in 0..50 {
        ask(&pod(&format!("fpga.intel.com/none-{n}")), false).await;
    }
    eventually("they are told", || events(&cluster, "FpgaRefused").len() == 10).await;
    let told = events(&cluster, "FpgaRefused");
    assert_eq!(told[0]["regarding"]["name"], "test-fpga-region");
    let note = |n: usize| told[n]["note"].as_str().unwrap().to_owned();
    assert!(note(0).contains("fpga.intel.com/none"), "{}", note(0));
    assert_ne!(note(0), note(1), "the same is told once");
    assert!(!told.iter().any(|event| event["note"].as_str().unwrap().contains("/dry")));
    eventually("the status is written", || condition(&cluster, "f").1 == "NoNode").await;

    // A pod that will wait for a node is told so, in another namespace's budget.
    cluster.function("audio", "f", json!({ "afuId": NLB3 }));
    let asked = review("u", "audio", &pod("fpga.intel.com/f"), false);
    let mut asked = asked;
    asked["request"]["object"]["metadata"]["namespace"] = json!("audio");
    let started = std::time::Instant::now();
    while events(&cluster, "FpgaUnservable").is_empty() {
        connection_post(&cluster, &replica, &asked).await;
        assert!(started.elapsed() < crate::cluster::LIMIT, "{:?}", replica.process.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (_, metrics) = replica.page("/metrics").await;
    let dropped =
        metrics.lines().find_map(|l| l.strip_prefix("kube_fpga_webhook_events_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() >= 44, "{metrics}");
}

async fn connection_post(cluster: &Cluster, replica: &crate::cluster::Replica, review: &Value) {
    let mut connection = cluster.client(replica).connect().await.unwrap();
    connection.post(review.to_string().into()).await.unwrap();
}
