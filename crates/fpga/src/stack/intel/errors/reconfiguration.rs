//! `FME_PR_ERR`: bits 0 to 4 are in `drivers/fpga/dfl-fme-mgr.c`, whose words for them the in-tree
//! driver prints in its manager's `status`; 5 and 6 are known to the out-of-tree driver only.

use super::Entry;

pub(super) const RECONFIGURATION: &[Entry] = &[
    Entry::bit(0, "PR_OPERATION", "reconfig operation error"),
    Entry::bit(1, "PR_CRC", "reconfig CRC error"),
    Entry::bit(2, "PR_INCOMPATIBLE", "reconfig incompatible image"),
    Entry::bit(3, "PR_IP_PROTOCOL", "reconfig IP protocol error"),
    Entry::bit(4, "PR_FIFO_OVERFLOW", "reconfig fifo overflow error"),
    Entry::bit(5, "PR_TIMEOUT", "reconfig timeout"),
    Entry::bit(6, "PR_SECURE_LOAD", "reconfig refused: the image's signature was not accepted"),
];
