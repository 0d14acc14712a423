//! A configuration in TOML that may be spread over several files.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::commands::doctor::host::children;
use fpga::files::read;

/// Longer than any configuration.
const LIMIT: u64 = 1 << 20;

/// Reads a file.
pub(super) fn load(path: &Path) -> Result<Table, String> {
    let text = read(path, LIMIT).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    // The whole message has lines that draw the place.
    text.parse::<Table>().map_err(|error| error.message().to_owned())
}

/// The value at a path of keys.
pub(super) fn get<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, tables) = keys.split_last()?;
    let table = tables.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?;
    table.get(*last)
}

/// The strings at a path of keys.
pub(super) fn strings(table: &Table, keys: &[&str]) -> Option<Vec<String>> {
    let values = get(table, keys)?.as_array()?;
    Some(values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

/// The files that `pattern` stands for, in order, relative to `directory` if it is: its last name may have one
/// asterisk. `None` for other patterns.
pub(super) fn glob(directory: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
    let path = directory.join(pattern);
    let (parent, name) = (path.parent()?, path.file_name()?.to_str()?);
    if parent.to_string_lossy().contains(['*', '?', '[']) || name.contains(['?', '[']) {
        return None;
    }
    let Some((start, end)) = name.split_once('*') else {
        return Some(vec![path]);
    };
    if end.contains('*') {
        return None;
    }
    let fits = |name: &String| {
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let names = children(parent).ok()?;
    Some(names.into_iter().filter(fits).map(|name| parent.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_keys() {
        let table: Table = "a.\"b.c\".d = ['x', 'y']\na.e = true".parse().unwrap();
        assert_eq!(strings(&table, &["a", "b.c", "d"]).unwrap(), ["x", "y"]);
        assert_eq!(get(&table, &["a", "e"]).and_then(Value::as_bool), Some(true));
        assert_eq!(get(&table, &["a", "e", "f"]), None);
        assert_eq!(get(&table, &[]), None);
    }

    #[test]
    fn patterns_have_one_asterisk_in_their_last_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", "c.conf", ".toml"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |pattern| {
            let files = glob(dir.path(), pattern)?;
            Some(
                files
                    .iter()
                    .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(names("*.toml").unwrap(), [".toml", "a.toml", "b.toml"]);
        assert_eq!(names("a.toml").unwrap(), ["a.toml"]);
        assert_eq!(names("*/x.toml"), None);
        assert_eq!(names("[ab].toml"), None);
        assert_eq!(names("*a*"), None);
    }
}
