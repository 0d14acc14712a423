//! What was found about an object.

use std::fmt::Display;

use serde::Serialize;

use super::areas::Area;

/// How bad a finding is; the worst one is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is as it should be.
    Ok,
    /// It could not be determined.
    Unknown,
    /// It works, but not for everybody, not safely or not for long.
    Warning,
    /// It does not work.
    Error,
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line of the result. The names are those of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Set by the area's thread.
    pub(super) area: Option<Area>,
    /// A device, a file, an address.
    pub(super) object: String,
    /// What is so.
    pub(super) finding: String,
    /// Why it is so, or why it matters.
    pub(super) cause: Option<String>,
    /// A command for a shell, with what to put in place of words in capitals.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Ok, object, finding)
    }

    pub(super) fn unknown(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Unknown, object, finding)
    }

    pub(super) fn warning(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Warning, object, finding)
    }

    pub(super) fn error(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Error, object, finding)
    }

    fn new(level: Level, object: impl Display, finding: impl Display) -> Self {
        Self {
            level,
            area: None,
            object: object.to_string(),
            finding: finding.to_string(),
            cause: None,
            fix: None,
        }
    }

    pub(super) fn because(mut self, cause: impl Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub(super) fn fix(mut self, command: impl Display) -> Self {
        self.fix = Some(command.to_string());
        self
    }
}
