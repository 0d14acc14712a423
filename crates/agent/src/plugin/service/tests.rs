use std::collections::BTreeSet;
use std::path::Path;
use std::task::Waker;
use std::time::Duration;

use kubelet_api::v1beta1::{ContainerAllocateRequest, ContainerPreferredAllocationRequest};
use tokio_stream::Stream as _;
use tonic::Code;

use fpga::names::{Named, Naming, RegionDevelName};

use super::*;
use crate::cdi::{Hook, Specs};
use crate::kubelet::podresources::Held;
use crate::node::health::Reason;
use crate::orphans::Orphans;
use crate::plugin::device::{Health, Offer};
use crate::plugin::handout::{Programming, RegionConfig};
use crate::testing::{A10, NLB3, device, nodes};

fn serve(devices: &[Device]) -> Target {
    serve_in(Mode::Af, devices)
}

fn serve_in(mode: Mode, devices: &[Device]) -> Target {
    Target::Serve(mode, devices.into())
}

struct Fixture {
    plugin: Plugin,
    target: watch::Sender<Target>,
    streams: watch::Receiver<Streams>,
    holdings: Holdings,
}

fn plugin(target: Target) -> Fixture {
    let af = ResourceName::af(Naming::Plain, A10, NLB3);
    plugin_of(af, &config(Path::new("/nonexistent")), target)
}

fn config(cdi: &Path) -> RegionConfig {
    let path = "/opt/intel/fpga-sw/fpgactl".to_owned();
    RegionConfig {
        programming: Programming::Cdi,
        claim_slots: false,
        programmer: None,
        uses_file: cdi.join("uses.json"),
        cdi_dir: cdi.to_owned(),
        hook: Hook { path, arguments: Vec::new(), timeout: Duration::from_secs(30) },
        grants_file: None,
        grants_expire: None,
        allow_any: false,
        hook_results: None,
        bound_nodes: None,
        regiondevel: RegionDevelName::Own,
    }
}

fn plugin_of(name: ResourceName, config: &RegionConfig, target: Target) -> Fixture {
    let holdings = Holdings::answered();
    let target = watch::Sender::new(target);
    let streams = watch::Sender::new(Streams::default());
    let watching = streams.subscribe();
    Fixture {
        plugin: Plugin::new(
            name,
            holdings.clone(),
            Handout::new(config, Specs::new(config.cdi_dir.clone(), Orphans::default())),
            target.subscribe(),
            streams,
            Metrics::default(),
        ),
        target,
        streams: watching,
        holdings,
    }
}

/// The ids in the next list, `None` at the end; panics when there is none yet.
fn next(lists: &mut Lists) -> Option<Vec<String>> {
    match poll(lists) {
        std::task::Poll::Ready(list) => list,
        std::task::Poll::Pending => panic!("nothing was sent"),
    }
}

fn poll(lists: &mut Lists) -> std::task::Poll<Option<Vec<String>>> {
    let mut context = std::task::Context::from_waker(Waker::noop());
    let ids = |list: ListAndWatch| list.unwrap().devices.into_iter().map(|d| d.id).collect();
    std::pin::Pin::new(lists).poll_next(&mut context).map(|list| list.map(ids))
}

type ListAndWatch = Result<kubelet_api::v1beta1::ListAndWatchResponse, Status>;

async fn open(fixture: &Fixture) -> Lists {
    fixture.plugin.list_and_watch(Request::new(Empty {})).await.unwrap().into_inner()
}

/// Upstream: TestListAndWatch, TestUpdate.
#[tokio::test]
async fn a_list_is_sent_at_once_and_then_only_when_it_changes() {
    let (a, b) = (device("a", 0, None), device("b", 0, None));
    let fixture = plugin(serve(std::slice::from_ref(&a)));
    let mut lists = open(&fixture).await;
    assert_eq!(next(&mut lists).unwrap(), ["a"]);
    assert!(poll(&mut lists).is_pending());

    fixture.target.send_replace(serve(std::slice::from_ref(&a)));
    assert!(poll(&mut lists).is_pending(), "the same list was sent again");
    let elsewhere = Device { nodes: nodes(&["other"]), ..a.clone() };
    fixture.target.send_replace(serve(&[elsewhere]));
    assert!(poll(&mut lists).is_pending(), "a list was sent for what the kubelet does not see");

    fixture.target.send_replace(serve(&[a.clone(), b]));
    assert_eq!(next(&mut lists).unwrap(), ["a", "b"]);
    // A second reader starts with the whole list.
    assert_eq!(next(&mut open(&fixture).await).unwrap(), ["a", "b"]);

    fixture.target.send_replace(serve(&[]));
    fixture.target.send_replace(serve(&[a]));
    assert_eq!(next(&mut lists).unwrap(), ["a"], "a slow reader gets the newest list");
}

