//! Finds a port that holds the function, by asking every port what it holds.

use std::path::Path;

use fpga::id::AfuId;
use fpga::stack::intel::driver::{Cause, Error, Mmio, Port, REGION_AFU, port_nodes};

use crate::failure::{Failure, Unavailable};
use crate::mode::Mode;
use crate::registers::{find_feature, id_at};

/// An opened port that holds the function.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) port: Port,
    pub(crate) registers: Mmio,
    /// Where the function's header is in the registers.
    pub(crate) offset: usize,
}

/// The first port in `dev` that holds the function of `mode`, opened so that nobody else can.
///
/// A port that cannot be opened does not end the search; it is named if nothing is found.
pub(crate) fn find(dev: &Path, mode: Mode) -> Result<Found, Failure> {
    let afu_id = mode.afu_id();
    let nodes = match port_nodes(dev) {
        Ok(nodes) => nodes,
        Err(e) => {
            return Err(Failure::NotFound {
                afu_id,
                ports: vec![format!("{}: {e}", dev.display())],
            });
        }
    };
    let mut seen = Seen::default();
    for node in &nodes {
        match look(node, afu_id) {
            Ok(Look::Found(found)) => return Ok(found),
            Ok(Look::Other(id)) => seen.ports.push(format!("{}: {}", node.display(), holds(id))),
            Err(error) => seen.failed(&error),
        }
    }
    if nodes.is_empty() {
        seen.ports
            .push(format!("{}: no dfl-port.* and no intel-fpga-port.* device node", dev.display()));
    }
    Err(seen.failure(afu_id))
}

enum Look {
    Found(Found),
    Other(AfuId),
}

fn look(node: &Path, afu_id: AfuId) -> Result<Look, Error> {
    let port = Port::open_exclusive(node)?;
    let registers = port.map_region(REGION_AFU)?;
    match find_feature(&registers, afu_id)? {
        Some(offset) => Ok(Look::Found(Found { port, registers, offset })),
        None => Ok(Look::Other(id_at(&registers, 0)?)),
    }
}

fn holds(id: AfuId) -> String {
    if id.is_crash_marker() {
        return "the card does not answer: all registers read as ones".to_owned();
    }
    let uuid = id.to_uuid().to_uppercase();
    match [Mode::Copy, Mode::Throughput].into_iter().find(|mode| mode.afu_id() == id) {
        Some(mode) => format!("holds AFU id {uuid} (NLB mode {})", mode.number()),
        None => format!("holds AFU id {uuid}"),
    }
}

/// What the ports hold that do not hold the function.
#[derive(Default)]
struct Seen {
    ports: Vec<String>,
    unavailable: Option<Unavailable>,
}

impl Seen {
    fn failed(&mut self, error: &Error) {
        self.ports.push(error.to_string());
        // A busy port may be free the next time, a forbidden one stays forbidden: busy is the one to tell.
        match error.cause() {
            Cause::Busy => self.unavailable = Some(Unavailable::Busy),
            Cause::Denied => self.unavailable = self.unavailable.or(Some(Unavailable::Denied)),
            _ => {}
        }
    }

    fn failure(self, afu_id: AfuId) -> Failure {
        match self.unavailable {
            Some(cause) => Failure::Unavailable { afu_id, cause, ports: self.ports },
            None => Failure::NotFound { afu_id, ports: self.ports },
        }
    }
}

#[cfg(test)]
mod tests {
    use fpga::stack::intel::driver::{Errno, Operation};

    use super::*;

    fn refused(errno: Errno) -> Error {
        Error::Refused { path: "/dev/dfl-port.0".into(), operation: Operation::Open, errno }
    }

    fn seen(errnos: &[Errno]) -> Failure {
        let mut seen = Seen::default();
        errnos.iter().for_each(|&errno| seen.failed(&refused(errno)));
        seen.failure(Mode::Copy.afu_id())
    }

    #[test]
    fn a_busy_port_is_not_called_an_absent_function() {
        let failure = seen(&[Errno::EACCES, Errno::EBUSY, Errno::ENXIO]);
        assert_eq!(failure.exit_code(), 3);
        let text = failure.to_string();
        assert!(text.starts_with("no free port holds AFU id D8424DC4-"), "{text}");
        assert!(text.contains("another process uses the device (EBUSY)"), "{text}");
        assert!(text.contains("permission denied (EACCES)"), "{text}");
        assert!(text.contains("no driver is bound to the device (ENXIO)"), "{text}");
    }

    #[test]
    fn a_forbidden_port_has_its_own_code_and_an_empty_one_holds_nothing() {
        assert_eq!(seen(&[Errno::EPERM, Errno::ENXIO]).exit_code(), 4);
        assert_eq!(seen(&[Errno::ENXIO]).exit_code(), 102);
    }

    #[test]
    fn what_a_port_holds() {
        assert_eq!(
            holds(Mode::Throughput.afu_id()),
            "holds AFU id F7DF405C-BD7A-CF72-22F1-44B0B93ACD18 (NLB mode 3)"
        );
        assert_eq!(holds(AfuId::new(1)), "holds AFU id 00000000-0000-0000-0000-000000000001");
        assert!(holds(AfuId::new(u128::MAX)).contains("does not answer"));
    }
}
