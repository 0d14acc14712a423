//! What a request asks for.

use std::collections::BTreeMap;

use hyper::http::request::Parts;
use hyper::{Method, header};

use super::answer::Failure;
use super::resources::Resource;

/// What is to be done, in the words of access rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read all.
    List,
    /// Follow all, or one by its name.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch,
    /// Remove an object.
    Delete,
}

/// A request that was understood.
#[derive(Debug)]
pub struct Asked {
    /// What is to be done.
    pub verb: Verb,
    /// The kind.
    pub resource: Resource,
    /// The version that the answer is to be in.
    pub version: String,
    /// The namespace; empty for all or none.
    pub namespace: String,
    /// The object's name, from the path or from a field selector.
    pub name: Option<String>,
    /// `status`, if that was asked for.
    pub subresource: Option<String>,
    /// Parameters of the query.
    pub query: BTreeMap<String, String>,
    /// Whether the answer is to be metadata alone.
    pub metadata_only: bool,
    /// The type of the body.
    pub content_type: String,
}

impl Asked {
    pub(super) fn parse(head: &Parts, resources: &[Resource]) -> Result<Self, Failure> {
        let unknown =
            || Failure::new(404, "NotFound", "the server could not find the requested resource");
        let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        let (group, version, rest) = match path.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(unknown()),
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] => (*namespace, *plural, rest),
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(unknown()),
        };
        let resource = resources.iter().find(|r| {
            r.group == group && r.plural == plural && r.versions.iter().any(|v| v == version)
        });
        let resource = resource.ok_or_else(unknown)?.clone();
        let query = query(head.uri.query().unwrap_or_default());
        let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let (name, subresource) = match rest {
            [] => (selected(query.get("fieldSelector"))?, None),
            [name] => (Some((*name).to_owned()), None),
            [name, "status"] if resource.status => {
                (Some((*name).to_owned()), Some("status".to_owned()))
            }
            _ => return Err(unknown()),
        };
        let watching = query.get("watch").is_some_and(|v| v == "1" || v == "true");
        let verb = match (&head.method, rest.is_empty()) {
            (&Method::GET, true) if watching => Verb::Watch,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, true) => Verb::Create,
            (&Method::PUT, false) => Verb::Update,
            (&Method::PATCH, false) => Verb::Patch,
            (&Method::DELETE, false) => Verb::Delete,
            _ => return Err(Failure::new(405, "MethodNotAllowed", "not for this resource")),
        };
        Ok(Self {
            verb,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            name,
            subresource,
            metadata_only: text(header::ACCEPT).contains("as=PartialObjectMetadata"),
            content_type: text(header::CONTENT_TYPE).to_owned(),
            resource,
            query,
        })
    }

    /// True if an object of the kind is among those that were asked for.
    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        (self.namespace.is_empty() || self.namespace == namespace)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
    }

    /// The labels that a list asks for, of which equality alone is known.
    pub(super) fn labels(&self) -> Result<Vec<(&str, &str)>, Failure> {
        let selector = self.query.get("labelSelector").map_or("", String::as_str);
        let parts = selector.split(',').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| match part.split_once('=') {
            Some((key, value)) if !key.ends_with('!') && !value.starts_with('=') => {
                Ok((key, value))
            }
            _ => Err(Failure::bad_request(&format!("label selector not supported: {part}"))),
        });
        pairs.collect()
    }

    pub(super) fn number(&self, parameter: &str) -> Result<Option<u64>, Failure> {
        let value = self.query.get(parameter).filter(|value| !value.is_empty());
        let number = value.map(|value| value.parse());
        number
            .transpose()
            .map_err(|_| Failure::bad_request(&format!("{parameter}: expected a number")))
    }

    pub(super) fn flag(&self, parameter: &str) -> bool {
        self.query.get(parameter).is_some_and(|value| value == "true" || value == "1")
    }
}

/// The name in a field selector, which is the only field that the stand-in selects by.
fn selected(selector: Option<&String>) -> Result<Option<String>, Failure> {
    match selector.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.strip_prefix("metadata.name=") {
            Some(name) if !name.contains(',') => Ok(Some(name.to_owned())),
            _ => Err(Failure::bad_request(&format!("field label not supported: {text}"))),
        },
    }
}

/// The parameters of a query.
fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect()
}

/// Percent signs with their two digits, and plus signs for spaces.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_unescaped() {
        let found = query("fieldSelector=metadata.name%3Dworker-1&watch=true&x=a+b%2Cc%");
        assert_eq!(found["fieldSelector"], "metadata.name=worker-1");
        assert_eq!((found["watch"].as_str(), found["x"].as_str()), ("true", "a b,c%"));
    }
}
