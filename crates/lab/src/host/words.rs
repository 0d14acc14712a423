//! What a guest's kernel prints when it dies, for a person who does not know User Mode Linux.

/// How a console tells, and what that means.
const MEANINGS: [(&str, &str); 1] = [(
    "ptrace set fp regs failed",
    "this host's processor has more registers than the kernel was built for: `lab/kernel/build` on this host builds one \
     that fits, and LAB_XSTATE must be no smaller than this host's size",
)];

/// The reason in words, if the console has one that is known.
pub(super) fn meaning(console: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(sign, _)| console.contains(sign)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::meaning;

    #[test]
    fn a_kernel_with_too_little_room_is_told_in_words() {
        let console = "[    0.200000] Run /init as init process\n\
            [    0.200000] userspace - ptrace set fp regs failed, errno = 14\n";
        assert!(meaning(console).unwrap().contains("lab/kernel/build"));
        assert_eq!(meaning("[    0.200000] Run /init as init process\n"), None);
    }
}
