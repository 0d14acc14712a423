//! Bitstream files for emulated cards, in the GBS container that OPAE's tools read: two magic words, the length of
//! the metadata, the metadata as JSON, the payload.

use serde::Serialize;

use crate::card::pr;
use crate::id::Guid;

/// `XeonFPGA` and `\xb7GBSv001`, as they lie in the file.
const MAGIC: &[u8; 16] = b"XeonFPGA\xb7GBSv001";
/// The number that OPAE wants in the metadata.
const MAGIC_NUMBER: u32 = 488_605_312;

/// What a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitstream {
    /// Interface id of the regions that it fits.
    pub interface: Guid,
    /// The function that it loads.
    pub function: Guid,
    /// Name in the metadata.
    pub name: String,
    /// Bytes of payload; at least the head that the emulated engine reads, 40.
    pub size: usize,
    /// User clock frequencies in MHz, high and low.
    pub clocks: Option<(u32, u32)>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata<'a> {
    version: u32,
    platform_name: &'a str,
    afu_image: Image<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Image<'a> {
    magic_no: u32,
    interface_uuid: String,
    power: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_frequency_high: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_frequency_low: Option<u32>,
    afu_top_interface: TopInterface,
    accelerator_clusters: [Cluster<'a>; 1],
}

#[derive(Serialize)]
struct TopInterface {
    class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster<'a> {
    name: &'a str,
    total_contexts: u32,
    accelerator_type_uuid: String,
}

impl Bitstream {
    /// The payload: what goes to the card.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut payload = pr::payload_head(self.interface, self.function);
        let filler = (payload.len()..self.size.max(payload.len()))
            .map(|i| (i.wrapping_mul(0x9d) >> 3).to_le_bytes()[0]);
        payload.extend(filler);
        payload
    }

    /// The file.
    ///
    /// # Errors
    /// When the metadata cannot be written as JSON, or is longer than the format allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let metadata = serde_json::to_vec(&Metadata {
            version: 1,
            platform_name: "",
            afu_image: Image {
                magic_no: MAGIC_NUMBER,
                interface_uuid: self.interface.to_uuid(),
                power: 0,
                clock_frequency_high: self.clocks.map(|c| c.0),
                clock_frequency_low: self.clocks.map(|c| c.1),
                afu_top_interface: TopInterface { class: "ccip_std_afu" },
                accelerator_clusters: [Cluster {
                    name: &self.name,
                    total_contexts: 1,
                    accelerator_type_uuid: self.function.to_uuid(),
                }],
            },
        })?;
        let length = u32::try_from(metadata.len()).ok().filter(|l| *l < 4096);
        let length = length.ok_or_else(|| {
            serde::ser::Error::custom("metadata of 4096 bytes or more: use a shorter name")
        })?;
        let mut file = MAGIC.to_vec();
        file.extend(length.to_le_bytes());
        file.extend(metadata);
        file.extend(self.payload());
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::afu;
    use crate::machine::DEFAULT_INTERFACE_ID;

    fn nlb0(size: usize) -> Bitstream {
        Bitstream {
            interface: DEFAULT_INTERFACE_ID,
            function: afu::NLB0,
            name: "nlb_400".into(),
            size,
            clocks: None,
        }
    }

    #[test]
    fn the_container_is_as_the_format_has_it() {
        let file = nlb0(1000).to_bytes().unwrap();
        assert_eq!(u64::from_le_bytes(file[..8].try_into().unwrap()), 0x4147_5046_6e6f_6558);
        assert_eq!(u64::from_le_bytes(file[8..16].try_into().unwrap()), 0x3130_3076_5342_47b7);
        let length = u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize;
        assert_eq!(file.len(), 20 + length + 1000);
        let metadata: serde_json::Value = serde_json::from_slice(&file[20..20 + length]).unwrap();
        let image = &metadata["afu-image"];
        assert_eq!(image["interface-uuid"], "69528db6-eb31-577a-8c36-68f9faa081f6");
        assert_eq!(
            image["accelerator-clusters"][0]["accelerator-type-uuid"],
            "d8424dc4-a4a3-c413-f89e-433683f9040b"
        );
        assert_eq!(image["magic-no"], 488_605_312);
        assert_eq!(image.get("clock-frequency-high"), None);
        assert!(file[20 + length..].starts_with(b"DFLEMU01"));
    }

    #[test]
    fn a_payload_is_never_shorter_than_its_head() {
        assert_eq!(nlb0(0).payload().len(), 40);
        let e = Bitstream { name: "n".repeat(5000), ..nlb0(0) }.to_bytes().unwrap_err();
        assert_eq!(e.to_string(), "metadata of 4096 bytes or more: use a shorter name");
    }
}
