use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// A file is one noun: before its tests, no longer than this.
const FILE: usize = 500;
/// The vocabulary stays small enough to read in one sitting.
const CORE: usize = 400;

/// What is longer than agreed.
pub(crate) fn too_long(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let crates = workspace.root().join("crates");
    let mut complaints = Vec::new();
    let mut core = 0;
    for package in fs::read_dir(&crates)? {
        let package = package?;
        for file in sources(&package.path().join("src"))? {
            let source = fs::read_to_string(&file)?;
            let lines = before_tests(&source).count();
            if lines > FILE {
                let file = file.strip_prefix(workspace.root()).unwrap_or(&file);
                let file = file.display();
                complaints.push(format!("{file}: {lines} lines before its tests, of {FILE}"));
            }
            if package.file_name() == "core" {
                core += code(&source);
            }
        }
    }
    if core > CORE {
        complaints.push(format!("crates/core: {core} code lines, of {CORE}"));
    }
    Ok(complaints)
}

/// The Rust files in `folder` and below it.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

pub(crate) fn before_tests(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
}

/// The lines before the tests that are neither blank nor comment nor documentation.
fn code(source: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    before_tests(source).map(str::trim).filter(is_code).count()
}

#[cfg(test)]
mod tests {
    use super::{before_tests, code};

    const SOURCE: &str = "\
//! Docs.

use std::fmt; // counted

/// Docs.
pub struct A {
    // why
    b: u8,
}

#[cfg(test)]
mod tests {
    fn not_counted() {}
}
";

    #[test]
    fn code_is_neither_blank_nor_comment_nor_test() {
        assert_eq!(code(SOURCE), 4);
    }

    #[test]
    fn a_file_ends_where_its_tests_begin() {
        assert_eq!(before_tests(SOURCE).count(), 10);
    }
}
