//! The class directories: links to one object per PCI function.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Flavour;
use crate::id::PciAddress;
use crate::sysfs::numbered;

/// An entry of a class directory.
pub(super) struct Entry {
    /// Its name, such as `region0`.
    pub(super) name: String,
    /// The device directory that it leads to.
    pub(super) path: PathBuf,
}

/// The entries of a class directory that can be a container of the flavour's devices, in the order
/// of their numbers.
pub(super) fn entries(class: &Path, flavour: &Flavour) -> io::Result<Vec<Entry>> {
    let names = fs::read_dir(class)?
        .map(|entry| Ok(entry?.file_name().into_string().ok()))
        .filter_map(Result::transpose)
        .collect::<io::Result<Vec<_>>>()?;
    let entries = numbered(&names, flavour.container)
        .into_iter()
        .map(|name| Entry { path: target(class, &name), name });
    Ok(entries.filter(|entry| !is_below_fme(&entry.path, flavour)).collect())
}

/// Where the class directory's link leads. What is no link is taken for the object itself.
fn target(class: &Path, name: &str) -> PathBuf {
    match fs::read_link(class.join(name)) {
        Ok(link) => joined(class, &link),
        Err(_) => class.join(name),
    }
}

/// Without the `..` that the link begins with. It may be done on the text, since neither a class directory nor one above
/// it in sysfs is a link (`class_register` in drivers/base/class.c), and the messages are for people. Of the path to
/// sysfs nothing is known: its own `..` stay.
fn joined(class: &Path, link: &Path) -> PathBuf {
    let (mut base, mut rest) = (class, link);
    while let Ok(shorter) = rest.strip_prefix("..") {
        match (base.file_name(), base.parent()) {
            (Some(_), Some(parent)) => (base, rest) = (parent, shorter),
            _ => return class.join(link),
        }
    }
    base.join(rest)
}

/// True of the DFL driver's reconfigurable regions, which are in the same class as the containers but
/// are found through their FME.
fn is_below_fme(path: &Path, flavour: &Flavour) -> bool {
    path.parent().into_iter().flat_map(Path::components).any(|component| {
        component.as_os_str().to_str().is_some_and(|name| name.starts_with(flavour.fme))
    })
}

/// The PCI function nearest above `path`, and its directory.
pub(in crate::stack::intel) fn pci_function(path: &Path) -> Option<(PciAddress, &Path)> {
    path.ancestors().find_map(|dir| Some((dir.file_name()?.to_str()?.parse().ok()?, dir)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_pci_function_is_the_cards_and_not_the_bridges() {
        let path =
            Path::new("/sys/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0/fpga_region/region0");
        let (address, dir) = pci_function(path).unwrap();
        assert_eq!(address.to_string(), "0000:5e:00.0");
        assert_eq!(dir, Path::new("/sys/devices/pci0000:5d/0000:5d:00.0/0000:5e:00.0"));
        assert!(pci_function(Path::new("/sys/devices/platform/region0")).is_none());
    }

    #[test]
    fn a_links_path_is_printed_without_detours() {
        let link = Path::new("../../devices/pci0000:00/x");
        for (root, found) in [
            ("/t/sys", "/t/sys/devices/pci0000:00/x"),
            ("sys", "sys/devices/pci0000:00/x"),
            ("../machine/sys", "../machine/sys/devices/pci0000:00/x"),
            ("a/../../sys", "a/../../sys/devices/pci0000:00/x"),
            ("..", "../devices/pci0000:00/x"),
        ] {
            let class = Path::new(root).join("class/fpga");
            assert_eq!(joined(&class, link), Path::new(found), "{root}");
        }
        let beyond = Path::new("../../../x");
        assert_eq!(joined(Path::new("/class/fpga"), beyond), Path::new("/class/fpga/../../../x"));
        assert_eq!(
            joined(Path::new("../class/fpga"), beyond),
            Path::new("../class/fpga/../../../x")
        );
    }
}
