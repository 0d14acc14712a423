//! The file that tells the hook which functions each namespace may have programmed.

use std::io;

use fpga::grants::{Error, Grants};
use fpga::store::Store;

use super::permissions;
use super::survey::Survey;
use fpga_findings::Finding;
use fpga_findings::shell::word;

const OBJECTS: &str = "kubectl get acceleratorfunctions -A";

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let path = survey.grants();
    let object = path.display();
    if survey.is_all_allowed() {
        report(
            Finding::warning(
                object,
                "is not asked: every namespace may have everything in the store",
            )
            .because("the hook was given --allow-any")
            .fix(
                "kubectl -n NAMESPACE edit daemonset NAME  # take --allow-any out of the arguments",
            ),
        );
        return;
    }
    match Grants::load(&path) {
        Ok(grants) => contents(survey, &grants, report),
        Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            report(match survey.is_region() {
                true => Finding::error(object, "is not there, so that no container is programmed")
                    .because("the agent has not written it: it reaches no API server, or there are no objects")
                    .fix(OBJECTS),
                false => Finding::ok(object, "not needed in this mode"),
            });
        }
        Err(error @ Error::Io { .. }) => {
            report(Finding::unknown(object, error).fix("sudo fpgactl doctor --area grants"));
        }
        Err(error @ (Error::Owner { .. } | Error::Writable { .. })) => report(
            Finding::error(&object, "is not believed, so that no container is programmed")
                .because(error)
                .fix(permissions::repair(&path)),
        ),
        Err(error) => report(
            Finding::error(&object, "is not understood, so that no container is programmed")
                .because(error)
                .fix(format_args!(
                    "rm {}; kubectl get pods -A -o wide | grep fpga-agent",
                    word(&path)
                )),
        ),
    }
}

fn contents(survey: &Survey, grants: &Grants, report: &mut dyn FnMut(Finding)) {
    let object = survey.grants();
    let object = object.display();
    let mut count = 0;
    let (store, inventory) = (Store::new(survey.store()), survey.inventory());
    for (namespace, grant) in grants.iter() {
        count += 1;
        let is_here = inventory
            .cards
            .iter()
            .flat_map(|card| &card.regions)
            .any(|region| region.interface_id == Some(grant.interface_id));
        let path = store.path(grant.interface_id, grant.image);
        if is_here && !path.exists() {
            report(
                Finding::warning(
                    path.display(),
                    format_args!("is granted to {namespace}, and is not installed"),
                )
                .because("a pod that asks for the function on this node does not start")
                .fix(format_args!("fpgactl bitstream install --store {} FILE", word(store.root()))),
            );
        }
    }
    if count == 0 && survey.is_region() {
        report(
            Finding::warning(object, "grants nothing to anybody")
                .because("there is no AcceleratorFunction object in any namespace")
                .fix(OBJECTS),
        );
    } else {
        report(Finding::ok(object, format_args!("{count} functions granted")));
    }
}
