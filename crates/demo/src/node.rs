//! The node's extended resources, printed as `kubectl describe node` prints them.

use std::fmt;

use crate::kubelet::Node;

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.resources.keys().map(|name| name.len() + 1).max().unwrap_or_default();
        for (title, value) in [
            ("Capacity", Self::capacity as fn(&Self, &str) -> usize),
            ("Allocatable", Self::allocatable),
        ] {
            writeln!(f, "{title}:")?;
            for name in self.resources.keys() {
                writeln!(f, "  {:width$}  {}", format!("{name}:"), value(self, name))?;
            }
        }
        Ok(())
    }
}
