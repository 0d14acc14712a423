//! Which devices were allocated to a container, and what for.
//!
//! A CDI specification names its device in the arguments of its hooks, and a runtime copies these into `config.json`.
//! Only root writes specifications, whereas variables and annotations may be a tenant's.

use fpga::id::DeviceId;
use fpga::names::{HOOK_COMMAND, HOOK_DEVICE, HOOK_USE, Use};
use fpga::uses::{self, Uses};
use serde::Deserialize;
use serde::de::Deserializer;

use super::object::Object;

/// The devices that hooks of ours are about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Allocation(Uses);

impl Allocation {
    /// A further device. One that is named for two uses is treated as strictly as possible.
    pub(crate) fn add(&mut self, device: DeviceId, usage: Use) {
        let known = self.0.entry(device).or_insert(usage);
        if *known != usage {
            *known = Use::Region;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The devices in their order.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.0.keys().copied()
    }

    /// What the slot is for; `None` when it is not among the devices, nor is its card.
    pub(crate) fn usage(&self, slot: DeviceId) -> Option<Use> {
        uses::of_slot(&self.0, slot)
    }

    fn of(hooks: &Hooks) -> Self {
        let mut allocation = Self::default();
        let lists = [&hooks.create_runtime, &hooks.prestart, &hooks.poststop];
        for Object(hook) in lists.into_iter().flatten().flatten() {
            let words = hook.args.as_deref().unwrap_or_default();
            if words.get(1).is_none_or(|word| word != HOOK_COMMAND) {
                continue;
            }
            let value = |flag: &str| {
                words.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1].as_str())
            };
            let usage = value(HOOK_USE).map_or(Ok(Use::default()), str::parse);
            if let (Some(Ok(device)), Ok(usage)) = (value(HOOK_DEVICE).map(str::parse), usage) {
                allocation.add(device, usage);
            }
        }
        allocation
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hooks {
    create_runtime: Option<Vec<Object<Hook>>>,
    prestart: Option<Vec<Object<Hook>>>,
    poststop: Option<Vec<Object<Hook>>>,
}

#[derive(Deserialize)]
struct Hook {
    args: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for Allocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::<Hooks>::deserialize(deserializer).map(|Object(hooks)| Self::of(&hooks))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NEAR: &str = "0000-3b-00-0-slot0";

    fn read(hooks: Value) -> Vec<(String, Use)> {
        let Allocation(devices) = serde_json::from_value(hooks).unwrap();
        devices.into_iter().map(|(device, usage)| (device.to_string(), usage)).collect()
    }

    fn ours(device: &str, more: &[&str]) -> Value {
        let mut args =
            vec!["fpga-hook", "oci-hook", "--stage", "createRuntime", HOOK_DEVICE, device];
        args.extend(more);
        json!({ "path": "/opt/intel/fpga-sw/fpga-hook", "args": args, "timeout": 40 })
    }

    #[test]
    fn hooks_of_ours_name_devices() {
        let hooks = json!({
            "createRuntime": [ours(NEAR, &[]), ours("0000-86-00-0", &[HOOK_USE, "development"])],
            "poststop": [ours(NEAR, &["--timeout", "1s"]), ours("0000-af-00-0-slot1", &[HOOK_USE, "function"])],
            "createContainer": [{ "path": "/bin/true", "env": [] }],
        });
        let expected = [
            (NEAR, Use::Region),
            ("0000-86-00-0", Use::Development),
            ("0000-af-00-0-slot1", Use::Function),
        ];
        assert_eq!(read(hooks), expected.map(|(device, usage)| (device.to_owned(), usage)));
    }

    #[test]
    fn other_hooks_name_none() {
        for hook in [
            json!({ "path": "/bin/nvidia", "args": ["nvidia", "prestart", HOOK_DEVICE, NEAR] }),
            json!({ "path": "/bin/true" }),
            json!({ "path": "/bin/true", "args": null }),
            ours("dfl-port.0", &[]),
            ours(NEAR, &[HOOK_USE, "everything"]),
            json!({ "args": ["fpga-hook", "oci-hook", HOOK_DEVICE] }),
        ] {
            assert_eq!(read(json!({ "prestart": [hook] })), [], "{hook}");
        }
        assert_eq!(read(json!({ "createRuntime": null })), []);
    }

    #[test]
    fn a_device_for_two_uses_is_programmed() {
        let hooks =
            json!({"createRuntime": [ours(NEAR, &[HOOK_USE, "function"]), ours(NEAR, &[])]});
        assert_eq!(read(hooks), [(NEAR.to_owned(), Use::Region)]);
    }

    #[test]
    fn a_card_has_all_its_slots() {
        let mut allocation = Allocation::default();
        allocation.add("0000-86-00-0".parse().unwrap(), Use::Development);
        for slot in ["0000-86-00-0-slot0", "0000-86-00-0-slot7"] {
            assert_eq!(allocation.usage(slot.parse().unwrap()), Some(Use::Development));
        }
        assert_eq!(allocation.usage(NEAR.parse().unwrap()), None);
    }
}
