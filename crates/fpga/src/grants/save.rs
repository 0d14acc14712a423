//! Writing a file of grants: readers see the old one or the new one, whole.

use std::io;
use std::path::Path;

use super::{Document, Error, Grants, VERSION};
use crate::files;

impl Grants {
    /// Replaces the file at `path`, readable by all and writable by its owner (mode 0644). Its directory
    /// is made if it is missing (mode 0755).
    ///
    /// # Errors
    /// The directory or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let document = Document { version: VERSION, namespaces: self.namespaces.clone() };
        let fail = |operation| {
            move |cause: io::Error| Error::Io { path: path.to_owned(), operation, cause }
        };
        let text = serde_json::to_vec_pretty(&document)
            .map_err(|cause| Error::Malformed { path: path.to_owned(), cause })?;
        let directory = path.parent().unwrap_or(Path::new("."));
        files::make_directories(directory).map_err(fail("make its directory"))?;
        files::replace(path, &text, 0o644).map_err(fail("write it"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::grants::Grant;

    fn grants(afu: &str) -> Grants {
        let mut grants = Grants::default();
        let grant = Grant {
            interface_id: "69528db6eb31577a8c3668f9faa081f6".parse().unwrap(),
            image: afu.parse().unwrap(),
        };
        grants.insert("vision", grant).unwrap();
        grants
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/kube-fpga/grants.json");
        for afu in ["f7df405cbd7acf7222f144b0b93acd18", "40007c0623210742000ebc58df6f5343e668b03a"]
        {
            let grants = grants(afu);
            grants.save(&path).unwrap();
            assert_eq!(Grants::load(&path).unwrap(), grants);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        let names: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["grants.json"], "nothing is left over");
    }

    #[test]
    fn a_save_that_fails_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        fs::create_dir(&path).unwrap();
        let error = grants("f7df405cbd7acf7222f144b0b93acd18").save(&path).unwrap_err();
        assert!(error.to_string().contains("grants.json: cannot write it"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
        assert!(path.is_dir());
    }

    #[test]
    fn readers_never_see_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (one, two) = (
            grants("f7df405cbd7acf7222f144b0b93acd18"),
            grants("40007c0623210742000ebc58df6f5343e668b03a"),
        );
        one.save(&path).unwrap();
        std::thread::scope(|scope| {
            for grants in [&one, &two] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        grants.save(path).unwrap();
                    }
                });
            }
            for _ in 0..200 {
                let seen = Grants::load(&path).unwrap();
                assert!(seen == one || seen == two);
            }
        });
    }
}
