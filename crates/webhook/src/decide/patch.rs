//! From what a container gets to the operations of RFC 6902 that give it.

use fpga::names::PromisePart;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use serde_json::{Value, json};

use super::container::Plan;
use super::pod::{Amounts, Container};

/// The operations for the container at `field`, `index`.
///
/// Only single entries are added and removed, so that whatever else is there stays untouched, whether it is
/// known here or not. New variables come first, where others can refer to them as `$(FPGA_AFU_1)`.
pub(super) fn operations(
    field: &'static str,
    index: usize,
    container: &Container<'_>,
    plan: &Plan<'_>,
) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    if plan.is_empty() {
        return operations;
    }
    let index = index.to_string();
    let at = |rest: &[&str]| {
        PointerBuf::from_tokens(["spec", field, &index].into_iter().chain(rest.iter().copied()))
    };
    let resources = container.resources.as_ref();
    for (list, amounts) in [
        ("limits", resources.and_then(|resources| resources.limits.as_ref())),
        ("requests", resources.and_then(|resources| resources.requests.as_ref())),
    ] {
        let Some(amounts) = amounts.filter(|amounts| asks(amounts, plan)) else { continue };
        for resource in plan.removed.iter().filter(|resource| amounts.get(resource).is_some()) {
            let path = at(&["resources", list, resource]);
            operations.push(PatchOperation::Remove(RemoveOperation { path }));
        }
        for (resource, units) in &plan.added {
            let path = at(&["resources", list, resource]);
            let value = Value::String(units.to_string());
            operations.push(PatchOperation::Add(AddOperation { path, value }));
        }
    }
    let variables: Vec<Value> = plan
        .promises
        .iter()
        .zip(plan.first..)
        .flat_map(|((interface, image), number)| {
            let variable = |part: PromisePart, value: String| {
                json!({ "name": format!("{}_{number}", part.stem()), "value": value })
            };
            [
                variable(PromisePart::Region, interface.to_string()),
                variable(PromisePart::Function, image.to_string()),
            ]
        })
        .collect();
    if variables.is_empty() {
        return operations;
    }
    if !container.env.is_there {
        let value = Value::Array(variables);
        operations.push(PatchOperation::Add(AddOperation { path: at(&["env"]), value }));
        return operations;
    }
    for (place, value) in variables.into_iter().enumerate() {
        let path = at(&["env", &place.to_string()]);
        operations.push(PatchOperation::Add(AddOperation { path, value }));
    }
    operations
}

/// True when the list names any of what is to be replaced, or of what is to be there in its place. Requests
/// that are left out are not added: the API server completes them from the limits.
fn asks(amounts: &Amounts<'_>, plan: &Plan<'_>) -> bool {
    let has = |resource: &str| amounts.get(resource).is_some();
    plan.removed.iter().any(|resource| has(resource))
        || plan.added.keys().any(|resource| has(resource))
}
