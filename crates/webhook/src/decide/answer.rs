//! From the bytes of a review to those of its answer.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fpga::grants::is_namespace;
use json_patch::PatchOperation;
use serde_json::value::RawValue;

use super::bounded::{Object, object};
use super::container::{Home, Plan, plan};
use super::pod::{Container, Containers, Pod, RESERVED, Spec};
use super::refusal::{Fault, Refusal};
use super::review::{API_VERSION, Answer, KIND, Request, Response, Review, Status};
use super::text::{Text, quote};
use super::{About, Decision, Outcome, Owner, Settings, Stage, hints, patch};
use crate::index::{Modes, Snapshot};

/// Containers that start in order, and the others.
const FIELDS: [&str; 2] = ["initContainers", "containers"];

/// A pod that is let in.
#[derive(Default)]
struct Admitted {
    operations: Vec<PatchOperation>,
    /// The first container that is changed, and the name that it asks by.
    changed: Option<(String, String)>,
    warnings: Vec<String>,
}

pub(super) fn answer(
    stage: Stage,
    review: &[u8],
    objects: &Snapshot,
    settings: &Settings,
) -> Decision {
    if review.len() > settings.review_bytes {
        return bad_request(format!("the review has more than {} bytes", settings.review_bytes));
    }
    let review: Review<'_> = match serde_json::from_slice(review) {
        Ok(Object(review)) => review,
        Err(error) => return bad_request(format!("the review cannot be read: {}", line(&error))),
    };
    if &*review.api_version != API_VERSION || &*review.kind != KIND {
        let (version, kind) = (quote(&review.api_version), quote(&review.kind));
        return bad_request(format!("{kind} of {version}: expected {KIND} of {API_VERSION}"));
    }
    let Some(request) = review.request else {
        return bad_request("the review has no request".to_owned());
    };
    let mut about = About { is_dry_run: request.dry_run == Some(true), ..About::default() };
    let admitted = admit(&request, objects, settings, &mut about);
    let admitted = match stage {
        Stage::Mutating => admitted,
        Stage::Validating => admitted.and_then(unchanged),
    };
    respond(&request.uid, admitted, about, settings)
}

/// Holds a pod that nobody changes any more to being as it is. Its author has been warned already.
fn unchanged(admitted: Admitted) -> Result<Admitted, Refusal> {
    match admitted.changed {
        Some((container, resource)) => {
            Err(Refusal { container: Some(container), fault: Fault::Late(resource) })
        }
        None => Ok(Admitted::default()),
    }
}

fn bad_request(reason: String) -> Decision {
    let mut body = reason.into_bytes();
    body.push(b'\n');
    Decision { outcome: Outcome::BadRequest, body, about: About::default() }
}

fn respond(
    uid: &str,
    admitted: Result<Admitted, Refusal>,
    mut about: About,
    settings: &Settings,
) -> Decision {
    let encoded = admitted.and_then(|Admitted { operations, warnings, .. }| {
        if operations.is_empty() {
            return Ok((None, warnings));
        }
        // Maps of strings cannot fail to be written.
        let bytes = serde_json::to_vec(&operations).unwrap_or_default();
        if bytes.is_empty() || bytes.len() > settings.patch_bytes {
            return Err(whole(Fault::LongPatch { limit: settings.patch_bytes }));
        }
        Ok((Some(STANDARD.encode(bytes)), warnings))
    });
    let answer = |response| {
        let answer = Answer { api_version: API_VERSION, kind: KIND, response };
        serde_json::to_vec(&answer).unwrap_or_default()
    };
    let allowed =
        Response { uid, allowed: true, patch_type: None, patch: None, status: None, warnings: &[] };
    match encoded {
        Ok((patch, warnings)) => {
            let outcome = if patch.is_some() { Outcome::Patched } else { Outcome::Passed };
            let patch_type = patch.is_some().then_some("JSONPatch");
            let body = answer(Response { patch_type, patch, warnings: &warnings, ..allowed });
            Decision { outcome, body, about }
        }
        Err(refusal) => {
            let message = refusal.to_string();
            let status = Some(Status { code: 403, reason: "Forbidden", message: &message });
            let body = answer(Response { allowed: false, status, ..allowed });
            about.refusal = Some(refusal);
            Decision { outcome: Outcome::Refused, body, about }
        }
    }
}

