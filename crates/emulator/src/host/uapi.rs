//! Numbers and structures of the drivers' ioctls.
//!
//! In-tree: `include/uapi/linux/fpga-dfl.h`. Out-of-tree: the header of the same shape in Intel's driver for
//! OPAE. Written here independently of any client, so that a client's own numbers are checked against them.

/// Request numbers of the in-tree driver.
pub mod dfl {
    /// Version of the interface.
    pub const GET_API_VERSION: u32 = 0xb600;
    /// Support of an extension.
    pub const CHECK_EXTENSION: u32 = 0xb601;
    /// Reset of a port.
    pub const PORT_RESET: u32 = 0xb640;
    /// Regions and messages of a port.
    pub const PORT_GET_INFO: u32 = 0xb641;
    /// One region of a port.
    pub const PORT_GET_REGION_INFO: u32 = 0xb642;
    /// Map memory for DMA.
    pub const PORT_DMA_MAP: u32 = 0xb643;
    /// Unmap it.
    pub const PORT_DMA_UNMAP: u32 = 0xb644;
    /// Number of error interrupts of a port: read of a `u32`.
    pub const PORT_ERR_GET_IRQ_NUM: u32 = 0x8004_b645;
    /// Eventfds for them: write of 8 bytes and what follows.
    pub const PORT_ERR_SET_IRQ: u32 = 0x4008_b646;
    /// Number of user interrupts.
    pub const PORT_UINT_GET_IRQ_NUM: u32 = 0x8004_b647;
    /// Eventfds for them.
    pub const PORT_UINT_SET_IRQ: u32 = 0x4008_b648;
    /// Reconfigure the region behind a port.
    pub const FME_PORT_PR: u32 = 0xb680;
    /// Release a port from the physical function.
    pub const FME_PORT_RELEASE: u32 = 0x4004_b681;
    /// Take it back.
    pub const FME_PORT_ASSIGN: u32 = 0x4004_b682;
    /// Number of error interrupts of the management engine.
    pub const FME_ERR_GET_IRQ_NUM: u32 = 0x8004_b683;
    /// Eventfds for them.
    pub const FME_ERR_SET_IRQ: u32 = 0x4008_b684;
}

/// Request numbers of the out-of-tree driver.
pub mod opae {
    /// Version of the interface.
    pub const GET_API_VERSION: u32 = 0xb500;
    /// Support of an extension.
    pub const CHECK_EXTENSION: u32 = 0xb501;
    /// Reset of a port.
    pub const PORT_RESET: u32 = 0xb540;
    /// Capabilities, regions, messages and interrupts of a port.
    pub const PORT_GET_INFO: u32 = 0xb541;
    /// One region of a port.
    pub const PORT_GET_REGION_INFO: u32 = 0xb542;
    /// Map memory for DMA.
    pub const PORT_DMA_MAP: u32 = 0xb543;
    /// Unmap it.
    pub const PORT_DMA_UNMAP: u32 = 0xb544;
    /// Eventfds for a port's errors.
    pub const PORT_ERR_SET_IRQ: u32 = 0xb549;
    /// Eventfds for user interrupts.
    pub const PORT_UAFU_SET_IRQ: u32 = 0xb54a;
    /// Reconfigure the region behind a port.
    pub const FME_PORT_PR: u32 = 0xb580;
    /// Release a port from the physical function.
    pub const FME_PORT_RELEASE: u32 = 0xb581;
    /// Take it back.
    pub const FME_PORT_ASSIGN: u32 = 0xb582;
    /// Capabilities of the management engine.
    pub const FME_GET_INFO: u32 = 0xb583;
    /// Eventfds for its errors.
    pub const FME_ERR_SET_IRQ: u32 = 0xb584;
    /// Capability bit: error interrupts.
    pub const CAP_ERR_IRQ: u32 = 1;
    /// Capability bit: user interrupts.
    pub const CAP_UAFU_IRQ: u32 = 2;
}

/// Sizes in bytes of the structures, all fields included.
pub mod size {
    /// In-tree `dfl_fpga_port_info`: argsz, flags, regions, messages.
    pub const DFL_PORT_INFO: usize = 16;
    /// Out-of-tree: argsz, flags, capability, regions, messages, user interrupts.
    pub const OPAE_PORT_INFO: usize = 24;
    /// argsz, flags, index, padding, size (64), offset (64).
    pub const REGION_INFO: usize = 32;
    /// argsz, flags, address (64), length (64), I/O virtual address (64).
    pub const DMA_MAP: usize = 32;
    /// argsz, flags, I/O virtual address (64).
    pub const DMA_UNMAP: usize = 16;
    /// In-tree: argsz, flags, port, size, address (64).
    pub const DFL_PORT_PR: usize = 24;
    /// Out-of-tree: the same and status (64).
    pub const OPAE_PORT_PR: usize = 32;
    /// Out-of-tree release and assign: argsz, flags, port.
    pub const OPAE_PORT: usize = 12;
    /// Out-of-tree `fpga_fme_info`: argsz, flags, capability.
    pub const OPAE_FME_INFO: usize = 12;
    /// start, count; one `s32` an interrupt follows.
    pub const DFL_IRQ_SET: usize = 8;
    /// Out-of-tree: argsz, flags; one `s32` an interrupt follows.
    pub const OPAE_IRQ_SET: usize = 8;
}

/// Region flags: readable, writable, can be mapped.
pub const REGION_FLAGS: u32 = 1 | 2 | 4;
