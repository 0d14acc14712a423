//! Names of namespaces, checked so that a slip in a file by hand does not go unseen.

use std::borrow::Borrow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ANY_NAMESPACE;

/// Longest label of the domain name system (RFC 1123), which a namespace's name is.
const MAX_LENGTH: usize = 63;

/// The name of a namespace, or [`ANY_NAMESPACE`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Namespace(String);

/// A text that names no namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "namespace {text:?}: expected at most {MAX_LENGTH} lower-case letters, digits and dashes, \
     with no dash at the ends, or {ANY_NAMESPACE:?} for all"
)]
pub struct NamespaceError {
    /// What was given.
    pub text: String,
}

impl Namespace {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;
    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Namespace {
    type Error = NamespaceError;
    fn try_from(text: String) -> Result<Self, NamespaceError> {
        if text == ANY_NAMESPACE || is_namespace(&text) {
            return Ok(Self(text));
        }
        Err(NamespaceError { text })
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> String {
        namespace.0
    }
}

impl Borrow<str> for Namespace {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// Whether a namespace can have this name: a label of RFC 1123, as the API server checks it.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LENGTH).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_of_kubernetes_and_the_star() {
        for text in ["default", "a", "team-7", "*", &"n".repeat(63)] {
            assert!(text.parse::<Namespace>().is_ok(), "{text}");
        }
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", "Default", "a b", "-a", "a-", "**", "a*", "a/b", "é", &"n".repeat(64)] {
            let error = text.parse::<Namespace>().unwrap_err();
            assert_eq!(error.text, text);
        }
    }
}
