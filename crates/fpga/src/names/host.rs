//! What the agent, the installer and the hook agree upon on a node: the words that start the hook, and the files of CDI
//! specifications.

use super::CDI_KIND;
use crate::stack::is_device_name;

/// The subcommand by which runtimes start the hook, in `fpga-hook` as in `fpgactl`.
pub const HOOK_COMMAND: &str = "oci-hook";
/// The hook's flag for the stage of the container's life.
pub const HOOK_STAGE: &str = "--stage";
/// The hook's flag for the [`crate::id::DeviceId`] that a specification brings.
pub const HOOK_DEVICE: &str = "--device";
/// The hook's flag for the [`super::Use`] of that device.
pub const HOOK_USE: &str = "--use";

/// How the name of a specification's file ends. Runtimes read `.json` and `.yaml`.
pub const SPEC_FILE_END: &str = ".json";

/// The name of the file with a device's specification: its kind and its name, as is the custom.
#[must_use]
pub fn spec_file(device: &str) -> String {
    format!("{}{device}{SPEC_FILE_END}", spec_file_start())
}

/// How the names of these files begin.
#[must_use]
pub fn spec_file_start() -> String {
    format!("{}-", CDI_KIND.replace('/', "-"))
}

/// The device of a file that [`spec_file`] names.
#[must_use]
pub fn spec_device(file: &str) -> Option<&str> {
    let device = file.strip_prefix(&spec_file_start())?.strip_suffix(SPEC_FILE_END)?;
    is_device_name(device).then_some(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_specifications_are_told_by_their_whole_names() {
        assert_eq!(spec_file("dfl-fme.0"), "intel.cdi.k8s.io-fpga-dfl-fme.0.json");
        for device in ["dfl-fme.0", "dfl-fme.1-port0", "dfl-port.0"] {
            assert_eq!(spec_device(&spec_file(device)), Some(device));
        }
        for other in [
            "intel.cdi.k8s.io-fpga-custom.json",
            "intel.cdi.k8s.io-fpga-dfl-fme.0.yaml",
            "intel.cdi.k8s.io-gpu-dfl-fme.0.json",
            ".intel.cdi.k8s.io-fpga-dfl-fme.0.json.1-2.tmp",
            "intel.cdi.k8s.io-fpga-../dfl-fme.0.json",
            "nvidia.yaml",
        ] {
            assert_eq!(spec_device(other), None, "{other}");
        }
    }
}
