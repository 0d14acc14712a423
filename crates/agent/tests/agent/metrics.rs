//! `/metrics` of the real binary, scraped while things happen.

use std::collections::BTreeMap;

use fpga::records::{Record, RunResult, Stage};
use fpga_demo::exposition::{lint, parse};
use fpga_demo::process::Process;

use crate::api::{Api, NODE};
use crate::health::{address, get};
use crate::node::{AF_NLB3, LIMIT, Node, REGION, allocatable, cards, one_card};

const OPTIONS: [&str; 6] =
    ["--health-address", "127.0.0.1:0", "--health-interval", "20ms", "--rescan-interval", "1h"];

struct Scraper(String);

impl Scraper {
    async fn of(agent: &mut Process) -> Self {
        Self(address(agent).await)
    }

    /// All samples, after a look at their form.
    async fn scrape(&self) -> BTreeMap<String, f64> {
        let (code, text) = get(&self.0, "/metrics").await;
        assert_eq!(code, 200);
        let metrics = parse(&text);
        // What has no sample yet is not there at all.
        lint(&metrics, "kube_fpga_agent");
        metrics.into_iter().flat_map(|metric| metric.samples).collect()
    }

    /// Waits until a sample has a value; `None` for its absence.
    async fn shows(&self, sample: &str, value: Option<f64>) {
        let sample = format!("kube_fpga_agent_{sample}");
        let started = std::time::Instant::now();
        loop {
            let samples = self.scrape().await;
            if samples.get(&sample).copied() == value {
                return;
            }
            assert!(started.elapsed() < LIMIT, "{sample} is never {value:?}: {samples:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// While the API server is away, it is seen for how long what is granted has been kept.
#[tokio::test]
async fn the_age_of_the_grants_is_shown() {
    let node = Node::new(&one_card());
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    let mut command = node.command(&OPTIONS);
    command.arg("--kubeconfig").arg(node.file("kubeconfig")).env("NODE_NAME", NODE);
    let mut agent = Process::start(command).unwrap();
    let scraper = Scraper::of(&mut agent).await;
    scraper.shows("grants_age_seconds", Some(0.0)).await;
    drop(api);
    let started = std::time::Instant::now();
    while scraper.scrape().await["kube_fpga_agent_grants_age_seconds"] == 0.0 {
        assert!(started.elapsed() < LIMIT);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_device_is_unhealthy_for_a_reason() {
    let mut node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&OPTIONS);
    let scraper = Scraper::of(&mut agent).await;
    allocatable(&kubelet, AF_NLB3, 2).await;
    scraper.shows(&format!("devices{{resource=\"{AF_NLB3}\",state=\"healthy\"}}"), Some(2.0)).await;
    scraper.shows(&format!("registered{{resource=\"{AF_NLB3}\"}}"), Some(1.0)).await;
    let temperature = "card_temperature_celsius{card=\"0000:10:00.0\"}";
    scraper.shows(temperature, Some(42.0)).await;

    let reason = |reason: &str| {
        format!(
            "device_unhealthy{{resource=\"{AF_NLB3}\",device=\"dfl-port.0\",card=\"0000:10:00.0\",reason=\"{reason}\"}}"
        )
    };
    node.change(|host| host.slots[0].card.set_temperature(99));
    scraper.shows(&reason("temperature"), Some(1.0)).await;
    scraper.shows(temperature, Some(99.0)).await;
    node.change(|host| {
        host.slots[0].card.set_temperature(42);
        host.slots[0].card.raise_port_error(0, 1 << 48);
    });
    scraper.shows(&reason("port_error"), Some(1.0)).await;
    scraper.shows(&reason("temperature"), None).await;
    let latched = "latched_error{card=\"0000:10:00.0\",port=\"dfl-port.0\",register=\"errors\",error=\"PageFault\"}";
    scraper.shows(latched, Some(1.0)).await;
    scraper
        .shows(&format!("devices{{resource=\"{AF_NLB3}\",state=\"unhealthy\"}}"), Some(1.0))
        .await;
    node.change(|host| host.remove(0));
    scraper.shows(&reason("vanished"), Some(1.0)).await;
    scraper.shows(latched, None).await;
    scraper.shows(temperature, None).await;
}

#[tokio::test]
async fn what_the_kubelet_does_is_counted() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"]), (0x20, &["nlb3"])]));
    let kubelet = node.kubelet();
    let mut agent = node.agent(&OPTIONS);
    let scraper = Scraper::of(&mut agent).await;
    allocatable(&kubelet, AF_NLB3, 2).await;
    kubelet.allocate("pod", &[(AF_NLB3.to_owned(), 2)].into()).await.unwrap();
    scraper.shows(&format!("allocations_total{{resource=\"{AF_NLB3}\"}}"), Some(2.0)).await;
    scraper.shows(&format!("registrations_total{{resource=\"{AF_NLB3}\"}}"), Some(1.0)).await;
    scraper.shows("kubelet_starts_total", Some(0.0)).await;
    kubelet.stop().await;
    scraper.shows(&format!("registered{{resource=\"{AF_NLB3}\"}}"), Some(0.0)).await;
    let kubelet = node.kubelet();
    allocatable(&kubelet, AF_NLB3, 2).await;
    scraper.shows("kubelet_starts_total", Some(1.0)).await;
    scraper.shows(&format!("registered{{resource=\"{AF_NLB3}\"}}"), Some(1.0)).await;
}

#[tokio::test]
async fn what_the_hook_did_is_counted() {
    let node = Node::new(&cards(&[(0x10, &["nlb3"])]));
    let kubelet = node.kubelet();
    let results = node.file("run/hook-results");
    // Left while no agent ran, by hooks and by others.
    fpga::records::make_directory(&results).unwrap();
    let run = |result, programmed: &[u64]| {
        let programmed = programmed.to_vec();
        let record = Record { stage: Stage::Create, result, milliseconds: 1500, programmed };
        assert!(record.leave(&results).unwrap());
    };
    run(RunResult::Done, &[700, 40]);
    std::fs::write(results.join("x.json"), "no record").unwrap();
    let mut agent = node.agent(&[&OPTIONS[..], &["--mode", "region"]].concat());
    let scraper = Scraper::of(&mut agent).await;
    allocatable(&kubelet, REGION, 1).await;
    scraper.shows("hook_runs_total{stage=\"create\",result=\"done\"}", Some(1.0)).await;
    scraper.shows("hook_malformed_results_total", Some(1.0)).await;
    scraper.shows("programmings_total", Some(2.0)).await;
    scraper.shows("programming_duration_seconds_bucket{le=\"0.1\"}", Some(1.0)).await;
    run(RunResult::Disabled, &[]);
    run(RunResult::Disabled, &[]);
    scraper.shows("hook_runs_total{stage=\"create\",result=\"disabled\"}", Some(2.0)).await;
    assert_eq!(std::fs::read_dir(&results).unwrap().count(), 0, "each is removed");

    // Somebody removes the directory: it is made again.
    crate::node::remove(&results);
    crate::node::eventually("the directory is back", || results.is_dir()).await;
    run(RunResult::Done, &[]);
    scraper.shows("hook_runs_total{stage=\"create\",result=\"done\"}", Some(2.0)).await;
}
