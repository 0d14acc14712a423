//! The second stage of admission: what other webhooks do to a pod after ours.

use fpga_demo::admission::{Verdict, bundle};
use serde_json::{Value, json};

use crate::cluster::{A10, Cluster, NLB0, NLB3, VALIDATING, eventually, gets, pod};

fn container(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

fn limits(pod: &mut Value, resource: &str, count: &str) {
    for list in ["limits", "requests"] {
        container(pod)["resources"][list][resource] = json!(count);
    }
}

#[tokio::test]
async fn what_is_added_after_the_first_stage_is_held_to_the_same_rules() {
    let cluster = Cluster::new().await;
    cluster.function("vision", "f", json!({ "afuId": NLB3 }));
    let region = json!({ "afuId": NLB3, "interfaceId": A10, "mode": "region" });
    cluster.function("vision", "r", region);
    let replica = cluster.ready(&[]).await;
    for name in ["fpga.intel.com/f", "fpga.intel.com/r"] {
        let real = if name.ends_with('f') { format!("af-{NLB3}") } else { format!("region-{A10}") };
        gets(&cluster, &replica, name, Some(&format!("fpga.intel.com/{real}"))).await;
    }
    let admission = cluster.admission(&replica);
    let plain = || {
        let mut pod = pod("cpu");
        pod["metadata"]["annotations"] = json!({ "inject": "yes" });
        pod
    };

    // Nobody in between: its own work, and pods without FPGAs.
    for pod in [pod("fpga.intel.com/f"), pod("fpga.intel.com/r"), plain()] {
        let verdict = admission.ask("vision", &pod).await.unwrap();
        assert!(matches!(verdict, Verdict::Allowed { .. }), "{verdict:?}");
    }
    // What a tenant makes an injector add to a pod that had no FPGA, and that the first stage was not asked about.
    type Inject = fn(&mut Value);
    let refused: [(Inject, &str); 7] = [
        (|pod| limits(pod, "fpga.intel.com/f", "1"), "another webhook"),
        (|pod| limits(pod, "fpga.intel.com/unknown", "1"), "no such resource"),
        (
            |pod| limits(pod, &format!("fpga.intel.com/af-{NLB0}"), "1"),
            "is not granted to namespace",
        ),
        (|pod| limits(pod, &format!("fpga.intel.com/af-{NLB3}"), "0.5"), "integral"),
        (
            |pod| {
                limits(pod, &format!("fpga.intel.com/region-{A10}"), "1");
                container(pod)["env"] = json!([
                    { "name": "FPGA_REGION_1", "value": A10 }, { "name": "FPGA_AFU_1", "value": NLB0 },
                ]);
            },
            "FPGA_REGION_1",
        ),
        (
            |pod| {
                limits(pod, &format!("fpga.intel.com/af-{NLB3}"), "1");
                pod["metadata"]["annotations"]["com.intel.fpga.mode"] =
                    json!("fpga.intel.com/region");
            },
            "com.intel.fpga.mode",
        ),
        (
            |pod| {
                let mut added = container(pod).clone();
                added["name"] = json!("injected");
                added["resources"] = json!({ "limits": { "fpga.intel.com/r": "1" } });
                pod["spec"]["initContainers"] = json!([added]);
            },
            "another webhook",
        ),
    ];
    for (inject, words) in refused {
        let verdict = admission.ask_with("vision", &plain(), inject).await.unwrap();
        let Verdict::Refused(message) = verdict else { panic!("{words}: {verdict:?}") };
        assert!(message.contains(words), "{message}");
    }
    // One that is granted may be added by its real name, with what goes with it.
    let granted: [Inject; 2] = [
        |pod| limits(pod, &format!("fpga.intel.com/af-{NLB3}"), "2"),
        |pod| {
            limits(pod, &format!("fpga.intel.com/region-{A10}"), "1");
            container(pod)["env"] = json!([
                { "name": "FPGA_REGION_1", "value": A10 }, { "name": "FPGA_AFU_1", "value": NLB3 },
            ]);
        },
    ];
    for inject in granted {
        let verdict = admission.ask_with("vision", &plain(), inject).await.unwrap();
        assert!(matches!(verdict, Verdict::Allowed { .. }), "{verdict:?}");
    }
    // And in another namespace it is not.
    let verdict = admission
        .ask_with(
            "elsewhere",
            &{
                let mut pod = plain();
                pod["metadata"]["namespace"] = json!("elsewhere");
                pod
            },
            granted[0],
        )
        .await
        .unwrap();
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
    let (_, metrics) = replica.page("/metrics").await;
    assert!(metrics.contains("kube_fpga_webhook_reviews_total{outcome=\"refused\"}"), "{metrics}");
}

#[tokio::test]
async fn both_configurations_get_the_bundle() {
    let cluster = Cluster::new().await;
    let replica = cluster.ready(&[]).await;
    let validating = || cluster.api().get(VALIDATING, "", "fpga-webhook").and_then(|c| bundle(&c));
    assert_eq!(validating(), cluster.bundle());
    // One that is put back as it was installed is filled in again.
    cluster.configure();
    eventually("both have it again", || validating().is_some() && validating() == cluster.bundle())
        .await;
    drop(replica);
}

#[tokio::test]
async fn without_the_second_configuration_the_first_is_kept() {
    let cluster = Cluster::new().await;
    assert!(cluster.api().delete(VALIDATING, "", "fpga-webhook"));
    let mut replica = cluster.ready(&[]).await;
    let line = "there is no ValidatingWebhookConfiguration fpga-webhook";
    replica.process.wait_for_line(line, crate::cluster::LIMIT).await.unwrap();
}
