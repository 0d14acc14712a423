//! The file of grants, from AcceleratorFunction objects of a stand-in API server.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fpga::grants::{Grant, Grants};
use fpga_demo::process::Process;
use serde_json::{Value, json};

use crate::api::{Api, NODE, write_kubeconfig};
use crate::node::{LIMIT, Node, REGION, allocatable, eventually, one_card, remove};

const A10: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

fn agent(node: &Node, arguments: &[&str]) -> Process {
    let kubeconfig = node.file("kubeconfig");
    let mut command = node.command(&["-kubeconfig", kubeconfig.to_str().unwrap()]);
    command.args(arguments).env("NODE_NAME", NODE);
    Process::start(command).unwrap()
}

fn file(node: &Node) -> PathBuf {
    node.file("run/grants.json")
}

fn region(afu: &str) -> Option<Value> {
    Some(json!({ "afuId": afu, "interfaceId": A10, "mode": "region" }))
}

fn allows(node: &Node, namespace: &str, afu: &str) -> bool {
    let grants = Grants::load(file(node));
    grants.is_ok_and(|g| g.allows(namespace, A10.parse().unwrap(), afu.parse().unwrap()))
}

#[tokio::test]
async fn objects_of_a_namespace_are_what_is_granted_to_it() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    api.set_function(
        "audio/nlb3",
        Some(json!({ "afuId": NLB3, "interfaceId": A10, "mode": "af" })),
    );
    api.set_function("audio/bad", Some(json!({ "afuId": "../x", "interfaceId": A10 })));
    let mut agent = agent(&node, &["--mode", "region"]);
    eventually("the first list is written", || allows(&node, "vision", NLB3)).await;
    assert!(!allows(&node, "audio", NLB3) && !allows(&node, "vision", NLB0));
    let line = agent.wait_for_line("grants nothing", LIMIT).await.unwrap();
    assert!(line.contains("audio/bad") && line.contains("spec.afuId"), "{line}");

    api.set_function("vision/nlb0", region(NLB0));
    eventually("a new object grants", || allows(&node, "vision", NLB0)).await;
    api.set_function("vision/nlb3", None);
    eventually("a removed object does not", || !allows(&node, "vision", NLB3)).await;
    assert!(allows(&node, "vision", NLB0));

    // While the API server is away, what was granted stays; also over a restart of the agent.
    drop(api);
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    write_kubeconfig(&node.file("kubeconfig"), "127.0.0.1:1");
    let mut agent = self::agent(&node, &["--mode", "region"]);
    agent.wait_for_line("so what is granted stays as", LIMIT).await.unwrap();
    assert!(allows(&node, "vision", NLB0));
}

#[tokio::test]
async fn a_crd_that_is_missing_is_named_and_waited_for() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    let mut agent = agent(&node, &["--mode", "region"]);
    agent.wait_for_line("its CRD is not installed", LIMIT).await.unwrap();
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    eventually("the objects are found", || allows(&node, "vision", NLB3)).await;
    let complaints =
        agent.log().iter().filter(|line| line.contains("its CRD is not installed")).count();
    assert_eq!(complaints, 1);
}

/// What the hook goes by is the objects' to say, and nobody else's.
#[tokio::test]
async fn a_file_that_others_touch_is_put_right() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    let _agent = agent(&node, &["--mode", "region"]);
    let path = file(&node);
    let is_right = || {
        let mode = |found: &Metadata| found.permissions().mode() & 0o7777;
        path.symlink_metadata().is_ok_and(|found| found.is_file() && mode(&found) == 0o644)
            && allows(&node, "vision", NLB3)
            && !allows(&node, "audio", NLB0)
    };
    eventually("the first list is written", is_right).await;
    let mut more = Grants::load(&path).unwrap();
    let image = NLB0.parse().unwrap();
    more.insert("audio", Grant { interface_id: A10.parse().unwrap(), image }).unwrap();
    let elsewhere = node.file("elsewhere");
    more.save(&elsewhere).unwrap();
    let by: [(&str, &dyn Fn()); 6] = [
        ("removed", &|| std::fs::remove_file(&path).unwrap()),
        ("replaced", &|| std::fs::rename(&elsewhere, &path).unwrap()),
        ("edited", &|| more.save(&path).unwrap()),
        ("damaged", &|| std::fs::write(&path, "{").unwrap()),
        ("opened", &|| std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap()),
        ("gone with its directory", &|| remove(&node.file("run"))),
    ];
    for (what, change) in by {
        change();
        eventually(&format!("it was {what}"), is_right).await;
    }
}

