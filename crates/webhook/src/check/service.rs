//! The Service of a configuration, and the pods behind it.

use fpga_findings::Finding;
use k8s_openapi::api::admissionregistration::v1::ServiceReference;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::Api;

use super::address::Address;
use super::asking::{Asking, Trouble};

const AREA: &str = "service";

/// The address that the API server connects to, and whether a pod is behind it.
///
/// # Errors
/// Why there is none.
pub(super) async fn address(
    asking: &Asking,
    object: &str,
    reference: &ServiceReference,
    report: &mut dyn FnMut(Finding),
) -> Result<Address, Finding> {
    let ServiceReference { namespace, name, port, .. } = reference;
    let shown = format!("{namespace}/{name}");
    let client = asking.client.clone();
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let found = asking.get(&services, name).await;
    // Who may not read it can still connect: inside the cluster it has a name.
    let own_name = format!("{name}.{namespace}.svc");
    let host = match &found {
        Ok(service) => {
            let ip = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref());
            ip.filter(|ip| !matches!(*ip, "" | "None")).unwrap_or(&own_name)
        }
        Err(Trouble::Forbidden(_)) => &own_name,
        Err(trouble) => {
            let fix = format!("kubectl -n {namespace} get service {name}");
            let finding = trouble.finding(format_args!("Service {shown}"));
            return Err(finding.fix(fix).in_area(AREA));
        }
    };
    let port = port.unwrap_or(443);
    let Ok(port) = u16::try_from(port) else {
        return Err(Finding::error(object, format_args!("port {port} is invalid"))
            .because("the API server cannot call it")
            .fix("kubectl edit mutatingwebhookconfigurations NAME")
            .in_area(AREA));
    };
    let slices: Api<EndpointSlice> = Api::namespaced(client, namespace);
    let label = format!("kubernetes.io/service-name={name}");
    match asking.list(&slices, &label).await {
        Ok(slices) => report(pods(&shown, &slices)),
        // Whether it answers is seen when it is called.
        Err(Trouble::Forbidden(_)) => {}
        Err(trouble) => {
            let object = format_args!("EndpointSlices of Service {shown}");
            report(trouble.finding(object).fix("kubectl get endpointslices -A").in_area(AREA));
        }
    }
    Ok(Address { host: host.to_owned(), port, name: own_name.clone() })
}

/// What the pods of a Service are like.
fn pods(shown: &str, slices: &[EndpointSlice]) -> Finding {
    let endpoints = || slices.iter().flat_map(|slice| &slice.endpoints).filter(is_to_stay);
    let (all, ready) = (endpoints().count(), endpoints().filter(is_ready).count());
    let (namespace, name) = shown.split_once('/').unwrap_or_default();
    let fix = format!(
        "kubectl -n {namespace} get pods -o wide; kubectl -n {namespace} describe service {name}"
    );
    let object = format!("Service {shown}");
    let finding = match (ready, all - ready) {
        (0, _) => Finding::error(object, format_args!("no pod of Service {shown} is ready"))
            .because("the webhook does not run, or is not ready")
            .fix(fix),
        (ready, 0) => Finding::ok(object, format_args!("pods ready: {ready}")),
        (_, missing) => {
            Finding::warning(object, format_args!("pods not ready: {missing} of {all}"))
                .because("the others answer for them; with the next one that goes nobody may")
                .fix(fix)
        }
    };
    finding.in_area(AREA)
}

/// False while it ends, when another has taken its place or will.
fn is_to_stay(endpoint: &&Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|conditions| conditions.terminating) != Some(true)
}

/// One that says nothing is ready, by the definition of the field.
fn is_ready(endpoint: &&Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
}
