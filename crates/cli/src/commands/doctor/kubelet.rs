//! The kubelet's sockets: where plugins register, and where it tells which pod has what.

use std::path::Path;

use super::permissions;
use super::sockets::{Answer, connect};
use super::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

const POD_RESOURCES: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";
const STATUS: &str = "systemctl status kubelet; journalctl -u kubelet -n 50";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let directory = survey.socket_dir();
    if !directory.is_dir() && !survey.is_node() {
        report(Finding::ok(directory.display(), "there is no kubelet on this machine"));
        return;
    }
    if !directory.is_dir() {
        report(
            Finding::error(
                directory.display(),
                "the kubelet's directory of device plugins is not there",
            )
            .because("the kubelet never ran here, or has its files elsewhere (--root-dir)")
            .fix(elsewhere(survey)),
        );
        return;
    }
    if let Some(finding) = permissions::of_directory(&directory, "register a plugin") {
        report(finding);
    }
    let registration =
        survey.places.kubelet_socket.clone().unwrap_or_else(|| directory.join("kubelet.sock"));
    report(socket(survey, &registration, "plugins can register", "no plugin can register"));
    let resources = survey.place(survey.places.pod_resources_socket.as_ref(), POD_RESOURCES);
    if survey.is_region() || resources.exists() {
        report(socket(
            survey,
            &resources,
            "it tells which pod has which device",
            "regions that a pod has left are not cleaned by the agent",
        ));
    }
}

/// Where else the kubelet may have its files.
fn elsewhere(survey: &Survey) -> String {
    let found = survey.kubelets().into_iter().map(|path| format!("{path}/device-plugins"));
    let found = found.map(|path| survey.host.find(path)).find(|path| path.is_dir());
    let directory = found.map_or_else(|| "DIR".to_owned(), word);
    format!("systemctl status kubelet; fpgactl doctor --socket-dir {directory}")
}

fn socket(survey: &Survey, path: &Path, good: &str, bad: &str) -> Finding {
    let object = path.display();
    match connect(path, survey.patience) {
        Answer::Listening => Finding::ok(&object, good),
        Answer::Missing => Finding::error(&object, bad)
            .because("there is no such socket: the kubelet is not running")
            .fix(STATUS),
        Answer::Stale => Finding::error(&object, bad)
            .because("nobody listens on the socket: the kubelet has ended and left it")
            .fix(STATUS),
        Answer::NotASocket => Finding::error(&object, bad)
            .because("it is no socket")
            .fix(format_args!("rm {}; systemctl restart kubelet", word(path))),
        Answer::Silent => Finding::unknown(&object, "it takes no connection")
            .because("its process is stopped or overloaded")
            .fix(STATUS),
        Answer::Failed(error) => {
            Finding::unknown(&object, error).fix("sudo fpgactl doctor --area kubelet")
        }
    }
}
