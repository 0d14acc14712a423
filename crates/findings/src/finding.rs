//! What was found about an object.

use std::fmt::Display;

use serde::Serialize;

/// How bad a finding is; the worst one is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
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
    /// As people and scripts read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The exit code of a program that found nothing worse.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 4,
            Self::Warning => 9,
            Self::Unknown => 10,
        }
    }
}

/// The worst level among the findings; of none, [`Level::Ok`].
#[must_use]
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// One line of the result. The names are those of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What part of the whole it is about.
    pub area: Option<&'static str>,
    /// A device, a file, an address.
    pub object: String,
    /// What is so.
    pub finding: String,
    /// Why it is so, or why it matters.
    pub cause: Option<String>,
    /// A command for a shell, with what to put in place of words in capitals.
    pub fix: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Ok, object, finding)
    }

    /// It could not be determined.
    pub fn unknown(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Unknown, object, finding)
    }

    /// It works, but not for everybody, not safely or not for long.
    pub fn warning(object: impl Display, finding: impl Display) -> Self {
        Self::new(Level::Warning, object, finding)
    }

    /// It does not work.
    pub fn error(object: impl Display, finding: impl Display) -> Self {
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

    /// Adds why it is so, or why it matters.
    #[must_use]
    pub fn because(mut self, cause: impl Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds the command that mends it.
    #[must_use]
    pub fn fix(mut self, command: impl Display) -> Self {
        self.fix = Some(command.to_string());
        self
    }

    /// Adds what part of the whole it is about.
    #[must_use]
    pub fn in_area(mut self, area: &'static str) -> Self {
        self.area = Some(area);
        self
    }
}
