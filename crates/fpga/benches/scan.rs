//! A scan of machines with 1, 8, 64 and 256 ports, the larger ones with four on a card.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fpga::root::Root;
use fpga::scan::scan;
use fpga_emulator::machine::Machine;

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (cards, ports) in [(1, 1), (8, 1), (16, 4), (64, 4)] {
        let temp = tempfile::tempdir().expect("a directory for the tree");
        let dir = temp.path().join("node");
        let machine = Machine::cards(cards, ports).expect("a machine of that size");
        fpga_emulator::tree::create(&machine, &dir).expect("its tree");
        let root = Root::at(&dir);
        let found: usize = scan(&root).cards.iter().map(|card| card.slots.len()).sum();
        assert_eq!(found, cards * ports, "the tree is not what is to be measured");
        group.throughput(Throughput::Elements(u64::try_from(found).expect("a small number")));
        let name = BenchmarkId::new("ports", format!("{found} on {cards} cards"));
        group.bench_function(name, |bencher| bencher.iter(|| scan(&root)));
    }
    group.finish();
}

criterion_group!(benches, scans);
criterion_main!(benches);
