//! Data that an app wrote into its own release.

use model::written::{Kind, LeftBehind, Written, WrittenData};

/// Why the next release would start without data of what is live.
#[must_use]
pub fn left_behind(left: &LeftBehind) -> String {
    match left {
        LeftBehind::Release { live, data } => format!(
            "the data of {live} lies in its own folder, and the next release would start without it: {}",
            written(data)
        ),
        LeftBehind::Shared { live, folder, paths } => format!(
            "{live} works on data in `{}` that `shared` does not name, and the next release would start without it: {}",
            folder.display(),
            engine::adopted::listed(paths)
        ),
    }
}

/// Data that an app wrote into its release, the first files by name.
#[must_use]
pub fn written(data: &WrittenData) -> String {
    let named: Vec<String> = data.named.iter().map(file).collect();
    let text = named.join(", ");
    match data.files.saturating_sub(data.named.len()) {
        0 => text,
        more => format!("{text} and {more} more, {} in all", sized(data.bytes)),
    }
}

fn file(one: &Written) -> String {
    let path = one.path.display();
    match one.kind {
        Kind::Database => format!("{path} (a SQLite database, {})", sized(one.bytes)),
        Kind::File => format!("{path} ({})", sized(one.bytes)),
        Kind::Mount => format!("{path} (a file system that is mounted there)"),
    }
}

/// A size as people say it.
#[must_use]
pub fn sized(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} kB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
