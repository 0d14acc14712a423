//! Reading of JSON that keeps nothing but what it is asked to keep: neither long lists nor the text of what is
//! wrong, which serde's own errors repeat with all its escapes.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// A JSON object, read as the fields of `T`; arrays, which serde would take for structs too, are none.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match object(deserializer)? {
            Some(fields) => Ok(Self(fields)),
            None => Err(D::Error::invalid_type(Unexpected::Unit, &"an object")),
        }
    }
}

/// Reads a JSON object or null.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Fields<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
            Err(no_text(text, "an object"))
        }
    }
    deserializer.deserialize_any(Fields(PhantomData))
}

/// Reads a JSON array and gives its elements to `take`, one at a time; false for null.
pub(super) fn each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    take: impl FnMut(T) -> Result<(), TooMany>,
) -> Result<bool, D::Error> {
    struct Elements<T, F>(F, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), TooMany>> Visitor<'de> for Elements<T, F> {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<bool, A::Error> {
            while let Some(element) = elements.next_element()? {
                (self.0)(element).map_err(A::Error::custom)?;
            }
            Ok(true)
        }
        fn visit_unit<E: Error>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
            Err(no_text(text, "a list"))
        }
    }
    deserializer.deserialize_any(Elements(take, PhantomData))
}

/// Reads true, false or null.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = Option<bool>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }
        fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<bool>, E> {
            Ok(Some(flag))
        }
        fn visit_unit<E: Error>(self) -> Result<Option<bool>, E> {
            Ok(None)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Option<bool>, E> {
            Err(no_text(text, "true or false"))
        }
    }
    deserializer.deserialize_any(Flag)
}

/// That there is text where something else is expected, with the beginning of it.
pub(super) fn no_text<E: Error>(text: &str, expected: &'static str) -> E {
    const SHOWN: usize = 64;
    E::invalid_type(Unexpected::Str(&text[..text.floor_char_boundary(SHOWN)]), &expected)
}

/// More than is kept of one kind of thing.
#[derive(Debug)]
pub(super) struct TooMany {
    pub(super) limit: usize,
    pub(super) what: &'static str,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} {}", self.limit, self.what)
    }
}

/// Adds to a list that has a limit.
pub(super) fn keep<T>(
    list: &mut Vec<T>,
    item: T,
    limit: usize,
    what: &'static str,
) -> Result<(), TooMany> {
    if list.len() >= limit {
        return Err(TooMany { limit, what });
    }
    list.push(item);
    Ok(())
}
