//! What passes over the socket: a line of JSON for each request, and one for its answer.

use fpga::bitstream::ImageId;
use fpga::id::{DeviceId, InterfaceId};
use fpga::ledger::{Digest, Owner, State};
use fpga::names::Use;
use fpga::records::RunResult;
use serde::{Deserialize, Serialize};

/// The longest line, in bytes: a thousand devices and promises.
pub const LONGEST: u64 = 256 << 10;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Make devices ready for an owner. For one whose devices are ready nothing is done.
    Prepare(Prepare),
    /// Clean what an owner who has ended had, or a device that nobody holds any more.
    Clean(Clean),
    /// Say what is known of the node's devices.
    Status {},
}

/// Devices for an owner, and what is to be in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prepare {
    /// Whose they become.
    pub owner: Owner,
    /// The namespace whose grants count for the promises.
    pub namespace: String,
    /// The devices, each once.
    pub devices: Vec<Device>,
    /// The functions that go into the devices that are for programming.
    #[serde(default)]
    pub promises: Vec<Promised>,
    /// How long it may take, in milliseconds; reprogramming that has begun is not interrupted.
    pub timeout_ms: u64,
}

/// One device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Which one; without a slot, all of the card's.
    pub device: DeviceId,
    /// What for.
    #[serde(rename = "use")]
    pub usage: Use,
}

/// A function in a region of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promised {
    /// The region that it needs.
    pub interface_id: InterfaceId,
    /// The function, or the OpenCL image.
    pub image: ImageId,
}

/// What is to be cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clean {
    /// What it is.
    #[serde(flatten)]
    pub what: Leftover,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
}

/// What is to be cleaned: all that an owner had, or a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leftover {
    /// All that the ledger names as this owner's.
    Owner(Owner),
    /// This device, whoever the ledger names: the kubelet knows that nobody holds it.
    Device(DeviceId),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// It is as asked.
    Done(Done),
    /// What is known.
    Status(Status),
    /// It could not be done, or not all of it.
    Failed(Failed),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// How many slots were touched; 0 where the work was done before.
    pub touched: usize,
    /// How long the driver took for each slot that was programmed, in milliseconds.
    #[serde(default)]
    pub programmed_ms: Vec<u64>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The hook's exit code in words.
    pub code: RunResult,
    /// In one line.
    pub message: String,
}

/// The node's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of the programmer.
    pub version: String,
    /// The slots of all cards in their order.
    pub slots: Vec<Slot>,
}

/// A slot, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Which one.
    pub device: DeviceId,
    /// What was done last; nothing where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Owner>,
    /// The image that is certainly in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
}
