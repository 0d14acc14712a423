//! What a region holds.

use std::time::{Duration, Instant};

use super::error::Problem;
use super::target::Target;
use crate::card::Function;

/// How long a region must be seen busy without a reason to be taken for one that stays so: the reason
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

/// What is loaded now. A region that is busy is so while an image is loaded, and with some drivers after one that
/// failed, until the driver is bound again.
pub(super) fn read(target: &Target) -> Result<Function, Problem> {
    Ok(target.programmer()?.function(&target.slot)?)
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
        if target.programmer()?.explains_busy(&target.card)? {
            unexplained = None;
            if start.elapsed() >= timeout {
                return Err(Problem::Foreign { path: target.card.device.node.clone() });
            }
        } else if unexplained.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            return Ok(function);
        }
        std::thread::sleep(POLL);
    }
}
