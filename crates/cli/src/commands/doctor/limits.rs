//! Memory that programs in containers need for DMA.

use super::host::children;
use super::survey::Survey;
use fpga::files::read;
use fpga::sysfs;
use fpga_findings::Finding;

/// The runtimes, as `/proc/PID/comm` has them.
const RUNTIMES: [&str; 2] = ["containerd", "crio"];
/// Buffers of less are not worth a card.
const ENOUGH: u64 = 64 << 20;
/// OPAE takes buffers of more than a page from pages of this size in KiB.
const HUGE_PAGE: u64 = 2048;

pub(super) fn look(survey: &Survey, report: &mut dyn FnMut(Finding)) {
    report(huge_pages(survey));
    let proc = survey.proc();
    let processes = children(&proc).unwrap_or_default();
    let runtimes = processes.iter().filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
    let mut found = false;
    for pid in runtimes {
        let comm = sysfs::read(&proc.join(pid).join("comm")).ok().flatten().unwrap_or_default();
        if RUNTIMES.contains(&comm.as_str()) {
            found = true;
            report(locked(survey, pid, &comm));
        }
    }
    if !found && survey.is_node() {
        report(
            Finding::unknown(proc.display(), "no container runtime is among the processes")
                .because(
                    "it has another name, or another PID namespace; containers inherit its limits",
                )
                .fix("systemctl show -p LimitMEMLOCK containerd crio"),
        );
    }
}

fn locked(survey: &Survey, pid: &str, runtime: &str) -> Finding {
    let object = format!("{runtime} ({pid})");
    let limits = read(&survey.proc().join(pid).join("limits"), 64 << 10).unwrap_or_default();
    match parse(&String::from_utf8_lossy(&limits)) {
        Some(None) => Finding::ok(object, "containers may lock any amount of memory"),
        Some(Some(bytes)) if bytes >= ENOUGH => {
            Finding::ok(object, format_args!("containers may lock {bytes} bytes of memory"))
        }
        Some(Some(bytes)) => {
            Finding::warning(object, format_args!("containers may lock {bytes} bytes of memory"))
                .because("larger buffers cannot be mapped for the card, but by containers with CAP_IPC_LOCK")
                .fix(format_args!(
                    "mkdir -p /etc/systemd/system/{runtime}.service.d; \
                     printf '[Service]\\nLimitMEMLOCK=infinity\\n' > /etc/systemd/system/{runtime}.service.d/memlock.conf; \
                     systemctl daemon-reload; systemctl restart {runtime}"
                ))
        }
        None => Finding::unknown(object, "its limits cannot be read")
            .fix("sudo fpgactl doctor --area limits"),
    }
}

/// The soft limit of locked memory in bytes, `None` for none (`proc_pid_limits` in `fs/proc/base.c`).
fn parse(limits: &str) -> Option<Option<u64>> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(None),
        bytes => bytes.parse().ok().map(Some),
    }
}

fn huge_pages(survey: &Survey) -> Finding {
    let path = survey.kernel.huge_pages(HUGE_PAGE);
    let object = path.display();
    let remedy = "sysctl vm.nr_hugepages=20; systemctl restart kubelet";
    match sysfs::read_number(&path) {
        Ok(Some(0)) => Finding::warning(object, "there are no huge pages of 2 MiB")
            .because("OPAE programs need them for buffers of more than 4 KiB; others may not")
            .fix(remedy),
        Ok(Some(count)) => Finding::ok(object, format_args!("{count} huge pages of 2 MiB")),
        Err(error) => Finding::unknown(object, error),
        Ok(None) => Finding::unknown(object, "there is no such attribute, or no number in it")
            .because("the kernel may have none of this size")
            .fix(remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let limits = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max file size             unlimited            unlimited            bytes     \n\
Max locked memory         8388608              unlimited            bytes     \n";
        assert_eq!(parse(limits), Some(Some(8_388_608)));
        assert_eq!(parse(&limits.replace("8388608", "unlimited")), Some(None));
        assert_eq!(parse(""), None);
        assert_eq!(parse("Max locked memory  x"), None);
    }
}