/// Upstream: TestListAndWatch, no updates and close; TestStop.
#[tokio::test]
async fn a_withdrawn_resource_ends_with_an_empty_list_and_a_stopped_one_without() {
    let fixture = plugin(serve(&[device("a", 0, None)]));
    let mut withdrawn = open(&fixture).await;
    assert_eq!(next(&mut withdrawn).unwrap(), ["a"]);
    fixture.target.send_replace(Target::Retire);
    assert_eq!(next(&mut withdrawn).unwrap(), Vec::<String>::new());
    assert_eq!(next(&mut withdrawn), None);

    let fixture = plugin(serve(&[device("a", 0, None)]));
    let mut stopped = open(&fixture).await;
    assert_eq!(next(&mut stopped).unwrap(), ["a"]);
    fixture.target.send_replace(Target::Stop);
    assert_eq!(next(&mut stopped), None);
    assert_eq!(next(&mut stopped), None);
}

#[tokio::test]
async fn open_streams_are_counted() {
    let fixture = plugin(serve(&[device("a", 0, None)]));
    let (one, two) = (open(&fixture).await, open(&fixture).await);
    assert_eq!(*fixture.streams.borrow(), Streams { open: 2, opened: 2 });
    drop((one, two));
    assert_eq!(*fixture.streams.borrow(), Streams { open: 0, opened: 2 });
}