/// A revocation that nobody hears of counts in the end, if that is wanted.
#[tokio::test]
async fn grants_that_nobody_confirms_close_and_open_again() {
    let node = Node::new(&one_card());
    let api = Api::start(None).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    let mut agent = agent(&node, &["--mode", "region", "--grants-expire", "1s"]);
    eventually("the first list is written", || allows(&node, "vision", NLB3)).await;

    // The API server answers, but not about these.
    api.show_functions(false);
    eventually("nothing is granted", || !allows(&node, "vision", NLB3)).await;
    assert_eq!(Grants::load(file(&node)).unwrap(), Grants::default());
    agent.wait_for_line("no function is granted until it does", LIMIT).await.unwrap();
    // Its watch continues where it broke off: nothing changes any more, and still it grants again.
    api.show_functions(true);
    eventually("it grants again", || allows(&node, "vision", NLB3)).await;

    // The API server is away, also for an agent that starts.
    let address = api.address();
    drop(api);
    eventually("nothing is granted", || !allows(&node, "vision", NLB3)).await;
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    let mut grants = Grants::default();
    let (interface_id, image) = (A10.parse().unwrap(), NLB3.parse().unwrap());
    grants.insert("vision", Grant { interface_id, image }).unwrap();
    grants.save(file(&node)).unwrap();
    let _agent = self::agent(&node, &["--mode", "region", "--grants-expire", "1s"]);
    eventually("what an earlier agent left closes", || !allows(&node, "vision", NLB3)).await;
    let api = Api::start_at(&address, None).await;
    api.install_crd();
    api.set_function("vision/nlb0", region(NLB0));
    eventually("it grants what there is now", || allows(&node, "vision", NLB0)).await;
    assert!(!allows(&node, "vision", NLB3));
}

/// An attempt that fails is one of a row, with longer and longer waits between them.
#[tokio::test]
async fn an_api_server_that_is_away_is_complained_of_once() {
    let node = Node::new(&one_card());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    write_kubeconfig(&node.file("kubeconfig"), &listener.local_addr().unwrap().to_string());
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    // Each connection is closed at once.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let agent = agent(&node, &["--mode", "region"]);
    // Of the objects and of the node.
    eventually("some attempts failed", || attempts.load(Ordering::Relaxed) >= 10).await;
    let log = agent.log();
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("so what is granted stays as"), 1, "{log:?}");
    assert_eq!(count("again"), 0, "{log:?}");
}

/// Nothing stays granted on a node that gives out no region.
#[tokio::test]
async fn a_node_that_leaves_region_mode_grants_nothing_more() {
    let node = Node::new(&one_card());
    let api = Api::start(Some("region")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    let agent = agent(&node, &[]);
    eventually("the objects are found", || allows(&node, "vision", NLB3)).await;
    api.annotate(Some("af"));
    let is_empty = || Grants::load(file(&node)).is_ok_and(|found| found == Grants::default());
    eventually("nothing is granted", is_empty).await;
    assert!(agent.terminate(LIMIT).await.unwrap().success());

    // What an agent left that was killed.
    let mut grants = Grants::default();
    let (interface_id, image) = (A10.parse().unwrap(), NLB3.parse().unwrap());
    grants.insert("vision", Grant { interface_id, image }).unwrap();
    grants.save(file(&node)).unwrap();
    let _agent = self::agent(&node, &[]);
    eventually("nothing is granted", is_empty).await;
    api.annotate(Some("region"));
    eventually("the objects are found again", || allows(&node, "vision", NLB3)).await;
}

/// Grants are of region mode: a node in another one is not granted anything, nor asked.
#[tokio::test]
async fn the_mode_decides_whether_objects_are_followed() {
    let node = Node::new(&one_card());
    let api = Api::start(Some("af")).await;
    api.write_kubeconfig(&node.file("kubeconfig"));
    api.install_crd();
    api.set_function("vision/nlb3", region(NLB3));
    let _agent = agent(&node, &["--mode", "af"]);
    eventually("the node is watched", || api.requests("watch") > 0).await;
    assert!(!file(&node).exists());
    api.annotate(Some("region"));
    eventually("the objects are found", || allows(&node, "vision", NLB3)).await;
}

#[tokio::test]
async fn without_an_api_server_the_file_is_kept_by_hand() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    std::fs::create_dir_all(node.file("run")).unwrap();
    std::fs::write(file(&node), "by hand").unwrap();
    let mut agent = node.agent(&["--mode", "region"]);
    agent.wait_for_line("which is kept by hand", LIMIT).await.unwrap();
    allocatable(&kubelet, REGION, 1).await;
    assert_eq!(std::fs::read_to_string(file(&node)).unwrap(), "by hand");
}
