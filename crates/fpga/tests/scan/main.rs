//! Scans of emulated machines, whole and damaged.

mod damage;
mod node;
mod shapes;
