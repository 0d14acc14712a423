//! Names of device nodes, which tell the driver and the kind of device.

use std::io;
use std::path::{Path, PathBuf};

use crate::card::Driver;

/// What a device node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A port: what a workload uses.
    Port,
    /// A management engine: what programs ports.
    Fme,
}

/// A parsed node name. The order is the natural one: `dfl-port.2` comes before `dfl-port.10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Which driver made it.
    pub driver: Driver,
    /// Port or management engine.
    pub kind: NodeKind,
    /// The number that the driver gave it, unique on the node.
    pub number: u32,
}

/// How the names start; the number follows.
pub(in crate::stack::intel) const DFL_FME: &str = "dfl-fme.";
pub(in crate::stack::intel) const DFL_PORT: &str = "dfl-port.";
pub(in crate::stack::intel) const OPAE_FME: &str = "intel-fpga-fme.";
pub(in crate::stack::intel) const OPAE_PORT: &str = "intel-fpga-port.";

const PREFIXES: [(&str, Driver, NodeKind); 4] = [
    (DFL_PORT, Driver::Dfl, NodeKind::Port),
    (DFL_FME, Driver::Dfl, NodeKind::Fme),
    (OPAE_PORT, Driver::Opae, NodeKind::Port),
    (OPAE_FME, Driver::Opae, NodeKind::Fme),
];

impl Node {
    /// Parses a file name such as `dfl-port.0`; `None` for everything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        PREFIXES.iter().find_map(|&(prefix, driver, kind)| {
            let digits = name.strip_prefix(prefix)?;
            // `parse` alone would accept a sign.
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            Some(Self { driver, kind, number: digits.parse().ok().filter(|_| plain)? })
        })
    }

    /// As [`Node::parse`], for the last component of `path`, or for what it links to when its own
    /// name says nothing: udev rules and people make such links.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let by_name = |path: &Path| Self::parse(path.file_name()?.to_str()?);
        by_name(path).or_else(|| by_name(&path.canonicalize().ok()?))
    }
}

/// The port nodes in the directory `dev`, of both drivers, in natural order.
///
/// Reads names only: whether a port can be opened shows when it is.
///
/// # Errors
/// The directory cannot be read.
pub fn port_nodes(dev: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dev)? {
        let name = entry?.file_name();
        match name.to_str().and_then(Node::parse) {
            Some(node) if node.kind == NodeKind::Port => found.push((node, dev.join(name))),
            _ => {}
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let node = |driver, kind, number| Some(Node { driver, kind, number });
        assert_eq!(Node::parse("dfl-port.0"), node(Driver::Dfl, NodeKind::Port, 0));
        assert_eq!(Node::parse("dfl-fme.12"), node(Driver::Dfl, NodeKind::Fme, 12));
        assert_eq!(Node::parse("intel-fpga-port.3"), node(Driver::Opae, NodeKind::Port, 3));
        assert_eq!(Node::parse("intel-fpga-fme.1"), node(Driver::Opae, NodeKind::Fme, 1));
        for other in [
            "",
            "null",
            "dfl-port",
            "dfl-port.",
            "dfl-port.x",
            "dfl-port.+1",
            "dfl-port.4294967296",
        ] {
            assert_eq!(Node::parse(other), None, "{other}");
        }
    }

    #[test]
    fn links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("dfl-port.7"), "").unwrap();
        let link = dir.path().join("accelerator");
        std::os::unix::fs::symlink("dfl-port.7", &link).unwrap();
        assert_eq!(Node::of_path(&link).map(|n| n.number), Some(7));
    }

    #[test]
    fn ports_in_natural_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["intel-fpga-port.1", "dfl-port.10", "dfl-port.2", "dfl-fme.0", "null", "dfl-port.x"]
        {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = port_nodes(dir.path()).unwrap();
        let expected: Vec<_> = ["dfl-port.2", "dfl-port.10", "intel-fpga-port.1"]
            .iter()
            .map(|n| dir.path().join(n))
            .collect();
        assert_eq!(names, expected);
    }
}
