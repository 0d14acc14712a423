//! The Secret's content: the certificate in use, the next one while it is being introduced, and the CA of the
//! previous one while some replica may still serve it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::pair::Pair;

/// Names in the Secret. The first two and the third are those that cert-manager uses.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const CA: &str = "ca.crt";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const NEXT_CA: &str = "next-ca.crt";
const PREVIOUS_CA: &str = "previous-ca.crt";

/// What the Secret holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keyring {
    /// What every replica serves.
    pub(crate) current: Option<Pair>,
    /// What takes its place when clients trust it.
    pub(crate) next: Option<Pair>,
    /// The CA of what was served before.
    pub(crate) previous_ca: Option<String>,
}

impl Keyring {
    /// Reads what is there; what is incomplete or no text is not.
    #[must_use]
    pub(crate) fn of(secret: &Secret) -> Self {
        let data = secret.data.as_ref();
        let text = |name| {
            let bytes = data.and_then(|data| data.get(name));
            bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        };
        let pair = |certificate, key, ca| {
            Some(Pair { certificate: text(certificate)?, key: text(key)?, ca: text(ca)? })
        };
        Self {
            current: pair(CERTIFICATE, KEY, CA),
            next: pair(NEXT_CERTIFICATE, NEXT_KEY, NEXT_CA),
            previous_ca: text(PREVIOUS_CA),
        }
    }

    /// Makes it the Secret's content and leaves everything else of the Secret as it is.
    pub(crate) fn put(&self, secret: &mut Secret) {
        let mut data = BTreeMap::new();
        let mut insert = |name: &str, text: &str| {
            data.insert(name.to_owned(), ByteString(text.as_bytes().to_vec()));
        };
        if let Some(pair) = &self.current {
            insert(CERTIFICATE, &pair.certificate);
            insert(KEY, &pair.key);
            insert(CA, &pair.ca);
        }
        if let Some(pair) = &self.next {
            insert(NEXT_CERTIFICATE, &pair.certificate);
            insert(NEXT_KEY, &pair.key);
            insert(NEXT_CA, &pair.ca);
        }
        if let Some(ca) = &self.previous_ca {
            insert(PREVIOUS_CA, ca);
        }
        secret.data = Some(data);
    }

    /// The CAs that clients must trust, the current one first.
    #[must_use]
    pub(crate) fn bundle(&self) -> String {
        let pairs = [&self.current, &self.next].into_iter().flatten().map(|pair| pair.ca.as_str());
        let all = pairs.chain(self.previous_ca.as_deref()).map(str::trim_end);
        all.map(|ca| format!("{ca}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> Pair {
        let text = |what: &str| format!("{name} {what}\n");
        Pair { certificate: text("certificate"), key: text("key"), ca: text("ca") }
    }

    #[test]
    fn what_is_put_is_read_and_what_is_no_longer_there_goes() {
        let full = Keyring {
            current: Some(pair("current")),
            next: Some(pair("next")),
            previous_ca: Some("previous ca".to_owned()),
        };
        let mut secret = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
        full.put(&mut secret);
        assert_eq!(Keyring::of(&secret), full);
        assert_eq!(full.bundle(), "current ca\nnext ca\nprevious ca\n");
        let reduced = Keyring { next: None, previous_ca: None, ..full };
        reduced.put(&mut secret);
        assert_eq!(Keyring::of(&secret), reduced);
        assert_eq!(secret.data.as_ref().unwrap().len(), 3);
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
        secret.data.as_mut().unwrap().remove(KEY);
        assert_eq!(Keyring::of(&secret), Keyring::default());
    }
}
