//! The admission webhook: does it answer, and would the API server believe its certificate?
//!
//! It is asked for by a flag, since a node knows neither its address nor its certificate authority. With
//! a kubeconfig both are read from the cluster's MutatingWebhookConfiguration objects.

use std::path::Path;
use std::time::Duration;

use super::finding::Finding;
use super::survey::Survey;
use address::Address;
use fpga::files::read;
use tls::{Failure, Peer, Validity};

mod address;
mod api;
mod kubeconfig;
mod tls;

/// Longer than any bundle of certificates or kubeconfig.
const LIMIT: u64 = 4 << 20;
const LOGS: &str =
    "kubectl get pods -A -o wide | grep fpga-webhook; kubectl logs -n NAMESPACE deploy/NAME";

/// What is to be looked at.
struct Target {
    /// What people know it by.
    object: String,
    address: Address,
    /// In PEM; `None` when the API server would use the host's own.
    authority: Option<Vec<u8>>,
}

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    let places = &survey.places;
    if let Some(url) = &places.webhook {
        match by_hand(url, places.webhook_ca.as_deref()) {
            Ok(target) => ask(&target, survey.patience, report),
            Err(finding) => report(finding),
        }
    }
    if let Some(path) = &places.kubeconfig {
        match api::targets(path, places.webhook_configuration.as_deref(), survey.patience, report) {
            Ok(targets) => targets.iter().for_each(|target| ask(target, survey.patience, report)),
            Err(finding) => report(*finding),
        }
    }
}

fn by_hand(url: &str, authority: Option<&Path>) -> Result<Target, Finding> {
    let fix = "fpgactl doctor --webhook https://HOST:PORT/PATH --webhook-ca FILE";
    let address = url.parse().map_err(|error: String| Finding::unknown(url, error).fix(fix))?;
    let authority = authority.map(|path| {
        read(path, LIMIT).map_err(|error| Finding::unknown(path.display(), error).fix(fix))
    });
    Ok(Target { object: url.to_owned(), address, authority: authority.transpose()? })
}

fn ask(target: &Target, patience: Duration, report: &mut dyn FnMut(Finding)) {
    let object = &target.object;
    match tls::handshake(&target.address, target.authority.as_deref(), patience) {
        Ok(peer) => certificate(object, &peer).into_iter().for_each(report),
        Err(Failure::Authority(error)) => report(
            Finding::error(object, "its certificate authority is no certificate")
                .because(error)
                .fix(format_args!(
                    "kubectl get mutatingwebhookconfigurations -o yaml | grep caBundle; {LOGS}"
                )),
        ),
        Err(Failure::Connect(error)) => report(
            Finding::error(object, format_args!("does not answer: {error}"))
                .because("no webhook runs there, or this node cannot reach it")
                .fix(LOGS),
        ),
        Err(Failure::Tls(error)) => report(
            Finding::error(
                object,
                format_args!("speaks no TLS that the API server takes: {error}"),
            )
            .because("another program has the address, or it has no certificate")
            .fix(LOGS),
        ),
    }
}

/// What is wrong with a certificate, or that nothing is.
fn certificate(object: &str, peer: &Peer) -> Vec<Finding> {
    let mut findings = Vec::new();
    let fix = format!("kubectl get secrets,certificates -A | grep fpga; {LOGS}");
    match &peer.verdict {
        Ok(()) => {}
        Err(error) => findings.push(
            Finding::error(object, format_args!("its certificate is refused: {error}"))
                .because("the API server calls no webhook whose certificate it does not believe")
                .fix(&fix),
        ),
    }
    match &peer.validity {
        Some(validity) if findings.is_empty() => findings.push(lasting(object, validity, &fix)),
        _ => {}
    }
    findings
}

fn lasting(object: &str, validity: &Validity, fix: &str) -> Finding {
    let left = duration(validity.left);
    // Whoever renews certificates does so when a third is left.
    if validity.left < validity.whole / 5 {
        return Finding::warning(object, format_args!("its certificate ends in {left}"))
            .because("it should have been renewed by now")
            .fix(fix);
    }
    Finding::ok(object, format_args!("answers, with a certificate for another {left}"))
}

/// In the largest unit of which there are two.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("days", 86_400), ("hours", 3600), ("minutes", 60)];
    let unit = units.into_iter().find(|(_, length)| seconds >= 2 * length);
    unit.map_or_else(
        || format!("{seconds} seconds"),
        |(name, length)| format!("{} {name}", seconds / length),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_whole_units() {
        let texts =
            [0, 119, 120, 7199, 7200, 172_800, 8_640_000].map(Duration::from_secs).map(duration);
        assert_eq!(
            texts,
            [
                "0 seconds",
                "119 seconds",
                "2 minutes",
                "119 minutes",
                "2 hours",
                "2 days",
                "100 days"
            ]
        );
    }
}
