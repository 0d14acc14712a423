//! Kubelets that come, go and misbehave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fpga_demo::kubelet::{Kubelet, Manners, What};
use kubelet_api::v1beta1::device_plugin_client::DevicePluginClient;
use kubelet_api::v1beta1::registration_server::{Registration, RegistrationServer};
use kubelet_api::v1beta1::{Device, Empty, RegisterRequest};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::node::{
    AF_NLB0, AF_NLB3, LIMIT, Node, allocatable, cards, devices, eventually, one_card,
    registrations, remove,
};

/// Fault 6: a kubelet that is not up yet ends the plugin.
#[tokio::test]
async fn a_kubelet_may_come_later() {
    let node = Node::new(&one_card());
    let mut agent = node.agent(&[]);
    agent.wait_for_line("sockets: No such file or directory", LIMIT).await.unwrap();
    std::fs::create_dir(node.sockets()).unwrap();
    agent.wait_for_line("cannot connect to the kubelet", LIMIT).await.unwrap();
    let kubelet = node.kubelet();
    allocatable(&kubelet, AF_NLB3, 1).await;
}

/// Fault 1: the plugin crashes at the second change after a kubelet restart. A thousand restarts of
/// each kind (an orderly end, a kill) with two resources, and no registration, task or descriptor is
/// lost.
#[tokio::test]
async fn a_thousand_kubelet_restarts_lose_nothing() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]));
    let agent = node.agent(&[]);
    let mut kubelet = Some(node.kubelet());
    let mut descriptors = 0;
    for round in 0..1000 {
        let running = kubelet.take().unwrap();
        for resource in [AF_NLB0, AF_NLB3] {
            allocatable(&running, resource, 1).await;
            let lists = running.lists(resource);
            assert!(lists.iter().all(|list| list.len() == 1), "round {round}: {lists:?}");
        }
        // Between two kubelets the number goes up and down by a few; a leak would go on after these rounds.
        if round <= 20 {
            descriptors = open_descriptors(&agent).max(descriptors);
        }
        if round % 2 == 0 {
            running.stop().await;
        } else {
            drop(running);
        }
        kubelet = Some(node.kubelet());
    }
    let kubelet = kubelet.unwrap();
    allocatable(&kubelet, AF_NLB3, 1).await;
    // Connections of the last kubelets may still be closing.
    eventually("the descriptors are closed", || open_descriptors(&agent) <= descriptors).await;
    assert!(agent.terminate(LIMIT).await.unwrap().success());
}

fn open_descriptors(agent: &fpga_demo::process::Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

#[tokio::test]
async fn a_socket_directory_that_is_made_again_is_used() {
    let node = Node::new(&one_card());
    let mut kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    for _ in 0..3 {
        allocatable(&kubelet, AF_NLB3, 1).await;
        kubelet.stop().await;
        remove(&node.sockets());
        kubelet = node.kubelet();
    }
    allocatable(&kubelet, AF_NLB3, 1).await;
}

/// Fault 7: a socket that is removed between registration and the set-up of the watch is missed.
#[tokio::test]
async fn a_socket_that_is_removed_is_bound_again() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let _agent = node.agent(&[]);
    let socket = node.socket(AF_NLB3);
    for _ in 0..20 {
        eventually("the socket is bound", || socket.exists()).await;
        std::fs::remove_file(&socket).unwrap();
    }
    eventually("the socket is bound", || std::os::unix::net::UnixStream::connect(&socket).is_ok())
        .await;
    allocatable(&kubelet, AF_NLB3, 1).await;
    let request = std::collections::BTreeMap::from([(AF_NLB3.to_owned(), 1)]);
    kubelet.allocate("pod", &request).await.unwrap();
}

/// A kubelet that lets go of a plugin but lives on, with its socket in place. The real one can do that
/// when a plugin registers again: at the end of the old stream it disconnects whoever has the name.
#[tokio::test]
async fn a_stream_that_the_kubelet_closes_is_registered_again() {
    let node = Node::new(&one_card());
    std::fs::create_dir(node.sockets()).unwrap();
    let (fickle, mut lists) = Fickle::new(&node.sockets());
    let listener = UnixListener::bind(node.sockets().join(fpga_demo::kubelet::SOCKET)).unwrap();
    let server = Server::builder().add_service(RegistrationServer::new(fickle));
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
    let mut agent = node.agent(&[]);
    for _ in 0..4 {
        let list = tokio::time::timeout(LIMIT, lists.recv()).await.unwrap().unwrap();
        assert_eq!(devices(&list), ["dfl-port.0 Healthy"]);
    }
    agent.wait_for_line("the kubelet closed its stream of devices", LIMIT).await.unwrap();
}

/// Takes one list from each plugin and hangs up.
struct Fickle {
    directory: PathBuf,
    lists: mpsc::UnboundedSender<Vec<Device>>,
}