fn admit(
    request: &Request<'_>,
    objects: &Snapshot,
    settings: &Settings,
    about: &mut About,
) -> Result<Admitted, Refusal> {
    if let Some(other) = request
        .resource
        .as_ref()
        .filter(|r| !(r.group.is_empty() && &*r.version == "v1" && &*r.resource == "pods"))
    {
        let text = format!("{}/{}/{}", &*other.group, &*other.version, &*other.resource);
        return Err(whole(Fault::NoPod(quote(&text))));
    }
    if request.resource.is_none() {
        return Err(whole(Fault::NoPod("none".to_owned())));
    }
    let is_ephemeral = match request.sub_resource.as_deref() {
        None | Some("") => false,
        Some("ephemeralcontainers") => true,
        // What else can be changed has no containers, or none of their resources and variables of ours.
        Some(_) => return Ok(Admitted::default()),
    };
    if !matches!(request.operation.as_deref(), None | Some("CREATE" | "UPDATE")) {
        return Ok(Admitted::default());
    }
    let Some(pod) = read(request.object)? else { return Ok(Admitted::default()) };
    let namespace = describe(request, &pod, about)?;
    let old = read(request.old_object)?.unwrap_or_default();
    let added = reserved(&pod, &old);
    let old = old.spec.unwrap_or_default();
    let Some(spec) = &pod.spec else { return Ok(Admitted::default()) };
    let home = Home { name: &namespace, objects: objects.namespace(&namespace) };
    if is_ephemeral {
        return ephemeral(spec, &old, home, settings);
    }
    if let Some(resource) = pod_level(spec) {
        return Err(whole(Fault::PodLevel(resource.to_owned())));
    }
    if let Some(name) = added.filter(|_| asks_anywhere(spec)) {
        return Err(whole(Fault::ReservedAnnotation(name)));
    }
    containers(spec, &old, home, settings, about)
}

/// An annotation that is not the pod's to have, and that `old` did not have as it is.
fn reserved(pod: &Pod<'_>, old: &Pod<'_>) -> Option<&'static str> {
    fn of<'p, 'a>(pod: &'p Pod<'a>) -> [Option<&'p Text<'a>>; 2] {
        let annotations = pod.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        annotations
            .map(|annotations| annotations.reserved.each_ref().map(Option::as_ref))
            .unwrap_or_default()
    }
    let both = of(pod).into_iter().zip(of(old));
    RESERVED
        .into_iter()
        .zip(both)
        .find(|(_, (new, old))| new.is_some() && new != old)
        .map(|(name, _)| name)
}

fn asks_anywhere(spec: &Spec<'_>) -> bool {
    let lists = [&spec.init_containers, &spec.containers];
    lists.into_iter().flat_map(Containers::iter).any(|(_, container)| asks(container))
}

fn read<'a>(raw: Option<&'a RawValue>) -> Result<Option<Pod<'a>>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    object(&mut reader).map_err(|error| whole(Fault::Unreadable(line(&error))))
}

/// Notes which pod it is, and returns its namespace. That of the request counts: the API server wrote it.
fn describe(request: &Request<'_>, pod: &Pod<'_>, about: &mut About) -> Result<String, Refusal> {
    let metadata = pod.metadata.as_ref();
    let own = metadata.and_then(|m| m.namespace.as_deref()).unwrap_or_default();
    let asked = request.namespace.as_deref().unwrap_or_default();
    let namespace = if asked.is_empty() { own } else { asked };
    if !own.is_empty() && own != namespace {
        let (pod, request) = (quote(own), quote(asked));
        return Err(whole(Fault::Namespace { pod, request }));
    }
    if !namespace.is_empty() && !is_namespace(namespace) {
        return Err(whole(Fault::NoNamespace(namespace.to_owned())));
    }
    about.namespace = namespace.to_owned();
    let name = metadata.and_then(|m| m.name.as_ref().or(m.generate_name.as_ref()));
    about.pod = name.map(|name| name.to_string()).unwrap_or_default();
    about.owner = metadata.and_then(|m| m.controller.as_ref()).map(|owner| Owner {
        api_version: owner.api_version.to_string(),
        kind: owner.kind.to_string(),
        name: owner.name.to_string(),
        uid: owner.uid.to_string(),
    });
    Ok(about.namespace.clone())
}

fn pod_level<'a>(spec: &'a Spec<'_>) -> Option<&'a str> {
    let resources = spec.resources.as_ref()?;
    let both = [resources.limits.as_ref(), resources.requests.as_ref()];
    both.into_iter().flatten().flat_map(|list| &list.fpga).map(|(name, _)| &**name).next()
}

