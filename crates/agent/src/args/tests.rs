use super::*;

fn parse(line: &str) -> Result<Parsed, clap::Error> {
    Args::parse_line(
        std::iter::once("fpga-agent").chain(line.split_whitespace()).map(OsString::from),
    )
}

#[test]
fn the_definition_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn the_line_of_the_first_release_works() {
    let args = parse("-mode af -kubeconfig /root/.kube/config").unwrap().args;
    assert_eq!(args.mode, "af");
    assert_eq!(args.kubeconfig, Some(PathBuf::from("/root/.kube/config")));
}

#[test]
fn one_dash_and_two_mean_the_same() {
    for line in [
        "-mode=region -node-name=n1 -v=4 -master http://api",
        "--mode=region --node-name=n1 --v=4 --master http://api",
        "-mode region -node-name n1 -v 4 -master=http://api",
        "--mode region --node-name n1 --v 4 --master=http://api",
    ] {
        let args = parse(line).unwrap().args;
        assert_eq!(
            (
                args.mode.as_str(),
                args.node_name.as_deref(),
                args.log.verbosity,
                args.master.as_deref()
            ),
            ("region", Some("n1"), 4, Some("http://api")),
            "{line}"
        );
    }
}

#[test]
fn flags_of_klog_are_accepted_and_named() {
    let parsed = parse(
        "-logtostderr -stderrthreshold 2 --log_dir=/tmp -alsologtostderr=true -vmodule x=4 -mode region",
    );
    let Parsed { args, ignored } = parsed.unwrap();
    assert_eq!(args.mode, "region");
    assert_eq!(
        ignored,
        ["-logtostderr", "-stderrthreshold", "--log_dir=/tmp", "-alsologtostderr=true", "-vmodule"]
    );
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    for line in ["-frobnicate", "--frobnicate", "-mode", "extra", "-- -mode af"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn help_is_not_an_error() {
    assert_eq!(parse("-h").unwrap_err().exit_code(), 0);
    assert_eq!(parse("-help").unwrap_err().exit_code(), 0);
}

#[test]
fn the_health_endpoint_can_be_switched_off() {
    for line in ["--health-address none", "--health-address="] {
        assert_eq!(parse(line).unwrap().args.health_address, OrNone(None), "{line}");
    }
    let error = parse("--health-address localhost").unwrap_err().to_string();
    assert!(
        error.contains("--health-address") && error.contains("expected an IP address"),
        "{error}"
    );
}

#[test]
fn sys_and_dev_can_be_apart() {
    let trees = |line| parse(line).unwrap().args.trees();
    assert!(trees("").is_kernel());
    assert_eq!(trees("--root /n"), Root::at("/n"));
    assert_eq!(trees("--devfs /host/dev"), Root::new("/sys", "/host/dev"));
    assert_eq!(
        trees("--root /n --sysfs /s"),
        Root::new("/s", "/n/dev").with_ledger("/n/run/kube-fpga/ledger")
    );
}