impl Fickle {
    fn new(directory: &Path) -> (Self, mpsc::UnboundedReceiver<Vec<Device>>) {
        let (lists, receiver) = mpsc::unbounded_channel();
        (Self { directory: directory.to_owned(), lists }, receiver)
    }
}

#[tonic::async_trait]
impl Registration for Fickle {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        let socket = format!("unix:{}", self.directory.join(&request.get_ref().endpoint).display());
        let lists = self.lists.clone();
        tokio::spawn(async move {
            let mut client = DevicePluginClient::connect(socket).await.unwrap();
            let mut stream = client.list_and_watch(Empty {}).await.unwrap().into_inner();
            let _ = lists.send(stream.message().await.unwrap().unwrap().devices);
        });
        Ok(Response::new(Empty {}))
    }
}

/// Fault 7: the second update blocks for ever when the kubelet never calls ListAndWatch.
#[tokio::test]
async fn a_kubelet_that_never_lists_is_named_and_blocks_nothing() {
    let mut node = Node::new(&one_card());
    let manners = Manners { never_watches: true, ..Manners::default() };
    let kubelet = Kubelet::start_with(&node.sockets(), manners).unwrap();
    let mut agent = node.agent(&["--rescan-interval", "1h"]);
    let registered = |resource: &'static str| {
        move |events: &[fpga_demo::kubelet::Event]| {
            events
                .iter()
                .any(|e| e.resource == resource && matches!(e.what, What::Registered { .. }))
        }
    };
    kubelet.wait_for_events(LIMIT, registered(AF_NLB3)).await.expect("not registered");
    // Updates go on: each of them makes a resource and withdraws one.
    for _ in 0..3 {
        node.change(|host| host.slots[0].card.set_function(0, fpga_emulator::card::afu::NLB0));
        eventually("the socket of NLB 0", || node.socket(AF_NLB0).exists()).await;
        node.change(|host| host.slots[0].card.set_function(0, fpga_emulator::card::afu::NLB3));
        eventually("the socket of NLB 3", || {
            node.socket(AF_NLB3).exists() && !node.socket(AF_NLB0).exists()
        })
        .await;
    }
    let line = agent.wait_for_line("did not ask for its devices", LIMIT).await.unwrap();
    assert!(line.contains(AF_NLB3), "{line}");
    // It is registered again, in case the kubelet has only forgotten about it.
    let before = registrations(&kubelet, AF_NLB3);
    eventually("another registration", || registrations(&kubelet, AF_NLB3) > before).await;
}

#[tokio::test]
async fn a_kubelet_that_never_answers_is_named_and_blocks_nothing() {
    let node = Node::new(&cards(&[(0x10, &["nlb0", "nlb3"])]));
    let manners = Manners { never_answers: true, ..Manners::default() };
    let mute = Kubelet::start_with(&node.sockets(), manners).unwrap();
    let mut agent = node.agent(&[]);
    for resource in [AF_NLB0, AF_NLB3] {
        eventually("its socket is bound", || node.socket(resource).exists()).await;
    }
    let line = agent.wait_for_line("did not answer Register within 10s", LIMIT).await.unwrap();
    assert!(line.contains("fpga.intel.com/af-"), "{line}");
    drop(mute);
    // The next one is not kept waiting for what the first was asked.
    let kubelet = node.kubelet();
    allocatable(&kubelet, AF_NLB0, 1).await;
    allocatable(&kubelet, AF_NLB3, 1).await;
}

#[tokio::test]
async fn the_kubelets_socket_may_be_elsewhere() {
    let node = Node::new(&one_card());
    let kubelet = node.kubelet();
    let aside = node.file("aside");
    std::fs::create_dir(&aside).unwrap();
    let socket = aside.join("k.sock");
    let mut agent = node.agent(&["--kubelet-socket", socket.to_str().unwrap()]);
    agent.wait_for_line("cannot connect to the kubelet", LIMIT).await.unwrap();
    assert_eq!(registrations(&kubelet, AF_NLB3), 0);
    link(&node.sockets().join(fpga_demo::kubelet::SOCKET), &socket);
    allocatable(&kubelet, AF_NLB3, 1).await;
}

fn link(from: &Path, to: &Path) {
    std::fs::hard_link(from, to).unwrap();
}

/// With no kubelet the agent waits; it does not spin.
#[tokio::test]
async fn waiting_for_a_kubelet_costs_little() {
    let node = Node::new(&one_card());
    std::fs::create_dir(node.sockets()).unwrap();
    let mut agent = node.agent(&["-v=4"]);
    agent.wait_for_line("cannot connect to the kubelet", LIMIT).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // 10, 20, 40 ms and so on: eight attempts in two seconds, whatever the machine's speed.
    let attempts = agent.log().iter().filter(|line| line.contains("still: cannot connect")).count();
    assert!(attempts <= 8, "{attempts} attempts");
}
