//! Typed look-ups in the JSON of a GBS, with the path of the field in every error.
//!
//! Keys match without regard to case and `null` counts as absent, as Intel's tools have it. Of keys
//! that occur twice in the same spelling the last one counts; in two spellings they are an error,
//! because tools differ in which one they take.

use serde_json::{Deserializer, Map, Value};

use super::ParseError;

/// The first JSON value in `bytes`, which must be an object. What follows it is ignored: writers
/// leave a NUL or padding there. Nesting is limited by the JSON reader (128 levels).
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ParseError> {
    let malformed = |found: String| ParseError::value("JSON", found, "one JSON object");
    match Deserializer::from_slice(bytes).into_iter::<Value>().next() {
        None => Err(malformed("nothing".to_owned())),
        Some(Err(cause)) => Err(malformed(cause.to_string())),
        Some(Ok(Value::Object(map))) => Ok(map),
        Some(Ok(other)) => Err(malformed(kind(&other).to_owned())),
    }
}

/// An object and where it is.
pub(super) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(super) fn root(map: &'a Map<String, Value>) -> Self {
        Self { path: String::new(), map }
    }

    /// The path of the field `name`, such as `afu-image.power`.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    pub(super) fn value(&self, name: &str) -> Result<Option<&'a Value>, ParseError> {
        let mut found = self.map.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = found.next();
        if found.next().is_some() {
            let path = self.path(name);
            return Err(ParseError::value(path, "the key in several spellings", "it once"));
        }
        Ok(first.map(|(_, value)| value).filter(|value| !value.is_null()))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ParseError> {
        self.typed(name, "a text", Value::as_str)
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ParseError> {
        self.typed(name, "a 64-bit integer", Value::as_i64)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, ParseError> {
        self.typed(name, "a number", Value::as_f64)
    }

    pub(super) fn array(&self, name: &str) -> Result<Option<&'a Vec<Value>>, ParseError> {
        self.typed(name, "an array", Value::as_array)
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Object<'a>>, ParseError> {
        let map = self.typed(name, "an object", Value::as_object)?;
        Ok(map.map(|map| Object { path: self.path(name) + ".", map }))
    }

    /// Element `index` of the array `name`.
    pub(super) fn element(
        &self,
        name: &str,
        index: usize,
        value: &'a Value,
    ) -> Result<Object<'a>, ParseError> {
        let path = format!("{}[{index}]", self.path(name));
        match value.as_object() {
            Some(map) => Ok(Object { path: path + ".", map }),
            None => Err(ParseError::value(path, kind(value), "an object")),
        }
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None => Err(ParseError::value(self.path(name), describe(value), expected)),
        }
    }
}

/// A value as an error shows it: scalars themselves, and of the rest the kind.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        // Rust's escapes cover control characters that JSON leaves as they are.
        Value::String(text) => format!("{text:?}"),
        other => kind(other).to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
