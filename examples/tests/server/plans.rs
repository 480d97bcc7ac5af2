//! Files of plans.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::output;

/// The plans of a server that is given no others.
pub(crate) const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/server/plans.toml");

/// A file that is there until it is dropped.
pub(crate) struct Plans(PathBuf);

impl Plans {
    pub(crate) fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (pid, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("towerblock-plans-{pid}-{n}.toml"));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Plans {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_wrong_file_stops_the_start_with_one_line_that_says_where() {
    for (text, why) in [
        ("", "there is no plan free"),
        ("[free]\n\nrats = 1\n", "line 3: unknown field `rats`"),
        (
            "[free]\nrates = [{ name = \"a\" }]",
            "line 2: missing field `limit`",
        ),
        (
            "[free]\nrates = [{ name = \"A\", limit = 1 }]",
            "plan free: \"A\": name is not of the form",
        ),
        (
            "[free]\nquotas = { plugins = { monthly = 1 } }",
            "plan free: plugins is a stock",
        ),
    ] {
        let plans = Plans::new(text);
        let output = output(&[("PLANS", plans.path())]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        let begin = format!("PLANS={}: expected a file of plans in TOML (", plans.path());
        assert!(told.starts_with(&begin) && told.contains(why), "{told}");
    }
}