fn containers(
    spec: &Spec<'_>,
    old: &Spec<'_>,
    home: Home<'_>,
    settings: &Settings,
    about: &mut About,
) -> Result<Admitted, Refusal> {
    let lists = [&spec.init_containers, &spec.containers];
    let known = [&old.init_containers, &old.containers];
    if !asks_anywhere(spec) {
        return Ok(Admitted::default());
    }
    let mut admitted = Admitted::default();
    let (mut count, mut units) = (0, 0_u64);
    let mut modes: Option<(Modes, String)> = None;
    for ((field, list), known) in FIELDS.into_iter().zip(lists).zip(known) {
        for (index, container) in list.iter() {
            // What was let in stays in: an update cannot change these fields, so nothing is to be decided.
            if known.at(index) == Some(container) {
                continue;
            }
            let refuse = |fault| Refusal { container: Some(container.name.to_string()), fault };
            let Some(plan) = plan(container, home, settings).map_err(refuse)? else { continue };
            count += 1;
            if count > settings.containers {
                return Err(whole(Fault::TooManyContainers { limit: settings.containers }));
            }
            units = units.saturating_add(plan.units);
            if units > settings.units {
                return Err(whole(Fault::TooManyUnits { limit: settings.units }));
            }
            admitted.operations.extend(patch::operations(field, index, container, &plan));
            if let (None, Some(name)) = (&admitted.changed, plan.removed.first()) {
                admitted.changed = Some((container.name.to_string(), (*name).to_owned()));
            }
            admitted.warnings.extend(hints::warnings(container, &plan));
            about.objects.extend(plan.objects.iter().map(ToString::to_string));
            admitted.warnings.extend(apart(&mut modes, container, &plan));
        }
    }
    admitted.warnings.truncate(WARNINGS_LIMIT);
    Ok(admitted)
}

/// The API server cuts what is more than 4096 bytes together.
const WARNINGS_LIMIT: usize = 16;

/// A warning when no node can have both this container and those before it.
fn apart(
    modes: &mut Option<(Modes, String)>,
    container: &Container<'_>,
    plan: &Plan<'_>,
) -> Option<String> {
    let (own, _) = plan.modes?;
    let (common, first) = modes.get_or_insert_with(|| (Modes::ALL, container.name.to_string()));
    let both = common.and(own);
    if both.is_empty() {
        return Some(format!(
            "containers {} and {} ask for FPGAs in modes {} and {}: no node has both, so the pod will stay pending",
            quote(first),
            quote(&container.name),
            hints::word(*common),
            hints::word(own)
        ));
    }
    *common = both;
    None
}

/// Ephemeral containers get no devices, and have no business with the variables of those that do.
fn ephemeral(
    spec: &Spec<'_>,
    old: &Spec<'_>,
    home: Home<'_>,
    settings: &Settings,
) -> Result<Admitted, Refusal> {
    // They are told apart by their names: a patch may put a new one anywhere among them.
    let known: BTreeMap<&str, &Container<'_>> = old
        .ephemeral_containers
        .iter()
        .map(|(_, container)| (&*container.name, container))
        .collect();
    for (_, container) in spec.ephemeral_containers.iter() {
        if known.get(&*container.name) == Some(&container) {
            continue;
        }
        let refuse = |fault| Refusal { container: Some(container.name.to_string()), fault };
        if let Some(resource) = resources(container).next() {
            return Err(refuse(Fault::Ephemeral(resource.to_owned())));
        }
        plan(container, home, settings).map_err(refuse)?;
    }
    Ok(Admitted::default())
}

fn asks(container: &Container<'_>) -> bool {
    resources(container).next().is_some()
}

fn resources<'a>(container: &'a Container<'_>) -> impl Iterator<Item = &'a str> {
    let lists = container.resources.iter().flat_map(|r| [r.limits.as_ref(), r.requests.as_ref()]);
    lists.flatten().flat_map(|list| &list.fpga).map(|(name, _)| &**name)
}

fn whole(fault: Fault) -> Refusal {
    Refusal { container: None, fault }
}

/// An error in one line. It may quote what was sent, which can be long, before it says where and what was expected.
fn line(error: &serde_json::Error) -> String {
    const MOST: usize = 300;
    let text = error.to_string().replace(char::is_control, " ");
    if text.len() <= MOST {
        return text;
    }
    let (head, tail) = (MOST / 2, text.len() - MOST / 2);
    let (head, tail) = (text.floor_char_boundary(head), text.ceil_char_boundary(tail));
    format!("{} ... {}", &text[..head], &text[tail..])
}
