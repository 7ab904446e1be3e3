//! Tests of README and of docs/: every Rust block is a documentation test, every listing is part of
//! an example, and every file and function that the pages name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose files the pages name.
const FOLDERS: [&str; 8] = [
    "benches/",
    "compare/",
    "cpp/",
    "examples/",
    "python/",
    "src/",
    "tests/",
    "tools/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the Markdown pages below a folder, relative to the repository.
fn pages_below(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let mut pages = Vec::new();
    for entry in entries {
        let name = entry.expect("a readable folder").file_name();
        let path = format!("{folder}/{}", name.to_string_lossy());
        if root().join(&path).is_dir() {
            pages.extend(pages_below(&path));
        } else if path.ends_with(".md") {
            pages.push(path.into());
        }
    }
    pages.sort();
    pages
}

fn all_pages() -> Vec<PathBuf> {
    let mut pages = pages_below("docs");
    pages.push("README.md".into());
    pages
}

/// A fenced block of a page: its indentation, the words behind the fence, and its lines.
struct Block {
    page: PathBuf,
    indent: usize,
    info: String,
    /// The last line before the block that is not empty.
    before: String,
    lines: Vec<String>,
}

impl Block {
    fn is_rust(&self) -> bool {
        self.info.split([',', ' ']).any(|word| word == "rust")
    }

    /// Returns the file that the block is a part of, if the line before it ends with the name of
    /// one: "From `examples/attach.cpp`:".
    fn listed(&self) -> Option<&str> {
        let named = self.before.strip_suffix("`:")?.rsplit('`').next();
        named.filter(|path| is_path(path))
    }

    fn place(&self) -> String {
        let first = self.lines.first().map_or("", String::as_str);
        format!(
            "{}: the block that begins with {first:?}",
            self.page.display()
        )
    }
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = read(page);
    let (mut found, mut before) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let content = line.trim_start();
        let Some(info) = content.strip_prefix("```") else {
            if !content.is_empty() {
                before = line.to_owned();
            }
            continue;
        };
        let body = lines.by_ref().take_while(|line| line.trim() != "```");
        found.push(Block {
            page: page.to_owned(),
            indent: line.len() - content.len(),
            info: info.to_owned(),
            before: before.clone(),
            lines: body.map(str::to_owned).collect(),
        });
    }
    found
}

/// Returns the parts of a text between backticks.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(code: &str) -> bool {
    FOLDERS.iter().any(|folder| code.starts_with(folder)) && !code.contains([' ', '*', '<', ':'])
}

#[test]
fn every_page_with_a_rust_block_is_a_documentation_test() {
    let library = read("src/lib.rs");
    for page in all_pages() {
        let has_rust = blocks(&page).iter().any(Block::is_rust);
        let is_listed = library.contains(&format!("\"../{}\"", page.display()));
        assert!(
            !has_rust || is_listed,
            "{} has Rust blocks: add it to `pages` in src/lib.rs",
            page.display()
        );
    }
}

#[test]
fn rust_blocks_are_found_by_rustdoc_and_ignored_only_if_they_are_listings() {
    for block in all_pages().iter().flat_map(|page| blocks(page)) {
        if block.is_rust() {
            // rustdoc takes an indented block, as in a tab, for one whole piece of Rust code. Tabs
            // of `/// tab` are not indented.
            assert_eq!(block.indent, 0, "{}", block.place());
            let is_ignored = block.info.split(',').any(|word| word == "ignore");
            assert!(!is_ignored || block.listed().is_some(), "{}", block.place());
        }
    }
}

#[test]
fn listings_are_parts_of_the_examples_that_they_name() {
    let mut count = 0;
    for block in all_pages().iter().flat_map(|page| blocks(page)) {
        let Some(path) = block.listed() else { continue };
        count += 1;
        let file = read(path);
        let listing = block.lines.join("\n");
        assert!(
            file.contains(&listing),
            "{} is not in {path}",
            block.place()
        );
    }
    assert!(count > 0, "the page about C++ has listings");
}

/// Returns whether a source file has a function, written as `function` or `Type::function`.
fn has_function(path: &str, function: &str) -> bool {
    let text = read(path);
    let (owner, name) = match function.rsplit_once("::").or(function.rsplit_once('.')) {
        Some((owner, name)) => (Some(owner), name),
        None => (None, function),
    };
    let begins = |before: &str, name: &str| {
        text.match_indices(&format!("{before}{name}"))
            .any(|(at, found)| {
                let after = text[at + found.len()..].chars().next();
                !after.is_some_and(|after| after.is_alphanumeric() || after == '_')
            })
    };
    let is_defined = if path.ends_with(".rs") {
        begins("fn ", name)
    } else if path.ends_with(".py") {
        begins("def ", name)
    } else {
        text.contains(&format!("{name}("))
    };
    let has_owner = owner.is_none_or(|owner| {
        ["struct ", "enum ", "trait ", "class "]
            .iter()
            .any(|before| begins(before, owner))
            || text.lines().any(|line| {
                line.starts_with("impl") && line.split([' ', '<']).any(|word| word == owner)
            })
    });
    is_defined && has_owner
}

/// Pages that describe the source: each function that they name beside a file must be in it.
fn pages_of_internals() -> Vec<PathBuf> {
    let mut pages = pages_below("docs/internals");
    pages.push("docs/ARCHITECTURE.md".into());
    pages
}

#[test]
fn files_named_in_the_pages_exist() {
    let mut missing = BTreeSet::new();
    for page in all_pages() {
        for line in read(&page).lines() {
            let named = code(line).filter(|code| is_path(code));
            missing.extend(
                named
                    .filter(|path| !root().join(path).exists())
                    .map(|path| format!("{}: {path}", page.display())),
            );
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A function is written beside its file as "`src/run.rs` → `run_on`".
#[test]
fn functions_named_beside_a_file_in_the_internals_are_in_it() {
    let (mut missing, mut count) = (BTreeSet::new(), 0);
    for page in pages_of_internals() {
        let words: Vec<_> = read(&page).split_whitespace().map(str::to_owned).collect();
        let text = words.join(" ");
        for (at, arrow) in text.match_indices("` → `") {
            let path = text[..at].rsplit('`').next().unwrap_or_default();
            let function = text[at + arrow.len()..]
                .split('`')
                .next()
                .unwrap_or_default();
            assert!(is_path(path), "{}: {path} is no path", page.display());
            count += 1;
            if root().join(path).exists() && !has_function(path, function) {
                missing.insert(format!("{}: {path} → {function}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 20, "the pages name only {count} functions");
}

#[test]
fn function_is_found_only_under_its_whole_name_and_its_type() {
    assert!(has_function("src/run.rs", "run_on"));
    assert!(!has_function("src/run.rs", "run_o"));
    assert!(has_function("src/run.rs", "Loop::run"));
    assert!(!has_function("src/run.rs", "Driver::run"));
    assert!(has_function("python/qtloop/_loop.py", "QEventLoop.close"));
    assert!(has_function("cpp/host.cpp", "qtloop_host_new"));
}
