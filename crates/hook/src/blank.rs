//! Bitstreams that regions get when their containers are gone.

use std::str::FromStr;

use fpga::bitstream::ImageId;
use fpga::id::InterfaceId;

/// The function for regions of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blank {
    /// Which regions.
    pub interface: InterfaceId,
    /// What they get.
    pub image: ImageId,
}

impl FromStr for Blank {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (interface, image) = text
            .split_once('=')
            .ok_or("expected an interface id, an equals sign and a function id".to_owned())?;
        Ok(Self {
            interface: interface.parse::<InterfaceId>().map_err(|error| error.to_string())?,
            image: image.parse::<ImageId>().map_err(|error| error.to_string())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_and_a_function() {
        let (a10, nlb0) = ("69528db6eb31577a8c3668f9faa081f6", "d8424dc4a4a3c413f89e433683f9040b");
        let blank: Blank = format!("{a10}={nlb0}").parse().unwrap();
        assert_eq!(
            (blank.interface.to_string(), blank.image.to_string()),
            (a10.into(), nlb0.into())
        );
        for text in ["", "=", a10, &format!("{a10}="), &format!("={nlb0}"), &format!("{a10}=../x")]
        {
            assert!(text.parse::<Blank>().is_err(), "{text}");
        }
    }
}
