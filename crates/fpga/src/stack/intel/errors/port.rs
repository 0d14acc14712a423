//! `PORT_ERROR`: what the interface between a port and its function (CCI-P) reports. Requests leave
//! the function on channel 0 (reads) and 1 (writes); a cache line has 64 bytes.

use super::Entry;

pub(super) const PORT: &[Entry] = &[
    Entry::bit(0, "TxCh0Overflow", "read requests overflowed"),
    Entry::bit(1, "TxCh0InvalidReqEncoding", "read request of an unknown type"),
    Entry::bit(2, "TxCh0Len3NotSupported", "read request for 3 cache lines"),
    Entry::bit(3, "TxCh0Len2NotAligned", "read request for 2 cache lines at an unaligned address"),
    Entry::bit(4, "TxCh0Len4NotAligned", "read request for 4 cache lines at an unaligned address"),
    Entry::bit(9, "MMIORdWhileRst", "register read while the port was in reset"),
    Entry::bit(10, "MMIOWrWhileRst", "register written while the port was in reset"),
    Entry::bit(16, "TxCh1Overflow", "write requests overflowed"),
    Entry::bit(17, "TxCh1InvalidReqEncoding", "write request of an unknown type"),
    Entry::bit(18, "TxCh1Len3NotSupported", "write request for 3 cache lines"),
    Entry::bit(
        19,
        "TxCh1Len2NotAligned",
        "write request for 2 cache lines at an unaligned address",
    ),
    Entry::bit(
        20,
        "TxCh1Len4NotAligned",
        "write request for 4 cache lines at an unaligned address",
    ),
    Entry::bit(21, "TxCh1InsufficientData", "write request with too little data"),
    Entry::bit(22, "TxCh1DataPayloadOverrun", "write request with too much data"),
    Entry::bit(23, "TxCh1IncorrectAddr", "write request that went on at a wrong address"),
    Entry::bit(24, "TxCh1NonZeroSOP", "start mark on a request that is no write"),
    Entry::bit(25, "TxCh1IllegalVCsel", "request on a channel that it must not use"),
    Entry::bit(32, "MMIOTimedOut", "the function did not answer a register read in time"),
    Entry::bit(33, "TxCh2FifoOverflow", "answers to register reads overflowed"),
    Entry::bit(34, "UnexpMMIOResp", "answer to a register read that nobody made"),
    Entry::bit(40, "TxReqCounterOverflow", "too many requests under way"),
    Entry::bit(41, "L1prSmrrError", "request into system management memory"),
    Entry::bit(42, "L1prSmrr2Error", "request into the second range of system management memory"),
    Entry::bit(43, "L1prMesegError", "request into the management engine's memory"),
    Entry::bit(44, "GenProtRangeError", "request into a protected range"),
    Entry::bit(45, "LegRangeLowError", "request into the low legacy range"),
    Entry::bit(46, "LegRangeHighError", "request into the high legacy range"),
    Entry::bit(47, "VgaMemRangeError", "request into VGA memory"),
    Entry::bit(48, "PageFault", "page fault on a request of the function"),
    Entry::bit(49, "PMRError", "request into a protected memory region"),
    Entry::bit(
        50,
        "Ap6Event",
        "power state AP6: the card is too hot and switched the function off",
    ),
    Entry::bit(
        51,
        "VfFlrAccessError",
        "virtual function reset on a port that the physical function has",
    ),
];
