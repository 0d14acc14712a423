//! The pods of the act, as their authors write them, and what is read from them.

use std::collections::BTreeMap;

use anyhow::Context;
use fpga::id::{AfuId, InterfaceId};
use serde_json::Value;

pub(super) const NAME: &str = "test-fpga-region";

/// The scenario's pod.
pub(super) const MANIFEST: &str = "apiVersion: v1
kind: Pod
metadata:
  name: test-fpga-region
spec:
  restartPolicy: Never
  containers:
  - name: test-container
    image: kube-fpga/nlb
    resources:
      limits:
        fpga.intel.com/arria10-nlb3: 1
";

/// One that asks for the real resource and says itself what is to be programmed there.
pub(super) fn smuggler(interface: InterfaceId, afu_id: AfuId) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: smuggler
spec:
  containers:
  - name: c
    image: kube-fpga/nlb
    env:
    - name: FPGA_REGION_1
      value: {interface:?}
    - name: FPGA_AFU_1
      value: {afu_id:?}
    resources:
      limits:
        fpga.intel.com/region-{interface}: 1
",
        interface = interface.to_string(),
        afu_id = afu_id.to_string(),
    )
}

/// A manifest as the API server has it at admission: quantities are text, and what is limited is requested.
pub(super) fn read(manifest: &str) -> anyhow::Result<Value> {
    let mut pod: Value = serde_saphyr::from_str(manifest).context("the manifest")?;
    let containers = pod["spec"]["containers"].as_array_mut().context("no containers")?;
    for container in containers {
        let limits = container["resources"]["limits"].as_object_mut().context("no limits")?;
        for quantity in limits.values_mut() {
            if let Value::Number(number) = quantity {
                *quantity = Value::String(number.to_string());
            }
        }
        container["resources"]["requests"] = container["resources"]["limits"].clone();
    }
    Ok(pod)
}

/// What the first container asks for.
pub(super) fn requests(pod: &Value) -> anyhow::Result<BTreeMap<String, usize>> {
    let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
    let requests = requests.as_object().context("the pod requests nothing")?.iter();
    let number = |quantity: &Value| quantity.as_str().and_then(|text| text.parse().ok());
    let numbers = requests.map(|(name, quantity)| {
        let count = number(quantity).with_context(|| format!("{name}: {quantity}"))?;
        Ok((name.clone(), count))
    });
    numbers.collect()
}

/// The first container's environment, `NAME=value`.
pub(super) fn environment(pod: &Value) -> Vec<String> {
    let env = pod["spec"]["containers"][0]["env"].as_array().into_iter().flatten();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    env.map(|entry| format!("{}={}", text(entry, "name"), text(entry, "value"))).collect()
}
