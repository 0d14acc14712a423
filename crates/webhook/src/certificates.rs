//! The serving certificate: where it comes from, and how it is replaced without a dropped request.
//!
//! By default the webhook makes it itself. Every certificate has a CA of its own, whose key is forgotten at
//! once: nothing that is stored can sign another certificate. The certificate, its key and its CA are in a
//! Secret that every replica follows and serves from. Whoever holds the lease renews it (`plan`): the
//! next CA goes into the configuration's `caBundle` beside the current one before any replica serves the next
//! certificate, and the previous CA stays there until every replica has left its certificate.
//!
//! Otherwise the certificate is in files, which cert-manager or somebody else keeps, and which are read again
//! when they change.

pub(crate) mod files;
pub mod issue;
pub(crate) mod keeper;
pub(crate) mod keyring;
pub mod pair;
pub(crate) mod plan;
pub(crate) mod replica;
