//! Writes the seeds of the corpora: `cargo run --example seeds`, in this directory. Files whose names
//! begin with `good-` are bitstreams, the others are not.

use std::fs;
use std::path::Path;

use fpga_emulator::bitstream_writer::{
    Class, GBS_MAGIC, aocx, aocx_around, elf, gbs, gzip, metadata,
};

const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
const NLB0: &str = "d8424dc4-a4a3-c413-f89e-433683f9040b";
const HASH: &str = "40007c0623210742000ebc58df6f5343e668b03a";

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in [("gbs", gbs_seeds()), ("aocx", aocx_seeds())] {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        for (name, bytes) in seeds {
            fs::write(directory.join(name), bytes)?;
        }
    }
    Ok(())
}

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn gbs_seeds() -> Seeds {
    let full = metadata(INTERFACE, NLB0);
    let bare = r#"{"afu-image":{"accelerator-clusters":[{}]}}"#;
    let two = r#"{"AFU-image":{"accelerator-clusters":[{},{}]}}"#;
    vec![
        ("good-full", gbs(&full, b"image")),
        ("good-bare", gbs(bare, b"x")),
        ("good-nul", gbs(&format!("{bare}\0"), b"x")),
        ("good-clocks", gbs(&full.replace("400,", "\"auto-307\","), b"x")),
        ("no-image", gbs(&full, b"")),
        ("two-clusters", gbs(two, b"x")),
        ("deep", gbs(&format!("{{\"a\":{}", "[".repeat(300)), b"x")),
        ("good-escape", gbs(&full.replace("17", "\"\\u001b[2J\""), b"x")),
        ("escape", gbs("{\"afu-image\": \"\\u001b[2J\"}", b"x")),
        ("nameless", [&GBS_MAGIC[..], &[0; 4], b"image"].concat()),
        ("legacy", [&0x1d1f_8680_u32.to_le_bytes()[..], &[7; 32]].concat()),
        ("good-signed", gbs(&full, &[&0xb6ea_fd19_u32.to_le_bytes()[..], b"image"].concat())),
        ("long", [&GBS_MAGIC[..], &[0xff; 4], full.as_bytes()].concat()),
        ("empty", Vec::new()),
    ]
}

fn aocx_seeds() -> Seeds {
    let inner = gbs(&metadata(INTERFACE, NLB0), b"image");
    let around_gzip = |stream: &[u8]| elf(Class::Elf64, &[(".acl.gbs.gz", stream)]);
    let narrow = elf(Class::Elf32, &[(".acl.gbs.gz", gzip(&inner).as_slice())]);
    let bomb = gbs(&metadata(INTERFACE, NLB0), &vec![0; 2 << 20]);
    vec![
        ("good-full", aocx(HASH, &inner)),
        ("good-elf32", elf(Class::Elf32, &[(".acl.fpga.bin", narrow.as_slice())])),
        (
            "good-members",
            aocx_around(HASH, &around_gzip(&[gzip(&inner[..30]), gzip(&inner[30..])].concat())),
        ),
        ("bomb", aocx(HASH, &bomb)),
        ("no-gzip", aocx_around(HASH, &around_gzip(b"plain"))),
        ("no-gbs", aocx_around(HASH, &elf(Class::Elf64, &[]))),
        ("no-fpga", elf(Class::Elf64, &[(".acl.rand_hash", HASH.as_bytes())])),
        ("no-image", aocx(HASH, &gbs(&metadata(INTERFACE, NLB0), b""))),
        ("cut", aocx(HASH, &inner)[..200].to_vec()),
    ]
}
