//! What a check found, how bad it is, why, and what to do about it: the same columns, fields of JSON and exit codes
//! in every program that checks something. It knows nothing of what is checked.
#![deny(missing_docs)]

mod finding;
pub mod shell;
pub mod table;
mod text;

pub use finding::{Finding, Level, worst};
pub use text::report;
