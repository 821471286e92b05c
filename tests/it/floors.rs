//! The picture of the house in `src/lib.rs`, held against the imports.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A module imports from floors below its own, never from beside or above.
const FLOORS: &[&[&str]] = &[
    &["causes", "clock", "dns", "env", "secret", "template", "words"],
    &["pattern", "program", "state"],
    &["listen", "sign", "transport"],
    &["dns_client", "imds"],
    &["aws", "sandbox", "source", "toolbox"],
    &["audit"],
    &["desired"],
    &["plan"],
    &["apply", "policy"],
    &["report"],
    &["board"],
    &["status"],
    &["notify", "reconcile"],
    &["daemon", "doctor"],
    &["config"],
    &["cli"],
    &["main"],
];

/// The sandbox is a second pair of eyes: what it knows of AWS it must not have from the client.
const SANDBOX_MAY_USE: &[&str] =
    &["causes", "clock", "dns", "listen", "secret", "sign", "template", "transport"];

/// Who speaks to a person; all others say what happened to their callers.
const MAY_LOG: &[&str] = &["cli", "daemon", "main", "report"];

fn floor_of(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.unwrap_or_else(|| panic!("src/{module} has no floor: give it one in this test and in src/lib.rs"))
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        entries.flat_map(|entry| sources(&entry.unwrap().path())).collect()
    } else {
        vec![path.to_owned()]
    }
}

/// The top-level modules that a source file names.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in ["crate::", "pin53::"] {
        for (at, _) in text.match_indices(root) {
            let rest = &text[at + root.len()..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(
                !rest.starts_with('{'),
                "import one module a line, so that the floors can be read: {root}{{"
            );
            found.insert(name);
        }
    }
    found
}

#[test]
fn every_module_imports_from_floors_below_its_own() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&src).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Hidden files are editors' and tools'.
        if module == "lib" || module.starts_with('.') {
            continue;
        }
        for file in sources(&path) {
            for import in imports(&fs::read_to_string(&file).unwrap()) {
                // A macro or a test's own path, not a module of ours.
                if !src.join(&import).exists() && !src.join(format!("{import}.rs")).exists() {
                    continue;
                }
                assert!(
                    import == module || floor_of(&import) < floor_of(&module),
                    "{} imports {import}, which isn't below {module}",
                    file.display()
                );
                if module == "sandbox" && import != "sandbox" {
                    assert!(
                        SANDBOX_MAY_USE.contains(&import.as_str()),
                        "{} imports {import}",
                        file.display()
                    );
                }
            }
        }
        for file in sources(&path).iter().filter(|_| !MAY_LOG.contains(&module.as_str())) {
            let text = fs::read_to_string(file).unwrap();
            for level in ["error!(", "warn!(", "info!("] {
                assert!(!text.contains(&format!("tracing::{level}")), "{} logs {level}", file.display());
            }
        }
        seen.insert(module);
    }
    let listed: BTreeSet<String> = FLOORS.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(seen, listed, "the floors and the modules of src/ differ");
}
