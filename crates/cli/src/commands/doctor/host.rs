//! Paths of the host, when its file system is not at `/`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// `ELOOP` is given after as many links (`MAXSYMLINKS` in `include/linux/namei.h`).
const LINKS: usize = 40;

/// Where the host's file system is.
#[derive(Debug, Clone)]
pub(super) struct Host(PathBuf);

impl Host {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    /// Where the host's `path` is, with its links followed as the host would: `/var/run` is a link to
    /// `/run`, which would else lead out of the root. What does not exist is where it would be.
    pub(super) fn find(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        if self.0 == Path::new("/") {
            return path.to_owned();
        }
        let (mut found, mut links) = (PathBuf::new(), 0);
        let mut rest: VecDeque<OsString> = names(path).collect();
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                found.pop();
                continue;
            }
            match fs::read_link(self.0.join(&found).join(&name)) {
                Ok(target) if links < LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        found.clear();
                    }
                    for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(name);
                    }
                }
                _ => found.push(name),
            }
        }
        self.0.join(found)
    }
}

/// The names in a path, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// The names in a directory, in order; none when it is not there.
pub(super) fn children(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_as_the_host_would() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("run/cdi")).unwrap();
        fs::create_dir_all(dir.path().join("var/lib")).unwrap();
        symlink("/run", dir.path().join("var/run")).unwrap();
        symlink("../../../run/cdi", dir.path().join("var/lib/cdi")).unwrap();
        symlink("self", dir.path().join("self")).unwrap();
        let host = Host::new(dir.path().to_owned());
        for (path, found) in [
            ("/var/run/cdi/a.json", "run/cdi/a.json"),
            ("/var/lib/cdi", "run/cdi"),
            ("/../../etc", "etc"),
            ("/none/x", "none/x"),
            ("/self/x", "self/x"),
        ] {
            assert_eq!(host.find(path), dir.path().join(found), "{path}");
        }
        assert_eq!(Host::new("/".into()).find("/var/run"), Path::new("/var/run"));
    }
}
