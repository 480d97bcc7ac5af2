use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// Where pages are that link to one another, and the tests that show what they say.
const FOLDERS: &[&str] = &["", "docs", "examples"];

/// Links of pages that lead nowhere, and tests that they name and that are not there.
pub(crate) fn broken(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    for page in pages(workspace.root())? {
        let text = fs::read_to_string(&page)?;
        let folder = page.parent().unwrap_or(Path::new("."));
        for link in links(&text) {
            if let Some(why) = link.is_broken(folder) {
                let page = page.strip_prefix(workspace.root()).unwrap_or(&page);
                complaints.push(format!("{}: {why}", page.display()));
            }
        }
    }
    Ok(complaints)
}

fn pages(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    for package in fs::read_dir(root.join("crates"))? {
        folders.push(package?.path());
    }
    let mut pages = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // A symlink is another's page.
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            if is_page && !path.is_symlink() {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// `[text](target)`.
#[derive(Debug, PartialEq)]
struct Link<'a> {
    text: &'a str,
    target: &'a str,
}

impl Link<'_> {
    /// Why it leads nowhere, from a page in `folder`.
    fn is_broken(&self, folder: &Path) -> Option<String> {
        let Self { text, target } = self;
        let path = target.split('#').next().unwrap_or_default();
        if path.is_empty() || path.contains("://") {
            return None;
        }
        let file = folder.join(path);
        if !file.exists() {
            return Some(format!("{target} is not there"));
        }
        let test = text.strip_prefix('`')?.strip_suffix('`')?;
        let is_source = file.extension().is_some_and(|extension| extension == "rs");
        let source = fs::read_to_string(&file).ok().filter(|_| is_source)?;
        let is_there = source.contains(&format!("fn {test}(")) || !is_test(test);
        (!is_there).then(|| format!("there is no {test} in {path}"))
    }
}

/// Not the name of a file or of a type.
fn is_test(name: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(in_name)
}

/// Those outside of code, each on one line.
fn links(page: &str) -> Vec<Link<'_>> {
    let mut is_code = false;
    let prose = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    prose.flat_map(links_of).collect()
}

fn links_of(line: &str) -> impl Iterator<Item = Link<'_>> {
    line.match_indices("](").filter_map(|(at, middle)| {
        let (before, after) = (line.get(..at)?, line.get(at + middle.len()..)?);
        let (_, text) = before.rsplit_once('[')?;
        let (target, _) = after.split_once(')')?;
        Some(Link { text, target })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Link, links};

    #[test]
    fn links_are_found_outside_of_code() {
        let page = "[a](b.md), and [`c`](d.rs#L1)\n```rust\n[no](no.md)\n```\n[e](https://f)\n";
        let targets: Vec<_> = links(page).iter().map(|link| link.target).collect();
        assert_eq!(targets, ["b.md", "d.rs#L1", "https://f"]);
    }

    #[test]
    fn a_link_leads_to_a_file_and_a_test_is_in_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let why = |text, target| Link { text, target }.is_broken(&here);
        let this = "`a_link_leads_to_a_file_and_a_test_is_in_it`";
        assert_eq!(why(this, "pages.rs"), None);
        assert_eq!(why("`stack.rs`", "pages.rs"), None);
        assert_eq!(why("elsewhere", "https://example.com/x"), None);
        let gone = why("`this_was_renamed`", "pages.rs").unwrap();
        assert_eq!(gone, "there is no this_was_renamed in pages.rs");
        assert_eq!(why("x", "x.md#y").unwrap(), "x.md#y is not there");
    }
}
