//! What an app keeps beside its code, by its sources and by what git is told to ignore: what
//! `shared` has to name.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use sys::store;

use crate::verbs::guess::sources::{self, Source, entries};

/// Folders that hold data where git ignores them.
const FOLDERS: [&str; 9] = [
    "instance",
    "uploads",
    "upload",
    "media",
    "data",
    "storage",
    "attachments",
    "userdata",
    "var/data",
];

/// Endings of database files.
const DATABASES: [&str; 4] = ["db", "sqlite", "sqlite3", "db3"];

/// What the sources of the app in `home` say that it writes, relative to `top`, the release.
#[must_use]
pub fn by_sources(top: &Path, home: &Path) -> Vec<PathBuf> {
    let sources = sources::read(home);
    let extension = sources
        .iter()
        .any(|source| source.has("flask_sqlalchemy|SQLALCHEMY_DATABASE_URI"));
    let mut found = BTreeSet::new();
    for source in &sources {
        let mut add = |base: &Path, path: &str| found.extend(below(top, &base.join(path)));
        if source.has(r"\binstance_path\b") {
            add(&instance(home, source), "");
        }
        for path in source.all(r#"sqlite:///([^/:"'\s{}?][^"'\s{}?]*)["'?]"#) {
            match extension {
                true => add(&instance(home, source), ""),
                false => add(home, &path),
            }
        }
        // `BASE_DIR / "db.sqlite3"`, `os.path.join(basedir, "app.db")`.
        for path in source.all(r#"(?i)\bbase_?dir\s*[/,]\s*["']([^"']+)["']"#) {
            if is_database(Path::new(&path)) {
                add(&base(source), &path);
            }
        }
        for path in source.all(r#"(?i)\b(?:MEDIA_ROOT|UPLOAD_FOLDER)\b[^=:\n]*[=:][^"'\n]*\bbase_?dir\s*[/,]\s*["']([^"']+)["']"#) {
            add(&base(source), &path);
        }
        for path in source.all(r#"\bUPLOAD_FOLDER\b[^=:\n]*[=:][^"'\n]*\broot_path\s*,\s*["']([^"']+)["']"#) {
            add(source.path.parent().unwrap_or(home), &path);
        }
        for path in source.all(r#"\b(?:MEDIA_ROOT|UPLOAD_FOLDER)\b["'\]]*\s*[=:]\s*["']([^"']+)["']"#) {
            add(home, &path);
        }
        for path in source.all(r#"(?:sqlite3\.connect\(|\bDATABASE\b["'\]]*\s*[=:])\s*["']([^"':]+)["']"#) {
            if is_database(Path::new(&path)) {
                add(home, &path);
            }
        }
    }
    outermost(found)
}

/// That, and what git is told to ignore that looks like data.
pub(super) fn proposed(top: &Path, home: &Path) -> Vec<PathBuf> {
    let mut found: BTreeSet<PathBuf> = by_sources(top, home).into_iter().collect();
    let is_django = home.join("manage.py").is_file();
    for folder in BTreeSet::from([top, home]) {
        let text = store::read_text(&folder.join(".gitignore")).unwrap_or_default();
        for line in text.lines().map(str::trim) {
            let name = line.trim_matches('/');
            // Every list that is made for Python names it.
            let is_usual = name == "instance" && is_django;
            let is_folder = FOLDERS.contains(&name) && !is_usual && !folder.join(name).is_file();
            if is_folder {
                found.extend(below(top, &folder.join(name)));
            }
            let files = entries(folder)
                .into_iter()
                .filter(|path| path.is_file() && is_database(path));
            found.extend(
                files
                    .filter(|path| fits(name, path))
                    .filter_map(|path| below(top, &path)),
            );
        }
    }
    outermost(found)
}

fn fits(pattern: &str, path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}

fn is_database(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| DATABASES.contains(&ending))
}

/// Flask's folder for data: beside the package or module that makes the app.
fn instance(home: &Path, source: &Source) -> PathBuf {
    let src = home.join("src");
    let place = if source.path.starts_with(&src) {
        src
    } else {
        home.to_owned()
    };
    place.join("instance")
}

