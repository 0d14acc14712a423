//! What other tools load into a card behind the ledger's back.

use std::fs::{self, OpenOptions};
use std::path::Path;

use fpga_emulator::card::afu;
use fpga_emulator::gbs::Bitstream;
use fpga_emulator::machine::DEFAULT_INTERFACE_ID;

use crate::emulated::{Emulated, TWO_CARDS};
use crate::node::{LIMIT, REGION, allocatable, eventually};

/// What `fpgactl program` says.
async fn program(node: &Emulated, file: &Path) -> String {
    let arguments = ["program", file.to_str().unwrap(), "dfl-port.0"];
    let output = node.fpgactl(&arguments).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_card_that_another_tool_programmed_is_programmed_again() {
    let node = Emulated::start(TWO_CARDS);
    let kubelet = node.kubelet();
    let file = node.file("nlb3.gbs");
    let bitstream = Bitstream {
        interface: DEFAULT_INTERFACE_ID,
        function: afu::NLB3,
        name: "nlb".to_owned(),
        size: 64 << 10,
        clocks: None,
    };
    fs::write(&file, bitstream.to_bytes().unwrap()).unwrap();
    let is_loaded = "already";
    assert!(!program(&node, &file).await.contains(is_loaded));
    assert!(program(&node, &file).await.contains(is_loaded));

    // Before the agent watched, others may have programmed it.
    let agent = node.agent();
    allocatable(&kubelet, REGION, 2).await;
    let doubt = node.file("root/run/kube-fpga/ledger/0000-3b-00-0.doubt");
    eventually("the card is in doubt", || doubt.exists()).await;
    assert!(!program(&node, &file).await.contains(is_loaded));
    let first = fs::read(&doubt).unwrap();
    for _ in 0..3 {
        assert!(program(&node, &file).await.contains(is_loaded), "our own programming is in doubt");
    }
    assert_eq!(fs::read(&doubt).unwrap(), first);

    // Another tool loads the same function, from which file nobody knows.
    drop(OpenOptions::new().write(true).open(node.node("dfl-fme.0")).unwrap());
    eventually("the card is in doubt", || fs::read(&doubt).unwrap() != first).await;
    assert!(!program(&node, &file).await.contains(is_loaded));
    assert!(program(&node, &file).await.contains(is_loaded));

    // Nobody watched meanwhile.
    assert!(agent.terminate(LIMIT).await.unwrap().success());
    let before = fs::read(&doubt).unwrap();
    let _agent = node.agent();
    eventually("the card is in doubt", || fs::read(&doubt).unwrap() != before).await;
    assert!(!program(&node, &file).await.contains(is_loaded));
}