/// Upstream: TestGetDevicePluginOptions, TestPreStartContainer/error.
#[tokio::test]
async fn optional_calls_are_as_the_options_say() {
    let fixture = plugin(serve(&[device("a", 0, None)]));
    let options = fixture
        .plugin
        .get_device_plugin_options(Request::new(Empty {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (options.pre_start_required, options.get_preferred_allocation_available),
        (false, true)
    );
    let request = Request::new(PreStartContainerRequest::default());
    assert_eq!(
        fixture.plugin.pre_start_container(request).await.unwrap_err().code(),
        Code::Unimplemented
    );
}

/// Upstream: TestGetPreferredAllocation.
#[tokio::test]
async fn preferences_are_answered_for_each_container() {
    let fixture = plugin(serve(&[device("a", 0, None), device("b", 0, None)]));
    let ask = |size, available: &[&str]| ContainerPreferredAllocationRequest {
        available_device_ids: available.iter().map(|&id| id.to_owned()).collect(),
        must_include_device_ids: Vec::new(),
        allocation_size: size,
    };
    let request =
        |container_requests| Request::new(PreferredAllocationRequest { container_requests });
    let both = request(vec![ask(1, &["b"]), ask(2, &["b", "a"])]);
    let answer = fixture.plugin.get_preferred_allocation(both).await.unwrap().into_inner();
    let ids: Vec<_> = answer.container_responses.into_iter().map(|r| r.device_ids).collect();
    assert_eq!(ids, [vec!["b"], vec!["a", "b"]]);

    for (bad, message) in [
        (ask(1, &["x"]), "1 devices requested but 0 are available"),
        (ask(2, &["a"]), "2 devices requested but 1 are available"),
        (ask(-1, &["a"]), "allocation size -1 is negative"),
    ] {
        let status = fixture.plugin.get_preferred_allocation(request(vec![bad])).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    }
}

/// Upstream: TestAllocate, as the kubelet sees it.
#[tokio::test]
async fn an_allocation_that_cannot_be_given_has_a_code() {
    let sick = Device {
        health: Health::Unhealthy { reason: Reason::Unreadable, message: "broken".to_owned() },
        ..device("b", 0, None)
    };
    let fixture = plugin(serve(&[device("a", 0, None), sick]));
    let request = |id: &str| {
        let containers = vec![ContainerAllocateRequest { device_ids: vec![id.to_owned()] }];
        Request::new(AllocateRequest { container_requests: containers })
    };
    let given = fixture.plugin.allocate(request("a")).await.unwrap().into_inner();
    assert_eq!(given.container_responses[0].devices[0].host_path, "/dev/a");
    let code = async |id: &str| fixture.plugin.allocate(request(id)).await.unwrap_err().code();
    assert_eq!(code("x").await, Code::InvalidArgument);
    assert_eq!(code("b").await, Code::FailedPrecondition);
    fixture.target.send_replace(Target::Retire);
    assert_eq!(code("a").await, Code::Unavailable);
}

/// Fault 8: without its CDI spec a container starts unprogrammed.
#[tokio::test]
async fn a_region_that_would_not_be_programmed_is_not_given() {
    let temp = tempfile::tempdir().unwrap();
    let spec = temp.path().join("intel.cdi.k8s.io-fpga-dfl-fme.0.json");
    // Nothing replaces it by a file.
    std::fs::create_dir_all(spec.join("full")).unwrap();
    let region = device("dfl-fme.0", 0, None);
    let (name, config) = (ResourceName::region(A10), config(temp.path()));
    let target = serve_in(Mode::Region, std::slice::from_ref(&region));
    let fixture = plugin_of(name.clone(), &config, target);
    let offer = Offer::from([(name, vec![region])]);
    fixture.plugin.handout.offer(Mode::Region, &offer, true).await;
    let held = || fixture.holdings.known().borrow().held.clone();
    let request = || {
        let device_ids = vec!["dfl-fme.0".to_owned()];
        let container_requests = vec![ContainerAllocateRequest { device_ids }];
        Request::new(AllocateRequest { container_requests })
    };
    let refused = fixture.plugin.allocate(request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let message = refused.message();
    let start = "device dfl-fme.0 cannot be given to a container: CDI spec /";
    assert!(message.starts_with(start) && !message.contains('\n'), "{message}");
    assert!(held().is_empty(), "what was not given is not held");

    std::fs::remove_dir_all(&spec).unwrap();
    let given = fixture.plugin.allocate(request()).await.unwrap().into_inner();
    assert_eq!(given.container_responses[0].cdi_devices[0].name, "intel.cdi.k8s.io/fpga=dfl-fme.0");
    let expected = Held { resource: ResourceName::region(A10), id: "dfl-fme.0".to_owned() };
    assert_eq!(*held(), BTreeSet::from([expected]));
    assert!(spec.is_file());
}

/// Whatever a plugin offers, a resource gives only what its name says.
#[tokio::test]
async fn a_resource_of_another_mode_gives_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let regiondevel = |name| ResourceName::regiondevel(name, A10);
    let (own, shared) = (RegionDevelName::Own, RegionDevelName::Shared);
    let af = ResourceName::af(Naming::Plain, A10, NLB3);
    for name in [af, ResourceName::region(A10), regiondevel(own)] {
        for (mode, setting) in Mode::ALL.into_iter().flat_map(|m| [(m, own), (m, shared)]) {
            let config = RegionConfig { regiondevel: setting, ..config(temp.path()) };
            let mut card = device("dfl-fme.0", 0, None);
            card.nodes = nodes(&["dfl-port.0", "dfl-fme.0"]);
            let target = serve_in(mode, std::slice::from_ref(&card));
            let fixture = plugin_of(name.clone(), &config, target);
            let offer = Offer::from([(name.clone(), vec![card])]);
            fixture.plugin.handout.offer(mode, &offer, true).await;
            let container = ContainerAllocateRequest { device_ids: vec!["dfl-fme.0".to_owned()] };
            let request = AllocateRequest { container_requests: vec![container] };
            let answer = fixture.plugin.allocate(Request::new(request)).await;

            let expected = match (name.named(), mode) {
                (Named::Af(_), Mode::Af) | (Named::Region(_), Mode::Region) => true,
                (Named::RegionDevel(_), Mode::RegionDevel) => setting == own,
                (Named::Region(_), Mode::RegionDevel) => setting == shared,
                _ => false,
            };
            let case = format!("{name} in mode {mode}, {setting}");
            match answer {
                Ok(_) => assert!(expected, "{case}: given"),
                Err(status) => {
                    assert!(!expected, "{case}: {status}");
                    assert_eq!(status.code(), Code::FailedPrecondition);
                    assert_eq!(status.message(), format!("{name} is not given in mode {mode}"));
                    assert!(
                        fixture.holdings.known().borrow().held.is_empty(),
                        "{case}: it is in use"
                    );
                }
            }
        }
    }
}
