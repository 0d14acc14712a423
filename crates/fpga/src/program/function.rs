//! What a region holds, read from the port's `afu_id`.

use std::time::{Duration, Instant};

use super::error::Problem;
use super::manager::Manager;
use super::target::Target;
use crate::board::{Function, FunctionError};
use crate::sysfs::{self, AttrError};

/// How long a port must be seen disabled without a reason to be taken for one that stays so: the reason
/// is read after the state, and may have ended between the two.
const GRACE: Duration = Duration::from_millis(500);
/// How often it is looked whether somebody else's programming has ended: nothing tells.
const POLL: Duration = Duration::from_millis(20);

impl Target {
    /// What the region holds now. One attribute is read, and nothing else.
    #[must_use]
    pub fn function(&self) -> Function {
        read(self).unwrap_or(Function::Unreadable)
    }
}

/// What is loaded now. A port that is disabled is so during a programming, and with the in-tree driver
/// after one that failed, until the driver is bound again.
pub(super) fn read(target: &Target) -> Result<Function, Problem> {
    let path = target.port.attribute("afu_id");
    let is_driven = || target.port.attribute("driver").exists();
    match Function::of_attribute(sysfs::read(&path), is_driven) {
        Ok(function) => Ok(function),
        Err(FunctionError::Attribute(error @ AttrError::Os(_))) => {
            Err(Problem::Attribute { path, action: "read", error })
        }
        Err(_) => Ok(Function::Unreadable),
    }
}

/// As [`read`], but waits until nobody programs the region. With the card's lock held, who does is
/// another program that knows nothing of the lock.
pub(super) fn settled(target: &Target, timeout: Duration) -> Result<Function, Problem> {
    let start = Instant::now();
    let mut unexplained: Option<Instant> = None;
    loop {
        let function = read(target)?;
        if function != Function::Busy {
            return Ok(function);
        }
        if Manager::of(&target.card)?.explains_busy() {
            unexplained = None;
            if start.elapsed() >= timeout {
                return Err(Problem::Foreign { path: target.card.fme.node.clone() });
            }
        } else if unexplained.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            return Ok(function);
        }
        std::thread::sleep(POLL);
    }
}
