//! JSON objects that are objects.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A `T` from a JSON object. What serde derives for a struct takes a list of its fields' values as well,
/// in which no field has its name: that is nothing a runtime writes, so it is refused.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Pair {
        a: u8,
        b: Option<u8>,
    }

    #[test]
    fn accepts_an_object_and_no_list_of_its_values() {
        let Object(Pair { a, b }) = serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap();
        assert_eq!((a, b), (1, Some(2)));
        for text in ["[1,2]", "[]", "1", "null", "\"a\""] {
            let error = serde_json::from_str::<Object<Pair>>(text).unwrap_err();
            assert!(error.to_string().contains("expected an object"), "{error}");
        }
    }
}
