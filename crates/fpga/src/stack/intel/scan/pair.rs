//! Which region is behind which port.
//!
//! No attribute says it. The DFL driver makes the regions of a card in `pr_mgmt_init` (dfl-fme-pr.c):
//! it walks the port numbers upwards and, for each port that the card implements, adds a bridge and
//! then a region that takes the bridge's number. Numbers of bridges are the lowest free ones
//! (`PLATFORM_DEVID_AUTO`), so they rise along one walk, and the regions of a card by number are its
//! implemented ports by number. A port that is released, or that a virtual machine holds, is
//! implemented but not seen.

/// The region of each port of a card, as an index into its regions by number. `ids` are the numbers of
/// the ports that are seen, rising, and `ports_num` is how many numbers the card has. `None` when it
/// cannot be known.
pub(super) fn regions(
    ports_num: Option<u32>,
    regions: usize,
    ids: &[u32],
) -> Option<Vec<Option<usize>>> {
    let index = |id: &u32| usize::try_from(*id).ok();
    match regions {
        0 => Some(vec![None; ids.len()]),
        // The one port that can be reconfigured, or several that share a region.
        1 => Some(vec![Some(0); ids.len()]),
        // Every number is implemented, so a region's place is its port's number.
        _ if ports_num.as_ref().and_then(index) == Some(regions) => {
            Some(ids.iter().map(|id| index(id).filter(|id| *id < regions)).collect())
        }
        // Every implemented port is seen, so their orders agree.
        _ if ids.len() == regions => Some((0..regions).map(Some).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::regions;

    #[test]
    fn a_card_without_regions_has_plain_ports() {
        assert_eq!(regions(Some(2), 0, &[0, 1]), Some(vec![None, None]));
    }

    #[test]
    fn a_single_region_is_every_ports() {
        assert_eq!(regions(Some(2), 1, &[0, 1]), Some(vec![Some(0), Some(0)]));
        assert_eq!(regions(None, 1, &[3]), Some(vec![Some(0)]));
        assert_eq!(regions(Some(1), 1, &[]), Some(vec![]));
    }

    #[test]
    fn with_every_number_implemented_an_unseen_port_leaves_a_gap() {
        assert_eq!(regions(Some(3), 3, &[0, 2]), Some(vec![Some(0), Some(2)]));
        assert_eq!(regions(Some(2), 2, &[1, 7]), Some(vec![Some(1), None]));
    }

    #[test]
    fn with_every_port_seen_the_orders_agree() {
        assert_eq!(regions(Some(4), 2, &[1, 3]), Some(vec![Some(0), Some(1)]));
        assert_eq!(regions(None, 2, &[1, 3]), Some(vec![Some(0), Some(1)]));
    }

    #[test]
    fn otherwise_nothing_is_guessed() {
        assert_eq!(regions(Some(4), 3, &[1, 3]), None);
        assert_eq!(regions(None, 3, &[0, 1]), None);
    }
}