/// What `BASE_DIR` stands for in `source`: as many folders up as the line that sets it says.
fn base(source: &Source) -> PathBuf {
    let set = source.all(r"(?im)^\s*base_?dir\s*=\s*(.*)$");
    let up = set.first().map_or(1, |line| {
        line.matches(".parent").count() + line.matches("dirname(").count()
    });
    let mut above = source.path.ancestors();
    above.nth(up).unwrap_or(&source.path).to_owned()
}

/// `path` from `top` on, where it lies in it.
fn below(top: &Path, path: &Path) -> Option<PathBuf> {
    let inside: PathBuf = path
        .strip_prefix(top)
        .ok()?
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let plain = inside
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (plain && !inside.as_os_str().is_empty()).then_some(inside)
}

fn outermost(found: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let above = |path: &PathBuf| path.ancestors().skip(1).any(|above| found.contains(above));
    found.iter().filter(|path| !above(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use crate::verbs::guess::data::*;

    fn of(files: &[(&str, &str)]) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let temp = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = temp.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let top = temp.path();
        (by_sources(top, top), proposed(top, top))
    }

    #[test]
    fn what_the_sources_name_is_found() {
        let table = [
            (
                "app.py",
                "app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///shop.db'",
                "instance",
            ),
            (
                "src/shop/__init__.py",
                "SQLALCHEMY_DATABASE_URI='sqlite:///shop.db'",
                "src/instance",
            ),
            (
                "app.py",
                "engine = create_engine(\"sqlite:///shop.db\")",
                "shop.db",
            ),
            (
                "shop/__init__.py",
                "DATABASE=os.path.join(app.instance_path, 'x.sqlite')",
                "instance",
            ),
            ("app.py", "DATABASE = 'store/shop.db'", "store/shop.db"),
            ("app.py", "con = sqlite3.connect('shop.db')", "shop.db"),
            (
                "site/settings.py",
                "BASE_DIR = Path(__file__).resolve().parent.parent\nNAME = BASE_DIR / 'db.sqlite3'",
                "db.sqlite3",
            ),
            (
                "site/settings.py",
                "BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n\
                 MEDIA_ROOT = os.path.join(BASE_DIR, 'media')",
                "media",
            ),
            (
                "shop/config.py",
                "basedir = os.path.abspath(os.path.dirname(__file__))\nX = 'sqlite:///' + os.path.join(basedir, 'app.db')",
                "shop/app.db",
            ),
            ("app.py", "app.config[\"UPLOAD_FOLDER\"] = \"uploads\"", "uploads"),
            (
                "app.py",
                "UPLOAD_FOLDER = os.path.join(app.root_path, 'static/uploads')",
                "static/uploads",
            ),
        ];
        for (file, text, expected) in table {
            assert_eq!(of(&[(file, text)]).0, [Path::new(expected)], "{text}");
        }
        let nested = "DATABASE = 'store/db/shop.db'\nUPLOAD_FOLDER = 'store'";
        assert_eq!(of(&[("app.py", nested)]).0, [Path::new("store")]);
        for text in [
            "# DATABASE = 'shop.db'",
            "DATABASE = '/var/lib/shop/shop.db'",
            "DATABASE = '../shop.db'",
            "URI = 'sqlite:////var/lib/shop.db'",
            "URI = 'sqlite:///:memory:'",
            "URI = f'sqlite:///{PATH}'",
            "BASE_DIR = Path(__file__).parent\nTEMPLATES = BASE_DIR / 'templates'",
        ] {
            assert_eq!(of(&[("app.py", text)]).0, [] as [&Path; 0], "{text}");
        }
    }

    #[test]
    fn what_git_ignores_is_proposed_where_it_looks_like_data() {
        let ignored = "# Python\n__pycache__/\nvenv/\n.env\n/uploads/\ninstance/\n*.db\ndb.sqlite3\nnode_modules\n*.log\n";
        let (sure, all) = of(&[
            (".gitignore", ignored),
            ("shop.db", ""),
            ("notes.txt", ""),
            ("today.log", ""),
            ("instance/shop.db", ""),
        ]);
        assert_eq!(sure, [] as [&Path; 0]);
        assert_eq!(all, ["instance", "shop.db", "uploads"].map(PathBuf::from));
        let (_, all) = of(&[(".gitignore", ignored), ("manage.py", ""), ("db.sqlite3", "")]);
        assert_eq!(all, ["db.sqlite3", "uploads"].map(PathBuf::from));
    }
}
