//! The driver's verbs.
